"""Making a folder export appear all at once, with its manifest, its patch file and a table of what is in it."""

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


def export_folder(
    path: str | Path,
    name: str,
    rows: CuratedRows,
    supplies: Supplies,
    manifest: Mapping[str, Any],
    patch: Iterable[bytes] = (),
) -> ExportResult:
    """Write a folder in one of the layouts of ``FOLDERS``; beside it PATH.manifest.json, PATH.patch.jsonl and PATH.rows.parquet
    (sample_id, label, split, weight and file of everything in it).

    All of it or nothing: it is written under another name first. An earlier export of Winnow's at the same place is
    replaced; any other folder that holds something is not touched.

    Raises
    ------
    ExportError
        a layout that does not fit this dataset, or a place that cannot be written to. DiskFull. Cancelled, as the
        progress function raises it.
    """
    exporter = FOLDERS.get(name)
    path = Path(path).expanduser()
    beside = {kind: path.with_name(f"{path.name}.{kind}") for kind in ("manifest.json", "patch.jsonl", "rows.parquet")}
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise ExportError(f"{str(path)!r} is a file. {exporter.title} is a folder: give another name.")
    if path.is_dir() and any(path.iterdir()) and not beside["manifest.json"].exists():
        raise ExportError(f"{str(path)!r} holds something already, and Winnow did not write it. Give another name.")
    making = path.with_name(f".{path.name[:180]}.{secrets.token_hex(6)}.tmp")
    table: list[Item] = []

    def seen(items: Iterator[Item]) -> Iterator[Item]:
        for item in items:
            table.append(replace(item, text=None))
            yield item

    try:
        making.mkdir(parents=True)
        said = dict(exporter.write(making, seen(rows.items()), supplies))
        files: Mapping[str, str] = said.pop("files", {})
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
            "format": MANIFEST_FORMAT,
            "file": path.name,
            "file_format": name,
            "created": iso(utc_now()),
            "winnow_version": __version__,
            "rows": len(out),
            **summary,
            **said,
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
            text = json.dumps(plain(whole), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
            m.write(text.encode("utf-8", "surrogatepass"))
            save_table(beside["rows.parquet"], index)
            _swap(making, path)
    except OSError as error:
        if error.errno == 28:
            raise DiskFull(f"The disk is full: {str(path)!r} was not written. Make room and export again.") from error
        why = os.strerror(error.errno or 0).lower()
        raise ExportError(f"{str(path)!r} cannot be written: {why}. Choose another folder.") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return ExportResult(
        path, len(out), int(summary.get("excluded", 0)), beside["manifest.json"], beside["patch.jsonl"], whole
    )


def _swap(made: Path, path: Path) -> None:
    """Put a finished folder in the place of an earlier one."""
    old = path.with_name(f".{path.name[:180]}.{secrets.token_hex(6)}.old")
    if path.exists():
        os.replace(path, old)
    try:
        os.replace(made, path)
    except OSError:
        if old.exists():
            os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)
