"""What the cards of the Select page show: the scorecard, the shares, the payoff (see ``templates/subset.html``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from winnow.app.components.html import render
from winnow.core import SELECTORS, Share, SubsetChoice, SubsetReport, SubsetScores

SHOWN = 30
"""Classes or sources whose shares are listed."""

SCORES: tuple[tuple[str, str, str, Callable[[SubsetScores], float]], ...] = (
    ("Quality", "Mean trust in label and content, 1 = all trusted.", "%.2f", lambda c: c.quality),
    ("Diversity", "Vendi score: the effective number of different samples.", "%.2f", lambda c: c.diversity),
    (
        "Gradient diversity",
        "Vendi score over what training on it would teach (G-Vendi).",
        "%.1f",
        lambda c: c.gradient_diversity,
    ),
    ("Complexity", "Mean hardness: EL2N, 1 = hardest.", "%.2f", lambda c: c.complexity),
    (
        "Coverage radius",
        "Largest distance from any sample to the nearest chosen one: smaller is better.",
        "%.3f",
        lambda c: c.coverage.radius,
    ),
    ("Coverage, 95%", "95 of 100 samples have a chosen one at most this far away.", "%.3f", lambda c: c.coverage.p95),
)

_TONES = {"failed": "bad", "lost": "warn", "cancelled": "warn"}


def scorecard(choice: SubsetChoice, report: SubsetReport) -> str:
    """Size and scores of the subset, beside random and everything."""
    columns = (report.subset, report.random, report.pool)
    rows = [(title, explain, form, [read(c) for c in columns]) for title, explain, form, read in SCORES]
    return render("subset", "scorecard", choice, len(choice.rows), rows)


def shares(report: SubsetReport) -> str:
    """Shares by class and by source before and after."""
    tables = [
        _shares("Classes", report.classes, [w for w in report.warnings if w.startswith("The class")]),
        _shares("Sources", report.groups, [w for w in report.warnings if w.startswith("The source")]),
    ]
    return render("subset", "all_shares", [table for table in tables if table["shown"]])


def _shares(title: str, table: Sequence[Share], warnings: Sequence[str]) -> dict[str, Any]:
    return {
        "title": title,
        "shown": sorted(table, key=lambda s: (not s.shifted, -max(s.before, s.after)))[:SHOWN],
        "total": len(table),
        "top": max((max(s.before, s.after) for s in table), default=0) or 1.0,
        "shifted": sum(s.shifted for s in table),
        "warning": warnings[0] if warnings else "",
    }


def payoff_waiting(status: Mapping[str, Any], looks: int) -> str:
    """The payoff while it is being measured."""
    return render("subset", "payoff_waiting", status, looks)


def payoff_ended(status: Mapping[str, Any], looks: int, may: bool) -> str:
    """The payoff that was not measured yet, or did not come, with a way to ask for it for those who may."""
    text = status.get("message") or (
        "Not measured yet. Measuring trains a probe on this subset and on random ones and judges them on held-out "
        f"samples: {looks:,} subset{'' if looks == 1 else 's'} looked at them so far, and each look counts."
    )
    return render("subset", "payoff_ended", str(text), _TONES.get(str(status.get("state")), "info"), may)


def payoff_card(result: Mapping[str, Any]) -> str:
    """The measured payoff: each arm's accuracy, with its difference to random and the interval."""
    main = [a for a in result["arms"] if not a["name"].startswith(("curve_", "without_"))]
    curve = _learning_curve([a for a in result["arms"] if a["name"].startswith("curve_")], main)
    sources = [a for a in result["arms"] if a["name"].startswith("without_")]
    return render("subset", "payoff_card", result, main, curve, sources)


CURVE = (520, 220)
"""Width and height of the drawing of a learning curve."""

_LEFT, _TOP, _RIGHT, _BOTTOM = 46, 10, 12, 40
"""Its margins, where axes, ticks and their titles stand."""


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``: steps of 1, 2 or 5 times a power of ten.

    >>> ticks(0.71, 0.93)
    [0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    """
    rough = max(high - low, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _learning_curve(arms: Sequence[Mapping[str, Any]], main: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Axes and two lines, this subset's order and random, as places in a drawing; None where there are too few."""
    whole = {a["name"]: a for a in main}
    lines = {}
    for name, is_random in (("random", True), ("subset", False)):
        steps = [a for a in arms if a["name"].startswith("curve_random_") == is_random]
        lines[name] = [(a["size"], 100 * a["accuracy"]) for a in [*steps, whole[name]]] if steps else []
    points = [p for line in lines.values() for p in line]
    if len(points) < 4:
        return None
    across = ticks(0, max(x for x, _ in points))
    up = ticks(min(y for _, y in points), max(max(y for _, y in points), min(y for _, y in points) + 1))
    wide, high = CURVE[0] - _LEFT - _RIGHT, CURVE[1] - _TOP - _BOTTOM

    def x_of(value: float) -> float:
        return _LEFT + wide * (value - across[0]) / (across[-1] - across[0])

    def y_of(value: float) -> float:
        return _TOP + high * (1 - (value - up[0]) / (up[-1] - up[0]))

    return {
        "size": CURVE,
        "x_ticks": [(x_of(v), int(v)) for v in across],
        "y_ticks": [(y_of(v), v) for v in up],
        "floor": _TOP + high,
        "left": _LEFT,
        "right": _LEFT + wide,
        "lines": {name: [(x_of(n), y_of(v), n, v) for n, v in sorted(line)] for name, line in lines.items()},
    }


def comparison_offer(status: Mapping[str, Any], may: bool) -> str:
    """The comparison of all methods that was not made yet, with a way to ask for it."""
    tone = _TONES.get(str(status.get("state")), "")
    return render("subset", "comparison_offer", str(status.get("message") or ""), tone, may)


def comparison_waiting(status: Mapping[str, Any]) -> str:
    """The comparison while it is being made."""
    return render("subset", "comparison_waiting", status)


def comparison_card(result: Mapping[str, Any], current: str) -> str:
    """Every method beside random: accuracy, the difference with its interval, coverage and diversity."""
    rows = sorted(result["rows"], key=lambda r: -r["accuracy"])
    left_out: dict[str, list[str]] = {}
    for name, reason in result["left_out"].items():
        left_out.setdefault(reason, []).append(SELECTORS.get(name).title if name in SELECTORS else name)
    return render("subset", "comparison_card", result, rows, current, left_out)
