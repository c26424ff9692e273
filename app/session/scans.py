"""New scans: what a path holds, which encoders can be had, how long it may take, and starting the job."""

from __future__ import annotations

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
from winnow.core import Preview, ScanConfig, WinnowError, preview, start_scan
from winnow.core.types import ColumnMap, Modality

if TYPE_CHECKING:
    from winnow.core import EncoderInfo

PREVIEW_ROWS = 20

RATES: dict[str, dict[str, float]] = {
    "patches": {"cpu": 250, "cuda": 800},
    "tfidf": {"cpu": 4000, "cuda": 4000},
    "open_clip": {"cpu": 18, "cuda": 900},
    "sentence-transformers": {"cpu": 120, "cuda": 2500},
}
"""Samples embedded per second and family, before this computer has scanned anything itself: an order of magnitude."""

FIXED_SECONDS, PER_SAMPLE = 6.0, 0.0015
"""Everything after embedding: start-up, and per sample; measured once on two cores."""


@dataclass(frozen=True)
class Estimate:
    """Seconds that a scan may take, and whether earlier scans here say so."""

    seconds: float
    measured: bool


def look(path: str, columns: ColumnMap) -> Preview:
    """The first rows of an input; cached until the file changes. Raises SourceError or ColumnError."""
    where = Path(path).expanduser()
    try:
        stamp = where.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _look(str(where), stamp, columns)


@st.cache_data(max_entries=16, show_spinner=False)
def _look(path: str, _stamp_key: int, columns: ColumnMap) -> Preview:
    return preview(path, columns, PREVIEW_ROWS)


@st.cache_data(max_entries=4, ttl=60, show_spinner=False)
def encoders(modality: str) -> list[EncoderInfo]:
    """The encoders for a modality that can be used here, those without a download first."""
    from winnow.core import catalogue  # heavy: only whoever starts a scan waits for it

    wanted = Modality.IMAGE if modality == Modality.PAIR else Modality(modality)
    found = [e for e in catalogue() if e.modality is wanted and (e.cached or e.downloadable)]
    return sorted(found, key=lambda e: not e.cached)


@st.cache_data(ttl=300, show_spinner=False)
def devices() -> list[str]:
    """What can be computed on here."""
    import torch

    return ["auto", "cpu", "cuda"] if torch.cuda.is_available() else ["auto", "cpu"]


def _past(server: ServerState, encoder: str) -> list[tuple[int, float, float]]:
    """(samples, seconds of embedding, seconds of the rest) of earlier scans here with the same encoder."""
    found = []
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
            and spent.get("embed")
        ):
            found.append((int(n), float(spent["embed"]), float(sum(spent.values()) - spent["embed"])))
    return found


def estimate(server: ServerState, n: int, encoder: str, device: str) -> Estimate:
    """How long a scan of n samples may take, from earlier scans on this computer where there are any."""
    past = _past(server, encoder)
    if past:
        samples = sum(p[0] for p in past)
        return Estimate(2 + n * sum(p[1] + p[2] for p in past) / max(samples, 1), True)
    on = "cuda" if device != "cpu" and "cuda" in devices() else "cpu"
    rate = RATES.get(re.split("[:/]", encoder)[0], RATES["open_clip"])[on]
    return Estimate(FIXED_SECONDS + n / rate + n * PER_SAMPLE, False)


def rows_in(found: Preview) -> tuple[int | None, bool]:
    """How many rows an input has, and whether that is exact; a text table is judged by the length of its first lines."""
    if found.n is not None:
        return found.n, True
    try:
        size = os.path.getsize(found.path)
        with open(found.path, "rb") as file:
            head = file.read(1 << 18)
    except OSError:
        return None, False
    lines = head.count(b"\n")
    return (round(size * lines / len(head)), False) if lines else (None, False)


def default_out(source: str) -> Path:
    """Where the results of a source go unless said otherwise: beside it, or in ~/.winnow where that cannot be written;
    never into the workspace of another source.
    """
    where = Path(source).expanduser().absolute()
    folder = where.parent if os.access(where.parent, os.W_OK) else state_dir() / "workspaces"
    stem, number = where.stem or "dataset", 1
    while True:
        out = folder / f"{stem}{'' if number == 1 else f'-{number}'}.winnow"
        if not out.exists() or _source_of(out) == str(where):
            return out
        number += 1


def _source_of(workspace: Path) -> str | None:
    try:
        return request_of(workspace).source
    except WinnowError:
        return None


def keep_upload(name: str, data: Any) -> Path:
    """Write an uploaded file under ~/.winnow/uploads and return its path. The name is reduced to a harmless one; a
    folder named by the content keeps files of the same name apart.
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
    """Start a scan in its own process. Returns the key under which its workspace can be looked at. Raises NotAllowed."""
    server.require_scan(actor, proven)
    start_scan(config, out, actor)
    return server.add(out)


def request_of(path: Path) -> ScanConfig:
    """What the latest scan of a workspace was asked to do; raises WinnowError when nothing tells."""
    for request in (path / "job" / "request.json", path / "manifest.json"):
        try:
            found = json.loads(request.read_text(encoding="utf-8"))
            return ScanConfig.from_json(found.get("params", found))
        except (OSError, ValueError, TypeError):
            continue
    raise WinnowError(f"How {path} was scanned is not known any more. Start a new scan of its source.")


def again(server: ServerState, key: str, actor: str, proven: bool) -> None:
    """Start the scan of a workspace once more, with the request that it was started with. Raises NotAllowed."""
    server.require_scan(actor, proven)
    path = server.path(key)
    start_scan(request_of(path), path, actor)


def table_of(found: Preview) -> list[dict[str, Any]]:
    """The rows of a preview as plain, short values for a table."""
    plain = (int, float, bool, type(None))
    return [{k: v if isinstance(v, plain) else str(v)[:200] for k, v in row.items()} for row in found.rows]
