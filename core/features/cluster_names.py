"""Names for clusters: the words that tell one from the others.

Texts: class-based TF-IDF. Images with a text tower: the words nearest to the centre of the cluster, relative to the
centre of all. Otherwise: its labels, and a metadata value that is far more frequent in it than elsewhere.
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
_SHARE = 0.5
_CONTRAST = 0.6
"""A metadata value held by this share of a cluster, and by at most a third of that elsewhere, is part of its name."""
_TEXTS = 200_000
_WORD = re.compile(r"[^\W\d_][\w'-]{2,}")


@dataclass(frozen=True)
class ClusterName:
    """The name of one cluster.

    Attributes
    ----------
    cluster
        Its number.
    name
        For people.
    words
        The words or values of the name with their weights, the most telling first.
    how
        How it was named: "texts", "words" or "labels".
    """

    cluster: int
    name: str
    words: tuple[tuple[str, float], ...]
    how: str


def by_texts(codes: Int32, texts: Sequence[str | None] | Strings) -> list[ClusterName]:
    """Name each cluster by the words of its texts with the largest c-TF-IDF.

    Parameters
    ----------
    codes
        (n,) int32 clusters, −1 = none.
    texts
        (n,) texts; None = none.

    Notes
    -----
    w = tf·log(1 + A/f): tf the word's share of the cluster's words, f its count in all clusters, A the mean number of
    words per cluster. A word in the texts of two clusters is counted in both.

    References
    ----------
    Grootendorst (2022), "BERTopic: Neural topic modeling with a class-based TF-IDF".
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    rows = np.flatnonzero(codes >= 0)
    rows = rows[:: max(1, len(rows) // _TEXTS)]
    documents = [(texts[int(r)] or "")[:2_000] for r in rows]
    try:
        vectorizer = CountVectorizer(
            stop_words=list(ENGLISH_STOP_WORDS),
            token_pattern=r"(?u)\b[^\W\d_][\w'-]+\b",
            max_features=50_000,
            binary=True,
        )
        counts = vectorizer.fit_transform(documents)
    except ValueError:  # no word at all
        return []
    vocabulary = vectorizer.get_feature_names_out()
    k = int(codes.max(initial=-1)) + 1
    member = sparse.csr_matrix((np.ones(len(rows)), (codes[rows], np.arange(len(rows)))), shape=(k, len(rows)))
    per = (member @ counts).tocsr()
    total = np.asarray(per.sum(axis=0)).ravel()
    mean = per.sum() / max(k, 1)
    idf = np.log1p(mean / np.maximum(total, 1))
    names = []
    for c in range(k):
        row = per.getrow(c)
        if row.nnz == 0:
            continue
        weight = row.data / row.data.sum() * idf[row.indices]
        best = np.lexsort((vocabulary[row.indices], -weight))[:WORDS]
        words = tuple((str(vocabulary[row.indices[i]]), round(float(weight[i]), 6)) for i in best)
        names.append(ClusterName(c, ", ".join(w for w, _ in words), words, "texts"))
    return names


def by_words(codes: Int32, vectors: Any, words: Sequence[str], word_vectors: Float32) -> list[ClusterName]:
    """Name each cluster by the words whose vectors are nearest to its centre.

    Parameters
    ----------
    codes
        (n,) int32 clusters, −1 = none.
    vectors
        (n, d) unit rows.
    words
        (m,) words to choose from.
    word_vectors
        (m, d) float32 unit rows of ``words``.

    Notes
    -----
    Nearest by cos(μ_c − μ, t_w − t̄): μ_c the mean vector of the cluster, μ that of all, t̄ that of all words. Without
    subtracting the means, every cluster would get the words that are nearest to all images.
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
    names = []
    for c in np.flatnonzero(size):
        best = np.argsort(-near[c], kind="stable")[:WORDS]
        nearest = [(words[i], round(float(near[c, i]), 4)) for i in best if near[c, i] > 0] or [(words[best[0]], 0.0)]
        names.append(ClusterName(int(c), ", ".join(w for w, _ in nearest), tuple(nearest), "words"))
    return names


def by_labels(
    codes: Int32, labels: Int32, class_names: Sequence[str], metadata: Mapping[str, Sequence[Any]]
) -> list[ClusterName]:
    """Name each cluster by its labels and the metadata value in which it differs most from the others.

    Parameters
    ----------
    codes
        (n,) int32 clusters, −1 = none.
    labels
        (n,) int32 into ``class_names``, −1 = none.
    class_names
        The classes.
    metadata
        Column → (n,) values.

    Notes
    -----
    The label of more than half of the cluster, else its two most common ones; the value of at least 60% of the
    cluster that at most a third of that share has elsewhere. Weights are shares of the cluster.
    """
    names = []
    n = len(codes)
    columns = {
        name: np.array([str(v) if v not in (None, "") else "" for v in values], object)
        for name, values in metadata.items()
    }
    for c in range(int(codes.max(initial=-1)) + 1):
        members = codes == c
        m = int(members.sum())
        if not m:
            continue
        label_counts = np.bincount(labels[members & (labels >= 0)], minlength=max(len(class_names), 1))
        order = np.argsort(-label_counts, kind="stable")[:2]
        words = [(class_names[k], label_counts[k] / m) for k in order if label_counts[k]]
        if words and words[0][1] > _SHARE:
            words = words[:1]
        best: tuple[float, str, float] | None = None
        for name, values in columns.items():
            value, count = Counter(values[members]).most_common(1)[0]
            share = count / m
            elsewhere = (int((values == value).sum()) - count) / max(n - m, 1)
            if (
                value
                and share >= _CONTRAST
                and elsewhere <= share / 3
                and (best is None or share - elsewhere > best[0])
            ):
                best = (share - elsewhere, f"{name}: {value}", share)
        weights = [*words, *([(best[1], best[2])] if best else [])]
        if weights:
            name = " / ".join(w for w, _ in words) + (f" ({best[1]})" if best and words else best[1] if best else "")
            names.append(ClusterName(c, name, tuple((w, round(float(s), 4)) for w, s in weights), "labels"))
    return names


def word_list(
    class_names: Iterable[str], texts: Sequence[str | None] | Strings | None, metadata: Mapping[str, Sequence[Any]]
) -> list[str]:
    """Collect words to name clusters by: class names, the most common words of captions, short metadata values."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    words = dict.fromkeys(" ".join(n.replace("_", " ").split()) for n in class_names)
    counts = Counter(
        w for t in (() if texts is None else texts) for w in set(_WORD.findall((t or "").lower())) - ENGLISH_STOP_WORDS
    )
    words |= dict.fromkeys(w for w, n in counts.most_common(1_000) if n >= 2)
    for values in metadata.values():
        value_counts = Counter(str(v) for v in values if isinstance(v, str) and 2 < len(v) <= 30)
        if len(value_counts) <= 200:
            words |= dict.fromkeys(v for v, n in value_counts.most_common(100) if n >= 2)
    return [w for w in words if w]


def load_names(layout: Layout) -> dict[str, dict[int, dict[str, Any]]]:
    """Read the names: level ("coarse", "fine") → cluster → its name, words and how; empty where there are none."""
    path = layout.root / "names.json"
    if not path.exists():
        return {"coarse": {}, "fine": {}}
    return {level: {int(c["cluster"]): c for c in names} for level, names in load_json(path).items()}
