"""Asks a second encoder with a text tower how well each caption fits its image.

captions/second/    cosine.npy (n,), null.npy of mismatched pairs, images/ its embeddings of the images
"""

from __future__ import annotations

import numpy as np

from ... import fingerprint as fp
from ...errors import EncoderError
from ...features import encoders
from ...storage.artifacts import load_array, save_array
from ...types import Dataset, SecondMatch
from ..run import Outputs, Run
from .captions import encode_captions

_MISMATCHED = 20_000
"""Mismatched pairs that the second encoder's cosines are compared with, at most."""


def run(scan: Run, dataset: Dataset) -> SecondMatch:
    """Cosines of the pairs by the second encoder, and of images with the captions of other samples.

    Raises
    ------
    EncoderError
        The second encoder has no text tower.
    """
    config = scan.config
    assert dataset.texts is not None
    choice = encoders.choose(config.second_encoder, dataset.modality, config.device, config.network)
    if not choice.spec.has_text_tower:
        raise EncoderError(f"The second encoder {choice.name!r} has no text tower: captions cannot be compared.")
    folder = scan.layout.root / "captions" / "second"
    key = fp.of(
        encoders.encoder_key(choice.spec),
        dataset.fingerprint,
        fp.of_strings(dataset.texts),
        1,
    )

    def make() -> Outputs:
        images = encoders.embed(dataset, choice, folder / "images", progress=scan.report)
        captions = encode_captions(encoders.load_fitted(choice, folder / "images"), dataset.texts, scan.report)
        cosine = np.einsum("ij,ij->i", np.asarray(images.vectors, np.float32), captions)
        cosine[~(np.asarray(images.ok, bool) & captions.any(axis=1))] = np.nan
        known = np.flatnonzero(np.isfinite(cosine))
        mixed = np.random.default_rng(config.seed).permutation(known)[:_MISMATCHED]
        null = np.einsum("ij,ij->i", np.asarray(images.vectors[mixed], np.float32), captions[np.roll(mixed, 1)])
        save_array(folder / "cosine.npy", cosine.astype(np.float32))
        save_array(folder / "null.npy", null.astype(np.float32))
        return [folder / "cosine.npy", folder / "null.npy"], {}

    scan.stage("second-encoder", key, make)
    return SecondMatch(np.asarray(load_array(folder / "cosine.npy")), np.asarray(load_array(folder / "null.npy")))
