"""Subsets: which samples to keep when not all can be. One file per method; see :class:`winnow.core.selection.base.Selector`.

:func:`winnow.core.selection.choose.choose` runs any of them under the constraints that all share.
"""

from __future__ import annotations

from ..registry import load_siblings
from .base import SELECTORS, Need, Picked, SelectionInputs, Selector

load_siblings(__name__, __path__)

__all__ = ["SELECTORS", "Need", "Picked", "SelectionInputs", "Selector"]
