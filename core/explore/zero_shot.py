"""Classes by their names alone, on a scanned workspace: prompts that people edit, new classes scored at once, the distance
of labels by what they mean, label candidates from captions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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


@dataclass(frozen=True)
class NewClass:
    """What a class that a person typed would hold. ids : samples that it fits better than every class, the surest first.
    probability : of each, among all classes and the new one. takes_from : given label → how many.
    """

    name: str
    ids: list[str]
    probability: list[float]
    takes_from: dict[str, int]


@dataclass(frozen=True)
class Negative:
    """word : what the dataset is not about. written : by a person; else mined. won : samples that it fits better than every
    class and every other such word.
    """

    word: str
    written: bool
    won: int


@dataclass(frozen=True)
class ZeroShotResult:
    """What words make of one sample. classes : (class, probability), the three likeliest. between : the class nearest in
    meaning to all that the models believe (:meth:`ZeroShot.frechet_label`); None where nothing is believed. negative : the
    word that fits better than every class, "" = none does.
    """

    classes: list[tuple[str, float]]
    between: str | None
    negative: str


class ZeroShot:
    """Reads a workspace's embeddings and asks its encoder's text tower. Raises QueryError where there is none."""

    def __init__(self, scan: ScanContext, searcher: Searcher, allow: Callable[[str], object]) -> None:
        self._scan, self._searcher, self._allow = scan, searcher, allow
        self._names = scan.class_names
        self._modality, self._encoder = Modality(scan.results["modality"]), scan.results["encoder"]
        self._said: dict[str, Any] = {}

    @property
    def knows_words(self) -> bool:
        """Whether the encoder compares class names with samples by what they mean: a text tower, or a sentence encoder."""
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
                f"The encoder {self._encoder['name']!r} cannot compare words with samples by what they mean. Scan with a "
                f"{kind} to describe classes in words."
            )
        return "Words tell classes apart: this dataset has fewer than two." if len(self._names) < 2 else ""

    def _encode(self, texts: list[str]) -> Any:
        said = self._said
        missing = [t for t in dict.fromkeys(texts) if t not in said]
        if missing:
            if len(said) + len(missing) > _KEPT:
                self._said = said = {}
                missing = list(dict.fromkeys(texts))
            found = self._searcher.encode(missing)
            if found is None:
                raise QueryError(f"Class names cannot be compared with samples here. {self._searcher.notice()}")
            said |= dict(zip(missing, found, strict=True))
        return np.stack([said[t] for t in texts])

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
        """Which words of a text speak for a class, and whether the belief survives small changes (:mod:`.influence`). Raises
        QueryError where the encoder knows no words, for an unknown class, and for a text without words.
        """
        return influence(text, label, self._names, self._encode, self._centres)

    # ── prompts ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def prompts(self) -> Prompts:
        """What is asked: the templates, the words of each class, the negatives."""
        return load_prompts(self._scan.layout, self._modality)

    def write(
        self,
        *,
        templates: Sequence[str] | None = None,
        names: Mapping[str, str] | None = None,
        negatives: Sequence[str] | None = None,
        actor: str,
    ) -> Prompts:
        """Change the prompts; what is None stays, and empty words of a class give it its name back. The next scan uses them.
        Raises EncoderError for an ill-formed template, QueryError for a class that there is not, and NotAllowed.
        """
        self._allow(actor)
        now = self.prompts
        if names and (unknown := sorted(set(names) - set(self._names))):
            raise QueryError(f"There is no class {unknown[0]!r}.")
        made = Prompts(
            tuple(templates) if templates is not None else now.templates,
            {k: " ".join(w.split()) for k, w in {**now.names, **(names or {})}.items() if w.strip()},
            tuple(dict.fromkeys(w.strip() for w in negatives if w.strip())) if negatives is not None else now.negatives,
            now.scale,
        )
        save_prompts(self._scan.layout, made)
        return made

    def sensitivity(self, prompts: Prompts | None = None) -> tuple[list[TemplateFit], list[ClassFit]]:
        """How much each template's answer differs from that of all together, and how sure each class is, by the prompts that
        are kept or by others that are only tried; on at most 4,000 samples.
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
        """The words that the scan took for what the dataset is not about, those that won most samples first."""
        folder = self._scan.layout.root / "zero_shot"
        if not (folder / "winner.npy").exists():
            return []
        kept = load_json(folder / "negatives.json")
        words, written = kept["negatives"], int(kept["written"])
        won = np.bincount(
            load_array(folder / "winner.npy")[np.asarray(load_array(folder / "share.npy")) > 0.5], minlength=len(words)
        )
        found = [Negative(w, i < written, int(won[i])) for i, w in enumerate(words)]
        return sorted(found, key=lambda f: (-f.won, not f.written, f.word))

    # ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────

    def probabilities(self) -> Float32:
        """(n, C) float32 by the prompts as they are now; the scan's own are those of the prompts as they were then."""
        return class_text_probs(self._encode, self._names, self._vectors, self.prompts)

    def new_class(self, words: str, limit: int = 1_000) -> NewClass:
        """Score every sample for a class that a person typed, against all classes there are."""
        name = " ".join(words.split())
        if not name:
            raise QueryError("A class needs a name to be looked for.")
        probs = class_text_probs(self._encode, [*self._names, name], self._vectors, self.prompts)
        mine = probs[:, -1]
        rows = np.flatnonzero(self._ok & (probs.argmax(axis=1) == len(self._names)))
        rows = rows[np.lexsort((rows, -mine[rows]))]
        given = Counter(self._names[c] if c >= 0 else "no label" for c in self._scan.label_codes[rows])
        best = rows[:limit]
        return NewClass(
            name, [str(self._scan.ids[r]) for r in best], [float(mine[r]) for r in best], dict(given.most_common())
        )

    def outliers(self, negatives: Sequence[str]) -> list[tuple[str, float, str]]:
        """(id, share of the probability on ``negatives``, which of them is nearest), the surest first: what a person's own list
        of "not this" catches, at once.
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
        """(C, C) float32 of 1 − cos between the classes' prompts: a metric of labels that needs no WordNet."""
        names = name_vectors(self._encode, self._names, self.prompts)
        away: Float32 = np.clip(1.0 - names @ names.T, 0.0, 2.0).astype(np.float32)
        return away

    def frechet_label(self, weights: Float32) -> Int32:
        """(m,) int32: for beliefs (m, C) over the classes, the class with the least expected squared distance to the truth.

        argmin_k Σ_j w_j d(k, j)²: the Fréchet mean restricted to the classes (Fréchet 1948), by :meth:`label_distances`.
        """
        cost = np.asarray(weights, np.float64) @ (self.label_distances().astype(np.float64) ** 2)
        best: Int32 = cost.argmin(axis=1).astype(np.int32)
        return best

    def by_words(self, row: int) -> ZeroShotResult:
        """What words make of one sample."""
        x = np.asarray(self._vectors[row : row + 1], np.float32)
        p = class_text_probs(self._encode, self._names, x, self.prompts)[0]
        top = np.argsort(-p, kind="stable")[:3]
        beliefs = self._scan.layout.probe / "probs.npy"
        believed = np.asarray(load_array(beliefs)[row : row + 1], np.float32) if beliefs.exists() else None
        between = None
        if believed is not None and np.isfinite(believed).all() and believed.any():
            between = self._names[int(self.frechet_label(believed)[0])]
        folder, negative = self._scan.layout.root / "zero_shot", ""
        if (folder / "winner.npy").exists() and load_array(folder / "share.npy")[row] > 0.5:
            negative = load_json(folder / "negatives.json")["negatives"][int(load_array(folder / "winner.npy")[row])]
        return ZeroShotResult([(self._names[k], float(p[k])) for k in top], between, negative)

    def candidates(self, texts: Sequence[str], limit: int = 30, sample: int = _SAMPLE) -> list[tuple[str, float, int]]:
        """Labels that captions suggest: (word, mean cosine with the samples whose captions hold it minus that with all samples,
        in how many captions). Words of at least three letters that are no function words, the best first.
        """
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        words = [set(_WORD.findall((t or "").lower())) - ENGLISH_STOP_WORDS for t in texts]
        counts = Counter(w for found in words for w in found)
        least = max(2, len(texts) // 1_000)
        known = [w for w, n in counts.most_common(2_000) if n >= least]
        if not known:
            return []
        rows = np.flatnonzero(self._ok)
        rows = rows[:: max(1, len(rows) // sample)]
        near = (
            np.asarray(self._vectors[rows], np.float32) @ unit_rows(name_vectors(self._encode, known, self.prompts)).T
        )
        found = []
        for k, word in enumerate(known):
            held = np.array([word in words[r] for r in rows])
            if held.any():
                found.append((word, float(near[held, k].mean() - near[:, k].mean()), counts[word]))
        return sorted(found, key=lambda f: (-f[1], f[0]))[:limit]
