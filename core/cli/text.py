"""Verbs about words: what class names alone say, and how well captions fit their images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..errors import QueryError, WinnowError

Json = Annotated[bool, typer.Option("--json", help="Write JSON for machines.")]
WorkspacePath = Annotated[Path, typer.Argument(metavar="WS", help="The workspace directory.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command()(prompts)
    app.command()(pairs)


def prompts(
    ws: WorkspacePath,
    template: Annotated[
        list[str] | None, typer.Option(help="Replace the templates by these; {} is where the class goes.")
    ] = None,
    words: Annotated[
        list[str] | None, typer.Option(help="CLASS=WORDS that stand for a class; nothing = its name.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--not", help="Replace what the dataset is not about by these.")
    ] = None,
    new: Annotated[str | None, typer.Option(help="Score a class that is not there yet.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who changes them (default: your login name).")] = None,
    json_: Json = False,
) -> None:
    """Classes in words: show or change the prompts and how much the answer depends on them; score a new class at once."""
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        zero_shot = workspace.zero_shot
        if why := zero_shot.why_not():
            raise QueryError(why)
        if template or words or without:
            zero_shot.write(
                templates=template, names=dict(map(_pair, words or [])), negatives=without, actor=workspace.actor
            )
        if new is not None:
            _new_class(zero_shot.new_class(new), json_)
            return
        fits, classes = zero_shot.sensitivity()
        kept = zero_shot.prompts
    if json_:
        found = {
            "templates": [asdict(f) for f in fits],
            "classes": [asdict(c) for c in classes],
            "negatives": kept.negatives,
        }
        print(json.dumps(_finite(found), ensure_ascii=False, indent=2))
        return
    _print(
        ("template", "agrees with all", "finds the label"),
        [(f.template, _share(f.agrees), _share(f.right)) for f in fits],
    )
    order = sorted(classes, key=lambda c: (-(c.turns if c.turns == c.turns else -1.0), c.name))
    rows = [(c.name, c.words, f"{c.found:,}", _share(c.right), f"{c.spread:.2f}", _share(c.turns)) for c in order]
    _print(("class", "words", "finds", "of its own", "varies", "turns"), rows)
    if kept.negatives:
        print(f"Not about: {', '.join(kept.negatives)}")


def _pair(text: str) -> tuple[str, str]:
    name, mark, said = text.partition("=")
    if not mark:
        raise WinnowError(f"--words {text}: write CLASS=WORDS.")
    return name.strip(), said.strip()


def _new_class(found: Any, as_json: bool) -> None:
    count = sum(found.takes_from.values())
    if as_json:
        print(json.dumps({**asdict(found), "count": count}, ensure_ascii=False, indent=2))
        return
    print(f"{found.name!r} would take {count:,} samples" + (":" if count else "."))
    _print(("from", "samples"), [(name, f"{n:,}") for name, n in found.takes_from.items()])
    _print(
        ("surest", "probability"),
        [(i, f"{p:.2f}") for i, p in list(zip(found.ids, found.probability, strict=True))[:10]],
    )


def pairs(
    ws: WorkspacePath,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Write id, match, mismatch, state and weight of each pair (.csv or .parquet)."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Image–text pairs: how many captions fit their images, by source; weights for training with every pair."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        table = workspace.image_text_pairs.table()
        (quality,) = (t for t in workspace.dataset_checks() if t["name"] == "pair_quality")
    if out is not None:
        _write(table, out)
    states = {s or "not judged": int(n) for s, n in table["state"].value_counts().items()}
    if json_:
        print(
            json.dumps(
                {"states": states, "sources": quality["rows"], "out": str(out) if out else None},
                ensure_ascii=False,
                indent=2,
            )
        )
        return
    _print(("pairs", "how many"), [(s, f"{n:,}") for s, n in states.items()])
    rows = [
        (r["source"], f"{r['samples']:,}", _share(r["mismatched"]), f"{_share(r['low'])} to {_share(r['high'])}")
        for r in quality["rows"]
    ]
    _print(("source", "pairs", "do not fit", "surely (95%)"), rows)
    if out is not None:
        print(f"{len(table):,} rows written to {out}")


def _write(table: Any, out: Path) -> None:
    """The table as CSV, in which no cell runs as a formula, or as Parquet."""
    import pyarrow as pa

    from ..export.formats.csv import neutralise
    from ..storage.artifacts import save_table
    from ..storage.atomic import atomic_write

    if out.suffix == ".csv":
        safe = table.assign(id=neutralise(pa.array(table["id"].astype(str)))[0].to_pylist())
        atomic_write(out, lambda file: file.write(safe.to_csv(index=False).encode()), "the table")
    elif out.suffix == ".parquet":
        save_table(out, pa.Table.from_pandas(table, preserve_index=False))
    else:
        raise WinnowError(f"{out.name!r} ends in neither .csv nor .parquet.")


def _share(x: float) -> str:
    return f"{x:.1%}" if x == x else "–"


def _finite(value: Any) -> Any:
    """NaN as null, which JSON has."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and value != value else value


def _print(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False)
    for i, name in enumerate(head):
        table.add_column(name, justify="left" if i == 0 or name == "words" else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
