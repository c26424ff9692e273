"""Embed strongly augmented views of every image (neighbors/view_*.npy), asked for by ``winnow scan --views N``."""

from __future__ import annotations

import shutil

import numpy as np

from ... import fingerprint as fp
from ...features import encoders
from ...features.encoders import EncoderChoice
from ...features.neighbors import NEIGHBORS_VERSION, Whitening, whitening
from ...storage.artifacts import load_array, save_array
from ...types import Dataset, EmbeddingSet, Float32, Modality, Progress
from ..run import Outputs, Run
from .source import OpenedSource


def run(scan: Run, source: OpenedSource, embedding: EmbeddingSet) -> list[Float32]:
    """Embed the views that the config asks for, each (n, r) float32; none, with a notice, where that is impossible.

    Each view is a stage of its own: with one more view only that one is embedded, and an interrupted scan continues.
    """
    config, choice = scan.config, source.encoder
    if not config.views:
        return []
    if choice is None or choice.spec.modality is Modality.TEXT:
        scan.notices.append(
            "Augmented views (--views) need images and an encoder that Winnow runs itself: the naive verdict looks at "
            "distorted embeddings instead."
        )
        return []
    space = whitening(embedding.vectors, np.asarray(embedding.ok, bool), seed=config.seed)
    return [_view(scan, source.dataset, choice, embedding, space, view) for view in range(config.views)]


def _view(
    scan: Run, dataset: Dataset, choice: EncoderChoice, embedding: EmbeddingSet, space: Whitening, view: int
) -> Float32:
    folder, path = scan.layout.embeddings / f"view_{view}", scan.layout.neighbors / f"view_{view}.npy"
    distorted = encoders.augmented(choice, scan.layout.embeddings, view)

    def make() -> Outputs:
        scan.report(Progress("views", view, scan.config.views, "views"))
        embedded = encoders.embed(dataset, distorted, folder, progress=scan.report)
        save_array(path, space(embedded.vectors, np.asarray(embedded.ok, bool)))
        shutil.rmtree(folder, ignore_errors=True)
        return [path], {}

    scan.stage(f"view_{view}", fp.of(embedding.fingerprint, distorted.spec, scan.config.seed, NEIGHBORS_VERSION), make)
    return load_array(path)
