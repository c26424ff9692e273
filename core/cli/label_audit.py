"""The blind audit on the command line: a draw, a sheet to fill in, its answers, and what they say."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import WinnowError, plural

if TYPE_CHECKING:
    from ..review.active_learning import AuditReport
    from ..workspace import Workspace

APPEALS = 10
"""Appeals that are listed; ``--json`` has all of them."""


def audit(
    workspace: Workspace,
    *,
    draw: int | None,
    answers: Path | None,
    next_: int | None,
    sheet: Path | None,
    data: dict[str, Any],
    lines: list[str],
) -> None:
    """Draw, bring answers, list what is to be judged, and report, as far as each is asked for."""
    auditor = workspace.audit
    if draw is not None:
        plan = auditor.draw(draw, actor=workspace.actor)
        lines.append(f"Drew {plural(plan.size, 'sample')} to judge. Write them with --out, or open the Audit page.")
    if auditor.plan() is None:
        raise WinnowError("No audit has been drawn here. Draw one with --draw 200.")
    if answers is not None:
        _bring(workspace, answers, data, lines)
    if sheet is not None:
        data["written"] = _write(workspace, sheet)
        lines.append(f"{data['written']:,} samples written to {sheet}: correct the labels, then bring it with --from.")
    if next_ is not None:
        data["next"] = auditor.next_ids(next_)
        lines += data["next"]
    report = auditor.report()
    assert report is not None
    data["audit"] = report.as_json()
    if next_ is None:
        lines += _words(report)


def _bring(workspace: Workspace, path: Path, data: dict[str, Any], lines: list[str]) -> None:
    items, there, unknown = workspace.audit.answers_of(path)
    results = workspace.record(items) if items else []
    refused = [str(r["error"]) for r in results if not r["ok"]]
    data["imported"] = {
        "recorded": len(results) - len(refused),
        "unchanged": there,
        "unknown": len(unknown),
        "refused": refused,
    }
    lines.append(f"{len(results) - len(refused):,} answers recorded from {path.name}, {there:,} were there already.")
    if unknown:
        lines.append(f"{len(unknown):,} are not of this draw: {', '.join(map(repr, unknown[:5]))}.")
    lines += refused[:5]


def _write(workspace: Workspace, path: Path) -> int:
    auditor = workspace.audit
    cards = auditor.cards(workspace.cards(auditor.next_ids()))
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "label"])
        table.writerows([card["id"], card["label"]] for card in cards)
    return len(cards)


def _words(report: AuditReport) -> list[str]:
    lines = [f"{report.answered:,} of {report.size:,} judged; drawn {report.at}."]
    if report.excluded:
        lines.append(f"Excluded: {plural(report.excluded, 'sample')} of no class.")
    for name, value in report.estimates():
        lines.append(f"  {name:<36} {value.value:6.1%}   95% interval {value.low:.1%} to {value.high:.1%}")
    if not report.estimates():
        lines.append("Nothing is stated before 20 are judged.")
    if report.appeals:
        lines.append(f"{plural(len(report.appeals), 'answer')} overruled what stood:")
    for a in report.appeals[:APPEALS]:
        change = f"{a.shown!r} kept" if a.answer == a.shown else f"{a.shown!r} is {a.answer!r}"
        lines.append(f"  {a.sample_id}: {change} against the {a.overruled} (p wrong {a.p:.2f})")
    return lines
