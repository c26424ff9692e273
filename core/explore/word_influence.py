"""Which words of a text make the encoder believe what it believes, and whether that belief survives small changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..errors import QueryError
from ..types import Float32, Int32

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
"""A word, with its apostrophes and hyphens: what is left out as one."""
_SCALE = 10.0
MAX_WORDS = 60
"""Words of a text that are left out one by one; each costs one more text for the encoder."""


@dataclass(frozen=True)
class WordInfluence:
    """The influence of one word.

    Attributes
    ----------
    start, end
        Its place, in characters of the text.
    influence
        p(label | text) − p(label | text without the word), in [−1, 1]; above 0 the word speaks for the label.
    """

    start: int
    end: int
    influence: float


@dataclass(frozen=True)
class TextInfluence:
    """The influence of each word of a text on the belief in a label.

    Attributes
    ----------
    label
        The label.
    belief
        p(label | text), in [0, 1].
    words
        In order.
    stability
        Share of the changed texts (each without one word, each with two letters of one word exchanged) whose likeliest
        class is that of the whole text.
    """

    label: str
    belief: float
    words: list[WordInfluence]
    stability: float


def influence(text: str, label: str, class_names: tuple[str, ...], encode: Any, centres: Float32) -> TextInfluence:
    """Occlusion word by word, and perturbation stability, of a text under the nearest-mean classifier of its encoder.

    Parameters
    ----------
    text
        The text.
    label
        The label that is believed or not.
    class_names
        (C,) names.
    encode
        Texts → (m, d) unit rows.
    centres
        (C, d) float32 unit rows.

    Raises
    ------
    QueryError
        An unknown label, or a text without words.

    Notes
    -----
    p = softmax(10 · cos(text, centre of the class)).

    References
    ----------
    Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014 (occlusion); Li, Monroe, Jurafsky,
    "Understanding Neural Networks through Representation Erasure", 2016 (of words).
    """
    if label not in class_names:
        raise QueryError(f"No class is called {label!r}.")
    spans = [m.span() for m in _WORD.finditer(text)][:MAX_WORDS]
    if not spans:
        raise QueryError("This text has no words.")
    without = [(text[:a] + text[b:]).strip() or " " for a, b in spans]
    typos = [text[:a] + _typo(text[a:b]) + text[b:] for a, b in spans if b - a >= 4]
    logits = _SCALE * (np.asarray(encode([text, *without, *typos]), np.float64) @ centres.T.astype(np.float64))
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    k = class_names.index(label)
    words = [WordInfluence(a, b, float(p[0, k] - p[i + 1, k])) for i, (a, b) in enumerate(spans)]
    return TextInfluence(label, float(p[0, k]), words, float((p[1:].argmax(1) == p[0].argmax()).mean()))


def _typo(word: str) -> str:
    """The word with its two middle letters exchanged: a slip that people read over."""
    i = len(word) // 2 - 1
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def class_centres(vectors: Any, ok: Any, labels: Int32, n_classes: int) -> Float32:
    """(C, d) float32 unit rows: the mean vector of each class's readable samples; zeros for a class without any."""
    total = np.zeros((n_classes, vectors.shape[1]), np.float64)
    for start in range(0, len(labels), 65_536):
        rows = np.arange(start, min(start + 65_536, len(labels)))
        rows = rows[np.asarray(ok[rows], bool) & (labels[rows] >= 0)]
        np.add.at(total, labels[rows], np.asarray(vectors[rows], np.float64))
    norm = np.linalg.norm(total, axis=1, keepdims=True)
    return cast("Float32", (total / np.where(norm > 1e-12, norm, 1.0)).astype(np.float32))
