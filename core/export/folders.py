"""Writing a folder export all at once, with its manifest, its patch file and a table of its samples."""

from __future__ import annotations

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DiskFull, ExportError, ReadOnly, WorkspaceError
from ..storage.artifacts import plain
from ..storage.atomic import atomic_file
from ..storage.decision_log.store import iso, utc_now
from ..version import __version__
from .curated_rows import CuratedRows
from .formats.base import FOLDERS, ExportResult, Item, Supplies
from .target import (
    CONTENTS,
    MANIFEST_FORMAT,
    check_beside,
    check_folder,
    folder_contents,
    reason_of,
    replace_folder,
)


def manifest_head(path: Path, file_format: str, created: str | None = None) -> dict[str, Any]:
    """First entries of every manifest. ``created`` is ISO 8601, None = now."""
    return {
        "format": MANIFEST_FORMAT,
        "file": path.name,
        "file_format": file_format,
        "created": created or iso(utc_now()),
        "winnow_version": __version__,
    }


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Encode a manifest as JSON."""
    text = json.dumps(plain(manifest), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return text.encode("utf-8", "surrogatepass")


def export_folder(
    path: str | Path,
    name: str,
    rows: CuratedRows,
    supplies: Supplies,
    manifest: Mapping[str, Any],
    patch: Iterable[bytes] = (),
    overwrite: bool = False,
) -> ExportResult:
    """Write a folder in one of the layouts of ``FOLDERS``, with its files beside it.

    These are PATH.manifest.json, PATH.patch.jsonl and PATH.rows.parquet (sample_id, label, split, weight, decision,
    file and, where there are some, tags of every sample in it). All of it or nothing: it is written under another name
    first. An earlier export of Winnow's at the same place is replaced if it holds exactly the files that the manifest
    inside it (``CONTENTS``) names; any other folder that is not empty is not touched.

    Parameters
    ----------
    path
        The folder.
    name
        Of the layout.
    rows
        The samples.
    supplies
        What the layout needs beside the samples.
    manifest
        Where the samples come from; counts are added.
    patch
        Lines, read after the last sample.
    overwrite
        Whether files beside the folder are replaced that Winnow did not write. The folder itself never is.

    Raises
    ------
    ExportError
        A layout that does not fit this dataset, or a place that cannot be written to.
    DiskFull
        An earlier export is intact.
    Cancelled
        As the progress function raises it.
    """
    exporter = FOLDERS.get(name)
    path = Path(path).expanduser()
    beside = {kind: path.with_name(f"{path.name}.{kind}") for kind in ("manifest.json", "patch.jsonl", "rows.parquet")}
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise ExportError(f"{str(path)!r} is a file. {exporter.title} is a folder: give another name.")
    check_folder(path)
    check_beside(path, overwrite=overwrite)
    temporary = path.with_name(f".{path.name[:60]}.{secrets.token_hex(6)}.tmp")
    table: list[Item] = []

    def recorded(items: Iterator[Item]) -> Iterator[Item]:
        for item in items:
            table.append(replace(item, text=None))
            yield item

    try:
        temporary.mkdir(parents=True)
        entries = dict(exporter.write(temporary, recorded(rows.items()), supplies))
        files: Mapping[str, str] = entries.pop("files", {})
        out = [item for item in table if not files or item.sample_id in files]
        index = pa.table(
            {
                "sample_id": pa.array([i.sample_id for i in out], pa.string()),
                "label": pa.array([i.label for i in out], pa.string()),
                "split": pa.array([i.split for i in out], pa.string()),
                "weight": pa.array([i.weight for i in out], pa.float32()),
                "decision": pa.array([i.decision for i in out], pa.string()),
                "file": pa.array([files.get(i.sample_id) for i in out], pa.string()),
            }
        )
        if supplies.tags is not None:
            tags = pa.array([None if i.tags is None else list(i.tags) for i in out], pa.list_(pa.string()))
            index = index.append_column("tags", tags)
        summary = dict(rows.summary())
        whole = {
            **manifest_head(path, name),
            "rows": len(out),
            **summary,
            **entries,
            "left_out": {**entries.get("left_out", {}), **Counter(supplies.left_out.values())},
            "left_out_samples": dict(supplies.left_out),
            "table": beside["rows.parquet"].name,
            "patch": beside["patch.jsonl"].name,
            **manifest,
        }
        with (
            atomic_file(beside["manifest.json"], "the manifest") as m,
            atomic_file(beside["patch.jsonl"], "the patch file") as p,
            atomic_file(beside["rows.parquet"], "the table") as t,
        ):
            for line in patch:
                p.write(line)
            m.write(manifest_bytes(whole))
            pq.write_table(index, t, compression="zstd", row_group_size=65_536)
            samples = {file: sample_id for sample_id, file in files.items()}
            inside = {**whole, "samples": samples, "contents": folder_contents(temporary)}
            (temporary / CONTENTS).write_bytes(manifest_bytes(inside))
            replace_folder(temporary, path)
    except (OSError, ReadOnly, WorkspaceError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        if cause.errno == 28:
            raise DiskFull(f"The disk is full: {str(path)!r} was not written. Make room and export again.") from error
        raise ExportError(f"{str(path)!r} cannot be written: {reason_of(cause)}. Choose another folder.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return ExportResult(
        path, len(out), int(summary.get("excluded", 0)), beside["manifest.json"], beside["patch.jsonl"], whole
    )
