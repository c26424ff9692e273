"""Classes by their names alone, on a scanned workspace.

Prompts that people edit, new classes scored at once, distances of labels by meaning, label candidates from captions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..errors import QueryError
from ..features.encoders.base import unit_rows
from ..features.prompts import (
    ClassFit,
    Prompts,
    TemplateFit,
    class_text_probs,
    load_prompts,
    name_vectors,
    negative_share,
    save_prompts,
    sensitivity,
)
from ..storage.artifacts import load_array, load_json
from ..storage.scan_context import ScanContext
from ..types import Float32, Int32, Modality
from .search import Searcher
from .word_influence import TextInfluence, class_centres, influence

_SAMPLE = 4_000
"""Samples that templates are compared on."""
_KEPT = 20_000
"""Texts whose vectors are kept, so that a change of one prompt costs one prompt."""
_WORD = re.compile(r"[a-zà-öø-ÿ][a-zà-öø-ÿ'-]{2,}")
"""A word that may name a class: at least three Latin letters, in lower case."""


@dataclass(frozen=True)
class NewClass:
    """What a class that a person typed would hold.

    Attributes
    ----------
    name
        The class.
    ids
        Samples that it fits better than every existing class, the surest first.
    probability
        Of each, among all classes and the new one.
    takes_from
        Given label → how many.
    """

    name: str
    ids: list[str]
    probability: list[float]
    takes_from: dict[str, int]


@dataclass(frozen=True)
class Negative:
    """A word for what the dataset is not about.

    Attributes
    ----------
    word
        The word.
    written
        Whether a person wrote it; else it was mined.
    won
        How many samples it fits better than every class and every other such word.
    """

    word: str
    written: bool
    won: int


@dataclass(frozen=True)
class ZeroShotResult:
    """The zero-shot result of one sample.

    Attributes
    ----------
    classes
        (class, probability), the three likeliest.
    between
        The class nearest in meaning to all that the models believe (:meth:`ZeroShot.frechet_label`); None where nothing
        is believed.
    negative
        The word that fits better than every class, "" = none does.
    """

    classes: list[tuple[str, float]]
    between: str | None
    negative: str


class ZeroShot:
    """Compares samples with class names by the encoder's text tower. Raises QueryError where there is none.

    Parameters
    ----------
    scan
        The scan.
    searcher
        Encodes texts.
    allow
        Raises NotAllowed where a person may not change classes.
    """

    def __init__(self, scan: ScanContext, searcher: Searcher, allow: Callable[[str], object]) -> None:
        self._scan, self._searcher, self._allow = scan, searcher, allow
        self._names = scan.class_names
        self._modality, self._encoder = Modality(scan.results["modality"]), scan.results["encoder"]
        self._text_vectors: dict[str, Any] = {}

    @property
    def knows_words(self) -> bool:
        """Whether the encoder compares class names with samples by meaning: a text tower, or a sentence encoder."""
        return bool(self._encoder["has_text_tower"] or str(self._encoder["name"]).startswith("sentence-transformers"))

    def why_not(self) -> str:
        """What is needed before classes can be described in words here, "" = nothing."""
        if not self.knows_words:
            text = self._modality is Modality.TEXT
            kind = (
                "sentence encoder (`--encoder sentence-transformers:…`)"
                if text
                else "CLIP encoder (`--encoder open_clip:…`)"
            )
            return (
                f"The encoder {self._encoder['name']!r} cannot compare words with samples by what they mean. "
                f"Scan with a {kind} to describe classes in words."
            )
        return "Words tell classes apart: this dataset has fewer than two." if len(self._names) < 2 else ""

    def _encode(self, texts: list[str]) -> Any:
        known = self._text_vectors
        missing = [t for t in dict.fromkeys(texts) if t not in known]
        if missing:
            if len(known) + len(missing) > _KEPT:
                self._text_vectors = known = {}
                missing = list(dict.fromkeys(texts))
            vectors = self._searcher.encode(missing)
            if vectors is None:
                raise QueryError(f"Class names cannot be compared with samples here. {self._searcher.notice()}")
            known |= dict(zip(missing, vectors, strict=True))
        return np.stack([known[t] for t in texts])

    @property
    def _vectors(self) -> Any:
        return self._scan.files.vectors

    @property
    def _ok(self) -> Any:
        return self._scan.files.ok

    @cached_property
    def _centres(self) -> Float32:
        return class_centres(self._vectors, self._ok, self._scan.label_codes, len(self._names))

    def influence(self, text: str, label: str) -> TextInfluence:
        """Which words of a text speak for a class, and whether the belief survives small changes.

        See :func:`winnow.core.explore.word_influence.influence`.

        Raises
        ------
        QueryError
            The encoder knows no words, the class is unknown, or the text has no words.
        """
        return influence(text, label, self._names, self._encode, self._centres)

    # ── prompts ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def prompts(self) -> Prompts:
        """The prompts: the templates, the words of each class, the negatives."""
        return load_prompts(self._scan.layout, self._modality)

    def write(
        self,
        *,
        templates: Sequence[str] | None = None,
        names: Mapping[str, str] | None = None,
        negatives: Sequence[str] | None = None,
        actor: str,
    ) -> Prompts:
        """Change the prompts. The next scan uses them.

        Parameters
        ----------
        templates
            Sentences with a place for a class, None = unchanged.
        names
            Class → its words, "" = its name; classes that are not given keep theirs.
        negatives
            Words for what the dataset is not about, None = unchanged.
        actor
            Who changes them.

        Raises
        ------
        EncoderError
            A template is ill-formed.
        QueryError
            There is no such class.
        NotAllowed
            The actor may not change classes.
        """
        self._allow(actor)
        current = self.prompts
        if names and (unknown := sorted(set(names) - set(self._names))):
            raise QueryError(f"There is no class {unknown[0]!r}.")
        changed = Prompts(
            tuple(templates) if templates is not None else current.templates,
            {k: " ".join(w.split()) for k, w in {**current.names, **(names or {})}.items() if w.strip()},
            tuple(dict.fromkeys(w.strip() for w in negatives if w.strip()))
            if negatives is not None
            else current.negatives,
            current.scale,
        )
        save_prompts(self._scan.layout, changed)
        return changed

    def sensitivity(self, prompts: Prompts | None = None) -> tuple[list[TemplateFit], list[ClassFit]]:
        """How much each template's answer differs from that of all together, and how sure each class is.

        On at most 4,000 samples. ``prompts``: others to try, None = those that are kept.
        """
        rows = np.flatnonzero(self._ok)
        rows = rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]
        return sensitivity(
            self._encode,
            self._names,
            np.asarray(self._vectors[rows], np.float32),
            self._scan.label_codes[rows],
            prompts or self.prompts,
        )

    def negatives(self) -> list[Negative]:
        """The words that the scan used for what the dataset is not about, those that won most samples first."""
        folder = self._scan.layout.root / "zero_shot"
        if not (folder / "winner.npy").exists():
            return []
        kept = load_json(folder / "negatives.json")
        words, written = kept["negatives"], int(kept["written"])
        won = np.bincount(
            load_array(folder / "winner.npy")[np.asarray(load_array(folder / "share.npy")) > 0.5], minlength=len(words)
        )
        negatives = [Negative(w, i < written, int(won[i])) for i, w in enumerate(words)]
        return sorted(negatives, key=lambda n: (-n.won, not n.written, n.word))

    # ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────

    def new_class(self, words: str, limit: int = 1_000) -> NewClass:
        """Score every sample for a class that a person typed, against all existing classes."""
        name = " ".join(words.split())
        if not name:
            raise QueryError("A class needs a name to be looked for.")
        probs = class_text_probs(self._encode, [*self._names, name], self._vectors, self.prompts)
        p_new = probs[:, -1]
        rows = np.flatnonzero(self._ok & (probs.argmax(axis=1) == len(self._names)))
        rows = rows[np.lexsort((rows, -p_new[rows]))]
        given = Counter(self._names[c] if c >= 0 else "no label" for c in self._scan.label_codes[rows])
        best = rows[:limit]
        return NewClass(
            name, [str(self._scan.ids[r]) for r in best], [float(p_new[r]) for r in best], dict(given.most_common())
        )

    def probabilities(self, names: Sequence[str]) -> Float32 | None:
        """(n, len(names)) float32 probability of each class by its name alone, rows sum to 1.

        None where fewer than two are named, or names cannot be compared with samples here (:meth:`why_not`).
        """
        if not self.knows_words or len(names) < 2:
            return None
        try:
            return class_text_probs(self._encode, names, self._vectors, self.prompts)
        except QueryError:  # the text tower cannot be loaded now, as offline
            return None

    def outliers(self, negatives: Sequence[str]) -> list[tuple[str, float, str]]:
        """(id, share of the probability on ``negatives``, the nearest of them), the surest first.

        The samples with more than half of their probability on a person's own list of "not this".
        """
        words = [w for w in dict.fromkeys(" ".join(w.split()) for w in negatives) if w]
        if not words:
            raise QueryError("Write at least one word for what the dataset is not about.")
        names = name_vectors(self._encode, self._names, self.prompts)
        share, winner = negative_share(self._encode, names, words, self._vectors, self.prompts)
        rows = np.flatnonzero(self._ok & (share > 0.5))
        rows = rows[np.lexsort((rows, -share[rows]))]
        return [(str(self._scan.ids[r]), float(share[r]), words[winner[r]]) for r in rows]

    def label_distances(self) -> Float32:
        """(C, C) float32 of 1 − cos between the classes' prompts, in [0, 2]: a distance of labels without WordNet."""
        names = name_vectors(self._encode, self._names, self.prompts)
        return cast("Float32", np.clip(1.0 - names @ names.T, 0.0, 2.0).astype(np.float32))

    def frechet_label(self, weights: Float32) -> Int32:
        """(m,) int32: for beliefs (m, C), the class with the least expected squared distance to the true one.

        Notes
        -----
        argmin_k Σ_j w_j d(k, j)², the Fréchet mean restricted to the classes, with d of :meth:`label_distances`.

        References
        ----------
        Fréchet, "Les éléments aléatoires de nature quelconque dans un espace distancié", 1948.
        """
        cost = np.asarray(weights, np.float64) @ (self.label_distances().astype(np.float64) ** 2)
        return cast("Int32", cost.argmin(axis=1).astype(np.int32))

    def by_words(self, row: int) -> ZeroShotResult:
        """The zero-shot result of one sample."""
        x = np.asarray(self._vectors[row : row + 1], np.float32)
        p = class_text_probs(self._encode, self._names, x, self.prompts)[0]
        top = np.argsort(-p, kind="stable")[:3]
        probs = self._scan.files.probs
        believed = np.asarray(probs[row : row + 1], np.float32) if probs is not None else None
        between = None
        if believed is not None and np.isfinite(believed).all() and believed.any():
            between = self._names[int(self.frechet_label(believed)[0])]
        folder, negative = self._scan.layout.root / "zero_shot", ""
        if (folder / "winner.npy").exists() and load_array(folder / "share.npy")[row] > 0.5:
            negative = load_json(folder / "negatives.json")["negatives"][int(load_array(folder / "winner.npy")[row])]
        return ZeroShotResult([(self._names[k], float(p[k])) for k in top], between, negative)

    def candidates(self, texts: Sequence[str], limit: int = 30, sample: int = _SAMPLE) -> list[tuple[str, float, int]]:
        """Labels that captions suggest, the best first: words of at least three letters that are no stop words.

        Parameters
        ----------
        texts
            (n,) captions.
        limit
            Most words to return.
        sample
            Samples that they are compared with.

        Returns
        -------
        list of tuple
            (word, gain, in how many captions). The gain is the mean cosine with the samples whose captions hold the
            word, minus that with all samples.
        """
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        words = [set(_WORD.findall((t or "").lower())) - ENGLISH_STOP_WORDS for t in texts]
        counts = Counter(w for in_caption in words for w in in_caption)
        least = max(2, len(texts) // 1_000)
        known = [w for w, n in counts.most_common(2_000) if n >= least]
        if not known:
            return []
        rows = np.flatnonzero(self._ok)
        rows = rows[:: max(1, len(rows) // sample)]
        near = (
            np.asarray(self._vectors[rows], np.float32) @ unit_rows(name_vectors(self._encode, known, self.prompts)).T
        )
        candidates = []
        for k, word in enumerate(known):
            held = np.array([word in words[r] for r in rows])
            if held.any():
                candidates.append((word, float(near[held, k].mean() - near[:, k].mean()), counts[word]))
        return sorted(candidates, key=lambda c: (-c[1], c[0]))[:limit]
