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


def run(run: Run, source: OpenedSource, embedding: EmbeddingSet) -> list[Float32]:
    """The views that were asked for, each (n, r) float32; none, with a notice, where they cannot be had.

    Each is a stage of its own: one more view embeds one more, and a run that was cut goes on.
    """
    config, choice = run.config, source.encoder
    if not config.views:
        return []
    if choice is None or choice.spec.modality is Modality.TEXT:
        run.notices.append(
            "Augmented views (--views) need images and an encoder that Winnow runs itself: the naive verdict looks at "
            "distorted embeddings instead."
        )
        return []
    space = whitening(embedding.vectors, np.asarray(embedding.ok, bool), seed=config.seed)
    return [_view(run, source.dataset, choice, embedding, space, view) for view in range(config.views)]


def _view(
    run: Run, dataset: Dataset, choice: EncoderChoice, embedding: EmbeddingSet, space: Whitening, view: int
) -> Float32:
    folder, path = run.layout.embeddings / f"view_{view}", run.layout.neighbors / f"view_{view}.npy"
    distorted = encoders.augmented(choice, run.layout.embeddings, view)

    def make() -> Outputs:
        run.report(Progress("views", view, run.config.views, "views"))
        made = encoders.embed(dataset, distorted, folder, progress=run.report)
        save_array(path, space(made.vectors, np.asarray(made.ok, bool)))
        shutil.rmtree(folder, ignore_errors=True)
        return [path], {}

    run.stage(f"view_{view}", fp.of(embedding.fingerprint, distorted.spec, run.config.seed, NEIGHBORS_VERSION), make)
    return load_array(path)
