"""Queues: what is worth looking at next, how much there is of it, and how long it takes. Each is a link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from winnow.app.components import theme
from winnow.app.components.actions import dispatch, open_page
from winnow.app.components.charts import cells_of
from winnow.app.components.html import no_match, render
from winnow.app.components.page_frame import Page, draw_body, page_frame
from winnow.app.components.thumbnails import picture, rows_of
from winnow.app.server.state import server_state
from winnow.app.session import cache, state
from winnow.core import PICKS, USUAL_SECONDS, Filter, plural
from winnow.core.types import PROBLEMS, Kind

ROWS = 12
"""Confusions and clusters that are listed, the largest first."""

GROUPS, EXAMPLES = 8, 4
"""Groups with more problems that are listed, and samples shown of each."""


@dataclass(frozen=True)
class Line:
    """One queue of a list."""

    name: str
    n: int
    filter: Filter
    sort: str
    title: str
    pace: float
    kind: str = ""

    @property
    def time(self) -> str:
        """About how long the queue takes."""
        return duration(self.n * self.pace)


def duration(seconds: float) -> str:
    """About how long, in words: ``under a minute``, ``12 min``, ``2.5 h``."""
    if seconds < 50:
        return "< 1 min"
    minutes = seconds / 60
    return f"{max(1, round(minutes))} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def amount(n: int, pace: float) -> str:
    """How many samples, and about how long they take."""
    return f"{plural(n, 'sample')} · about {duration(n * pace)}" if n else "nothing to decide"


def expected(page: Page) -> str:
    """How many of the samples next in rank are expected to be what their score says, kind by kind; "" for none."""
    look = page.workspace.worth_a_look()
    parts = [f"about {share:.0%} of {n:,} are {theme.VERDICTS[kind].name}" for kind, (n, share) in look.items()]
    return f" Expected: {'; '.join(parts)}." if parts else ""


def _tag_offers(page: Page) -> list[tuple[str, str, str, dict[str, Any], str]]:
    """The queues of missing and of extra tags, where samples have tags."""
    if not page.workspace.has_tags:
        return []
    undecided = {"state": "undecided"}
    missing, extra = (
        "Samples that lack a tag, by the scan.",
        "Samples with a tag that they should not have, by the scan.",
    )
    return [
        ("new_label", "Missing tags", missing, {**undecided, "tag_edits": ("+",)}, "-noisy_label"),
        ("label_off", "Extra tags", extra, {**undecided, "tag_edits": ("-",)}, "-noisy_label"),
    ]


def by_tag(page: Page, pace: float, sign: str) -> tuple[list[Line], int]:
    """The tags that most samples lack ("+") or carry by mistake ("-"), and how many there are."""
    flt = replace(page.filter, state="undecided")
    edits = page.workspace.query.tag_edits(flt)["missing" if sign == "+" else "extra"]
    does = "lack" if sign == "+" else "should not carry"
    lines = [
        Line(tag, n, replace(flt, tag_edits=(sign + tag,)), "-noisy_label", f"Review {n:,} that {does} {tag}", pace)
        for tag, n in list(edits.items())[:ROWS]
    ]
    return lines, len(edits)


def starts(page: Page, pace: float) -> list[dict[str, Any]]:
    """The queues to begin with."""
    flt = page.filter
    everything = "Every flagged sample, the most confident verdict first."
    disputed = "Samples that people decided differently. Until one decides, they are exported with their given label."
    offers: tuple[tuple[str, str, str, dict[str, Any], str], ...] = (
        ("bolt", PICKS["thirty"].title, PICKS["thirty"].explain, {"pick": "thirty"}, "pick"),
        ("rule", "All flagged", everything, {"state": "undecided", "verdicts": PROBLEMS}, "-confidence"),
        ("balance", PICKS["doubt"].title, PICKS["doubt"].explain, {"pick": "doubt"}, "pick"),
        *_tag_offers(page),
        ("visibility", PICKS["look"].title, PICKS["look"].explain + expected(page), {"pick": "look"}, "pick"),
        ("groups", "People disagree", disputed, {"state": "disputed"}, "-confidence"),
    )
    queues = []
    for icon, title, explain, changes, sort in offers:
        queue = replace(flt, **changes)
        n = cache.counts(page.key, page.workspace, queue).matching
        look = {"icon": icon, "title": title, "explain": explain, "amount": amount(n, pace)}
        queues.append({"n": n, "filter": queue, "sort": sort, **look})
    return queues


def by_verdict(page: Page, pace: float) -> list[Line]:
    """One queue per verdict; also those that ask for no decision, for whoever wants to check them."""
    flt = replace(page.filter, state="undecided")
    counts = cache.counts(page.key, page.workspace, flt).by_verdict
    return [
        Line(
            style.name,
            counts[kind],
            replace(flt, verdicts=(kind,)),
            "-confidence" if kind == Kind.CLEAN else f"-{kind}",
            style.means,
            pace,
            kind,
        )
        for kind, style in theme.VERDICTS.items()
        if counts.get(kind)
    ]


def by_pair(page: Page, pace: float) -> tuple[list[Line], int]:
    """The largest confusions (given → suggested), and how many there are."""
    flt = replace(page.filter, state="undecided")
    cells = cells_of(cache.confusion(page.key, page.workspace, flt))
    lines = [
        Line(
            f"{given} → {suggested}",
            n,
            replace(flt, pair=(given, suggested), verdicts=("noisy_label",)),
            "-noisy_label",
            f"{n:,} labelled {given} look like {suggested}",
            pace,
        )
        for (given, suggested), n in list(cells.items())[:ROWS]
    ]
    return lines, len(cells)


def by_cluster(page: Page, pace: float) -> tuple[list[Line], int]:
    """The clusters with most flagged samples, and how many have any."""
    flt = replace(page.filter, verdicts=PROBLEMS, state="undecided")
    names = cache.cluster_names(page.key, page.workspace)
    counts = {c: n for c, n in cache.counts(page.key, page.workspace, flt).by_cluster.items() if c != -1}
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:ROWS]
    lines = [
        Line(
            f"Cluster {names.get(cluster, cluster)}",
            n,
            replace(flt, clusters=(cluster,)),
            "-confidence",
            f"Review {plural(n, 'flagged sample')} of this cluster",
            pace,
        )
        for cluster, n in largest
    ]
    return lines, len(counts)


def under_performing_slices(page: Page) -> list[tuple[dict[str, Any], list[str], str]]:
    """Small groups with surely more noisy labels or hard samples than the whole: (facts, ids, kind).

    Noisy labels come first, and within a kind the surest.
    """
    groups = [
        (row, ids, "hard" if "hard" in row["fact"] else "noisy_label")
        for table in page.workspace.dataset_checks()
        if table["name"] == "rare_slice"
        for row, ids in zip(table["rows"], table["examples"], strict=True)
        if str(row.get("fact", "")).startswith("more") and ids
    ]
    return sorted(groups, key=lambda group: group[2] != "noisy_label")


def groups(page: Page) -> str:
    """These groups by name, with counts and examples; a click opens their samples in Review."""
    slices = under_performing_slices(page)
    if not slices or page.filter != Filter():
        return ""
    shown = slices[:GROUPS]
    samples = rows_of(page, (i for _, ids, _ in shown for i in ids[:EXAMPLES]))
    few = 1 if page.info.modality == "text" else EXAMPLES
    note = "95% sure, over all groups at once; click a name to review it"
    if len(slices) > GROUPS:
        note = f"{GROUPS} of {len(slices):,}, {note}"
    rows = [(row, kind, [picture(page, samples[i]) for i in ids[:few] if i in samples]) for row, ids, kind in shown]
    return render("queues", "slices", note, rows)


def open_group(page: Page, at: Any) -> None:
    """Go through the samples of one of these groups."""
    slices = under_performing_slices(page)
    if isinstance(at, int) and 0 <= at < len(slices):
        _, ids, kind = slices[at]
        state.only(Filter(), f"-{kind}")
        state.set_selection(server_state().keep_selection(page.key, ids))
        open_page("review")


def body(page: Page) -> str:
    """The page below its head."""
    if not page.counts.matching:
        return no_match()
    pace = cache.pace(page.key, page.workspace, page.actor)
    whose = "your pace" if pace != USUAL_SECONDS else "the usual pace"
    lists = [("By verdict", f"{pace:.1f} s a decision, {whose}", by_verdict(page, pace))]
    parts: list[tuple[str, str, Callable[[Page, float], tuple[list[Line], int]]]] = []
    if page.info.n_labelled:
        parts.append(("By confusion", "given → suggested", by_pair))
    if page.workspace.has_tags:
        parts += [
            ("Missing tags", "tag by tag", partial(by_tag, sign="+")),
            ("Extra tags", "tag by tag", partial(by_tag, sign="-")),
        ]
    for title, note, list_queues in [*parts, ("By cluster", "flagged samples", by_cluster)]:
        lines, n = list_queues(page, pace)
        if lines:
            lists.append((title, f"{note}, the largest {len(lines)} of {n:,}" if n > len(lines) else note, lines))
    return render("queues", "body", page, starts(page, pace), lists, groups(page))


def draw() -> None:
    """Draw the page."""
    page = page_frame("queues")

    def handle(value: dict[str, Any]) -> None:
        if value.get("do") == "group":
            open_group(page, value.get("at"))
        else:
            dispatch(value)

    draw_body(page, lambda: body(page), handle)
