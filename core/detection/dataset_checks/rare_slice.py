"""Rare slices: small coherent groups to be guarded, and groups with more problems than the whole."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import plural
from ...types import Bool, Int32, Neighbors
from .base import DATASET_CHECKS, CheckInputs, CheckTable, Need, number, rare, wilson

_LEAST = 4
_SHARE = 0.10
_COHERENT = 0.5
_K = 10
_ROWS = 100
_EXAMPLES = 5
_MEMBERS = 200
"""Most samples listed of a group with more problems."""


class RareSlice:
    """Slices of the data by cluster and given label.

    Notes
    -----
    Formula: a slice is the samples of one fine cluster with one label, m of them. It is rare where m is below a tenth
    of its cluster, or its class is rare, or its cluster is rare (share surely below half of an even one: Wilson, 95%).
    A sample is coherent where at least half of its min(10, m − 1) nearest neighbours have its label: as many as its
    slice could supply. A rare slice with m ≥ 4 whose mean and median share are at least a half is *guarded*: its
    coherent samples must not be offered for removal only because they are rare. The table also lists every cluster
    whose rate of noisy labels, or of hard samples, is surely above that of the whole: lower Wilson bound,
    95%, Bonferroni over the clusters. Rows flagged broken or duplicate are left out, so that copies are no evidence
    for each other.

    References
    ----------
    Hidden stratification, Oakden-Rayner et al. (2020), CHIL; slice discovery with intervals, Chung et al.
    (2019), "Slice Finder", ICDE.
    """

    name: ClassVar[str] = "rare_slice"
    version: ClassVar[int] = 3
    title: ClassVar[str] = "Rare and under-performing slices"
    explain: ClassVar[str] = (
        "Small coherent slices that should be kept, and slices with more noisy labels or hard samples than the whole."
    )
    requires: ClassVar[frozenset[Need]] = frozenset({Need.LABELS, Need.CLUSTERS, Need.NEIGHBORS})

    def __call__(self, inputs: CheckInputs) -> CheckTable:
        """The table."""
        assert inputs.fine is not None
        assert inputs.neighbors is not None
        use = inputs.labelled & ~inputs.flag("broken") & ~inputs.flag("duplicate") & (inputs.fine >= 0)
        guarded, rows, examples = _guarded(inputs, use, inputs.fine, inputs.neighbors)
        more_rows, more_examples = _under_performing(inputs, use, inputs.fine)
        columns = {
            "cluster": "Slice",
            "class": "Label",
            "fact": "What",
            "samples": "Samples",
            "of": "Out of",
            "share": "Share",
            "low": "At least",
            "high": "At most",
            "whole": "In the whole",
            "coherence": "Neighbours with the same label",
            "guarded": "Guarded",
            "offered": "Of these flagged",
        }
        cut = f" The first {_ROWS} of each are listed." if max(len(rows), len(more_rows)) > _ROWS else ""
        summary = (
            f"{plural(len(guarded), 'sample')} in {plural(len(rows), 'slice')} "
            f"{'is' if len(guarded) == 1 else 'are'} rare "
            f"but coherent; {plural(len(more_rows), 'slice')} {'has' if len(more_rows) == 1 else 'have'} more problems "
            f"than the whole.{cut}"
        )
        listed, shown = rows[:_ROWS] + more_rows[:_ROWS], examples[:_ROWS] + more_examples[:_ROWS]
        return CheckTable(self.name, columns, listed, shown, summary, guarded)


def _guarded(
    inputs: CheckInputs, use: Bool, fine: Int32, neighbors: Neighbors
) -> tuple[Int32, list[dict[str, Any]], list[list[int]]]:
    """Rows to guard, and a table row with examples for each guarded slice, the smallest first."""
    row = np.flatnonzero(use)
    classes = len(inputs.class_names)
    slices, of = np.unique(fine[row].astype(np.int64) * classes + inputs.labels[row], return_inverse=True)
    m = np.bincount(of, minlength=len(slices))
    cluster, label = slices // classes, slices % classes
    cluster_size = np.bincount(fine[row], minlength=int(fine.max()) + 1)
    class_size = np.bincount(inputs.labels[row], minlength=classes)
    few_class = rare(class_size, len(row))
    few_cluster = np.zeros(len(cluster_size), bool)
    used = cluster_size > 0
    few_cluster[used] = rare(cluster_size[used], len(row))
    is_rare = (m < _SHARE * cluster_size[cluster]) | few_class[label] | few_cluster[cluster]
    agree = _agreement(inputs.labels, use, neighbors, row, m[of])
    flagged = inputs.flag("ood") | inputs.flag("noisy_label")
    members = np.split(np.argsort(of, kind="stable"), np.cumsum(m)[:-1])
    safe_rows, guarded = [], []
    for s in np.flatnonzero(is_rare & (m >= _LEAST)):
        slice_rows, share = row[members[s]], agree[members[s]]
        if min(float(np.median(share)), float(share.mean())) < _COHERENT:
            continue
        safe = slice_rows[share >= _COHERENT]
        safe_rows.append(safe)
        c = int(cluster[s])
        low, high = wilson(m[s : s + 1], cluster_size[c : c + 1])
        guarded.append(
            (
                {
                    "cluster": c,
                    "class": inputs.class_names[int(label[s])],
                    "fact": "rare but coherent",
                    "samples": int(m[s]),
                    "of": int(cluster_size[c]),
                    "share": number(m[s] / cluster_size[c]),
                    "low": number(low[0]),
                    "high": number(high[0]),
                    "whole": number(class_size[label[s]] / len(row)),
                    "coherence": number(share.mean()),
                    "guarded": len(safe),
                    "offered": int(flagged[safe].sum()),
                },
                [int(r) for r in slice_rows[np.argsort(-share, kind="stable")][:_EXAMPLES]],
            )
        )
    guarded.sort(key=lambda item: (item[0]["samples"], item[0]["cluster"], item[0]["class"]))
    rows = np.sort(np.concatenate(safe_rows)).astype(np.int32) if safe_rows else np.zeros(0, np.int32)
    return rows, [r for r, _ in guarded], [e for _, e in guarded]


def _agreement(
    labels: Int32, use: Bool, neighbors: Neighbors, row: NDArray[np.int64], size: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(m,) share of the same label among the first min(10, size − 1) usable neighbours; 0 where there is none."""
    index = neighbors.indices[row]
    counted = (index >= 0) & use[np.maximum(index, 0)]
    counted &= np.cumsum(counted, axis=1) <= np.clip(size - 1, 1, _K)[:, None]
    same = counted & (labels[np.maximum(index, 0)] == labels[row][:, None])
    return np.asarray(same.sum(1) / np.maximum(counted.sum(1), 1), float)


