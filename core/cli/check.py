"""The verb for annotation files: check."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..errors import plural
from .options import START, Json, in_section, print_result, print_table

app = typer.Typer()

_SHOWN = 20


@app.command(**in_section(START, "winnow check annotations.json", "winnow check yolo/data.yaml --all"))
def check(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="COCO file, YOLO data.yaml, or folder of VOC files.")],
    images: Annotated[Path | None, typer.Option(help="The folder of the pictures (default: beside the file).")] = None,
    all_: Annotated[bool, typer.Option("--all", help=f"List every fault, not {_SHOWN} of each kind.")] = False,
    json_: Json = False,
) -> None:
    """Check a file of boxes (COCO, YOLO, Pascal VOC) by itself: sizes, places, ids, classes, pictures, segmentations.

    The exit status is 1 where anything is wrong.
    """
    from ..data.annotations import check_annotations, read_annotations
    from ..data.annotations.integrity import KINDS

    annotations = read_annotations(path, images)
    faults = check_annotations(annotations)
    if json_:
        print_result([{"kind": f.kind, "where": f.where, "what": f.what} for f in faults], True)
    else:
        counts = Counter(f.kind for f in faults)
        empty = len({p.key for p in annotations.pictures} - {b.picture for b in annotations.boxes})
        summary = f"{plural(len(annotations.boxes), 'box', 'boxes')} in {plural(len(annotations.pictures), 'picture')}"
        summary += f" ({empty:,} without a box), {plural(len(annotations.classes), 'class', 'classes')}: "
        typer.echo(summary + (plural(len(faults), "fault") if faults else "nothing is wrong") + ".")
        for kind, count in counts.items():
            listed = [f for f in faults if f.kind == kind]
            rows = [(f.where, f.what) for f in (listed if all_ else listed[:_SHOWN])]
            typer.echo(f"\n{KINDS[kind]}: {count:,}")
            print_table(("where", "what"), rows)
            if len(rows) < count:
                typer.echo(f"… and {count - len(rows):,} more (--all lists them)")
    if faults:
        raise typer.Exit(1)
