"""Class probabilities and outliers from words alone, where the encoder has a text tower (Radford et al. 2021).

Everything takes ``encode``: texts → (m, d) vectors of the text tower. Names are read with underscores as spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import fingerprint as fp
from ..errors import EncoderError
from ..storage.artifacts import load_json, save_json
from ..storage.layout import Layout
from ..types import Float32, Int32, Modality
from .encoders.base import unit_rows

ZERO_SHOT_VERSION = 2
"""Raised when the same words give other numbers."""

Encode = Callable[[list[str]], Any]

TEMPLATES: Mapping[Modality, tuple[str, ...]] = {
    Modality.IMAGE: (
        "a photo of a {}.",
        "a blurry photo of a {}.",
        "a close-up photo of a {}.",
        "a bright photo of a {}.",
        "a dark photo of a {}.",
        "a cropped photo of a {}.",
        "a drawing of a {}.",
        "a {}.",
    ),
    Modality.TEXT: ("{}", "This text is about {}.", "A question about {}.", "I want to talk about {}."),
}
"""A few of CLIP's published prompt templates; for texts, plain sentences. Their normalised embeddings are averaged."""

SCALE: Mapping[Modality, float] = {Modality.IMAGE: 100.0, Modality.TEXT: 20.0}
"""1/τ: CLIP's learned logit scale, at its ceiling in the released models; that of sentence encoders' training."""

NEGATIVES = 500
"""Words that are mined as what the dataset is not about."""

_NEG_SCALE = 100.0
_BLOCK = 16_384


@dataclass(frozen=True)
class Prompts:
    """templates : each holds one ``{}``. names : class → the words that stand for it. negatives : what a person wrote that
    the dataset is not about. scale : 1/τ of the softmax.
    """

    templates: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    negatives: tuple[str, ...] = ()
    scale: float = 100.0

    def __post_init__(self) -> None:
        if not self.templates:
            raise EncoderError("There is no prompt template. Write at least one, such as 'a photo of a {}.'")
        for template in self.templates:
            if template.count("{}") != 1:
                raise EncoderError(f"The template {template!r} must hold {{}} once, where the name of the class goes.")

    @property
    def fingerprint(self) -> str:
        """The cache key of templates and names."""
        return fp.of(self.templates, dict(self.names))

    def words(self, name: str) -> str:
        """What stands for a class: the words written for it, else its name."""
        return self.names.get(name) or " ".join(name.replace("_", " ").split()) or name


def usual(modality: Modality) -> Prompts:
    """The prompts of a dataset for which nobody wrote any."""
    of = Modality.TEXT if modality is Modality.TEXT else Modality.IMAGE
    return Prompts(TEMPLATES[of], scale=SCALE[of])


def _each_template(encode: Encode, names: Sequence[str], prompts: Prompts) -> Float32:
    """(T, C, d) float32 unit rows: every name in every template."""
    words = [prompts.words(n) for n in names]
    texts = [t.replace("{}", w) for t in prompts.templates for w in words]
    parts = [unit_rows(encode(texts[i : i + 256])) for i in range(0, len(texts), 256)]
    return np.concatenate(parts).reshape(len(prompts.templates), len(names), -1)


def name_vectors(encode: Encode, names: Sequence[str], prompts: Prompts) -> Float32:
    """(C, d) float32 unit rows: the mean over the templates of the unit vector of each prompt. Raises EncoderError where
    there are no names.
    """
    if not names:
        raise EncoderError("There are no class names to compare with.")
    return unit_rows(_each_template(encode, names, prompts).mean(axis=0))


def class_text_probs(encode: Encode, class_names: Sequence[str], vectors: NDArray[Any], prompts: Prompts) -> Float32:
    """(n, C) float32 zero-shot probabilities: softmax(scale · cos(sample, mean prompt of the class)).

    Parameters
    ----------
    vectors
        (n, d) unit rows; zero rows get a uniform distribution. Raises EncoderError where there are no names.
    """
    means = name_vectors(encode, class_names, prompts)
    out = np.empty((len(vectors), len(class_names)), np.float32)
    for rows, block in _blocks(vectors):
        out[rows] = _softmax(prompts.scale * (block @ means.T))
    return out


@dataclass(frozen=True)
class TemplateFit:
    """template : as written. agrees : share of the samples whose likeliest class is that of all templates together.
    right : share whose likeliest class is the given label, NaN without labels.
    """

    template: str
    agrees: float
    right: float


