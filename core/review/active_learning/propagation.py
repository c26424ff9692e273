"""What a decision says about other samples: by the neighbour graph, the class means and the labels given so far."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from ...types import Float32, Int32, Kind
from .scan_arrays import ACCEPTED, EXCLUDED, RELABELLED, Decided, ScanArrays

_DOUBT = 1.0
"""Weight of "nothing is known" beside that of the decided neighbours (one neighbour at distance 0 weighs 1)."""
_ANCHOR = 3.0
"""A label that a person confirmed or gave counts as much in a class mean as this many given ones."""
_FEW = 5.0
"""Excluded samples at which their mean has half of its weight."""
_PRIOR_LABELS = 4.0
"""Decisions that a pair of labels needs before its own rate counts as much as what the beliefs expected."""


Edges = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions in ``graph.indices``: rows, and columns of these."""

_BLOCK = 65_536


def touching(scan: ScanArrays, rows: NDArray[np.int64]) -> Edges:
    """The edges of the neighbour graph that end in ``rows``, row by row. Reads every edge once."""
    assert scan.graph is not None
    index = scan.graph.indices
    wanted = np.zeros(scan.n + 1, bool)  # the last entry is that of "no neighbour"
    wanted[rows] = True
    edges = []
    for start in range(0, scan.n, _BLOCK):
        row, column = np.nonzero(wanted[index[start : start + _BLOCK]])
        edges.append((row + start, column))
    row, column = (np.concatenate(part) for part in zip(*edges, strict=True))
    return row, column


def propagate(
    scan: ScanArrays, rows: NDArray[np.int64], surprise: NDArray[np.float64], edges: Edges | None = None
) -> NDArray[np.float64]:
    """(n,) in [−1, 1]: mean surprise of the decided neighbours, drawn towards 0 where few are decided.

    A sample is not its own neighbour, so decided rows can be learnt from.

    Parameters
    ----------
    scan
        The scan.
    rows
        (m,) decided rows.
    surprise
        (m,) in [−1, 1], the person's answer (1 = the flag was right) less the scan's probability.
    edges
        :func:`touching` of these rows and possibly others.

    Notes
    -----
    One step of label propagation of what the scan did not know, over edges in both directions.

    References
    ----------
    Zhu, Ghahramani, "Learning from Labeled and Unlabeled Data with Label Propagation", 2002.
    """
    if scan.graph is None or not len(rows):
        return np.zeros(scan.n)
    index, far = scan.graph.indices, scan.graph.distances
    order = np.argsort(rows)
    senders, sent = rows[order], surprise[order]
    place = np.full(scan.n + 1, -1, np.int32)
    place[senders] = np.arange(len(senders))
    row, column = touching(scan, rows) if edges is None else edges
    from_rows = place[index[row, column]] >= 0
    row, column = row[from_rows], column[from_rows]
    sender = place[index[row, column]]
    near = scan.nearness(far[row, column])
    total, weight = np.bincount(row, sent[sender] * near, scan.n), np.bincount(row, near, scan.n)
    to = index[senders].ravel()
    valid = to >= 0
    near = scan.nearness(far[senders].ravel()[valid])
    total += np.bincount(to[valid], np.repeat(sent, index.shape[1])[valid] * near, scan.n)
    weight += np.bincount(to[valid], near, scan.n)
    return cast("NDArray[np.float64]", total / (weight + _DOUBT))


