"""Decide one verdict per sample from the evidence of all signals (kept by the stage that assembles the table)."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ... import fingerprint as fp
from ...detection.verdicts import VERDICTS_VERSION, decide
from ...types import Progress, SignalInputs, SignalResult, Verdicts
from ..run import Run


def run(run: Run, inputs: SignalInputs, results: Mapping[str, SignalResult]) -> Verdicts:
    """The verdicts, computed anew in every scan: they cost little beside reading them back."""
    run.report(Progress("verdicts"))
    started = time.perf_counter()
    verdicts = decide(inputs, results)
    run.seconds["verdicts"] = time.perf_counter() - started
    run.keys["verdicts"] = fp.of(run.keys["signals"], VERDICTS_VERSION)
    return verdicts
