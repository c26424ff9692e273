"""Copying a whole log, row by row, between SQLite and PostgreSQL: backups, and moving to a team's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from ...errors import WorkspaceError, plural
from .database import Database
from .rows import CLASS_EVENTS, DECISIONS
from .store import DecisionStore

_AT_ONCE = 5000


def copy_log(source: str | Path, target: str | Path) -> int:
    """Copy the log at ``source`` into the empty or new log at ``target``, while others go on deciding.

    Rows keep their numbers, ids, times and hashes. The copy is opened and replayed, and must end with the same hash as
    the source.

    Parameters
    ----------
    source, target
        Path of an SQLite file, or address of a PostgreSQL database.

    Returns
    -------
    int
        How many decisions were copied.

    Raises
    ------
    WorkspaceError
        The target holds decisions or class changes already, or either log cannot be opened or is damaged.
    """
    with DecisionStore(target) as store:
        seq, _ = store.head()
        if seq or store.registry().version:
            raise WorkspaceError(
                f"{Database.shown(target)} already holds {plural(seq, 'decision')}. A log is copied into an "
                f"empty place only: "
                "name another database or file."
            )
    with DecisionStore(source):  # checks every row, and migrates an older log
        pass
    origin, copy = Database(source), Database(target)
    try:
        with origin.reading() as reading, copy.writing() as writing:
            # class changes are counted first: none of them may refer to a decision that is not copied
            last_event = reading.execute(select(func.coalesce(func.max(CLASS_EVENTS.c.seq), 0))).scalar_one()
            newest = select(DECISIONS.c.seq, DECISIONS.c.hash).order_by(DECISIONS.c.seq.desc()).limit(1)
            head = reading.execute(newest).first()
            _copy(reading, writing, DECISIONS, head.seq if head else 0)
            _copy(reading, writing, CLASS_EVENTS, last_event)
    finally:
        origin.close()
        copy.close()
    with DecisionStore(target) as store:
        if store.head() != ((head.seq, head.hash) if head else (0, "")):
            raise WorkspaceError(f"The copy of the decision log in {Database.shown(target)} differs from the source.")
    return int(head.seq) if head else 0


def _copy(reading: Connection, writing: Connection, table: Table, last: int) -> None:
    rows = reading.execute(select(table).where(table.c.seq <= last).order_by(table.c.seq))
    for part in rows.mappings().partitions(_AT_ONCE):
        values: list[dict[str, Any]] = [dict(row) for row in part]
        writing.execute(insert(table), values)
