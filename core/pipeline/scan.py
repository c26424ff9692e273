"""The scan: its stages in order.

    source ─ media ─ dataset ─ embedding ─ neighbors ─ views ─ probe ─ text ─ signals ─ tags ─ verdicts ─ assemble
    then map ─ clusters ─ assemble ─ cluster names ─ dataset checks, while people already look at the verdicts

A stage is a function of arrays and the run. Its key is the fingerprint of all its inputs and of its own version; while
the key and the outputs on disk are unchanged, it is not run again. A stage that may fail without spoiling the others
(media, text, map, clusters, a single signal) is recorded in the manifest and shown in the app.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import DiskFull, WinnowError, WorkspaceError
from ..storage.artifacts import StageStore, save_json, utc_seconds
from ..storage.atomic import remove_leftovers
from ..storage.decision_log.location import check_log, log_of
from ..storage.layout import FORMAT_VERSION, Layout, check_format
from ..types import Progress, ProgressFn, quiet
from .config import ScanConfig
from .feedback import decision_feedback
from .job import reported, scan_lock
from .memory import release_memory
from .run import Run
from .stages.assemble import run as assemble
from .stages.augmented_views import run as embed_augmented_views
from .stages.beliefs import run as train_probe
from .stages.cluster_names import run as name_clusters
from .stages.clusters import run as find_clusters
from .stages.dataset import run as write_dataset
from .stages.dataset_checks import run as check_dataset
from .stages.embedding import run as embed
from .stages.manifest import run as write_manifest
from .stages.map import run as draw_map
from .stages.media import run as measure_media
from .stages.neighbors import run as find_neighbors
from .stages.pooled_graphs import run as pool_graphs
from .stages.signals import SIDE_BY_SIDE, collect_inputs
from .stages.signals import run as score_signals
from .stages.source import read as read_source
from .stages.tags import run as judge_tags
from .stages.text import run as compare_text
from .stages.verdicts import run as decide_verdicts


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
    _check_place(config, layout)
    check_format(layout)
    check_log(layout)
    is_new = not root.exists()
    try:
        with scan_lock(root):
            remove_leftovers(root)
            with reported(root, progress) as report:
                _run_stages(config, layout, report)
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


def _check_place(config: ScanConfig, layout: Layout) -> None:
    """Raise WorkspaceError where a new workspace would lie inside the folder that is scanned."""
    source, root = Path(config.source).expanduser().resolve(), layout.root.resolve()
    if source.is_dir() and root.is_relative_to(source) and not layout.header.exists():
        raise WorkspaceError(
            f"The workspace {layout.root} would lie inside the data, where later scans and other programs would take "
            f"its files for samples. Give a folder beside it, for example {source.with_name(source.name + '.winnow')}."
        )


def _run_stages(config: ScanConfig, layout: Layout, report: ProgressFn) -> None:
    report(Progress("source"))
    started = time.perf_counter()
    source = read_source(config, report)
    dataset = source.dataset
    _write_header(config, layout, dataset.name)
    scan = Run(config, layout, StageStore(layout.root), report)
    scan.seconds["source"] = time.perf_counter() - started
    scan.notices.extend(source.notices)

    media = measure_media(scan, dataset)
    write_dataset(scan, dataset, media)
    release_memory(dataset.n)
    embedded = embed(scan, source, media)
    graphs = find_neighbors(scan, dataset, embedded)
    first = embedded[0].embedding
    release_memory(dataset.n)
    feedback = decision_feedback(log_of(layout), dataset, config.learn)
    scan.notices.extend(filter(None, [feedback.notice]))
    if feedback.class_names != dataset.class_names:  # classes that people made are classes of everything that follows
        added = len(feedback.class_names) - dataset.n_classes
        dataset = replace(dataset, class_names=feedback.class_names)
        brought = {name: np.pad(p, ((0, 0), (0, added))) for name, p in source.probabilities.items()}
        source = replace(source, dataset=dataset, probabilities=brought)
    corrected = replace(dataset, labels=feedback.labels)
    pooled = pool_graphs(scan, corrected, embedded, graphs)
    views = embed_augmented_views(scan, source, embedded, graphs)
    beliefs = train_probe(scan, corrected, embedded, graphs, pooled.shares, media, source.probabilities, views)
    text_inputs = compare_text(scan, source, first)
    inputs = collect_inputs(scan, dataset, media, embedded, graphs, pooled, beliefs, feedback, text_inputs)
    results = score_signals(scan, inputs, feedback.fingerprint, source.plugins)
    if inputs.vectors is not None and dataset.n > SIDE_BY_SIDE:
        # drop the float32 copies (about 2 GB at 1M × 512); later stages read rows
        inputs = replace(inputs, vectors=first.vectors, encoders=())
    release_memory(dataset.n)
    tags = None
    if (given := dataset.tags) is not None:
        tags = scan.attempt("tags", lambda: judge_tags(scan, dataset, given, embedded, pooled, media))
    verdicts = decide_verdicts(scan, inputs, results, tags)
    assemble(scan, dataset, verdicts, None, None)
    write_manifest(scan, dataset, embedded, verdicts, results)

    xy = scan.attempt("map", lambda: draw_map(scan, embedded, graphs, pooled.label)) if config.projection else None
    clusters = scan.attempt("clusters", lambda: find_clusters(scan, inputs.ok, pooled.label))
    assemble(scan, dataset, verdicts, xy, clusters)
    if clusters is not None:
        scan.attempt("names", lambda: name_clusters(scan, source, first.vectors, clusters))
    check_dataset(scan, dataset.sample_ids)
    write_manifest(scan, dataset, embedded, verdicts, results)


def _write_header(config: ScanConfig, layout: Layout, name: str) -> None:
    if layout.header.exists():
        return
    header = {"format": FORMAT_VERSION, "name": config.name or name, "created": utc_seconds(), "source": config.source}
    save_json(layout.header, header)
