"""Verbs about words: what class names alone say, and how well captions fit their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import QueryError, WinnowError, plural
from .options import LOOK, Json, WorkspacePath, in_section, print_result, print_table

if TYPE_CHECKING:
    import pandas as pd

    from ..explore.zero_shot import NewClass

app = typer.Typer()


@app.command(
    **in_section(LOOK, "winnow prompts photos.winnow", 'winnow prompts photos.winnow --new "a drawing of a cat"')
)
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
    """Classes in words: show or change the prompts and how much the answer depends on them; score a new class."""
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
        stored = zero_shot.prompts
    if json_:
        data = {
            "templates": [asdict(f) for f in fits],
            "classes": [asdict(c) for c in classes],
            "negatives": stored.negatives,
        }
        print_result(_finite(data), True)
        return
    _print(
        ("template", "agrees with all", "finds the label"),
        [(f.template, _share(f.agrees), _share(f.right)) for f in fits],
    )
    order = sorted(classes, key=lambda c: (-(c.turns if c.turns == c.turns else -1.0), c.name))
    rows = [(c.name, c.words, f"{c.assigned:,}", _share(c.right), f"{c.spread:.2f}", _share(c.turns)) for c in order]
    _print(("class", "words", "finds", "of its own", "varies", "turns"), rows)
    if stored.negatives:
        print(f"Not about: {', '.join(stored.negatives)}")


def _pair(text: str) -> tuple[str, str]:
    name, sign, words = text.partition("=")
    if not sign:
        raise WinnowError(f"--words {text}: write CLASS=WORDS.")
    return name.strip(), words.strip()


def _new_class(scored: NewClass, as_json: bool) -> None:
    count = sum(scored.takes_from.values())
    if as_json:
        print_result({**asdict(scored), "count": count}, True)
        return
    print(f"{scored.name!r} would take {plural(count, 'sample')}" + (":" if count else "."))
    _print(("from", "samples"), [(name, f"{n:,}") for name, n in scored.takes_from.items()])
    _print(
        ("surest", "probability"),
        [(i, f"{p:.2f}") for i, p in list(zip(scored.ids, scored.probability, strict=True))[:10]],
    )


@app.command(**in_section(LOOK, "winnow pairs captions.winnow --out pairs.csv"))
def pairs(
    ws: WorkspacePath,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Write id, match, mismatch, state and weight of each pair (.csv or .parquet)."
        ),
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Who writes them, where roles are kept.")] = None,
    json_: Json = False,
) -> None:
    """Image–text pairs: how many captions fit their images, by source; weights for training with every pair."""
    from ..review.roles import Right
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        if out is not None:
            workspace.roles.require(workspace.actor, Right.EXPORT)
        table = workspace.image_text_pairs.table()
        (quality,) = (t for t in workspace.dataset_checks() if t["name"] == "pair_quality")
    if out is not None:
        _write(table, out)
    states = {s or "not judged": int(n) for s, n in table["state"].value_counts().items()}
    if json_:
        print_result({"states": states, "sources": quality["rows"], "out": str(out) if out else None}, True)
        return
    _print(("pairs", "how many"), [(s, f"{n:,}") for s, n in states.items()])
    rows = [
        (r["source"], f"{r['samples']:,}", _share(r["mismatched"]), f"{_share(r['low'])} to {_share(r['high'])}")
        for r in quality["rows"]
    ]
    _print(("source", "pairs", "do not fit", "surely (95%)"), rows)
    if out is not None:
        print(f"{plural(len(table), 'row')} written to {out}")


def _write(table: pd.DataFrame, out: Path) -> None:
    """The table as CSV, in which no cell runs as a formula, or as Parquet."""
    import pyarrow as pa

    from ..data.formulas import mark_formulas
    from ..storage.artifacts import save_table
    from ..storage.atomic import atomic_write

    if out.suffix == ".csv":
        safe = table.assign(id=mark_formulas(pa.array(table["id"].astype(str)))[0].to_pylist())
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
    print_table(head, rows, left=(head[0], "words"))