def _under_performing(inputs: CheckInputs, use: Bool, fine: Int32) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """Clusters with surely more wrong labels, or more hard samples, than the whole; the worst first."""
    under_performing: list[tuple[dict[str, Any], list[int]]] = []
    size = np.bincount(fine[use], minlength=int(fine.max()) + 1)
    tests = int((size > 0).sum())
    for kind, fact in (("noisy_label", "more noisy labels"), ("hard", "more hard samples")):
        hit = inputs.flag(kind) & use
        hits = np.bincount(fine[hit], minlength=len(size))
        whole = float(hit.sum() / max(int(use.sum()), 1))
        low, high = wilson(hits, size, tests)
        for c in np.flatnonzero((size > 0) & (low > whole)):
            inside = use & (fine == c)
            common = int(np.bincount(inputs.labels[inside]).argmax())
            row = {
                "cluster": int(c),
                "class": inputs.class_names[common],
                "fact": fact,
                "samples": int(hits[c]),
                "of": int(size[c]),
                "share": number(hits[c] / size[c]),
                "low": number(low[c]),
                "high": number(high[c]),
                "whole": number(whole),
                "coherence": None,
                "guarded": 0,
                "offered": 0,
            }
            under_performing.append((row, [int(r) for r in np.flatnonzero(hit & (fine == c))[:_MEMBERS]]))
    under_performing.sort(key=lambda item: (-item[0]["low"], item[0]["cluster"], item[0]["fact"]))
    return [r for r, _ in under_performing], [e for _, e in under_performing]


DATASET_CHECKS.register(RareSlice.name)(RareSlice())
