"""The command line: the same verbs as the app, without a browser.

Results go to standard output, progress and errors to standard error. ``--json`` speaks to machines, ``--quiet`` says
nothing but errors. Exit status: 0 done, 2 refused (one sentence says why), 3 disk full, 130 cancelled.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..errors import Cancelled, WinnowError
from ..storage.job_files import STAGE_TITLES
from ..version import __version__
from . import classes as cli_people
from . import log as cli_log
from . import roles as cli_roles
from . import subsets as cli_select
from . import text as cli_words
from .progress import Bars

app = typer.Typer(
    name="winnow",
    help="Find what is wrong in a labelled dataset, see why, and fix it in the browser.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Write JSON for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
WorkspacePath = Annotated[Path, typer.Argument(metavar="WS", help="The workspace directory.")]
Host = Annotated[
    str, typer.Option(help="Address to listen on; beyond this computer with --token, sign-in or --no-auth.")
]
Token = Annotated[
    list[str] | None,
    typer.Option(
        "--token", help="Ask for this token first (auto = make one; NAME=auto = one person's). Also WINNOW_TOKEN."
    ),
]
NoAuth = Annotated[bool, typer.Option("--no-auth", help="Let everyone who reaches --host in, without signing in.")]
Actor = Annotated[str | None, typer.Option(help="Who decides (default: your login name).")]


def _say(data: Any, as_json: bool, text: str) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2) if as_json else text)


def _mode(as_json: bool, quiet: bool) -> str:
    return "quiet" if quiet else "json" if as_json else "bars"


@app.command()
def scan(
    source: Annotated[str, typer.Argument(help="A folder, CSV, Parquet, JSON Lines, or saved Hugging Face dataset.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The workspace directory to write.")],
    encoder: Annotated[
        str | None, typer.Option(help="See `winnow encoders`. Default: the best that can be had.")
    ] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Parquet or .npy with precomputed embeddings.")] = None,
    probabilities: Annotated[
        list[Path] | None, typer.Option(help="Parquet or .npy with predicted probabilities; may be repeated.")
    ] = None,
    id: Annotated[str | None, typer.Option("--id", help="Column with the sample's id.")] = None,
    image: Annotated[str | None, typer.Option(help="Column with image paths or bytes.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with text.")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the label.")] = None,
    split: Annotated[str | None, typer.Option(help="Column with the split (train, test …).")] = None,
    source_col: Annotated[str | None, typer.Option(help="Column that says where a sample comes from.")] = None,
    device: Device = "auto",
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
    from ..workspace import Workspace

    columns = ColumnMap(id=id, image=image, text=text, label=label, split=split, source=source_col)
    with Bars(_mode(json_, quiet)) as bars:
        ws = Workspace.scan(
            source,
            out,
            encoder=encoder,
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
        _report(ws, json_, quiet)


def _report(ws: Any, as_json: bool, quiet: bool) -> None:
    info = ws.info()
    if as_json:
        _say(info.to_json(), True, "")
        return
    if quiet:
        return
    for notice in info.notices:
        print(f"Note: {notice}", file=sys.stderr)
    for stage, why in info.failures.items():
        print(f"Not done: {STAGE_TITLES.get(stage, stage)}: {why}", file=sys.stderr)
    _table_of(info)
    print(f"\nReview it:  winnow app {ws.path}")


def _table_of(info: Any) -> None:
    table = Table(title=f"{info.name}: {info.n:,} samples", title_justify="left", box=None, pad_edge=False)
    table.add_column("verdict")
    table.add_column("samples", justify="right")
    table.add_column("share", justify="right")
    for kind, count in info.verdict_counts.items():
        table.add_row(kind, f"{count:,}", f"{count / max(info.n, 1):.1%}")
    Console().print(table)


@app.command(name="app")
def serve_app(
    ws: Annotated[Path | None, typer.Argument(metavar="[WS]", help="The workspace to open.")] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8501,
    host: Host = "127.0.0.1",
    no_auth: NoAuth = False,
    token: Token = None,
    actor: Actor = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = False,
) -> None:
    """Open the app on a workspace (or on the start page)."""
    _serve(ws, port, host, no_auth, actor, browser, token or [])


def _serve(
    ws: Path | None, port: int, host: str, no_auth: bool, actor: str | None, browser: bool, token: list[str]
) -> None:
    import importlib

    # The app stands above the engine: it is found by name, so that core never imports it.
    server = importlib.import_module("winnow.app.server.serve")
    tokens, said = server.open_door(host, port, token, no_auth)
    if ws is not None:
        from ..workspace import Workspace

        Workspace.open(ws, actor=actor).close()
    print("\n".join(said), file=sys.stderr, end="\n" if said else "")
    print(f"Winnow is at http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port} (stop with Ctrl-C)", flush=True)
    server.serve(ws, port=port, host=host, headless=not browser, actor=actor, tokens=tokens)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8501,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    host: Host = "127.0.0.1",
    no_auth: NoAuth = False,
    token: Token = None,
    home: Annotated[Path | None, typer.Option(help="Where to keep the demo (default: ~/.winnow/demo).")] = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the app after the scan.")] = True,
    quiet: Quiet = False,
) -> None:
    """Scan the built-in demo (handwritten digits with planted problems) and open it. Needs no network."""
    from ..data.demo import make_demo
    from ..workspace import Workspace

    root = (home or Path.home() / ".winnow" / "demo").expanduser().absolute()
    source = make_demo(root / "data")
    with Bars(_mode(False, quiet)) as bars:
        ws = Workspace.scan(
            source, root / "workspace", encoder="patches", progress=bars, name="Demo: handwritten digits"
        )
    with ws:
        ws.plant(root / "data" / "planted.parquet")
        _report(ws, False, quiet)
    if serve:
        _serve(root / "workspace", port, host, no_auth, None, browser, token or [])


@app.command()
def info(ws: WorkspacePath, json_: Json = False) -> None:
    """What a workspace holds: counts, encoder, notices, seconds per stage, decisions."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        about = workspace.info()
    if json_:
        _say(about.to_json(), True, "")
        return
    _table_of(about)
    print(f"\nencoder    {about.encoder}\nmodality   {about.modality}\nlabelled   {about.n_labelled:,}")
    print(f"decisions  {about.n_decisions:,}\nscanned    {about.created}")
    for stage, seconds in about.seconds.items():
        print(f"  {STAGE_TITLES.get(stage, stage).ljust(24)}{seconds:8.2f} s")
    for notice in about.notices:
        print(f"Note: {notice}")
    for stage, why in about.failures.items():
        print(f"Not done: {STAGE_TITLES.get(stage, stage)}: {why}")


