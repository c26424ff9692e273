"""The sidebar: which dataset, where to go, and the filters with their counts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from winnow.app.components import theme
from winnow.app.components.html import count, dot, esc, go, icon, plural
from winnow.app.session import cache, filters, state
from winnow.core import Filter
from winnow.core.types import ISSUE_KINDS

PAGES: dict[str, tuple[str, str]] = {
    "overview": ("Overview", "monitoring"),
    "map": ("Map", "scatter_plot"),
    "queues": ("Queues", "playlist_play"),
    "review": ("Review", "style"),
    "gallery": ("Gallery", "grid_view"),
    "duplicates": ("Duplicates", "content_copy"),
    "classes": ("Classes", "category"),
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
    "splits": ("Split", "by_split"),
    "sources": ("Source", "by_source"),
    "clusters": ("Cluster", "by_cluster"),
}
"""Field of Filter → (title, field of Counts)."""

RECOGNISED = "Columns recognised: "
"""How the note about recognised columns begins; it stands among the facts of the scan, not among the notices."""

SLIDERS = ("noisy_label", "ood", "duplicate", "broken", "hard", "naive")
MAX_OPTIONS = 400
"""Options of one facet that are drawn; the largest come first, and the search box finds among these."""

SEARCH_FROM = 12

RATES = (0.3, 0.2, 0.15, 0.1, 0.05, 0.03, 0.02, 0.01)
"""False-flag rates that the slider offers after "as scanned", from the longest list to the surest."""


def page_url(page: str, query: str = "") -> str:
    """The link of a page with this tab's queue."""
    return f"/{page}?{query}" if query else f"/{page}"


def brand() -> str:
    """The product's sign."""
    svg = (theme.ASSETS / "logo.svg").read_text(encoding="utf-8")
    return f'<div class="w-brand">{svg}<span>Winnow</span></div>'


def nav(current: str, query: str, badges: Mapping[str, str]) -> str:
    """The navigation as real links, so that a page can be opened in another tab."""
    items = []
    for page, (name, glyph) in PAGES.items():
        here = ' aria-current="page"' if page == current else ""
        badge = f'<span class="w-muted">{badges[page]}</span>' if badges.get(page) else ""
        rule = "<hr>" if page in ("select", "new") else ""
        items.append(
            f'{rule}<a href="{esc(page_url(page, query))}"{here} {go("page", page=page)}>{icon(glyph)}<span>{name}</span>{badge}</a>'
        )
    return f'<nav class="w-nav" aria-label="Pages">{"".join(items)}</nav>'


def dataset_head(info: Any) -> str:
    """Name and size of the dataset."""
    what = {"image": "images", "text": "texts", "pair": "image–text pairs"}.get(str(info.modality), "samples")
    classes = f" · {len(info.class_names):,} classes" if info.class_names else " · no labels"
    said = [n for n in info.notices if not n.startswith(RECOGNISED)]
    notes = (
        f'<a class="w-notes" href="/overview" title="{esc(said[0])}" {go("page", page="overview")}>{icon("info")}{plural(len(said), "note")} on this scan</a>'
        if said
        else ""
    )
    return f'<div class="w-dataset"><b class="w-cut" title="{esc(info.path)}">{esc(info.name)}</b><span>{count(info.n)} {what}{classes}</span>{notes}</div>'


def _facet_counts(key: str, workspace: Any, flt: Filter, name: str, attribute: str, whole: Any) -> Mapping[Any, int]:
    """Counts of one facet under all *other* filters, so that a second choice can be weighed."""
    default = getattr(Filter(), name)
    if (getattr(flt, name) or default) == default:
        return dict(getattr(whole, attribute) or {})
    others = cache.counts(key, workspace, replace(flt, **{name: default}))
    return dict(getattr(others, attribute) or {})


def _option(name: str, value: Any, text: str, n: int, pressed: bool, mark: str = "") -> str:
    faint = " w-none" if not n and not pressed else ""
    return (
        f'<button type="button" class="w-opt{faint}" aria-pressed="{str(pressed).lower()}" title="{esc(text)}" '
        f'{go("toggle", field=name, value=value)}>{mark}<span class="w-cut">{esc(text)}</span><span class="w-n">{count(n)}</span></button>'
    )


def _text_of(name: str, value: Any) -> str:
    if name == "verdicts":
        return theme.says(value)
    if name == "state":
        return theme.STATES.get(value, str(value))
    if name == "clusters":
        return f"Cluster {value}" if value != -1 else "No cluster"
    return str(value) if value not in (None, "") else "(none)"


def _order(name: str, found: Mapping[Any, int]) -> Iterable[Any]:
    if name == "verdicts":
        return [k for k in theme.VERDICTS if k in found]
    if name == "state":
        return [k for k in theme.STATES if k in found]
    return sorted(found, key=lambda v: (-found[v], str(v)))[:MAX_OPTIONS]


