"""Commands about classes, people and the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WinnowError, choices

_Workspace = Annotated[Path, typer.Argument(metavar="WS", help="The workspace directory.")]
_Json = Annotated[bool, typer.Option("--json", help="Write JSON for machines.")]
_Actor = Annotated[str | None, typer.Option(help="Who decides (default: your login name).")]

VERBS: dict[str, tuple[str, ...]] = {
    "list": (),
    "merge": ("NAME", "INTO"),
    "rename": ("NAME", "TO"),
    "delete": ("NAME",),
    "split": ("NAME", "TO"),
    "undo": ("EVENT",),
    "log": (),
}
"""What `winnow classes WS` can do, and the names that each takes."""


def _say(data: Any, as_json: bool, text: str) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2) if as_json else text)


def classes(
    ws: _Workspace,
    verb: Annotated[str, typer.Argument(help="list, merge, rename, split, delete, undo or log.")] = "list",
    names: Annotated[
        list[str] | None,
        typer.Argument(help="merge NAME INTO, rename NAME TO, split NAME TO, delete NAME, undo EVENT."),
    ] = None,
    cluster: Annotated[int | None, typer.Option(help="For split: the cluster that becomes a class.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, in your words.")] = None,
    actor: _Actor = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")] = False,
    json_: _Json = False,
) -> None:
    """List the classes, or change one: each change is a decision in the log that undo takes back."""
    from ..explore.filter import Filter
    from ..workspace import Workspace

    names = names or []
    if verb not in VERBS or len(names) != len(VERBS[verb]):
        usage = choices(" ".join((v, *takes)) for v, takes in VERBS.items())
        raise WinnowError(f"{' '.join([verb, *names])!r} is nothing to do with classes. There are: {usage}.")
    with Workspace.open(ws, actor=actor) as workspace:
        ops = workspace.class_editor
        if verb == "list":
            sizes = ops.classes()
            _say(sizes, json_, "\n".join(f"{n:>9,}  {name}" for name, n in sizes.items()))
            return
        if verb == "log":
            rows = [
                {k: getattr(e, k) for k in ("event_id", "event", "name", "target", "actor", "at", "reason", "undoes")}
                for e in ops.events()
            ]
            force = ops.in_force()
            lines = [
                f"{r['at']}  {r['event_id']}  {r['actor']}: {r['event']} {r['name']!r}{' → ' + repr(r['target']) if r['target'] else ''}"
                f"{'' if r['event_id'] in force or r['event'] == 'undo' else '  (taken back)'}"
                for r in rows
            ]
            _say(rows, json_, "\n".join(lines) or "No class was changed.")
            return
        if verb == "undo":
            made = ops.undo(names[0])
            _say({"event_id": made.event_id, "undoes": made.undoes}, json_, f"Took back the change of {made.name!r}.")
            return
        ids = (
            ops.members(names[0], Filter(clusters=(cluster,)) if cluster is not None else None)
            if verb == "split"
            else []
        )
        if verb == "split" and cluster is None:
            raise WinnowError(
                f"Say which part of {names[0]!r}: --cluster NUMBER, one of {choices(ops.clusters(names[0]))}."
            )
        target = names[1] if len(names) > 1 else None
        would = ops.preview(verb, names[0], target, len(ids) if verb == "split" else None)
        if dry_run:
            _say({"count": would.count, "says": would.says}, json_, would.says)
            return
        if verb == "split":
            made = ops.split(names[0], names[1], ids, reason=reason)
        elif verb == "delete":
            made = ops.delete(names[0], reason=reason)
        else:
            made = (ops.merge if verb == "merge" else ops.rename)(names[0], names[1], reason=reason)
    _say(
        {
            "event_id": made.event_id,
            "event": made.event,
            "name": made.name,
            "target": made.target,
            "count": would.count,
        },
        json_,
        f"{would.says}\nTake it back: winnow classes {ws} undo {made.event_id}",
    )


def people(ws: _Workspace, json_: _Json = False) -> None:
    """Who decided how much, how far people agree, and how far each can be relied on."""
    from dataclasses import asdict

    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        report = workspace.annotators.report()
    lines = [
        f"{p.actor}: {p.decisions:,} decisions, {p.overlaps:,} shared, "
        f"{'agreement ' + format(p.agreement, '.0%') if p.agreement is not None else 'no agreement to tell'}, "
        f"{'quality ' + format(p.quality, '.2f') if p.quality is not None else p.note}"
        for p in report.people
    ]
    lines += [
        f"  {d.sample_id}: "
        + ", ".join(f"{who} {action}{' ' + repr(label) if label else ''}" for who, (action, label) in d.answers.items())
        + (f"; consensus {d.consensus!r}" if d.consensus is not None else "")
        for d in report.disputes[:50]
    ]
    _say(asdict(report), json_, "\n".join(lines) or "Nobody has decided anything yet.")


def log(
    ws: _Workspace,
    out: Annotated[Path, typer.Argument(metavar="OUT.csv|OUT.parquet|OUT.jsonl")],
    actor: Annotated[str | None, typer.Option(help="Only this person's.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only accept, relabel, exclude, undo or classes.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on (2026-03-01, UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    json_: _Json = False,
) -> None:
    """Write the log of decisions and class changes to a file, the oldest first."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        n = workspace.write_log(out, actor=actor, action=kind, since=since, until=until)
    _say({"path": str(out), "rows": n}, json_, f"{n:,} rows of the log written to {out}")


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (classes, people, log):
        app.command()(command)
