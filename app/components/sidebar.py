"""The sidebar: which dataset, where to go, and the filters with their counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from winnow.app.components import theme
from winnow.app.components.html import render
from winnow.app.session import cache, filters, state
from winnow.core import LABEL_SOURCES, STATUSES, Counts, Filter, Workspace, WorkspaceInfo
from winnow.core.types import ISSUE_KINDS, Kind

PAGES: dict[str, tuple[str, str]] = {
    "overview": ("Overview", "monitoring"),
    "map": ("Map", "scatter_plot"),
    "queues": ("Queues", "playlist_play"),
    "review": ("Review", "style"),
    "label": ("Label", "new_label"),
    "audit": ("Audit", "fact_check"),
    "gallery": ("Gallery", "grid_view"),
    "duplicates": ("Duplicates", "content_copy"),
    "classes": ("Classes", "category"),
    "tags": ("Tags", "sell"),
    "select": ("Select", "checklist"),
    "export": ("Export", "download"),
    "history": ("History", "history"),
    "new": ("New dataset", "add_circle"),
}
"""URL path → (name, icon), in the order of the navigation."""

FACETS: dict[str, tuple[str, str]] = {
    "verdicts": ("Verdict", "by_verdict"),
    "state": ("Decision", "by_state"),
    "classes": ("Class", "by_class"),
    "label_sources": ("Where the label is from", "by_label_source"),
    "tags_any": ("With any of the tags", "by_tag"),
    "tags_all": ("With all of the tags", "by_tag"),
    "tags_none": ("With none of the tags", "by_tag"),
    "splits": ("Split", "by_split"),
    "sources": ("Source", "by_source"),
    "clusters": ("Cluster", "by_cluster"),
}
"""Field of Filter → (title, field of Counts)."""

RECOGNISED = "Columns recognised: "
"""How the note about recognised columns begins; it stands among the facts of the scan, not among the notices."""

SLIDERS = tuple(kind for kind in theme.VERDICTS if kind != Kind.CLEAN)
MAX_OPTIONS = 400
"""Options of one facet that are drawn; the largest come first, and the search box finds among these."""

SEARCH_FROM = 12

RATES = (0.3, 0.2, 0.15, 0.1, 0.05, 0.03, 0.02, 0.01)
"""False-flag rates that the slider offers after "as scanned", from the longest list to the surest."""


def brand() -> str:
    """The product's sign."""
    return render("sidebar", "brand", (theme.ASSETS / "logo.svg").read_text(encoding="utf-8"))


def nav(current: str, query: str, badges: Mapping[str, str], tagged: bool = False) -> str:
    """The navigation; with the page of tags where samples have some, or where one is on it."""
    pages = {name: page for name, page in PAGES.items() if name != "tags" or tagged or current == "tags"}
    return render("sidebar", "nav", pages, current, query, badges)


def saved_views(key: str, workspace: Workspace) -> str:
    """The views that people saved, as links, and the way to save one."""
    return render("sidebar", "saved_views", key, workspace.saved_views.all())


def dataset_head(info: WorkspaceInfo) -> str:
    """Name and size of the dataset."""
    noun = {"image": "images", "text": "texts", "pair": "image–text pairs"}.get(str(info.modality), "samples")
    return render("sidebar", "dataset_head", info, noun, [n for n in info.notices if not n.startswith(RECOGNISED)])


def _facet_counts(
    key: str, workspace: Workspace, flt: Filter, name: str, attribute: str, whole: Counts
) -> Mapping[Any, int]:
    """Counts of one facet under all *other* filters, so that a second choice can be weighed."""
    default = getattr(Filter(), name)
    if (getattr(flt, name) or default) != default:
        whole = cache.counts(key, workspace, replace(flt, **{name: default}))
    return dict(getattr(whole, attribute) or {})


def _text_of(name: str, value: Any) -> str:
    if name == "verdicts":
        return theme.verdict_name(value)
    if name == "state":
        return theme.STATES.get(value, str(value))
    if name == "label_sources":
        return LABEL_SOURCES.get(value, "(no label)")
    if name == "clusters":
        return f"Cluster {value}" if value != -1 else "No cluster"
    return str(value) if value not in (None, "") else "(none)"


