"""Class probabilities and outliers from words alone, where the encoder has a text tower (Radford et al. 2021).

``encode`` maps texts to the (m, d) vectors of the text tower. Underscores in names are read as spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

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
"""Some of CLIP's published prompt templates; plain sentences for texts. Their normalised embeddings are averaged."""

SCALE: Mapping[Modality, float] = {Modality.IMAGE: 100.0, Modality.TEXT: 20.0}
"""1/τ: the logit scale that CLIP learned (its ceiling in the released models) or sentence encoders are trained with."""

NEGATIVES = 500
"""How many negative words (what the dataset is not about) are mined."""

_NEG_SCALE = 100.0
_BLOCK = 16_384


@dataclass(frozen=True)
class Prompts:
    """How classes are put into words.

    Attributes
    ----------
    templates
        Each holds ``{}`` once.
    names
        Class → the words that stand for it, where they are not its name.
    negatives
        What the dataset is not about, as a person wrote it.
    scale
        1/τ of the softmax, > 0.
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
        """Of the templates and names."""
        return fp.of(self.templates, dict(self.names))

    def words(self, name: str) -> str:
        """The words that stand for a class: those that a person wrote, else its name."""
        return self.names.get(name) or " ".join(name.replace("_", " ").split()) or name


def default_prompts(modality: Modality) -> Prompts:
    """The default prompts of a modality."""
    kind = Modality.TEXT if modality is Modality.TEXT else Modality.IMAGE
    return Prompts(TEMPLATES[kind], scale=SCALE[kind])


def _each_template(encode: Encode, names: Sequence[str], prompts: Prompts) -> Float32:
    """(T, C, d) float32 unit rows: every name in every template."""
    words = [prompts.words(n) for n in names]
    texts = [t.replace("{}", w) for t in prompts.templates for w in words]
    parts = [unit_rows(encode(texts[i : i + 256])) for i in range(0, len(texts), 256)]
    return np.concatenate(parts).reshape(len(prompts.templates), len(names), -1)


def name_vectors(encode: Encode, names: Sequence[str], prompts: Prompts) -> Float32:
    """Encode names (C,) as (C, d) float32 unit rows: the mean over the templates of the unit vector of each prompt.

    Raises
    ------
    EncoderError
        There are no names.
    """
    if not names:
        raise EncoderError("There are no class names to compare with.")
    return unit_rows(_each_template(encode, names, prompts).mean(axis=0))


def class_text_probs(encode: Encode, class_names: Sequence[str], vectors: NDArray[Any], prompts: Prompts) -> Float32:
    """Compute zero-shot probabilities.

    Parameters
    ----------
    encode
        Of the text tower.
    class_names
        (C,) the classes.
    vectors
        (n, d) unit rows; zero rows get a uniform distribution.
    prompts
        How classes are put into words.

    Returns
    -------
    (n, C) float32, rows sum to 1.

    Raises
    ------
    EncoderError
        There are no names.

    Notes
    -----
    softmax(scale · cos(sample, mean prompt of the class)).
    """
    means = name_vectors(encode, class_names, prompts)
    out = np.empty((len(vectors), len(class_names)), np.float32)
    for rows, block in _blocks(vectors):
        out[rows] = _softmax(prompts.scale * (block @ means.T))
    return out


@dataclass(frozen=True)
class TemplateFit:
    """How well one template does.

    Attributes
    ----------
    template
        As written.
    agrees
        Share of the samples whose most likely class is that of all templates together, in [0, 1].
    right
        Share whose most likely class is the given label, in [0, 1]; NaN without labels.
    """

    template: str
    agrees: float
    right: float


@dataclass(frozen=True)
class ClassFit:
    """How well the words of one class do.

    Attributes
    ----------
    name, words
        The class, and the words that stand for it.
    assigned
        How many samples are given this class by all templates together.
    spread
        How much the probability of these samples varies: the mean of its standard deviation over the templates, in
        [0, ½]; NaN where there are none.
    turns
        Share of these samples that at least one template gives another class, in [0, 1]; NaN where there are none.
    right
        Share of the samples with this label that are among them, in [0, 1]; NaN where no sample has it.
    """

    name: str
    words: str
    assigned: int
    spread: float
    turns: float
    right: float


def sensitivity(
    encode: Encode, class_names: Sequence[str], vectors: NDArray[Any], labels: Int32, prompts: Prompts
) -> tuple[list[TemplateFit], list[ClassFit]]:
    """Measure how much the zero-shot classes depend on each template, and how stable each class is.

    Parameters
    ----------
    encode
        Of the text tower.
    class_names
        (C,) the classes.
    vectors
        (m, d) unit rows.
    labels
        (m,) int32 into ``class_names``, −1 = none.
    prompts
        How classes are put into words.

    Returns
    -------
    tuple
        Templates in their order, and classes in theirs.
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
        assigned, labelled = together == k, labels == k
        stability = _mean(spread[assigned]), _mean(other[assigned]), _mean(assigned[labelled])
        classes.append(ClassFit(name, prompts.words(name), int(assigned.sum()), *stability))
    return fits, classes


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def mine_negatives(
    encode: Encode, names: Float32, candidates: Sequence[str], prompts: Prompts, m: int = NEGATIVES
) -> list[str]:
    """Choose the candidates that are farthest from all class names.

    Parameters
    ----------
    encode
        Of the text tower.
    names
        (C, d) float32 unit rows of the classes.
    candidates
        Words to choose from.
    prompts
        How words are put into sentences.
    m
        Words wanted; at most half of the candidates are chosen.

    Returns
    -------
    list of str
        In the order of the candidates.

    Notes
    -----
    Farthest: with the smallest 95th percentile of the cosines with ``names``.

    References
    ----------
    NegMining with η = .05 of Jiang et al. (2024), "Negative Label Guided OOD Detection with Pretrained Vision-Language
    Models", ICLR.
    """
    if not candidates:
        return []
    near = np.quantile(name_vectors(encode, candidates, prompts) @ names.T, 0.95, axis=1)
    keep = np.sort(np.argsort(near, kind="stable")[: min(m, -(-len(candidates) // 2))])
    return [candidates[i] for i in keep]


def negative_share(
    encode: Encode, names: Float32, negatives: Sequence[str], vectors: NDArray[Any], prompts: Prompts
) -> tuple[Float32, Int32]:
    """Compute the share of the probability that falls on negative words, and the nearest of them.

    Parameters
    ----------
    encode
        Of the text tower.
    names
        (C, d) float32 unit rows of the classes.
    negatives
        The negative words, at least one.
    vectors
        (n, d) unit rows.
    prompts
        How words are put into sentences.

    Returns
    -------
    tuple
        The share (n,) float32 in [0, 1], and the nearest (n,) int32 into ``negatives``.

    Raises
    ------
    EncoderError
        There are no negatives.

    Notes
    -----
    s = Σ_neg e^{cos/τ} / (Σ_class e^{cos/τ} + Σ_neg e^{cos/τ}), τ = .01: one minus the NegLabel score.

    References
    ----------
    Jiang et al. (2024), "Negative Label Guided OOD Detection with Pretrained Vision-Language Models", ICLR.
    """
    both = np.concatenate([names, name_vectors(encode, negatives, prompts)])
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
    return cast("Float32", (p / p.sum(axis=1, keepdims=True)).astype(np.float32))


def load_prompts(layout: Layout, modality: Modality) -> Prompts:
    """Read the prompts that people wrote for this dataset (prompts.json); the defaults where there are none."""
    path, default = layout.root / "prompts.json", default_prompts(modality)
    if not path.exists():
        return default
    saved = load_json(path)
    templates = tuple(saved.get("templates") or default.templates)
    return Prompts(templates, dict(saved.get("names") or {}), tuple(saved.get("negatives") or ()), default.scale)


def save_prompts(layout: Layout, prompts: Prompts) -> None:
    """Store the prompts for the next scan."""
    save_json(
        layout.root / "prompts.json",
        {"templates": list(prompts.templates), "names": dict(prompts.names), "negatives": list(prompts.negatives)},
    )
