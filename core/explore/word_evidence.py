"""Which words of a text distinguish one class from another, over the whole dataset: a card marks them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..storage.parquet_rows import RowReader
from ..types import WORD, Int32

TELLING = 1.96
"""Least |z| of a word that is marked."""

MOST = 12
"""Most words that are marked in one text, the strongest first."""

PRIOR = 500.0
"""Words of prior knowledge per class, spread like the words of the whole dataset."""

LIMIT = 200_000
"""Texts that are counted; of more, an even sample."""

WORTH_SAYING = 0.2
"""Least probability of a suggestion for which words are marked; for a flagged label they always are."""


class WordEvidence:
    """Word counts per class, counted once.

    Parameters
    ----------
    texts
        (n,) texts, None = none.
    labels
        (n,) int32 codes, −1 = none.
    n_classes
        How many codes there are.
    """

    def __init__(self, texts: Sequence[str | None], labels: Int32, n_classes: int) -> None:
        step = max(1, -(-len(texts) // LIMIT))
        self._rows = range(0, len(texts), step)
        self._step = step
        self._counts: list[Counter[str]] = [Counter() for _ in range(n_classes)]
        for row in self._rows:
            text = texts[row]
            if text and labels[row] >= 0:
                self._counts[labels[row]].update(words(text))
        self._all: Counter[str] = sum(self._counts, Counter())
        self._total = max(1, self._all.total())
        self._sizes = [c.total() for c in self._counts]

    def telling(self, text: str, given: int, toward: int, row: int) -> list[tuple[str, float]]:
        """(word, z) of the text's words that are used more in class ``toward`` (z > 0) or ``given`` (z < 0).

        The strongest MOST of those with |z| ≥ TELLING. The text itself (``row``, labelled ``given``) is taken out of
        the counts: it must not be evidence for its own label.

        Notes
        -----
        z is the log-odds ratio of a word between the two classes with an informative Dirichlet prior, over its standard
        deviation: δ = log((y_a + α_w) / (n_a + α_0 − y_a − α_w)) − the same of b,
        z = δ / √(1/(y_a + α_w) + 1/(y_b + α_w)), α_w = PRIOR · share of w in all texts.

        References
        ----------
        Monroe, Colaresi, Quinn, "Fightin' Words", Political Analysis 2008, eq. 15–22.
        """
        own = Counter(words(text))
        counted = row % self._step == 0
        telling = []
        for word in own:
            total = self._all[word] - (own[word] if counted else 0)
            if total <= 0:
                continue
            prior = PRIOR * total / self._total
            a, b = float(self._counts[toward][word]), float(self._counts[given][word] - (own[word] if counted else 0))
            size_a, size_b = self._sizes[toward], self._sizes[given] - (own.total() if counted else 0)
            z = _log_odds(a, size_a, prior) - _log_odds(b, size_b, prior)
            z /= np.sqrt(1.0 / (a + prior) + 1.0 / (b + prior))
            if abs(z) >= TELLING:
                telling.append((word, round(float(z), 2)))
        return sorted(telling, key=lambda wz: (-abs(wz[1]), wz[0]))[:MOST]


class TextHighlights:
    """What to mark in the texts of a workspace's cards. The words are counted when they are first needed.

    Parameters
    ----------
    dataset, verdicts
        Readers of the tables.
    labels
        (n,) int32 given codes into ``names``, −1 = none.
    row
        Sample id → row, raising QueryError for an unknown one.
    """

    def __init__(
        self, dataset: RowReader, verdicts: RowReader, labels: Int32, names: Sequence[str], row: Callable[[str], int]
    ) -> None:
        self._dataset, self._verdicts, self._labels, self._row = dataset, verdicts, labels, row
        self._code = {name: i for i, name in enumerate(names)}
        self._lock = threading.Lock()
        self._counted: WordEvidence | None = None

    @property
    def _evidence(self) -> WordEvidence:
        with self._lock:
            if self._counted is None:
                texts = self._dataset.column("text").to_pylist()
                self._counted = WordEvidence(texts, self._labels, len(self._code))
            return self._counted

    def of(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Id → {words: [(word, z), …], given, toward, other} for samples with a text.

        Without a given label or a probable suggestion there are no words. ``other`` is the text of ``duplicate_of``,
        None where the sample is not flagged as a duplicate.
        """
        rows = [self._row(i) for i in ids]
        out = {}
        for row, sample, verdict in zip(rows, self._dataset.take(rows), self._verdicts.take(rows), strict=True):
            if not sample["text"]:
                continue
            given, toward = sample["label"], verdict["suggested_label"]
            telling: list[tuple[str, float]] = []
            suggested = verdict["suggested_prob"]
            worth_marking = verdict["noisy_label_flag"] or (suggested and suggested[0] >= WORTH_SAYING)
            if worth_marking and given in self._code and toward in self._code and given != toward:
                telling = self._evidence.telling(sample["text"], self._code[given], self._code[toward], row)
            other = None
            if verdict["duplicate_flag"] and verdict["duplicate_of"]:
                other = self._dataset.take([self._row(verdict["duplicate_of"])])[0]["text"]
            out[sample["sample_id"]] = {"words": telling, "given": given, "toward": toward, "other": other}
        return out


def words(text: str) -> Iterable[str]:
    """The words of a text, in lower case."""
    return (m.group().lower() for m in WORD.finditer(text))


def _log_odds(count: float, size: float, prior: float) -> float:
    rest = max(size + PRIOR - count - prior, 1e-9)
    value: NDArray[np.float64] = np.log((count + prior) / rest)
    return float(value)
