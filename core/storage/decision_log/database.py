"""Connections to the decision log: SQLite in the workspace, or PostgreSQL by URL, through the same SQLAlchemy code.

SQLite runs in WAL mode, so readers never wait for the writer, with ``synchronous=FULL``: NORMAL would keep the file
consistent, but may lose the last commits at a power cut (https://sqlite.org/wal.html, section 3.2), although the app
has shown them as saved. The cost is one fsync per key press or bulk verdict. Writers take the lock at BEGIN
(``BEGIN IMMEDIATE``) and wait their turn; PostgreSQL writers take one advisory lock, because the log has one order.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from ...errors import DiskFull, ReadOnly, WorkspaceBusy, WorkspaceError

BUSY_SECONDS = 30.0
"""How long a writer waits for its turn. Sixteen writers with a commit each need well under a second."""

_ADVISORY_LOCK = 0x77696E6E6F77  # "winnow": one writer at a time per PostgreSQL database
_WRITE = {"winnow_write": True}


class Database:
    """One decision log, opened for writing where possible, else for reading.

    Parameters
    ----------
    target
        Path of an SQLite file (made if absent), or a SQLAlchemy URL.
    """

    def __init__(self, target: str | Path) -> None:
        self.read_only = False
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._opened: tuple[int, int] | None = None  # device and inode of the file
        text_target = str(target)
        self.name = self.shown(target)
        if "://" in text_target:
            self.path: Path | None = None
            self.engine = self._by_url(text_target)
        else:
            self.path = Path(target)
            self.engine = self._by_path(self.path)

    @staticmethod
    def shown(target: str | Path) -> str:
        """Write the target for a person: an address without its password."""
        try:
            return make_url(str(target)).render_as_string(hide_password=True) if "://" in str(target) else str(target)
        except ArgumentError:
            return "that address"

    @property
    def is_sqlite(self) -> bool:
        """Whether it is an SQLite file, not a server."""
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Close the connections and remove a private copy."""
        self.engine.dispose()
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection for reading."""
        self._check_place()
        with self.translated(), self.engine.connect() as conn:
            self._note_place()
            yield conn

    @contextlib.contextmanager
    def writing(self, setup: bool = False) -> Iterator[Connection]:
        """Open a connection that holds the log's write lock. Its transaction is rolled back if the block raises.

        Parameters
        ----------
        setup
            Also for a log that is read-only, whose tables are made in memory or in a private copy.

        Raises
        ------
        ReadOnly
            The log cannot be written to.
        WorkspaceBusy
            Another writer kept the lock for ``BUSY_SECONDS``.
        DiskFull
            There is no room for the rows.
        """
        if self.read_only and not setup:
            raise self.read_only_error()
        self._check_place()
        with self.translated(), self.engine.connect().execution_options(**_WRITE) as conn, conn.begin():
            if not self.is_sqlite:
                conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            yield conn
        self._check_place()  # before the rows are acknowledged

    def _place(self) -> tuple[int, int] | None:
        """Device and inode of the file at the path; None = there is none, or it is empty."""
        try:
            stat = os.stat(self.path) if self.path is not None else None
        except OSError:
            return None
        return (stat.st_dev, stat.st_ino) if stat is not None and stat.st_size else None

    def _note_place(self) -> None:
        if self._opened is None:
            self._opened = self._place()

    def in_place(self) -> bool:
        """Whether the file at the path is the one that was opened. Always so on a server."""
        return self._opened is None or self._opened == self._place()

    def _check_place(self) -> None:
        if not self.in_place():
            raise WorkspaceError(
                f"The decision log {self.name!r} was moved, emptied or replaced while Winnow had it open. Nothing is "
                "recorded. Put it back and decide again; where the change was meant, close Winnow and start it again."
            )

    def integrity_fault(self, conn: Connection) -> str:
        """What SQLite's own check finds wrong with the file; "" = nothing, or it is not SQLite."""
        if not self.is_sqlite:
            return ""
        rows = conn.exec_driver_sql("PRAGMA quick_check(3)").scalars().all()
        return "" if rows == ["ok"] else "; ".join(str(r) for r in rows)

    def backup(self, path: Path) -> None:
        """Copy a consistent moment of an SQLite log to a new file while others go on writing."""
        if not self.is_sqlite:
            raise WorkspaceError(f"{self.name} is a PostgreSQL database: use pg_dump to copy it.")
        with self.reading() as conn:
            source: Any = conn.connection.driver_connection
            with contextlib.closing(sqlite3.connect(path)) as goal:
                source.backup(goal)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the database's errors into Winnow's, which say what to do."""
        try:
            yield
        except DBAPIError as error:
            raise self._explain(error) from error
        except sqlite3.Error as error:
            raise self._explain_sqlite(error) from error
        except PoolTimeout as error:
            raise WorkspaceBusy(
                f"Too many requests use the decision log {self.name!r} at once. Nothing was recorded; try again."
            ) from error

    # --- making engines ----------------------------------------------------------------------------------------

    def _by_url(self, url: str) -> Engine:
        try:
            parsed = make_url(url)
            if parsed.drivername in ("postgresql", "postgres"):
                parsed = parsed.set(drivername="postgresql+psycopg")
            if parsed.get_backend_name() == "sqlite":
                raise WorkspaceError(f"Give the SQLite log as a path, not as {url!r}.")
            return create_engine(parsed, pool_pre_ping=True, pool_size=4, max_overflow=12)
        except (ArgumentError, NoSuchModuleError) as error:
            raise WorkspaceError(
                f"{url!r} is no database address ({error}). Use a path, or postgresql://user@host/database."
            ) from error
        except ModuleNotFoundError as error:
            raise WorkspaceError(
                f"The driver for {make_url(url).get_backend_name()} is not installed. "
                "Run: pip install 'winnow[postgres]'"
            ) from error

    def _by_path(self, path: Path) -> Engine:
        self.read_only = not _writable(path)
        if not self.read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
            url = URL.create("sqlite", database=str(path.absolute()))  # a path may hold ?, # and %
            engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=4, max_overflow=28)
            event.listen(engine, "connect", _on_connect)
        elif path.exists():
            engine = create_engine("sqlite://", creator=lambda: self._connect_for_reading(path), poolclass=NullPool)
            event.listen(engine, "connect", _manual_transactions)
        else:  # no decisions, and none can be made: an empty log in memory
            engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
            event.listen(engine, "connect", _manual_transactions)
        event.listen(engine, "begin", _on_begin)
        return engine

    def _connect_for_reading(self, path: Path) -> sqlite3.Connection:
        """Read a WAL database where nothing may be written (https://sqlite.org/wal.html#read_only_databases).

        SQLite can do it where the -shm file is there or not needed. Otherwise the file is opened as immutable if its
        write-ahead log is empty; else a private copy is read, into which SQLite merges that log.
        """
        uris = [f"file:{quote(str(path.absolute()))}?mode=ro"]
        wal = path.with_name(path.name + "-wal")
        if not (wal.exists() and wal.stat().st_size):
            uris.append(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1")
        for uri in uris:
            conn = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
            try:
                conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                conn.close()
            else:
                return conn
        if self._copy is None:
            self._copy = tempfile.TemporaryDirectory(prefix="winnow-")
        copy = Path(self._copy.name, path.name)
        shutil.copyfile(path, copy)
        shutil.copyfile(wal, copy.with_name(wal.name))
        return sqlite3.connect(copy, timeout=BUSY_SECONDS, check_same_thread=False)

    def read_a_copy(self) -> None:
        """Switch to a private copy of a log that may not be written, so that it can be migrated."""
        self._copy = self._copy or tempfile.TemporaryDirectory(prefix="winnow-")
        path = Path(self._copy.name, "brought-up.db")
        self.backup(path)
        self.engine.dispose()
        self.engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})
        event.listen(self.engine, "connect", _manual_transactions)
        event.listen(self.engine, "begin", _on_begin)

    # --- errors --------------------------------------------------------------------------------------------------

    def read_only_error(self) -> ReadOnly:
        """Make the error of a log that may not be written."""
        return ReadOnly(
            f"The decision log {self.name!r} cannot be written to: this user or this disk allows reading only. "
            "You can look at everything. To decide, make the folder writable or copy the workspace to one that is."
        )

    def _explain(self, error: DBAPIError) -> Exception:
        if isinstance(error.orig, sqlite3.Error):
            return self._explain_sqlite(error.orig)
        why = " ".join(str(error.orig).split())
        if isinstance(error, (OperationalError, InterfaceError)):
            return WorkspaceError(
                f"The database {self.name} did not answer ({why}). It is safe to send the same decisions again once "
                "the server is back: one that did arrive is not recorded twice."
            )
        return WorkspaceError(
            f"The database {self.name} refused ({why}). Nothing was recorded. Check that this user may create tables "
            "and add rows there, and that nothing but Winnow writes to them."
        )

    def _explain_sqlite(self, error: sqlite3.Error) -> Exception:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _disk_is_full(self.path)):
            return DiskFull(
                f"The disk is full: the decision was not recorded in {self.name!r}. All earlier ones are safe. "
                "Free some room and decide again."
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
            return self.read_only_error()
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return WorkspaceBusy(
                f"Another process has kept the decision log {self.name!r} locked for {BUSY_SECONDS:.0f} s. "
                "Nothing was recorded; close the other process, or try again."
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return damaged_log(self.name, str(error))
        return WorkspaceError(
            f"The decision log {self.name!r} cannot be used ({error}). Nothing was recorded. "
            "Check the disk and try again."
        )


def damaged_log(name: str, fault: str) -> WorkspaceError:
    """Make the error of a damaged log."""
    fault = " ".join(fault.split())
    return WorkspaceError(
        f"The decision log {name!r} is damaged ({fault}). It was left as it is. Put a backup in its place "
        "(`winnow backup` makes them). To begin an empty log, move it away and run `winnow store WS --new-log`."
    )


def _writable(path: Path) -> bool:
    """Whether SQLite could write the log: it needs the file, or else the folder to make it in, and the folder."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK) and (not path.exists() or os.access(path, os.W_OK))


def _disk_is_full(path: Path | None) -> bool:
    if path is None:
        return False
    try:
        return shutil.disk_usage(path.parent).free < 1 << 20
    except OSError:
        return False


def _manual_transactions(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event below says BEGIN, not the driver


def _on_connect(connection: Any, record: object) -> None:
    _manual_transactions(connection, record)
    cursor = connection.cursor()
    _enter_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA recursive_triggers=ON")
    cursor.execute("PRAGMA cache_size=-65536")  # KiB; a bulk verdict touches pages all over the indexes
    cursor.close()


def _enter_wal(cursor: Any) -> None:
    """Switch a new file to WAL. SQLite does not wait for the lock here, so processes that start at once retry."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _on_begin(conn: Connection) -> None:
    immediate = conn.get_execution_options().get("winnow_write", False)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
