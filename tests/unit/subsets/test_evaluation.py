"""Measures, the tuned probe, payoffs, weights: against plain implementations, and on data whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from winnow.core.detection.multinomial import EPOCHS, fit_fresh, fit_path, fit_tuned
from winnow.core.errors import QueryError
from winnow.core.features.neighbors import build
from winnow.core.subsets.bootstrap import Arm, Training, difference, f1_gmean, judged_rows, measure
from winnow.core.subsets.curricula import class_weights, curriculum, curve_weights, easy_to_uniform
from winnow.core.subsets.evaluation import HoldoutGuard
from winnow.core.subsets.holdout import held_out
from winnow.core.subsets.measures import coverage, gradient_vendi, share_table, vendi
from winnow.core.subsets.methods.base import shares
from winnow.core.subsets.methods.rs2 import epoch_rows


def blobs(n: int = 400, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels and labels with a share of them wrong."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n).astype(np.int32)
    x = (np.eye(3, 8)[y] * 2.2 + rng.normal(size=(n, 8))).astype(np.float32)
    wrong = y.copy()
    flip = rng.random(n) < noise
    wrong[flip] = (y[flip] + 1) % 3  # one-sided: it moves the boundary
    return x, y, wrong


@pytest.mark.parametrize("weighted", [False, True])
def test_the_probe_is_the_one_that_scikit_learn_finds(weighted: bool) -> None:
    x, y, _ = blobs()
    w = np.random.default_rng(1).random(len(y)).astype(np.float32) + 0.1 if weighted else None
    for probe in fit_path(x, y, 3, [1e-1, 1e-3], w, rounds=400):
        mean = 1.0 if w is None else float(w.mean())
        peer = LogisticRegression(C=1 / (probe.penalty * len(y) * mean), max_iter=2000, tol=1e-8).fit(
            x, y, sample_weight=w
        )
        np.testing.assert_allclose(probe.weights, peer.coef_.T, atol=0.02 * np.abs(peer.coef_).max())
        assert (probe.predict(x) == peer.predict(x)).mean() > 0.99


def test_epochs_of_everything_come_to_the_same_probe() -> None:
    x, _, wrong = blobs(600, noise=0.1)
    rows = np.arange(600)
    for penalty in (1e-2, 1e-3):
        (one,), (other,) = fit_path(x, wrong, 3, [penalty]), fit_fresh(x, wrong, 3, [penalty], [rows] * EPOCHS)
        np.testing.assert_allclose(other.weights, one.weights, atol=0.02 * np.abs(one.weights).max())
        assert (one.predict(x) == other.predict(x)).mean() > 0.99


def test_a_fresh_subset_each_epoch_teaches_more_than_one_subset() -> None:
    x, y, wrong = blobs(1400, noise=0.3)
    wide = np.concatenate([x, np.random.default_rng(5).normal(size=(1400, 60)).astype(np.float32)], axis=1)
    train, judge = np.arange(900), np.arange(900, 1400)

    def fresh() -> list[np.ndarray]:
        return [epoch_rows(train, 150, e, 0) for e in range(EPOCHS)]

    arms = [
        Arm("fixed", "", lambda _: Training(fresh()[0], wrong)),
        Arm("fresh", "", lambda _: Training(fresh()[0], wrong, epochs=fresh), ("fixed",)),
        Arm("all", "", lambda _: Training(train, wrong), ("fresh",)),
        Arm("judges", "", lambda _: Training(judge, wrong, epochs=lambda: [judge] * 3)),
    ]
    found = measure(wide, 3, arms, judge, y[judge], seeds=2)
    assert found.arm("fresh").differences[0].low > 0
    assert abs(found.arm("all").differences[0].value) < 0.05, "all data is seen in time"
    assert found.arm("fresh").size == found.arm("fixed").size < 150
    assert found.arm("judges").size == 0, "no epoch may train on what judges"


def test_vendi_counts_what_is_different() -> None:
    eye = np.eye(6, dtype=np.float32)
    assert vendi(eye, np.arange(6)) == pytest.approx(6)
    assert vendi(np.tile(eye[:2], (5, 1)), np.arange(10)) == pytest.approx(2)
    assert vendi(eye, np.zeros(0, np.int64)) == 0
    probs = np.full((6, 3), 1 / 3, np.float32)
    assert gradient_vendi(eye, probs, np.zeros(6, np.int32), np.arange(6)) == pytest.approx(6)
    assert gradient_vendi(eye, probs, np.full(6, -1, np.int32), np.arange(6)) == 0


def test_coverage_by_the_graph_is_coverage_by_all_pairs() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 6)).astype(np.float32)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    pool = rng.random(300) < 0.8
    rows = np.flatnonzero(pool)[::25]
    away = np.maximum(1 - (z[pool] @ z[rows].T).max(1), 0)
    for graph in (None, build(z, np.ones(300, bool), 8)):
        found = coverage(z, pool, rows, graph)
        assert (found.radius, found.mean) == (pytest.approx(away.max(), abs=1e-5), pytest.approx(away.mean(), abs=1e-5))
        assert found.p95 == pytest.approx(np.quantile(away, 0.95), abs=1e-5)


def test_a_share_is_shifted_only_beyond_chance() -> None:
    codes = np.repeat([0, 1], [500, 500]).astype(np.int32)
    pool = np.ones(1000, bool)
    moved = share_table(codes, ["a", "b"], pool, np.concatenate([np.arange(150), np.arange(500, 550)]))
    assert [s.shifted for s in moved] == [True, True]
    assert moved[0].after == pytest.approx(0.75)
    few = share_table(codes, ["a", "b"], pool, np.array([0, 1, 2, 500]))
    assert not any(s.shifted for s in few)


def test_training_on_clean_labels_pays_and_random_does_not() -> None:
    x, y, wrong = blobs(1500, noise=0.35)
    train, judge = np.arange(1000), np.arange(1000, 1500)
    clean = train[wrong[:1000] == y[:1000]]
    arms = [
        Arm("raw", "raw", lambda _: Training(train, wrong)),
        Arm("clean", "clean", lambda _: Training(clean, wrong), ("raw", "chance")),
        Arm(
            "chance",
            "chance",
            lambda s: Training(np.random.default_rng(s).permutation(train)[: len(clean)], wrong),
            ("raw",),
        ),
        Arm("weighted", "w", lambda _: Training(train, wrong, (wrong == y).astype(np.float32)), ("clean",)),
        Arm("nothing", "nothing", lambda _: Training(train[:0], wrong)),
    ]
    progress_seen: list[int] = []
    found = measure(x, 3, arms, judge, y[judge], seeds=3, progress=lambda p: progress_seen.append(p.done))
    better, against_chance = found.arm("clean").differences
    assert better.low > 0
    assert better.sure
    assert against_chance.low > 0
    assert not found.arm("chance").differences[0].low > 0
    assert abs(found.arm("weighted").differences[0].value) < 0.02, "a weight of 0 is as good as leaving it out"
    assert found.arm("nothing").size == 0
    assert progress_seen == [*range(15), 15]
    again = measure(x, 3, arms[:2], judge, y[judge], seeds=3)
    assert again.arm("clean").by_seed == found.arm("clean").by_seed


def test_intervals_widen_with_every_look() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(300), rng.random(300)
    once, often = difference(a, b, "b", 1), difference(a, b, "b", 20)
    assert once.value == often.value == pytest.approx((a - b).mean())
    assert often.high - often.low > 1.3 * (once.high - once.low)
    assert 2 * 1.96 * (a - b).std() / np.sqrt(300) == pytest.approx(once.high - once.low, rel=0.1)


def test_f1_and_gmean() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2], np.int32)
    assert f1_gmean(truth, truth) == (1.0, 1.0)
    f1, gmean = f1_gmean(truth, np.array([0, 0, 1, 1, 1, 1], np.int32))
    assert f1 == pytest.approx((0.8 + 4 / 6 + 0) / 3)
    assert gmean == 0
    assert f1_gmean(truth, np.array([0, 0, 1, 1, 0, 2], np.int32))[1] == pytest.approx((2 / 3 * 1 / 2) ** (1 / 3))


def test_the_guard_counts_different_subsets(tmp_path: Path) -> None:
    guard = HoldoutGuard(tmp_path / "selections")
    assert guard.looks() == []
    assert [guard.note(s, "random", "ada") for s in ("a", "b", "a", "c")] == [1, 2, 2, 3]
    assert [look["subset"] for look in HoldoutGuard(tmp_path / "selections").looks()] == ["a", "b", "c"]


def test_held_out_samples_are_a_named_split_or_a_share_by_hash() -> None:
    labels = np.repeat([0, 1], [80, 20]).astype(np.int32)
    ids = [f"s{i}" for i in range(100)]
    pool = np.ones(100, bool)
    named = held_out(["Test" if i % 5 == 0 else "train" for i in range(100)], labels, pool, ids)
    assert named.sum() == 20
    assert named[::5].all()
    drawn = held_out([""] * 100, labels, pool, ids)
    assert np.bincount(labels[drawn]).tolist() == [16, 4]
    order = np.random.default_rng(0).permutation(100)
    again = held_out([""] * 100, labels[order], pool, [ids[i] for i in order])
    np.testing.assert_array_equal(again, drawn[order])
    assert held_out(["test"] * 100, labels, pool, ids).sum() == 20, "a split that is everything holds nothing out"


def test_copies_and_flagged_samples_do_not_judge() -> None:
    held, pool = np.ones(6, bool), np.array([1, 1, 1, 1, 1, 0], bool)
    flagged, reviewed = np.array([0, 1, 1, 0, 0, 0], bool), np.array([0, 0, 1, 0, 0, 0], bool)
    labels, keeper = np.array([0, 0, 0, -1, 0, 0], np.int32), np.array([-1, -1, -1, -1, 3, -1], np.int32)
    assert judged_rows(held, pool, flagged, reviewed, labels, keeper).tolist() == [0, 2]


def test_every_sample_is_seen_before_any_is_seen_twice() -> None:
    rows = np.arange(100, 131)
    epochs = [epoch_rows(rows, 10, e, seed=3) for e in range(8)]
    assert all(len(set(e.tolist())) == 10 for e in epochs)
    assert set(np.concatenate(epochs[:4]).tolist()) == set(rows.tolist())
    assert set(epochs[4].tolist()) != set(epochs[0].tolist())


@given(st.integers(0, 200), st.lists(st.tuples(st.floats(0, 10), st.integers(0, 50)), min_size=1, max_size=8))
@settings(max_examples=80, deadline=None)
def test_shares_divide_what_there_is(total: int, parts: list[tuple[float, int]]) -> None:
    weight, room = np.array([p[0] for p in parts]), np.array([p[1] for p in parts], np.int64)
    out = shares(total, weight, room)
    assert (out <= room).all()
    assert (out >= 0).all()
    assert out.sum() == min(total, room[weight > 0].sum())


def test_a_loss_curve_can_be_edited() -> None:
    loss = np.array([0.1, 0.2, 0.3, 0.4, 0.5, np.nan], np.float32)
    np.testing.assert_allclose(curve_weights(loss, [(0, 1), (1, 0)]), [1, 0.75, 0.5, 0.25, 0, 1])
    np.testing.assert_allclose(curve_weights(np.ones(4, np.float32), [(0, 1), (1, 0)]), 0.5)
    for bad in ([(0, 1)], [(0, 1), (0.5, 1)], [(0, 1), (1, 2)], [(0, 1), (0.5, 1), (0.5, 0), (1, 0)]):
        with pytest.raises(QueryError, match="curve"):
            curve_weights(loss, bad)


def test_balance_by_temperature() -> None:
    labels = np.array([0] * 8 + [1] * 2 + [-1], np.int32)
    even, as_is = class_weights(labels, 0.0), class_weights(labels, 1.0)
    assert even[:8].sum() == pytest.approx(even[8:10].sum())
    assert as_is[:10].tolist() == [1.0] * 10
    assert even[10] == 0
    half = class_weights(labels, 0.5)
    assert half[:8].sum() / half[8:10].sum() == pytest.approx(2)


def test_easy_samples_come_first_and_all_come_in_time() -> None:
    hard = np.linspace(0, 1, 200).astype(np.float32)
    hard[7] = np.nan
    stage = easy_to_uniform(hard, epochs=10, start=0.3)
    order = np.argsort(np.nan_to_num(hard, nan=9))
    assert (np.diff(stage[order]) >= 0).all()
    assert (stage == 0).sum() == pytest.approx(60, abs=1)
    assert stage.max() == 5
    assert easy_to_uniform(hard, epochs=1).max() == 0


def test_the_baseline_has_the_same_weights_class_by_class() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90).astype(np.int32)
    rows = np.arange(0, 90, 2)
    made = curriculum(
        rows,
        labels,
        loss=rng.random(90).astype(np.float32),
        points=[(0, 1), (1, 0)],
        hardness=rng.random(90).astype(np.float32),
        start=0.3,
        sure=np.arange(90) < 10,
    )
    assert made.weight[:5].tolist() == [1.0] * 5
    assert (made.shuffled != np.arange(45)).mean() > 0.7
    for c in range(3):
        mine = labels[rows] == c
        assert sorted(made.weight[made.shuffled][mine]) == sorted(made.weight[mine])
        assert sorted(made.stage[made.shuffled][mine]) == sorted(made.stage[mine])


def test_tuning_chooses_a_larger_penalty_on_noisy_labels() -> None:
    x, _, wrong = blobs(300, noise=0.3)
    wide = np.concatenate([x, np.random.default_rng(2).normal(size=(300, 120)).astype(np.float32)], axis=1)
    assert fit_tuned(wide, wrong, 3, seed=0).penalty > fit_tuned(x * 5, blobs(300)[1], 3, seed=0).penalty
