"""The measured payoff of a workspace's subset: which arms, on which held-out samples, and who looked how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from .. import fingerprint as fp
from ..errors import QueryError, WorkspaceError
from ..storage.artifacts import load_json, plain, save_json
from ..types import Float32, Int64, ProgressFn, quiet
from .bootstrap import Arm, Payoff, Training, curve_arms, judged_rows, measure, without_arms
from .constraints import narrowed
from .logistic import EPOCHS
from .methods import SELECTORS, Need
from .methods.random import Random
from .methods.rs2 import FreshRandom
from .selector import SelectionContext, SubsetChoice, SubsetRequest, SubsetSelector

SEEDS = 5
LEAST_JUDGED = 20
"""Fewer held-out samples than these say nothing."""


class HoldoutGuard:
    """Counts how often held-out samples were looked at to compare subsets.

    One line per subset that was measured, in ``selections/holdout.json``; measuring the same subset again is no new look.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "holdout.json"

    def looks(self) -> list[dict[str, Any]]:
        """Every look: subset (fingerprint), method, actor, at (UTC); the first is first."""
        if not self._path.exists():
            return []
        found: list[dict[str, Any]] = load_json(self._path)["looks"]
        return found

    def note(self, subset: str, method: str, actor: str) -> int:
        """Take note of a look. Returns how many different subsets were looked at, with this one."""
        self._folder.mkdir(exist_ok=True)
        with FileLock(self._folder / "holdout.lock", timeout=10):
            looks = self.looks()
            if subset not in {look["subset"] for look in looks}:
                at = datetime.now(UTC).isoformat(timespec="seconds")
                looks.append({"subset": subset, "method": method, "actor": actor, "at": at})
                save_json(self._path, {"looks": looks})
            return len(looks)


def epochs_of(chooser: SubsetSelector, m: SelectionContext, wish: SubsetRequest) -> Callable[[], list[Int64]]:
    """Called, it gives the rows of each epoch of RS2 under a wish, constraints and all; made at the first call."""

    @cache
    def made() -> list[Int64]:
        choices = (
            chooser.choose(replace(wish, options={**wish.options, "epoch": e}), material=m) for e in range(EPOCHS)
        )
        return [c.rows[~m.held[c.rows]] for c in choices]

    return made


def arms_of(
    chooser: SubsetSelector, m: SelectionContext, choice: SubsetChoice, *, curve: bool = True, sources: bool = True
) -> list[Arm]:
    """Raw, curated, the subset, and a random one of the size of each; then the learning curve and the sources.

    raw : every usable training sample with its given label. curated : without what a person excluded or the scan flags,
    with the labels in force. subset : the choice, labels in force, its weights; that of RS2 is trained on another subset in
    each epoch, and has no learning curve and no sources, which are about one subset.
    """
    inputs = m.inputs
    usable = np.flatnonzero(m.usable & ~m.held)
    raw = Training(usable, m.given)
    flagged = inputs.flagged if inputs.flagged is not None else np.zeros(inputs.n, bool)
    kept = np.flatnonzero(m.whole & ~m.held & ~flagged & (m.keeper < 0))
    labels = inputs.labels
    weight = None
    if choice.weights is not None:
        weight = np.zeros(inputs.n, np.float32)
        weight[choice.rows] = choice.weights
    mine = choice.rows[~m.held[choice.rows]]
    pool = np.flatnonzero(narrowed(chooser.inputs(m, choice.wish), chooser.rules(m, choice.wish)).pool & ~m.held)

    def chance(of: Int64, size: int, salt: int, labels: Any) -> Any:
        return lambda seed: Training(np.random.default_rng([seed, salt]).permutation(of)[:size], labels)

    subset = Training(mine, labels, weight)
    fresh = choice.wish.method == FreshRandom.name
    if fresh:
        subset = Training(mine, labels, epochs=epochs_of(chooser, m, choice.wish))
    out = [
        Arm("raw", "Everything as it came", lambda _: raw),
        Arm(
            "curated",
            "Curated",
            lambda _: Training(kept, labels),
            ("raw", "random_curated"),
        ),
        Arm("random_curated", "Random, size of curated", chance(usable, len(kept), 3, m.given), ("raw",)),
        Arm(
            "subset",
            f"Another subset in each of {EPOCHS} epochs" if fresh else "This subset",
            lambda _: subset,
            ("random", "raw"),
        ),
        Arm("random", "Random, same size", chance(pool, len(mine), 5, labels), ("raw",)),
    ]
    if curve and not fresh:
        out += curve_arms(mine, subset, pool)
    if sources and not fresh and inputs.groups is not None and len(m.group_names) <= 20:
        out += without_arms(inputs.groups, m.group_names, mine, subset, "subset")
    return out


