"""Tags too many and tags missing: found in made pictures of digits, and what the edges say."""

from __future__ import annotations

import numpy as np
import pytest
from cleanlab.internal.multilabel_scorer import MultilabelScorer
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict

from winnow.core.detection.fdr import flagged_rows
from winnow.core.detection.tags import TagEvidence, TagInputs, judge_tags, tag_reasons
from winnow.core.types import Neighbors

N = 1500
NAMES = tuple(str(d) for d in range(10))


def _pictures(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (N, 256) of up to four digits, the tags given (N, 10), and which pairs are wrong: 120 planted each way."""
    rng = np.random.default_rng(seed)
    digits = load_digits()
    pick = rng.integers(0, len(digits.data), (N, 4))
    shown = rng.random((N, 4)) < [1, 0.7, 0.5, 0.3]
    pixels = (digits.data[pick] / 16 * shown[:, :, None]).reshape(N, -1).astype(np.float32)
    truth = np.zeros((N, 10), bool)
    truth[np.repeat(np.arange(N), 4)[shown.ravel()], digits.target[pick].ravel()[shown.ravel()]] = True
    given = truth.copy()
    several = np.flatnonzero(truth.sum(1) >= 2)
    for row in rng.choice(several, 120, replace=False):
        given[row, rng.choice(np.flatnonzero(truth[row]))] = False
    for row in rng.choice(N, 120, replace=False):
        given[row, rng.choice(np.flatnonzero(~truth[row]))] = True
    return pixels, given, given != truth


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _pictures()


@pytest.fixture(scope="module")
def evidence(pictures: tuple[np.ndarray, np.ndarray, np.ndarray]) -> TagEvidence:
    pixels, given, _ = pictures
    return judge_tags(TagInputs(csr_array(given), NAMES, np.ones(N, bool), {"pixels": pixels}))


def test_finds_planted_faults_better_than_cleanlab(
    pictures: tuple[np.ndarray, np.ndarray, np.ndarray], evidence: TagEvidence
) -> None:
    pixels, given, wrong = pictures
    probs = np.column_stack(
        [
            cross_val_predict(LogisticRegression(max_iter=200), pixels, given[:, j], cv=5, method="predict_proba")[:, 1]
            for j in range(10)
        ]
    )
    theirs = 1 - MultilabelScorer().get_class_label_quality_scores(given.astype(int), probs)
    for part in (given, ~given):
        ours_ap = average_precision_score(wrong[part], evidence.wrong[part])
        assert ours_ap >= average_precision_score(wrong[part], theirs[part])
        assert ours_ap >= 0.4


def test_probabilities_mean_what_they_say(
    pictures: tuple[np.ndarray, np.ndarray, np.ndarray], evidence: TagEvidence
) -> None:
    _, given, wrong = pictures
    for part, factor in ((given, 1.5), (~given, 2.0)):
        flagged = flagged_rows(evidence.wrong[part], 0.2).rows
        assert len(flagged) >= 20
        assert (~wrong[part][flagged]).mean() <= 0.2 * factor
    assert np.array_equal(evidence.flag, evidence.wrong >= 0.5)
    expected = (given * evidence.rate_extra).sum()
    assert 60 <= expected <= 180, "about as many tags too many are expected as were planted"


def test_flags_little_where_nothing_is_wrong(pictures: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pixels, given, wrong = pictures
    clean = judge_tags(TagInputs(csr_array(given ^ wrong), NAMES, np.ones(N, bool), {"pixels": pixels}))
    assert clean.flag.sum() <= 0.1 * wrong.sum()


def test_says_why_with_numbers(pictures: tuple[np.ndarray, np.ndarray, np.ndarray], evidence: TagEvidence) -> None:
    pixels, given, wrong = pictures
    near = np.array([[(i + 1) % N, (i + 2) % N] for i in range(N)], np.int32)
    inputs = TagInputs(
        csr_array(given),
        NAMES,
        np.ones(N, bool),
        {"pixels": pixels},
        neighbors=Neighbors(near, np.zeros((N, 2), np.float32)),
    )
    row, tag = np.argwhere(given & wrong & evidence.flag)[0]
    carry = int(given[near[row], tag].sum())
    reason = tag_reasons(inputs, evidence, int(row), int(tag))
    assert f"{carry} of 2 nearest samples carry “{tag}”" in reason
    assert f"the models give it {evidence.belief[row, tag]:.2f}" in reason


def test_does_not_depend_on_what_nobody_annotated(pictures: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pixels, given, _ = pictures
    annotated = np.random.default_rng(1).random(given.shape) < 0.7
    known = given & annotated
    part = judge_tags(
        TagInputs(csr_array(known), NAMES, np.ones(N, bool), {"pixels": pixels}, annotated=csr_array(annotated | known))
    )
    assert part.wrong[~annotated & ~known].max() == 0, "a pair without an annotation is no error"
    assert np.isfinite(part.belief[~annotated]).all(), "and is believed about all the same"
    assert part.wrong[known].max() > 0.5


@pytest.mark.parametrize(
    ("given", "views"),
    [
        (np.zeros((80, 3), bool), True),
        (np.ones((80, 3), bool), True),
        (np.eye(80, 3, dtype=bool), True),
        (np.random.default_rng(0).random((80, 3)) < 0.5, False),
        (np.random.default_rng(0).random((30, 3)) < 0.5, True),
        (np.zeros((80, 0), bool), True),
    ],
    ids=["no tag at all", "every tag on every sample", "tags of one sample", "no features", "few samples", "no tags"],
)
def test_says_nothing_where_nothing_can_be_learned(given: np.ndarray, views: bool) -> None:
    x = {"x": np.random.default_rng(2).normal(size=(len(given), 4)).astype(np.float32)} if views else {}
    names = tuple(f"t{j}" for j in range(given.shape[1]))
    evidence = judge_tags(TagInputs(csr_array(given), names, np.ones(len(given), bool), x))
    assert evidence.wrong.shape == given.shape
    assert not evidence.flag.any()
    assert evidence.info["modelled"] == 0


def test_copies_do_not_vouch_for_each_other(pictures: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pixels, given, _ = pictures
    rows = np.concatenate([np.arange(500), np.arange(500)])
    inputs = TagInputs(csr_array(given[rows]), NAMES, np.ones(1000, bool), {"pixels": pixels[rows]})
    grouped = judge_tags(TagInputs(**{**vars(inputs), "groups": rows.astype(np.int64)}))
    alone = judge_tags(inputs)
    own = given[rows]
    assert grouped.belief[own].mean() < alone.belief[own].mean() - 0.01
