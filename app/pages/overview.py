"""Overview: what is wrong with this dataset, and where to begin."""

from __future__ import annotations

from dataclasses import replace

from winnow.app.components import theme
from winnow.app.components.audit_card import audit_card, handle_audit
from winnow.app.components.charts import cells_of, matrix
from winnow.app.components.html import no_match, notice, render
from winnow.app.components.page_frame import Page, draw_body, page_frame
from winnow.app.components.pair_quality import caption_table
from winnow.app.components.sidebar import RECOGNISED, SLIDERS
from winnow.app.session import cache, first_review
from winnow.core import Right
from winnow.core.types import PROBLEMS

GROUPS = 60
"""Classes, splits or sources that a table shows, the largest first."""

CONFUSIONS = 6
"""Confusions that are listed, the largest first."""

AUDITED = 300_000
"""Samples up to which Overview corrects the noise rate by the decisions; beyond, only Review does."""


def by_group(page: Page, attribute: str) -> list[tuple[str, dict[str, int]]]:
    """Verdict counts of the largest groups ("by_class", "by_split" or "by_source"), the largest first."""
    counts = cache.by_verdict(page.key, page.workspace, page.filter, attribute)
    return [(str(name), by_verdict) for name, by_verdict in counts.items()][:GROUPS]


def noise_line(page: Page) -> str:
    """How many labels are wrong in the whole dataset, by what was decided so far; "" where that is not known."""
    if page.info.n > AUDITED or (noise := cache.noise(page.key, page.workspace)) is None:
        return ""
    return render("overview", "noise_line", *noise)


def worth_a_look(page: Page) -> str:
    """A link to the samples next in rank below the verdicts, with the share expected to be what their score says."""
    queue = replace(page.filter, pick="look")
    n = cache.counts(page.key, page.workspace, queue).matching
    if not n:
        return ""
    looks = page.workspace.worth_a_look()
    return render("overview", "look_line", page, queue, n, {theme.VERDICTS[k].name: v for k, v in looks.items()})


def score_spreads(page: Page) -> list[tuple[str, list[int], float | None]]:
    """(kind, samples in equal parts of [0, 1], the least that is flagged) of each kind that anything has."""
    spreads = cache.score_spreads(page.key, page.workspace)
    return [(kind, *spreads[kind]) for kind in SLIDERS if kind in spreads and any(spreads[kind][0][1:])]


def body(page: Page) -> str:
    """The page below its head."""
    if not page.counts.matching:
        return no_match()
    info, labelled = page.info, page.info.n_labelled > 0
    confusion = cache.confusion(page.key, page.workspace, page.filter) if labelled else None
    captions = caption_table(page) if info.modality == "pair" else ""
    if confusion is not None:
        checked = len(info.class_names) > 1 and "signals" not in info.failures
        main = matrix(confusion, page.filter, page.key) or render("overview", "no_confusions", checked)
    elif page.workspace.has_tags:
        rows = page.workspace.tags.rows(page.workspace.query)
        main = render("tags", "table", page.key, rows[:GROUPS], len(rows), "")
    else:
        main = captions or notice(
            "This dataset has no labels, so nothing can be said about noisy ones. "
            "Duplicates, samples out of distribution and broken files are found all the same."
        )
    classes = by_group(page, "by_class") if labelled else []
    planted = page.workspace.planted()
    groups = [("By split", "splits", by_group(page, "by_split")), ("By source", "sources", by_group(page, "by_source"))]
    suspicious = replace(page.filter, verdicts=PROBLEMS)
    flagged = sum(page.counts.by_verdict.get(kind, 0) for kind in PROBLEMS)
    return render(
        "overview",
        "body",
        page,
        suspicious=suspicious,
        look=worth_a_look(page),
        flagged=flagged,
        noise=noise_line(page) if labelled and info.n_decisions and not page.filter.active else "",
        main=main,
        captions=captions if labelled else "",
        classes=classes,
        more_classes=len(page.counts.by_class) - len(classes),
        scores=score_spreads(page),
        guide=flagged > 0 and page.may(Right.DECIDE) and first_review.offered(page.workspace),
        planted=[] if planted is None else planted.to_dict("records"),
        pairs=[] if confusion is None else list(cells_of(confusion).items())[:CONFUSIONS],
        audit="" if page.filter.active else audit_card(page),
        groups=[group for group in groups if len(group[2]) > 1],
        scan={
            "notices": [text for text in info.notices if not text.startswith(RECOGNISED)],
            "columns": [
                text.removeprefix(RECOGNISED).rstrip(".") for text in info.notices if text.startswith(RECOGNISED)
            ],
            "signals": page.workspace.signals(),
        },
    )


def draw() -> None:
    """Draw the page."""
    page = page_frame("overview")
    draw_body(page, lambda: body(page), lambda value: handle_audit(page, value))