def class_pull(scan: ScanArrays, decided: Decided) -> NDArray[np.float64]:
    """(n,) how much nearer a sample lies to the mean of its suggested class than to that of its given one.

    In standard deviations over the suspects; 0 without both labels. Class means weigh given labels by the scan's belief
    in them and decided ones by more, so that every decision moves the means.

    References
    ----------
    Nearest class mean: Mensink et al., "Distance-Based Image Classification", TPAMI 2013.
    """
    if scan.vectors is None or scan.classes < 2:
        return np.zeros(scan.n)
    sums = scan.class_sums.copy()
    labelled = np.isin(decided.state, (ACCEPTED, RELABELLED)) & (decided.label >= 0)
    given = scan.labels[decided.rows]
    vectors = np.asarray(scan.vectors[decided.rows], np.float64)
    before = np.where(given >= 0, 1.0 - scan.probability[Kind.NOISY_LABEL][decided.rows], 0.0)
    np.add.at(sums, np.maximum(given, 0), -before[:, None] * vectors)
    np.add.at(sums, decided.label[labelled], _ANCHOR * vectors[labelled])
    means = (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    out = np.zeros(scan.n)
    both = np.flatnonzero((scan.labels >= 0) & (scan.suggested >= 0) & scan.suspects)
    if len(both) < 3:
        return out
    x = np.asarray(scan.vectors[both], np.float32)
    pull = np.einsum("ij,ij->i", x, means[scan.suggested[both]] - means[scan.labels[both]])
    out[both] = (pull - pull.mean()) / max(float(pull.std()), 1e-6)
    return out


def excluded_pull(scan: ScanArrays, decided: Decided) -> NDArray[np.float64]:
    """(n,) similarity to the mean of the excluded samples, drawn towards 0 while few are excluded.

    In standard deviations over the suspects. The excluded samples are treated as a class of their own: foreign samples
    often have one origin. An excluded sample is compared with the mean of the others, so that decided rows can be
    learnt from.
    """
    out = np.zeros(scan.n)
    excluded = decided.rows[decided.state == EXCLUDED]
    if scan.vectors is None or len(excluded) < 2:
        return out
    suspects = np.flatnonzero(scan.suspects)
    compared = np.union1d(suspects, decided.rows)
    x = np.asarray(scan.vectors[compared], np.float64) - scan.centre
    at = np.searchsorted(compared, excluded)
    total = x[at].sum(0)
    similarity = x @ total
    similarity[at] = (similarity[at] - np.square(x[at]).sum(1)) * len(excluded) / (len(excluded) - 1)
    sd = float(similarity[np.searchsorted(compared, suspects)].std()) if len(suspects) > 2 else float(similarity.std())
    out[compared] = np.clip(similarity / max(sd, 1e-9), -4.0, 4.0) * len(excluded) / (len(excluded) + _FEW)
    return out


def suggest(scan: ScanArrays, decided: Decided, rows: NDArray[np.int64]) -> tuple[Int32, Float32]:
    """The likeliest other label of ``rows`` after the decisions: (len(rows),) codes, −1 = none, and probabilities.

    Beliefs are multiplied by how much more often than expected people chose a label for samples with the same given one
    (counts shrunk towards the expectation), and by e^(share of decided neighbours that have the label).
    """
    if scan.beliefs is None:
        return scan.suggested[rows], np.full(len(rows), np.nan, np.float32)
    labelled = np.isin(decided.state, (ACCEPTED, RELABELLED)) & (decided.label >= 0) & (scan.labels[decided.rows] >= 0)
    at, label = decided.rows[labelled], decided.label[labelled]
    belief = np.array(scan.beliefs[rows], np.float64)
    given = scan.labels[rows]
    if len(at):
        pairs = scan.labels[at].astype(np.int64) * scan.classes + label
        counts = np.bincount(pairs, minlength=scan.classes**2).reshape(scan.classes, scan.classes)
        expected = np.zeros((scan.classes, scan.classes))
        np.add.at(expected, scan.labels[at], np.asarray(scan.beliefs[at], np.float64))
        ratio = (counts + _PRIOR_LABELS) / (expected + _PRIOR_LABELS)
        belief *= np.where(given[:, None] >= 0, ratio[np.maximum(given, 0)], 1.0)
        belief *= np.exp(_votes(scan, at, label, rows))
    belief /= np.maximum(belief.sum(1, keepdims=True), 1e-12)
    own = np.flatnonzero(given >= 0)
    belief[own, given[own]] = -1.0
    best = belief.argmax(1).astype(np.int32)
    p = belief[np.arange(len(rows)), best].astype(np.float32)
    return np.where(p > 0, best, -1).astype(np.int32), np.maximum(p, 0.0)


def _votes(scan: ScanArrays, at: NDArray[np.int64], label: Int32, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(len(rows), C) share of a row's decided neighbours (and of "nothing is known") that have each label."""
    out = np.zeros((len(rows), scan.classes))
    if scan.graph is None:
        return out
    code = np.full(scan.n + 1, -1, np.int32)
    code[at] = label
    index, far = scan.graph.indices[rows], scan.graph.distances[rows]
    theirs = np.where(index >= 0, code[index], -1)
    i, j = np.nonzero(theirs >= 0)
    np.add.at(out, (i, theirs[i, j]), scan.nearness(far[i, j]))
    out /= out.sum(1, keepdims=True) + _DOUBT
    return out
