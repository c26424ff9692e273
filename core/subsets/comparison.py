"""Every method beside random on one workspace: the only basis of a recommendation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from .. import fingerprint as fp
from ..errors import QueryError
from ..review.roles import default_actor
from ..storage.artifacts import plain
from ..types import Int64, Progress, ProgressFn, quiet
from .bootstrap import Arm, Training, measure
from .evaluation import SEEDS, HoldoutGuard, MeasurementFiles, judging, target_judges, training_of
from .measures import coverage, vendi
from .methods import SELECTORS, Need, SelectionInputs, missing_inputs
from .methods.random import Random
from .methods.rs2 import FreshRandom
from .selector import SelectionContext, SubsetChoice, SubsetRequest, SubsetSelector


def comparison_fingerprint(selector: SubsetSelector, context: SelectionContext, request: SubsetRequest) -> str:
    """Fingerprint of the scan, the decisions, and the request without its method and that method's settings."""
    shared = {**request.to_json(), "method": "", "options": {}}
    versions = [(s.name, s.version) for s in SELECTORS]
    return fp.of("comparison", selector.state_fingerprint(context), context.inputs.target, shared, versions)


def comparable_methods(
    context: SelectionContext, inputs: SelectionInputs, judge: Int64
) -> tuple[list[str], dict[str, str]]:
    """Names of the methods to compare, and why each of the others is left out."""
    names, left_out = [], {}
    aimed = target_judges(context, judge)
    for s in SELECTORS:
        if missing := missing_inputs(s, inputs):
            left_out[s.name] = f"needs {' and '.join(missing)}"
        elif Need.TARGET in s.requires and aimed:
            left_out[s.name] = "the target is the held-out samples that judge"
        else:
            names.append(s.name)
    return names, left_out


