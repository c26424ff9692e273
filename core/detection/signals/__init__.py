"""Signals: one file each, registered at the bottom of its own file. See :class:`winnow.core.types.Signal`.

In: ``SignalInputs``, arrays in one row order. Out: a score in [0, 1] per sample, 1 = suspicious.
"""

from __future__ import annotations

from ...registry import load_siblings
from ._encoders import ENCODERS_VERSION, score_with_encoders
from .base import SIGNALS

load_siblings(__name__, __path__)

__all__ = ["ENCODERS_VERSION", "SIGNALS", "score_with_encoders"]
