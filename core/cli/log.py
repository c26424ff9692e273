"""Verbs about decisions and their log: decide, undo, log, backup, store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import WinnowError, plural
from .options import DECIDE, Actor, Json, Overwrite, WorkspacePath, existing_layout, in_section, print_result

app = typer.Typer()


@app.command(
    **in_section(
        DECIDE,
        "winnow decide photos.winnow --id cat/17.png --action relabel --label dog",
        "winnow decide photos.winnow --patch curated.csv.patch.jsonl",
    )
)
def decide(
    ws: WorkspacePath,
    id: Annotated[str | None, typer.Option("--id", help="The sample.")] = None,
    action: Annotated[str | None, typer.Option(help="accept, relabel or exclude.")] = None,
    label: Annotated[str | None, typer.Option(help="The new label, for relabel.")] = None,
    actor: Actor = None,
    reason: Annotated[str | None, typer.Option(help="Why, in your words.")] = None,
    patch: Annotated[Path | None, typer.Option(help="Replay a patch file written by an export.")] = None,
    json_: Json = False,
) -> None:
    """Record one decision, or replay a patch file."""
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        if patch is not None:
            report = workspace.replay(patch)
            lines = [f"{plural(report.applied, 'decision')} replayed, {len(report.skipped):,} left out"]
            lines += [f"  {s.sample_id}: {s.reason}" for s in report.skipped[:20]]
            skipped = [{"sample_id": s.sample_id, "reason": s.reason} for s in report.skipped]
            print_result({"applied": report.applied, "skipped": skipped}, json_, "\n".join(lines))
            return
        if id is None or action is None:
            raise WinnowError(
                "Say which sample and what to do: --id ID --action accept|relabel|exclude, or --patch FILE."
            )
        decision = workspace.decide(id, action, label=label, reason=reason)
    print_result(
        {
            "seq": decision.seq,
            "decision_id": decision.decision_id,
            "sample_id": decision.sample_id,
            "action": decision.action.value,
            "label": decision.label,
        },
        json_,
        f"{decision.action.value}{' ' + repr(decision.label) if decision.label else ''}: {decision.sample_id}",
    )


@app.command(**in_section(DECIDE, "winnow undo photos.winnow"))
def undo(ws: WorkspacePath, actor: Actor = None, json_: Json = False) -> None:
    """Undo this person's last decision (a bulk verdict counts as one)."""
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        undone = workspace.undo()
    ids = [d.sample_id for d in undone]
    text = f"Reverted {len(ids):,} decision{'s' * (len(ids) != 1)}: {', '.join(ids[:5])}{' …' * (len(ids) > 5)}"
    print_result({"undone": ids}, json_, text if ids else "There is nothing to undo.")


@app.command(**in_section(DECIDE, "winnow log photos.winnow decisions.csv --since 2026-03-01"))
def log(
    ws: WorkspacePath,
    out: Annotated[Path, typer.Argument(metavar="OUT.csv|OUT.parquet|OUT.jsonl")],
    actor: Annotated[str | None, typer.Option(help="Only this person's.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only accept, relabel, exclude, undo or classes.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on (2026-03-01, UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Write the log of decisions and class changes to a file, the oldest first."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        n = workspace.write_log(out, overwrite=overwrite, actor=actor, action=kind, since=since, until=until)
    print_result({"path": str(out), "rows": n}, json_, f"{plural(n, 'row')} of the log written to {out}")


@app.command(**in_section(DECIDE, "winnow backup photos.winnow decisions.db"))
def backup(
    ws: WorkspacePath,
    out: Annotated[Path, typer.Argument(metavar="OUT.db", help="A new file.")],
    actor: Annotated[str | None, typer.Option(help="Who copies it, where roles are kept.")] = None,
    json_: Json = False,
) -> None:
    """Copy the decision log to a new file, checked row by row, while others go on deciding."""
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        n = workspace.backup(out)
    print_result({"path": str(out), "decisions": n}, json_, f"{plural(n, 'decision')} copied to {out}", indent=None)


@app.command(
    **in_section(
        DECIDE, "winnow store photos.winnow", "winnow store photos.winnow --use postgresql://ada@db.example.org/winnow"
    )
)
def store(
    ws: WorkspacePath,
    use: Annotated[
        str | None, typer.Option(help="postgresql://user@host/database: keep the decisions there from now on.")
    ] = None,
    new_log: Annotated[
        bool,
        typer.Option(
            "--new-log", help="Go on with the log that is there now: a restored backup, or none, so a new one."
        ),
    ] = False,
    actor: Annotated[str | None, typer.Option(help="Who moves them, where roles are kept.")] = None,
    json_: Json = False,
) -> None:
    """Say where the decisions are kept, or move them to a team's PostgreSQL server."""
    from ..review.roles import Right, Roles, default_actor
    from ..storage.decision_log.location import accept_log, log_of, place_log

    layout = existing_layout(ws)
    if use or new_log:
        Roles(layout.roles).require(actor or default_actor(), Right.LOG)
    if new_log:
        n = accept_log(layout)
        text = f"Going on with the log in {log_of(layout)}, which holds {plural(n, 'decision')}"
        print_result({"store": str(log_of(layout)), "decisions": n}, json_, text, indent=None)
        return
    copied = place_log(ws, use) if use else 0
    place = str(log_of(layout))
    text = f"Decisions are kept in {place}" + (f" ({copied:,} were copied there)" if copied else "")
    print_result({"store": place, "copied": copied}, json_, text, indent=None)
