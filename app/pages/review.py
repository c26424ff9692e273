"""Review: one card after the other. The queue lives in the browser; decisions go to the routes beside Streamlit."""

from __future__ import annotations

from winnow.app.components.js_mount import first_sample, mount_surface
from winnow.app.components.page_frame import page_frame
from winnow.app.session import filters, state
from winnow.core import CLICKS, Filter
from winnow.core.types import Kind


def queue_of(flt: Filter, sort: str | None, selection: str | None) -> tuple[str, str]:
    """The queue of a filter as a query string, and what it holds in a word (see :func:`filters.to_review`)."""
    flt, sort, suspects = filters.to_review(flt, sort, selection)
    more = {"sort": sort} | ({"selection": selection} if selection else {})
    return filters.to_query(flt, **more), "suspects" if suspects else ""


def question(flt: Filter) -> str:
    """The page's question, by what is being reviewed."""
    if flt.pick:
        return {"thirty": f"Which {CLICKS} decisions are worth most?", "doubt": "Which way do these go?"}[flt.pick]
    if flt.state == "disputed":
        return "Who is right here?"
    questions = {
        Kind.NOISY_LABEL: "Which labels are wrong?",
        Kind.OOD: "Which samples are out of distribution?",
        Kind.DUPLICATE: "Which duplicates can go?",
        Kind.BROKEN: "Which samples are broken?",
        Kind.HARD: "Which samples are hard?",
        Kind.NAIVE: "Which samples are naive?",
        Kind.CLEAN: "Are these clean?",
    }
    return questions[Kind(flt.verdicts[0])] if len(flt.verdicts) == 1 else "What should happen to this sample?"


def draw() -> None:
    """Draw the page."""
    page = page_frame("review", question(state.session().filter))
    s = state.session()
    queue, noun = queue_of(s.filter, s.sort, s.selection)
    mount_surface("review", {**page.data(), "queue": queue, "holds": noun, "open": first_sample()}, key="w-review")
