"""Every method beside random on one workspace: the only thing that a recommendation may rest on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .. import fingerprint as fp
from ..errors import QueryError, WorkspaceError
from ..storage.artifacts import load_json, plain, save_json
from ..types import Int64, Progress, ProgressFn, quiet
from .bootstrap import Arm, Training, measure
from .constraints import narrowed
from .evaluation import SEEDS, HoldoutGuard, epochs_of, judging
from .measures import coverage, vendi
from .methods import SELECTORS, Need
from .methods.random import Random
from .methods.rs2 import FreshRandom
from .selector import SelectionContext, SubsetChoice, SubsetRequest, SubsetSelector


def comparison_mark(chooser: SubsetSelector, m: SelectionContext, wish: SubsetRequest) -> str:
    """The fingerprint of a comparison: the scan, the decisions, and the wish without its method and that method's settings."""
    shared = {**wish.to_json(), "method": "", "options": {}}
    return fp.of("comparison", chooser.state_mark(m), m.inputs.target, shared, [(s.name, s.version) for s in SELECTORS])


def compared(m: SelectionContext, inputs: Any, judge: Int64) -> tuple[list[str], dict[str, str]]:
    """Names of the methods to compare, and why each of the others is left out."""
    names, left = [], {}
    aimed = m.inputs.target is not None and bool(m.inputs.target[judge].any())
    for s in SELECTORS:
        missing = sorted(str(need) for need in s.requires if not inputs.has(need))
        if missing:
            left[s.name] = f"needs {' and '.join(missing)}"
        elif Need.TARGET in s.requires and aimed:
            left[s.name] = "the target is the held-out samples that judge"
        else:
            names.append(s.name)
    return names, left