def _facet(
    name: str, title: str, found: Mapping[Any, int], chosen: tuple[Any, ...], open_: bool, names: Mapping[Any, str]
) -> str:
    options = "".join(
        _option(
            name,
            v,
            names.get(v) or _text_of(name, v),
            found.get(v, 0),
            v in chosen,
            dot(v) if name == "verdicts" else "",
        )
        for v in dict.fromkeys([*chosen, *_order(name, found)] if len(found) > SEARCH_FROM else [*_order(name, found)])
    )
    search = (
        f'<input type="search" data-find data-k="find-{name}" placeholder="Find among {len(found):,}" aria-label="Find a {title.lower()}">'
        if len(found) > SEARCH_FROM
        else ""
    )
    badge = f'<span class="w-badge" title="{len(chosen)} chosen">{len(chosen)}</span>' if chosen else ""
    reset = (
        f'<button type="button" class="w-btn w-small w-quiet" {go("reset", field=name)}>Reset {esc(title.lower())}</button>'
        if chosen
        else ""
    )
    return (
        f'<details class="w-facet" data-k="facet-{name}"{" open" if open_ else ""}><summary data-k="sum-{name}">{esc(title)}{badge}</summary>'
        f'{search}<div class="w-list" data-list data-scroll data-k="list-{name}">{options}</div>{reset}</details>'
    )


def _sliders(flt: Filter) -> str:
    scores = dict(flt.scores)
    low = {kind: scores.get(kind, (0, None))[0] or 0.0 for kind in SLIDERS}
    rows = "".join(
        f'<div class="w-slider"><label for="w-s-{kind}">{dot(kind)}{theme.says(kind)}</label>'
        f'<input id="w-s-{kind}" type="range" min="0" max="1" step="0.01" value="{low[kind]:.2f}" {go("score", field=kind)}>'
        f"<output>{low[kind]:.2f}</output></div>"
        for kind in SLIDERS
    )
    badge = f'<span class="w-badge">{len(scores)}</span>' if scores else ""
    return (
        f'<details class="w-facet" data-k="facet-scores"><summary data-k="sum-scores" title="Show samples whose score is at least this">'
        f"Score at least{badge}</summary>{rows}</details>"
    )


def listed(page: str, flt: Filter, selection: str | None) -> Filter | None:
    """What "how strict" acts on, on this page: the filter with its problems named. None = no problem is asked for."""
    if page == "review":
        flt = filters.to_review(flt, None, selection)[0]
    elif page == "duplicates":
        flt = replace(flt, kinds=("duplicate",))
    return flt if {*flt.verdicts, *flt.kinds} & set(ISSUE_KINDS) else None


def _rate_words(rate: float | None) -> str:
    return "As scanned" if rate is None else f"At most {rate * 100:g} in 100 wrong"


def strictness(key: str, workspace: Any, flt: Filter) -> str:
    """The slider for the false-flag rate, with the count that each of its steps yields."""
    found = cache.strict_counts(key, workspace, flt, RATES)
    as_is = cache.counts(key, workspace, replace(flt, strict=None)).matching
    steps = [(_rate_words(None), count(as_is)), *((_rate_words(r), count(found[r])) for r in RATES)]
    near = min(range(len(RATES)), key=lambda i: abs(RATES[i] - flt.strict)) + 1 if flt.strict is not None else 0
    here = (_rate_words(flt.strict), steps[near][1])
    tip = (
        "How sure a suspect has to be to be listed: further right means fewer, and surer. "
        "In the field: the expected false discovery rate of the list."
    )
    return (
        f'<div class="w-strict" title="{tip}"><label for="w-strict">How strict<b data-yield>{here[1]}</b></label>'
        f'<input id="w-strict" type="range" min="0" max="{len(RATES)}" step="1" value="{near}" aria-describedby="w-strict-says" '
        f'aria-valuetext="{esc(": ".join(here))}" data-steps="{esc(json.dumps(steps))}" {go("strict")}>'
        f'<output id="w-strict-says" for="w-strict">{here[0]}</output></div>'
    )


def filters_panel(key: str, workspace: Any, flt: Filter, page: str = "", selection: str | None = None) -> str:
    """Every filter that this dataset has something to choose in."""
    whole = cache.counts(key, workspace, flt)
    parts = [
        f'<input type="search" class="w-text" placeholder="Find in ids and texts" aria-label="Find in ids, texts, labels and metadata" value="{esc(flt.text)}" {go("text")}>'
    ]
    if (problems := listed(page, flt, selection)) is not None:
        parts.append(strictness(key, workspace, problems))
    clusters = cache.cluster_names(key, workspace)
    for name, (title, attribute) in FACETS.items():
        found = _facet_counts(key, workspace, flt, name, attribute, whole)
        raw = getattr(flt, name)
        chosen = (() if raw in (None, "any") else (raw,)) if name == "state" else tuple(raw or ())
        if len(found) > 1 or chosen:
            parts.append(
                _facet(
                    name,
                    title,
                    found,
                    chosen,
                    open_=name == "verdicts" or bool(chosen),
                    names=clusters if name == "clusters" else {},
                )
            )
    parts.append(_sliders(flt))
    any_set = bool(filters.to_pairs(flt)) or state.session().selection
    reset = f'<button type="button" class="w-btn w-small w-quiet" {go("reset")}>Reset all</button>' if any_set else ""
    return f'<section class="w-filters" aria-label="Filters"><header><h2>Filters</h2>{reset}</header>{"".join(parts)}</section>'
