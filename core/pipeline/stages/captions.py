"""Embeds the captions beside images and finds their neighbours.

captions/       vectors.npy (n, d), indices.npy, distances.npy and graph.json of their neighbour graph
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import fingerprint as fp
from ...features import encoders
from ...features.encoders import unit_rows
from ...features.neighbors import NEIGHBORS_VERSION, build
from ...storage.artifacts import load_array, load_json, save_array, save_json
from ...types import Dataset, EmbeddingSet, Neighbors, Progress
from ..run import Outputs, Run

CAPTION_NEIGHBORS = 10
_BATCH = 256


def run(scan: Run, dataset: Dataset, embedding: EmbeddingSet, load_encoder: Callable[[], Any]) -> dict[str, Any]:
    """Vectors of the captions and their neighbour graph.

    Returns
    -------
    dict
        text_vectors and text_neighbors.
    """
    config = scan.config
    assert dataset.texts is not None
    folder = scan.layout.root / "captions"
    key = fp.of(
        embedding.fingerprint,
        fp.of_strings(dataset.texts),
        NEIGHBORS_VERSION,
        config.seed,
        1,
    )

    def make() -> Outputs:
        folder.mkdir(exist_ok=True)
        vectors = encode_captions(load_encoder(), dataset.texts, scan.report)
        ok = np.asarray(vectors.any(axis=1))
        graph = build(vectors, ok, CAPTION_NEIGHBORS, encoders.resolve_device(config.device), config.seed)
        arrays = {"vectors": vectors.astype(np.float16), "indices": graph.indices, "distances": graph.distances}
        for name, array in arrays.items():
            save_array(folder / f"{name}.npy", array)
        save_json(folder / "graph.json", {"metric": graph.metric, "method": graph.method, "recall": graph.recall})
        return [*(folder / f"{name}.npy" for name in arrays), folder / "graph.json"], {}

    scan.stage("captions", key, make)
    info = load_json(folder / "graph.json")
    graph = Neighbors(load_array(folder / "indices.npy"), load_array(folder / "distances.npy"), **info)
    return {"text_vectors": np.asarray(load_array(folder / "vectors.npy"), np.float32), "text_neighbors": graph}


def encode_captions(encoder: Any, texts: Any, report: Any) -> Any:
    """(n, d) float32 unit rows of all texts, zeros for empty ones; equal texts are encoded once."""
    distinct, inverse = np.unique(np.array([str(t or "").strip() for t in texts]), return_inverse=True)
    parts = []
    for start in range(0, len(distinct), _BATCH):
        report(Progress("captions", start, len(distinct), "captions"))
        parts.append(unit_rows(encoder.encode_texts([str(t) for t in distinct[start : start + _BATCH]])))
    vectors = np.concatenate(parts)
    vectors[distinct == ""] = 0
    return vectors[inverse]