def _cell(value: Any) -> str:
    """A value in a table for people: two decimals, thousands separators, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@app.command(name="sets")
def set_tables(ws: WorkspacePath, json_: Json = False) -> None:
    """Facts about the dataset as a whole: mixed-up classes, class sizes, giveaway properties, rare groups."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        tables = workspace.dataset_checks()
    if json_:
        _say(tables, True, "")
        return
    for found in tables:
        print(f"\n{found['title']}: {found['explain']}\n{found['summary'] or 'Left out: ' + found['skipped']}")
        table = Table(*map(str, found["columns"].values()), box=None, pad_edge=False)
        for row in found["rows"][:20]:
            table.add_row(*(escape(_cell(row[key])) for key in found["columns"]))
        if found["rows"]:
            Console(width=None if sys.stdout.isatty() else 160).print(table)
        if len(found["rows"]) > 20:
            print(f"… and {len(found['rows']) - 20:,} more (all of them with --json)")


@app.command()
def scores(ws: WorkspacePath, out: Annotated[Path, typer.Argument(metavar="OUT.parquet")], json_: Json = False) -> None:
    """Write one row per sample: verdict, confidence, reasons, suggestion, duplicate_of and every kind's score and flag."""
    from ..workspace import Workspace

    with Workspace.open(ws) as workspace:
        n = workspace.write_scores(out)
    _say({"path": str(out), "rows": n}, json_, f"{n:,} rows written to {out}")


