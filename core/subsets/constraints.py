"""Running any method under the constraints that all methods share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import QueryError, plural
from ..types import Bool, Float32, Int32, Int64
from .methods.base import SELECTORS, SelectionInputs, Selector, missing_inputs, shares


@dataclass(frozen=True)
class Constraints:
    """Constraints on a subset.

    Attributes
    ----------
    per_class
        Least number of samples of each class, as far as the pool has them.
    keep_groups
        Whether groups (classes where there are no groups) keep their share of the pool.
    guarded
        (n,) bool, always selected.
    keeper
        (n,) int32 row that is kept in place of a duplicate, −1 = none; all but one of each duplicate group are left
        out.
    """

    per_class: int = 0
    keep_groups: bool = False
    guarded: Bool | None = None
    keeper: Int32 | None = None


@dataclass(frozen=True)
class ConstrainedResult:
    """A subset that satisfies the constraints.

    Attributes
    ----------
    rows
        (m,) int64, distinct; those that a constraint demanded come first.
    weights
        (m,) float32 ≥ 0, None = all the same.
    forced
        Number of rows that a constraint demanded.
    pool
        Number of samples to select from.
    notices
        Sentences for the person.
    info
        Plain values that the method reports.
    """

    rows: Int64
    weights: Float32 | None = None
    forced: int = 0
    pool: int = 0
    notices: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


def budget_of(text: str | int | float, pool: int) -> int:
    """Parse a budget into a number of samples, at most ``pool``.

    Parameters
    ----------
    text
        A number, ``"500"``, ``"30%"``, or ``"auto"`` = the whole pool, at which methods that size themselves stop by
        their own rule.
    pool
        Number of samples to select from.

    Raises
    ------
    QueryError
        Anything else.
    """
    budget = str(text).strip().lower()
    try:
        if budget == "auto":
            return pool
        if budget.endswith("%"):
            share = float(budget[:-1])
            if 0 < share <= 100:
                return max(1, round(pool * share / 100)) if pool else 0
        elif (number := int(budget)) > 0:
            return min(number, pool)
    except ValueError:
        pass
    raise QueryError(
        f"{text!r} is no budget. Give a number of samples (500), a share of what there is to choose from (30%), or "
        "auto for methods that size themselves."
    )


def narrowed(inputs: SelectionInputs, constraints: Constraints) -> SelectionInputs:
    """Inputs whose pool has one sample of each duplicate group.

    The keeper stays; where it is not in the pool itself, the first of its group that is.
    """
    if constraints.keeper is None:
        return inputs
    keeper = constraints.keeper
    pool = inputs.pool.copy()
    copies = np.flatnonzero((keeper >= 0) & pool)
    root = keeper[copies]
    pool[copies] = False
    orphan = ~inputs.pool[root]
    _, first = np.unique(root[orphan], return_index=True)
    pool[copies[orphan][first]] = True
    return replace(inputs, pool=pool)


def choose(
    method: str, inputs: SelectionInputs, budget: str | int, constraints: Constraints | None = None
) -> ConstrainedResult:
    """Select a subset of at most ``budget`` rows.

    Guarded samples and the ``per_class`` most trusted of each class come first; the method fills the rest, within each
    group where groups keep their share. Where guarded samples alone exceed the budget, the most trusted are taken.

    Parameters
    ----------
    method
        Name of a registered method.
    inputs
        What the method sees.
    budget
        See :func:`budget_of`.
    constraints
        None = none.

    Raises
    ------
    QueryError
        An unknown method, an invalid budget, or an input that the method needs is missing.
    """
    if method not in SELECTORS:
        raise QueryError(f"No subset method is called {method!r}. There are: {', '.join(SELECTORS.names())}.")
    selector = SELECTORS.get(method)
    rules = constraints or Constraints()
    inputs = narrowed(inputs, rules)
    if missing := missing_inputs(selector, inputs):
        raise QueryError(f"{selector.title} needs {' and '.join(missing)}. Choose another method, e.g. random.")
    pool = int(inputs.pool.sum())
    size = budget_of(budget, pool)
    if str(budget).strip().lower() == "auto" and not selector.sizes_itself:
        raise QueryError(f"{selector.title} does not size itself: give a budget, e.g. 30%.")
    forced, notices = _forced(inputs, rules, size)
    if rules.keep_groups:
        picked, info = _by_group(selector, inputs, size, forced)
        weights = None
    else:
        result = selector(inputs, max(size - len(forced), 0), forced)
        picked, info, weights = result.rows, dict(result.info), result.weights
    if len(forced) + len(picked) < size and not selector.sizes_itself:
        notices.append(
            f"The method and the constraints allow {plural(len(forced) + len(picked), 'sample')}, not {size:,}."
        )
    if weights is not None:
        weights = np.concatenate([np.ones(len(forced), np.float32), weights])
    return ConstrainedResult(np.concatenate([forced, picked]), weights, len(forced), pool, tuple(notices), info)


def _forced(inputs: SelectionInputs, rules: Constraints, size: int) -> tuple[Int64, list[str]]:
    """Rows that constraints demand, the guarded first, and notices where not all of them fit."""
    noise = np.random.default_rng([inputs.seed, 7]).random(inputs.n)
    order = np.lexsort((noise, -inputs.known_quality()))
    notices: list[str] = []
    guarded = order[rules.guarded[order] & inputs.pool[order]] if rules.guarded is not None else order[:0]
    if len(guarded) > size:
        notices.append(
            f"{plural(len(guarded), 'guarded rare sample')}, more than {size:,}: the most trusted of them were kept."
        )
        guarded = guarded[:size]
    parts: list[np.ndarray] = [guarded]
    left = size - len(guarded)
    if rules.per_class > 0:
        inside = np.zeros(inputs.n, bool)
        inside[guarded] = True
        have = np.bincount(inputs.labels[guarded][inputs.labels[guarded] >= 0], minlength=inputs.n_classes)
        free = order[inputs.pool[order] & ~inside[order] & (inputs.labels[order] >= 0)]
        short = 0
        for c in range(inputs.n_classes):
            wanted = free[inputs.labels[free] == c][: max(rules.per_class - int(have[c]), 0)]
            short += max(len(wanted) - left, 0)
            parts.append(wanted[:left])
            left -= len(parts[-1])
        if short:
            notices.append(f"The budget is too small for {rules.per_class} of each class: {short:,} are missing.")
    return np.concatenate(parts).astype(np.int64), notices


def _by_group(selector: Selector, inputs: SelectionInputs, size: int, forced: Int64) -> tuple[Int64, dict[str, Any]]:
    """Run the method within each group with the group's share of the budget; forced rows count towards it."""
    group = (inputs.groups if inputs.groups is not None else inputs.labels) + 1
    groups = int(group.max(initial=0)) + 1
    sizes = np.bincount(group[inputs.pool], minlength=groups).astype(np.int64)
    have = np.bincount(group[forced], minlength=groups).astype(np.int64)
    wanted = shares(size, sizes.astype(np.float64), sizes)
    quota = shares(size - len(forced), np.maximum(wanted - have, 0) + 1e-9 * sizes, sizes - have)
    picked: list[np.ndarray] = []
    info: dict[str, Any] = {"groups": int((sizes > 0).sum())}
    inside = np.zeros(inputs.n, bool)
    inside[forced] = True
    for g in np.flatnonzero(quota > 0):
        # the method also sees the target set, which may lie outside of the group
        rows = np.flatnonzero((group == g) | (inputs.target if inputs.target is not None else False))
        part = inputs.within(rows)
        part = replace(part, pool=part.pool & (group[rows] == g))
        result = selector(part, int(quota[g]), np.flatnonzero(inside[rows] & (group[rows] == g)))
        picked.append(rows[result.rows])
    rows = np.concatenate(picked) if picked else np.zeros(0, np.int64)
    # interleaved, so that every prefix of the order keeps the shares too
    turn = np.concatenate([(np.arange(len(p)) + 0.5) / len(p) for p in picked]) if picked else np.zeros(0)
    return rows[np.argsort(turn, kind="stable")], info
