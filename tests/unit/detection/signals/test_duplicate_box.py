"""Boxes drawn twice, by hand-computed overlaps, and what makes objects of one picture copies."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.core.detection.evidence.duplicate import duplicate
from winnow.core.detection.signals import SIGNALS
from winnow.core.types import SignalInputs, SignalResult

BOXES = [(0, 0, 10, 10), (1, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10), (50, 50, 0, 5), (50, 50, 8, 8)]
LABELS = [0, 0, 1, 0, 0, 0]
PICTURES = [0, 0, 0, 1, 0, 0]


def _inputs() -> SignalInputs:
    return SignalInputs(
        n=6,
        ok=np.ones(6, bool),
        labels=np.array(LABELS, np.int32),
        class_names=("cat", "dog"),
        boxes=np.array(BOXES, np.float32),
        pictures=np.array(PICTURES, np.int64),
    )


def test_overlap_counts_within_picture_and_class() -> None:
    result = SIGNALS.get("duplicate_box")(_inputs())
    assert result.partner is not None
    assert result.score[:4] == pytest.approx([90 / 110, 90 / 110, 0, 0])
    assert result.partner.tolist() == [1, 0, -1, -1, -1, -1]
    assert np.isnan(result.score[4]), "a box without an area covers nothing"
    assert result.score[5] == 0


def test_inside_a_picture_only_the_place_says_that_an_object_is_there_twice() -> None:
    inputs = _inputs()
    alike = SignalResult(np.ones(6, np.float32), partner=np.array([2, 0, 0, 5, -1, 3], np.int32))
    box = SignalResult(
        np.array([0.95, 0.95, 0, 0, np.nan, 0], np.float32), partner=np.array([1, 0, -1, -1, -1, -1], np.int32)
    )
    evidence = duplicate(inputs, {"duplicate_exact": alike, "duplicate_box": box})
    assert evidence.group is not None
    assert evidence.group[0] == evidence.group[1] >= 0
    assert evidence.group[2] < 0, "the same pixels with another class are a conflict, not a copy"
    assert evidence.group[3] == evidence.group[5] >= 0, "copies in two pictures are copies"
    assert "covers the same place (IoU 0.95)" in evidence.reasons[1]
