"""How each verdict is called and coloured, wherever it is drawn (Okabe-Ito palette, readable by colour-blind people)."""

from __future__ import annotations

from dataclasses import dataclass

from ..types import Kind


@dataclass(frozen=True)
class Style:
    """A verdict's plain name, colour (hex) and Material icon."""

    says: str
    colour: str
    icon: str


STYLES: dict[Kind, Style] = {
    Kind.NOISY_LABEL: Style("Label looks wrong", "#D55E00", "label_off"),
    Kind.OOD: Style("Does not belong", "#CC79A7", "travel_explore"),
    Kind.DUPLICATE: Style("Seen before", "#0072B2", "content_copy"),
    Kind.BROKEN: Style("Cannot be used", "#6E6E6E", "broken_image"),
    Kind.HARD: Style("Hard, and right", "#E69F00", "exercise"),
    Kind.NAIVE: Style("Adds little", "#56B4E9", "done_all"),
    Kind.CLEAN: Style("Fine", "#009E73", "check_circle"),
}
