"""Score every sample by every signal (signals.parquet)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ... import fingerprint as fp
from ...detection.evidence import CONSENSUS_VERSION
from ...detection.plugins import Plugins
from ...detection.signals import SIGNALS
from ...parallel import ordered_map, single_threaded_pool
from ...storage import scan_tables
from ...types import Dataset, Kind, Progress, Signal, SignalInputs, SignalResult
from ..run import FATAL, Outputs, Run

SIDE_BY_SIDE = 200_000
"""Rows up to which signals run on every core at once, each on one."""

UPSTREAM = ("dataset", "media", "embed", "graphs", "probe")
"""Stages that every signal may look at; a few look at words too."""


def split_codes(dataset: Dataset) -> dict[str, Any]:
    """The fields ``split`` and ``split_names`` of :class:`SignalInputs`; none where there is no split."""
    if dataset.split is None:
        return {}
    names = sorted({s for s in dataset.split if s})
    code = {name: i for i, name in enumerate(names)}
    return {"split": np.array([code.get(s, -1) for s in dataset.split], np.int32), "split_names": tuple(names)}


def run(run: Run, inputs: SignalInputs, feedback: str, plugins: Plugins) -> dict[str, SignalResult]:
    """Every signal's result by its name; one that cannot run or fails is left out, and the manifest says why.

    Parameters
    ----------
    feedback
        Fingerprint of what the decisions taught.
    """
    layout, signals = run.layout, [*SIGNALS, *plugins.signals]
    versions = {s.name: s.version for s in signals}
    upstream = {k: run.keys.get(k) for k in (*UPSTREAM, "zero-shot", "captions", "second-encoder")}
    key = fp.of(
        versions,
        upstream,
        CONSENSUS_VERSION,
        inputs.class_names,
        feedback,
        plugins.fingerprint,
    )
    results: dict[str, SignalResult] = {}

    def make() -> Outputs:
        skipped: dict[str, str] = {}
        failed: dict[str, str] = dict(plugins.failed)
        seconds: dict[str, float] = {}

        def judge(signal: Signal) -> tuple[SignalResult | None, str, float]:
            missing = [need.value for need in sorted(signal.requires) if not inputs.has(need)]
            if missing:
                return None, f"needs {', '.join(missing)}", -1.0
            began = time.perf_counter()
            try:
                return signal(inputs), "", time.perf_counter() - began
            except FATAL:
                raise
            except Exception as error:  # noqa: BLE001 - one signal's fault must not cost the others
                return None, f"{type(error).__name__}: {error}", time.perf_counter() - began

        # two signals at a time share a core each; what they hold while they work is too much of a million rows
        at_once = 2 if inputs.n <= SIDE_BY_SIDE else 1
        # shared fits first, then independent signals, then their dependants
        order = sorted(signals, key=lambda s: 0 if getattr(s, "leads", False) else 1 + (s.kind == Kind.OOD))
        with single_threaded_pool() if at_once > 1 else ThreadPoolExecutor(1) as pool:
            for i, (signal, (found, why, taken)) in enumerate(
                zip(order, ordered_map(pool, judge, order, len(order) if at_once > 1 else 1), strict=True)
            ):
                run.report(Progress("signals", i, len(signals), "signals", signal.title))
                if found is not None:
                    results[signal.name] = found
                else:
                    (skipped if taken < 0 else failed)[signal.name] = why
                if taken >= 0:
                    seconds[signal.name] = round(taken, 4)
        for name in [s.name for s in signals if s.name in results]:  # in their own order again
            results[name] = results.pop(name)
        outputs = scan_tables.save_signals(layout, results)
        return outputs, {"skipped": skipped, "failed": failed, "seconds": seconds, "brought": plugins.described()}

    run.stage("signals", key, make)
    record = run.store.fresh("signals", key)
    if record is not None:
        for name, why in record.info["failed"].items():
            run.failures[name] = why
    return results or scan_tables.load_signals(layout)
