"""The schema of the decision log, as a list of functions that is only ever appended to.

A migration is frozen once released: it contains its own DDL and never uses the live table definitions, so that a log
of any earlier release takes the same steps today as it did then. Each runs in the write transaction that also
records it; a second process that opens the log at the same moment waits and finds it done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text

from ...errors import WorkspaceError

_TABLES_APPEND_ONLY = "winnow: the decision log is append-only"


@dataclass(frozen=True)
class Migration:
    """One step of the schema: from ``version - 1`` to ``version``."""

    version: int
    name: str
    apply: Callable[[Connection], None]


def _run(conn: Connection, *statements: str) -> None:
    for statement in statements:
        conn.execute(text(statement))


def _forbid_changes(conn: Connection, table: str) -> None:
    """Triggers that refuse UPDATE and DELETE (on PostgreSQL also TRUNCATE) on ``table``."""
    if conn.dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            _run(
                conn,
                f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{_TABLES_APPEND_ONLY}'); END",
            )
        return
    _run(
        conn,
        "CREATE OR REPLACE FUNCTION winnow_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_TABLES_APPEND_ONLY}'; END $$",
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION winnow_append_only()",
    )


def _decisions(conn: Connection) -> None:
    _run(
        conn,
        """
        CREATE TABLE decisions (
            seq INTEGER PRIMARY KEY,
            decision_id TEXT NOT NULL UNIQUE,
            sample_id TEXT NOT NULL,
            action TEXT NOT NULL CHECK (action IN ('accept', 'relabel', 'exclude', 'undo')),
            label TEXT,
            supersedes TEXT,
            undoes TEXT,
            actor TEXT NOT NULL,
            at TEXT NOT NULL,
            reason TEXT,
            batch_id TEXT,
            evidence TEXT NOT NULL,
            hash TEXT NOT NULL,
            CHECK ((action = 'relabel') = (label IS NOT NULL)),
            CHECK ((action = 'undo') = (undoes IS NOT NULL)),
            CHECK (action <> 'undo' OR supersedes IS NOT NULL)
        )
        """,
        # One successor for each row, one beginning for each (sample, person) chain, and no row undone twice.
        "CREATE UNIQUE INDEX decisions_one_successor ON decisions (supersedes) WHERE supersedes IS NOT NULL",
        "CREATE UNIQUE INDEX decisions_one_undo ON decisions (undoes) WHERE undoes IS NOT NULL",
        "CREATE UNIQUE INDEX decisions_one_root ON decisions (sample_id, actor) WHERE supersedes IS NULL",
        "CREATE INDEX decisions_sample ON decisions (sample_id, seq)",
        "CREATE INDEX decisions_actor ON decisions (actor, seq)",
    )
    _forbid_changes(conn, "decisions")
    if conn.dialect.name == "sqlite":
        # INSERT OR REPLACE deletes without firing delete triggers, so it is refused where a row would be replaced.
        _run(
            conn,
            f"""
            CREATE TRIGGER decisions_in_order BEFORE INSERT ON decisions
            WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM decisions)
              OR EXISTS (SELECT 1 FROM decisions WHERE decision_id = NEW.decision_id)
              OR EXISTS (SELECT 1 FROM decisions WHERE supersedes = NEW.supersedes)
              OR EXISTS (SELECT 1 FROM decisions WHERE undoes = NEW.undoes)
            BEGIN SELECT RAISE(ABORT, '{_TABLES_APPEND_ONLY}: rows are added in order, once'); END
            """,
        )


def _class_registry(conn: Connection) -> None:
    _run(
        conn,
        """
        CREATE TABLE class_events (
            seq INTEGER PRIMARY KEY,
            event_id TEXT NOT NULL UNIQUE,
            event TEXT NOT NULL,
            name TEXT NOT NULL,
            target TEXT,
            undoes TEXT UNIQUE,
            actor TEXT NOT NULL,
            at TEXT NOT NULL,
            reason TEXT,
            detail TEXT NOT NULL
        )
        """,
    )
    _forbid_changes(conn, "class_events")


def _class_changes(conn: Connection) -> None:
    """Where a class event stands among the decisions, and what History needs to page through 100,000 of them."""
    _run(
        conn,
        "ALTER TABLE class_events ADD COLUMN after_seq INTEGER",
        "CREATE INDEX decisions_at ON decisions (at)",
        "CREATE INDEX decisions_batch ON decisions (batch_id) WHERE batch_id IS NOT NULL",
    )
    if conn.dialect.name == "sqlite":
        _run(
            conn,
            f"""
            CREATE TRIGGER class_events_in_order BEFORE INSERT ON class_events
            WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM class_events)
              OR EXISTS (SELECT 1 FROM class_events WHERE event_id = NEW.event_id)
              OR EXISTS (SELECT 1 FROM class_events WHERE undoes = NEW.undoes)
            BEGIN SELECT RAISE(ABORT, '{_TABLES_APPEND_ONLY}: rows are added in order, once'); END
            """,
        )


def _tags(conn: Connection) -> None:
    """The final tags of a decision, a JSON list; null in the rows before, whose hashes stay what they are."""
    _run(conn, "ALTER TABLE decisions ADD COLUMN tags TEXT")


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "decisions", _decisions),
    Migration(2, "class registry", _class_registry),
    Migration(3, "class changes", _class_changes),
    Migration(4, "tags", _tags),
)
"""Append only: never edit, reorder or remove an entry that a release has carried."""

SCHEMA_VERSION = MIGRATIONS[-1].version


def schema_version(conn: Connection) -> int:
    """The version that a log has; 0 for an empty database."""
    if not inspect(conn).has_table("winnow_schema"):
        return 0
    return int(conn.execute(text("SELECT coalesce(max(version), 0) FROM winnow_schema")).scalar_one())


def check_version(version: int) -> None:
    """Raise WorkspaceError for a log that a newer release wrote."""
    if version > SCHEMA_VERSION:
        raise WorkspaceError(
            f"The decision log has schema version {version}; this release of Winnow knows up to {SCHEMA_VERSION}. "
            "It was written by a newer release: upgrade Winnow to open it. Nothing was changed."
        )


def migrate(conn: Connection, now: str) -> list[Migration]:
    """Migrate a log to :data:`SCHEMA_VERSION` inside the caller's write transaction. Returns the steps taken."""
    version = schema_version(conn)
    check_version(version)
    if version == 0:
        _run(
            conn,
            "CREATE TABLE IF NOT EXISTS winnow_schema "
            "(version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, at TEXT NOT NULL)",
        )
    taken = [m for m in MIGRATIONS if m.version > version]
    for step in taken:
        step.apply(conn)
        conn.execute(
            text("INSERT INTO winnow_schema (version, name, at) VALUES (:version, :name, :at)"),
            {"version": step.version, "name": step.name, "at": now},
        )
    return taken
