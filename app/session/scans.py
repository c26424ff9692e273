"""New scans: preview of a source, available encoders, estimated time, and the start of the job."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from winnow.app.server.state import ServerState, state_dir
from winnow.core import Preview, ScanConfig, WinnowError, dataset_name, preview, preview_pictures, start_scan
from winnow.core.types import ColumnMap, Modality

if TYPE_CHECKING:
    from winnow.core import EncoderInfo

PREVIEW_PICTURES = 8
"""Pictures of a source that are shown before it is scanned."""

PREVIEW_ROWS = 20
"""Rows of a source that are shown before it is scanned."""

RATES: dict[str, dict[str, float]] = {
    "patches": {"cpu": 250, "cuda": 800},
    "tfidf": {"cpu": 4000, "cuda": 4000},
    "open_clip": {"cpu": 18, "cuda": 900},
    "sentence-transformers": {"cpu": 120, "cuda": 2500},
}
"""Samples embedded per second, by family and device: a rough guess until this computer has scanned something."""

FIXED_SECONDS, PER_SAMPLE = 6.0, 0.0015
"""Seconds of everything but embedding: at the start, and per sample; measured on two cores."""


@dataclass(frozen=True)
class Estimate:
    """How long a scan may take.

    Attributes
    ----------
    seconds
        The estimate.
    measured
        Whether it comes from earlier scans on this computer.
    """

    seconds: float
    measured: bool


def look(path: str, columns: ColumnMap) -> Preview:
    """The first rows of a source, cached until the file changes. Raises SourceError or ColumnError."""
    source = Path(path).expanduser()
    try:
        stamp = source.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _look(str(source), stamp, columns)


@st.cache_data(max_entries=16, show_spinner=False)
def _look(path: str, _stamp_key: int, columns: ColumnMap) -> Preview:
    return preview(path, columns, PREVIEW_ROWS)


def pictures_of(path: str, columns: ColumnMap) -> list[tuple[str, str]]:
    """(label, data URL) of the first pictures of a source; [] where there are none, or they cannot be read."""
    source = Path(path).expanduser()
    try:
        return _pictures(str(source), source.stat().st_mtime_ns, columns)
    except (WinnowError, OSError):  # the preview of the rows says what is wrong
        return []


@st.cache_data(max_entries=16, show_spinner=False)
def _pictures(path: str, _stamp_key: int, columns: ColumnMap) -> list[tuple[str, str]]:
    pictures = preview_pictures(path, columns, PREVIEW_PICTURES)
    return [(label, "data:image/webp;base64," + base64.b64encode(data).decode()) for label, data in pictures]


@st.cache_data(max_entries=4, ttl=60, show_spinner=False)
def encoders(modality: str) -> list[EncoderInfo]:
    """The encoders for a modality that can be used here, those that need no download first."""
    from winnow.core import catalogue  # heavy, and needed only where a scan is started

    wanted = Modality.IMAGE if modality == Modality.PAIR else Modality(modality)
    usable = [e for e in catalogue() if e.modality is wanted and (e.cached or e.downloadable)]
    return sorted(usable, key=lambda e: not e.cached)


@st.cache_data(ttl=300, show_spinner=False)
def devices() -> list[str]:
    """The devices that a scan can use here."""
    import torch

    return ["auto", "cpu", "cuda"] if torch.cuda.is_available() else ["auto", "cpu"]


def _past(server: ServerState, encoder: str) -> list[tuple[int, float, float]]:
    """(samples, seconds of embedding, seconds of the rest) of earlier scans here with this encoder alone."""
    timings = []
    for _, path in server.recent():
        try:
            manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
            n = json.loads((path / "results.json").read_text(encoding="utf-8"))["n"]
        except (OSError, ValueError, KeyError):
            continue
        spent = manifest.get("seconds") or {}
        reused = set(manifest.get("reused") or [])
        if (
            (manifest.get("encoder") or {}).get("name", "").split("/")[0] == encoder.split("/")[0]
            and not reused
            and len(manifest.get("encoders") or [""]) == 1
            and spent.get("embed")
        ):
            timings.append((int(n), float(spent["embed"]), float(sum(spent.values()) - spent["embed"])))
    return timings


def estimate(server: ServerState, n: int, encoders: list[str], device: str) -> Estimate:
    """Estimate the time of a scan of n samples, from earlier scans on this computer where there are any.

    Of several encoders, the times are added: that is the embedding, which takes most of it.
    """
    each = [_estimate_one(server, n, encoder, device) for encoder in encoders]
    return Estimate(sum(e.seconds for e in each), all(e.measured for e in each))


def _estimate_one(server: ServerState, n: int, encoder: str, device: str) -> Estimate:
    past = _past(server, encoder)
    if past:
        samples = sum(p[0] for p in past)
        return Estimate(2 + n * sum(p[1] + p[2] for p in past) / max(samples, 1), True)
    on = "cuda" if device != "cpu" and "cuda" in devices() else "cpu"
    rate = RATES.get(re.split("[:/]", encoder)[0], RATES["open_clip"])[on]
    return Estimate(FIXED_SECONDS + n / rate + n * PER_SAMPLE, False)


def rows_in(source: Preview) -> tuple[int | None, bool]:
    """How many rows a source has, and whether that is exact: for a text table it follows from its first lines."""
    if source.n is not None:
        return source.n, True
    try:
        size = os.path.getsize(source.path)
        with open(source.path, "rb") as file:
            head = file.read(1 << 18)
    except OSError:
        return None, False
    lines = head.count(b"\n")
    return (round(size * lines / len(head)), False) if lines else (None, False)


def default_out(source: str) -> Path:
    """The default workspace of a source: beside it, or in ~/.winnow where that folder cannot be written.

    It is never the workspace of another source.
    """
    path = Path(os.path.abspath(Path(source).expanduser()))
    folder = path.parent if os.access(path.parent, os.W_OK) else state_dir() / "workspaces"
    stem, number = dataset_name(path) or "dataset", 1
    while True:
        out = folder / f"{stem}{'' if number == 1 else f'-{number}'}.winnow"
        if not out.exists() or _source_of(out) == str(path):
            return out
        number += 1


def _source_of(workspace: Path) -> str | None:
    try:
        return request_of(workspace).source
    except WinnowError:
        return None


def keep_upload(name: str, data: Any) -> Path:
    """Write an uploaded file under ~/.winnow/uploads and return its path.

    Special characters are removed from the name. A folder named by the content keeps files of the same name apart.
    """
    clean = re.sub(r"[^\w.\- ]", "_", Path(name).name).lstrip(".") or "upload"
    folder = state_dir() / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.blake2b(digest_size=6)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False) as file:
        while chunk := data.read(1 << 20):
            digest.update(chunk)
            file.write(chunk)
    target = folder / digest.hexdigest() / clean
    target.parent.mkdir(exist_ok=True)
    Path(file.name).replace(target)
    return target


def begin(server: ServerState, config: ScanConfig, out: Path, actor: str, proven: bool) -> str:
    """Start a scan in its own process. Returns the key of its workspace. Raises NotAllowed."""
    server.require_scan(actor, proven)
    start_scan(config, out, actor)
    return server.add(out)


def request_of(path: Path) -> ScanConfig:
    """The config of the latest scan of a workspace. Raises WinnowError where none is recorded."""
    for request in (path / "job" / "request.json", path / "manifest.json"):
        try:
            content = json.loads(request.read_text(encoding="utf-8"))
            return ScanConfig.from_json(content.get("params", content))
        except (OSError, ValueError, TypeError):
            continue
    raise WinnowError(f"How {path} was scanned is not known any more. Start a new scan of its source.")


def again(server: ServerState, key: str, actor: str, proven: bool) -> None:
    """Scan a workspace again, with the config of its latest scan. Raises NotAllowed."""
    server.require_scan(actor, proven)
    path = server.path(key)
    start_scan(request_of(path), path, actor)


def table_of(source: Preview) -> list[dict[str, Any]]:
    """The rows of a preview as plain values for a table, texts cut to 200 characters."""
    plain = (int, float, bool, type(None))
    return [{k: v if isinstance(v, plain) else str(v)[:200] for k, v in row.items()} for row in source.rows]
