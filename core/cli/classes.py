"""The verb that lists and changes classes."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import WinnowError, choices
from .options import DECIDE, Actor, Json, WorkspacePath, in_section, print_result

app = typer.Typer()

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


@app.command(
    **in_section(DECIDE, "winnow classes photos.winnow", "winnow classes photos.winnow merge kitten cat --dry-run")
)
def classes(
    ws: WorkspacePath,
    verb: Annotated[str, typer.Argument(help="list, merge, rename, split, delete, undo or log.")] = "list",
    names: Annotated[
        list[str] | None,
        typer.Argument(help="merge NAME INTO, rename NAME TO, split NAME TO, delete NAME, undo EVENT."),
    ] = None,
    cluster: Annotated[int | None, typer.Option(help="For split: the cluster that becomes a class.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, in your words.")] = None,
    actor: Actor = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")] = False,
    json_: Json = False,
) -> None:
    """List the classes, or change one: each change is a decision in the log that can be undone."""
    from ..explore.filter import Filter
    from ..workspace import Workspace

    names = names or []
    if verb not in VERBS or len(names) != len(VERBS[verb]):
        usage = choices(" ".join((v, *takes)) for v, takes in VERBS.items())
        raise WinnowError(f"{' '.join([verb, *names])!r} is nothing to do with classes. There are: {usage}.")
    with Workspace.open(ws, actor=actor) as workspace:
        editor = workspace.class_editor
        if verb == "list":
            sizes = editor.classes()
            print_result(sizes, json_, "\n".join(f"{n:>9,}  {name}" for name, n in sizes.items()))
            return
        if verb == "log":
            fields = ("event_id", "event", "name", "target", "actor", "at", "reason", "undoes")
            rows = [{field: getattr(e, field) for field in fields} for e in editor.events()]
            force = editor.in_force()
            lines = [
                f"{r['at']}  {r['event_id']}  {r['actor']}: {r['event']} {r['name']!r}"
                f"{' → ' + repr(r['target']) if r['target'] else ''}"
                f"{'' if r['event_id'] in force or r['event'] == 'undo' else '  (reverted)'}"
                for r in rows
            ]
            print_result(rows, json_, "\n".join(lines) or "No class was changed.")
            return
        if verb == "undo":
            event = editor.undo(names[0], workspace.actor)
            data = {"event_id": event.event_id, "undoes": event.undoes}
            print_result(data, json_, f"Reverted the change of {event.name!r}.")
            return
        ids: list[str] | None = None
        if verb == "split":
            if cluster is None:
                raise WinnowError(
                    f"Say which part of {names[0]!r}: --cluster NUMBER, one of {choices(editor.clusters(names[0]))}."
                )
            ids = editor.members(names[0], Filter(clusters=(cluster,)))
        target = names[1] if len(names) > 1 else None
        preview = editor.preview(verb, names[0], target, len(ids) if ids is not None else None)
        if dry_run:
            print_result({"count": preview.count, "says": preview.says}, json_, preview.says)
            return
        if ids is not None:
            event = editor.split(names[0], names[1], ids, actor=workspace.actor, reason=reason)
        elif verb == "delete":
            event = editor.delete(names[0], actor=workspace.actor, reason=reason)
        else:
            event = (editor.merge if verb == "merge" else editor.rename)(
                names[0], names[1], actor=workspace.actor, reason=reason
            )
    data = {field: getattr(event, field) for field in ("event_id", "event", "name", "target")}
    text = f"{preview.says}\nRevert it with: winnow classes {ws} undo {event.event_id}"
    print_result({**data, "count": preview.count}, json_, text)
