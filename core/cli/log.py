"""Verbs about the decision log itself: where it lies, and copies of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import WorkspaceError

Json = Annotated[bool, typer.Option("--json", help="Write JSON for machines.")]
WorkspacePath = Annotated[Path, typer.Argument(metavar="WS", help="The workspace directory.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(backup)
    app.command()(store)


def backup(
    ws: WorkspacePath, out: Annotated[Path, typer.Argument(metavar="OUT.db", help="A new file.")], json_: Json = False
) -> None:
    """Copy the decision log to a new file, checked row by row, while others go on deciding."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        n = workspace.backup(out)
    print(json.dumps({"path": str(out), "decisions": n}) if json_ else f"{n:,} decisions copied to {out}")


def store(
    ws: WorkspacePath,
    use: Annotated[
        str | None, typer.Option(help="postgresql://user@host/database: keep the decisions there from now on.")
    ] = None,
    json_: Json = False,
) -> None:
    """Say where the decisions are kept, or move them to a team's PostgreSQL server."""
    from ..storage.decision_log.location import log_of, place_log
    from ..storage.layout import Layout

    layout = Layout(ws.expanduser().absolute())
    if not layout.header.exists():
        raise WorkspaceError(f"There is no Winnow workspace at {ws}.")
    copied = place_log(ws, use) if use else 0
    place = str(log_of(layout))
    text = f"Decisions are kept in {place}" + (f" ({copied:,} were copied there)" if copied else "")
    print(json.dumps({"store": place, "copied": copied}) if json_ else text)
