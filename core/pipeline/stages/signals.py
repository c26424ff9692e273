"""Score every sample by every signal (signals.parquet)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ... import fingerprint as fp
from ...data.media.boxes import box_corners, picture_numbers
from ...detection.evidence import CONSENSUS_VERSION, with_consensus
from ...detection.plugins import Plugins
from ...detection.signals import ENCODERS_VERSION, SIGNALS, score_with_encoders
from ...parallel import ordered_map, single_threaded_pool
from ...storage import scan_tables
from ...types import (
    Beliefs,
    Dataset,
    EncoderInputs,
    Kind,
    MediaFeatures,
    Progress,
    Signal,
    SignalInputs,
    SignalResult,
)
from ..feedback import DecisionFeedback
from ..run import FATAL, Outputs, Run
from .embedding import Embedded, any_ok, stage_of
from .neighbors import EncoderGraphs
from .pooled_graphs import PooledGraphs

SIDE_BY_SIDE = 200_000
"""Rows up to which signals run on every core at once, each on one."""

UPSTREAM = ("dataset", "media", "embed", "graphs", "probe")
"""Stages whose results every signal may use; a few signals also use those about text."""


def collect_inputs(
    scan: Run,
    dataset: Dataset,
    media: MediaFeatures | None,
    embedded: Sequence[Embedded],
    graphs: Sequence[EncoderGraphs],
    pooled: PooledGraphs,
    beliefs: Beliefs | None,
    feedback: DecisionFeedback,
    text_inputs: Mapping[str, Any],
) -> SignalInputs:
    """Everything that signals may use, with the consensus of all views as its beliefs.

    Parameters
    ----------
    scan
        The run.
    dataset, media, embedded, graphs, pooled, beliefs
        Results of the earlier stages.
    feedback
        The labels to judge by, and the rows that people confirmed.
    text_inputs
        Fields of SignalInputs from the text stage.
    """
    ok = any_ok(embedded)
    each = tuple(
        EncoderInputs(e.ok, np.asarray(e.embedding.vectors, np.float32), g.whitened, g.raw, g.label, share)
        for e, g, share in zip(embedded, graphs, pooled.shares, strict=True)
    )
    inputs = SignalInputs(
        n=dataset.n,
        ok=ok,
        labels=feedback.labels,
        class_names=dataset.class_names,
        modality=dataset.modality,
        vectors=each[0].vectors if ok.any() else None,
        whitened=each[0].whitened,
        neighbors=pooled.raw,
        label_neighbors=pooled.label,
        encoders=each if len(each) > 1 else (),
        beliefs=beliefs,
        media=media,
        texts=dataset.texts,
        boxes=box_corners(dataset),
        pictures=picture_numbers(dataset),
        **_split_codes(dataset),
        **text_inputs,
        config={
            "errors": scan_tables.errors(dataset, media, ok),
            "seed": scan.config.seed,
            "confirmed_ood": feedback.outliers,
            "confirmed_in": feedback.members,
        },
    )
    return with_consensus(inputs)[0]


def _split_codes(dataset: Dataset) -> dict[str, Any]:
    """The fields ``split`` and ``split_names`` of :class:`SignalInputs`; none where there is no split."""
    if dataset.split is None:
        return {}
    names = sorted({s for s in dataset.split if s})
    code = {name: i for i, name in enumerate(names)}
    return {"split": np.array([code.get(s, -1) for s in dataset.split], np.int32), "split_names": tuple(names)}


def run(scan: Run, inputs: SignalInputs, feedback: str, plugins: Plugins) -> dict[str, SignalResult]:
    """Compute every signal; one that cannot run or fails is left out, and the manifest says why.

    Parameters
    ----------
    scan
        The run.
    inputs
        What signals may use.
    feedback
        Fingerprint of the decisions' feedback.
    plugins
        Signals of columns and installed packages.

    Returns
    -------
    dict
        Name of the signal → its result.
    """
    layout, signals = scan.layout, [*SIGNALS, *plugins.signals]
    versions = {s.name: s.version for s in signals}
    upstream = {k: scan.keys.get(k) for k in (*UPSTREAM, "zero-shot", "captions", "second-encoder")}
    if inputs.encoders:
        upstream |= {stage_of("embed", i): scan.keys[stage_of("embed", i)] for i in range(1, len(inputs.encoders))}
        upstream |= {"pooled_graphs": scan.keys["pooled_graphs"], "version": str(ENCODERS_VERSION)}
    key = fp.of(versions, upstream, CONSENSUS_VERSION, inputs.class_names, feedback, plugins.fingerprint)
    results: dict[str, SignalResult] = {}

    def make() -> Outputs:
        skipped: dict[str, str] = {}
        failed: dict[str, str] = dict(plugins.failed)
        seconds: dict[str, float] = {}

        def score(signal: Signal) -> tuple[SignalResult | None, str, float]:
            missing = [need.value for need in sorted(signal.requires) if not inputs.has(need)]
            if missing:
                return None, f"needs {', '.join(missing)}", -1.0
            started = time.perf_counter()
            try:
                return score_with_encoders(signal, inputs), "", time.perf_counter() - started
            except FATAL:
                raise
            except Exception as error:  # noqa: BLE001 - a failing signal must not cost the others
                return None, f"{type(error).__name__}: {error}", time.perf_counter() - started

        # signals run side by side, each on one core; with a million rows their working memory would be too large
        side_by_side = inputs.n <= SIDE_BY_SIDE
        # shared fits first, then independent signals, then their dependants
        order = sorted(signals, key=lambda s: 0 if getattr(s, "leads", False) else 1 + (s.kind == Kind.OOD))
        with single_threaded_pool() if side_by_side else ThreadPoolExecutor(1) as pool:
            for i, (signal, (result, reason, elapsed)) in enumerate(
                zip(order, ordered_map(pool, score, order, len(order) if side_by_side else 1), strict=True)
            ):
                scan.report(Progress("signals", i, len(signals), "signals", signal.title))
                if result is not None:
                    results[signal.name] = result
                else:
                    (skipped if elapsed < 0 else failed)[signal.name] = reason
                if elapsed >= 0:
                    seconds[signal.name] = round(elapsed, 4)
        for name in [s.name for s in signals if s.name in results]:  # back to the order of the registry
            results[name] = results.pop(name)
        outputs = scan_tables.save_signals(layout, results)
        return outputs, {"skipped": skipped, "failed": failed, "seconds": seconds, "brought": plugins.described()}

    scan.stage("signals", key, make)
    record = scan.store.fresh("signals", key)
    if record is not None:
        scan.failures.update(record.info["failed"])
    return results or scan_tables.load_signals(layout)
