"""Verbs about what comes out: export, datasheet, diff, apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl

import typer

from ..errors import WinnowError, choices, plural
from .options import EXPORT, Json, Overwrite, WorkspacePath, in_section, print_result, print_table, read_ids
from .progress import Bars

if TYPE_CHECKING:
    from ..workspace import Workspace

app = typer.Typer()


@app.command(
    **in_section(
        EXPORT,
        "winnow export photos.winnow curated.csv",
        "winnow export photos.winnow curated/ --format image_folder --links",
        'winnow export photos.winnow clean.parquet --filter "verdicts=clean&classes=cat"',
    )
)
def export(
    ws: WorkspacePath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A file (.csv, .parquet, .jsonl) or a folder.")],
    include_excluded: Annotated[bool, typer.Option("--include-excluded", help="Keep excluded rows, marked.")] = False,
    format: Annotated[
        str | None, typer.Option(help="A format (`--format list` names them all); else by the suffix of OUT.")
    ] = None,
    selection: Annotated[str | None, typer.Option(help="Only a kept selection.")] = None,
    filter: Annotated[
        str | None, typer.Option(help="Only what matches, as in the address of a page: verdicts=clean&classes=cat.")
    ] = None,
    queue: Annotated[
        str | None, typer.Option(help="Only samples of this verdict that nobody has decided about.")
    ] = None,
    ids: Annotated[Path | None, typer.Option(help="Only the ids of this file, one a line.")] = None,
    links: Annotated[bool, typer.Option("--links", help="Link to the original images instead of copying.")] = False,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Export images too that lie outside the folder of the source.")
    ] = False,
    keep_broken: Annotated[
        bool, typer.Option("--keep-broken", help="Export damaged images too; otherwise they are left out.")
    ] = False,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Whether Parquet holds the bytes of images of a table.")
    ] = True,
    csv_plain: Annotated[
        bool,
        typer.Option(
            "--csv-plain", help="Write CSV texts as they stand, also those that a spreadsheet would run as formulas."
        ),
    ] = False,
    exclude_flagged: Annotated[
        str | None,
        typer.Option(help="Leave out unreviewed samples of these verdicts: broken,duplicate,ood (keepers stay)."),
    ] = None,
    noisy: Annotated[
        str, typer.Option(help="Unreviewed noisy labels: keep, exclude, or relabel to the suggestion.")
    ] = "keep",
    noisy_at: Annotated[float, typer.Option(help="… of at least this probability, 0 to 1.")] = 0.5,
    replace_label: Annotated[
        bool, typer.Option("--replace-label", help="Put final labels and tags into the original columns.")
    ] = False,
    tags_as: Annotated[
        str | None, typer.Option(help="Write the final tags as list, delimited or columns. Default: as they came in.")
    ] = None,
    sheet: Annotated[
        bool, typer.Option("--datasheet", help="Write a datasheet beside it, in HTML and Markdown.")
    ] = False,
    actor: Annotated[str | None, typer.Option(help="Who exports, where roles are kept.")] = None,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Write the curated dataset, or a part of it, with its manifest and a patch file."""
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        if format == "list":
            _list_formats(workspace.exports.formats(), json_)
            return
        only, about = _part(workspace, selection, filter, queue, ids)
        about_noisy = {"noisy": noisy, "noisy_at": noisy_at}
        with Bars("quiet" if json_ else "bars") as bars:
            result = workspace.exports.export(
                out,
                format=format,
                only=only,
                links=links,
                allow_outside=allow_outside,
                keep_broken=keep_broken,
                images=images,
                csv_plain=csv_plain,
                include_excluded=include_excluded,
                auto={"exclude": exclude_flagged.split(",") if exclude_flagged else (), **about_noisy},
                replace_label=replace_label,
                tags_as=tags_as,
                overwrite=overwrite,
                about=about,
                progress=bars,
            )
        sheets = (
            workspace.exports.datasheet(
                result.path.with_name(f"{result.path.name}.datasheet"), about=about, overwrite=overwrite
            )
            if sheet
            else ()
        )
    data = {
        "path": str(result.path),
        "rows": result.rows,
        "excluded": result.excluded,
        "manifest": str(result.manifest_path),
        "patch": str(result.patch_path),
        "datasheet": [str(s) for s in sheets],
        "left_out": result.manifest.get("left_out", 0),
        "tags_without_place": result.manifest.get("tags_without_place", []),
    }
    auto = result.manifest.get("auto_curation")
    data["auto_curation"] = auto
    lines = [f"{plural(result.rows, 'row')} written to {result.path} ({result.excluded:,} excluded)"]
    if auto:
        lines.append(f"unreviewed: {auto['excluded']:,} left out, {auto['relabelled']:,} relabelled to the suggestion")
    if new := data["tags_without_place"]:
        lines.append(f"{choices(new)}: new tags that no original column can hold; they are in tags_final")
    for name, why in result.manifest.get("left_out_columns", {}).items():
        lines.append(f"{name!r} is not in it: {why}")
    if marked := sum(result.manifest.get("neutralised_cells", {}).values()):
        lines.append(
            f"{marked:,} texts that a spreadsheet would run begin with an added apostrophe (--csv-plain leaves it out)"
        )
    reasons: Mapping[str, str] = result.manifest.get("left_out_samples", {})
    data["left_out_samples"] = dict(reasons)
    if reasons:
        shown = [f"  {sample}: {reason}" for sample, reason in list(reasons.items())[:20]]
        lines += [f"{plural(len(reasons), 'sample')} without an image that can be exported:", *shown]
        lines += [f"  … and {len(reasons) - 20:,} more, in the manifest"] if len(reasons) > 20 else []
    print_result(data, json_, "\n".join([*lines, *(f"Datasheet: {path}" for path in sheets)]), indent=None)
    if any(not reason.startswith("broken") for reason in reasons.values()):
        raise typer.Exit(4)


