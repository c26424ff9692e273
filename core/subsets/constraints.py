"""Any method under the constraints that all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import QueryError
from ..types import Bool, Float32, Int32, Int64
from .methods.base import SELECTORS, SelectionInputs, Selector, shares


@dataclass(frozen=True)
class Constraints:
    """What every subset must hold to.

    Attributes
    ----------
    per_class
        At least so many of each class, where the pool has them.
    keep_groups
        Groups (classes where there are no groups) keep their share of the pool.
    guarded
        (n,) bool, never left out.
    keeper
        (n,) int32 row that stands for a duplicate, −1 = none; all but one of each duplicate group are left out.
    """

    per_class: int = 0
    keep_groups: bool = False
    guarded: Bool | None = None
    keeper: Int32 | None = None


@dataclass(frozen=True)
class ConstrainedResult:
    """rows : (m,) int64, distinct; those that a constraint demanded come first. weights : (m,) float32 or None. forced : how many
    a constraint demanded. pool : how many there were to choose from. notices : sentences for the person.
    """

    rows: Int64
    weights: Float32 | None = None
    forced: int = 0
    pool: int = 0
    notices: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


def budget_of(text: str | int | float, pool: int) -> int:
    """A number of samples from ``"500"``, ``"30%"`` or a number; "auto" = the whole pool, which methods that size themselves
    take as their own choice. Raises QueryError for anything else.
    """
    said = str(text).strip().lower()
    try:
        if said == "auto":
            return pool
        if said.endswith("%"):
            share = float(said[:-1])
            if 0 < share <= 100:
                return max(1, round(pool * share / 100)) if pool else 0
        elif (number := int(said)) > 0:
            return min(number, pool)
    except ValueError:
        pass
    raise QueryError(
        f"{text!r} is no budget. Give a number of samples (500), a share of what there is to choose from (30%), or auto for "
        "methods that size themselves."
    )


def narrowed(inputs: SelectionInputs, constraints: Constraints) -> SelectionInputs:
    """The inputs with all but one of each duplicate group out of the pool.

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
    """Choose a subset of at most ``budget`` rows.

    Guarded samples and the ``per_class`` most trusted of each class come first; the method fills the rest, within each group
    where groups shall keep their share. Where guarded samples alone exceed the budget, the most trusted of them are taken.

    Raises
    ------
    QueryError
        An unknown method, a budget that is none, or inputs that the method needs and that are not there.
    """
    if method not in SELECTORS:
        raise QueryError(f"No subset method is called {method!r}. There are: {', '.join(SELECTORS.names())}.")
    selector = SELECTORS.get(method)
    rules = constraints or Constraints()
    inputs = narrowed(inputs, rules)
    if missing := [str(need) for need in selector.requires if not inputs.has(need)]:
        raise QueryError(f"{selector.title} needs {' and '.join(sorted(missing))}. Choose another method, e.g. random.")
    pool = int(inputs.pool.sum())
    size = budget_of(budget, pool)
    notices: list[str] = []
    if str(budget).strip().lower() == "auto" and not selector.sizes_itself:
        raise QueryError(f"{selector.title} does not size itself: give a budget, e.g. 30%.")
    forced, said = _forced(inputs, rules, size)
    notices += said
    if rules.keep_groups:
        picked, info = _by_group(selector, inputs, size, forced)
        weights = None
    else:
        found = selector(inputs, max(size - len(forced), 0), forced)
        picked, info, weights = found.rows, dict(found.info), found.weights
    if len(forced) + len(picked) < size and not selector.sizes_itself:
        notices.append(f"{len(forced) + len(picked):,} samples fit the method and the constraints, not {size:,}.")
    if weights is not None:
        weights = np.concatenate([np.ones(len(forced), np.float32), weights])
    return ConstrainedResult(np.concatenate([forced, picked]), weights, len(forced), pool, tuple(notices), info)


def _forced(inputs: SelectionInputs, rules: Constraints, size: int) -> tuple[Int64, list[str]]:
    """Rows that must be in, the guarded first, and what to say where not all of them fit."""
    quality = np.ones(inputs.n) if inputs.quality is None else np.nan_to_num(inputs.quality, nan=0.5)
    noise = np.random.default_rng([inputs.seed, 7]).random(inputs.n)
    order = np.lexsort((noise, -quality))
    said: list[str] = []
    guarded = order[rules.guarded[order] & inputs.pool[order]] if rules.guarded is not None else order[:0]
    if len(guarded) > size:
        said.append(
            f"{len(guarded):,} rare samples are guarded, more than {size:,}: the most trusted of them were kept."
        )
        guarded = guarded[:size]
    need: list[np.ndarray] = [guarded]
    left = size - len(guarded)
    if rules.per_class > 0:
        inside = np.zeros(inputs.n, bool)
        inside[guarded] = True
        have = np.bincount(inputs.labels[guarded][inputs.labels[guarded] >= 0], minlength=inputs.n_classes)
        free = order[inputs.pool[order] & ~inside[order] & (inputs.labels[order] >= 0)]
        short = 0
        for c in range(inputs.n_classes):
            mine = free[inputs.labels[free] == c][: max(rules.per_class - int(have[c]), 0)]
            short += max(len(mine) - left, 0)
            need.append(mine[:left])
            left -= len(need[-1])
        if short:
            said.append(f"The budget is too small for {rules.per_class} of each class: {short:,} are missing.")
    return np.concatenate(need).astype(np.int64), said


def _by_group(selector: Selector, inputs: SelectionInputs, size: int, forced: Int64) -> tuple[Int64, dict[str, Any]]:
    """The method within each group, each group with its share of the budget; what is forced counts towards it."""
    kind = (inputs.groups if inputs.groups is not None else inputs.labels) + 1
    groups = int(kind.max(initial=0)) + 1
    there = np.bincount(kind[inputs.pool], minlength=groups).astype(np.int64)
    have = np.bincount(kind[forced], minlength=groups).astype(np.int64)
    wanted = shares(size, there.astype(np.float64), there)
    quota = shares(size - len(forced), np.maximum(wanted - have, 0) + 1e-9 * there, there - have)
    picked: list[np.ndarray] = []
    info: dict[str, Any] = {"groups": int((there > 0).sum())}
    inside = np.zeros(inputs.n, bool)
    inside[forced] = True
    for g in np.flatnonzero(quota > 0):
        # the target set is kept in view: it need not be of the group
        mine = (kind == g) | (inputs.target if inputs.target is not None else False)
        rows = np.flatnonzero(mine)
        part = inputs.within(rows)
        part = replace(part, pool=part.pool & (kind[rows] == g))
        found = selector(part, int(quota[g]), np.flatnonzero(inside[rows] & (kind[rows] == g)))
        picked.append(rows[found.rows])
    rows = np.concatenate(picked) if picked else np.zeros(0, np.int64)
    # in turns, so that any beginning of the order keeps the shares too
    turn = np.concatenate([(np.arange(len(p)) + 0.5) / len(p) for p in picked]) if picked else np.zeros(0)
    return rows[np.argsort(turn, kind="stable")], info
