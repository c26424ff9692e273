"""Texts of millions of characters: the checks read a start of them, in bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.signals._pairs import same_text
from winnow.core.detection.signals._texts import LOOKED_AT, emptiness
from winnow.core.types import Input, SignalInputs

LONG = " ".join(f"w{number}é" for number in range(400_000))


def inputs(texts: list[str]) -> SignalInputs:
    n = len(texts)
    return SignalInputs(
        n=n, labels=np.zeros(n, np.int32), class_names=("a",), ok=np.ones(n, bool), texts=np.array(texts, object)
    )


OF_TEXTS = sorted(s.name for s in SIGNALS if Input.TEXTS in s.requires and s.requires <= {Input.TEXTS, Input.LABELS})


@pytest.mark.parametrize("name", [*OF_TEXTS, "duplicate_exact"])
def test_a_check_of_texts_reads_a_bounded_part_of_them(name: str) -> None:
    assert len(LONG) > 2_500_000
    given = inputs(["a few words", LONG, "<b>" + LONG, LONG[::-1]])
    tracemalloc.start()
    try:
        SIGNALS.get(name)(given)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 25_000_000


def test_long_texts_are_the_same_only_where_their_ends_are() -> None:
    texts = np.array([LONG + "a", LONG + "b", LONG + "a"], object)
    keys = same_text(texts)
    assert keys[0] == keys[2] != keys[1]


def test_a_text_that_begins_with_many_blanks_is_not_empty() -> None:
    assert emptiness(np.array([" " * 2 * LOOKED_AT + "words"], object)).tolist() == [""]
