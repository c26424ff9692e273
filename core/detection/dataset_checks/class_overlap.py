"""Class overlap: which classes are confused with each other, and in which direction."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Int32
from .base import DATASET_CHECKS, CheckInputs, CheckTable, Need, number, wilson

_LIMIT = 0.01
_ROWS = 100
_EXAMPLES = 3
_CHUNK = 8192
_K = 25
_Z = 2.58


class ClassOverlap:
    """Pairs of classes of which one is taken for the other.

    Notes
    -----
    Formula: belief a→b = mean of p_i(b) over the samples i labelled a, p out of sample; taken a→b = number of samples
    labelled a whose likeliest class is b; neighbours = share of the 25 nearest labelled neighbours of a's samples that
    are labelled b, averaged over both directions. A pair is listed where the lower Wilson bound (95%) of
    (taken a→b + taken b→a)/(n_a + n_b) exceeds 1% and at least two samples are taken; in order of overlap = (belief a→b
    + belief b→a)/2. It is called one-sided where the two rates taken/n differ by |z| > 2.58 (pooled two-proportion
    test). Without beliefs, the neighbours' vote stands in for p. Rows flagged broken, duplicate or out of distribution
    are left out.

    References
    ----------
    The confident joint of Northcutt, Jiang and Chuang (2021), "Confident Learning", JAIR 70, read per pair.
    """

    name: ClassVar[str] = "class_overlap"
    version: ClassVar[int] = 2
    title: ClassVar[str] = "Class confusions"
    explain: ClassVar[str] = "Pairs of classes that out-of-sample predictions confuse with each other."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.CLASSES, Need.CONFUSION})

    def __call__(self, inputs: CheckInputs) -> CheckTable:
        """The table."""
        use = inputs.labelled & ~inputs.flag("broken") & ~inputs.flag("ood") & ~inputs.flag("duplicate")
        classes = len(inputs.class_names)
        size = np.bincount(inputs.labels[use], minlength=classes)
        near = _neighbor_share(inputs, use, classes)
        probs = inputs.probs if inputs.probs is not None else _votes(inputs, use, classes)
        belief, taken = _beliefs(probs, inputs.labels, use, classes)
        pairs = _listed(belief, taken, size)
        flagged = _flags(inputs, classes)
        rows, examples = [], []
        for a, b in pairs[:_ROWS]:
            rows.append(_row(inputs.class_names, a, b, belief, taken, near, flagged, size))
            examples.append(_strongest(probs, inputs.labels, use, a, b) + _strongest(probs, inputs.labels, use, b, a))
        columns = {
            "class": "Class",
            "other": "Confused with",
            "overlap": "Overlap",
            "how": "How",
            "belief": "Mean p →",
            "belief_back": "Mean p ←",
            "taken": "Predicted →",
            "taken_back": "Predicted ←",
            "neighbours": "Neighbours of the other",
            "flagged": "Noisy labels →",
            "flagged_back": "Noisy labels ←",
        }
        some = f"{len(pairs):,} pair{'s' if len(pairs) != 1 else ''} of classes" if pairs else "No classes"
        cut = f" The {_ROWS} that overlap most are listed." if len(pairs) > _ROWS else ""
        return CheckTable(
            self.name,
            columns,
            rows,
            examples,
            f"{some} {'is' if len(pairs) == 1 else 'are'} confused with each other.{cut}",
        )


def _beliefs(probs: Any, labels: Int32, use: Bool, classes: int) -> tuple[Any, Any]:
    """Mean beliefs and counts of the likeliest class, by given label; rows without a belief left out.

    Returns
    -------
    beliefs
        (C, C) float64, sparse where ``probs`` is.
    taken
        (C, C) int64, sparse.
    """
    from scipy import sparse

    thin = sparse.issparse(probs)
    total = sparse.csr_matrix((classes, classes)) if thin else np.zeros((classes, classes))
    taken = sparse.csr_matrix((classes, classes), dtype=np.int64)
    count = np.zeros(classes)
    rows = np.flatnonzero(use)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        p = probs[part] if thin else np.asarray(probs[part], float)
        good = (thin or np.isfinite(p).all(1)) & (np.asarray(p.sum(1)).ravel() > 0)
        p, y = p[good], labels[part[good]]
        members = sparse.csr_matrix((np.ones(len(y)), (y, np.arange(len(y)))), shape=(classes, len(y)))
        total = total + members @ p
        count += np.bincount(y, minlength=classes)
        taken += _counts(y, np.asarray(p.argmax(1)).ravel(), classes)
    share = 1 / np.maximum(count, 1)
    return (sparse.diags(share) @ total).tocsr() if thin else total / np.maximum(count, 1)[:, None], taken


def _counts(row: Any, column: Any, classes: int) -> Any:
    """(C, C) int64 sparse, how often each pair of codes occurs."""
    from scipy import sparse

    return sparse.csr_matrix((np.ones(len(row), np.int64), (row, column)), shape=(classes, classes))


def _votes(inputs: CheckInputs, use: Bool, classes: int) -> Any:
    """(n, C) sparse: share of each class among the nearest labelled neighbours."""
    from scipy import sparse

    assert inputs.neighbors is not None
    index = inputs.neighbors.indices[:, :_K]
    row = np.repeat(np.arange(inputs.n), index.shape[1])
    to = index.ravel()
    counted = (to >= 0) & use[np.maximum(to, 0)] & use[row]
    cells = row[counted], inputs.labels[to[counted]]
    votes = sparse.csr_matrix((np.ones(len(cells[0])), cells), shape=(inputs.n, classes))
    total = np.asarray(votes.sum(1)).ravel()
    return (sparse.diags(1 / np.maximum(total, 1)) @ votes).tocsr()


def _neighbor_share(inputs: CheckInputs, use: Bool, classes: int) -> Any:
    if inputs.neighbors is None:
        return None
    return _beliefs(_votes(inputs, use, classes), inputs.labels, use, classes)[0]


def _flags(inputs: CheckInputs, classes: int) -> Any:
    """(C, C) sparse number of noisy labels, given × suggested."""
    if inputs.suggested is None:
        return _counts([], [], classes)
    hit = inputs.flag("noisy_label") & inputs.labelled & (inputs.suggested >= 0)
    return _counts(inputs.labels[hit], inputs.suggested[hit], classes)


def _listed(belief: Any, taken: Any, size: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs in order of overlap, each with the stronger direction first."""
    from scipy import sparse

    both = sparse.triu(taken + taken.T, 1).tocsr().tocoo()
    often = both.data >= 2
    a, b = both.row[often], both.col[often]
    low, _ = wilson(both.data[often], size[a] + size[b])
    overlap = np.asarray(belief[a, b] + belief[b, a]).ravel() / 2
    order = [i for i in np.lexsort((b, a, -overlap)) if low[i] > _LIMIT]
    pairs = []
    for i in order:
        x, y = int(a[i]), int(b[i])
        pairs.append((x, y) if belief[x, y] >= belief[y, x] else (y, x))
    return pairs


