"""Subset methods, one file each; see :class:`winnow.core.subsets.methods.base.Selector`.

In: ``SelectionInputs`` and a size. Out: rows in order of selection, with weights where the method gives them.

:func:`winnow.core.subsets.constraints.choose` runs any of them under the constraints that all share.
"""

from __future__ import annotations

from ...registry import load_siblings
from .base import SELECTORS, Need, SelectionInputs, Selector, SelectorResult, missing_inputs

load_siblings(__name__, __path__)

__all__ = ["SELECTORS", "Need", "SelectionInputs", "Selector", "SelectorResult", "missing_inputs"]