@app.command()
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
            lines = [f"{report.applied:,} decisions replayed, {len(report.skipped):,} left out"]
            lines += [f"  {s.sample_id}: {s.reason}" for s in report.skipped[:20]]
            skipped = [{"sample_id": s.sample_id, "reason": s.reason} for s in report.skipped]
            _say({"applied": report.applied, "skipped": skipped}, json_, "\n".join(lines))
            return
        if id is None or action is None:
            raise WinnowError(
                "Say which sample and what to do: --id ID --action accept|relabel|exclude, or --patch FILE."
            )
        made = workspace.decide(id, action, label=label, reason=reason)
    _say(
        {
            "seq": made.seq,
            "decision_id": made.decision_id,
            "sample_id": made.sample_id,
            "action": made.action.value,
            "label": made.label,
        },
        json_,
        f"{made.action.value}{' ' + repr(made.label) if made.label else ''}: {made.sample_id}",
    )


@app.command()
def undo(ws: WorkspacePath, actor: Actor = None, json_: Json = False) -> None:
    """Take back this person's last decision (a bulk verdict counts as one)."""
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        undone = workspace.undo()
    ids = [d.sample_id for d in undone]
    text = f"Took back {len(ids):,} decision{'s' if len(ids) != 1 else ''}: {', '.join(ids[:5])}{' …' if len(ids) > 5 else ''}"
    _say({"undone": ids}, json_, text if ids else "There is nothing to take back.")


@app.command()
def encoders(json_: Json = False) -> None:
    """The encoders there are, and which can be used here now."""
    from ..features.encoders import catalogue

    found = catalogue()
    if json_:
        _say(
            [{k: getattr(e, k) for k in ("name", "modality", "dim", "cached", "downloadable", "note")} for e in found],
            True,
            "",
        )
        return
    table = Table(box=None, pad_edge=False)
    for name in ("encoder", "for", "here", "note"):
        table.add_column(name)
    for e in found:
        table.add_row(e.name, str(e.modality), "ready" if e.cached else "download" if e.downloadable else "no", e.note)
    Console().print(table)


@app.command()
def doctor(json_: Json = False) -> None:
    """Versions, device, cached weights and disk: what would be used here, and why."""
    from .doctor import examine

    report = examine()
    _say(report, json_, "\n".join(f"{key.ljust(18)}{value}" for key, value in _flat(report)))


def _flat(report: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in report.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, ", ".join(map(str, value)) if isinstance(value, list) else value))
    return rows


@app.command()
def flags(
    ws: WorkspacePath,
    kind: Annotated[str, typer.Option(help="broken, duplicate, ood, noisy_label, hard or naive.")],
    rate: Annotated[float, typer.Option(help="Largest expected share of false flags, above 0 and below 1.")] = 0.05,
    ordinary: Annotated[
        Path | None, typer.Option(help="Ids, one a line, of samples drawn at random and known not to be of the kind.")
    ] = None,
    json_: Json = False,
) -> None:
    """List the samples of a kind at a stated false-flag rate."""
    from ..workspace import Workspace

    known = _lines(ordinary) if ordinary is not None else None
    with Workspace.open(ws) as workspace:
        found = workspace.flag_list(kind, rate, ordinary=known)
    said = f"{len(found.ids):,} of {found.tested:,} samples, about {found.expected_false:.1f} of them wrongly ({found.method})"
    if json_:
        _say(asdict(found), True, "")
        return
    print(said, file=sys.stderr)
    for sample_id in found.ids:
        print(sample_id)


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise WinnowError(f"{str(path)!r} cannot be read as a list of ids, one a line: {error}.") from error


cli_people.register(app)
cli_log.register(app)
cli_select.register(app)
cli_roles.register(app)
cli_words.register(app)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def main(argv: list[str] | None = None) -> None:
    """Run the command line. Errors that Winnow knows are one sentence on standard error, never a stack trace."""
    from ..storage.job_files import share_cores

    share_cores()
    try:
        app(args=argv, standalone_mode=True)
    except Cancelled as error:
        print(f"winnow: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except WinnowError as error:
        print(f"winnow: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("winnow: stopped. Finished stages are kept: the same command goes on from here.", file=sys.stderr)
        sys.exit(Cancelled.exit_code)
