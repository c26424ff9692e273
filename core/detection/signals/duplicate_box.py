"""Two boxes of one class around the same object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...types import Input, Int32, Kind, SignalInputs, SignalResult
from .base import SIGNALS, BaseSignal


class DuplicateBox(BaseSignal):
    """How well the best other box of the same class in the same picture covers this one.

    Notes
    -----
    Formula: the largest IoU (intersection over union) with another box of the same picture and class. The partner is
    that box. From 0.9 on, two boxes count as one object.

    References
    ----------
    Tkachenko, Thyagarajan and Mueller (2023), "ObjectLab: automated diagnosis of mislabeled images in object detection
    data": boxes of this overlap are one object. Its scores of predicted boxes are not used.
    """

    name = "duplicate_box"
    kind = Kind.DUPLICATE
    title = "Box drawn twice"
    explain = "Another box of the same class covers the same place."
    requires = frozenset({Input.BOXES})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the samples."""
        assert inputs.boxes is not None
        assert inputs.pictures is not None
        n = inputs.n
        usable = (inputs.boxes[:, 2] > 0) & (inputs.boxes[:, 3] > 0)
        score = np.where(usable, 0.0, np.nan).astype(np.float32)
        partner: Int32 = np.full(n, -1, np.int32)
        order = np.flatnonzero(usable)
        order = order[np.lexsort((inputs.labels[order], inputs.pictures[order]))]
        changes = np.diff(inputs.pictures[order]) | np.diff(inputs.labels[order])
        for rows in np.split(order, np.flatnonzero(changes) + 1) if len(order) else []:
            if len(rows) < 2:
                continue
            share = _overlaps(inputs.boxes[rows].astype(np.float64))
            best = share.argmax(1)
            score[rows] = share[np.arange(len(rows)), best]
            partner[rows] = np.where(score[rows] > 0, rows[best], -1)
        return SignalResult(score, partner=partner)


def _overlaps(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, m) IoU of all pairs, 0 on the diagonal."""
    start, stop = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    sides = np.minimum(stop[:, None], stop) - np.maximum(start[:, None], start)
    inside = np.prod(np.maximum(sides, 0), axis=2)
    area = np.prod(boxes[:, 2:], axis=1)
    share = inside / (area[:, None] + area - inside)
    np.fill_diagonal(share, 0.0)
    return np.asarray(share)


SIGNALS.register(DuplicateBox.name)(DuplicateBox())
