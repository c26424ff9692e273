"""Sets: facts about the dataset as a whole, one file each. See :class:`winnow.core.sets.base.SetFact`."""

from __future__ import annotations

from ..registry import Registry, load_siblings
from .base import SetFact

SETS: Registry[SetFact] = Registry("set table")

load_siblings(__name__, __path__)
