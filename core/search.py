"""Nearest samples to a sample, or to a description where the encoder has a text tower."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from . import encoders
from .errors import QueryError
from .index import SearchIndex
from .layout import Layout
from .store.artifacts import load_array, load_json
from .types import Float32, Int64, Modality

BLOCK = 65_536
"""Rows of embeddings read at a time."""
INDEXED = 200_000
"""Rows from which the index is asked: below, looking at every row takes a tenth of a second."""


class Searcher:
    """Cosine search over a workspace's embeddings (float16, memory-mapped).

    Up to 200,000 rows every one is looked at. Beyond, candidates come from the index of the scan: for a sample from the
    cells near it (with the recall that ``graphs.json`` states), for a description, which lies far from every sample,
    from all of them. Candidates are measured again on the stored vectors.
    """

    def __init__(self, layout: Layout, encoder: dict[str, Any]) -> None:
        self._layout, self._encoder = layout, encoder

    @cached_property
    def _vectors(self) -> np.ndarray[Any, Any]:
        return load_array(self._layout.embeddings / "vectors.npy")

    @cached_property
    def _ok(self) -> np.ndarray[Any, Any]:
        return np.asarray(load_array(self._layout.embeddings / "ok.npy"), bool)

    @cached_property
    def _text_tower(self) -> Any:
        name, modality = self._encoder["name"], Modality(self._encoder["modality"])
        if name == "brought" or not (self._encoder["has_text_tower"] or modality is Modality.TEXT):
            raise QueryError(
                f"The encoder {name!r} cannot be searched by description. Filter by text instead, look for samples "
                "like one that you have, or scan with a CLIP encoder (`--encoder open_clip:…`)."
            )
        choice = encoders.choose(name, modality, allow_network=False)
        return encoders.load_fitted(choice, self._layout.embeddings)

    def like(self, row: int, limit: int) -> tuple[Int64, Float32]:
        """The ``limit`` rows nearest to ``row`` by cosine, itself left out, and their cosines, descending."""
        rows, cosines = self._nearest(np.asarray(self._vectors[row], np.float32), limit + 1, self._probes)
        keep = rows != row
        return rows[keep][:limit], cosines[keep][:limit]

    def text(self, text: str, limit: int) -> tuple[Int64, Float32]:
        """The ``limit`` rows nearest to a description, and their cosines, descending."""
        return self._nearest(np.asarray(self._text_tower.encode_texts([text])[0], np.float32), limit)

    @cached_property
    def _index(self) -> SearchIndex | None:
        path = self._layout.neighbors / "index.faiss"
        return SearchIndex(path) if len(self._vectors) > INDEXED and path.exists() else None

    @cached_property
    def _probes(self) -> int:
        return int(load_json(self._layout.neighbors / "graphs.json").get("index", {}).get("probes", 0))

    def _nearest(self, query: Float32, limit: int, probes: int = 0) -> tuple[Int64, Float32]:
        query = query / max(float(np.linalg.norm(query)), 1e-12)
        if self._index is not None:
            rows = self._index.search(query[None], 2 * limit, probes)[0][0]
            rows = np.sort(rows[rows >= 0])
            exact = np.asarray(self._vectors[rows], np.float32) @ query
            best = np.lexsort((rows, -exact))[:limit]
            return rows[best], exact[best]
        n = len(self._vectors)
        cosines = np.empty(n, np.float32)
        for start in range(0, n, BLOCK):
            cosines[start : start + BLOCK] = np.asarray(self._vectors[start : start + BLOCK], np.float32) @ query
        cosines[~self._ok] = -np.inf
        limit = min(limit, int(self._ok.sum()))
        top = np.argpartition(-cosines, limit - 1)[:limit] if limit else np.empty(0, np.int64)
        top = top[np.lexsort((top, -cosines[top]))]
        return top.astype(np.int64), cosines[top]
