"""Name the clusters of a scan at both levels (names.json)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ... import fingerprint as fp
from ...features import encoders
from ...features.cluster_names import NAMES_VERSION, by_labels, by_texts, by_words, word_list
from ...features.prompts import load_prompts, name_vectors
from ...storage.artifacts import save_json
from ...types import Clusters, Dataset, Modality
from ..run import Outputs, Run
from .source import OpenedSource

_MAX_CLUSTERS = 2_000


def run(scan: Run, source: OpenedSource, vectors: Any, clusters: Clusters) -> None:
    """Write the names of the clusters; ``vectors`` (n, d) are the embeddings."""
    dataset, choice = source.dataset, source.encoder
    path: Path = scan.layout.root / "names.json"
    prompts = load_prompts(scan.layout, dataset.modality)
    key = fp.of(
        scan.keys["clusters"],
        scan.keys["dataset"],
        scan.keys["embed"],
        fp.of_array(dataset.labels),
        dataset.class_names,
        prompts.templates,
        NAMES_VERSION,
    )

    def make() -> Outputs:
        metadata = _short_columns(dataset)
        words, word_vectors = [], None
        if choice is not None and choice.spec.has_text_tower and dataset.modality is not Modality.TEXT:
            words = word_list(dataset.class_names, dataset.texts, metadata)
        if choice is not None and len(words) >= 8:
            word_vectors = name_vectors(
                encoders.load_fitted(choice, scan.layout.embeddings).encode_texts, words, prompts
            )
        levels = {}
        for level, codes in (("coarse", clusters.coarse), ("fine", clusters.fine)):
            codes = np.where(codes < _MAX_CLUSTERS, codes, -1)
            if dataset.modality is Modality.TEXT and dataset.texts is not None:
                names = by_texts(codes, dataset.texts)
            elif word_vectors is not None:
                names = by_words(codes, vectors, words, word_vectors)
            else:
                names = by_labels(codes, dataset.labels, dataset.class_names, metadata)
            levels[level] = [asdict(name) for name in names]
        save_json(path, levels)
        return [path], {}

    scan.stage("names", key, make)


def _short_columns(dataset: Dataset) -> dict[str, list[Any]]:
    """Metadata columns of at most 50 values, split and source, as lists."""
    columns: dict[str, list[Any]] = {}
    table = dataset.metadata
    for name in table.column_names if table is not None else ():
        values = table.column(name).to_pylist()
        if name != dataset.columns.label and 1 < len({str(v) for v in values}) <= 50:
            columns[name] = values
    for name, column in (("split", dataset.split), ("source", dataset.source)):
        if column is not None and name not in columns:
            columns[name] = list(column)
    classes = set(dataset.class_names)
    return {k: v for k, v in columns.items() if not classes or {str(x) for x in v if x} - classes}
