"""Queues: what is worth looking at next, how much there is of it, and how long it takes. Each is a link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from winnow.app.components import theme
from winnow.app.components.actions import dispatch, goto
from winnow.app.components.charts import cells_of, queue_link
from winnow.app.components.html import button, count, dot, esc, go, icon, no_match, percent, plural
from winnow.app.components.page_frame import Page, fill, page_frame
from winnow.app.components.thumbnails import picture
from winnow.app.server.state import hub
from winnow.app.session import cache, filters, state
from winnow.app.session.filters import PROBLEMS
from winnow.core import PICKS, USUAL_SECONDS, Filter
from winnow.core.types import Kind

ROWS = 12
"""Mix-ups and clusters that are listed, the largest first."""

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
    mark: str = ""


def duration(seconds: float) -> str:
    """About how long, in words: ``under a minute``, ``12 min``, ``2.5 h``."""
    if seconds < 50:
        return "< 1 min"
    minutes = seconds / 60
    return f"{max(1, round(minutes))} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def amount(n: int, pace: float) -> str:
    """How many samples, and about how long they take."""
    return f"{plural(n, 'sample')} · about {duration(n * pace)}" if n else "nothing to decide"


def matching(page: Page, flt: Filter) -> int:
    """How many samples a queue holds now."""
    found: int = cache.counts(page.key, page.workspace, flt).matching
    return found


def starts(page: Page, pace: float) -> str:
    """The queues to begin with."""
    open_ = replace(page.filter, state="undecided")
    disputed = "Samples that people decided differently. Until one decides, they are exported with their given label."
    offers = (
        ("bolt", PICKS["thirty"].title, PICKS["thirty"].explain, replace(page.filter, pick="thirty"), "pick"),
        (
            "rule",
            "All that needs a look",
            "Every suspect, the surest first.",
            replace(open_, verdicts=PROBLEMS),
            "-confidence",
        ),
        ("balance", PICKS["doubt"].title, PICKS["doubt"].explain, replace(page.filter, pick="doubt"), "pick"),
        ("groups", "People disagree", disputed, replace(page.filter, state="disputed"), "-confidence"),
    )
    cards = []
    for glyph, title, explain, flt, sort in offers:
        n = matching(page, flt)
        inner = f"{icon(glyph)}<b>{esc(title)}</b><span class='w-muted w-amount'>{amount(n, pace)}</span><p>{esc(explain)}</p>"
        if n:
            cards.append(queue_link(inner, flt, "review", sort, "w-start", f"Review {plural(n, 'sample')}", page.key))
        else:
            cards.append(f"<div class='w-start w-zero'>{inner}</div>")
    return f"<section class='w-starts' aria-label='Where to begin'>{''.join(cards)}</section>"


def listing(page: Page, title: str, note: str, lines: Sequence[Line], pace: float) -> str:
    """A list of queues with count and time."""
    rows = "".join(
        "<li>"
        + queue_link(
            f"<span class='w-cut'>{line.mark}{esc(line.name)}</span><b>{count(line.n)}</b><span class='w-time'>{duration(line.n * pace)}</span>",
            line.filter,
            "review",
            line.sort,
            "",
            line.title,
            page.key,
        )
        + "</li>"
        for line in lines
    )
    return (
        f"<section class='w-card'><header><h2>{esc(title)}</h2><span class='w-muted w-cut'>{esc(note)}</span></header>"
        f"<ul class='w-queue'>{rows}</ul></section>"
    )


def by_verdict(page: Page) -> list[Line]:
    """One queue per verdict; the calm ones too, for whoever wants to check them."""
    flt = replace(page.filter, state="undecided")
    found = cache.counts(page.key, page.workspace, flt).by_verdict
    return [
        Line(
            style.says,
            found.get(kind, 0),
            replace(flt, verdicts=(kind,)),
            "-confidence" if kind == Kind.CLEAN else f"-{kind}",
            f"{style.says} ({style.term})",
            f"{dot(kind)} ",
        )
        for kind, style in theme.VERDICTS.items()
        if found.get(kind)
    ]


def by_pair(page: Page) -> tuple[list[Line], int]:
    """The largest mix-ups (given → suggested), and how many there are."""
    flt = replace(page.filter, state="undecided")
    cells = cells_of(cache.confusion(page.key, page.workspace, flt))
    largest = sorted(cells.items(), key=lambda kv: (-kv[1], kv[0]))[:ROWS]
    kinds = ("noisy_label",)
    return [
        Line(
            f"{given} → {suggested}",
            n,
            replace(flt, pair=(given, suggested), kinds=kinds),
            "-noisy_label",
            f"{n:,} labelled {given} look like {suggested}",
        )
        for (given, suggested), n in largest
    ], len(cells)


def by_cluster(page: Page) -> tuple[list[Line], int]:
    """The clusters with most suspects, and how many have any."""
    flt = replace(page.filter, verdicts=PROBLEMS, state="undecided")
    names = cache.cluster_names(page.key, page.workspace)
    found = {c: n for c, n in cache.counts(page.key, page.workspace, flt).by_cluster.items() if c != -1}
    largest = sorted(found.items(), key=lambda kv: (-kv[1], kv[0]))[:ROWS]
    return [
        Line(
            f"Cluster {names.get(cluster, cluster)}",
            n,
            replace(flt, clusters=(cluster,)),
            "-confidence",
            f"Review {plural(n, 'suspect')} of this cluster",
        )
        for cluster, n in largest
    ], len(found)


def troubled(page: Page) -> list[tuple[dict[str, Any], list[str]]]:
    """(facts, ids) of each small group with surely more labels that look wrong, or more hard samples, than the whole; wrong
    labels first, and within a kind the surest first.
    """
    found = [
        (row, ids)
        for table in page.workspace.dataset_checks()
        if table["name"] == "rare_slice"
        for row, ids in zip(table["rows"], table["examples"], strict=True)
        if str(row.get("fact", "")).startswith("more") and ids
    ]
    return sorted(found, key=lambda f: "wrong" not in f[0]["fact"])


def groups(page: Page) -> str:
    """These groups by name, with counts and examples; a click opens their samples in Review."""
    found = troubled(page)
    if not found or page.filter != Filter():
        return ""
    shown = [ids[:EXAMPLES] for _, ids in found[:GROUPS]]
    wanted = list(dict.fromkeys(i for ids in shown for i in ids))
    tiles = {
        r["sample_id"]: picture(page, r, "w-mini")
        for r in page.workspace.rows(filters.with_ids(Filter(), wanted), "row", 0, len(wanted))
    }
    few = 1 if page.info.modality == "text" else EXAMPLES
    lines = []
    for at, (row, _) in enumerate(found[:GROUPS]):
        kind = "noisy_label" if "wrong" in row["fact"] else "hard"
        said = "labels look wrong" if kind == "noisy_label" else "are hard"
        name = row.get("name") or f"Cluster {row['cluster']}"
        examples = "".join(tiles.get(i, "") for i in shown[at][:few])
        lines.append(
            f"<tr><th scope='row'>{button(name, go('group', at=at), extra='w-small w-quiet')}</th><td class='w-cut'>{esc(row['class'])}</td>"
            f"<td class='w-r'>{dot(kind)} <b>{count(row['samples'])}</b> of {count(row['of'])}</td><td>{said}</td>"
            f"<td class='w-r' title='Surely at least {percent(row['low'], 1)}'>{percent(row['share'], 1)}</td><td class='w-r w-muted w-whole-share'>{percent(row['whole'], 1)}</td>"
            f"<td><div class='w-strip'>{examples}</div></td></tr>"
        )
    note = "95% sure, over all groups at once; click a name to review it"
    if len(found) > GROUPS:
        note = f"{GROUPS} of {len(found):,}, {note}"
    return (
        f"<section class='w-card'><header><h2>Groups with more problems</h2><span class='w-muted w-cut'>{note}</span></header>"
        "<div class='w-scroll' tabindex='0' role='region' aria-label='Groups with more problems'><table class='w-table w-slices'><thead><tr><th>Group</th><th>Commonest label</th>"
        "<th class='w-r'>Samples</th><th></th><th class='w-r'>Share</th><th class='w-r w-whole-share'>In the whole</th><th>Examples</th></tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div></section>"
    )


def open_group(page: Page, at: Any) -> None:
    """Go through the samples of one of these groups."""
    found = troubled(page)
    if isinstance(at, int) and 0 <= at < len(found):
        row, ids = found[at]
        state.only(Filter(), "-noisy_label" if "wrong" in row["fact"] else "-hard")
        state.set_selection(hub().keep_selection(page.key, ids))
        goto("review")


def body(page: Page) -> str:
    """The page below its head."""
    if not page.counts.matching:
        return no_match()
    pace = cache.pace(page.key, page.workspace, page.actor)
    own = pace != USUAL_SECONDS
    lists = [
        listing(
            page,
            "By verdict",
            f"{pace:.1f} s a decision, {'your pace' if own else 'the usual pace'}",
            by_verdict(page),
            pace,
        )
    ]
    if page.info.n_labelled:
        pairs, n = by_pair(page)
        if pairs:
            note = "given → suggested" + (f", the largest {len(pairs)} of {n:,}" if n > len(pairs) else "")
            lists.append(listing(page, "By mix-up", note, pairs, pace))
    clusters, n = by_cluster(page)
    if clusters:
        note = "with suspects" + (f", the largest {len(clusters)} of {n:,}" if n > len(clusters) else "")
        lists.append(listing(page, "By cluster", note, clusters, pace))
    return f"<div class='w-queues'>{starts(page, pace)}<div class='w-three'>{''.join(lists)}</div>{groups(page)}</div>"


def draw() -> None:
    """Draw the page."""
    page = page_frame("queues", "What is worth looking at next?")

    def handle(value: dict[str, Any]) -> None:
        if value.get("do") == "group":
            open_group(page, value.get("at"))
        else:
            dispatch(value)

    fill(page, lambda: body(page), handle)
