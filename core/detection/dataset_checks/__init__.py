"""Checks of the dataset as a whole, one file each. See :class:`winnow.core.detection.dataset_checks.base.DatasetCheck`.

In: ``CheckInputs``, arrays in one row order. Out: a table with examples, or why there is none.
"""

from __future__ import annotations

from ...registry import load_siblings
from .base import DATASET_CHECKS

load_siblings(__name__, __path__)

__all__ = ["DATASET_CHECKS"]
