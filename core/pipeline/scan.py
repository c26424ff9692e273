"""The scan: its stages in order.

    source ─ media ─ dataset ─ embedding ─ neighbors ─ beliefs ─ text ─ signals ─ verdicts ─ assemble
    then map ─ clusters ─ assemble ─ cluster names ─ dataset checks, while people already look at the verdicts

A stage is a function of arrays and the run. Its key is the fingerprint of everything it looked at and of its own version; when
the key and the outputs on disk are unchanged it is not run again. A stage that may fail without spoiling the rest (media, map,
clusters, a single signal) is recorded in the manifest and shown in the app.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..detection.evidence import with_consensus
from ..errors import DiskFull, WinnowError
from ..storage import scan_tables
from ..storage.artifacts import StageStore, load_array, save_json, utc_seconds
from ..storage.atomic import remove_leftovers
from ..storage.decision_log.location import log_of
from ..storage.layout import FORMAT_VERSION, Layout, check_format
from ..types import Beliefs, EmbeddingSet, MediaFeatures, Neighbors, Progress, ProgressFn, SignalInputs, quiet
from .config import ScanConfig
from .feedback import DecisionFeedback, decision_feedback
from .job import reported, scan_lock
from .memory import release_memory
from .run import Run
from .stages import (
    assemble,
    augmented_views,
    beliefs,
    cluster_names,
    clusters,
    dataset,
    dataset_checks,
    embedding,
    manifest,
    map,
    media,
    neighbors,
    signals,
    source,
    text,
    verdicts,
)
from .stages.source import OpenedSource


def scan(config: ScanConfig, out: str | Path, progress: ProgressFn = quiet) -> Path:
    """Run every stage that is not up to date and write the workspace at ``out``.

    Raises
    ------
    WinnowError
        The source, columns, embeddings or encoder cannot be used (nothing is left behind when the workspace was new),
        the disk is full, another scan is running, or the person cancelled.
    """
    root = Path(out).expanduser().absolute()
    layout = Layout(root)
    check_format(layout)
    is_new = not root.exists()
    try:
        with scan_lock(root):
            remove_leftovers(root)
            with reported(root, progress) as report:
                _scan(config, layout, report)
    except DiskFull as error:
        if is_new and not layout.verdicts.exists():
            shutil.rmtree(root, ignore_errors=True)
            raise DiskFull(
                f"The disk that holds {root.parent} is full: the scan was stopped and what it had written was removed. "
                "Free some room, or give an --out on another disk, and run the same command again."
            ) from error
        raise
    except WinnowError:
        if is_new and not layout.header.exists():
            shutil.rmtree(root, ignore_errors=True)
        raise
    return root


def _scan(config: ScanConfig, layout: Layout, report: ProgressFn) -> None:
    report(Progress("source"))
    started = time.perf_counter()
    opened = source.read(config, report)
    rows = opened.dataset
    _write_header(config, layout, rows.name)
    run = Run(config, layout, StageStore(layout.root), report)
    run.seconds["source"] = time.perf_counter() - started
    run.notices.extend(opened.notices)

    features = media.run(run, rows)
    dataset.run(run, rows, features)
    release_memory(rows.n)
    embedded, grown = embedding.run(run, opened, features)
    graphs = neighbors.run(run, embedded, grown)
    release_memory(rows.n)
    taught = decision_feedback(log_of(layout), rows, config.learn)
    run.notices.extend(filter(None, [taught.notice]))
    augmented = augmented_views.run(run, opened, embedded)
    learning = replace(rows, labels=taught.labels)
    believed = beliefs.run(run, learning, embedded, features, opened.probabilities, augmented)
    words = text.run(run, opened, embedded)
    inputs = _signal_inputs(run, opened, features, embedded, graphs, believed, taught, words)
    results = signals.run(run, inputs, taught.fingerprint, opened.plugins)
    if inputs.vectors is not None and rows.n > signals.SIDE_BY_SIDE:
        # drop the float32 copy (about 2 GB at 1M × 512); later stages read rows
        inputs = replace(inputs, vectors=embedded.vectors)
    release_memory(rows.n)
    judged = verdicts.run(run, inputs, results)
    assemble.run(run, rows, judged, None, None)
    manifest.run(run, rows, embedded, judged, results)

    xy = run.attempt("map", lambda: map.run(run, embedded, graphs["label"])) if config.projection else None
    grouped = run.attempt("clusters", lambda: clusters.run(run, inputs.ok, graphs["label"]))
    assemble.run(run, rows, judged, xy, grouped)
    if grouped is not None:
        run.attempt("names", lambda: cluster_names.run(run, opened, embedded.vectors, grouped))
    dataset_checks.run(run, rows.sample_ids)
    manifest.run(run, rows, embedded, judged, results)


def _write_header(config: ScanConfig, layout: Layout, name: str) -> None:
    if not layout.header.exists():
        header = {
            "format": FORMAT_VERSION,
            "name": config.name or name,
            "created": utc_seconds(),
            "source": config.source,
        }
        save_json(layout.header, header)


def _signal_inputs(
    run: Run,
    opened: OpenedSource,
    features: MediaFeatures | None,
    embedded: EmbeddingSet,
    graphs: dict[str, Neighbors],
    believed: Beliefs | None,
    taught: DecisionFeedback,
    words: dict[str, Any],
) -> SignalInputs:
    """Everything that signals may look at, with the consensus of the views as its beliefs."""
    rows = opened.dataset
    inputs = SignalInputs(
        n=rows.n,
        ok=np.asarray(embedded.ok, bool),
        labels=taught.labels,
        class_names=rows.class_names,
        modality=rows.modality,
        vectors=np.asarray(embedded.vectors, np.float32) if embedded.ok.any() else None,
        whitened=load_array(run.layout.neighbors / "whitened.npy"),
        neighbors=graphs["raw"],
        label_neighbors=graphs["label"],
        beliefs=believed,
        media=features,
        texts=rows.texts,
        **signals.split_codes(rows),
        **words,
        config={
            "errors": scan_tables.errors(rows, features, embedded.ok),
            "seed": run.config.seed,
            "confirmed_ood": taught.outliers,
            "confirmed_in": taught.members,
        },
    )
    return with_consensus(inputs)[0]
