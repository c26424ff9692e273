"""From many signals to one calibrated probability per kind: one module per kind, named as the kind.

In: signal results. Out: for each kind a probability, a flag and a reason per sample.

Each module has one public function of the module's own name, ``<kind>(inputs, results) -> KindEvidence``, which works
with any subset of signals: it is less sure where inputs or signals are missing, but never fails.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping

from ...types import ISSUE_KINDS, Kind, KindEvidence, SignalInputs, SignalResult
from ._consensus import CONSENSUS_VERSION, with_consensus
from ._tags import TagFindings, with_tag_conflicts, with_tags

Combiner = Callable[[SignalInputs, Mapping[str, SignalResult]], KindEvidence]


def _load() -> dict[Kind, Combiner]:
    combiners: dict[Kind, Combiner] = {}
    for kind in ISSUE_KINDS:
        if importlib.util.find_spec(f"{__name__}.{kind.value}") is not None:
            combiners[kind] = getattr(importlib.import_module(f"{__name__}.{kind.value}"), kind.value)
    return combiners


COMBINERS: dict[Kind, Combiner] = _load()
"""Every kind's combiner, in order of precedence."""

__all__ = [
    "COMBINERS",
    "CONSENSUS_VERSION",
    "Combiner",
    "TagFindings",
    "with_consensus",
    "with_tag_conflicts",
    "with_tags",
]