def compare(
    selector: SubsetSelector,
    request: SubsetRequest,
    context: SelectionContext | None = None,
    *,
    seeds: int = SEEDS,
    actor: str | None = None,
    progress: ProgressFn = quiet,
) -> dict[str, Any]:
    """Measure every method under one budget, one setting of the sliders and one set of constraints, beside random.

    Each method's subset is trained on ``seeds`` times, and random is drawn again for each; all are judged on the
    held-out samples as in :func:`winnow.core.subsets.evaluation.payoff`. Every subset counts as a look, so intervals
    are widened for the number of methods and of earlier looks (Bonferroni). Where the target contains samples that
    judge, methods with a target are left out: they have seen them.

    Parameters
    ----------
    selector
        The workspace.
    request
        Budget, sliders and constraints.
    context
        The inputs, read now where not given.
    seeds
        Number of repetitions.
    actor
        Who looks.
    progress
        Called after each selection and each fit.

    Returns
    -------
    dict
        JSON: fingerprint, data, wish (the request), rows (method, title, size, seconds, radius, p95, vendi, accuracy,
        deviation; against_random = [difference, low, high] and beats_random = beyond the interval, both None for
        random), left_out (method → why), judged, reviewed, seeds, looks, level, recommended (the best of those that
        beat random, None where none did), verdict (a sentence), at (UTC).

    Raises
    ------
    QueryError
        There are no embeddings or no labels, too few held-out samples to judge by, or an invalid budget or slider.
    NotAllowed
        The actor may not decide.
    """
    actor = actor or default_actor()
    selector.saved.require(actor)
    context = context or selector.context()
    features, judge = judging(selector, context)
    names, left_out = comparable_methods(context, selector.candidates(context, request), judge)
    guard = HoldoutGuard(selector.saved.folder)
    arms, rows, looks = [], [], 1
    total = len(names) * (1 + seeds)
    for done, name in enumerate(names):
        progress(Progress("payoff", done, total, "steps", f"choosing: {SELECTORS.get(name).title}"))
        options = request.options if name == request.method else {}
        began = time.perf_counter()
        try:
            choice = selector.choose(replace(request, method=name, options=options), context=context)
        except QueryError as error:  # e.g. a budget of "auto" where a method does not size itself
            left_out[name] = str(error)
            continue
        seconds = time.perf_counter() - began
        looks = guard.note(choice.fingerprint, name, actor)
        arms.append(_arm(selector, context, choice))
        rows.append({**_row(selector, context, choice), "seconds": seconds})
    if Random.name not in {r["method"] for r in rows}:
        raise QueryError(f"Random stands beside every method, and it cannot be drawn here: {left_out.get(Random.name)}")

    def fits(p: Progress) -> None:
        progress(replace(p, done=len(names) + p.done, total=len(names) + p.total))

    truth = context.inputs.labels[judge]
    result = measure(features, len(context.classes), arms, judge, truth, seeds=seeds, looks=looks, progress=fits)
    for row in rows:
        arm = result.arm(row["method"])
        row |= {
            "accuracy": arm.accuracy,
            "deviation": arm.deviation,
            "size": arm.size,
            "against_random": None,
            "beats_random": None,
        }
        if arm.differences:
            d = arm.differences[0]
            row |= {"against_random": [d.value, d.low, d.high], "beats_random": d.low > 0}
    best = recommendation(rows)
    out: dict[str, Any] = plain(
        {
            "fingerprint": comparison_fingerprint(selector, context, request),
            "data": selector.state_fingerprint(context),
            "wish": request.to_json(),
            "rows": rows,
            "left_out": left_out,
            "judged": len(judge),
            "reviewed": int(context.reviewed[judge].sum()),
            "seeds": seeds,
            "looks": looks,
            "level": result.level,
            "recommended": best,
            "verdict": _verdict(rows, best),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )
    return out


def _candidates(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows that may be recommended: without random, and without RS2, which trains on all data and is no one subset."""
    return [r for r in rows if r["against_random"] is not None and r["method"] != FreshRandom.name]


def recommendation(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The method that beat random by the most, of those whose interval lies above 0; None where none does.

    RS2 is never recommended: what beats random there is a way to train on all data, not a subset that could be saved.
    """
    better = [r for r in _candidates(rows) if r["against_random"][1] > 0]
    return str(max(better, key=lambda r: r["against_random"][0])["method"]) if better else None


def _verdict(rows: Sequence[Mapping[str, Any]], best: str | None) -> str:
    others = _candidates(rows)
    won = sum(bool(r["beats_random"]) for r in others)
    if best is None:
        return (
            f"None of {len(others)} methods beat random beyond the interval, so none is recommended: random is as good."
        )
    row = next(r for r in rows if r["method"] == best)
    value, low, high = row["against_random"]
    return (
        f"{won} of {len(others)} methods beat random beyond the interval. Recommended: {row['title']}, {value:+.1%} "
        f"({low:+.1%} to {high:+.1%})."
    )


def _arm(selector: SubsetSelector, context: SelectionContext, choice: SubsetChoice) -> Arm:
    request = choice.request
    title = SELECTORS.get(request.method).title
    if request.method == Random.name:

        def drawn(seed: int) -> Training:
            again = selector.choose(replace(request, seed=request.seed + seed), context=context)
            return Training(again.rows, context.inputs.labels)

        return Arm(request.method, title, drawn)
    training = training_of(selector, context, choice, choice.rows)
    return Arm(request.method, title, lambda _: training, (Random.name,))


def _row(selector: SubsetSelector, context: SelectionContext, choice: SubsetChoice) -> dict[str, Any]:
    """A row of the comparison as far as it needs no training."""
    pool = selector.candidates(context, choice.request).pool
    distances = coverage(selector.raw, pool, choice.rows, selector.graph)
    return {
        "method": choice.request.method,
        "title": SELECTORS.get(choice.request.method).title,
        "chosen": len(choice.rows),
        "radius": distances.radius,
        "p95": distances.p95,
        "vendi": vendi(selector.vectors, choice.rows) if selector.vectors is not None else float("nan"),
    }


class Comparisons(MeasurementFiles):
    """Saved comparisons of all methods."""

    prefix = "comparison"

    def latest(self, data: str) -> dict[str, Any] | None:
        """The latest comparison of the data with this ``state_fingerprint``, None where there is none."""
        current = [comparison for comparison in self.all() if comparison.get("data") == data]
        return max(current, key=lambda comparison: str(comparison["at"])) if current else None
