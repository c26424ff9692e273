"""The measured payoff of a workspace's subset: its arms, the samples that judge them, and the count of looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from filelock import FileLock

from .. import fingerprint as fp
from ..detection.multinomial import EPOCHS
from ..errors import QueryError, WorkspaceError, plural
from ..explore.summary import Summarised, SummaryTable
from ..review.roles import default_actor
from ..storage.artifacts import load_json, plain, save_json
from ..storage.atomic import os_errors_in_words
from ..types import Float32, Int64, ProgressFn, quiet
from .bootstrap import Arm, Payoff, Training, curve_arms, judged_rows, measure, without_arms
from .methods import SELECTORS, Need
from .methods.random import Random
from .methods.rs2 import FreshRandom
from .selector import SelectionContext, SubsetChoice, SubsetRequest, SubsetSelector

SEEDS = 5
LEAST_JUDGED = 20
"""Least number of held-out samples that a payoff is measured on."""


class HoldoutGuard:
    """Counts how often held-out samples were used to compare subsets.

    One entry per measured subset, in ``selections/holdout.json``; measuring the same subset again does not count.

    Parameters
    ----------
    folder
        The workspace's folder of selections.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "holdout.json"

    def looks(self) -> list[dict[str, Any]]:
        """Every look, the first one first: subset (fingerprint), method, actor, at (UTC)."""
        return cast("list[dict[str, Any]]", load_json(self._path)["looks"] if self._path.exists() else [])

    def note(self, subset: str, method: str, actor: str) -> int:
        """Record a look. Returns the number of different subsets so far, this one included."""
        with os_errors_in_words(self._folder, "the count of looks in"):
            self._folder.mkdir(exist_ok=True)
            lock = FileLock(self._folder / "holdout.lock", timeout=10).acquire()
        with lock:
            looks = self.looks()
            if subset not in {look["subset"] for look in looks}:
                at = datetime.now(UTC).isoformat(timespec="seconds")
                looks.append({"subset": subset, "method": method, "actor": actor, "at": at})
                save_json(self._path, {"looks": looks})
            return len(looks)


def epochs_of(selector: SubsetSelector, context: SelectionContext, request: SubsetRequest) -> Callable[[], list[Int64]]:
    """Function that returns the rows of each RS2 epoch under a request, constraints included; computed once."""

    @cache
    def epochs() -> list[Int64]:
        choices = (
            selector.choose(replace(request, options={**request.options, "epoch": e}), context=context)
            for e in range(EPOCHS)
        )
        return [c.rows[~context.held_out[c.rows]] for c in choices]

    return epochs


def training_of(selector: SubsetSelector, context: SelectionContext, choice: SubsetChoice, rows: Int64) -> Training:
    """Training on ``rows`` of a subset with the labels in force and its weights; RS2 trains on a subset per epoch."""
    weight = epochs = None
    if choice.weights is not None:
        weight = np.zeros(context.inputs.n, np.float32)
        weight[choice.rows] = choice.weights
    if choice.request.method == FreshRandom.name:
        epochs = epochs_of(selector, context, choice.request)
    return Training(rows, context.inputs.labels, weight, epochs)


