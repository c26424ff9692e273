"""Selections saved under a name in the workspace: which samples, and how they were chosen.

Each is two files, ``selections/<handle>.parquet`` (the ids) and ``selections/<handle>.json`` (all else), written
atomically and the JSON last, so that neither a crash nor two people who save at once leave half of one. The ids are
what counts: a later scan may draw another map, and the selection still holds the same samples.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from ..errors import QueryError, WorkspaceError, choices
from ..storage.artifacts import load_json, load_table, save_json, save_table
from ..storage.atomic import os_errors_in_words
from .roles import Right, Roles, default_actor

PREFIX = "saved-"
"""What the handle of a saved selection begins with."""

LONGEST_NAME = 80
_HANDLE = re.compile(rf"^{PREFIX}[0-9a-f]{{12}}$")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Selection:
    """A saved selection.

    Attributes
    ----------
    handle, name
        Its key, and the name that a person gave it.
    count
        How many samples it holds.
    actor, at
        Who saved it, and when (UTC, ISO 8601).
    generation
        The scan on whose map it was drawn.
    filter
        The query string under which it was made.
    polygons
        [{op: "add" | "subtract", points: [[x, y], …]}, …] in the map coordinates of that scan.
    method, params
        The subset method that chose it, "" = a person, and the method's settings.
    fingerprint
        Of what it was chosen from.
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


class SavedSelections:
    """The saved selections of one workspace directory. Safe to share between threads and processes.

    Parameters
    ----------
    folder
        Where they are kept.
    roles
        Of the workspace.
    """

    def __init__(self, folder: Path, roles: Roles) -> None:
        self._folder, self._roles = folder, roles

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return self._folder

    def require(self, actor: str | None, right: Right = Right.DECIDE) -> None:
        """Check a right of a person, None = of who runs this process. Raises NotAllowed."""
        self._roles.require(actor or default_actor(), right)

    def all(self) -> list[Selection]:
        """All of them, the latest first. A file that cannot be read is left out."""
        selections = []
        for path in self._folder.glob(f"{PREFIX}*.json"):
            try:
                selections.append(self._read(path))
            except (WorkspaceError, KeyError, TypeError):  # damaged, or deleted meanwhile: the others still open
                continue
        return sorted(selections, key=lambda s: (s.at, s.handle), reverse=True)

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
        """Save ``ids`` under a name.

        Parameters
        ----------
        name
            1 to LONGEST_NAME characters.
        ids
            The samples, in the order to keep.
        actor
            Who saves it.
        generation, filter, polygons, method, params, fingerprint
            See :class:`Selection`.
        weights
            (n,) floats, a weight for each sample.

        Raises
        ------
        QueryError
            No name, a name that is taken, or no samples.
        NotAllowed
            The actor is no reviewer.
        DiskFull, ReadOnly
            It cannot be written.
        """
        self._roles.require(actor, Right.DECIDE)
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME:
            raise QueryError(f"A selection needs a name of 1 to {LONGEST_NAME} characters, not {len(name)}.")
        if not ids:
            raise QueryError("There is nothing to save: the selection holds no sample.")
        taken = [s.name for s in self.all()]
        if name.casefold() in {t.casefold() for t in taken}:
            raise QueryError(f"A selection called {name!r} is there already. Delete it first, or choose another name.")
        selection = Selection(
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
        with os_errors_in_words(self._folder, "the folder"):
            self._folder.mkdir(exist_ok=True)
        columns = {"sample_id": pa.array(list(ids), pa.string())}
        if weights is not None:
            columns["weight"] = pa.array(np.asarray(weights, np.float32))
        save_table(self._path(selection.handle, "parquet"), pa.table(columns))
        save_json(self._path(selection.handle, "json"), {"format": _FORMAT, **asdict(selection)})
        return selection

    def get(self, handle: str) -> Selection:
        """One by its handle. Raises QueryError, naming those there are, where it is gone."""
        path = self._path(handle, "json")
        if not path.exists():
            names = choices(s.name for s in self.all())
            raise QueryError(f"The saved selection {handle!r} is not there any more. There are: {names or 'none'}.")
        return self._read(path)

    def table(self, handle: str) -> pa.Table:
        """sample_id, and weight where the samples have weights. Raises QueryError where the selection is gone."""
        self.get(handle)
        return load_table(self._path(handle, "parquet"))

    def ids(self, handle: str) -> list[str]:
        """The sample ids, in the order in which they were saved. Raises QueryError where the selection is gone."""
        self.get(handle)
        return cast("list[str]", load_table(self._path(handle, "parquet")).column("sample_id").to_pylist())

    def delete(self, handle: str, actor: str) -> Selection:
        """Delete one, and return what it was.

        Raises
        ------
        QueryError
            It is gone already.
        NotAllowed
            The actor is no reviewer.
        """
        self._roles.require(actor, Right.DECIDE)
        selection = self.get(handle)
        with os_errors_in_words(self._folder, "the folder"):
            self._path(handle, "json").unlink(missing_ok=True)
            self._path(handle, "parquet").unlink(missing_ok=True)
        return selection

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
