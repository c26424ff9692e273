"""Where the decision log of a workspace lies: in the workspace, or on a team's PostgreSQL server."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ...errors import WorkspaceError
from ..artifacts import load_json, save_json
from ..layout import Layout
from ..parquet_rows import RowReader
from .copy import copy_log
from .store import DecisionStore

KEY = "store"
"""Entry of workspace.json that holds the address; absent = the log lies in the workspace."""


def log_of(layout: Layout) -> str | Path:
    """What to open: the address that the workspace names, else its own file."""
    header = load_json(layout.header) if layout.header.exists() else {}
    return str(header[KEY]) if header.get(KEY) else layout.decisions


def checked_address(address: str) -> str:
    """A PostgreSQL address that may be written down. Raises WorkspaceError for another database or a password in it."""
    try:
        url = make_url(address)
    except ArgumentError:
        raise WorkspaceError(f"{address!r} is no database address. Write postgresql://user@host/database.") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise WorkspaceError(
            f"{url.render_as_string(hide_password=True)!r} is no PostgreSQL address. Write postgresql://user@host/database."
        )
    if url.password:
        raise WorkspaceError(
            "The address holds a password, and it would be written into workspace.json. Leave it out; PostgreSQL takes it "
            "from PGPASSWORD or from ~/.pgpass."
        )
    return address


def place_log(path: str | Path, address: str) -> int:
    """Keep the decisions of a workspace on a PostgreSQL server from now on.

    The decisions made so far are copied into the (empty) database. A database that already holds this workspace's log, of
    a colleague's copy of the workspace, is joined if nothing was decided here yet. The old file stays where it is.

    Returns
    -------
    How many decisions were copied.

    Raises
    ------
    WorkspaceError
        Both places hold decisions, the database belongs to another dataset, or it cannot be opened.
    """
    layout = Layout(Path(path).expanduser().absolute())
    header = load_json(layout.header)
    address = checked_address(address)
    if header.get(KEY) == address:
        return 0
    here, copied = log_of(layout), 0
    with DecisionStore(address) as there:
        held = there.head()[0]
        foreign = _foreign(there, layout) if held else ""
    if foreign:
        raise WorkspaceError(
            f"The database {address!r} holds decisions about {foreign}, which is not in {header['name']!r}. Each workspace "
            "needs a database of its own: make one with `createdb NAME`."
        )
    if _has_decisions(here):
        if held:
            raise WorkspaceError(
                f"Both {str(here)!r} and the database {address!r} hold decisions ({held:,} there). They are not mixed: name an "
                "empty database, or export a patch here and replay it there (`winnow decide WS --patch FILE`)."
            )
        copied = copy_log(here, address)
    save_json(layout.header, {**header, KEY: address})
    return copied


def _has_decisions(target: str | Path) -> bool:
    if isinstance(target, Path):
        if not target.exists():
            return False
        with closing(sqlite3.connect(f"{target.absolute().as_uri()}?mode=ro", uri=True)) as conn:
            if not conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'decisions'").fetchone():
                return False
    with DecisionStore(target) as store:
        return bool(store.head()[0] or store.registry().version)


def _foreign(there: DecisionStore, layout: Layout) -> str:
    """A sample that was decided there and is not known here, if most of the latest hundred are not; else ""."""
    latest = {d.sample_id for d in there.history(limit=100)}
    known = set(RowReader(layout.dataset).column("sample_id").to_pylist())
    strangers = sorted(latest - known)
    return repr(strangers[0]) if len(strangers) * 2 > len(latest) else ""
