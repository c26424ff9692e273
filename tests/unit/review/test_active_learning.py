"""Decisions that spread: order, precision, advice, offers, each on generated worlds with known truth."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import beta

from tests.helpers.factories import World, signal_inputs, world
from winnow.core.review.active_learning import correction_model
from winnow.core.review.active_learning.advice import advice, expected, jeffreys, noise_rate, precision
from winnow.core.review.active_learning.correction_model import Grouping, learn, log_odds, sigmoid
from winnow.core.review.active_learning.estimate import estimate
from winnow.core.review.active_learning.propagation import class_pull, excluded_pull, propagate, suggest
from winnow.core.review.active_learning.scan_arrays import (
    ACCEPTED,
    DISPUTED,
    EXCLUDED,
    PROBLEMS,
    RELABELLED,
    Decided,
    ScanArrays,
)
from winnow.core.review.active_learning.similar import similar
from winnow.core.types import Kind, Neighbors

NOISY = Kind.NOISY_LABEL


@cache
def made(seed: int = 0) -> tuple[World, ScanArrays]:
    """A world with a quarter of the labels moved to the nearest class and a clump of outliers, and its scan: a noise
    probability with less knowledge than there is, and one signal that sees outliers."""
    w = world(1200, 6, noise=0.2, confusable=True, separation=2.6, dim=24, outliers=70, seed=seed)
    inputs = signal_inputs(w, k=20)
    assert inputs.beliefs is not None
    assert inputs.label_neighbors is not None
    probs = inputs.beliefs.probs
    rows = np.arange(w.n)
    other = probs.copy()
    other[rows, w.labels] = -1
    suggested = other.argmax(1).astype(np.int32)
    noisy = (other.max(1) / (other.max(1) + probs[rows, w.labels])).astype(np.float32)
    rng = np.random.default_rng(seed)
    odd = np.clip(0.5 * (w.kind == "ood") + rng.normal(0.25, 0.12, w.n), 0, 1).astype(np.float32)
    nothing, never = np.zeros(w.n, np.float32), np.zeros(w.n, bool)
    scan = ScanArrays(
        labels=w.labels,
        suggested=suggested,
        classes=6,
        probability={NOISY: noisy, Kind.OOD: odd * 0.6, Kind.DUPLICATE: nothing, Kind.BROKEN: nothing},
        flag={NOISY: noisy > 0.4, Kind.OOD: odd > 0.75, Kind.DUPLICATE: never, Kind.BROKEN: never},
        primary=np.where(odd > 0.75, 1, np.where(noisy > 0.4, 0, -1)).astype(np.int8),
        signals=np.column_stack([odd, rng.random(w.n)]).astype(np.float32),
        families=("ood", "other"),
        beliefs=probs,
        vectors=inputs.whitened,
        graph=inputs.label_neighbors,
    )
    return w, scan


def answers(w: World, rows: np.ndarray) -> Decided:
    """What somebody who knows the truth decides about these rows."""
    rows = np.asarray(rows, np.int64)
    state = np.where(w.true[rows] < 0, EXCLUDED, np.where(w.true[rows] != w.labels[rows], RELABELLED, ACCEPTED))
    return Decided(rows, state.astype(np.int8), np.where(state == EXCLUDED, -1, w.true[rows]).astype(np.int32))


def queue(scan: ScanArrays) -> np.ndarray:
    rows = np.flatnonzero(scan.flag[NOISY])
    return rows[np.argsort(-scan.probability[NOISY][rows], kind="stable")]


def test_without_decisions_nothing_changes() -> None:
    _, scan = made()
    now = estimate(scan, Decided(np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.int32)))
    for kind in PROBLEMS:
        assert now.probability[kind] is scan.probability[kind]
        assert not now.shift[kind].any()


def test_one_click_moves_little_and_many_move_much() -> None:
    w, scan = made()
    order = queue(scan)
    rest = order[200:]
    one = estimate(scan, answers(w, order[:1])).shift[NOISY][rest]
    many = estimate(scan, answers(w, order[:200])).shift[NOISY][rest]
    assert np.abs(one).max() < 1.0
    assert np.abs(many).mean() > 3 * np.abs(one).mean()


def test_the_first_click_is_held_back_even_where_it_surprises() -> None:
    x = np.array([4.0, 4.0])
    one = learn(np.array([3.0, 3.0]), [x], [0.7], {}, np.array([0]), np.array([0.0]))
    many = learn(np.full(60, 3.0), [np.full(60, 4.0)], [0.7], {}, np.arange(60), np.zeros(60))
    assert -2.0 < one.shift([x], {})[1] < 0
    assert many.shift([np.full(60, 4.0)], {})[0] < -4.0


@pytest.mark.parametrize("seed", [0, 1])
def test_reordering_confirms_more_than_the_static_order(seed: int) -> None:
    w, scan = made(seed)
    order, wrong = queue(scan), w.kind == "noisy_label"
    static = int(wrong[order[:240]].sum())
    walked = order.copy()
    for at in range(20, 240, 20):
        now = estimate(scan, answers(w, walked[:at]))
        rest = walked[at + 10 :]
        walked[at + 10 :] = rest[np.argsort(-now.probability[NOISY][rest], kind="stable")]
    found = int(wrong[walked[:240]].sum())
    assert found >= static, (found, static)
    assert sorted(walked) == sorted(order)
    if static < wrong[order].sum() * 0.9:
        assert found > static


def test_probabilities_after_decisions_are_as_good_as_their_word() -> None:
    w, scan = made(1)
    order = queue(scan)
    shown = np.random.default_rng(0).permutation(order)[:150]
    now = estimate(scan, answers(w, shown))
    rest = np.setdiff1d(order, shown)
    wrong = w.kind == "noisy_label"
    before, after = scan.probability[NOISY][rest], now.probability[NOISY][rest]
    assert np.square(after - wrong[rest]).mean() < np.square(before - wrong[rest]).mean()


def test_the_interval_of_what_is_left_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    n, held = 400, 0
    nothing, never = np.zeros(n, np.float32), np.zeros(n, bool)
    for _ in range(60):
        p = rng.uniform(0.3, 0.95, n).astype(np.float32)
        labels = rng.integers(0, 4, n).astype(np.int32)
        effect = rng.normal(0, 0.35, 4)
        wrong = rng.random(n) < sigmoid(log_odds(p) + rng.normal(0, 0.5) + effect[labels])
        scan = ScanArrays(
            labels,
            ((labels + 1) % 4).astype(np.int32),
            4,
            {NOISY: p, Kind.OOD: nothing, Kind.DUPLICATE: nothing, Kind.BROKEN: nothing},
            {NOISY: ~never, Kind.OOD: never, Kind.DUPLICATE: never, Kind.BROKEN: never},
            np.zeros(n, np.int8),
            np.zeros((n, 0), np.float32),
            (),
        )
        rows = np.arange(60)
        state = np.where(wrong[rows], RELABELLED, ACCEPTED).astype(np.int8)
        after = np.where(wrong[rows], (labels[rows] + 1) % 4, labels[rows]).astype(np.int32)
        rest = np.arange(60, n)
        amount = expected(estimate(scan, Decided(rows, state, after)), NOISY, rest, scan)
        held += amount.low <= wrong[rest].sum() <= amount.high
    assert held >= 54


def test_a_pair_that_is_always_turned_down_goes_down_and_others_do_not() -> None:
    n = 400
    labels = np.repeat([0, 1], n // 2).astype(np.int32)
    flat, never = np.full(n, 0.6, np.float32), np.zeros(n, bool)
    nothing = np.zeros(n, np.float32)
    scan = ScanArrays(
        labels,
        (1 - labels).astype(np.int32),
        2,
        {NOISY: flat, Kind.OOD: nothing, Kind.DUPLICATE: nothing, Kind.BROKEN: nothing},
        {NOISY: ~never, Kind.OOD: never, Kind.DUPLICATE: never, Kind.BROKEN: never},
        np.zeros(n, np.int8),
        np.zeros((n, 0), np.float32),
        (),
    )
    rows = np.r_[0:30, 200:230]
    state = np.where(rows < 200, ACCEPTED, RELABELLED).astype(np.int8)
    p = estimate(scan, Decided(rows, state, np.where(rows < 200, 0, 0).astype(np.int32))).probability[NOISY]
    assert p[100] < 0.45 < 0.7 < p[300]


def test_a_fit_is_the_mode_of_its_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    right = (rng.random(80) < sigmoid(x[:, 0])).astype(float)
    offset = np.zeros(80)
    group = Grouping((np.arange(80) % 4).astype(np.int32), 0.5)
    monkeypatch.setattr(correction_model, "_FIRST", 0.0)
    model = learn(offset, [x], [1.0], {"g": group}, np.arange(80), right)
    f = model.shift([x], {"g": group})
    residual = right - sigmoid(f)
    assert np.allclose(x.T @ residual, model.weights, atol=1e-3)  # gradient of the likelihood = that of the prior
    assert model.bias == pytest.approx(0.25 * residual.sum(), abs=1e-3)
    codes, effect = model.effects["g"]
    for code, value in zip(codes, effect, strict=True):
        assert value == pytest.approx(0.25 * residual[group.codes == code].sum(), abs=1e-3)


def test_decided_samples_do_not_hear_themselves() -> None:
    index = np.array([[1], [0], [1], [-1]], np.int32)
    graph = Neighbors(index, np.where(index < 0, np.inf, 0.1).astype(np.float32))
    _, scan = made()
    small = replace(scan, labels=np.zeros(4, np.int32), graph=graph)
    heard = propagate(small, np.array([0]), np.array([-1.0]))
    assert heard[0] == 0
    assert heard[1] < -0.1
    assert heard[2] == 0
    assert heard[3] == 0


def test_what_is_like_the_excluded_stands_out() -> None:
    w, scan = made()
    odd = np.flatnonzero(w.kind == "ood")
    pulled = excluded_pull(scan, answers(w, odd[:1]))
    assert not pulled.any()  # one is no mean
    direction = np.zeros(scan.vectors.shape[1], np.float32)  # type: ignore[union-attr]
    direction[0] = 1
    vectors = np.array(scan.vectors)
    vectors[odd] = 0.6 * vectors[odd] + 0.8 * direction
    pulled = excluded_pull(replace(scan, vectors=vectors), answers(w, odd[:20]))
    suspects = np.setdiff1d(np.flatnonzero(scan.suspects), odd)
    assert np.median(pulled[odd[20:]][scan.suspects[odd[20:]]]) > np.quantile(pulled[suspects], 0.9)


def test_class_means_move_with_decisions() -> None:
    w, scan = made()
    none = Decided(np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.int32))
    assert not np.allclose(class_pull(scan, none), class_pull(scan, answers(w, queue(scan)[:100])))


def test_suggestions_follow_what_the_person_says() -> None:
    w, scan = made()
    rows = np.flatnonzero((w.labels == 0) & scan.flag[NOISY])
    other = 5
    forced = Decided(rows[:40], np.full(40, RELABELLED, np.int8), np.full(40, other, np.int32))
    before, _ = suggest(scan, Decided(rows[:0], forced.state[:0], forced.label[:0]), rows[40:])
    after, p = suggest(scan, forced, rows[40:])
    assert (after == other).sum() > (before == other).sum()
    assert (after != 0).all()
    assert ((p >= 0) & (p <= 1)).all()


def test_intervals_hold() -> None:
    assert jeffreys(0, 0) == (0.0, 1.0)
    low, high = jeffreys(45, 50)
    assert low == pytest.approx(beta.ppf(0.025, 45.5, 5.5))
    assert high == pytest.approx(beta.ppf(0.975, 45.5, 5.5))
    assert jeffreys(5, 5)[1] == 1.0
    assert jeffreys(0, 5)[0] == 0.0


def test_precision_counts_the_flags_that_were_decided() -> None:
    w, scan = made()
    rows = queue(scan)[:60]
    now = estimate(scan, answers(w, rows))
    noisy = precision(scan, now)[0]
    assert (noisy.decided, noisy.right) == (60, int((w.kind[rows] == "noisy_label").sum()))
    assert noisy.low < noisy.share < noisy.high or noisy.share in (0, 1)


def test_disputed_samples_teach_nothing() -> None:
    _, scan = made()
    rows = queue(scan)[:30]
    now = estimate(scan, Decided(rows, np.full(30, DISPUTED, np.int8), np.full(30, -1, np.int32)))
    assert not any(now.n_decisions.values())
    assert precision(scan, now)[0].decided == 0


def test_the_noise_rate_comes_nearer_to_the_truth() -> None:
    w, scan = made(1)
    inflated = replace(
        scan,
        probability={**scan.probability, NOISY: sigmoid(log_odds(scan.probability[NOISY]) + 1.0).astype(np.float32)},
    )
    true = float((w.kind == "noisy_label").mean())
    none = Decided(np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0, np.int32))
    before = noise_rate(inflated, estimate(inflated, none))
    after = noise_rate(inflated, estimate(inflated, answers(w, queue(scan)[:250])))
    assert abs(after.value - true) < abs(before.value - true)
    assert after.high - after.low < before.high - before.low


def test_advice_says_stop_when_little_is_left_and_not_before() -> None:
    w, scan = made()
    order = queue(scan)
    inside = scan.flag[NOISY]
    kind = np.where(inside, 0, -1).astype(np.int8)
    early = advice(scan, estimate(scan, answers(w, order[:60])), order[60:], inside, kind)
    assert not early.stop
    assert "expected to be real" in early.words
    assert early.of == 50
    wrong = w.kind == "noisy_label"
    rest = np.setdiff1d(order, order[wrong[order]])[-80:]  # what nobody would confirm
    quiet = replace(
        scan,
        probability={
            **scan.probability,
            NOISY: np.where(np.isin(np.arange(w.n), rest), 0.05, scan.probability[NOISY]).astype(np.float32),
        },
    )
    done = np.setdiff1d(order, rest)
    late = advice(quiet, estimate(quiet, answers(w, done)), rest, inside, kind)
    assert late.stop
    assert "Stopping here is sensible" in late.words
    nothing = advice(scan, estimate(scan, answers(w, done)), rest, inside, np.full(w.n, -1, np.int8))
    assert not nothing.stop
    assert nothing.words == ""


def test_offers_hold_what_they_promise_and_come_only_after_the_same_was_said() -> None:
    names = tuple(f"c{i}" for i in range(6))
    w, scan = made()
    order = queue(scan)
    now = estimate(scan, answers(w, order[:1]))
    assert not len(similar(scan, now, int(order[0]), names).rows)
    right = offered = promised = 0.0
    for seed in range(2):
        w, scan = made(seed)
        order = queue(scan)
        decided = answers(w, order[:160])
        now = estimate(scan, decided)
        for row, state, label in zip(decided.rows, decided.state, decided.label, strict=True):
            found = similar(scan, now, int(row), names)
            if len(found.rows):
                assert not np.isin(found.rows, decided.rows).any()
                assert found.agreeing >= 3
                assert found.probability.mean() >= 0.9
                same = answers(w, found.rows)
                right += float(
                    ((same.state == state) & ((same.label == label) | (state == EXCLUDED) | (state == ACCEPTED))).sum()
                )
                offered, promised = offered + len(found.rows), promised + float(found.probability.sum())
    assert offered > 20
    assert right / offered > promised / offered - 0.12


def test_a_round_at_100_000_samples_takes_less_than_a_second() -> None:
    n, k, r, classes = 100_000, 30, 64, 50
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n, r), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nothing, never = np.zeros(n, np.float32), np.zeros(n, bool)
    noisy = rng.random(n).astype(np.float32)
    scan = ScanArrays(
        rng.integers(0, classes, n).astype(np.int32),
        rng.integers(0, classes, n).astype(np.int32),
        classes,
        {NOISY: noisy, Kind.OOD: nothing, Kind.DUPLICATE: nothing, Kind.BROKEN: nothing},
        {NOISY: noisy > 0.8, Kind.OOD: never, Kind.DUPLICATE: never, Kind.BROKEN: never},
        np.where(noisy > 0.8, 0, -1).astype(np.int8),
        rng.random((n, 45), np.float32),
        ("label",) * 15 + ("ood",) * 15 + ("other",) * 15,
        rng.dirichlet(np.ones(classes), n).astype(np.float32),
        vectors,
        Neighbors(rng.integers(0, n, (n, k)).astype(np.int32), np.sort(rng.random((n, k), np.float32), axis=1)),
    )
    rows = np.flatnonzero(scan.flag[NOISY])[:1000]
    state = rng.choice([ACCEPTED, RELABELLED, EXCLUDED], 1000).astype(np.int8)
    decided = Decided(rows, state, np.where(state == RELABELLED, 1, -1).astype(np.int32))
    estimate(scan, decided)  # what is made once per scan
    seconds = []
    for _ in range(3):
        started = time.process_time()
        estimate(scan, decided)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 1.0, seconds
