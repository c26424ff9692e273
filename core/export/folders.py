"""Writing a folder export all at once, with its manifest, its patch file and a table of its samples."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DiskFull, ExportError
from ..storage.artifacts import plain, save_table
from ..storage.atomic import atomic_file
from ..storage.decision_log.store import iso, utc_now
from ..version import __version__
from .curated_rows import CuratedRows
from .formats.base import FOLDERS, ExportResult, Item, Supplies

MANIFEST_FORMAT = "winnow-export/1"


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
) -> ExportResult:
    """Write a folder in one of the layouts of ``FOLDERS``, with its files beside it.

    These are PATH.manifest.json, PATH.patch.jsonl and PATH.rows.parquet (sample_id, label, split, weight, decision and
    file of every sample in it). All of it or nothing: it is written under another name first. An earlier export of
    Winnow's at the same place is replaced; any other folder that is not empty is not touched.

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
    if path.is_dir() and any(path.iterdir()) and not beside["manifest.json"].exists():
        raise ExportError(f"{str(path)!r} holds something already, and Winnow did not write it. Give another name.")
    temporary = path.with_name(f".{path.name[:180]}.{secrets.token_hex(6)}.tmp")
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
        summary = dict(rows.summary())
        whole = {
            **manifest_head(path, name),
            "rows": len(out),
            **summary,
            **entries,
            "table": beside["rows.parquet"].name,
            "patch": beside["patch.jsonl"].name,
            **manifest,
        }
        with (
            atomic_file(beside["manifest.json"], "the manifest") as m,
            atomic_file(beside["patch.jsonl"], "the patch file") as p,
        ):
            for line in patch:
                p.write(line)
            m.write(manifest_bytes(whole))
            save_table(beside["rows.parquet"], index)
            _swap(temporary, path)
    except OSError as error:
        if error.errno == 28:
            raise DiskFull(f"The disk is full: {str(path)!r} was not written. Make room and export again.") from error
        why = os.strerror(error.errno or 0).lower()
        raise ExportError(f"{str(path)!r} cannot be written: {why}. Choose another folder.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return ExportResult(
        path, len(out), int(summary.get("excluded", 0)), beside["manifest.json"], beside["patch.jsonl"], whole
    )


def _swap(finished: Path, path: Path) -> None:
    """Replace an earlier folder by a finished one."""
    old = path.with_name(f".{path.name[:180]}.{secrets.token_hex(6)}.old")
    if path.exists():
        os.replace(path, old)
    try:
        os.replace(finished, path)
    except OSError:
        if old.exists():
            os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)
