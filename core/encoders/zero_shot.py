"""Class probabilities from class names alone, where the encoder has a text tower (Radford et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EncoderError
from ..types import Float32
from .base import Choice, unit_rows

TEMPLATES = (
    "a photo of a {}.",
    "a blurry photo of a {}.",
    "a close-up photo of a {}.",
    "a bright photo of a {}.",
    "a dark photo of a {}.",
    "a cropped photo of a {}.",
    "a drawing of a {}.",
    "a {}.",
)
"""A few of CLIP's published prompt templates; their normalised embeddings are averaged."""

_SCALE = 100.0
"""CLIP's learned logit scale, at its ceiling in the released models."""

_BLOCK = 65_536


def class_text_probs(choice: Choice, class_names: Sequence[str], vectors: NDArray[Any]) -> Float32:
    """(n, C) float32 zero-shot probabilities: softmax(100 · cos(image, mean prompt of the class)).

    Parameters
    ----------
    choice : of an encoder with a text tower, the one that made ``vectors``.
    class_names : (C,) names; underscores are read as spaces.
    vectors : (n, d) unit rows; zero rows get a uniform distribution.

    Raises
    ------
    EncoderError : no text tower, or no class names.
    """
    if not choice.spec.has_text_tower:
        raise EncoderError(f"{choice.name} has no text tower: class names cannot be compared with images.")
    if not class_names:
        raise EncoderError("There are no class names to compare with.")
    encoder = choice.build()
    means = []
    for name in class_names:
        words = " ".join(name.replace("_", " ").split()) or name
        means.append(unit_rows(encoder.encode_texts([t.format(words) for t in TEMPLATES])).mean(axis=0))
    prompts = unit_rows(np.stack(means))
    out = np.empty((len(vectors), len(class_names)), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        logits = _SCALE * (np.asarray(vectors[start : start + _BLOCK], np.float32) @ prompts.T)
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        out[start : start + _BLOCK] = p / p.sum(axis=1, keepdims=True)
    return out
