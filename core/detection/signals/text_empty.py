"""Texts with nothing to read."""

from __future__ import annotations

import numpy as np

from ...types import Float32, Strings
from ._texts import TextSignal, emptiness
from .base import SIGNALS


class TextEmpty(TextSignal):
    """Nothing is left of the text but markup, control characters, punctuation or a placeholder.

    Notes
    -----
    Formula: 1 where no letter, digit or symbol survives after HTML tags and entities, control and format characters
    and replacement marks are taken out, or where all of it is a placeholder (nan, null, n/a, none, undefined, ...);
    else 0.

    References
    ----------
    The checks of Datalab (cleanlab) and Dolma's Gopher rules (Rae et al. 2021, arXiv:2112.11446), as a yes or no.
    """

    name = "text_empty"
    title = "Empty text"
    explain = "The text is empty, only markup or a placeholder."

    def assess(self, texts: Strings) -> tuple[Float32, Strings]:
        """1 where there is a reason why the text is empty."""
        reasons = emptiness(texts)
        return np.array([1.0 if why else 0.0 for why in reasons], np.float32), reasons


SIGNALS.register(TextEmpty.name)(TextEmpty())
