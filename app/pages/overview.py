"""Overview: what is wrong with this dataset, and where to begin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from winnow.app.components import pair_quality as pair_parts
from winnow.app.components import theme
from winnow.app.components.actions import dispatch
from winnow.app.components.charts import health_table, matrix, pairs, queue_link, verdict_tiles
from winnow.app.components.html import (
    ago,
    count,
    dot,
    empty,
    esc,
    facts,
    no_match,
    notice,
    percent,
    plural,
    seconds,
    stack,
)
from winnow.app.components.page_frame import Page, fill, page_frame
from winnow.app.components.sidebar import RECOGNISED
from winnow.app.session import cache

GROUPS = 60
"""Classes, splits or sources that a table shows, the largest first."""

AUDITED = 300_000
"""Samples up to which Overview corrects the noise rate by the decisions; beyond, Review says it, where it is needed anyway."""


def by_group(page: Page, attribute: str) -> list[tuple[str, dict[str, int]]]:
    """Verdict counts of the largest groups ("by_class", "by_split" or "by_source"), the largest first."""
    found = cache.by_verdict(page.key, page.workspace, page.filter, attribute)
    return [(str(name), spread) for name, spread in found.items()][:GROUPS]


def health(page: Page) -> str:
    """How much is wrong, how much of it is decided, and a tile per verdict."""
    by_verdict, whole = dict(page.counts.by_verdict), page.counts.matching
    suspects = sum(by_verdict.get(kind, 0) for kind in theme.PROBLEMS)
    suspicious = replace(page.filter, verdicts=theme.PROBLEMS)
    decided = cache.counts(page.key, page.workspace, replace(suspicious, state="decided")).matching
    said = f"<b>{count(suspects)}</b> of {count(whole)} samples ({percent(suspects, whole)}) need a look"
    done = f"{count(decided)} of these decided" if decided else "none decided yet"
    start = queue_link(
        "Review what needs a look",
        replace(suspicious, state="undecided"),
        "review",
        "-confidence",
        "w-btn w-primary w-small",
        "Go through the suspects, the surest first",
        page.key,
    )
    audited = noise_said(page) if page.info.n_labelled and page.info.n_decisions and not page.filter.active else ""
    return (
        f"<section class='w-card w-health-card'><header><span>{said}</span><span class='w-muted'>{done}</span>"
        f"<span class='w-grow'></span>{start if suspects > decided else ''}</header>"
        f"{stack(by_verdict, whole, 'All samples')}{verdict_tiles(by_verdict, whole, page.filter, page.key)}{audited}</section>"
    )


def noise_said(page: Page) -> str:
    """How many labels are wrong in the whole dataset, by what was decided so far."""
    if page.info.n > AUDITED or (found := cache.noise(page.key, page.workspace)) is None:
        return ""
    judged, scanned, now = found
    return (
        f"<p class='w-muted w-audit'>By {plural(judged, 'decision')} about wrong labels, <b>{percent(now.value, 1)}</b> of all labels are wrong "
        f"({percent(now.low, 1)} to {percent(now.high, 1)}); the scan had estimated {percent(scanned, 1)}.</p>"
    )


def planted(table: Any) -> str:
    """For the demo: what was planted, and what of it was found."""
    rows = "".join(
        f"<tr><th scope='row'>{dot(r.kind)} {theme.says(r.kind)}</th><td class='w-r'>{count(int(r.planted))}</td>"
        f"<td class='w-r'>{count(int(r.found))}</td><td class='w-r'>{percent(r.found, r.planted)}</td><td class='w-r w-muted'>{count(int(r.flagged))}</td></tr>"
        for r in table.itertuples()
    )
    return (
        "<section class='w-card'><header><h2>Planted and found</h2><span class='w-muted'>these were planted in the demo</span></header>"
        "<table class='w-table'><thead><tr><th>Kind</th><th class='w-r'>Planted</th><th class='w-r'>Found</th><th class='w-r'>Share</th>"
        f"<th class='w-r' title='All samples with this flag, planted or not'>Flagged</th></tr></thead><tbody>{rows}</tbody></table></section>"
    )


def run_facts(page: Page) -> str:
    """What made these results."""
    info, manifest = page.info, page.info.manifest
    ran = page.workspace.signals()
    off = [s for s in ran if not s.ran]
    params = manifest.get("params", {})
    items = [
        ("Source", f"<code>{esc(params.get('source', info.path))}</code>"),
        ("Encoder", f"<code>{esc(info.encoder)}</code>"),
        (
            "Scanned",
            f"{ago(info.created)} in {seconds(sum(info.seconds.values()))}" if info.seconds else ago(info.created),
        ),
        ("Signals", f"{len(ran) - len(off)} of {len(ran)} ran"),
        ("Run key", f"<code>{esc(str(manifest.get('run_key', '–'))[:16])}</code>"),
    ]
    items += [
        ("Columns", esc(text.removeprefix(RECOGNISED).rstrip(".")))
        for text in info.notices
        if text.startswith(RECOGNISED)
    ]
    why = "".join(
        f"<li><b>{esc(s.title)}</b> <span class='w-muted'>{esc(s.why_not or 'did not run')}</span></li>" for s in off
    )
    more = (
        f"<details data-k='signals-off'><summary data-k='signals-sum'>Why {plural(len(off), 'signal')} did not run</summary><ul class='w-why'>{why}</ul></details>"
        if off
        else ""
    )
    return f"<section class='w-card'><header><h2>This scan</h2></header>{facts(items)}{more}</section>"


def notices(page: Page) -> str:
    """What the scan has to say: fallbacks, and stages that failed with how to get what is missing."""
    failed = [
        notice(
            f"{stage.replace('_', ' ').capitalize()} is missing: {why} Scan again to get it; finished stages are kept.",
            "warn",
        )
        for stage, why in dict(page.info.failures).items()
    ]
    calm = [notice(text) for text in page.info.notices if not text.startswith(RECOGNISED)]
    if len(calm) > 2:
        rest = "".join(calm[2:])
        calm = [
            *calm[:2],
            f"<details data-k='notices'><summary data-k='notices-sum' class='w-muted'>{plural(len(calm) - 2, 'more note')} from this scan</summary>{rest}</details>",
        ]
    return "".join([*failed, *calm])


def body(page: Page) -> str:
    """The page below its head."""
    if not page.counts.matching:
        return no_match()
    confusion = cache.confusion(page.key, page.workspace, page.filter) if page.info.n_labelled else None
    captions = pair_parts.quality(page) if page.info.modality == "pair" else ""
    main, aside = [], []
    if confusion is not None and (grid := matrix(confusion, page.filter, page.key)):
        main.append(grid)
    elif page.info.n_labelled:
        main.append(
            "<section class='w-card'>"
            + empty("No label looks wrong here", "The suggested labels agree with the given ones.", glyph="task_alt")
            + "</section>"
        )
    elif captions:
        main.append(captions)
    else:
        main.append(
            notice(
                "This dataset has no labels, so that nothing can be said about wrong ones. Duplicates, outsiders and broken files are found all the same."
            )
        )
    classes = by_group(page, "by_class") if page.info.n_labelled else []
    if classes:
        more = len(page.counts.by_class) - len(classes)
        aside.append(
            health_table(
                "By class",
                "classes",
                classes,
                page.filter,
                page.key,
                f"and {more:,} more on the Classes page" if more > 0 else "",
            )
        )
    lower = []
    table = page.workspace.planted()
    if table is not None:
        lower.append(planted(table))
    if confusion is not None and (confusion.to_numpy() > 0).any():
        lower.append(pairs(confusion, page.filter, page.key, 6))
    for title, field, attribute in (("By split", "splits", "by_split"), ("By source", "sources", "by_source")):
        groups = by_group(page, attribute)
        if len(groups) > 1:
            lower.append(health_table(title, field, groups, page.filter, page.key))
    if captions and page.info.n_labelled:
        lower.append(captions)
    lower.append(run_facts(page))
    said = notices(page)
    return (
        f"<div class='w-overview'>{health(page)}<div class='w-two'>{''.join(main)}{''.join(aside)}</div>"
        f"{f'<div>{said}</div>' if said else ''}<div class='w-many'>{''.join(lower)}</div></div>"
    )


def draw() -> None:
    """Draw the page."""
    page = page_frame("overview", "What is wrong with this dataset?")
    fill(page, lambda: body(page), dispatch)