def _row(
    names: tuple[str, ...],
    a: int,
    b: int,
    belief: Any,
    taken: Any,
    near: Any,
    flagged: Any,
    size: NDArray[np.int64],
) -> dict[str, Any]:
    z = _difference(int(taken[a, b]), int(size[a]), int(taken[b, a]), int(size[b]))
    one_sided = f"{names[a]} taken for {names[b]}" if z > 0 else f"{names[b]} taken for {names[a]}"
    return {
        "class": names[a],
        "other": names[b],
        "overlap": number((belief[a, b] + belief[b, a]) / 2),
        "how": one_sided if abs(z) > _Z else "both ways",
        "belief": number(belief[a, b]),
        "belief_back": number(belief[b, a]),
        "taken": int(taken[a, b]),
        "taken_back": int(taken[b, a]),
        "neighbours": None if near is None else number((near[a, b] + near[b, a]) / 2),
        "flagged": int(flagged[a, b]),
        "flagged_back": int(flagged[b, a]),
    }


def _difference(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """Z of the pooled two-proportion test; 0 where it is not defined."""
    if n == 0 or other_n == 0:
        return 0.0
    pooled = (hits + other_hits) / (n + other_n)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / other_n))
    return float((hits / n - other_hits / other_n) / spread) if spread > 0 else 0.0


def _strongest(probs: Any, labels: Int32, use: Bool, a: int, b: int) -> list[int]:
    """Rows labelled a whose likeliest class is b, by descending probability."""
    from scipy import sparse

    rows = np.flatnonzero(use & (labels == a))
    p = probs[rows]
    p = np.asarray(p.toarray() if sparse.issparse(p) else p, float)
    taken = (p.argmax(1) == b) & np.isfinite(p).all(1) & (p[:, b] > 0)
    rows, p = rows[taken], p[taken, b]
    return [int(r) for r in rows[np.argsort(-p, kind="stable")][:_EXAMPLES]]


DATASET_CHECKS.register(ClassOverlap.name)(ClassOverlap())