def arms_of(
    selector: SubsetSelector,
    context: SelectionContext,
    choice: SubsetChoice,
    *,
    curve: bool = True,
    sources: bool = True,
) -> list[Arm]:
    """Arms of a payoff: raw, curated and the subset, each with a random one of its size; learning curve; sources.

    raw: every usable training sample with its given label. curated: without samples that a person excluded or the scan
    flags, with the labels in force. subset: the choice, with the labels in force and its weights. RS2 has no learning
    curve and no arms by source, which are about one subset.

    Parameters
    ----------
    selector, context
        The workspace and its inputs.
    choice
        The subset.
    curve, sources
        Whether to add the learning curve, and one arm without each source.
    """
    inputs = context.inputs
    usable = np.flatnonzero(context.usable & ~context.held_out)
    raw = Training(usable, context.given)
    flagged = inputs.flagged if inputs.flagged is not None else np.zeros(inputs.n, bool)
    curated = np.flatnonzero(context.full_pool & ~context.held_out & ~flagged & (context.keeper < 0))
    labels = inputs.labels
    rows = choice.rows[~context.held_out[choice.rows]]
    pool = np.flatnonzero(selector.candidates(context, choice.request).pool & ~context.held_out)

    def random(candidates: Int64, size: int, salt: int, labels: Any) -> Any:
        return lambda seed: Training(np.random.default_rng([seed, salt]).permutation(candidates)[:size], labels)

    subset = training_of(selector, context, choice, rows)
    fresh = subset.epochs is not None
    title = f"Another subset in each of {EPOCHS} epochs" if fresh else "This subset"
    out = [
        Arm("raw", "Everything as it came", lambda _: raw),
        Arm("curated", "Curated", lambda _: Training(curated, labels), ("raw", "random_curated")),
        Arm("random_curated", "Random, size of curated", random(usable, len(curated), 3, context.given), ("raw",)),
        Arm("subset", title, lambda _: subset, ("random", "raw")),
        Arm("random", "Random, same size", random(pool, len(rows), 5, labels), ("raw",)),
    ]
    if curve and not fresh:
        out += curve_arms(rows, subset, pool)
    if sources and not fresh and inputs.groups is not None and len(context.group_names) <= 20:
        out += without_arms(inputs.groups, context.group_names, rows, subset, "subset")
    return out


def judging(selector: SubsetSelector, context: SelectionContext) -> tuple[Float32, Int64]:
    """(n, d) features that probes are trained on, and the (j,) rows that judge them.

    Raises
    ------
    QueryError
        There are no embeddings or no labels, or too few held-out samples to judge by.
    """
    features = selector.features
    inputs = context.inputs
    if features is None or not (inputs.labels >= 0).any():
        raise QueryError("The payoff needs embeddings and labels. This workspace lacks one of them.")
    judge = judged_rows(
        context.held_out, context.full_pool, inputs.flagged, context.reviewed, inputs.labels, context.keeper
    )
    if len(judge) < LEAST_JUDGED:
        raise QueryError(
            f"Only {len(judge)} held-out samples can be judged by; {LEAST_JUDGED} are the least. Bring a split named "
            "test, or more labelled data."
        )
    return np.nan_to_num(features), judge


def target_judges(context: SelectionContext, judge: Int64) -> bool:
    """Whether samples of the target are among those that judge: methods with a target have then seen them."""
    target = context.inputs.target
    return target is not None and bool(target[judge].any())


def payoff(
    selector: SubsetSelector,
    choice: SubsetChoice,
    context: SelectionContext | None = None,
    *,
    seeds: int = SEEDS,
    actor: str | None = None,
    progress: ProgressFn = quiet,
    curve: bool = True,
) -> PayoffReport:
    """Measure a subset on the held-out samples (see :func:`winnow.core.subsets.bootstrap.measure`).

    Parameters
    ----------
    selector
        The workspace.
    choice
        The subset.
    context
        The inputs, read now where not given.
    seeds
        Number of repetitions.
    actor
        Who looks (default: the login name).
    progress
        Called after each fit.
    curve
        Whether to measure the learning curve too.

    Returns
    -------
    PayoffReport
        JSON: fingerprint, method, size, arms (each with size, accuracy, deviation, f1, gmean, differences), judged,
        reviewed (of the judged, by a person), seeds, level, looks, verdict (one sentence), beats_random (True only
        beyond the interval).

    Raises
    ------
    QueryError
        There are no embeddings or no labels, or too few held-out samples to judge by.
    NotAllowed
        The actor may not decide: a measurement spends a look at the held-out samples.
    """
    actor = actor or default_actor()
    selector.saved.require(actor)
    context = context or selector.context()
    features, judge = judging(selector, context)
    looks = HoldoutGuard(selector.saved.folder).note(choice.fingerprint, choice.request.method, actor)
    arms = arms_of(selector, context, choice, curve=curve)
    truth = context.inputs.labels[judge]
    result = measure(features, len(context.classes), arms, judge, truth, seeds=seeds, looks=looks, progress=progress)
    aimed = Need.TARGET in SELECTORS.get(choice.request.method).requires and target_judges(context, judge)
    return summary(result, choice, looks, int(context.reviewed[judge].sum()), aimed)


