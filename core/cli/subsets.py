"""Verbs about subsets: select, payoff, compare, weights."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WinnowError, plural
from .options import CHOOSE, Json, WorkspacePath, in_section, print_result, print_table, read_ids
from .progress import Bars

app = typer.Typer()


def _option(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise WinnowError(f"{text!r} is no setting. Write NAME=VALUE, e.g. --option beta=0.1.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@app.command(
    **in_section(
        CHOOSE,
        "winnow select photos.winnow --method list",
        "winnow select photos.winnow --method k_center --budget 30% --out small",
    )
)
def select(
    ws: WorkspacePath,
    method: Annotated[str, typer.Option(help="How to choose; `--method list` names them all.")] = "random",
    budget: Annotated[str, typer.Option(help="How many: 500, 30% or auto.")] = "30%",
    out: Annotated[str | None, typer.Option(help="Keep the subset under this name.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    quality: Annotated[float, typer.Option(help="0 = any sample, 1 = trusted ones first.")] = 0.5,
    diversity: Annotated[float, typer.Option(help="0 = as it comes, 1 = spread out.")] = 0.5,
    per_class: Annotated[int, typer.Option(help="At least so many of each class.")] = 1,
    keep_groups: Annotated[
        bool, typer.Option("--keep-groups", help="Keep the share of each source (or class).")
    ] = False,
    guard: Annotated[bool, typer.Option("--guard/--no-guard", help="Never leave out guarded rare samples.")] = True,
    deduplicate: Annotated[
        bool, typer.Option("--deduplicate/--keep-duplicates", help="Keep one of each duplicate group.")
    ] = True,
    holdout: Annotated[bool, typer.Option("--with-holdout", help="Choose among held-out samples too.")] = False,
    among: Annotated[str | None, typer.Option(help="Choose among a kept selection only.")] = None,
    target: Annotated[
        str | None, typer.Option(help="A kept selection, or a file of ids, that the subset shall resemble.")
    ] = None,
    option: Annotated[list[str] | None, typer.Option(help="A setting of the method, e.g. beta=0.1.")] = None,
    json_: Json = False,
) -> None:
    """Choose a subset, say what it costs and gains, and keep it under a name."""
    from ..subsets.selector import SubsetRequest
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        selector = workspace.subsets
        if method == "list":
            _list_methods(selector.methods(), json_)
            return
        request = SubsetRequest(
            method,
            budget,
            seed,
            quality,
            diversity,
            per_class,
            keep_groups,
            guard,
            deduplicate,
            holdout,
            dict(map(_option, option or [])),
        )
        context = selector.context(
            selector.members(among) if among else None,
            (read_ids(Path(target)) if Path(target).is_file() else selector.members(target)) if target else None,
        )
        choice = selector.choose(request, context=context)
        report = selector.report(choice, context)
        saved = selector.save(choice, out, workspace.actor) if out else None
    if json_:
        from ..storage.artifacts import plain

        data = {
            "method": method,
            "size": len(choice.ids),
            "pool": choice.pool,
            "forced": choice.forced,
            "info": choice.info,
            "notices": choice.notices,
            "fingerprint": choice.fingerprint,
            "report": asdict(report),
            "saved": saved.name if saved else None,
            "ids": None if saved else choice.ids,
        }
        print_result(plain(data), True, indent=None)
        return
    for notice in (*choice.notices, *report.warnings):
        print(f"Note: {notice}", file=sys.stderr)
    print(f"{len(choice.ids):,} of {plural(choice.pool, 'sample')} ({choice.forced:,} of them by a constraint)")
    scores = report.summary_table()
    print_table(scores.head, scores.rows, left=("",))
    print(f"\nKept as {saved.name!r}" if saved else "\nNot kept: give it a name with --out NAME")


def _list_methods(methods: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_result(methods, True, indent=None)
        return
    rows = [
        (m["name"], m["explain"], m["why_not"] or ("needs a target" if m["needs_target"] else "ready")) for m in methods
    ]
    print_table(("method", "what it does", "here"), rows)


@app.command(**in_section(CHOOSE, "winnow payoff photos.winnow small"))
def payoff(
    ws: WorkspacePath,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A subset that `winnow select --out NAME` kept.")],
    seeds: Annotated[int, typer.Option(help="How many times to repeat it.")] = 5,
    json_: Json = False,
) -> None:
    """Measure what a kept subset is worth: a probe trained on it, beside random, on held-out samples."""
    from ..subsets.evaluation import Payoffs
    from ..subsets.evaluation import payoff as measure
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        selector = workspace.subsets
        context = selector.context()
        choice = selector.restore(selector.find(name))
        with Bars("json" if json_ else "bars") as bars:
            report = measure(selector, choice, context, seeds=seeds, actor=workspace.actor, progress=bars)
        Payoffs(workspace.path / "selections").keep(report)
    if json_:
        print_result(report, True, indent=None)
        return
    arms = report.summary_table()
    print_table(arms.head, arms.rows, left=("trained on", "against"))
    print(f"\n{report['verdict']}")
    print(
        f"Judged on {report['judged']:,} held-out samples ({report['reviewed']:,} of them reviewed by a person), "
        f"{report['seeds']} seeds. They were looked at {report['looks']} times: intervals are widened for it."
    )


_COMPARISON = (
    "method",
    "samples",
    "accuracy",
    "to random",
    "95% interval",
    "beats random",
    "radius",
    "Vendi",
    "seconds",
)


@app.command(**in_section(CHOOSE, "winnow compare photos.winnow --budget 30%"))
def compare(
    ws: WorkspacePath,
    budget: Annotated[str, typer.Option(help="How many each method chooses: 500 or 30%.")] = "30%",
    quality: Annotated[float, typer.Option(help="0 = any sample, 1 = trusted ones first.")] = 0.5,
    diversity: Annotated[float, typer.Option(help="0 = as it comes, 1 = spread out.")] = 0.5,
    target: Annotated[
        str | None, typer.Option(help="A kept selection that methods with a target shall aim at.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many times to repeat it.")] = 5,
    json_: Json = False,
) -> None:
    """Measure every subset method beside random, and recommend one only where it beat random beyond the interval."""
    from ..subsets.comparison import Comparisons
    from ..subsets.comparison import compare as measure
    from ..subsets.selector import SubsetRequest
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        selector = workspace.subsets
        request = SubsetRequest(budget=budget, quality=quality, diversity=diversity)
        context = selector.context(target=selector.members(target) if target else None)
        with Bars("json" if json_ else "bars") as bars:
            report = measure(selector, request, context, seeds=seeds, actor=workspace.actor, progress=bars)
        Comparisons(workspace.path / "selections").keep(report)
    if json_:
        print_result(report, True, indent=None)
        return
    rows = []
    for row in sorted(report["rows"], key=lambda r: -r["accuracy"]):
        difference = row["against_random"]
        beside_random: tuple[str, str, str] = ("", "", "")
        if difference is not None:
            value, low, high = difference
            beside_random = (f"{value:+.3f}", f"{low:+.3f} to {high:+.3f}", "yes" if row["beats_random"] else "no")
        rows.append(
            (
                row["method"],
                f"{row['size']:,}",
                f"{row['accuracy']:.3f} ± {row['deviation']:.3f}",
                *beside_random,
                f"{row['radius']:.3f}",
                f"{row['vendi']:.3g}",
                f"{row['seconds']:.1f}",
            )
        )
    print_table(_COMPARISON, rows, left=("method", "beats random"))
    for name, why in report["left_out"].items():
        print(f"{name} was left out: {why}.")
    print(f"\n{report['verdict']}")
    print(
        f"Judged on {report['judged']:,} held-out samples ({report['reviewed']:,} of them reviewed by a person), "
        f"{report['seeds']} seeds; intervals are widened for {report['looks']} looks at them."
    )


@app.command(**in_section(CHOOSE, "winnow weights photos.winnow weights.parquet --curve usual"))
def weights(
    ws: WorkspacePath,
    out: Annotated[Path, typer.Argument(metavar="OUT.parquet")],
    selection: Annotated[str | None, typer.Option(help="Only a kept selection.")] = None,
    curve: Annotated[
        str | None,
        typer.Option(help="Loss → weight: rank:weight points, e.g. 0:1,0.7:1,0.9:0.3,1:0; `usual` = these."),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust/--no-trust", help="Weigh by the trust in each label.")] = True,
    balance: Annotated[float | None, typer.Option(help="Even out classes: 0 = all alike, 1 = as they are.")] = None,
    start: Annotated[float, typer.Option(help="Easy to uniform: the share of the first epoch; 1 = no schedule.")] = 1.0,
    epochs: Annotated[int, typer.Option(help="Epochs of the schedule.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the shuffled baseline.")] = 0,
    json_: Json = False,
) -> None:
    """Write sample weights and a curriculum, each with its shuffled baseline."""
    from ..subsets.curricula import TRUSTING
    from ..subsets.selector import CurriculumConfig
    from ..workspace import Workspace

    points = None if curve is None else TRUSTING if curve == "usual" else tuple(map(_point, curve.split(",")))
    with Workspace.open(ws) as workspace:
        selector = workspace.subsets
        rows = selector.rows(selector.members(selection)) if selection else None
        config = CurriculumConfig(points, trust, balance, epochs, start, seed)
        info = selector.write_curriculum(out, config, rows, actor=workspace.actor)
    text = f"{info['rows']:,} weights written to {out}, with their shuffled baseline"
    print_result({"path": str(out), **info}, json_, text, indent=None)


def _point(text: str) -> tuple[float, float]:
    at, sign, weight = text.partition(":")
    try:
        return float(at), float(weight if sign else "")
    except ValueError:
        raise WinnowError(f"{text!r} is no point of a curve. Write RANK:WEIGHT, e.g. 0.7:1.") from None
