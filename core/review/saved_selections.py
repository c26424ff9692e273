"""Selections with a name, kept in the workspace: which samples, and how they were found (outlines on the map, a method).

Each is two files, ``selections/<handle>.parquet`` (the ids) and ``selections/<handle>.json`` (all else), written
atomically and the JSON last, so that two people who save at once, or a crash, never leave half of one. The ids are
what counts: a later scan may draw another map, and the selection still holds the same samples.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import QueryError, WorkspaceError, choices
from ..storage.artifacts import load_json, load_table, save_json, save_table

PREFIX = "saved-"
"""What the handle of a saved selection begins with."""

LONGEST_NAME = 80
_HANDLE = re.compile(rf"^{PREFIX}[0-9a-f]{{12}}$")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Selection:
    """A saved selection. ``polygons``: [{op: "add" | "subtract", points: [[x, y], …]}, …] in the map coordinates of scan
    ``generation``; ``filter``: the query string it was made under; ``at``: UTC. ``method``: the subset method that chose it, ""
    = a person; ``params``: its settings; ``fingerprint``: of what it was chosen from.
    """

    handle: str
    name: str
    count: int
    actor: str
    at: str
    generation: str = ""
    filter: str = ""
    polygons: tuple[Mapping[str, Any], ...] = ()
    method: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""


class Selections:
    """The saved selections of one workspace directory. Safe to share between threads and processes. ``allow``: raises
    NotAllowed where a person may not save or delete.
    """

    def __init__(self, folder: Path, allow: Callable[[str], object] = lambda _: None) -> None:
        self._folder, self._allow = folder, allow

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._folder

    def all(self) -> list[Selection]:
        """All of them, the latest first. A file that cannot be read is left out."""
        found = []
        for path in self._folder.glob(f"{PREFIX}*.json"):
            try:
                found.append(self._read(path))
            except (WorkspaceError, KeyError, TypeError):  # damaged, or taken away meanwhile: the others still open
                continue
        return sorted(found, key=lambda s: (s.at, s.handle), reverse=True)

    def save(
        self,
        name: str,
        ids: Sequence[str],
        *,
        actor: str,
        generation: str = "",
        filter: str = "",
        polygons: Sequence[Mapping[str, Any]] = (),
        method: str = "",
        params: Mapping[str, Any] | None = None,
        fingerprint: str = "",
        weights: Sequence[float] | np.ndarray | None = None,
    ) -> Selection:
        """Keep ``ids`` under a name, with a weight for each where there are weights.

        Raises QueryError for no name, a name that is taken, or no samples; DiskFull or ReadOnly where it cannot be written.
        """
        self._allow(actor)
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME:
            raise QueryError(f"A selection needs a name of 1 to {LONGEST_NAME} characters, not {len(name)}.")
        if not ids:
            raise QueryError("There is nothing to save: the selection holds no sample.")
        taken = [s.name for s in self.all()]
        if name.casefold() in {t.casefold() for t in taken}:
            raise QueryError(f"A selection called {name!r} is there already. Delete it first, or choose another name.")
        made = Selection(
            handle=PREFIX + secrets.token_hex(6),
            name=name,
            count=len(ids),
            actor=actor,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            generation=generation,
            filter=filter,
            polygons=tuple(polygons),
            method=method,
            params=dict(params or {}),
            fingerprint=fingerprint,
        )
        self._folder.mkdir(exist_ok=True)
        columns = {"sample_id": pa.array(list(ids), pa.string())}
        if weights is not None:
            columns["weight"] = pa.array(np.asarray(weights, np.float32))
        save_table(self._path(made.handle, "parquet"), pa.table(columns))
        save_json(self._path(made.handle, "json"), {"format": _FORMAT, **asdict(made)})
        return made

    def get(self, handle: str) -> Selection:
        """One by its handle. Raises QueryError, naming those there are, where it is gone."""
        path = self._path(handle, "json")
        if not path.exists():
            there = choices(s.name for s in self.all())
            raise QueryError(f"The saved selection {handle!r} is not there any more. There are: {there or 'none'}.")
        return self._read(path)

    def table(self, handle: str) -> pa.Table:
        """sample_id, and weight where the samples have weights. Raises QueryError where the selection is gone."""
        self.get(handle)
        return load_table(self._path(handle, "parquet"))

    def ids(self, handle: str) -> list[str]:
        """The sample ids, in the order in which they were saved. Raises QueryError where the selection is gone."""
        self.get(handle)
        found: list[str] = load_table(self._path(handle, "parquet")).column("sample_id").to_pylist()
        return found

    def delete(self, handle: str, actor: str) -> Selection:
        """Take one away. Returns what it was. Raises QueryError where it is gone already."""
        self._allow(actor)
        gone = self.get(handle)
        self._path(handle, "json").unlink(missing_ok=True)
        self._path(handle, "parquet").unlink(missing_ok=True)
        return gone

    @staticmethod
    def _read(path: Path) -> Selection:
        raw = load_json(path)
        if raw.pop("format") != _FORMAT:
            raise WorkspaceError(f"{str(path)!r} was written by a newer Winnow. Update Winnow to open it.")
        return Selection(**{**raw, "polygons": tuple(raw["polygons"])})

    def _path(self, handle: str, suffix: str) -> Path:
        if not _HANDLE.match(handle):
            raise QueryError(f"{handle!r} is not the handle of a saved selection.")
        return self._folder / f"{handle}.{suffix}"
