"""Decisions that spread: after each batch the flags are re-estimated, and the rest of the queue is ordered anew.

In: the scan and the decisions in force. Out: revised probabilities, a new order, similar samples, and when to stop.
"""

from __future__ import annotations

from .advice import Advice, Precision
from .audit import Auditor, AuditPlan, AuditReport
from .audit_estimate import IntervalEstimate
from .labeller import BulkEstimate, Labeller
from .ranker import QueueChange, QueueRanker, SimilarOffer

__all__ = [
    "Advice",
    "AuditPlan",
    "AuditReport",
    "Auditor",
    "BulkEstimate",
    "IntervalEstimate",
    "Labeller",
    "Precision",
    "QueueChange",
    "QueueRanker",
    "SimilarOffer",
]
