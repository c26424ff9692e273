"""Evidence that samples are copies of each other, and which one of each group is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import plural
from ...types import Bool, Float32, Kind, KindEvidence, SignalInputs, SignalResult, Strings
from .broken import broken

_NEAR = "duplicate_embedding"
_HASH = "duplicate_perceptual"
_EXACT = "duplicate_exact"
_ALIGNED = "duplicate_aligned"
_BOX = "duplicate_box"
_ONE_OBJECT = 0.9
"""Overlap from which two boxes of one class count as one object."""
_CUT = 0.5
_FLOOR = {"image": 0.75, "text": 0.85, "vector": 0.97}
"""Least similarity (1 = identical, about .35 = strangers) of a near copy, however unlike the other samples are."""
_SHOWN = 0.46
"""Least score of two pictures that are shown side by side, without a flag: a correlation of .92 after alignment."""
_MAYBE = 0.08
"""How far below the floor two samples are still shown side by side, without a flag."""
_HELD_OUT = ("test", "val", "valid", "validation", "dev", "eval", "heldout", "holdout")
_CHAIN = 0.8
"""Groups are joined only where their members are nearer than this share of the typical distance."""
_COMPARED = 100
"""Members of a group that are compared at most."""
_SURE = 1.5
"""Weight of the edges between exact copies, above every probability."""


def duplicate(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Groups of copies with one keeper each, and the probability that a sample is in such a group.

    Notes
    -----
    Exact copies are certain. A near copy's probability is 1 − local false discovery rate of its similarity: strangers'
    best similarity is modelled by a Gumbel law (the maximum of many, Fisher and Tippett 1928) fitted to the lower three
    quarters of the samples, and compared with how many samples there are at that similarity (Efron 2004). Pictures that
    match exactly once mirroring, cuts, covered parts and encoding are undone (``duplicate_aligned``) are copies from ½
    of that score, which is their probability.

    Keeper: readable, then labelled as most of the group, then in a held-out split (the training copy is the one to
    drop, as in ciFAIR), then the larger image or longer text, then the first row. Every member has the group's
    probability; the flag is set on all but the keeper, whose own verdict stays.
    """
    n = inputs.n
    usable = ~broken(inputs, results).flag
    probability = np.zeros(n, np.float32)
    similarity = np.full(n, np.nan, np.float32)
    edges: list[tuple[float, int, int]] = []
    near = results.get(_NEAR)
    info: dict[str, Any] = {"signals": [s for s in (_EXACT, _BOX, _HASH, _NEAR, _ALIGNED) if s in results]}
    maybe: list[tuple[float, int, int]] = []
    if near is not None and near.partner is not None:
        floor = _FLOOR[_compared_as(inputs)]
        similarity = _with_hash(np.where(usable, near.score, np.nan).astype(np.float32), results.get(_HASH), near)
        probability, fit = _near_probability(similarity, floor)
        info |= fit
        edges += _edges(near, np.where(usable, probability, 0.0), usable, _CUT)
        maybe = _edges(near, np.where(usable, np.nan_to_num(similarity), 0.0), usable, floor - _MAYBE)
    aligned = results.get(_ALIGNED)
    if aligned is not None and aligned.partner is not None:
        score = np.where(usable, np.nan_to_num(aligned.score), 0.0)
        probability = np.maximum(probability, np.where(score >= _CUT, score, 0.0))
        edges += _edges(aligned, score, usable, _CUT)
        maybe += _edges(aligned, score, usable, _SHOWN)
    edges, maybe = _between_pictures(inputs, edges), _between_pictures(inputs, maybe)
    for name, least in ((_EXACT, 1.0), (_BOX, _ONE_OBJECT)):
        result = results.get(name)
        if result is not None and result.partner is not None:
            sure = usable & (np.nan_to_num(result.score) >= least)
            pairs = _edges(result, sure.astype(np.float32) * 2.0, usable, _CUT)
            edges += pairs if name == _BOX else _between_pictures(inputs, pairs)
            probability[sure] = 1.0
    probability[~usable] = 0.0
    group = _groups(n, edges, inputs)
    partner, flag = _keepers(inputs, group, usable)
    # a member is at least as sure as the edge that joined it to the group
    for p, a, b in edges:
        if group[a] >= 0 and group[a] == group[b]:
            probability[[a, b]] = np.maximum(probability[[a, b]], min(1.0, p))
    probability[(group < 0) & (probability >= _CUT)] = _CUT - 1e-3
    _attach(inputs, maybe, group, partner, usable)
    reasons = _reasons(inputs, results, group, partner, flag, similarity)
    info |= {"groups": int(group.max(initial=-1) + 1), "flagged": int(flag.sum()), "threshold": _CUT}
    return KindEvidence(Kind.DUPLICATE, probability.astype(np.float32), flag, reasons, partner, group, info)


