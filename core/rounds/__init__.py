"""Decisions that spread: after each batch the flags are re-estimated, and the rest of the queue is ordered anew."""

from __future__ import annotations

from .audit import Advice, Amount, Precision
from .rounds import Moved, Offer, Rounds

__all__ = ["Advice", "Amount", "Moved", "Offer", "Precision", "Rounds"]
