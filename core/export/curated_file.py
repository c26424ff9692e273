"""The curated dataset as a file, with a manifest and a patch file beside it: all of them, or nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow.parquet as pq

from ..errors import ExportError, ReadOnly, WorkspaceError, choices
from ..storage.atomic import atomic_file
from ..storage.decision_log.store import DecisionStore
from ..storage.layout import Layout
from ..types import ProgressFn, quiet
from .auto_curation import AutoCuration
from .curated_rows import CuratedRows, ImageColumn
from .folders import export_folder, manifest_bytes, manifest_head
from .formats import EXPORTERS, FOLDERS, Exporter, ExportResult, FolderExporter, Rows, Supplies
from .formats.csv import CsvExporter
from .patch import ReplayReport, Skipped, patch_lines, replay_patch
from .tag_columns import TagColumns
from .target import check_export, check_place, reason_of

__all__ = [
    "EXPORTERS",
    "FOLDERS",
    "CuratedRows",
    "ExportResult",
    "Exporter",
    "FolderExporter",
    "ReplayReport",
    "Rows",
    "Skipped",
    "Supplies",
    "export",
    "export_workspace",
    "exporter_for",
    "replay_patch",
]


def exporter_for(path: str | Path) -> Exporter:
    """Find the exporter for a file's suffix.

    Raises
    ------
    ExportError
        No format has that suffix; the message lists those that exist.
    """
    suffix = Path(path).suffix.lower()
    for exporter in EXPORTERS:
        if suffix in exporter.suffixes:
            return exporter
    known = [s for e in EXPORTERS for s in e.suffixes]
    raise ExportError(
        f"{Path(path).name!r} does not say which format to write. End it in one of {choices(known)}, or name a folder "
        f"format: {choices(FOLDERS.names())}."
    )


def export(
    path: str | Path,
    rows: Rows,
    manifest: Mapping[str, Any],
    patch: Iterable[bytes] = (),
    created: str | None = None,
    overwrite: bool = False,
    csv_plain: bool = False,
) -> ExportResult:
    """Write rows, ``PATH.manifest.json`` and ``PATH.patch.jsonl``: all three, or nothing is changed.

    Parameters
    ----------
    path
        Its suffix determines the format.
    rows
        What to write.
    manifest
        Where the rows come from; counts, columns and the file's checksum are added.
    patch
        Lines, read after the last row.
    created
        Time for the manifest (ISO 8601), None = now.
    overwrite
        Whether a file is replaced that is no earlier export of Winnow's.
    csv_plain
        Whether texts that a spreadsheet would run as formulas are written to CSV as they stand.

    Raises
    ------
    ExportError
        Unknown suffix, a file that Winnow did not write, or a place that cannot be written to.
    DiskFull
        An earlier export is intact.
    """
    path = Path(path).expanduser()
    exporter = exporter_for(path)
    if csv_plain and exporter.name != "csv":
        raise ExportError(f"Only CSV can be written plain, and {path.name!r} is {exporter.name}: its texts always are.")
    if csv_plain:
        exporter = CsvExporter(plain=True)
    check_export(path, overwrite=overwrite)
    manifest_path, patch_path = path.with_name(f"{path.name}.manifest.json"), path.with_name(f"{path.name}.patch.jsonl")
    try:
        # Renamed in the reverse order: the data first, and only when all three are on the disk.
        with (
            atomic_file(manifest_path, "the manifest") as manifest_file,
            atomic_file(patch_path, "the patch file") as patch_file,
            atomic_file(path, "the export") as data_file,
        ):
            written, entries = exporter.write(cast(BinaryIO, data_file), rows)
            for line in patch:
                patch_file.write(line)
            data_file.flush()
            summary = dict(rows.summary())
            whole = {
                **manifest_head(path, exporter.name, created),
                "rows": written,
                **summary,
                "columns": [{"name": f.name, "type": str(f.type)} for f in rows.schema],
                "bytes": data_file.tell(),
                "checksum": data_file.checksum(),
                **entries,
                "patch": patch_path.name,
                **manifest,
            }
            manifest_file.write(manifest_bytes(whole))
    except (ReadOnly, WorkspaceError) as error:
        if isinstance(error.__cause__, OSError):
            reason = reason_of(error.__cause__)
            raise ExportError(f"{str(path)!r} cannot be written: {reason}. Choose another folder.") from error
        raise
    return ExportResult(path, written, int(summary.get("excluded", 0)), manifest_path, patch_path, whole)


def _label_column(columns: Mapping[str, Any] | None, layout: Layout, tags: TagColumns | None) -> str | None:
    name = (columns or {}).get("label")
    if not name and tags is not None:
        return None
    if not name or not layout.meta.exists() or name not in pq.read_schema(layout.meta).names[1:]:
        raise ExportError("The source has no column of labels to replace: the labels are in `label_final`.")
    return str(name)


def export_workspace(
    path: str | Path,
    *,
    layout: Layout,
    store: DecisionStore,
    columns: Mapping[str, Any] | None = None,
    manifest: Mapping[str, Any] | None = None,
    include_excluded: bool = False,
    only: Collection[str] | None = None,
    about: Mapping[str, Any] | None = None,
    folder: str | None = None,
    supplies: Supplies | None = None,
    overwrite: bool = False,
    images: ImageColumn | None = None,
    auto: AutoCuration | None = None,
    replace_label: bool = False,
    csv_plain: bool = False,
    tags: TagColumns | None = None,
    progress: ProgressFn = quiet,
) -> ExportResult:
    """Write the curated dataset of a workspace with the decisions in force at this moment.

    Parameters
    ----------
    path
        The file or folder.
    layout, store
        The workspace's files and its decision log.
    columns
        Roles of the original columns ("id" and "label" are used).
    manifest
        Of the scan.
    include_excluded
        Whether excluded samples are kept, marked as such.
    only
        Ids to write, None = all.
    about
        Where they come from, for the manifest.
    folder
        A layout of ``FOLDERS`` instead of a file.
    supplies
        What the folder needs beside the samples.
    overwrite
        Whether a file is replaced that is no earlier export of Winnow's.
    images
        The column of images that a file is to hold, None = without.
    auto
        What is done with flagged samples that nobody has decided about, None = nothing.
    replace_label
        Whether the original column of labels takes over the final label.
    csv_plain
        As of :func:`export`.
    tags
        How the tags are written, where samples have some.
    progress
        Called while rows are written.

    Raises
    ------
    ExportError
        The path is part of a workspace or of its source, holds what Winnow did not write, or cannot be written to.
    """
    manifest = manifest or {}
    check_place(Path(path).expanduser(), str(manifest.get("params", {}).get("source") or ""), layout.root)
    snapshot = store.snapshot()
    rows = CuratedRows(
        layout.dataset,
        layout.verdicts,
        layout.meta if layout.meta.exists() else None,
        snapshot,
        id_column=(columns or {}).get("id"),
        include_excluded=include_excluded,
        signals=layout.signals if layout.signals.exists() else None,
        only=only,
        images=images,
        auto=auto,
        label_column=_label_column(columns, layout, tags) if replace_label else None,
        with_types=folder is not None or exporter_for(path).typed,
        progress=progress,
        tags=tags,
    )
    patch = patch_lines(snapshot.decisions, rows.content_hashes, snapshot.class_events)
    entries = {
        **(about or {}),
        "include_excluded": include_excluded,
        "id_column": rows.id_column,
        "original_columns": rows.original_columns,
        "added_columns": rows.added_columns,
        "decision_log": {"seq": snapshot.seq, "hash": snapshot.hash},
        "added_classes": [name for name in snapshot.registry.added if name not in snapshot.registry.renames],
        "class_changes": [
            {"event": e.event, "name": e.name, "target": e.target, "actor": e.actor, "at": e.at, "reason": e.reason}
            for e in snapshot.registry.events
            if e.event != "add"
        ],
        "scan": dict(manifest),
    }
    if folder is not None and csv_plain:
        raise ExportError(f"Only CSV can be written plain, and {folder!r} is a folder: leave --csv-plain out.")
    if folder is not None:
        return export_folder(path, folder, rows, supplies or Supplies((), ""), entries, patch, overwrite)
    return export(path, rows, entries, patch, overwrite=overwrite, csv_plain=csv_plain)