def _between_pictures(inputs: SignalInputs, edges: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """The edges but for those inside one picture: there, alike objects are several, and only their places say twice."""
    if inputs.pictures is None:
        return edges
    return [(p, a, b) for p, a, b in edges if inputs.pictures[a] != inputs.pictures[b]]


def _attach(
    inputs: SignalInputs,
    maybe: list[tuple[float, int, int]],
    group: NDArray[np.int32],
    partner: NDArray[np.int32],
    usable: Bool,
) -> None:
    """Show possible copies beside what they may be copies of: group and partner are set in place, flags are not."""
    for _, a, b in sorted(maybe, key=lambda e: (-e[0], min(e[1:]), max(e[1:]))):
        if (group[a] >= 0) == (group[b] >= 0):
            if group[a] >= 0:
                continue
            keeper = min((a, b), key=_ranking(inputs, np.array([a, b]), usable))
            other = b if keeper == a else a
            group[[a, b]] = group.max(initial=-1) + 1
            partner[other] = keeper
        else:
            new, old = (a, b) if group[a] < 0 else (b, a)
            group[new] = group[old]
            partner[new] = old if partner[old] < 0 else partner[old]


def _compared_as(inputs: SignalInputs) -> str:
    if inputs.media is not None and inputs.media.tiny is not None:
        return "image"
    return "text" if inputs.texts is not None else "vector"


def _with_hash(similarity: Float32, hashed: SignalResult | None, near: SignalResult) -> Float32:
    """The similarity, raised by up to a tenth of what is missing where the perceptual hash names the same partner."""
    if hashed is None or hashed.partner is None or near.partner is None:
        return similarity
    agree = (hashed.partner == near.partner) & (near.partner >= 0)
    lift = np.where(agree, 0.1 * np.nan_to_num(hashed.score), 0.0)
    return np.asarray(similarity + (1.0 - similarity) * lift, np.float32)


def _gumbel(p: float) -> float:
    """Quantile of the standard Gumbel law."""
    return -math.log(-math.log(p))


def _near_probability(similarity: Float32, floor: float) -> tuple[Float32, dict[str, Any]]:
    """(n,) 1 − lfdr of the similarity; strictly rising with it, under one half below ``floor``."""
    out = np.zeros(len(similarity), np.float32)
    scored = np.flatnonzero(np.isfinite(similarity))
    if len(scored) == 0:
        return out, {}
    s = np.clip(similarity[scored].astype(np.float64), 0.0, 1.0)
    u = -np.log(1.01 - s)  # moves the bound at 1 to infinity: identical is far more than similar
    low, middle, high = np.quantile(u, (0.25, 0.5, 0.75))
    # Gumbel quantiles are −σ·ln(−ln p): two of them give σ; the larger of two estimates is the safe one
    spread = max(
        (high - middle) / (_gumbel(0.75) - _gumbel(0.5)), (middle - low) / (_gumbel(0.5) - _gumbel(0.25)), 0.02
    )
    place = middle - spread * _gumbel(0.5)
    expected = len(s) * -np.expm1(-np.exp(-(u - place) / spread))  # strangers at least this alike
    order = np.argsort(-u, kind="stable")
    seen = np.empty(len(s))
    seen[order] = np.arange(1, len(s) + 1)
    ratio = np.minimum(1.0, expected / np.maximum(seen, 1.0))
    worst = np.maximum.accumulate(ratio[order])
    fdr = np.empty(len(s))
    fdr[order] = worst
    p = np.clip(1.0 - fdr, 0.0, 1.0)
    capped = np.where(s >= floor, 0.5 + 0.5 * p * (s - floor) / (1.0 - floor + 1e-9), 0.5 * s / floor)
    trusted = np.where((s >= floor) & (p < 0.5), 0.499 * p + 0.25, capped)
    out[scored] = np.clip(trusted, 0.0, 1.0)
    return out, {"strangers_similarity": float(1.01 - math.exp(-place)), "spread": float(spread)}


def _how(aligned: SignalResult | None, row: int, members: NDArray[np.int64]) -> str:
    """What a copy is of another member of its group, where its pixels say so."""
    if aligned is None or aligned.partner is None or aligned.reasons is None or not aligned.score[row] >= _CUT:
        return ""
    return str(aligned.reasons[row] or "") if aligned.partner[row] in members else ""


def _edges(result: SignalResult, p: Float32, usable: Bool, cut: float) -> list[tuple[float, int, int]]:
    assert result.partner is not None
    rows = np.flatnonzero((p >= cut) & (result.partner >= 0))
    rows = rows[usable[result.partner[rows]]]
    return [(float(p[r]), int(r), int(result.partner[r])) for r in rows]


def _groups(n: int, edges: list[tuple[float, int, int]], inputs: SignalInputs) -> NDArray[np.int32]:
    """(n,) group of each sample, −1 = none: union of the edges, surest first.

    Exact copies are always joined, near ones only where all members of both groups are near each other, or a row of
    look-alikes would chain strangers into one group.
    """
    members = {r: [r] for _, a, b in edges for r in (a, b)}
    first = {r: r for r in members}
    reach = _reach(inputs)
    for p, a, b in sorted(edges, key=lambda e: (-e[0], min(e[1:]), max(e[1:]))):
        x, y = sorted((first[a], first[b]))
        if x == y:
            continue
        single = len(members[x]) == 1 and len(members[y]) == 1
        if p < _SURE and not single and reach is not None and inputs.vectors is not None:
            one, other = (inputs.vectors[members[r][:_COMPARED]] for r in (x, y))
            if 1.0 - float((one @ other.T).min()) > reach:
                continue
        members[x] += members.pop(y)
        first.update(dict.fromkeys(members[x], x))
    group = np.full(n, -1, np.int32)
    for number, head in enumerate(sorted(r for r, rows in members.items() if len(rows) > 1)):
        group[members[head]] = number
    return group


def _reach(inputs: SignalInputs) -> float | None:
    graph = inputs.neighbors
    if graph is None or inputs.vectors is None:
        return None
    d = graph.distances[inputs.ok, min(10, graph.k) - 1]
    d = d[np.isfinite(d)]
    return _CHAIN * float(np.median(d)) if len(d) else None


def _keepers(inputs: SignalInputs, group: NDArray[np.int32], usable: Bool) -> tuple[NDArray[np.int32], Bool]:
    partner = np.full(inputs.n, -1, np.int32)
    flag = np.zeros(inputs.n, bool)
    for members in _members(group):
        keeper = min((int(m) for m in members), key=_ranking(inputs, members, usable))
        others = members[members != keeper]
        partner[others], flag[others] = keeper, True
    return partner, flag


def _members(group: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """The rows of each group, in row order."""
    rows = np.flatnonzero(group >= 0)
    rows = rows[np.argsort(group[rows], kind="stable")]
    return np.split(rows, np.flatnonzero(np.diff(group[rows])) + 1) if len(rows) else []


def _ranking(inputs: SignalInputs, members: NDArray[np.int64], usable: Bool) -> Callable[[int], tuple[Any, ...]]:
    """A sort key within a group: the smallest is the keeper."""
    labels = inputs.labels[members]
    given = labels[labels >= 0]
    common = int(np.bincount(given).argmax()) if len(given) else -1
    held_out = {i for i, name in enumerate(inputs.split_names) if name.strip().casefold() in _HELD_OUT}

    def rank(row: int) -> tuple[Any, ...]:
        label = int(inputs.labels[row])
        apart = inputs.split is not None and int(inputs.split[row]) in held_out
        return (not usable[row], label != common, label < 0, not apart, -_size(inputs, row), row)

    return rank


def _size(inputs: SignalInputs, row: int) -> int:
    if inputs.media is not None:
        return int(inputs.media.width[row]) * int(inputs.media.height[row])
    return len(str(inputs.texts[row])) if inputs.texts is not None else 0


def _several(sure: int, members: int) -> str:
    """How many copies a group has, the keeper among them, and how many possible ones.

    >>> _several(2, 18), _several(3, 3), _several(0, 4)
    ('2 copies and 16 possible copies', '3 copies', '4 possible copies')
    """
    possible = f"{plural(members - sure, 'possible copy', 'possible copies')}" if members > sure else ""
    return " and ".join(part for part in (f"{sure:,} copies" if sure else "", possible) if part)


def _reasons(
    inputs: SignalInputs,
    results: Mapping[str, SignalResult],
    group: NDArray[np.int32],
    partner: NDArray[np.int32],
    flag: Bool,
    similarity: Float32,
) -> Strings:
    reasons = np.full(inputs.n, "", object)
    exact, box = results.get(_EXACT), results.get(_BOX)
    names = inputs.class_names
    for members in _members(group):
        labels = sorted({names[c] for c in inputs.labels[members] if c >= 0})
        splits = (
            sorted({inputs.split_names[c] for c in inputs.split[members] if c >= 0}) if inputs.split is not None else []
        )
        also = f"; the copies carry different labels ({', '.join(labels[:4])})" if len(labels) > 1 else ""
        also += f"; the copies are in different splits ({', '.join(splits[:4])})" if len(splits) > 1 else ""
        sure = int(flag[members].sum())
        several = _several(sure + 1 if sure else 0, len(members))
        for row in members:
            same = str(exact.reasons[row] or "") if exact is not None and exact.reasons is not None else ""
            if partner[row] < 0:
                reasons[row] = f"proposed to keep of {several}{also}"
            elif box is not None and np.nan_to_num(box.score[row]) >= _ONE_OBJECT:
                reasons[row] = f"another box of its class covers the same place (IoU {box.score[row]:.2f})"
            elif same:
                reasons[row] = f"exact copy ({same}), one of {several}{also}"
            elif how := _how(results.get(_ALIGNED), int(row), members):
                reasons[row] = f"copy ({how}), one of {several}{also}"
            else:
                near = "near copy" if flag[row] else "possible copy"
                reasons[row] = f"{near} (similarity {similarity[row]:.2f} of 1), one of {several}{also}"
    return reasons
