"""The battery that every registered signal must pass. A new signal is tested on arrival, with no list to extend."""

from __future__ import annotations

import copy
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.helpers.factories import half_whiten
from winnow.core.detection.signals import SIGNALS
from winnow.core.features.neighbors import build
from winnow.core.types import (
    Beliefs,
    Input,
    Kind,
    MediaFeatures,
    Modality,
    Negatives,
    Neighbors,
    SecondMatch,
    Signal,
    SignalInputs,
    SignalResult,
)

N, D, C = 90, 12, 3
PREFIX = {
    Kind.NOISY_LABEL: ("label_", "match_"),
    Kind.OOD: ("ood_",),
    Kind.HARD: ("hard_",),
    Kind.NAIVE: ("naive_",),
    Kind.DUPLICATE: ("duplicate_", "split_leak"),
    Kind.BROKEN: ("image_", "text_"),
}
DYNAMICS = "el2n aum mean_true spread_true correctness memorisation forgetting loss_history loss_spread loss_strong"
PROPERTIES = (
    "brightness brightness_1 brightness_5 brightness_10 brightness_15 brightness_90 brightness_95 brightness_99 "
    "entropy blurriness blurriness_grayscale_std aspect_ratio size grayscale std flat"
)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)


def full_inputs(n: int = N, seed: int = 0, classes: int = C, identical: bool = False) -> SignalInputs:
    """Everything a signal may ask for, continuous and without ties, with one unreadable and one unlabelled row."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n).astype(np.int32)
    centres = random.normal(size=(classes, D)) * 2.0
    x = (centres[labels] + random.normal(size=(n, D))).astype(np.float32)
    if identical:
        x[:] = x[0]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    ok = np.ones(n, bool)
    if n > 5:
        ok[1], labels[2] = False, -1
        x[1] = 0.0
    logits = 3.0 * x @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T + random.normal(size=(n, classes))
    probs = softmax(logits)
    known = ok & (labels >= 0)
    dynamics = {name: np.where(known, random.random(n), np.nan).astype(np.float32) for name in DYNAMICS.split()}
    extra = {m: softmax(logits + random.normal(size=logits.shape)) for m in ("linear", "gce", "sce", "kernel")}
    values = {name: random.random(n).astype(np.float32) for name in PROPERTIES.split()}
    values["flat"] = values["grayscale"] = np.zeros(n, np.float32)
    media = MediaFeatures(
        error=np.full(n, "", object),
        width=random.integers(20, 60, n).astype(np.int32),
        height=random.integers(20, 60, n).astype(np.int32),
        file_hash=random.integers(1, 2**62, n).astype(np.uint64),
        pixel_hash=random.integers(1, 2**62, n).astype(np.uint64),
        perceptual_hash=random.integers(1, 2**62, n).astype(np.uint64),
        tiny=random.integers(0, 256, (n, 32 * 32 * 3)).astype(np.uint8),
        properties=values,
    )
    if identical:
        media = replace(media, tiny=np.repeat(media.tiny[:1], n, axis=0))  # type: ignore[index]
    words = ["red", "green", "blue", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    texts = np.array([" ".join(random.choice(words, 5 + i % 7)) + f" {i}" for i in range(n)], object)
    whitened = half_whiten(x, ok, 8)
    captions = (x + 0.5 * random.normal(size=(n, D))).astype(np.float32)
    if identical:
        captions[:] = captions[0]
    captions /= np.linalg.norm(captions, axis=1, keepdims=True)
    return SignalInputs(
        n=n,
        ok=ok,
        labels=labels,
        class_names=tuple(f"class {c}" for c in range(classes)),
        modality=Modality.IMAGE,
        vectors=x,
        whitened=whitened,
        neighbors=build(x, ok, 20),
        label_neighbors=build(whitened, ok, 20),
        beliefs=Beliefs(probs, dynamics, targets=softmax(logits * 0.5), extra_probs=extra, temperature=1.1),
        media=media,
        texts=texts,
        split=random.integers(0, 2, n).astype(np.int32),
        split_names=("test", "train"),
        class_text_probs=softmax(random.normal(size=(n, classes))),
        negatives=Negatives(
            ("tree", "sea"), random.random(n).astype(np.float32), random.integers(0, 2, n).astype(np.int32)
        ),
        text_vectors=captions,
        text_neighbors=build(captions, ok, 10),
        second_match=SecondMatch(
            random.uniform(-1, 1, n).astype(np.float32), random.uniform(-1, 1, 50).astype(np.float32)
        ),
        boxes=random.uniform(5, 40, (n, 4)).astype(np.float32),
        pictures=random.integers(0, n // 3 + 1, n),
        config={"seed": 0},
    )


def shuffled(inputs: SignalInputs, order: np.ndarray) -> SignalInputs:
    """The same dataset with its rows in another order: row i of the answer is row order[i] of the given one."""
    n = inputs.n

    def take(value: Any) -> Any:
        if isinstance(value, Neighbors):
            back = np.append(np.argsort(order), -1).astype(np.int32)
            return replace(value, indices=back[value.indices[order]], distances=value.distances[order])
        if isinstance(value, np.ndarray) and value.ndim and len(value) == n:
            return value[order]
        if isinstance(value, dict):
            return {k: take(v) for k, v in value.items()}
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: take(getattr(value, f.name)) for f in fields(value)})
        return value

    parts = [f.name for f in fields(inputs) if f.init and f.name != "config"]
    return replace(inputs, **{name: take(getattr(inputs, name)) for name in parts})


def missing(signal: Signal, inputs: SignalInputs) -> list[str]:
    return [need.value for need in signal.requires if not inputs.has(need)]


def assert_sound(signal: Signal, inputs: SignalInputs, result: SignalResult) -> None:
    """Shape, dtype, range and NaN policy."""
    score = result.score
    assert score.shape == (inputs.n,), f"{signal.name}: shape {score.shape}"
    assert score.dtype == np.float32, f"{signal.name}: {score.dtype}"
    seen = np.isfinite(score)
    assert not np.isinf(score).any(), f"{signal.name}: infinite"
    assert ((score[seen] >= 0) & (score[seen] <= 1)).all(), f"{signal.name}: outside [0, 1]"
    if result.suggestion is not None:
        assert result.suggestion.shape == (inputs.n,)
        assert ((result.suggestion >= -1) & (result.suggestion < max(1, inputs.n_classes))).all(), signal.name
    if result.partner is not None:
        rows = np.arange(inputs.n)
        assert ((result.partner >= -1) & (result.partner < inputs.n)).all(), signal.name
        assert (result.partner != rows).all(), f"{signal.name}: a sample is its own partner"
    if result.reasons is not None:
        assert result.reasons.shape == (inputs.n,)


def assert_documented(signal: Signal) -> None:
    text = type(signal).__doc__ or ""
    assert "Formula" in text, f"{signal.name}: no formula in the docstring"
    assert re.search(r"Source|Reference", text), f"{signal.name}: no source in the docstring"
    assert signal.title
    assert signal.explain.endswith(".")
    assert signal.name.startswith(PREFIX[signal.kind]), f"{signal.name} argues for {signal.kind}"
    assert signal.version >= 1


def assert_pure(signal: Signal, inputs: SignalInputs) -> None:
    """Inputs are left as they were, and the same inputs give the same answer."""
    before = copy.deepcopy(inputs)
    first, second = signal(inputs), signal(copy.deepcopy(inputs))
    np.testing.assert_array_equal(first.score, second.score, err_msg=f"{signal.name} is not deterministic")
    assert_same(before, inputs, signal.name)


def assert_same(a: Any, b: Any, name: str) -> None:
    if isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, err_msg=f"{name} changed its inputs")
    elif isinstance(a, dict):
        for key in a:
            assert_same(a[key], b[key], name)
    elif is_dataclass(a) and not isinstance(a, type):
        for f in fields(a):
            assert_same(getattr(a, f.name), getattr(b, f.name), name)


def assert_equivariant(signal: Signal, inputs: SignalInputs) -> None:
    order = np.random.default_rng(3).permutation(inputs.n)
    expected, actual = signal(inputs).score[order], signal(shuffled(inputs, order)).score
    np.testing.assert_allclose(actual, expected, atol=2e-3, err_msg=f"{signal.name} depends on the row order")


@pytest.fixture(scope="module")
def inputs() -> SignalInputs:
    return full_inputs()


every = pytest.mark.parametrize("signal", list(SIGNALS), ids=SIGNALS.names())


@every
def test_signal_is_documented_and_named_after_its_kind(signal: Signal) -> None:
    assert_documented(signal)


@every
def test_signal_answers_in_range(signal: Signal, inputs: SignalInputs) -> None:
    assert missing(signal, inputs) == []
    result = signal(inputs)
    assert_sound(signal, inputs, result)
    assert np.isfinite(result.score).any() or result.info.get("skipped"), (
        f"{signal.name} scored nothing and gives no reason"
    )


@every
def test_signal_is_pure_and_deterministic(signal: Signal, inputs: SignalInputs) -> None:
    assert_pure(signal, inputs)


@every
def test_signal_is_equivariant_to_row_order(signal: Signal, inputs: SignalInputs) -> None:
    assert_equivariant(signal, inputs)


@every
@pytest.mark.parametrize("n", [1, 2, 5])
def test_signal_works_on_a_handful(signal: Signal, n: int) -> None:
    few = full_inputs(n)
    if not missing(signal, few):
        assert_sound(signal, few, signal(few))


@every
def test_signal_works_with_one_class(signal: Signal) -> None:
    one = full_inputs(30, classes=1)
    if not missing(signal, one):
        assert_sound(signal, one, signal(one))


@every
def test_signal_works_on_identical_rows(signal: Signal) -> None:
    same = full_inputs(40, identical=True)
    assert_sound(signal, same, signal(same))


@every
def test_signal_works_without_labels_where_it_does_not_ask_for_them(signal: Signal, inputs: SignalInputs) -> None:
    bare = replace(inputs, labels=np.full(N, -1, np.int32), class_names=(), beliefs=None, class_text_probs=None)
    if not missing(signal, bare):
        assert_sound(signal, bare, signal(bare))


@every
def test_signal_asks_for_all_that_it_uses(signal: Signal, inputs: SignalInputs) -> None:
    """With nothing but what it requires, it still answers: nothing else may be taken for granted."""
    field_of = {need: need.value for need in Input} | {Input.TEXT_TOWER: "class_text_probs"}
    optional = [f for need, f in field_of.items() if need not in signal.requires and need is not Input.LABELS]
    lean = replace(inputs, **dict.fromkeys(optional, None), whitened=None)
    if Input.LABELS not in signal.requires:
        lean = replace(lean, labels=np.full(N, -1, np.int32), class_names=())
    assert missing(signal, lean) == []
    assert_sound(signal, lean, signal(lean))


def test_shared_fits_are_computed_once_per_inputs(inputs: SignalInputs) -> None:
    """By the first of many threads; changed or copied inputs start afresh, and a failure is passed on to all."""
    fresh, calls = replace(inputs), []

    def fit() -> int:
        time.sleep(0.02)
        calls.append(1)
        return len(calls)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: fresh.cache.get("fit", fit), range(8))) == {1}
    assert replace(fresh).cache.get("fit", fit) == 2
    assert copy.deepcopy(fresh).cache.get("fit", fit) == 3
    assert "cache" not in repr(replace(SignalInputs(1, np.ones(1, bool), np.zeros(1, np.int32), ())))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fresh.cache.get("broken", lambda: 1 // 0)


# ── every check must be able to fail ────────────────────────────────────────────────────────────────────────────


class Bad:
    """Formula: none. Source: this file."""

    name: ClassVar[str] = "ood_bad"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Bad"
    explain: ClassVar[str] = "Wrong on purpose."
    requires: ClassVar[frozenset[Input]] = frozenset()

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        outcome: SignalResult = self.answer(inputs)
        return outcome


def of(score: Any, **more: Any) -> SignalResult:
    return SignalResult(np.asarray(score, np.float32), **more)


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("shape", lambda i: of(np.zeros(i.n + 1))),
        ("float64", lambda i: SignalResult(np.zeros(i.n))),  # type: ignore[arg-type]
        ("outside", lambda i: of(np.full(i.n, 1.5))),
        ("outside", lambda i: of(np.full(i.n, -0.1))),
        ("infinite", lambda i: of(np.full(i.n, np.inf))),
        ("own partner", lambda i: of(np.zeros(i.n), partner=np.arange(i.n, dtype=np.int32))),
    ],
)
def test_a_malformed_result_is_caught(fault: str, answer: Any, inputs: SignalInputs) -> None:
    bad = Bad(answer)
    with pytest.raises(AssertionError, match=fault):
        assert_sound(bad, inputs, bad(inputs))


def test_a_signal_that_changes_its_inputs_is_caught(inputs: SignalInputs) -> None:
    def scribble(i: SignalInputs) -> SignalResult:
        assert i.vectors is not None
        i.vectors[0] = 7.0
        return of(np.zeros(i.n))

    with pytest.raises(AssertionError, match="changed its inputs"):
        assert_pure(Bad(scribble), copy.deepcopy(inputs))


def test_a_random_signal_is_caught(inputs: SignalInputs) -> None:
    dice = np.random.default_rng(0)
    with pytest.raises(AssertionError, match="not deterministic"):
        assert_pure(Bad(lambda i: of(dice.random(i.n))), inputs)


def test_a_signal_that_depends_on_the_row_order_is_caught(inputs: SignalInputs) -> None:
    with pytest.raises(AssertionError, match="row order"):
        assert_equivariant(Bad(lambda i: of(np.arange(i.n) / i.n)), inputs)


def test_an_undocumented_or_misnamed_signal_is_caught() -> None:
    class Silent(Bad):
        """Nothing to see."""

    class Misnamed(Bad):
        """Formula: 0. Source: none."""

        name: ClassVar[str] = "label_bad"

    with pytest.raises(AssertionError, match="no formula"):
        assert_documented(Silent(None))
    with pytest.raises(AssertionError, match="argues for"):
        assert_documented(Misnamed(None))


def test_missing_inputs_are_named(inputs: SignalInputs) -> None:
    bare = SignalInputs(n=3, ok=np.ones(3, bool), labels=np.full(3, -1, np.int32), class_names=())
    assert missing(SIGNALS.get("ood_knn"), bare) == ["neighbors"]
    assert "labels" in missing(SIGNALS.get("ood_incoherence"), bare)
    assert missing(SIGNALS.get("duplicate_exact"), bare) == []
