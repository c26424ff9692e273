"""Verbs about people: who may do what, and how far they agree."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..errors import WinnowError, plural
from .options import PEOPLE, Json, WorkspacePath, existing_layout, in_section, print_result

app = typer.Typer()


@app.command(
    **in_section(PEOPLE, "winnow roles photos.winnow set ada owner", "winnow roles photos.winnow default viewer")
)
def roles(
    ws: WorkspacePath,
    verb: Annotated[str, typer.Argument(help="list, set or default.")] = "list",
    names: Annotated[
        list[str] | None, typer.Argument(help="set NAME ROLE, default ROLE. Roles: none, viewer, reviewer, owner.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Who gives the role (default: your login name).")] = None,
    json_: Json = False,
) -> None:
    """List who may do what, or give a role: viewer (looks), reviewer (decides, exports), owner (everything)."""
    from ..review.roles import Roles, default_actor

    given, by = names or [], actor or default_actor()
    stored = Roles(existing_layout(ws).roles)
    if verb == "list" and not given:
        table = stored.table()
    elif verb == "set" and len(given) == 2:
        table = stored.set(given[0], given[1], by)
    elif verb == "default" and len(given) == 1:
        table = stored.set_default(given[0], by)
    else:
        request = " ".join([verb, *given])
        raise WinnowError(f"{request!r} is nothing to do with roles. There are: list, set NAME ROLE, default ROLE.")
    rows = [*((role.value, name) for name, role in table.people.items()), (table.default.value, "everybody else")]
    text = "\n".join(f"{role.ljust(10)}{name}" for role, name in rows)
    print_result({"default": table.default, "people": dict(table.people)}, json_, text)


@app.command(**in_section(PEOPLE, "winnow people photos.winnow"))
def people(ws: WorkspacePath, json_: Json = False) -> None:
    """Who decided how much, how far people agree, and how far each can be relied on."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        report = workspace.annotators.report()
    lines = [
        f"{p.actor}: {plural(p.decisions, 'decision')}, {p.overlaps:,} shared, "
        f"{'agreement ' + format(p.agreement, '.0%') if p.agreement is not None else 'no agreement to tell'}, "
        f"{'quality ' + format(p.quality, '.2f') if p.quality is not None else p.note}"
        for p in report.people
    ]
    lines += [
        f"  {d.sample_id}: "
        + ", ".join(
            f"{name} {action}{' ' + repr(label) if label else ''}" for name, (action, label) in d.answers.items()
        )
        + (f"; consensus {d.consensus!r}" if d.consensus is not None else "")
        for d in report.disputes[:50]
    ]
    print_result(asdict(report), json_, "\n".join(lines) or "Nobody has decided anything yet.")
