"""Review: one card after the other. The queue lives in the browser; decisions go to the routes beside Streamlit."""

from __future__ import annotations

from dataclasses import replace

from winnow.app import filters, state
from winnow.app.widgets.frame import Page, page_frame
from winnow.app.widgets.surfaces import opened, surface
from winnow.core.query import Filter
from winnow.core.types import Kind

PROBLEMS = (Kind.NOISY_LABEL.value, Kind.OOD.value, Kind.DUPLICATE.value, Kind.BROKEN.value)
"""The verdicts that ask for a decision: the queue of somebody who asked for nothing else."""


def queue_of(flt: Filter, sort: str | None, selection: str | None) -> tuple[str, str]:
    """The queue that a filter means, as a query string, and what it holds in words.

    Decided samples are left out unless they were asked for. Who names no verdict, pair, score, group or selection gets
    the suspects, the surest first.
    """
    named = (
        flt.verdicts or flt.kinds or flt.pair or flt.scores or flt.text or flt.duplicate_group is not None or selection
    )
    words = "" if named else "suspects"
    if not named:
        flt = replace(flt, verdicts=PROBLEMS)
    if flt.state == "any":
        flt = replace(flt, state="undecided")
    if sort is None:
        sort = f"-{flt.verdicts[0]}" if len(flt.verdicts) == 1 and flt.verdicts[0] != Kind.CLEAN else "-confidence"
    more = {"sort": sort} | ({"selection": selection} if selection else {})
    return filters.to_query(flt, **more), words


def question(flt: Filter) -> str:
    """The page's question, by what is being reviewed."""
    asked = {
        Kind.NOISY_LABEL: "Which labels are wrong?",
        Kind.OOD: "Which samples do not belong?",
        Kind.DUPLICATE: "Which copies can go?",
        Kind.BROKEN: "Which samples cannot be used?",
        Kind.HARD: "Which are hard, and right?",
        Kind.NAIVE: "Which samples add little?",
        Kind.CLEAN: "Are these fine?",
    }
    return asked[Kind(flt.verdicts[0])] if len(flt.verdicts) == 1 else "What should happen to this sample?"


def draw() -> None:
    """The page."""
    page: Page = page_frame("review", question(state.session().filter))
    s = state.session()
    queue, words = queue_of(s.filter, s.sort, s.selection)
    surface("review", {**page.data(), "queue": queue, "holds": words, "open": opened()}, key="w-review")
