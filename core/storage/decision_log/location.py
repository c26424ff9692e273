"""Where the decision log of a workspace is: in the workspace, or on a team's PostgreSQL server."""

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
from .recorded_head import RecordedHead, holds_something
from .store import DecisionStore

KEY = "store"
"""Entry of workspace.json that holds the address; absent = the log is in the workspace."""


def log_of(layout: Layout) -> str | Path:
    """Give the address of the log that the workspace names, else the path of its own file."""
    header = load_json(layout.header) if layout.header.exists() else {}
    return str(header[KEY]) if header.get(KEY) else layout.decisions


def open_log(layout: Layout) -> DecisionStore:
    """Open the log of a workspace. Raises WorkspaceError where it lost decisions since it was last open."""
    return DecisionStore(log_of(layout), head_file=layout.log_head)


def check_log(layout: Layout) -> None:
    """Raise WorkspaceError where the file of the log is gone that the workspace had; nothing is opened."""
    if isinstance(log := log_of(layout), Path):
        RecordedHead(layout.log_head).check_file(log)


def accept_log(layout: Layout) -> int:
    """Go on with the log that is there now, a restored backup or none, whatever the workspace remembers.

    A write-ahead file whose log is gone is kept under another name, since SQLite would delete it.

    Returns
    -------
    int
        How many decisions the log holds.
    """
    log = log_of(layout)
    if isinstance(log, Path) and not holds_something(log):
        for orphan in (log.with_name(f"{log.name}{suffix}") for suffix in ("-wal", "-shm")):
            if orphan.exists():
                orphan.rename(orphan.with_name(f"{orphan.name}.{orphan.stat().st_mtime_ns}"))
    with DecisionStore(log):  # a damaged one is refused before the recorded head is removed
        pass
    layout.log_head.unlink(missing_ok=True)
    with open_log(layout) as store:
        return store.head()[0]


def checked_address(address: str) -> str:
    """Check a PostgreSQL address before it is stored. Raises WorkspaceError for another database or a password."""
    try:
        url = make_url(address)
    except ArgumentError:
        raise WorkspaceError(f"{address!r} is no database address. Write postgresql://user@host/database.") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise WorkspaceError(
            f"{url.render_as_string(hide_password=True)!r} is no PostgreSQL address. "
            "Write postgresql://user@host/database."
        )
    if url.password:
        raise WorkspaceError(
            "The address holds a password, and it would be written into workspace.json. Leave it out; PostgreSQL takes "
            "it from PGPASSWORD or from ~/.pgpass."
        )
    return address


def place_log(path: str | Path, address: str) -> int:
    """Keep the decisions of a workspace on a PostgreSQL server from now on.

    The decisions so far are copied into the (empty) database. A database that already holds this workspace's log, from
    a colleague's copy of the workspace, is joined if there are no decisions here yet. The old file stays where it is.

    Parameters
    ----------
    path
        The workspace.
    address
        postgresql://user@host/database, without a password.

    Returns
    -------
    int
        How many decisions were copied.

    Raises
    ------
    WorkspaceError
        Both places hold decisions, the database belongs to another dataset, or it cannot be opened.
    """
    layout = Layout(Path(path).expanduser().absolute())
    header = load_json(layout.header)
    address = checked_address(address)
    check_log(layout)
    if header.get(KEY) == address:
        return 0
    local, copied = log_of(layout), 0
    with DecisionStore(address) as store:
        held = store.head()[0]
        foreign = _foreign(store, layout) if held else ""
    if foreign:
        raise WorkspaceError(
            f"The database {address!r} holds decisions about {foreign}, which is not in {header['name']!r}. "
            "Each workspace needs a database of its own: make one with `createdb NAME`."
        )
    if _has_decisions(local):
        if held:
            raise WorkspaceError(
                f"Both {str(local)!r} and the database {address!r} hold decisions ({held:,} there). "
                "They are not mixed. Name an empty database, or export a patch here and replay it there "
                "(`winnow decide WS --patch FILE`)."
            )
        copied = copy_log(local, address)
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


def _foreign(store: DecisionStore, layout: Layout) -> str:
    """A sample in the store that this workspace does not have, if most of the latest hundred are such; else ""."""
    latest = {d.sample_id for d in store.history(limit=100)}
    known = set(RowReader(layout.dataset).column("sample_id").to_pylist())
    unknown = sorted(latest - known)
    return repr(unknown[0]) if len(unknown) * 2 > len(latest) else ""