def judging(chooser: SubsetSelector, m: SelectionContext) -> tuple[Float32, Int64]:
    """(n, d) what probes are trained on, and the (j,) rows that judge them.

    Raises
    ------
    QueryError
        There are no embeddings or no labels, or too few held-out samples to judge by.
    """
    features = chooser.features
    if features is None or not (m.inputs.labels >= 0).any():
        raise QueryError("The payoff needs embeddings and labels. This workspace lacks one of them.")
    judge = judged_rows(m.held, m.whole, m.inputs.flagged, m.reviewed, m.inputs.labels, m.keeper)
    if len(judge) < LEAST_JUDGED:
        raise QueryError(
            f"Only {len(judge)} held-out samples can be judged by; {LEAST_JUDGED} are the least. Bring a split named test, "
            "or more labelled data."
        )
    return np.nan_to_num(features), judge


def payoff(
    chooser: SubsetSelector,
    choice: SubsetChoice,
    material: SelectionContext | None = None,
    *,
    seeds: int = SEEDS,
    actor: str = "",
    progress: ProgressFn = quiet,
    curve: bool = True,
) -> dict[str, Any]:
    """Measure a subset (see :func:`winnow.core.subsets.bootstrap.measure`) on the held-out samples, their labels cleaned.

    Returns JSON: arms (each with size, accuracy, deviation, f1, gmean, differences), judged, reviewed (of the judged, by a
    person), seeds, level, looks, verdict (one sentence), beats_random (True only beyond the interval).

    Raises
    ------
    QueryError
        There are no embeddings or no labels, or too few held-out samples to judge by.
    """
    m = material or chooser.material()
    features, judge = judging(chooser, m)
    guard = HoldoutGuard(chooser.saved.folder)
    looks = guard.note(choice.fingerprint, choice.wish.method, actor)
    arms = arms_of(chooser, m, choice, curve=curve)
    found = measure(
        features,
        len(m.classes),
        arms,
        judge,
        m.inputs.labels[judge],
        seeds=seeds,
        looks=looks,
        progress=progress,
    )
    aimed = Need.TARGET in SELECTORS.get(choice.wish.method).requires and bool(
        m.inputs.target is not None and m.inputs.target[judge].any()
    )
    return summary(found, choice, looks, int(m.reviewed[judge].sum()), aimed)


def summary(found: Payoff, choice: SubsetChoice, looks: int, reviewed: int, aimed: bool = False) -> dict[str, Any]:
    """A payoff as JSON, with its verdict in words. ``aimed`` : the method was given the samples that judge as its target; such a
    subset never counts as better than random.
    """
    subset = found.arm("subset")
    gain = next(d for d in subset.differences if d.against == "random")
    how = f"{gain.value:+.1%} against random ({gain.low:+.1%} to {gain.high:+.1%})"
    if choice.wish.method == Random.name:
        verdict = "This is random, the yardstick. Compare the methods to see which of them beat it on this data."
    elif aimed:
        verdict = f"{how[0].upper()}{how[1:]}, but it was aimed at the very samples that judge it, which flatters it."
    elif gain.low > 0:
        verdict = f"Better than random: {how}."
    elif gain.high < 0:
        verdict = f"Worse than random: {how}. Take a random subset, or more."
    else:
        verdict = f"No better than random as far as {found.judged:,} samples can tell: {how}."
    arms = [{**asdict(a), "differences": [{**asdict(d), "sure": d.sure} for d in a.differences]} for a in found.arms]
    out: dict[str, Any] = plain(
        {
            "fingerprint": choice.fingerprint,
            "method": choice.wish.method,
            "size": len(choice.rows),
            "arms": arms,
            "judged": found.judged,
            "reviewed": reviewed,
            "seeds": found.seeds,
            "level": found.level,
            "looks": looks,
            "verdict": verdict,
            "beats_random": gain.low > 0 and not aimed and choice.wish.method != Random.name,
        }
    )
    return out


class Payoffs:
    """Measured payoffs that were kept, ``selections/payoff-<fingerprint>.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, mark: str) -> Path:
        return self._folder / f"payoff-{fp.of(mark)}.json"

    def get(self, mark: str) -> dict[str, Any] | None:
        """The payoff of the subset with this fingerprint; None where it was not measured, or cannot be read."""
        try:
            found: dict[str, Any] = load_json(self.path(mark))
        except (WorkspaceError, FileNotFoundError):
            return None
        return found

    def keep(self, found: Mapping[str, Any]) -> None:
        """Keep a payoff."""
        self._folder.mkdir(exist_ok=True)
        save_json(self.path(str(found["fingerprint"])), dict(found))

    def all(self) -> list[dict[str, Any]]:
        """All that were kept."""
        out = []
        for path in sorted(self._folder.glob("payoff-*.json")):
            try:
                out.append(load_json(path))
            except WorkspaceError:  # damaged: the others still count
                continue
        return out
