"""Telling words against the formula written out, and what a card is told about a text."""

from __future__ import annotations

from math import log, sqrt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.core.explore.word_evidence import MOST, PRIOR, TELLING, TextHighlights, WordEvidence
from winnow.core.storage.parquet_rows import RowReader

TEXTS = ["the cat purrs"] * 30 + ["the dog barks loudly"] * 30 + ["the DOG purrs, purrs!"] + ["", None]  # type: ignore[list-item]
LABELS = np.array([0] * 30 + [1] * 30 + [0, 1, -1], np.int32)
ODD = 60


def by_hand(word: str) -> float:
    """δ / σ of a word of the odd text, labelled 0, towards 1, without the text itself."""
    counts = [{"the": 30, "cat": 30, "purrs": 30}, {"the": 30, "dog": 30, "barks": 30, "loudly": 30}]
    whole = 90 + 120 + 4  # the prior is spread over all words, the odd text's too
    prior = PRIOR * sum(c.get(word, 0) for c in counts) / whole

    def odds(k: int) -> float:
        y, n = counts[k].get(word, 0), sum(counts[k].values())
        return log((y + prior) / (n + PRIOR - y - prior))

    sigma = sqrt(sum(1 / (c.get(word, 0) + prior) for c in counts))
    return (odds(1) - odds(0)) / sigma


def test_words_are_weighed_by_the_formula_and_never_by_the_text_itself() -> None:
    found = dict(WordEvidence(TEXTS, LABELS, 2).telling(TEXTS[ODD], 0, 1, ODD))
    assert set(found) == {"dog", "purrs"}
    for word, z in found.items():
        assert z == pytest.approx(by_hand(word), abs=0.01)
    assert found["dog"] > TELLING > 0 > -TELLING > found["purrs"]


def test_a_word_that_only_this_text_has_says_nothing() -> None:
    texts = [*TEXTS, "zebra"]
    labels = np.append(LABELS, 0).astype(np.int32)
    assert WordEvidence(texts, labels, 2).telling("zebra", 0, 1, len(texts) - 1) == []


def test_only_the_strongest_words_are_named() -> None:
    many = " ".join(f"w{i}" for i in range(40))
    texts = [many] * 50 + ["a plain text of other words"] * 500 + [many]
    evidence = WordEvidence(texts, np.repeat([1, 0, 0], [50, 500, 1]).astype(np.int32), 2)
    assert len(evidence.telling(many, 0, 1, 550)) == MOST


def test_a_card_is_told_words_and_the_text_it_repeats(tmp_path: Path) -> None:
    n = len(TEXTS)
    ids = [f"s{i}" for i in range(n)]
    label = [{0: "cat", 1: "dog"}.get(int(c)) for c in LABELS]
    pq.write_table(pa.table({"sample_id": ids, "text": TEXTS, "label": label}), tmp_path / "d.parquet")
    keeper: list[str | None] = [None] * n
    keeper[1] = keeper[2] = "s0"
    pq.write_table(
        pa.table(
            {
                "suggested_label": ["dog" if v == "cat" else "cat" for v in label],
                "duplicate_of": keeper,
                "duplicate_flag": [i == 1 for i in range(n)],
                "noisy_label_flag": [i == 60 for i in range(n)],
                "suggested_prob": [[0.1]] * n,
            }
        ),
        tmp_path / "v.parquet",
    )
    row = {name: i for i, name in enumerate(ids)}
    marks = TextHighlights(
        RowReader(tmp_path / "d.parquet"), RowReader(tmp_path / "v.parquet"), LABELS, ["cat", "dog"], row.__getitem__
    )
    told = marks.of(["s60", "s1", "s2", "s61", "s62"])
    assert set(told) == {"s60", "s1", "s2"}  # the others have no text
    assert {w for w, _ in told["s60"]["words"]} == {"dog", "purrs"}
    assert (told["s60"]["given"], told["s60"]["toward"], told["s60"]["other"]) == ("cat", "dog", None)
    assert told["s1"]["other"] == "the cat purrs"
    assert told["s1"]["words"] == []  # nothing is suggested that is worth saying
    assert told["s2"]["other"] is None