@dataclass(frozen=True)
class ClassFit:
    """How a class does by its words. name, words : the class, and what stands for it. found : samples that all templates
    together take for it. spread : how much their probability varies, the mean over them of its standard deviation over the
    templates, in [0, ½]. turns : share of them that some template alone takes for another class. right : share of the
    samples with this label that are found; NaN where nothing has it. spread and turns are NaN where nothing is found.
    """

    name: str
    words: str
    found: int
    spread: float
    turns: float
    right: float


def sensitivity(
    encode: Encode, class_names: Sequence[str], vectors: NDArray[Any], labels: Int32, prompts: Prompts
) -> tuple[list[TemplateFit], list[ClassFit]]:
    """How much the answer depends on each template, in their order, and how sure each class is of its samples.

    vectors (m, d) unit rows; labels (m,) int32 into ``class_names``, −1 = none.
    """
    each = _each_template(encode, class_names, prompts)
    x = np.asarray(vectors, np.float32)
    together = (x @ unit_rows(each.mean(axis=0)).T).argmax(axis=1)
    known, rows = labels >= 0, np.arange(len(x))
    fits, own, other = [], np.empty((len(each), len(x)), np.float32), np.zeros(len(x), bool)
    for t, (template, names) in enumerate(zip(prompts.templates, each, strict=True)):
        p = _softmax(prompts.scale * (x @ names.T))
        top = p.argmax(axis=1)
        own[t], other = p[rows, together], other | (top != together)
        right = float((top == labels)[known].mean()) if known.any() else float("nan")
        fits.append(TemplateFit(template, float((top == together).mean()) if len(x) else 1.0, right))
    spread, classes = own.std(axis=0), []
    for k, name in enumerate(class_names):
        mine, given = together == k, labels == k
        classes.append(
            ClassFit(
                name, prompts.words(name), int(mine.sum()), _mean(spread[mine]), _mean(other[mine]), _mean(mine[given])
            )
        )
    return fits, classes


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def mine_negatives(
    encode: Encode, names: Float32, candidates: Sequence[str], prompts: Prompts, m: int = NEGATIVES
) -> list[str]:
    """The m (at most half of the) candidates farthest from all class names, in their order.

    Far: the smallest 95th percentile of the cosines with ``names`` (C, d). Source: NegMining of Jiang et al. (2024),
    "Negative Label Guided OOD Detection with Pretrained Vision-Language Models", ICLR, with η = .05.
    """
    if not candidates:
        return []
    near = np.quantile(name_vectors(encode, candidates, prompts) @ names.T, 0.95, axis=1)
    keep = np.sort(np.argsort(near, kind="stable")[: min(m, -(-len(candidates) // 2))])
    return [candidates[i] for i in keep]


def negative_share(
    encode: Encode, names: Float32, negatives: Sequence[str], vectors: NDArray[Any], prompts: Prompts
) -> tuple[Float32, Int32]:
    """Share of the probability on negative words, and which of them is nearest.

    Formula: s = Σ_neg e^{cos/τ} / (Σ_class e^{cos/τ} + Σ_neg e^{cos/τ}), τ = .01 (1 − NegLabel's score, Jiang et al. 2024).

    Parameters
    ----------
    names
        (C, d) unit rows.
    vectors
        (n, d) unit rows. Returns (n,) float32 in [0, 1] and (n,) int32 into ``negatives``. Raises EncoderError where
        there are no negatives.
    """
    against = name_vectors(encode, negatives, prompts)
    both = np.concatenate([names, against])
    share, winner = np.empty(len(vectors), np.float32), np.empty(len(vectors), np.int32)
    for rows, block in _blocks(vectors):
        p = _softmax(_NEG_SCALE * (block @ both.T))
        share[rows] = p[:, len(names) :].sum(axis=1)
        winner[rows] = p[:, len(names) :].argmax(axis=1)
    return np.clip(share, 0.0, 1.0), winner


def _blocks(vectors: NDArray[Any]) -> Iterator[tuple[slice, Float32]]:
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        yield rows, np.asarray(vectors[rows], np.float32)


def _softmax(logits: Any) -> Float32:
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    out: Float32 = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
    return out


def load_prompts(layout: Layout, modality: Modality) -> Prompts:
    """The prompts that people wrote for this dataset (prompts.json), else the usual ones."""
    path, plain = layout.root / "prompts.json", usual(modality)
    if not path.exists():
        return plain
    said = load_json(path)
    templates = tuple(said.get("templates") or plain.templates)
    return Prompts(templates, dict(said.get("names") or {}), tuple(said.get("negatives") or ()), plain.scale)


def save_prompts(layout: Layout, prompts: Prompts) -> None:
    """Keep the prompts for the next scan."""
    save_json(
        layout.root / "prompts.json",
        {"templates": list(prompts.templates), "names": dict(prompts.names), "negatives": list(prompts.negatives)},
    )
