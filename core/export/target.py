"""Where an export may be written: what is never replaced, and what only after a person was told of it."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import ExportError, plural
from ..storage.atomic import checksum_of

MANIFEST_FORMAT = "winnow-export/1"
CONTENTS = "winnow-export.json"
"""The manifest inside a folder export; its ``contents`` name every other file with its size."""
EXPORTS = "exports"
"""The folder of a workspace in which exports may lie."""

_LONGEST = 150
_PORTS = (f"{port}{i}" for port in ("com", "lpt") for i in "0123456789¹²³")
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$", *_PORTS}
"""Names of devices, in lower case, that Windows allows no file, whatever its suffix."""


def reason_of(error: Exception) -> str:
    """Why something failed, in words: the system's, or those of the error where the system has none."""
    number = error.errno if isinstance(error, OSError) else None
    return (os.strerror(number).lower() if number else str(error)) or type(error).__name__


def plain_name(text: str) -> str:
    """Turn a text into the name of a file: no folder, nothing that a file system forbids, at most 150 bytes.

    >>> plain_name("../a/b.csv"), plain_name("..")
    ('_a_b.csv', 'export')
    """
    name = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in text)
    name = name.lstrip(". ").rstrip(". ") or "export"
    if name.partition(".")[0].casefold() in RESERVED:
        name = f"_{name}"
    stem, suffix = os.path.splitext(name)
    if len(suffix.encode()) > 20:
        stem, suffix = name, ""
    return stem.encode()[: _LONGEST - len(suffix.encode())].decode("utf-8", "ignore") + suffix


def what_is_there(path: str | Path) -> str:
    """Describe what lies at a path, with its size and its age, for the person who may replace it; "" = nothing."""
    path = Path(path)
    try:
        status = path.lstat()
    except (OSError, ValueError):
        return ""
    changed = f"changed {datetime.fromtimestamp(status.st_mtime):%Y-%m-%d %H:%M}"
    if path.is_symlink():
        return f"a link, {changed}"
    if path.is_dir():
        sizes = [size for size in folder_contents(path).values() if isinstance(size, int)]
        return f"a folder of {plural(len(sizes), 'file')} and {plural(sum(sizes), 'byte')}, {changed}"
    return f"a file of {plural(status.st_size, 'byte')}, {changed}"


def check_place(path: Path, source: str = "", own: Path | None = None) -> None:
    """Refuse the files of any workspace, except below its folder for exports, and the dataset that was scanned.

    Parameters
    ----------
    path
        The file or folder to be written.
    source
        What was scanned, "" = unknown.
    own
        The workspace that is exported.

    Raises
    ------
    ExportError
        It must not be written there.
    """
    target = Path(os.path.realpath(path))
    mine = None if own is None else Path(os.path.realpath(own))
    for root in (target, *target.parents):
        inside = target.relative_to(root).parts
        is_workspace = root == mine or (root / "workspace.json").is_file()
        text = len(inside) == 1 and target.suffix.lower() in (".csv", ".jsonl", ".ndjson")  # Winnow keeps no such files
        if root == mine and text and (is_export(target) or not target.exists()):
            continue
        if is_workspace and (len(inside) < 2 or inside[0] != EXPORTS):
            raise ExportError(
                f"{str(path)!r} belongs to the workspace {root.name!r}. Choose another folder, or one below its "
                f"{EXPORTS!r}."
            )
    if not source or not target.exists() or not os.path.exists(source):
        return
    scanned = Path(os.path.realpath(source))
    in_source = target.is_file() and target.is_relative_to(scanned) and not is_export(target)
    if target.samefile(scanned) or scanned.is_relative_to(target) or in_source:
        raise ExportError(f"{str(path)!r} is the dataset that was scanned. Choose another name: it is never changed.")


def check_file(path: Path, *, ours: bool, overwrite: bool) -> None:
    """Refuse to replace a file that Winnow did not write, unless a person asked for it.

    Raises
    ------
    ExportError
        There is such a file, or a folder; the message says what it is.
    """
    if path.is_dir():
        raise ExportError(f"{str(path)!r} is a folder. Name a file in it.")
    if path.exists() and not (ours or overwrite):
        raise ExportError(
            f"{str(path)!r} is there already: {what_is_there(path)}, and it is not as Winnow wrote it. Give another "
            "name, or allow it to be overwritten (--overwrite)."
        )