def _part(
    workspace: Workspace, selection: str | None, filter: str | None, queue: str | None, ids: Path | None
) -> tuple[list[str] | None, dict[str, Any]]:
    """Which ids to export (None = all), and what to say of it in the manifest."""
    from ..explore.filter import Filter

    if sum(x is not None for x in (selection, filter, queue, ids)) > 1:
        raise WinnowError("Give one of --selection, --filter, --queue and --ids: each says by itself what to export.")
    if selection is not None:
        saved = workspace.subsets.find(selection)
        about = {
            "selection": saved.name,
            "method": saved.method,
            "params": dict(saved.params),
            "fingerprint": saved.fingerprint,
        }
        return workspace.subsets.members(selection), about
    if filter is not None:
        return workspace.ids(Filter.from_query(dict(parse_qsl(filter)))), {"filter": filter}
    if queue is not None:
        return workspace.ids(Filter(verdicts=(queue,), state="undecided"), "-confidence"), {"queue": queue}
    if ids is not None:
        return read_ids(ids), {"ids": ids.name}
    return None, {}


def _list_formats(formats: list[Any], as_json: bool) -> None:
    if as_json:
        print_result([asdict(f) for f in formats], True, indent=None)
        return
    rows = [(f.name, f.explain, f.why_not or (f"ends in {f.suffix}" if f.suffix else "a folder")) for f in formats]
    print_table(("format", "what it is", "here"), rows)


@app.command(**in_section(EXPORT, "winnow datasheet photos.winnow datasheet"))
def datasheet(
    ws: WorkspacePath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="OUT.html and OUT.md are written.")],
    actor: Annotated[str | None, typer.Option(help="Who exports, where roles are kept.")] = None,
    overwrite: Overwrite = False,
    json_: Json = False,
) -> None:
    """Write a datasheet: counts, plots, decisions, methods, versions, seeds."""
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        paths = workspace.exports.datasheet(out, overwrite=overwrite)
    print_result([str(p) for p in paths], json_, "\n".join(f"Datasheet: {p}" for p in paths), indent=None)


@app.command(**in_section(EXPORT, "winnow diff curated-1.csv curated-2.csv"))
def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="An export.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="A later export, of any format.")],
    json_: Json = False,
) -> None:
    """Compare two exports by sample: what was added, removed, relabelled, tagged or weighted otherwise."""
    from ..export.diff import diff as compare

    changes = compare(before, after)
    if json_:
        print_result({**asdict(changes), "same": changes.same}, True, indent=None)
        return
    print(f"{plural(changes.before, 'row')} before, {changes.after:,} after")
    if changes.same:
        print("The same samples with the same labels and weights.")
    for title, listed in (("added", changes.added), ("removed", changes.removed)):
        if listed:
            print(f"{len(listed):,} {title}: {', '.join(listed[:5])}{' …' if len(listed) > 5 else ''}")
    if changes.relabelled:
        print(f"{len(changes.relabelled):,} relabelled:")
        for sample_id, old, new in changes.relabelled[:20]:
            print(f"  {sample_id}: {old} → {new}")
    if changes.retagged:
        print(f"{len(changes.retagged):,} with other tags:")
        for sample_id, added, removed in changes.retagged[:20]:
            print(f"  {sample_id}: {', '.join([*(f'+{tag}' for tag in added), *(f'−{tag}' for tag in removed)])}")
    if changes.weights:
        print(f"{changes.weights:,} weighted otherwise")
    for name, (n_old, n_new) in changes.labels.items():
        print(f"  class {name or '(none)'}: {n_old:,} → {n_new:,}")
    for name, (n_old, n_new) in changes.tags.items():
        print(f"  tag {name}: {n_old:,} → {n_new:,}")
    for name, (a, b) in changes.settings.items():
        print(f"  {name}: {a} → {b}")


@app.command(**in_section(EXPORT, "winnow apply curated.csv.patch.jsonl photos-2.winnow"))
def apply(
    patch: Annotated[Path, typer.Argument(metavar="PATCH", help="The patch file beside an export.")],
    ws: Annotated[Path, typer.Argument(metavar="WS", help="The workspace of a new version of the data.")],
    actor: Annotated[str | None, typer.Option(help="Who replays them, where roles are kept.")] = None,
    json_: Json = False,
) -> None:
    """Replay decisions on a new version of the data: by id, else by content where a sample was renamed."""
    from ..workspace import Workspace

    with Workspace.open(ws, actor=actor) as workspace:
        report = workspace.replay(patch)
    skipped = [{"sample_id": s.sample_id, "reason": s.reason} for s in report.skipped]
    if json_:
        data = {"applied": report.applied, "repeated": report.repeated, "renamed": report.renamed, "skipped": skipped}
        print_result(data, True, indent=None)
        return
    print(
        f"{plural(report.applied, 'decision')} replayed ({report.renamed:,} found by content), {len(skipped):,} "
        f"left out"
    )
    for s in skipped[:20]:
        print(f"  {s['sample_id']}: {s['reason']}")
