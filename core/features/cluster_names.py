"""Names for clusters: the words that tell one from the others.

Texts: class-based TF-IDF. Images with a text tower: the words nearest to where the cluster lies, seen from the middle of
all. Otherwise: the labels in it, and a metadata value that it holds far more often than the whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..storage.artifacts import load_json
from ..storage.layout import Layout
from ..types import Float32, Int32, Strings
from .encoders.base import unit_rows

NAMES_VERSION = 1
"""Raised when the same input gives other names."""

WORDS = 3
_MAX_CLUSTERS = 2_000
_SHARE = 0.5
_CONTRAST = 0.6
"""A metadata value held by this share of a cluster, and by at most a third of that elsewhere, is part of its name."""
_TEXTS = 200_000
_WORD = re.compile(r"[^\W\d_][\w'-]{2,}")


@dataclass(frozen=True)
class ClusterName:
    """cluster : its number. name : for people. words : in order, with their weights. how : "texts", "words" or "labels"."""

    cluster: int
    name: str
    words: tuple[tuple[str, float], ...]
    how: str


def by_texts(codes: Int32, texts: Sequence[str | None] | Strings) -> list[ClusterName]:
    """The words of each cluster with the largest c-TF-IDF, w = tf·log(1 + A/f): tf the word's share of the cluster's words, f
    its count in all clusters, A the mean number of words per cluster. A word in two clusters' texts is counted in both.

    Parameters
    ----------
    codes
        (n,) int32, −1 = none. Source: Grootendorst (2022), "BERTopic: Neural topic modeling with a class-based
        TF-IDF".
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    rows = np.flatnonzero(codes >= 0)
    rows = rows[:: max(1, len(rows) // _TEXTS)]
    said = [(texts[int(r)] or "")[:2_000] for r in rows]
    try:
        vectorizer = CountVectorizer(
            stop_words=list(ENGLISH_STOP_WORDS),
            token_pattern=r"(?u)\b[^\W\d_][\w'-]+\b",
            max_features=50_000,
            binary=True,
        )
        counts = vectorizer.fit_transform(said)
    except ValueError:  # no word at all
        return []
    vocabulary = vectorizer.get_feature_names_out()
    k = int(codes.max(initial=-1)) + 1
    member = sparse.csr_matrix((np.ones(len(rows)), (codes[rows], np.arange(len(rows)))), shape=(k, len(rows)))
    per = (member @ counts).tocsr()
    total = np.asarray(per.sum(axis=0)).ravel()
    mean = per.sum() / max(k, 1)
    idf = np.log1p(mean / np.maximum(total, 1))
    found = []
    for c in range(k):
        row = per.getrow(c)
        if row.nnz == 0:
            continue
        weight = row.data / row.data.sum() * idf[row.indices]
        best = np.lexsort((vocabulary[row.indices], -weight))[:WORDS]
        words = tuple((str(vocabulary[row.indices[i]]), round(float(weight[i]), 6)) for i in best)
        found.append(ClusterName(c, ", ".join(w for w, _ in words), words, "texts"))
    return found


def by_words(codes: Int32, vectors: Any, words: Sequence[str], word_vectors: Float32) -> list[ClusterName]:
    """The words nearest to each cluster, seen from the middle: cos(μ_c − μ, t_w − t̄), μ_c the cluster's mean vector, μ that of
    all, t̄ of all words. Without the middles every cluster would get the words that lie nearest to all pictures.

    Parameters
    ----------
    codes
        (n,) int32.
    vectors
        (n, d) unit rows.
    word_vectors
        (m, d) unit rows of ``words``.
    """
    rows = np.flatnonzero(codes >= 0)
    k = int(codes.max(initial=-1)) + 1
    if k == 0 or len(words) < 2:
        return []
    total, size = np.zeros((k, word_vectors.shape[1])), np.bincount(codes[rows], minlength=k)
    for start in range(0, len(rows), 65_536):
        part = rows[start : start + 65_536]
        order = np.argsort(codes[part], kind="stable")
        part = part[order]
        first = np.flatnonzero(np.r_[True, np.diff(codes[part]) > 0])
        total[codes[part][first]] += np.add.reduceat(np.asarray(vectors[part], np.float64), first, axis=0)
    centres = total / np.maximum(size, 1)[:, None]
    middle = total.sum(axis=0) / max(int(size.sum()), 1)
    near = unit_rows(centres - middle if k > 1 else centres) @ unit_rows(word_vectors - word_vectors.mean(axis=0)).T
    found = []
    for c in np.flatnonzero(size):
        best = np.argsort(-near[c], kind="stable")[:WORDS]
        said = tuple((words[i], round(float(near[c, i]), 4)) for i in best if near[c, i] > 0) or (
            (words[best[0]], 0.0),
        )
        found.append(ClusterName(int(c), ", ".join(w for w, _ in said), said, "words"))
    return found


def by_labels(
    codes: Int32, labels: Int32, class_names: Sequence[str], metadata: Mapping[str, Sequence[Any]]
) -> list[ClusterName]:
    """The label of more than half of a cluster, else its two commonest; and the metadata value in which it stands out most:
    held by at least 60% of it and by at most a third of that share elsewhere. Weights are shares of the cluster.
    """
    found = []
    n = len(codes)
    columns = {
        name: np.array([str(v) if v not in (None, "") else "" for v in values], object)
        for name, values in metadata.items()
    }
    for c in range(int(codes.max(initial=-1)) + 1):
        mine = codes == c
        m = int(mine.sum())
        if not m:
            continue
        given = np.bincount(labels[mine & (labels >= 0)], minlength=max(len(class_names), 1))
        order = np.argsort(-given, kind="stable")[:2]
        words = [(class_names[k], given[k] / m) for k in order if given[k]]
        if words and words[0][1] > _SHARE:
            words = words[:1]
        best: tuple[float, str, float] | None = None
        for name, values in columns.items():
            value, count = Counter(values[mine]).most_common(1)[0]
            share = count / m
            elsewhere = (int((values == value).sum()) - count) / max(n - m, 1)
            if (
                value
                and share >= _CONTRAST
                and elsewhere <= share / 3
                and (best is None or share - elsewhere > best[0])
            ):
                best = (share - elsewhere, f"{name}: {value}", share)
        said = [*words, *([(best[1], best[2])] if best else [])]
        if said:
            name = " / ".join(w for w, _ in words) + (f" ({best[1]})" if best and words else best[1] if best else "")
            found.append(ClusterName(c, name, tuple((w, round(float(s), 4)) for w, s in said), "labels"))
    return found


def word_list(
    class_names: Iterable[str], texts: Sequence[str | None] | Strings | None, metadata: Mapping[str, Sequence[Any]]
) -> list[str]:
    """Words to name clusters by: class names, the commonest words of captions, and short metadata values."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    found = dict.fromkeys(" ".join(n.replace("_", " ").split()) for n in class_names)
    counts = Counter(
        w for t in (() if texts is None else texts) for w in set(_WORD.findall((t or "").lower())) - ENGLISH_STOP_WORDS
    )
    found |= dict.fromkeys(w for w, n in counts.most_common(1_000) if n >= 2)
    for values in metadata.values():
        seen = Counter(str(v) for v in values if isinstance(v, str) and 2 < len(v) <= 30)
        if len(seen) <= 200:
            found |= dict.fromkeys(v for v, n in seen.most_common(100) if n >= 2)
    return [w for w in found if w]


def load_names(layout: Layout) -> dict[str, dict[int, dict[str, Any]]]:
    """Level ("coarse", "fine") → cluster → its name, words and how it was named; empty where there are none."""
    path = layout.root / "names.json"
    if not path.exists():
        return {"coarse": {}, "fine": {}}
    return {level: {int(c["cluster"]): c for c in found} for level, found in load_json(path).items()}
