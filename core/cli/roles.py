"""The verb about roles: who may look, decide, and change classes in a workspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import WinnowError, WorkspaceError

WorkspacePath = Annotated[Path, typer.Argument(metavar="WS", help="The workspace directory.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(roles)


def roles(
    ws: WorkspacePath,
    verb: Annotated[str, typer.Argument(help="list, set or default.")] = "list",
    names: Annotated[
        list[str] | None, typer.Argument(help="set NAME ROLE, default ROLE. Roles: none, viewer, reviewer, owner.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Who gives the role (default: your login name).")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Write JSON for machines.")] = False,
) -> None:
    """List who may do what, or give a role: viewer (looks, exports), reviewer (decides), owner (everything)."""
    from ..review.roles import Roles
    from ..storage.layout import Layout
    from ..workspace import default_actor

    layout, given, by = Layout(ws.expanduser().absolute()), names or [], actor or default_actor()
    if not layout.header.exists():
        raise WorkspaceError(f"There is no Winnow workspace at {ws}.")
    kept = Roles(layout.roles)
    if verb == "list" and not given:
        table = kept.table()
    elif verb == "set" and len(given) == 2:
        table = kept.set(given[0], given[1], by)
    elif verb == "default" and len(given) == 1:
        table = kept.set_default(given[0], by)
    else:
        said = " ".join([verb, *given])
        raise WinnowError(f"{said!r} is nothing to do with roles. There are: list, set NAME ROLE, default ROLE.")
    if json_:
        print(json.dumps({"default": table.default, "people": dict(table.people)}, ensure_ascii=False, indent=2))
        return
    rows = [*((role.value, who) for who, role in table.people.items()), (table.default.value, "everybody else")]
    print("\n".join(f"{role.ljust(10)}{who}" for role, who in rows))
