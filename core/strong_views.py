"""Strongly augmented views of every image, embedded and put into the half-whitened space (``winnow scan --views N``)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import encoders
from . import fingerprint as fp
from .config import ScanConfig
from .encoders import Choice
from .neighbors import NEIGHBORS_VERSION, Whitening, whitening
from .store.artifacts import load_array, save_array
from .types import Dataset, EmbeddingSet, Float32, Modality, Progress

if TYPE_CHECKING:
    from .pipeline import Run


def strong_views(
    run: Run, config: ScanConfig, dataset: Dataset, choice: Choice | None, embedding: EmbeddingSet
) -> list[Float32]:
    """The views that were asked for, each (n, r) float32; none, with a notice, where they cannot be had.

    Each is a stage of its own: one more view embeds one more, and a run that was cut goes on.
    """
    if not config.views:
        return []
    if choice is None or choice.spec.modality is Modality.TEXT:
        run.notices.append(
            "Augmented views (--views) need images and an encoder that Winnow runs itself: the naive verdict looks at "
            "distorted embeddings instead."
        )
        return []
    space = whitening(embedding.vectors, np.asarray(embedding.ok, bool), seed=config.seed)
    return [_view(run, config, dataset, choice, embedding, space, view) for view in range(config.views)]


def _view(
    run: Run, config: ScanConfig, dataset: Dataset, choice: Choice, embedding: EmbeddingSet, space: Whitening, view: int
) -> Float32:
    folder, path = run.layout.embeddings / f"view_{view}", run.layout.neighbors / f"view_{view}.npy"
    distorted = encoders.augmented(choice, run.layout.embeddings, view)

    def make() -> tuple[list[Path], Mapping[str, Any]]:
        run.report(Progress("views", view, config.views, "views"))
        made = encoders.embed(dataset, distorted, folder, progress=run.report)
        save_array(path, space(made.vectors, np.asarray(made.ok, bool)))
        shutil.rmtree(folder, ignore_errors=True)
        return [path], {}

    run.stage(f"view_{view}", fp.of(embedding.fingerprint, distorted.spec, config.seed, NEIGHBORS_VERSION), make)
    return load_array(path)
