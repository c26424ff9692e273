"""Views saved under a name in the workspace: a page with its filter, order, groups and colour.

Each is one file, ``views/<handle>.json``, written atomically: two people who save at once lose nothing. A view holds
what was asked for, not the samples: it shows what matches today. A saved selection holds samples.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import QueryError, WorkspaceError, choices
from ..storage.artifacts import load_json, save_json
from ..storage.atomic import os_errors_in_words
from .roles import Right, Roles

LONGEST_NAME = 80
LONGEST_QUERY = 8_000
_HANDLE = re.compile(r"^view-[0-9a-f]{12}$")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class SavedView:
    """A saved view.

    Attributes
    ----------
    handle, name
        Its key, and the name that a person gave it.
    page
        The page that it opens.
    query
        The query string of that page, without the workspace.
    actor, at
        Who saved it, and when (UTC, ISO 8601).
    """

    handle: str
    name: str
    page: str
    query: str
    actor: str
    at: str


class SavedViews:
    """The saved views of one workspace directory. Safe to share between threads and processes.

    Parameters
    ----------
    folder
        Where they are kept.
    roles
        Of the workspace.
    """

    def __init__(self, folder: Path, roles: Roles) -> None:
        self._folder, self._roles = folder, roles

    def all(self) -> list[SavedView]:
        """All of them by name. A file that cannot be read is left out."""
        views = []
        for path in self._folder.glob("view-*.json"):
            try:
                views.append(self._read(path))
            except (WorkspaceError, KeyError, TypeError):  # damaged, or deleted meanwhile: the others still open
                continue
        return sorted(views, key=lambda v: (v.name.casefold(), v.handle))

    def save(self, name: str, page: str, query: str, *, actor: str) -> SavedView:
        """Save a view.

        Parameters
        ----------
        name
            1 to LONGEST_NAME characters.
        page, query
            See :class:`SavedView`.
        actor
            Who saves it.

        Raises
        ------
        QueryError
            No name, a name that is taken, or a query of more than LONGEST_QUERY characters.
        NotAllowed
            The actor is no reviewer.
        DiskFull, ReadOnly
            It cannot be written.
        """
        self._roles.require(actor, Right.DECIDE)
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME:
            raise QueryError(f"A view needs a name of 1 to {LONGEST_NAME} characters, not {len(name)}.")
        if name.casefold() in {view.name.casefold() for view in self.all()}:
            raise QueryError(f"A view called {name!r} is there already. Delete it first, or choose another name.")
        if len(query) > LONGEST_QUERY:
            raise QueryError(
                f"The filters of this view take {len(query):,} characters, more than {LONGEST_QUERY:,}. Save an "
                "outline on the map as a selection, or take some filters away."
            )
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        view = SavedView(f"view-{secrets.token_hex(6)}", name, page, query, actor, at)
        with os_errors_in_words(self._folder, "the folder"):
            self._folder.mkdir(exist_ok=True)
        save_json(self._path(view.handle), {"format": _FORMAT, **asdict(view)})
        return view

    def get(self, handle: str) -> SavedView:
        """One by its handle. Raises QueryError, naming those there are, where it is gone."""
        path = self._path(handle)
        if not path.exists():
            names = choices(view.name for view in self.all())
            raise QueryError(f"The saved view {handle!r} is not there any more. There are: {names or 'none'}.")
        return self._read(path)

    def delete(self, handle: str, actor: str) -> SavedView:
        """Delete one, and return what it was. Raises QueryError where it is gone, NotAllowed for no reviewer."""
        self._roles.require(actor, Right.DECIDE)
        view = self.get(handle)
        with os_errors_in_words(self._folder, "the folder"):
            self._path(handle).unlink(missing_ok=True)
        return view

    @staticmethod
    def _read(path: Path) -> SavedView:
        raw = load_json(path)
        if raw.pop("format") != _FORMAT:
            raise WorkspaceError(f"{str(path)!r} was written by a newer Winnow. Update Winnow to open it.")
        return SavedView(**raw)

    def _path(self, handle: str) -> Path:
        if not _HANDLE.match(handle):
            raise QueryError(f"{handle!r} is not the handle of a saved view.")
        return self._folder / f"{handle}.json"