def _order(name: str, counts: Mapping[Any, int]) -> Iterable[Any]:
    if name in ("verdicts", "state"):
        return [key for key in (STATUSES if name == "verdicts" else theme.STATES) if key in counts]
    return sorted(counts, key=lambda v: (-counts[v], str(v)))[:MAX_OPTIONS]


def _facet(
    name: str, title: str, counts: Mapping[Any, int], chosen: tuple[Any, ...], names: Mapping[Any, str]
) -> dict[str, Any]:
    """One field's values with their counts, for the template: (value, words, samples, whether it is chosen)."""
    many = len(counts) > SEARCH_FROM
    values = dict.fromkeys([*(chosen if many else ()), *_order(name, counts)])
    return {
        "name": name,
        "title": title,
        "n": len(counts) if many else None,
        "chosen": len(chosen),
        "open": name == "verdicts" or bool(chosen),
        "options": [(v, names.get(v) or _text_of(name, v), counts.get(v, 0), v in chosen) for v in values],
    }


def flagged_by(page: str, flt: Filter, selection: str | None) -> Filter | None:
    """What the false-discovery rate acts on here: the filter with its problems named. None = it names no problem."""
    if page == "review":
        flt = filters.to_review(flt, None, selection)[0]
    elif page == "duplicates":
        flt = replace(flt, kinds=("duplicate",))
    return flt if {*flt.verdicts, *flt.kinds} & set(ISSUE_KINDS) else None


def rate_words(rate: float | None) -> str:
    """A false-flag rate in words; None = as scanned."""
    return "As scanned" if rate is None else f"FDR ≤ {rate:g}"


def strictness(key: str, workspace: Workspace, flt: Filter) -> str:
    """The slider for the false-flag rate, with the count that each of its steps yields."""
    counts = cache.strict_counts(key, workspace, flt, RATES)
    as_scanned = cache.counts(key, workspace, replace(flt, strict=None)).matching
    steps = [(rate_words(rate), f"{n:,}") for rate, n in ((None, as_scanned), *((r, counts[r]) for r in RATES))]
    strict = flt.strict
    nearest = 0 if strict is None else 1 + min(range(len(RATES)), key=lambda i: abs(RATES[i] - strict))
    return render("sidebar", "strictness", steps, nearest, rate_words(strict))


def metadata(key: str, workspace: Workspace, flt: Filter, opened: Iterable[str]) -> str:
    """The columns that came with the samples, as far as they are opened or filtered by."""
    columns = workspace.query.metadata_columns
    shown = [name for name in dict.fromkeys([*flt.metadata, *opened]) if name in columns]
    spreads = [(cache.spread(key, workspace, flt, name), flt.metadata.get(name, ("",))) for name in shown]
    return render("sidebar", "metadata", [name for name in columns if name not in shown], spreads) if columns else ""


def _bounds(flt: Filter, kind: str) -> tuple[float, float]:
    """The least and the largest probability of a kind that a filter lets through."""
    low, high = flt.scores.get(kind, (None, None))
    return (low or 0.0, 1.0 if high is None else high)


def filters_panel(key: str, workspace: Workspace, flt: Filter, page: str = "", selection: str | None = None) -> str:
    """Every filter that this dataset has something to choose in."""
    whole = cache.counts(key, workspace, flt)
    flagged, spreads = flagged_by(page, flt, selection), cache.score_spreads(key, workspace)
    facets = []
    for name, (title, attribute) in FACETS.items():
        counts = _facet_counts(key, workspace, flt, name, attribute, whole)
        raw = getattr(flt, name)
        chosen = (() if raw in (None, "any") else (raw,)) if name == "state" else tuple(raw or ())
        if len(counts) > 1 or chosen:
            names = cache.cluster_names(key, workspace) if name == "clusters" else {}
            facets.append(_facet(name, title, counts, chosen, names))
    return render(
        "sidebar",
        "filters",
        text=flt.text,
        strictness=strictness(key, workspace, flagged) if flagged is not None else "",
        facets=facets,
        metadata=metadata(key, workspace, flt, state.session().columns),
        sliders=[(kind, *_bounds(flt, kind), *spreads.get(kind, ([], None))) for kind in SLIDERS],
        n_sliders=len(flt.scores),
        any_set=bool(filters.to_pairs(flt) or state.session().selection),
    )
