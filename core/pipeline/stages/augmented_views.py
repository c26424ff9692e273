"""Embed strongly augmented views of every image (neighbors/view_*.npy), asked for by ``winnow scan --views N``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np

from ... import fingerprint as fp
from ...features import encoders
from ...features.encoders import EncoderChoice
from ...features.neighbors import NEIGHBORS_VERSION, Whitening, whitening
from ...storage.artifacts import load_array, save_array
from ...types import Dataset, Float32, Modality, Progress
from ..run import Outputs, Run
from .embedding import Embedded, stage_of
from .neighbors import EncoderGraphs
from .source import OpenedSource


def run(
    scan: Run, source: OpenedSource, embedded: Sequence[Embedded], graphs: Sequence[EncoderGraphs]
) -> list[list[Float32]]:
    """Embed the views that the config asks for: of each view, (n, r) float32 for every encoder.

    None, with a notice, where that is impossible. What an encoder cannot see of a view (its embeddings were
    precomputed) are zeros. Each view is a stage of its own: with one more view only that one is embedded, and an
    interrupted scan continues.
    """
    config = scan.config
    if not config.views:
        return []
    able = {
        e.number: choice
        for e, choice in zip(embedded, source.encoders, strict=True)
        if isinstance(choice, EncoderChoice) and choice.spec.modality is not Modality.TEXT
    }
    if not able:
        scan.notices.append(
            "Augmented views (--views) need images and an encoder that Winnow runs itself: the naive verdict looks at "
            "distorted embeddings instead."
        )
        return []
    spaces = {i: whitening(embedded[i].embedding.vectors, embedded[i].ok, seed=config.seed) for i in able}
    return [
        [
            _view(scan, source.dataset, able[e.number], e, spaces[e.number], view)
            if e.number in able
            else np.zeros_like(g.whitened, np.float32)
            for e, g in zip(embedded, graphs, strict=True)
        ]
        for view in range(config.views)
    ]


def _view(scan: Run, dataset: Dataset, choice: EncoderChoice, of: Embedded, space: Whitening, view: int) -> Float32:
    files = scan.layout.encoder(of.number)
    folder, path = files.embeddings / f"view_{view}", files.neighbors / f"view_{view}.npy"
    distorted = encoders.augmented(choice, files.embeddings, view)

    def make() -> Outputs:
        scan.report(Progress("views", view, scan.config.views, "views"))
        seen = encoders.embed(dataset, distorted, folder, progress=scan.report)
        save_array(path, space(seen.vectors, np.asarray(seen.ok, bool)))
        shutil.rmtree(folder, ignore_errors=True)
        return [path], {}

    key = fp.of(of.embedding.fingerprint, distorted.spec, scan.config.seed, NEIGHBORS_VERSION)
    scan.stage(stage_of(f"view_{view}", of.number), key, make)
    return load_array(path)
