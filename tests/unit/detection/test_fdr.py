"""Lists at a stated false-flag rate, judged on generated samples whose truth is known."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from winnow.core import Workspace
from winnow.core.cli import app
from winnow.core.detection.fdr import benjamini_hochberg, conformal_p, flag_list, flagged_rows, thresholds
from winnow.core.errors import QueryError, WinnowError

RATES = (0.01, 0.05, 0.1, 0.2)
SEEDS = range(60)
TOLERANCE = 0.01
"""Slack on a mean over the seeds: about two of its standard errors at the largest rate."""


def _world(seed: int, share: float, n: int = 3000):
    """Truth, calibrated probability (Bayes' rule on two Gaussians, 3 apart)."""
    rng = np.random.default_rng(seed)
    bad = rng.random(n) < share
    x = rng.normal(size=n) + 3.0 * bad
    if share == 0.0:
        return bad, np.clip(1.0 / (1.0 + np.exp(-(3.0 * x - 4.5 - np.log(99.0)))), 0, 1)
    return bad, 1.0 / (1.0 + np.exp(-(3.0 * x - 4.5 + np.log(share / (1 - share)))))


def _known(seed: int, bad, m: int):
    null = np.zeros(len(bad), bool)
    null[np.random.default_rng(seed + 1000).choice(np.flatnonzero(~bad), m, replace=False)] = True
    return null


def _false_share(flagged, bad) -> float:
    return float((~bad[flagged.rows]).mean()) if len(flagged.rows) else 0.0


@pytest.mark.parametrize("rate", RATES)
def test_conformal_keeps_the_rate_with_signal(rate):
    shares, recalls = [], []
    for seed in SEEDS:
        bad, p = _world(seed, 0.1)
        flagged = flagged_rows(p, rate, _known(seed, bad, 1000))
        assert flagged.method == "conformal"
        shares.append(_false_share(flagged, bad))
        recalls.append(bad[flagged.rows].sum() / bad.sum())
    assert np.mean(shares) <= rate + TOLERANCE
    if rate >= 0.05:
        assert np.mean(recalls) > 0.4


@pytest.mark.parametrize("rate", RATES)
def test_conformal_rarely_lists_anything_where_there_are_no_issues(rate):
    """Without issues every flag is false: the rate is how often a list is not empty."""
    listed = []
    for seed in SEEDS:
        bad, p = _world(seed, 0.0)
        listed.append(len(flagged_rows(p, rate, _known(seed, bad, 1000)).rows) > 0)
    assert np.mean(listed) <= rate + 2 * np.sqrt(rate * (1 - rate) / len(SEEDS))


@pytest.mark.parametrize("rate", RATES)
def test_posterior_keeps_the_rate_of_a_calibrated_probability(rate):
    shares, recalls = [], []
    for seed in SEEDS:
        bad, p = _world(seed, 0.1)
        flagged = flagged_rows(p, rate)
        assert flagged.method == "posterior"
        assert flagged.expected_false <= rate * len(flagged.rows) + 1e-9
        shares.append(_false_share(flagged, bad))
        recalls.append(bad[flagged.rows].sum() / bad.sum())
    assert rate - TOLERANCE <= np.mean(shares) <= rate + TOLERANCE
    assert np.mean(recalls) > 0.3


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
def test_conformal_holds_where_an_overconfident_probability_misleads_the_posterior(rate):
    by_posterior, by_conformal = [], []
    for seed in SEEDS:
        bad, p = _world(seed, 0.1)
        sure = p**0.25
        by_posterior.append(_false_share(flagged_rows(sure, rate), bad))
        by_conformal.append(_false_share(flagged_rows(sure, rate, _known(seed, bad, 1000)), bad))
    assert np.mean(by_posterior) > 1.5 * rate
    assert np.mean(by_conformal) <= rate + TOLERANCE


@pytest.mark.parametrize("rate", RATES)
def test_posterior_lists_almost_nothing_where_issues_are_rare(rate):
    """One sample in ten thousand: whatever is listed, over all seeds, is false no more often than was asked for."""
    false = listed = 0
    for seed in SEEDS:
        bad, p = _world(seed, 1e-4)
        rows = flagged_rows(p, rate).rows
        false, listed = false + (~bad[rows]).sum(), listed + len(rows)
    assert listed <= 30
    assert false <= rate * listed + 3 * np.sqrt(rate * (1 - rate) * max(listed, 1))


def test_a_null_picked_by_its_score_breaks_the_rate():
    """Why the product picks no null from its own scores: what looks ordinary is not like what is ordinary."""
    picked, drawn = [], []
    for seed in SEEDS:
        bad, p = _world(seed, 0.1)
        picked.append(_false_share(flagged_rows(p, 0.1, p < np.median(p)), bad))
        drawn.append(_false_share(flagged_rows(p, 0.1, _known(seed, bad, 1000)), bad))
    assert np.mean(picked) > 0.5
    assert np.mean(drawn) <= 0.1 + TOLERANCE


def test_conformal_depends_on_the_order_of_the_scores_alone():
    bad, p = _world(0, 0.1)
    null = _known(0, bad, 1000)
    assert flagged_rows(p, 0.1, null).rows.tolist() == flagged_rows(p**3, 0.1, null).rows.tolist()


def test_a_larger_rate_never_lists_less_and_the_known_are_never_listed():
    bad, p = _world(1, 0.1)
    null = _known(1, bad, 500)
    for known in (None, null):
        lists = [set(flagged_rows(p, rate, known).rows) for rate in RATES]
        assert all(a <= b for a, b in pairwise(lists))
    assert not null[flagged_rows(p, 0.2, null).rows].any()


def test_p_values_by_hand():
    assert conformal_p([0.9, 0.5, 0.0], [0.1, 0.5, 0.7]).tolist() == [0.25, 0.75, 1.0]
    assert conformal_p([0.9], []).tolist() == [1.0]
    assert conformal_p([], [0.1]).tolist() == []


def test_benjamini_hochberg_by_hand():
    """The worked example of their paper (1995, section 3.2): four of fifteen at .05."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    assert benjamini_hochberg(p, 0.05).tolist() == [True] * 4 + [False] * 11
    assert benjamini_hochberg([0.04, 0.04], 0.05).all()  # a step up: the second carries the first
    assert benjamini_hochberg([], 0.05).tolist() == []


def test_the_posterior_list_by_hand():
    flagged = flagged_rows([0.5, 0.99, 0.9, 0.0, 0.9], 0.1)
    assert flagged.rows.tolist() == [1, 2, 4]
    assert flagged.threshold == 0.9
    assert flagged.expected_false == pytest.approx(0.21)
    assert flagged.estimated_precision == pytest.approx(0.93)


def test_equal_probabilities_are_listed_together_or_not_at_all():
    assert flagged_rows([0.99, 0.9, 0.9, 0.9], 0.05).rows.tolist() == [0]  # one .9 would fit, three do not
    null = np.array([True] * 40 + [False] * 4)
    p = np.array([0.1] * 39 + [0.5] + [0.9, 0.9, 0.5, 0.5])
    flagged = flagged_rows(p, 0.1, null)
    assert flagged.rows.tolist() == [40, 41, 42, 43]
    assert flagged.expected_false == pytest.approx(4 * 2 / 41)
    assert len(flagged_rows(np.full(50, 0.7), 0.2, np.arange(50) < 25).rows) == 0


@pytest.mark.parametrize("p", [[], [0.0], [0.0, 0.0, 0.0]])
def test_nothing_to_list(p):
    flagged = flagged_rows(p, 0.1)
    assert (flagged.rows.tolist(), flagged.threshold, flagged.expected_false) == ([], np.inf, 0.0)
    assert flagged.estimated_precision == 1.0


def test_one_sample():
    assert flagged_rows([1.0], 0.01).rows.tolist() == [0]
    assert flagged_rows([1.0], 0.01, [True]).rows.tolist() == []
    assert flagged_rows([], 0.01, []).rows.tolist() == []


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_outside_zero_and_one_is_refused(rate):
    with pytest.raises(QueryError, match="above 0 and below 1"):
        flagged_rows([0.5], rate)


def test_malformed_probabilities_and_nulls_are_refused():
    for bad in ([np.nan], [1.5], [-0.1], [[0.5]]):
        with pytest.raises(QueryError, match="in \\[0, 1\\]"):
            flagged_rows(bad, 0.1)
    with pytest.raises(QueryError, match="one entry"):
        flagged_rows([0.5, 0.6], 0.1, [True])
    with pytest.raises(QueryError, match="empty"):
        flagged_rows([0.5, 0.6], 0.1, [False, False])


def test_a_workspace_lists_its_flags(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws) as ws:
        scores = ws.scores().set_index("id")
        flagged = ws.flag_list("noisy_label", 0.2)
        p = scores.noisy_label
        assert flagged.ids
        assert flagged.ids == p[p >= flagged.threshold].sort_values(ascending=False, kind="stable").index.tolist()
        assert (1 - p[flagged.ids]).mean() <= 0.2
        assert (flagged.method, flagged.tested) == ("posterior", 183)
        known = p.sort_values().index[:150].tolist()
        by_order = ws.flag_list("noisy_label", 0.2, ordinary=known)
        assert (by_order.method, by_order.tested) == ("conformal", 33)
        assert by_order.ids
        assert not set(by_order.ids) & set(known)
        with pytest.raises(QueryError, match=r"'typo' is not a kind of problem\. There are: .*noisy_label"):
            ws.flag_list("typo", 0.1)
        with pytest.raises(QueryError, match="No sample is called 'nobody'"):
            ws.flag_list("ood", 0.1, ordinary=["nobody"])


def test_the_command_lists_flags(tiny_ws: Path, tmp_path: Path) -> None:
    with Workspace.open(tiny_ws) as ws:
        flagged = ws.flag_list("noisy_label", 0.2)
        known = ws.scores().sort_values("noisy_label").id.iloc[:150]
    base = ["flags", str(tiny_ws), "--kind", "noisy_label", "--rate", "0.2"]
    assert CliRunner().invoke(app, base).stdout.splitlines() == flagged.ids
    printed = json.loads(CliRunner().invoke(app, [*base, "--json"]).stdout)
    assert printed == asdict(flagged)
    (tmp_path / "known.txt").write_text("\n".join(known) + "\n")
    printed = json.loads(CliRunner().invoke(app, [*base, "--ordinary", str(tmp_path / "known.txt"), "--json"]).stdout)
    assert printed["method"] == "conformal"
    nothing = json.loads(CliRunner().invoke(app, [*base[:-1], "0.0000001", "--json"]).stdout)
    assert nothing["ids"] == []
    assert nothing["threshold"] is None
    with pytest.raises(WinnowError, match="cannot be read as a list of ids"):
        CliRunner().invoke(app, [*base, "--ordinary", str(tmp_path / "none.txt")], catch_exceptions=False)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_thresholds_of_many_rates_are_those_of_their_lists(share: float) -> None:
    for p in (_world(3, share)[1], np.round(_world(4, share)[1], 2), np.zeros(5), np.ones(5), np.zeros(0)):
        assert thresholds(p, RATES) == {rate: flagged_rows(p, rate).threshold for rate in RATES}
    with pytest.raises(QueryError, match="rate"):
        thresholds(np.ones(3), [0.1, 1.0])


def test_what_is_worth_a_look_is_next_in_rank_with_its_expected_precision() -> None:
    p = np.r_[np.full(10, 0.9), np.linspace(0.3, 0.1, 80), np.full(500, 0.01)].astype(np.float32)
    ids = np.array([f"s{i}" for i in range(len(p))], object)
    listed = flag_list("ood", 0.15, p, ids, flag=p >= 0.5)
    assert listed.ids == ids[:10].tolist()
    assert listed.worth_a_look == ids[10:60].tolist()
    assert listed.worth_a_look_precision == pytest.approx(float(p[10:60].mean()))
    empty = flag_list("ood", 0.2, np.full(100, 0.01, np.float32), ids[:100])
    assert empty.worth_a_look == []
    assert flag_list("naive", 0.2, p, ids).worth_a_look == []
    many = flag_list("noisy_label", 0.2, np.r_[np.full(70, 0.9), p].astype(np.float32), np.r_[ids, ids[:70]])
    assert len(many.worth_a_look) > 50
