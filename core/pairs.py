"""Image–text pairs of a scanned workspace: how well each fits, weights for training, better captions from neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .errors import QueryError
from .layout import Layout
from .lookup import RowReader
from .store.artifacts import load_array
from .types import Strings

CONSENSUS = ("matched", "uncertain", "mismatched", "")
"""What two opinions make of a pair; "" = it could not be judged."""
NEAR = 30


@dataclass(frozen=True)
class Proposal:
    """caption : of another sample. sample_id : which. match : its cosine with the image. support : how many of the nearest
    images carry it or one like it (cosine of captions ≥ .9)."""

    caption: str
    sample_id: str
    match: float
    support: int


class Pairs:
    """Reads what the scan found out about pairs. Raises QueryError where there are no compared pairs."""

    def __init__(self, layout: Layout, dataset: RowReader, ids: Strings, row_of: Any) -> None:
        self._layout, self._dataset, self._ids, self._row_of = layout, dataset, ids, row_of

    @cached_property
    def _captions(self) -> Any:
        path = self._layout.root / "captions" / "vectors.npy"
        if not path.exists():
            raise QueryError(
                "This dataset has no captions that were compared with images. Scan images with their texts and a CLIP encoder: "
                "`winnow scan DATA --image COLUMN --text COLUMN --encoder open_clip:…`."
            )
        return load_array(path)

    @cached_property
    def _images(self) -> Any:
        return load_array(self._layout.embeddings / "vectors.npy")

    @cached_property
    def texts(self) -> list[str]:
        """(n,) every caption, "" where there is none."""
        return [t or "" for t in self._dataset.column("text").to_pylist()]

    def table(self) -> pd.DataFrame:
        """One row per sample: id, match (cosine), mismatch (probability), state (matched, uncertain, mismatched), weight.

        ``weight`` = 1 − mismatch: the expected share of right pairs, for training with every pair (0 where unknown).
        """
        _ = self._captions
        signals = RowReader(self._layout.signals)
        if "match_consensus" not in signals.columns:
            raise QueryError("The scan could not judge these pairs; Overview says why.")
        p = signals.column("match_consensus").to_numpy()
        said = [str(r or "").partition(":")[0] for r in signals.column("match_consensus.reasons").to_pylist()]
        return pd.DataFrame(
            {
                "id": self._ids,
                "match": 1.0 - 2.0 * signals.column("match_cosine").to_numpy(),
                "mismatch": p,
                "state": said,
                "weight": np.where(np.isfinite(p), 1.0 - p, 0.0),
            }
        )

    def offered(self, sample_id: str, limit: int = 3) -> list[Proposal]:
        """:meth:`proposals`, none where captions were not compared with images or the sample has no embedding."""
        there = (self._layout.root / "captions" / "vectors.npy").exists() and (
            self._layout.neighbors / "raw_indices.npy"
        ).exists()
        return self.proposals(sample_id, limit) if there else []

    def proposals(self, sample_id: str, limit: int = 5) -> list[Proposal]:
        """Captions of the samples with the most similar images that fit this image better than its own, the best first; only
        those that gain at least half of what the best one gains.

        Order: cosine of image and caption plus a tenth of the share of the nearest images that say the like.
        """
        row = self._row_of(sample_id)
        captions = self._captions
        graph = load_array(self._layout.neighbors / "raw_indices.npy")[row][:NEAR]
        near = graph[graph >= 0]
        image = np.asarray(self._images[row], np.float32)
        theirs = np.asarray(captions[near], np.float32)
        own = float(np.asarray(captions[row], np.float32) @ image)
        match = theirs @ image
        support = (theirs @ theirs.T >= 0.9).sum(axis=1)
        order = np.argsort(-(match + 0.1 * support / max(len(near), 1)), kind="stable")
        said = [who["text"] or "" for who in self._dataset.take([int(r) for r in near])]
        found: dict[str, Proposal] = {}
        least = own + 0.5 * float(match.max(initial=own) - own)
        for i in order:
            text = said[i]
            if match[i] > own and match[i] >= least and text and text not in found:
                found[text] = Proposal(text, str(self._ids[near[i]]), float(match[i]), int(support[i]))
        return list(found.values())[:limit]
