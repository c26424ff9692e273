"""Image–text pairs of a scanned workspace: how well they match, training weights, better captions from neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..errors import QueryError
from ..storage.parquet_rows import RowReader
from ..storage.scan_context import ScanContext

NEAR = 30
"""Neighbours whose captions are proposed."""


@dataclass(frozen=True)
class Proposal:
    """A caption of another sample, proposed for an image.

    Attributes
    ----------
    caption, sample_id
        The caption, and the sample that has it.
    match
        Its cosine with the image, in [−1, 1].
    support
        How many of the nearest images have it or a similar one (cosine of captions ≥ 0.9).
    """

    caption: str
    sample_id: str
    match: float
    support: int


class ImageTextPairs:
    """What the scan found out about image–text pairs.

    Every method raises QueryError where no captions were compared with images.

    Parameters
    ----------
    scan
        The scan.
    """

    def __init__(self, scan: ScanContext) -> None:
        self._scan = scan

    @property
    def _captions(self) -> Any:
        captions = self._scan.files.captions
        if captions is None:
            raise QueryError(
                "This dataset has no captions that were compared with images. Scan images with their texts and a CLIP "
                "encoder: `winnow scan DATA --image COLUMN --text COLUMN --encoder open_clip:…`."
            )
        return captions

    @cached_property
    def texts(self) -> list[str]:
        """(n,) every caption, "" where there is none."""
        return [t or "" for t in self._scan.dataset.column("text").to_pylist()]

    def table(self) -> pd.DataFrame:
        """One row per sample: id, match, mismatch, state and weight.

        ``match`` is the cosine in [−1, 1], ``mismatch`` a probability, ``state`` matched, uncertain or mismatched.
        ``weight`` = 1 − mismatch is the expected share of right pairs, for training with every pair (0 where unknown).
        """
        _ = self._captions
        signals = RowReader(self._scan.layout.signals)
        if "match_consensus" not in signals.columns:
            raise QueryError("The scan could not judge these pairs; Overview says why.")
        p = signals.column("match_consensus").to_numpy()
        states = [str(r or "").partition(":")[0] for r in signals.column("match_consensus.reasons").to_pylist()]
        return pd.DataFrame(
            {
                "id": self._scan.ids,
                "match": 1.0 - 2.0 * signals.column("match_cosine").to_numpy(),
                "mismatch": p,
                "state": states,
                "weight": np.where(np.isfinite(p), 1.0 - p, 0.0),
            }
        )

    def offered(self, sample_id: str, limit: int = 3) -> list[Proposal]:
        """:meth:`proposals`, none where captions were not compared with images or the sample has no embedding."""
        files = self._scan.files
        return self.proposals(sample_id, limit) if files.captions is not None and files.raw_graph is not None else []

    def proposals(self, sample_id: str, limit: int = 5) -> list[Proposal]:
        """Captions of samples with similar images that match this image better than its own, the best first.

        Only those that gain at least half of what the best one gains. Ordered by the cosine of image and caption plus a
        tenth of the share of the nearest images with a similar caption.

        Parameters
        ----------
        sample_id
            The sample whose image it is.
        limit
            Most proposals to return.
        """
        row = self._scan.row(sample_id)
        captions = self._captions
        graph, images = self._scan.files.raw_graph, self._scan.files.vectors
        assert graph is not None  # there are captions only where images were embedded
        assert images is not None
        near = graph.indices[row][:NEAR]
        near = near[near >= 0]
        image = np.asarray(images[row], np.float32)
        theirs = np.asarray(captions[near], np.float32)
        own = float(np.asarray(captions[row], np.float32) @ image)
        match = theirs @ image
        support = (theirs @ theirs.T >= 0.9).sum(axis=1)
        order = np.argsort(-(match + 0.1 * support / max(len(near), 1)), kind="stable")
        captions_near = [sample["text"] or "" for sample in self._scan.dataset.take([int(r) for r in near])]
        proposals: dict[str, Proposal] = {}
        least = own + 0.5 * float(match.max(initial=own) - own)
        for i in order:
            text = captions_near[i]
            if match[i] > own and match[i] >= least and text and text not in proposals:
                proposals[text] = Proposal(text, str(self._scan.ids[near[i]]), float(match[i]), int(support[i]))
        return list(proposals.values())[:limit]