def summary(result: Payoff, choice: SubsetChoice, looks: int, reviewed: int, aimed: bool = False) -> PayoffReport:
    """Convert a payoff to JSON, with its verdict as a sentence.

    Parameters
    ----------
    result
        The measurement.
    choice
        The subset.
    looks
        Number of subsets that the held-out samples were used for.
    reviewed
        Number of judged samples that a person reviewed.
    aimed
        Whether the method was given the samples that judge as its target; such a subset never counts as better than
        random.
    """
    method = choice.request.method
    gain = next(d for d in result.arm("subset").differences if d.against == "random")
    how = f"{gain.value:+.1%} against random ({gain.low:+.1%} to {gain.high:+.1%})"
    if method == Random.name:
        verdict = "This is random, the yardstick. Compare the methods to see which of them beat it on this data."
    elif aimed:
        verdict = f"{how[0].upper()}{how[1:]}, but it was aimed at the very samples that judge it, which flatters it."
    elif gain.low > 0:
        verdict = f"Better than random: {how}."
    elif gain.high < 0:
        verdict = f"Worse than random: {how}. Take a random subset, or more."
    else:
        verdict = f"No better than random as far as {plural(result.judged, 'sample')} can tell: {how}."
    arms = [{**asdict(a), "differences": [{**asdict(d), "sure": d.sure} for d in a.differences]} for a in result.arms]
    out = plain(
        {
            "fingerprint": choice.fingerprint,
            "method": method,
            "size": len(choice.rows),
            "arms": arms,
            "judged": result.judged,
            "reviewed": reviewed,
            "seeds": result.seeds,
            "level": result.level,
            "looks": looks,
            "verdict": verdict,
            "beats_random": gain.low > 0 and not aimed and method != Random.name,
        }
    )
    return PayoffReport(out)


class PayoffReport(dict[str, Any], Summarised):
    """A payoff as plain values for JSON, which shows itself as a table."""

    __repr__ = Summarised.__repr__

    def summary_table(self) -> SummaryTable:
        """What models learned from each subset."""
        head = ("trained on", "samples", "accuracy", "F1", "g-mean", "against", "difference", "95% interval")
        rows = []
        for arm in self["arms"]:
            scores = (f"{arm['accuracy']:.3f} ± {arm['deviation']:.3f}", f"{arm['f1']:.3f}", f"{arm['gmean']:.3f}")
            d = arm["differences"][0] if arm["differences"] else None
            beside = (d["against"], f"{d['value']:+.3f}", f"{d['low']:+.3f} to {d['high']:+.3f}") if d else ("",) * 3
            rows.append((arm["title"], f"{arm['size']:,}", *scores, *beside))
        return SummaryTable(f"Payoff of {self['method']}", head, rows, self["verdict"])


class MeasurementFiles:
    """Saved measurements, ``selections/<prefix>-<fingerprint>.json``.

    Parameters
    ----------
    folder
        The workspace's folder of selections.
    """

    prefix: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, fingerprint: str) -> Path:
        return self._folder / f"{self.prefix}-{fp.of(fingerprint)}.json"

    def get(self, fingerprint: str) -> dict[str, Any] | None:
        """Load the measurement with this fingerprint; None where it does not exist or cannot be read."""
        try:
            measurement: dict[str, Any] = load_json(self._path(fingerprint))
        except (WorkspaceError, FileNotFoundError):
            return None
        return measurement

    def keep(self, measurement: Mapping[str, Any]) -> None:
        """Save a measurement under its fingerprint."""
        with os_errors_in_words(self._folder, "the folder"):
            self._folder.mkdir(exist_ok=True)
        save_json(self._path(str(measurement["fingerprint"])), dict(measurement))

    def all(self) -> list[dict[str, Any]]:
        """Every saved measurement; damaged files are skipped."""
        out = []
        for path in sorted(self._folder.glob(f"{self.prefix}-*.json")):
            try:
                out.append(load_json(path))
            except WorkspaceError:
                continue
        return out


class Payoffs(MeasurementFiles):
    """Saved payoffs of single subsets."""

    prefix = "payoff"
