"""The registry that every signal enters at the bottom of its own file, and what Winnow's own signals share."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...registry import Registry
from ...types import Input, Kind, Signal, SignalInputs, SignalResult

SIGNALS: Registry[Signal] = Registry("signal")


class BaseSignal:
    """Defaults of a signal. A family of signals adds its kind, its inputs and the steps that its members share."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    kind: ClassVar[Kind]
    title: ClassVar[str]
    explain: ClassVar[str]
    requires: ClassVar[frozenset[Input]] = frozenset()


def skipped(inputs: SignalInputs, why: str) -> SignalResult:
    """A result that scores no sample and gives the reason."""
    return SignalResult(np.full(inputs.n, np.nan, np.float32), info={"skipped": why})
