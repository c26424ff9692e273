"""How each verdict is called and coloured, wherever it is drawn (Okabe-Ito palette, safe for the colour-blind)."""

from __future__ import annotations

from dataclasses import dataclass

from ..types import Kind


@dataclass(frozen=True)
class VerdictStyle:
    """The look of one verdict.

    Attributes
    ----------
    name
        The field's term, as people read it.
    means
        What it means in plain words, for tooltips.
    colour
        ``#RRGGBB``.
    icon
        The Material icon.
    """

    name: str
    means: str
    colour: str
    icon: str


STYLES: dict[Kind, VerdictStyle] = {
    Kind.NOISY_LABEL: VerdictStyle(
        "Noisy label", "The models and its neighbours agree against the given label", "#D55E00", "label_off"
    ),
    Kind.OOD: VerdictStyle(
        "Out of distribution",
        "It lies far from the rest, or its neighbours have little in common",
        "#CC79A7",
        "travel_explore",
    ),
    Kind.DUPLICATE: VerdictStyle(
        "Duplicate", "Another sample shows the same, or nearly the same", "#0072B2", "content_copy"
    ),
    Kind.BROKEN: VerdictStyle("Broken", "It cannot be read, or is flat or empty", "#6E6E6E", "broken_image"),
    Kind.HARD: VerdictStyle(
        "Hard", "The models find it difficult, but nothing speaks against its label", "#E69F00", "exercise"
    ),
    Kind.NAIVE: VerdictStyle("Naive", "The models learn it at once: it teaches them little", "#56B4E9", "done_all"),
    Kind.CLEAN: VerdictStyle("Clean", "Nothing is wrong with it", "#009E73", "check_circle"),
}

SETTLED, DISPUTED = "settled", "disputed"

STATUSES: dict[str, VerdictStyle] = {
    **{kind.value: style for kind, style in STYLES.items()},
    SETTLED: VerdictStyle("Settled", "A person has decided about it", "#9A9AA6", "how_to_reg"),
    DISPUTED: VerdictStyle("People disagree", "People decided about it differently", "#882255", "groups"),
}
"""What a sample stands as: its verdict while nobody has decided about it, then settled or disputed.

Every count and every filter of verdicts is about this, so that what is counted as noisy is what is left to review.
"""