def compare(
    chooser: SubsetSelector,
    wish: SubsetRequest,
    material: SelectionContext | None = None,
    *,
    seeds: int = SEEDS,
    actor: str = "",
    progress: ProgressFn = quiet,
) -> dict[str, Any]:
    """Measure every method under one budget, one setting of the sliders and one set of constraints, beside random.

    Each method's subset is trained on ``seeds`` times and random is drawn anew for each; all are judged on the held-out samples
    as :func:`winnow.core.subsets.evaluation.payoff` does. Every subset counts as a look, so intervals are widened for the number of methods
    and of earlier looks (Bonferroni). A method whose target is made of the samples that judge is left out: it has seen them.

    Returns JSON: fingerprint, wish, rows (method, title, size, seconds, radius, p95, vendi, accuracy, deviation; against_random =
    [difference, low, high], beats_random: beyond the interval; None for random), left_out (method → why), judged, reviewed,
    seeds, looks, recommended (the best of those that beat random; None where none did), verdict (a sentence), at (UTC).

    Raises
    ------
    QueryError
        There are no embeddings or no labels, too few held-out samples to judge by, or a budget or slider that is
        none.
    """
    m = material or chooser.material()
    features, judge = judging(chooser, m)
    inputs = chooser.inputs(m, wish)
    names, left = compared(m, narrowed(inputs, chooser.rules(m, wish)), judge)
    guard = HoldoutGuard(chooser.saved.folder)
    arms, rows, looks = [], [], 1
    total = len(names) * (1 + seeds)
    for done, name in enumerate(names):
        progress(Progress("payoff", done, total, "steps", f"choosing: {SELECTORS.get(name).title}"))
        mine = replace(wish, method=name, options=wish.options if name == wish.method else {})
        began = time.perf_counter()
        try:
            choice = chooser.choose(mine, material=m)
        except QueryError as error:  # e.g. a budget of "auto" where a method does not size itself
            left[name] = str(error)
            continue
        seconds = time.perf_counter() - began
        looks = guard.note(choice.fingerprint, name, actor)
        arms.append(_arm(chooser, m, mine, choice))
        rows.append({**_facts(chooser, m, mine, choice), "seconds": seconds})
    if Random.name not in {r["method"] for r in rows}:
        raise QueryError(f"Random stands beside every method, and it cannot be drawn here: {left.get(Random.name)}")

    def fits(p: Progress) -> None:
        progress(replace(p, done=len(names) + p.done, total=len(names) + p.total))

    labels = m.inputs.labels[judge]
    found = measure(features, len(m.classes), arms, judge, labels, seeds=seeds, looks=looks, progress=fits)
    for row in rows:
        a = found.arm(row["method"])
        row |= {
            "accuracy": a.accuracy,
            "deviation": a.deviation,
            "size": a.size,
            "against_random": None,
            "beats_random": None,
        }
        if a.differences:
            d = a.differences[0]
            row |= {"against_random": [d.value, d.low, d.high], "beats_random": d.low > 0}
    said = recommendation(rows)
    out: dict[str, Any] = plain(
        {
            "fingerprint": comparison_mark(chooser, m, wish),
            "data": chooser.state_mark(m),
            "wish": wish.to_json(),
            "rows": rows,
            "left_out": left,
            "judged": len(judge),
            "reviewed": int(m.reviewed[judge].sum()),
            "seeds": seeds,
            "looks": looks,
            "level": found.level,
            "recommended": said,
            "verdict": _verdict(rows, said),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )
    return out


def recommendation(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The method that beat random by the most, of those whose interval lies above 0; None where none does.

    RS2 is never it: what beats random there is a way to train on all data, and no subset that could be kept or exported.
    """
    better = [
        r
        for r in rows
        if r["against_random"] is not None and r["against_random"][1] > 0 and r["method"] != FreshRandom.name
    ]
    return str(max(better, key=lambda r: r["against_random"][0])["method"]) if better else None


def _verdict(rows: Sequence[Mapping[str, Any]], best: str | None) -> str:
    others = [r for r in rows if r["against_random"] is not None and r["method"] != FreshRandom.name]
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


def _arm(chooser: SubsetSelector, m: SelectionContext, wish: SubsetRequest, choice: SubsetChoice) -> Arm:
    labels = m.inputs.labels
    title = SELECTORS.get(wish.method).title
    if wish.method == Random.name:

        def drawn(seed: int) -> Training:
            again = chooser.choose(replace(wish, seed=wish.seed + seed), material=m)
            return Training(again.rows, labels)

        return Arm(wish.method, title, drawn)
    weight = None
    if choice.weights is not None:
        weight = np.zeros(m.inputs.n, np.float32)
        weight[choice.rows] = choice.weights
    epochs = epochs_of(chooser, m, wish) if wish.method == FreshRandom.name else None
    training = Training(choice.rows, labels, weight, epochs)
    return Arm(wish.method, title, lambda _: training, (Random.name,))


def _facts(chooser: SubsetSelector, m: SelectionContext, wish: SubsetRequest, choice: SubsetChoice) -> dict[str, Any]:
    pool = narrowed(chooser.inputs(m, wish), chooser.rules(m, wish)).pool
    seen = coverage(chooser.raw, pool, choice.rows, chooser.graph)
    return {
        "method": wish.method,
        "title": SELECTORS.get(wish.method).title,
        "chosen": len(choice.rows),
        "radius": seen.radius,
        "p95": seen.p95,
        "vendi": vendi(chooser.vectors, choice.rows) if chooser.vectors is not None else float("nan"),
    }


class Comparisons:
    """Comparisons that were kept, ``selections/comparison-<fingerprint>.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, mark: str) -> dict[str, Any] | None:
        """The comparison with this fingerprint; None where there is none, or it cannot be read."""
        try:
            found: dict[str, Any] = load_json(self._folder / f"comparison-{fp.of(mark)}.json")
        except (WorkspaceError, FileNotFoundError):
            return None
        return found

    def there(self) -> bool:
        """Whether any was kept."""
        return next(self._folder.glob("comparison-*.json"), None) is not None

    def keep(self, found: Mapping[str, Any]) -> None:
        """Keep a comparison."""
        self._folder.mkdir(exist_ok=True)
        save_json(self._folder / f"comparison-{fp.of(str(found['fingerprint']))}.json", dict(found))

    def latest(self, data: str) -> dict[str, Any] | None:
        """The latest comparison of the data as it is now (see ``SubsetSelector.state_mark``); None where there is none."""
        found = []
        for path in self._folder.glob("comparison-*.json"):
            try:
                found.append(load_json(path))
            except WorkspaceError:  # damaged: the others still count
                continue
        mine = [f for f in found if f.get("data") == data]
        return max(mine, key=lambda f: str(f["at"])) if mine else None
