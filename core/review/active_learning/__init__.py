"""Decisions that spread: after each batch the flags are re-estimated, and the rest of the queue is ordered anew.

In: the scan and the decisions in force. Out: revised probabilities, a new order, similar samples, and when to stop.
"""

from __future__ import annotations

from .audit import Advice, IntervalEstimate, Precision
from .labeller import BulkEstimate, Labeller
from .ranker import QueueChange, QueueRanker, SimilarOffer

__all__ = [
    "Advice",
    "BulkEstimate",
    "IntervalEstimate",
    "Labeller",
    "Precision",
    "QueueChange",
    "QueueRanker",
    "SimilarOffer",
]
