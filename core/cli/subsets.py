"""Verbs about subsets and what comes out: select, payoff, compare, weights, export, datasheet, diff, apply."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..errors import WinnowError

Json = Annotated[bool, typer.Option("--json", help="Write JSON for machines.")]
WorkspacePath = Annotated[Path, typer.Argument(metavar="WS", help="The workspace directory.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(select)
    for verb in (payoff, compare, weights, export, datasheet, diff, apply):
        app.command()(verb)


def _option(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise WinnowError(f"{text!r} is no setting. Write NAME=VALUE, e.g. --option beta=0.1.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def read_ids(path: Path) -> list[str]:
    """Ids, one a line. Raises WinnowError where the file cannot be read."""
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise WinnowError(f"{str(path)!r} cannot be read as a list of ids, one a line: {error}.") from error


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
        chooser = workspace.subsets
        if method == "list":
            _list_methods(chooser.methods(), json_)
            return
        wish = SubsetRequest(
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
        material = chooser.material(
            chooser.members(among) if among else None,
            (read_ids(Path(target)) if Path(target).is_file() else chooser.members(target)) if target else None,
        )
        choice = chooser.choose(wish, material=material)
        report = chooser.report(choice, material)
        kept = chooser.save(choice, out, workspace.actor) if out else None
    if json_:
        from dataclasses import asdict

        from ..storage.artifacts import plain

        said = {
            "method": method,
            "size": len(choice.ids),
            "pool": choice.pool,
            "forced": choice.forced,
            "info": choice.info,
            "notices": choice.notices,
            "fingerprint": choice.fingerprint,
            "report": asdict(report),
            "saved": kept.name if kept else None,
            "ids": None if kept else choice.ids,
        }
        print(json.dumps(plain(said), ensure_ascii=False))
        return
    for notice in (*choice.notices, *report.warnings):
        print(f"Note: {notice}", file=sys.stderr)
    print(f"{len(choice.ids):,} of {choice.pool:,} samples ({choice.forced:,} of them by a constraint)")
    table = Table(box=None, pad_edge=False)
    for name in ("", "this subset", "random, same size", "all"):
        table.add_column(name, justify="left" if not name else "right")
    for title, value in SCORES.items():
        table.add_row(title, *(f"{value(card):.3g}" for card in (report.subset, report.random, report.pool)))
    Console().print(table)
    print(f"\nKept as {kept.name!r}" if kept else "\nNot kept: give it a name with --out NAME")


SCORES: dict[str, Callable[[Any], float]] = {
    "quality (mean trust)": lambda c: c.quality,
    "diversity (Vendi)": lambda c: c.diversity,
    "of gradients (G-Vendi)": lambda c: c.gradient_diversity,
    "complexity (hardness)": lambda c: c.complexity,
    "coverage radius": lambda c: c.coverage.radius,
    "coverage, 95th percentile": lambda c: c.coverage.p95,
}
"""Lines of the scorecard."""


def _list_methods(methods: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(methods, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("method", "what it does", "here"):
        table.add_column(name)
    for m in methods:
        table.add_row(m["name"], m["explain"], m["why_not"] or ("needs a target" if m["needs_target"] else "ready"))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


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
    from .progress import Bars

    with Workspace.open(ws) as workspace:
        chooser = workspace.subsets
        kept = chooser.find(name)
        material = chooser.material()
        choice = chooser.kept(kept)
        with Bars("json" if json_ else "bars") as bars:
            found = measure(chooser, choice, material, seeds=seeds, actor=workspace.actor, progress=bars)
        Payoffs(workspace.path / "selections").keep(found)
    if json_:
        print(json.dumps(found, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("trained on", "samples", "accuracy", "F1", "g-mean", "against", "difference", "95% interval"):
        table.add_column(title, justify="left" if title in ("trained on", "against") else "right")
    for arm in found["arms"]:
        first = (arm["differences"] or [{}])[0]
        said = (
            (first["against"], f"{first['value']:+.3f}", f"{first['low']:+.3f} to {first['high']:+.3f}")
            if first
            else ()
        )
        table.add_row(
            arm["title"],
            f"{arm['size']:,}",
            f"{arm['accuracy']:.3f} ± {arm['deviation']:.3f}",
            f"{arm['f1']:.3f}",
            f"{arm['gmean']:.3f}",
            *said,
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    print(f"\n{found['verdict']}")
    print(
        f"Judged on {found['judged']:,} held-out samples ({found['reviewed']:,} of them reviewed by a person), "
        f"{found['seeds']} seeds. They were looked at {found['looks']} times: intervals are widened for it."
    )


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
    from .progress import Bars

    with Workspace.open(ws) as workspace:
        chooser = workspace.subsets
        wish = SubsetRequest(budget=budget, quality=quality, diversity=diversity)
        material = chooser.material(target=chooser.members(target) if target else None)
        with Bars("json" if json_ else "bars") as bars:
            found = measure(chooser, wish, material, seeds=seeds, actor=workspace.actor, progress=bars)
        Comparisons(workspace.path / "selections").keep(found)
    if json_:
        print(json.dumps(found, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for title in (
        "method",
        "samples",
        "accuracy",
        "to random",
        "95% interval",
        "beats random",
        "radius",
        "Vendi",
        "seconds",
    ):
        table.add_column(title, justify="left" if title in ("method", "beats random") else "right")
    for row in sorted(found["rows"], key=lambda r: -r["accuracy"]):
        apart = row["against_random"]
        said = (
            ()
            if apart is None
            else (f"{apart[0]:+.3f}", f"{apart[1]:+.3f} to {apart[2]:+.3f}", "yes" if row["beats_random"] else "no")
        )
        table.add_row(
            row["method"],
            f"{row['size']:,}",
            f"{row['accuracy']:.3f} ± {row['deviation']:.3f}",
            *(said or ("", "", "")),
            f"{row['radius']:.3f}",
            f"{row['vendi']:.3g}",
            f"{row['seconds']:.1f}",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    for name, why in found["left_out"].items():
        print(f"{name} was left out: {why}.")
    print(f"\n{found['verdict']}")
    print(
        f"Judged on {found['judged']:,} held-out samples ({found['reviewed']:,} of them reviewed by a person), "
        f"{found['seeds']} seeds; intervals are widened for {found['looks']} looks at them."
    )


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
        chooser = workspace.subsets
        rows = chooser.rows(chooser.members(selection)) if selection else None
        said = chooser.write_curriculum(out, CurriculumConfig(points, trust, balance, epochs, start, seed), rows)
    print(
        json.dumps({"path": str(out), **said})
        if json_
        else f"{said['rows']:,} weights written to {out}, with their shuffled baseline"
    )


def _point(text: str) -> tuple[float, float]:
    at, sign, weight = text.partition(":")
    try:
        return float(at), float(weight if sign else "")
    except ValueError:
        raise WinnowError(f"{text!r} is no point of a curve. Write RANK:WEIGHT, e.g. 0.7:1.") from None


def export(
    ws: WorkspacePath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A file (.csv, .parquet, .jsonl) or a folder.")],
    include_excluded: Annotated[bool, typer.Option("--include-excluded", help="Keep excluded rows, marked.")] = False,
    format: Annotated[
        str | None, typer.Option(help="A format (`--format list` names them all); else by the suffix of OUT.")
    ] = None,
    selection: Annotated[str | None, typer.Option(help="Only a kept selection.")] = None,
    filter: Annotated[
        str | None, typer.Option(help="Only what matches, as in the address of a page: verdicts=clean&classes=cat.")
    ] = None,
    queue: Annotated[
        str | None, typer.Option(help="Only samples of this verdict that nobody has decided about.")
    ] = None,
    ids: Annotated[Path | None, typer.Option(help="Only the ids of this file, one a line.")] = None,
    links: Annotated[bool, typer.Option("--links", help="Link to the original images instead of copying.")] = False,
    sheet: Annotated[
        bool, typer.Option("--datasheet", help="Write a datasheet beside it, in HTML and Markdown.")
    ] = False,
    json_: Json = False,
) -> None:
    """Write the curated dataset, or a part of it, with its manifest and a patch file."""
    from ..workspace import Workspace
    from .progress import Bars

    with Workspace.open(ws) as workspace:
        if format == "list":
            _list_formats(workspace.exports.formats(), json_)
            return
        only, about = _part(workspace, selection, filter, queue, ids)
        with Bars("quiet" if json_ else "bars") as bars:
            result = workspace.exports.export(
                out,
                format=format,
                only=only,
                links=links,
                include_excluded=include_excluded,
                about=about,
                progress=bars,
            )
        sheets = (
            workspace.exports.datasheet(result.path.with_name(f"{result.path.name}.datasheet"), about=about)
            if sheet
            else ()
        )
    data = {
        "path": str(result.path),
        "rows": result.rows,
        "excluded": result.excluded,
        "manifest": str(result.manifest_path),
        "patch": str(result.patch_path),
        "datasheet": [str(s) for s in sheets],
        "left_out": result.manifest.get("left_out", 0),
    }
    if json_:
        print(json.dumps(data, ensure_ascii=False))
        return
    print(f"{result.rows:,} rows written to {result.path} ({result.excluded:,} excluded)")
    for path in sheets:
        print(f"Datasheet: {path}")


def _part(
    workspace: Any, selection: str | None, filter: str | None, queue: str | None, ids: Path | None
) -> tuple[list[str] | None, dict[str, Any]]:
    """Which ids to export (None = all), and what to say of it in the manifest."""
    from urllib.parse import parse_qsl

    from ..explore.query import Filter

    if sum(x is not None for x in (selection, filter, queue, ids)) > 1:
        raise WinnowError("Give one of --selection, --filter, --queue and --ids: each says by itself what to export.")
    if selection is not None:
        kept = workspace.subsets.find(selection)
        about = {
            "selection": kept.name,
            "method": kept.method,
            "params": dict(kept.params),
            "fingerprint": kept.fingerprint,
        }
        return workspace.subsets.members(selection), about
    if filter is not None:
        return workspace.ids(Filter.from_query(dict(parse_qsl(filter)))), {"filter": filter}
    if queue is not None:
        return workspace.ids(Filter(verdicts=(queue,), state="undecided"), "-confidence"), {"queue": queue}
    if ids is not None:
        return read_ids(ids), {"ids": ids.name}
    return None, {}


def _list_formats(formats: list[Any], as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        print(json.dumps([asdict(f) for f in formats], ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("format", "what it is", "here"):
        table.add_column(name)
    for f in formats:
        table.add_row(f.name, f.explain, f.why_not or (f"ends in {f.suffix}" if f.suffix else "a folder"))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def datasheet(
    ws: WorkspacePath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="OUT.html and OUT.md are written.")],
    json_: Json = False,
) -> None:
    """Write a datasheet: counts, plots, decisions, methods, versions, seeds."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        made = workspace.exports.datasheet(out)
    print(json.dumps([str(p) for p in made]) if json_ else "\n".join(f"Datasheet: {p}" for p in made))


