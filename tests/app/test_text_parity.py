"""Text checks beyond reading: length for the class, templates, which words a belief rests on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from winnow.core import QueryError
from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.signals.text_language import surprise
from winnow.core.explore.word_influence import class_centres, influence
from winnow.core.types import Modality, SignalInputs


def inputs_of(texts: list[str], labels: list[int]) -> SignalInputs:
    n = len(texts)
    names = tuple(f"c{i}" for i in range(max(labels) + 1))
    return SignalInputs(
        n, np.ones(n, bool), np.array(labels, np.int32), names, Modality.TEXT, texts=np.array(texts, object)
    )


def test_a_text_is_measured_against_its_own_class() -> None:
    long, short = ["word " * (40 + i % 5) for i in range(20)], ["two words" + "!" * (i % 3) for i in range(20)]
    texts = [*long, *short, "two words", "word " * 41]
    labels = [0] * 20 + [1] * 20 + [0, 1]  # the last two are of the other class's length
    result = SIGNALS.get("text_class_length")(inputs_of(texts, labels))
    assert set(np.flatnonzero(result.score > 0.5)) == {40, 41}
    assert result.reasons is not None
    assert "short for its class" in result.reasons[40]
    assert "long for its class" in result.reasons[41]


def test_templates_are_found_by_their_frame() -> None:
    made = [f"your order number {i} has been sent to {name}" for i, name in enumerate(["Ulm", "Rome", "Oslo", "Kyiv"])]
    other = ["the weather is fine today", "please play some music", "what is the time now", "book a table for two"]
    result = SIGNALS.get("duplicate_template")(inputs_of([*made, *other], [0, 1] * 4))
    np.testing.assert_allclose(result.score[:4], 0.5)
    assert not result.score[4:].any()
    assert result.partner is not None
    assert result.partner[:4].tolist() == [1, 2, 3, 0]
    assert result.reasons is not None
    assert result.reasons[0] == "4 texts follow the template “your order number … has been sent to …”"


def encode(texts: list[str]) -> Any:
    """Two axes: "card" and "song" (misspelt words are unknown)."""
    out = np.array([[float("card" in t), 0.8 * float("song" in t), 0.3] for t in texts])
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def test_the_words_that_a_belief_rests_on_are_found() -> None:
    centres = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    found = influence("my card plays a song", "money", ("money", "music"), encode, centres)
    by = {"my card plays a song"[w.start : w.end]: w.influence for w in found.words}
    assert max(by, key=lambda w: by[w]) == "card"
    assert min(by, key=lambda w: by[w]) == "song"
    assert by["my"] == pytest.approx(0)
    p, q = encode(["my card plays a song", "my  plays a song"])
    by_hand = 1 / (1 + np.exp(-10 * (p[0] - p[1]))) - 1 / (1 + np.exp(-10 * (q[0] - q[1])))
    assert by["card"] == pytest.approx(by_hand)
    # of 5 texts without a word and 3 with a slip, the two that lose "card" change the belief
    assert found.stability == pytest.approx(6 / 8)
    with pytest.raises(QueryError, match="No class"):
        influence("x", "nobody", ("money",), encode, centres[:1])
    with pytest.raises(QueryError, match="no words"):
        influence("…", "money", ("money",), encode, centres[:1])


def test_class_centres_are_means_of_readable_samples() -> None:
    x = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float16)
    centres = class_centres(x, np.array([True, True, True, False]), np.array([0, 0, 1, 1], np.int32), 3)
    np.testing.assert_allclose(centres, [[0.5**0.5, 0.5**0.5], [1, 0], [0, 0]], atol=1e-6)


ENGLISH = [
    "please block my card",
    "set an alarm for seven",
    "what is the weather in the morning",
    "where is my lost suitcase",
    "book a table for two people",
    "how much money is in my account",
    "play some music in the kitchen",
    "is there a fee for this transfer",
    "change the language of the assistant",
    "tell me when the flight leaves",
    "what is the limit of my credit card",
    "remind me to call the bank tomorrow",
    "i want to cancel my order",
    "how long does the train take",
    "the speaker is much too loud",
    "how do i reset the password of my account",
]
FOREIGN = [
    "bitte sperren sie meine karte sofort",
    "wie wird das wetter morgen früh",
    "quiero reservar una mesa para dos",
    "quel temps fera-t-il demain matin",
    "stell den wecker auf sieben uhr",
]


def test_another_language_in_the_same_script_is_found() -> None:
    random = np.random.default_rng(0)
    halves = [t.split(" ", 3) for t in ENGLISH]
    made = [" ".join([*halves[a][:3], *halves[b][3:]]) for a, b in random.integers(0, len(ENGLISH), (400, 2))]
    result = SIGNALS.get("text_language")(inputs_of([*made, *FOREIGN, "ok", ""], [0] * 407))
    assert np.isnan(result.score[-2:]).all(), "too short to tell"
    assert (result.score[400:405] > 0.5).all()
    assert (result.score[:400] > 0.5).mean() < 0.01
    assert result.reasons is not None
    assert "another language" in result.reasons[400]


def test_the_letters_of_a_text_are_foretold_by_all_others_alone() -> None:
    texts = np.array(["abab abab abab", "abba abab baba", "xyz xyz xyz xyz"], object)
    triples = [[f" {t} "[i : i + 3] for i in range(len(t))] for t in texts]
    rest = triples[1] + triples[2]
    bits = []
    for abc in triples[0]:
        p1 = (sum(t[2] == abc[2] for t in rest) + 0.5) / (len(rest) + 32)
        p2 = (sum(t[1:] == abc[1:] for t in rest) + 2 * p1) / (sum(t[1] == abc[1] for t in rest) + 2)
        p3 = (sum(t == abc for t in rest) + 2 * p2) / (sum(t[:2] == abc[:2] for t in rest) + 2)
        bits.append(-np.log2(p3))
    assert surprise(texts)[0] == pytest.approx(np.mean(bits))