def check_export(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace what Winnow did not write: the file of an export, and those beside it. See check_file."""
    check_file(path, ours=path.exists() and is_export(path), overwrite=overwrite)
    check_beside(path, overwrite=overwrite)


def check_beside(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace files beside an export that no manifest of it names. See check_file."""
    manifest = manifest_beside(path)
    named = {f"{path.name}.manifest.json" if manifest else None, manifest.get("patch"), manifest.get("table")}
    for kind in ("manifest.json", "patch.jsonl", "rows.parquet"):
        beside = path.with_name(f"{path.name}.{kind}")
        check_file(beside, ours=beside.name in named, overwrite=overwrite)


def is_export(path: Path) -> bool:
    """Whether a file is still what its manifest describes."""
    manifest = manifest_beside(path)
    try:
        return manifest.get("bytes") == path.stat().st_size and manifest.get("checksum") == checksum_of(path)
    except OSError:
        return False


def manifest_beside(path: Path) -> dict[str, Any]:
    """The manifest beside an export; {} where there is none, or where it is another file's."""
    manifest = _load(path.with_name(f"{path.name}.manifest.json"))
    return manifest if manifest.get("file") == path.name else {}


def _load(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) and manifest.get("format") == MANIFEST_FORMAT else {}


def folder_contents(folder: Path) -> dict[str, int | str | None]:
    """What lies in a folder, its manifest excepted: file → size, link → target, empty folder (ends in /) → None."""
    contents: dict[str, int | str | None] = {}
    for parent, folders, files in os.walk(folder):
        inside = Path(parent).relative_to(folder)
        if not folders and not files and Path(parent) != folder:
            contents[f"{inside.as_posix()}/"] = None
        for name in [*files, *(f for f in folders if Path(parent, f).is_symlink())]:
            path = Path(parent, name)
            contents[(inside / name).as_posix()] = os.readlink(path) if path.is_symlink() else path.lstat().st_size
    contents.pop(CONTENTS, None)
    return contents


def check_folder(path: Path, *, as_now: Path | None = None) -> None:
    """Refuse to replace a folder, unless it is empty or holds exactly what its own manifest names.

    Parameters
    ----------
    path
        The folder, as messages name it.
    as_now
        Where it lies while it is being replaced, None = at ``path``.

    Raises
    ------
    ExportError
        Something else lies in it.
    """
    folder = as_now or path
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    wanted: Any = _load(folder / CONTENTS).get("contents")
    if not isinstance(wanted, Mapping):
        raise ExportError(f"{str(path)!r} holds something already, and it is no export of Winnow. Give another name.")
    contents = folder_contents(folder)
    other = sorted({*contents, *wanted}, key=lambda name: (name in wanted, name))
    changed = next((name for name in other if name not in contents or contents[name] != wanted.get(name, ...)), None)
    if changed is not None:
        raise ExportError(
            f"{str(path)!r} has changed since Winnow wrote it (see {changed!r} in it), so it is not replaced. Give "
            "another name."
        )


def replace_folder(finished: Path, path: Path) -> None:
    """Put a finished folder in the place of an earlier export, which is kept until then and deleted afterwards.

    Raises
    ------
    ExportError
        Meanwhile something else came into the earlier one. It is left as it is.
    """
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()
    if not path.exists():
        os.replace(finished, path)
        return
    check_folder(path)
    old = path.with_name(f".{path.name[:60]}.{secrets.token_hex(6)}.old")
    if _exchange(finished, path):
        os.replace(finished, old)
    else:
        os.replace(path, old)
        try:
            os.replace(finished, path)
        except OSError:
            os.replace(old, path)
            raise
    try:
        check_folder(path, as_now=old)
    except ExportError:
        os.replace(path, finished)
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two names at once, so that neither is ever missing (renameat2 of Linux). False where it cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    here, exchange = -100, 2
    return int(rename(here, os.fsencode(a.absolute()), here, os.fsencode(b.absolute()), exchange)) == 0
