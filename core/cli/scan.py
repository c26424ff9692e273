"""Verbs about a scan and what it says: scan, info, sets, scores, flags."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import plural
from ..explore.filter_schema import STATES
from ..explore.verdict_style import STYLES
from ..storage.job_files import stage_title
from ..types import Kind
from .options import LOOK, START, Json, Quiet, WorkspacePath, in_section, print_result, print_table, read_ids
from .progress import Bars, mode

if TYPE_CHECKING:
    from ..explore.results import Counts, WorkspaceInfo
    from ..workspace import Workspace

app = typer.Typer()


@app.command(
    **in_section(
        START,
        "winnow scan photos/ --out photos.winnow",
        "winnow scan reviews.csv --out reviews.winnow --text body --label stars",
        "winnow scan data.parquet --out data.winnow --embeddings vectors.npy",
    )
)
def scan(
    source: Annotated[str, typer.Argument(help="A folder, CSV, Parquet, JSON Lines, or saved Hugging Face dataset.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The workspace directory to write.")],
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="See `winnow encoders`; may be repeated: the first answers searches, all judge. `best`: the strongest "
            "pair that can be had. Default: the best one."
        ),
    ] = None,
    embeddings: Annotated[
        list[Path] | None,
        typer.Option(help="Parquet or .npy with precomputed embeddings; may be repeated, beside --encoder too."),
    ] = None,
    probabilities: Annotated[
        list[Path] | None, typer.Option(help="Parquet or .npy with predicted probabilities; may be repeated.")
    ] = None,
    id: Annotated[str | None, typer.Option("--id", help="Column with the sample's id.")] = None,
    image: Annotated[str | None, typer.Option(help="Column with image paths or bytes.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with text.")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the label.")] = None,
    tags: Annotated[
        str | None,
        typer.Option(
            help="Several labels a sample: COLUMN, COLUMN:SEPARATOR, or columns of yes and no: A,B,C, PREFIX*."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Column with the split (train, test …).")] = None,
    source_col: Annotated[str | None, typer.Option(help="Column that says where a sample comes from.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    map: Annotated[bool, typer.Option("--map/--no-map", help="Draw the map (UMAP).")] = True,
    learn: Annotated[
        bool,
        typer.Option("--learn", help="Learn from the decisions made so far: corrected labels, confirmed outliers."),
    ] = False,
    views: Annotated[
        int, typer.Option(help="Augmented views of each image for the naive verdict; each costs as much as embedding.")
    ] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the network for weights.")] = False,
    score: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN[:KIND][:low]: a numeric column as a signal of its own; may be repeated."),
    ] = None,
    second_encoder: Annotated[
        str | None, typer.Option(help="Another CLIP encoder: a second opinion about image–text pairs.")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="postgresql://user@host/database: keep decisions there, for a team.")
    ] = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Embed a dataset, score every sample, and write a workspace. Run again, it does only what changed."""
    from ..types import ColumnMap

    columns = ColumnMap(id=id, image=image, text=text, label=label, split=split, source=source_col, tags=tags)
    with Bars(mode(json_, quiet)) as bars:
        from ..workspace import Workspace

        ws = Workspace.scan(
            source,
            out,
            encoders=encoder,
            embeddings=embeddings,
            probabilities=probabilities,
            columns=columns,
            device=device,
            seed=seed,
            projection=map,
            network=not offline,
            learn=learn,
            views=views,
            scores=score,
            second_encoder=second_encoder,
            store=store,
            progress=bars,
        )
    with ws:
        report(ws, json_, quiet)


def report(ws: Workspace, as_json: bool, quiet: bool) -> None:
    """Print what a scan came to: notices, failed stages, verdicts, the next step."""
    info, counts = ws.info(), ws.counts()
    if as_json:
        print_result(_as_json(info, counts), True)
        return
    if quiet:
        return
    for notice in info.notices:
        print(f"Note: {notice}", file=sys.stderr)
    for stage, why in info.failures.items():
        print(f"Not done: {stage_title(stage)}: {why}", file=sys.stderr)
    _print_verdicts(info, counts)
    print(f"\nReview it:  winnow app {ws.path}")


def _as_json(info: WorkspaceInfo, counts: Counts) -> dict[str, Any]:
    return {**info.to_json(), "open": counts.by_verdict, "in_force": _in_force(counts)}


def _in_force(counts: Counts) -> dict[str, int]:
    """Decisions in force: accept, relabel, exclude or disputed → how many samples."""
    return {state: n for state, n in counts.by_state.items() if state != "undecided"}


def _print_verdicts(info: WorkspaceInfo, counts: Counts) -> None:
    rows = [
        (STYLES[Kind(kind)].name, f"{count:,}", f"{count / max(info.n, 1):.1%}", f"{counts.by_verdict.get(kind, 0):,}")
        for kind, count in info.verdict_counts.items()
    ]
    title = f"{info.name}: {plural(info.n, 'sample')}"
    print_table(("verdict", "samples", "share", "open"), rows, left=("verdict",), title=title)


