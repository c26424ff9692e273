"""The verb that labels: suggestions for what has no label, accepting many at once, labels made elsewhere."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import WinnowError
from .label_audit import audit
from .options import DECIDE, Actor, Json, WorkspacePath, in_section, print_result

if TYPE_CHECKING:
    from ..review.active_learning import BulkEstimate, Labeller
    from ..workspace import Workspace

app = typer.Typer()

_ERRORS = (0.01, 0.02, 0.05, 0.1, 0.2)


@app.command(
    **in_section(
        DECIDE,
        "winnow label photos.winnow --next 20",
        "winnow label photos.winnow --from mine.csv",
        "winnow label photos.winnow --max-error 0.05 --dry-run",
        "winnow label photos.winnow audit --draw 200 --out sheet.csv",
        "winnow label photos.winnow audit --from sheet.csv",
    )
)
def label(
    ws: WorkspacePath,
    what: Annotated[
        str, typer.Argument(metavar="[audit]", help="audit = judge labels drawn at random, and say how many are wrong.")
    ] = "",
    accept: Annotated[
        float | None, typer.Option(help="Give every sample its likeliest class where its probability is at least this.")
    ] = None,
    max_error: Annotated[
        float | None, typer.Option(help="The same, down to where the estimated share of wrong labels reaches this.")
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Labels made elsewhere: .csv (id, label), Label Studio or COCO .json, CVAT .xml. With audit: answers.",
        ),
    ] = None,
    next_: Annotated[int | None, typer.Option("--next", help="List this many samples to label next.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write id, suggestion, probability of all samples without a label (.csv). With audit: id and the "
            "label to judge."
        ),
    ] = None,
    add: Annotated[list[str] | None, typer.Option(help="Add a class that no sample has yet; may be repeated.")] = None,
    draw: Annotated[int | None, typer.Option(help="With audit: draw this many samples anew.")] = None,
    actor: Actor = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")] = False,
    json_: Json = False,
) -> None:
    """Label with help: say how far it has come, accept what is sure, list what to label next, bring labels."""
    from ..workspace import Workspace

    if accept is not None and max_error is not None:
        raise WinnowError("--accept and --max-error both say how sure a label must be. Give one of them.")
    if what not in ("", "audit"):
        raise WinnowError(f"{what!r} is nothing that `winnow label` does. There is: audit.")
    labels_too = [name for name, value in (("--accept", accept), ("--max-error", max_error), ("--add", add)) if value]
    if what and labels_too:
        raise WinnowError(f"{labels_too[0]} labels samples, and an audit judges them. Run one after the other.")
    if draw is not None and not what:
        raise WinnowError("--draw belongs to an audit: winnow label WS audit --draw 200.")
    with Workspace.open(ws, actor=actor) as workspace:
        data: dict[str, Any] = {}
        lines: list[str] = []
        if what:
            audit(workspace, draw=draw, answers=from_, next_=next_, sheet=out, data=data, lines=lines)
            print_result(data, json_, "\n".join(lines))
            return
        for name in add or ():
            workspace.class_editor.add(name, actor=workspace.actor)
            lines.append(f"Added the class {name.strip()!r}.")
        if from_ is not None:
            _bring(workspace, from_, data, lines)
        labeller = workspace.labeller
        if accept is not None or max_error is not None:
            threshold = accept if accept is not None else _threshold_for(labeller, max_error or 0.0)
            _accept(workspace, threshold, dry_run, data, lines)
        if out is not None:
            data["written"] = _write(labeller, workspace.ids(), out)
            lines.append(f"{data['written']:,} suggestions written to {out}")
        if next_ is not None:
            data["next"] = labeller.next_ids(next_)
            lines += data["next"]
        else:
            _report(labeller, data, lines)
    print_result(data, json_, "\n".join(lines))


def _bring(workspace: Workspace, path: Path, data: dict[str, Any], lines: list[str]) -> None:
    done = workspace.import_labels(path)
    data["imported"] = {k: v for k, v in done.__dict__.items() if k != "unknown"} | {"unknown": len(done.unknown)}
    lines.append(f"{done.recorded:,} labels recorded from {path.name}, {done.unchanged:,} were there already.")
    if done.kept:
        lines.append(f"{done.kept:,} were left out: the same person has decided otherwise by hand.")
    if done.disputed:
        lines.append(f"People disagree about {done.disputed:,} of these samples: see the queue “People disagree”.")
    lines += [f"{written!r} was taken for the class {name!r}." for written, name in list(done.respelled.items())[:10]]
    if done.new_classes:
        lines.append(f"New classes: {', '.join(done.new_classes[:20])}{' …' * (len(done.new_classes) > 20)}.")
    if done.unknown:
        first = ", ".join(map(repr, done.unknown[:5]))
        lines.append(
            f"{len(done.unknown):,} belong to no sample of this workspace: {first}{' …' * (len(done.unknown) > 5)}."
        )


def _threshold_for(labeller: Labeller, error: float) -> float:
    if not 0.0 < error < 1.0:
        raise WinnowError(f"--max-error is a share of wrong labels above 0 and below 1, such as 0.05, not {error:g}.")
    return labeller.thresholds([error])[error]


def _accept(workspace: Workspace, threshold: float, dry_run: bool, data: dict[str, Any], lines: list[str]) -> None:
    labeller = workspace.labeller
    if threshold > 1.0:
        data["accepted"] = {"count": 0}
        lines.append("No label is that sure yet: label more samples, those of `--next` first.")
        return
    estimate: BulkEstimate = labeller.estimate(threshold)
    batch = ""
    if not dry_run:
        batch, estimate = labeller.accept(threshold, workspace.actor)
    data["accepted"] = {**estimate.__dict__, "batch_id": batch, "dry_run": dry_run}
    verb = "would get" if dry_run else "got"
    says = f"{estimate.count:,} of {estimate.of:,} samples {verb} a label with p ≥ {threshold:.3f}"
    lines.append(
        f"{says}; about {estimate.error:.1%} of them are estimated to be wrong." if estimate.count else f"{says}."
    )
    if estimate.count and batch:
        lines.append(f"Take all of them back: winnow undo {workspace.path}")


def _write(labeller: Labeller, ids: list[str], out: Path) -> int:
    written = 0
    with out.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "suggestion", "probability"])
        for sample, suggested in zip(ids, labeller.suggestions(ids), strict=True):
            if suggested:
                table.writerow([sample, suggested[0][0], f"{suggested[0][1]:.4f}"])
                written += 1
    return written


def _report(labeller: Labeller, data: dict[str, Any], lines: list[str]) -> None:
    report = labeller.report()
    at = {error: labeller.estimate(t) for error, t in labeller.thresholds(_ERRORS).items() if t <= 1.0}
    data["report"] = report
    data["accept"] = [
        {"max_error": e, "threshold": b.threshold, "count": b.count, "error": b.error} for e, b in at.items()
    ]
    lines.append(
        f"{report['samples']:,} samples in {report['classes']:,} classes: {report['by_people']:,} labelled by people, "
        f"{report['propagated']:,} propagated, {report['to_label']:,} to label."
    )
    lines += [f"  --max-error {e:<5g} labels {b.count:>9,} (p ≥ {b.threshold:.3f})" for e, b in at.items()]
    lines += report["notes"]