def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="An export.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="A later export, of any format.")],
    json_: Json = False,
) -> None:
    """Compare two exports by sample: what was added, removed, relabelled, weighted otherwise."""
    from dataclasses import asdict

    from ..export.diff import diff as compare

    found = compare(before, after)
    if json_:
        print(json.dumps({**asdict(found), "same": found.same}, ensure_ascii=False))
        return
    print(f"{found.before:,} rows before, {found.after:,} after")
    if found.same:
        print("The same samples with the same labels and weights.")
    for title, listed in (("added", found.added), ("removed", found.removed)):
        if listed:
            print(f"{len(listed):,} {title}: {', '.join(listed[:5])}{' …' if len(listed) > 5 else ''}")
    if found.relabelled:
        print(f"{len(found.relabelled):,} relabelled:")
        for sample_id, old, new in found.relabelled[:20]:
            print(f"  {sample_id}: {old} → {new}")
    if found.weights:
        print(f"{found.weights:,} weighted otherwise")
    for name, (n_old, n_new) in found.labels.items():
        print(f"  class {name or '(none)'}: {n_old:,} → {n_new:,}")
    for name, (a, b) in found.settings.items():
        print(f"  {name}: {a} → {b}")


def apply(
    patch: Annotated[Path, typer.Argument(metavar="PATCH", help="The patch file beside an export.")],
    ws: Annotated[Path, typer.Argument(metavar="WS", help="The workspace of a new version of the data.")],
    actor: Annotated[str | None, typer.Option(help="Who replays them, where roles are kept.")] = None,
    json_: Json = False,
) -> None:
    """Replay decisions on a new version of the data: by id, else by content where a sample was renamed."""
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        report = workspace.replay(patch)
    skipped = [{"sample_id": s.sample_id, "reason": s.reason} for s in report.skipped]
    if json_:
        said = {"applied": report.applied, "repeated": report.repeated, "renamed": report.renamed, "skipped": skipped}
        print(json.dumps(said, ensure_ascii=False))
        return
    print(f"{report.applied:,} decisions replayed ({report.renamed:,} found by content), {len(skipped):,} left out")
    for s in skipped[:20]:
        print(f"  {s['sample_id']}: {s['reason']}")
