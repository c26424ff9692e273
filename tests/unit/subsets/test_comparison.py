"""All methods beside random on one workspace, and what may be recommended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from winnow.core.cli import main
from winnow.core.errors import Cancelled
from winnow.core.subsets import selector as selector_module
from winnow.core.subsets.comparison import Comparisons, compare, comparison_fingerprint, recommendation
from winnow.core.subsets.evaluation import HoldoutGuard, epochs_of, payoff
from winnow.core.subsets.methods import SELECTORS
from winnow.core.subsets.selector import SubsetRequest
from winnow.core.types import Progress
from winnow.core.workspace import Workspace


def row(method: str, value: float, low: float) -> dict[str, object]:
    return {"method": method, "against_random": [value, low, 2 * value - low], "beats_random": low > 0}


def test_only_what_beat_random_is_recommended() -> None:
    chance = {"method": "random", "against_random": None, "beats_random": None}
    assert recommendation([chance, row("k_center", 0.09, -0.01), row("d2", 0.02, 0.01)]) == "d2"
    assert recommendation([chance, row("k_center", 0.09, 0.02), row("d2", 0.02, 0.01)]) == "k_center"
    assert recommendation([chance, row("k_center", 0.09, -0.01), row("d2", 0.0, -0.2)]) is None
    assert recommendation([chance, row("k_center", 0.09, 0.0)]) is None, "an interval that touches 0 is none above it"
    assert recommendation([chance, row("rs2", 0.09, 0.02)]) is None, "no subset"
    assert recommendation([chance]) is None


def test_every_method_is_measured_beside_random(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws, actor="ada") as ws:
        selector, request = ws.subsets, SubsetRequest(budget="20%")
        progress_seen: list[Progress] = []
        m = selector.context()
        found = compare(selector, request, m, seeds=2, actor="ada", progress=progress_seen.append)
        by = {r["method"]: r for r in found["rows"]}
        assert set(by) | set(found["left_out"]) == set(SELECTORS.names())
        assert set(found["left_out"]) == {"nearest_target", "search_target", "ot_gain"}
        assert by["random"]["against_random"] is None
        assert all(len(r["against_random"]) == 3 for name, r in by.items() if name != "random")
        assert by["k_center"]["radius"] < by["random"]["radius"]
        assert found["looks"] == len(by) == len(HoldoutGuard(tiny_ws / "selections").looks())
        assert found["level"] == pytest.approx(1 - 0.05 / len(by))
        assert found["recommended"] == recommendation(found["rows"])
        assert ("Recommended" in found["verdict"]) == (found["recommended"] is not None)
        assert [p.done for p in progress_seen] == sorted(p.done for p in progress_seen)
        assert progress_seen[-1].done == progress_seen[-1].total
        again = compare(selector, request, m, seeds=2, actor="ada")
        assert again["looks"] == found["looks"], "the same subsets are no new look"
        json.dumps(found)

        kept = Comparisons(tiny_ws / "selections")
        kept.keep(found)
        assert kept.get(comparison_fingerprint(selector, m, replace(request, method="ccs"))) == found, (
            "whatever method is shown"
        )
        assert kept.get(comparison_fingerprint(selector, m, replace(request, quality=0.9))) is None
        assert kept.latest(selector.state_fingerprint(m)) == found
        ws.decide(ws.ids()[0], "exclude")
        assert kept.latest(selector.state_fingerprint(selector.context())) is None, "it was measured on other data"


def test_the_command_line_compares_and_keeps(tiny_ws: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["compare", str(tiny_ws), "--budget", "10%", "--seeds", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    with Workspace.open(tiny_ws) as ws:
        mark = comparison_fingerprint(ws.subsets, ws.subsets.context(), SubsetRequest(budget="10%"))
    assert Comparisons(tiny_ws / "selections").get(mark) == found
    with pytest.raises(SystemExit, match="0"):
        main(["compare", str(tiny_ws), "--budget", "10%", "--seeds", "1"])
    said = capsys.readouterr().out
    assert found["verdict"] in said
    assert "beats random" in said
    assert "nearest_target was left out" in said


def test_a_target_that_does_not_judge_lets_its_methods_in(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws) as ws:
        m = ws.subsets.context(target=np.array(ws.ids())[~ws.subsets.context().held_out][:30].tolist())

        def stop(p: Progress) -> None:
            if p.message.startswith("choosing"):
                names.append(p.message)
            else:
                raise Cancelled("enough")

        names: list[str] = []
        with pytest.raises(Cancelled):
            compare(ws.subsets, SubsetRequest(), m, seeds=1, progress=stop)
        assert len(names) == len(SELECTORS.names())


def test_random_and_aimed_subsets_are_never_called_better(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws) as ws:
        selector = ws.subsets
        found = {
            n: payoff(selector, selector.choose(SubsetRequest(n, "30%")), seeds=1, curve=False)
            for n in ("random", "ot_gain")
        }
        held = np.flatnonzero(selector.context().held_out)
        aside = selector.context(
            target=[str(i) for i in np.array(ws.ids())[np.setdiff1d(np.arange(len(ws.ids())), held)[:30]]]
        )
        other = payoff(
            selector, selector.choose(SubsetRequest("ot_gain", "30%"), context=aside), aside, seeds=1, curve=False
        )
    assert "yardstick" in found["random"]["verdict"]
    assert "aimed at the very samples" in found["ot_gain"]["verdict"]
    assert not found["random"]["beats_random"]
    assert not found["ot_gain"]["beats_random"]
    assert "aimed" not in other["verdict"]
    assert other["fingerprint"] != found["ot_gain"]["fingerprint"], "another target is another subset"


def test_a_subset_is_the_same_on_any_number_of_cores(tiny_ws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def spy(*given: object) -> object:
        seen.append({lib["num_threads"] for lib in threadpool_info() if lib["user_api"] in ("blas", "openmp")})
        return real(*given)  # type: ignore[arg-type]

    real = selector_module.choose
    monkeypatch.setattr(selector_module, "choose", spy)
    with threadpool_limits(2), Workspace.open(tiny_ws) as ws:
        ws.subsets.choose(SubsetRequest("cluster_budget"))
        assert {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"} == {2}
    assert seen == [{1}]


def test_the_leading_directions_carry_the_most() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(300, 40)) * np.linspace(3, 0.1, 40)).astype(np.float16)
    basis = selector_module.leading_directions(x, 10)
    exact = np.linalg.svd(x.astype(np.float64), full_matrices=False)[1]
    np.testing.assert_allclose(basis.T @ basis, np.eye(10), atol=1e-5)
    assert ((x.astype(np.float64) @ basis) ** 2).sum() == pytest.approx((exact[:10] ** 2).sum(), rel=1e-4)


def test_each_epoch_keeps_to_the_constraints(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws) as ws:
        m = ws.subsets.context()
        epochs = epochs_of(ws.subsets, m, SubsetRequest("rs2", "30%", per_class=5))()
        assert len({tuple(sorted(e.tolist())) for e in epochs}) == len(epochs)
        assert len({len(e) for e in epochs}) == 1
        for e in epochs:
            assert not m.held_out[e].any()
            assert np.bincount(m.inputs.labels[e]).min() >= 5
        pool = set(np.flatnonzero(m.inputs.pool & ~m.held_out & (m.keeper < 0)).tolist())
        assert set(np.concatenate(epochs[:6]).tolist()) >= pool
