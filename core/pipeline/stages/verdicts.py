"""Decide one verdict per sample from the evidence of all signals (kept by the stage that assembles the table)."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ... import fingerprint as fp
from ...detection.evidence import TagFindings
from ...detection.verdicts import VERDICTS_VERSION, decide
from ...types import Progress, SignalInputs, SignalResult, Verdicts
from ..run import Run


def run(
    scan: Run, inputs: SignalInputs, results: Mapping[str, SignalResult], tags: TagFindings | None = None
) -> Verdicts:
    """Compute the verdicts in every scan: reading them back would save little."""
    scan.report(Progress("verdicts"))
    started = time.perf_counter()
    verdicts = decide(inputs, results, tags)
    scan.seconds["verdicts"] = time.perf_counter() - started
    scan.keys["verdicts"] = fp.of(
        scan.keys["signals"], VERDICTS_VERSION, *([scan.keys["tags"]] if tags is not None else [])
    )
    return verdicts