@app.command(**in_section(LOOK, "winnow info photos.winnow"))
def info(ws: WorkspacePath, json_: Json = False) -> None:
    """What a workspace holds: verdicts, decisions in force, encoders, notices, seconds per stage."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        about, counts = workspace.info(), workspace.counts()
    if json_:
        print_result(_as_json(about, counts), True)
        return
    _print_verdicts(about, counts)
    print()
    for used in about.encoders:
        print(f"encoder    {used.name} ({used.dim:,} numbers, {used.embedded:,} samples)")
    print(f"modality   {about.modality}\nlabelled   {about.n_labelled:,}")
    decided = _in_force(counts)
    each = ", ".join(f"{n:,} {STATES[state].lower()}" for state, n in decided.items())
    print(f"decided    {sum(decided.values()):,}{f' ({each})' if each else ''}")
    print(f"log        {plural(about.n_decisions, 'row')}, undos among them")
    print(f"scanned    {about.created}")
    for stage, seconds in about.seconds.items():
        print(f"  {stage_title(stage).ljust(24)}{seconds:8.2f} s")
    for notice in about.notices:
        print(f"Note: {notice}")
    for stage, why in about.failures.items():
        print(f"Not done: {stage_title(stage)}: {why}")


def _cell(value: Any) -> str:
    """A value in a table for people: two decimals, thousands separators, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@app.command(name="sets", **in_section(LOOK, "winnow sets photos.winnow"))
def set_tables(ws: WorkspacePath, json_: Json = False) -> None:
    """Facts about the dataset as a whole: class confusions and sizes, spurious correlations, rare and weak slices."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        tables = workspace.dataset_checks()
    if json_:
        print_result(tables, True)
        return
    for table in tables:
        columns, rows = table["columns"], table["rows"]
        print(f"\n{table['title']}: {table['explain']}\n{table['summary'] or 'Left out: ' + table['skipped']}")
        if rows:
            print_table([*map(str, columns.values())], [[_cell(row[key]) for key in columns] for row in rows[:20]])
        if len(rows) > 20:
            print(f"… and {len(rows) - 20:,} more (all of them with --json)")


@app.command(
    **in_section(
        LOOK,
        "winnow scores photos.winnow scores.parquet",
        "winnow scores photos.winnow scores.parquet --signals",
        "winnow scores photos.winnow tags.parquet --by tag",
    )
)
def scores(
    ws: WorkspacePath,
    out: Annotated[Path, typer.Argument(metavar="OUT.parquet")],
    signals: Annotated[
        bool,
        typer.Option(
            "--signals", help="Also the three signals that speak most for each verdict, and every signal's score."
        ),
    ] = False,
    by: Annotated[str, typer.Option(help="A row per `sample`, or per sample and `tag`.")] = "sample",
    json_: Json = False,
) -> None:
    """Write one row per sample: verdict, confidence, reasons, suggestion, duplicate_of, each kind's score and flag.

    By tag, one row per sample and tag that somebody looked at: id, tag, given, score (1 = surely wrong) and flag.
    """
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        n = workspace.write_scores(out, signals=signals, by=by)
    print_result({"path": str(out), "rows": n}, json_, f"{plural(n, 'row')} written to {out}")


@app.command(**in_section(LOOK, "winnow flags photos.winnow --kind noisy_label --rate 0.05"))
def flags(
    ws: WorkspacePath,
    kind: Annotated[str, typer.Option(help="broken, duplicate, ood, noisy_label, hard or naive.")],
    rate: Annotated[float, typer.Option(help="Largest expected share of false flags, above 0 and below 1.")] = 0.05,
    ordinary: Annotated[
        Path | None, typer.Option(help="Ids, one a line, of samples drawn at random and known not to be of the kind.")
    ] = None,
    look: Annotated[
        bool, typer.Option("--worth-a-look", help="List the next in rank below the list and the verdicts instead.")
    ] = False,
    json_: Json = False,
) -> None:
    """List the samples of a kind at a stated false-flag rate."""
    from ..workspace import Workspace

    known = read_ids(ordinary) if ordinary is not None else None
    with Workspace.open(ws) as workspace:
        listed = workspace.flag_list(kind, rate, ordinary=known)
    if json_:
        print_result(asdict(listed), True)
        return
    print(
        f"{len(listed.ids):,} of {plural(listed.tested, 'sample')}, about {listed.expected_false:.1f} of them wrongly "
        f"({listed.method})",
        file=sys.stderr,
    )
    if listed.worth_a_look:
        print(
            f"Worth a look: the next {plural(len(listed.worth_a_look), 'sample')} in rank, about "
            f"{listed.worth_a_look_precision:.0%} of them of the kind{'' if look else ' (--worth-a-look lists them)'}",
            file=sys.stderr,
        )
    for sample_id in listed.worth_a_look if look else listed.ids:
        print(sample_id)
