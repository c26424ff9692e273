"""Outliers: the views and their combination, on worlds whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.helpers.factories import half_whiten
from winnow.core.detection.evidence.ood import ood
from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.signals._ood import inverse_robust_scale, robust_scale, sorted_by_content, trusted
from winnow.core.features.neighbors import build
from winnow.core.types import Beliefs, Kind, KindEvidence, SignalInputs, SignalResult

D = 24


def planted(
    n: int = 800, outliers: int = 0, coherent: bool = False, classes: int = 5, labelled: bool = True, seed: int = 0
) -> tuple[SignalInputs, np.ndarray]:
    """Gaussian classes, 5% wrong labels, and outliers with random labels: one tight group, or all over."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(classes, D)) * 2.0
    true = random.integers(0, classes, n)
    x = centres[true] + random.normal(size=(n, D))
    labels = np.where(random.random(n) < 0.05, random.integers(0, classes, n), true)
    if outliers:
        spot = random.normal(size=(1, D)) * 2.0
        far = spot + random.normal(size=(outliers, D)) * 0.8 if coherent else random.normal(size=(outliers, D)) * 2.5
        x = np.concatenate([x, far])
        labels = np.concatenate([labels, random.integers(0, classes, outliers)])
    is_out = np.arange(n + outliers) >= n
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    ok = np.ones(len(x), bool)
    whitened = half_whiten(x, ok)
    unit = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    logits = 8.0 * x @ unit.T
    probs = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    inputs = SignalInputs(
        n=len(x),
        ok=ok,
        labels=(labels if labelled else np.full(len(x), -1)).astype(np.int32),
        class_names=tuple(map(str, range(classes))) if labelled else (),
        vectors=x,
        whitened=whitened,
        neighbors=build(x, ok, 30),
        label_neighbors=build(whitened, ok, 30),
        beliefs=Beliefs(probs) if labelled else None,
    )
    return inputs, is_out


def signals_of(inputs: SignalInputs) -> dict[str, SignalResult]:
    evidence = {s.name: s for s in SIGNALS if s.kind is Kind.OOD}
    return {name: s(inputs) for name, s in evidence.items() if all(inputs.has(need) for need in s.requires)}


def judged(inputs: SignalInputs) -> KindEvidence:
    return ood(inputs, signals_of(inputs))


@pytest.mark.parametrize("coherent", [False, True])
def test_outliers_are_found_scattered_or_in_a_group(coherent: bool) -> None:
    inputs, is_out = planted(outliers=30, coherent=coherent)
    evidence = judged(inputs)
    assert roc_auc_score(is_out, evidence.probability) > 0.97
    assert evidence.flag[is_out].mean() >= 0.4
    assert is_out[evidence.flag].mean() >= 0.8
    reasons = evidence.reasons[evidence.flag].astype(str)
    assert all(text.startswith("Percentiles among all samples: ") for text in reasons)
    percentiles = [float(part.rsplit(" ", 1)[1]) for text in reasons for part in text.rstrip(".").split(", ")]
    assert min(percentiles) > 50, "a view below its median is no evidence"


def test_coherent_outliers_weigh_the_neighbourhood_more() -> None:
    together, apart = (judged(planted(outliers=30, coherent=c)[0]).info["coherence"] for c in (True, False))
    assert together > apart + 0.2


@pytest.mark.parametrize("classes", [2, 5, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_clean_world_has_few_outliers(classes: int, seed: int) -> None:
    inputs, _ = planted(1200, classes=classes, seed=seed)
    assert judged(inputs).flag.mean() <= 0.015


def test_samples_of_a_class_of_three_are_not_outliers_for_its_size() -> None:
    inputs, _ = planted(800)
    labels = inputs.labels.copy()
    rare = np.flatnonzero(labels == 0)[:3]
    labels[rare] = 5
    probs = np.c_[inputs.beliefs.probs, np.zeros(inputs.n, np.float32)]  # type: ignore[union-attr]
    rare_world = replace(inputs, labels=labels, class_names=(*inputs.class_names, "rare"), beliefs=Beliefs(probs))
    assert not judged(rare_world).flag[rare].any()


def test_without_labels_the_features_still_find_far_outliers() -> None:
    inputs, is_out = planted(outliers=30, labelled=False)
    evidence = judged(inputs)
    assert roc_auc_score(is_out, evidence.probability) > 0.8
    assert np.isfinite(evidence.probability).all()


def test_any_subset_of_signals_is_enough() -> None:
    inputs, is_out = planted(outliers=30)
    results = signals_of(inputs)
    for name in results:
        evidence = ood(inputs, {name: results[name]})
        assert np.isfinite(evidence.probability).all()
        assert evidence.probability.dtype == np.float32
        assert ((evidence.probability >= 0) & (evidence.probability <= 1)).all()
        np.testing.assert_array_equal(
            evidence.flag, evidence.probability >= np.float32(evidence.info.get("threshold", 2))
        )
    nothing = ood(inputs, {})
    assert not nothing.flag.any()
    assert (nothing.probability == 0).all()
    assert is_out.any()


@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_a_handful_and_one_class(n: int) -> None:
    for classes in (1, 2):
        evidence = judged(planted(n, classes=classes)[0])
        assert np.isfinite(evidence.probability).all()
        assert len(evidence.reasons) == n


def test_unreadable_samples_are_not_outliers() -> None:
    inputs, _ = planted(300)
    ok, x = inputs.ok.copy(), inputs.vectors.copy()  # type: ignore[union-attr]
    ok[:4], x[:4] = False, 0
    assert (judged(replace(inputs, ok=ok, vectors=x)).probability[:4] == 0).all()


def test_confirmed_outliers_teach_the_unknown_class() -> None:
    inputs, is_out = planted(outliers=60, coherent=True, seed=3)
    rows = np.flatnonzero(is_out)
    taught = replace(inputs, config={"confirmed_ood": rows[:10]})
    result = SIGNALS.get("ood_unknown")(taught)
    assert result.info["confirmed"]
    others = np.setdiff1d(np.arange(inputs.n), rows[:10])
    assert roc_auc_score(is_out[others], result.score[others]) > 0.97
    assert not trusted(taught)[rows[:10]].any()


def test_the_common_scale_is_one_at_the_ninth_decile_and_is_inverted() -> None:
    value = np.linspace(5, 25, 1001)
    score = robust_scale(value, np.ones(1001, bool))
    t = inverse_robust_scale(score)
    np.testing.assert_allclose(t[[500, 900]], [0, 1], atol=1e-4)
    assert (np.diff(score) > 0).all()
    np.testing.assert_allclose(t, (value - 15) / 8, atol=1e-4)
    assert np.isnan(robust_scale(value, np.zeros(1001, bool))).all()


def test_a_rank_preserving_change_of_scale_changes_nothing() -> None:
    inputs, _ = planted(200)
    a = SIGNALS.get("ood_knn")(inputs).score
    graph = inputs.neighbors
    assert graph is not None
    doubled = replace(inputs, neighbors=replace(graph, distances=graph.distances * 2))
    np.testing.assert_allclose(a, SIGNALS.get("ood_knn")(doubled).score, atol=1e-5)


def test_content_order_does_not_depend_on_the_rows() -> None:
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    shuffle = np.random.default_rng(1).permutation(20)
    np.testing.assert_array_equal(
        x[sorted_by_content(x, np.arange(20))], x[shuffle][sorted_by_content(x[shuffle], np.arange(20))]
    )
