"""What every subset method must keep: a new one is tested on arrival."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from winnow.core.errors import QueryError
from winnow.core.features.neighbors import build
from winnow.core.subsets.constraints import Constraints, budget_of, choose
from winnow.core.subsets.methods import SELECTORS, SelectionInputs, Selector

N, D, C = 240, 12, 4


def world(n: int = N, seed: int = 0) -> SelectionInputs:
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.choice(C, n, p=[0.5, 0.3, 0.15, 0.05])).astype(np.int32)
    z = rng.normal(size=(C, D))[labels] + rng.normal(size=(n, D))
    z = (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)
    pool = rng.random(n) < 0.9
    return SelectionInputs(
        pool=pool,
        labels=labels,
        n_classes=C,
        vectors=z,
        neighbors=build(z, np.ones(n, bool), 12),
        quality=rng.random(n).astype(np.float32),
        hardness=rng.random(n).astype(np.float32),
        flagged=rng.random(n) < 0.1,
        clusters=rng.integers(-1, 6, n).astype(np.int32),
        groups=rng.integers(0, 3, n).astype(np.int32),
        target=rng.random(n) < 0.1,
    )


@pytest.fixture(scope="module")
def inputs() -> SelectionInputs:
    return world()


@pytest.fixture(params=SELECTORS.names())
def selector(request: pytest.FixtureRequest) -> Selector:
    return SELECTORS.get(request.param)


NONE = np.zeros(0, np.int64)


@pytest.mark.parametrize("budget", [0, 1, 60, 10_000])
def test_distinct_rows_of_the_pool_within_the_budget(selector: Selector, inputs: SelectionInputs, budget: int) -> None:
    rows = selector(inputs, budget, NONE).rows
    assert rows.dtype == np.int64
    assert len(rows) <= budget
    assert len(set(rows.tolist())) == len(rows)
    assert inputs.pool[rows].all()
    if not selector.sizes_itself:
        assert len(rows) == min(budget, int(inputs.pool.sum()))


def test_what_is_taken_is_not_chosen_again(selector: Selector, inputs: SelectionInputs) -> None:
    taken = np.flatnonzero(inputs.pool)[::9]
    rows = selector(inputs, 50, taken).rows
    assert not set(rows.tolist()) & set(taken.tolist())
    if not selector.sizes_itself:
        assert len(rows) == 50


def test_the_same_seed_chooses_the_same(selector: Selector, inputs: SelectionInputs) -> None:
    before = {k: v.copy() for k, v in vars(inputs).items() if isinstance(v, np.ndarray)}
    one, two = (selector(inputs, 40, NONE).rows for _ in range(2))
    np.testing.assert_array_equal(one, two)
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(inputs, name), array, err_msg=f"{name} was changed")


@pytest.mark.parametrize("n", [1, 5])
def test_tiny_datasets(selector: Selector, n: int) -> None:
    small = replace(world(max(n, 14)), pool=np.arange(max(n, 14)) < n, target=np.ones(max(n, 14), bool))
    rows = selector(small, 3, NONE).rows
    assert set(rows.tolist()) <= set(range(n))


def test_identical_rows_without_labels(selector: Selector, inputs: SelectionInputs) -> None:
    z = np.tile(np.eye(1, D, dtype=np.float32), (60, 1))
    same = replace(
        world(60),
        vectors=z,
        neighbors=build(z, np.ones(60, bool), 5),
        pool=np.ones(60, bool),
        labels=np.full(60, -1, np.int32),
        hardness=np.full(60, np.nan, np.float32),
        quality=np.full(60, np.nan, np.float32),
    )
    rows = selector(same, 20, NONE).rows
    assert len(set(rows.tolist())) == len(rows)
    assert len(rows) == 20 or selector.sizes_itself


def test_exactly_the_declared_sliders_have_an_effect(selector: Selector, inputs: SelectionInputs) -> None:
    for name in ("quality", "diversity"):
        field = {"quality": "quality_weight", "diversity": "diversity"}[name]
        low, high = (set(selector(replace(inputs, **{field: v}), 40, NONE).rows.tolist()) for v in (0.0, 1.0))
        assert (low != high) == (name in selector.uses), name


def test_quality_raises_the_trust_of_what_is_chosen(selector: Selector, inputs: SelectionInputs) -> None:
    if "quality" not in selector.uses:
        pytest.skip("it does not use the quality slider")
    assert inputs.quality is not None
    low, high = (inputs.quality[selector(replace(inputs, quality_weight=v), 60, NONE).rows].mean() for v in (0.0, 1.0))
    assert high > low + 0.02


def test_the_docstring_has_the_formula_and_its_references(selector: Selector) -> None:
    text = type(selector).__doc__ or ""
    assert "Formula:" in text
    assert "References\n" in text
    assert selector.title
    assert selector.explain.endswith(".")
    assert selector.version >= 1


# --- the constraints that all share -------------------------------------------------------------------------------


def test_constraints_hold_for_every_method(selector: Selector, inputs: SelectionInputs) -> None:
    guarded = np.zeros(N, bool)
    guarded[np.flatnonzero(inputs.pool)[[3, 50, 120]]] = True
    keeper = np.full(N, -1, np.int32)
    keeper[[10, 11, 12]] = 13
    pool = inputs.pool.copy()
    pool[[10, 11, 12, 13]] = True
    whole = replace(inputs, pool=pool)
    rules = Constraints(per_class=3, guarded=guarded, keeper=keeper)
    found = choose(selector.name, whole, "60", rules)
    assert set(np.flatnonzero(guarded)) <= set(found.rows.tolist())
    assert not {10, 11, 12} & set(found.rows.tolist())
    assert np.bincount(inputs.labels[found.rows], minlength=C).min() >= 3
    assert len(found.rows) <= 60
    assert len(set(found.rows.tolist())) == len(found.rows)


def test_groups_keep_their_share(selector: Selector, inputs: SelectionInputs) -> None:
    found = choose(selector.name, inputs, "40%", Constraints(keep_groups=True))
    assert inputs.groups is not None
    before = np.bincount(inputs.groups[inputs.pool], minlength=3) / inputs.pool.sum()
    if selector.sizes_itself and len(found.rows) < 0.39 * found.pool:
        pytest.skip("it stopped by itself before its budget")
    after = np.bincount(inputs.groups[found.rows], minlength=3) / len(found.rows)
    np.testing.assert_allclose(after, before, atol=0.012)


def test_a_duplicate_group_whose_keeper_is_gone_keeps_one(inputs: SelectionInputs) -> None:
    keeper = np.full(N, -1, np.int32)
    keeper[[20, 21]] = 22
    pool = np.zeros(N, bool)
    pool[[20, 21, 30]] = True
    found = choose("random", replace(inputs, pool=pool), "100%", Constraints(keeper=keeper))
    assert sorted(found.rows.tolist()) == [20, 30]


def test_more_guarded_samples_than_the_budget_give_a_notice(inputs: SelectionInputs) -> None:
    found = choose("k_center", inputs, "5", Constraints(guarded=np.ones(N, bool)))
    assert len(found.rows) == 5
    assert "guarded" in found.notices[0]


@pytest.mark.parametrize(("text", "n"), [("30%", 60), (" 500 ", 200), ("1", 1), ("auto", 200), (25, 25)])
def test_budgets(text: str | int, n: int) -> None:
    assert budget_of(text, 200) == n


@pytest.mark.parametrize("text", ["", "0", "-3", "101%", "0%", "lots", "1e9%", "nan%"])
def test_an_invalid_budget_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="is no budget"):
        budget_of(text, 200)


def test_a_missing_input_is_named(inputs: SelectionInputs) -> None:
    with pytest.raises(QueryError, match="needs embeddings"):
        choose("k_center", replace(inputs, vectors=None), "10")
    with pytest.raises(QueryError, match=r"There are: .*random"):
        choose("best", inputs, "10")
    with pytest.raises(QueryError, match="does not size itself"):
        choose("random", inputs, "auto")
