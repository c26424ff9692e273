"""The decision log: nothing lost, nothing doubled, nothing overwritten; undo reaches back through restarts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from tests.helpers.postgres_server import Server
from winnow.core.errors import DecisionError, DiskFull, ReadOnly, WorkspaceBusy, WorkspaceError
from winnow.core.storage.decision_log import database as databases
from winnow.core.storage.decision_log import migrations
from winnow.core.storage.decision_log.copy import copy_log
from winnow.core.storage.decision_log.database import Database
from winnow.core.storage.decision_log.rows import DECISIONS, row_hash
from winnow.core.storage.decision_log.state import STATE_SCHEMA
from winnow.core.storage.decision_log.store import DecisionRequest, DecisionStore, iso
from winnow.core.types import Action, Decision

try:
    import psycopg
except ImportError:  # then the tests that need it are skipped
    psycopg = None

ACCEPT, RELABEL, EXCLUDE, UNDO = Action.ACCEPT, Action.RELABEL, Action.EXCLUDE, Action.UNDO


# --- both databases ---------------------------------------------------------------------------------------------


Open = Callable[..., DecisionStore]


@pytest.fixture(params=["sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same log again and again, as a restart does."""
    target: str | Path = tmp_path / "decisions.db"
    if request.param == "postgresql":
        target = request.getfixturevalue("postgres")
    opened: list[DecisionStore] = []

    def open_(**how: object) -> DecisionStore:
        opened.append(DecisionStore(target, **how))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Open) -> DecisionStore:
    return open_store()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[DecisionStore]:
    """SQLite only."""
    with DecisionStore(tmp_path / "decisions.db") as opened:
        yield opened


def ask(sample: str, action: Action = ACCEPT, actor: str = "ann", **more: object) -> DecisionRequest:
    return DecisionRequest(sample, action, actor, **more)  # type: ignore[arg-type]


def states(store: DecisionStore) -> dict[str, tuple[str, str | None]]:
    table = store.state_table()
    assert table.schema == STATE_SCHEMA
    return {r["sample_id"]: (r["state"], r["label"]) for r in table.to_pylist()}


# --- what a log is ----------------------------------------------------------------------------------------------


def test_a_decision_comes_back_as_it_was_made(open_store: Open) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    made = open_store(clock=lambda: now).append(
        [ask("a\nb'\"ü🦌", RELABEL, label="ré,d", reason=" why ", evidence={"p": 0.5}, batch_id="b", decision_id="d1")]
    )
    assert made == [
        Decision(
            1, "d1", "a\nb'\"ü🦌", RELABEL, "ré,d", None, "ann", "2026-03-01T12:00:00.000+00:00", "why", "b", {"p": 0.5}
        )
    ]
    again = open_store()
    assert again.history() == made
    assert again.current() == {"a\nb'\"ü🦌": {"ann": made[0]}}


def test_a_repeat_is_answered_with_the_row_that_is_there(open_store: Open) -> None:
    store = open_store()
    first = store.append([ask("a", decision_id="d1"), ask("b", EXCLUDE, decision_id="d2")])
    assert open_store().append([ask("b", EXCLUDE, decision_id="d2"), ask("a", decision_id="d1")]) == first[::-1]
    assert store.append([ask("c", decision_id="d3"), ask("c", decision_id="d3")])[0].seq == 3
    assert store.head()[0] == 3


def test_an_id_is_not_used_for_two_decisions(store: DecisionStore) -> None:
    store.append([ask("a", decision_id="d1")])
    with pytest.raises(DecisionError, match=r"'d1' was used for another decision .*'ann' chose accept for 'a'"):
        store.append([ask("a", EXCLUDE, decision_id="d1")])


def test_all_of_a_request_or_none(store: DecisionStore) -> None:
    with pytest.raises(DecisionError):
        store.append([ask("a"), ask("b", RELABEL)])
    assert (store.head()[0], states(store)) == (0, {})
    store.append([ask("a")])
    assert store.head()[0] == 1


def test_each_of_a_request_is_answered(store: DecisionStore) -> None:
    made, refused, also = store.append_each([ask("a"), ask("b", RELABEL), ask("c", EXCLUDE)])
    assert isinstance(refused, DecisionError)
    assert isinstance(made, Decision)
    assert isinstance(also, Decision)
    assert (made.seq, also.seq) == (1, 2)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (ask("a", RELABEL), "new label is missing"),
        (ask("a", RELABEL, label=" "), "new label is missing"),
        (ask("a", ACCEPT, label="cat"), "Only relabel takes a label"),
        (ask(""), "sample id is missing"),
        (ask("a", actor=""), "actor is missing"),
        (ask("a\0"), "cannot be stored"),
        (ask("a\ud800"), "cannot be stored"),
        (ask("a", RELABEL, label="x" * 10_001), "10,001 characters"),
        (ask("a", "delete"), r"No action is called 'delete'. There are: 'accept', 'relabel', 'exclude', 'undo'"),  # type: ignore[arg-type]
        (ask("a", UNDO), "nothing to undo"),
        (ask("a", at="yesterday"), "'yesterday' is no time"),
        (ask(["a"]), "sample id is missing"),  # type: ignore[arg-type]
    ],
)
def test_a_refusal_names_the_rule(local: DecisionStore, request_: DecisionRequest, says: str) -> None:
    with pytest.raises(DecisionError, match=says):
        local.append([request_])
    assert local.head()[0] == 0


@pytest.mark.parametrize("odd", ["a\0", "a\ud800"])
def test_what_no_database_holds_is_refused_in_words_or_matches_nothing(store: DecisionStore, odd: str) -> None:
    store.append([ask("a")])
    for write in (
        lambda: store.undo(odd),
        lambda: store.undo("ann", undo_id=odd),
        lambda: store.revert("ann", undo_id=odd),
        lambda: store.redo(odd),
        lambda: store.redo("ann", undo_id=odd),
        lambda: store.redo("ann", redo_id=odd),
        lambda: store.change_class("add", "bird", "ann", event_id=odd),
    ):
        with pytest.raises(DecisionError, match="cannot be stored"):
            write()
    assert store.undo("ann", decision_id=odd) == store.undo("ann", batch_id=odd) == []
    assert store.history(actor=odd) == store.history(sample_id=odd) == store.timeline(actor=odd) == []
    assert store.count(actor=odd) == 0
    assert len(store.history()) == 1


# --- one successor ----------------------------------------------------------------------------------------------


def test_a_decision_names_the_one_before_it(store: DecisionStore) -> None:
    first, second, other = store.append([ask("a"), ask("a", EXCLUDE), ask("a", actor="bob")])
    assert (first.supersedes, second.supersedes, other.supersedes) == (None, first.decision_id, None)


def test_a_decision_about_an_older_state_is_refused(open_store: Open) -> None:
    first = open_store().append([ask("a")])[0]
    open_store().append([ask("a", EXCLUDE, supersedes=first.decision_id)])
    with pytest.raises(DecisionError, match=r"already decided about 'a' in another tab \(exclude, "):
        open_store().append([ask("a", RELABEL, label="cat", supersedes=first.decision_id)])
    with pytest.raises(DecisionError, match="in another tab \\(exclude, "):
        open_store().append([ask("a", RELABEL, label="cat", supersedes=None)])
    assert states(open_store()) == {"a": ("exclude", None)}


def test_a_late_decision_that_says_the_same_is_no_conflict(store: DecisionStore) -> None:
    first, second = store.append([ask("a"), ask("a", EXCLUDE)])
    assert store.append([ask("a", EXCLUDE, supersedes=first.decision_id)]) == [second]
    assert store.head()[0] == 2


def test_after_an_undo_the_screen_shows_what_was_before(store: DecisionStore) -> None:
    first = store.append([ask("a"), ask("a", EXCLUDE)])[0]
    store.undo("ann")
    assert store.append([ask("a", EXCLUDE, supersedes=first.decision_id)])[0].seq == 4
    store.undo("ann")
    store.undo("ann")
    assert store.append([ask("a", supersedes=None)])[0].action is ACCEPT


# --- people -----------------------------------------------------------------------------------------------------


def test_people_agree_or_disagree(store: DecisionStore) -> None:
    store.append([ask("a", RELABEL, label="cat", reason="ears"), ask("b"), ask("c", EXCLUDE)])
    store.append([ask("a", RELABEL, "bob", label="cat", reason="tail"), ask("b", EXCLUDE, "bob")])
    rows = {r["sample_id"]: r for r in store.state_table().to_pylist()}
    assert (rows["a"]["state"], rows["a"]["label"], rows["a"]["actor"]) == ("relabel", "cat", "ann, bob")
    assert (rows["a"]["n_people"], rows["a"]["reason"]) == (2, "ears; tail")
    assert (rows["b"]["state"], rows["b"]["label"], rows["b"]["n_people"]) == ("disputed", None, 2)
    assert (rows["c"]["state"], rows["c"]["actor"], rows["c"]["n_people"]) == ("exclude", "ann", 1)
    store.append([ask("b", EXCLUDE)])
    assert states(store)["b"] == ("exclude", None)
    store.append([ask("a", RELABEL, "cem", label="dog")])
    assert states(store)["a"] == ("disputed", None)
    assert store.actors() == ["ann", "bob", "cem"]


def test_others_decisions_are_seen_at_once(open_store: Open) -> None:
    mine, theirs = open_store(), open_store()
    before = mine.state_table()
    assert mine.state_table() is before
    theirs.append([ask("a")])
    assert states(mine) == {"a": ("accept", None)}
    assert mine.head() == theirs.head()


# --- undo -------------------------------------------------------------------------------------------------------


def test_undo_brings_back_what_was_in_force(open_store: Open) -> None:
    open_store().append([ask("a", RELABEL, label="cat"), ask("a", EXCLUDE)])
    undone = open_store().undo("ann")
    assert [(d.action, d.sample_id) for d in undone] == [(UNDO, "a")]
    assert undone[0].evidence["undoes"] == undone[0].supersedes
    assert states(open_store()) == {"a": ("relabel", "cat")}
    open_store().undo("ann")
    assert states(open_store()) == {}
    assert open_store().undo("ann") == []
    assert [d.action for d in open_store().history()] == [UNDO, UNDO, EXCLUDE, RELABEL]


def test_a_bulk_verdict_is_taken_back_in_one_step(open_store: Open) -> None:
    store = open_store()
    store.append([ask("s3", RELABEL, label="cat")])
    store.append([ask(f"s{i}", EXCLUDE, batch_id="bulk") for i in range(10)])
    store.append([ask("s1")])
    assert len(open_store().undo("ann")) == 1
    undone = open_store().undo("ann")
    assert [d.sample_id for d in undone] == [f"s{i}" for i in range(10)]
    assert len({d.batch_id for d in undone}) == 1
    assert states(store) == {"s3": ("relabel", "cat")}


def test_redo_brings_back_what_an_undo_took_back(open_store: Open) -> None:
    store = open_store()
    store.append([ask(f"s{i}", RELABEL, label="cat", reason="stripes", batch_id="bulk") for i in range(10)])
    assert store.redo("ann") == []  # the last step was no undo
    store.undo("ann")
    again = open_store().redo("ann")
    assert states(store) == {f"s{i}": ("relabel", "cat") for i in range(10)}
    assert {(d.reason, d.batch_id) for d in again} == {("stripes", again[0].batch_id)}
    assert open_store().redo("ann") == []
    assert len(open_store().undo("ann")) == 10  # what was redone is one step again


def test_redo_leaves_alone_what_was_decided_since(open_store: Open) -> None:
    store = open_store()
    store.append([ask("a", batch_id="b"), ask("b", batch_id="b")])
    undo = store.undo("ann")[0].batch_id
    store.append([ask("a", EXCLUDE)])
    assert store.redo("ann") == []
    assert [d.sample_id for d in store.redo("ann", undo_id=undo)] == ["b"]
    assert states(store) == {"a": ("exclude", None), "b": ("accept", None)}
    assert store.redo("bob", undo_id=undo) == []


def test_a_repeated_redo_adds_nothing_more(open_store: Open) -> None:
    store = open_store()
    store.append([ask("a"), ask("b")])
    store.undo("ann")
    first = store.redo("ann", redo_id="r1")
    assert open_store().redo("ann", redo_id="r1") == first
    assert len(store.history()) == 4


def test_redo_leaves_out_labels_that_are_no_class_any_more(store: DecisionStore) -> None:
    store.append([ask("a", RELABEL, label="cat"), ask("b", RELABEL, label="dog")], ["cat", "dog"])
    store.revert("ann", [d.decision_id for d in store.history()])
    store.change_class("delete", "cat", "ann", given=["cat", "dog"])
    assert [d.sample_id for d in store.redo("ann")] == ["b"]


def test_undo_leaves_alone_what_was_decided_anew_within_the_batch(store: DecisionStore) -> None:
    store.append([ask("a", batch_id="b"), ask("b", batch_id="b")])
    store.append([ask("a", EXCLUDE)])
    store.append([ask("c", batch_id="b")])
    assert {d.sample_id for d in store.undo("ann")} == {"b", "c"}
    assert states(store) == {"a": ("exclude", None)}


def test_undo_takes_back_one_s_own_decisions_only(store: DecisionStore) -> None:
    store.append([ask("a"), ask("a", EXCLUDE, "bob")])
    assert store.undo("cem") == []
    store.undo("ann")
    assert states(store) == {"a": ("exclude", None)}


def test_a_repeated_undo_takes_back_nothing_more(open_store: Open) -> None:
    store = open_store()
    store.append([ask("a"), ask("b")])
    first = store.undo("ann", undo_id="u1")
    assert open_store().undo("ann", undo_id="u1") == first
    assert states(store) == {"a": ("accept", None)}
    assert store.undo("bob", undo_id="u1") == []


def test_one_sample_s_decision_is_reverted_whatever_came_after(store: DecisionStore) -> None:
    store.append([ask("a"), ask("b"), ask("c")])
    store.append([ask("a", UNDO)])
    assert set(states(store)) == {"b", "c"}
    store.undo("ann")
    store.undo("ann")
    assert (states(store), store.undo("ann")) == ({}, [])


# --- time -------------------------------------------------------------------------------------------------------


def test_a_clock_set_back_does_not_change_the_order(open_store: Open) -> None:
    times = iter(datetime(year, 1, 1, tzinfo=UTC) for year in range(2026, 1999, -1))
    store = open_store(clock=lambda: next(times))
    store.append([ask("a", RELABEL, label="cat")])
    store.append([ask("a", EXCLUDE)])
    assert states(open_store()) == {"a": ("exclude", None)}
    assert [d.action for d in store.history()] == [EXCLUDE, RELABEL]
    store.undo("ann")
    assert states(open_store()) == {"a": ("relabel", "cat")}


def test_history_is_filtered_and_paged(store: DecisionStore) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    for i in range(6):
        who = "ann" if i % 2 else "bob"
        store.append([ask(f"s{i % 3}", EXCLUDE if i < 3 else ACCEPT, who, at=iso(start + timedelta(days=i)))])
    assert [d.seq for d in store.history()] == [6, 5, 4, 3, 2, 1]
    assert [d.seq for d in store.history(actor="ann")] == [6, 4, 2]
    assert [d.seq for d in store.history(sample_id="s0")] == [4, 1]
    assert [d.seq for d in store.history(action="exclude")] == [3, 2, 1]
    assert [d.seq for d in store.history(since=start + timedelta(days=2), until="2026-03-05")] == [4, 3]
    assert [d.seq for d in store.history(limit=2, offset=1)] == [5, 4]
    assert [d.seq for d in store.history(offset=4)] == [2, 1]


# --- the class registry -----------------------------------------------------------------------------------------


def test_a_new_label_is_added_once_with_the_first_decision_that_uses_it(open_store: Open) -> None:
    requests = [ask("a", RELABEL, label="cat"), ask("b", RELABEL, label="lynx"), ask("c", RELABEL, "bob", label="lynx")]
    open_store().append([*requests, ask("d"), ask("e", RELABEL, label="Lynx")], given=["cat"], reason="new")
    open_store().append([ask("f", RELABEL, "bob", label="lynx")], given=["cat"])
    events = open_store().class_events()
    assert [(e.seq, e.event, e.name, e.actor, e.reason, e.after_seq) for e in events] == [
        (1, "add", "lynx", "ann", "new", 1),
        (2, "add", "Lynx", "ann", "new", 4),
    ]
    assert open_store().registry().added == ("lynx", "Lynx")


def test_a_refused_decision_adds_no_class(open_store: Open) -> None:
    with pytest.raises(DecisionError, match="new label is missing"):
        open_store().append([ask("a", RELABEL, label="lynx"), ask("b", RELABEL)], given=["cat"])
    [refused] = open_store().append_each([ask("a", RELABEL, label="lynx", supersedes="gone")], given=["cat"])
    assert isinstance(refused, DecisionError)
    assert open_store().class_events() == []
    assert open_store().head() == (0, "")


def test_a_class_needs_a_name(open_store: Open) -> None:
    with pytest.raises(DecisionError, match="class name is missing"):
        open_store().change_class("add", " ", "ann")


# --- append-only ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET label = 'x'",
        "DELETE FROM decisions",
        "DELETE FROM decisions WHERE seq = 2",
        "INSERT OR REPLACE INTO decisions SELECT seq, decision_id, 'z', action, label, supersedes, undoes, actor, at, "
        "reason, batch_id, evidence, hash, tags FROM decisions WHERE seq = 2",
        "INSERT OR REPLACE INTO decisions SELECT 3, decision_id, 'z', action, label, supersedes, undoes, actor, at, "
        "reason, batch_id, evidence, hash, tags FROM decisions WHERE seq = 2",
        "UPDATE class_events SET name = 'x'",
        "DELETE FROM class_events",
    ],
)
def test_rows_cannot_be_changed_with_another_tool(tmp_path: Path, statement: str) -> None:
    with DecisionStore(tmp_path / "d.db") as store:
        store.append([ask("a"), ask("b")])
        store.change_class("add", "lynx", "ann")
        conn = sqlite3.connect(tmp_path / "d.db")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            conn.execute(statement)
        conn.close()
        assert len(store.history()) == 2


@pytest.mark.parametrize(
    "statement", ["UPDATE decisions SET label = 'x'", "DELETE FROM decisions", "TRUNCATE decisions"]
)
def test_rows_cannot_be_changed_on_a_server(postgres: str, statement: str) -> None:
    with DecisionStore(postgres) as store:
        store.append([ask("a")])
        with psycopg.connect(postgres) as conn, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            conn.execute(statement)
        assert len(store.history()) == 1


def test_the_database_keeps_one_successor_whoever_writes(local: DecisionStore, tmp_path: Path) -> None:
    local.append([ask("a"), ask("a", EXCLUDE)])
    conn = sqlite3.connect(tmp_path / "decisions.db")
    row = conn.execute("SELECT * FROM decisions WHERE seq = 2").fetchone()
    with pytest.raises(sqlite3.IntegrityError):
        conn.execute(f"INSERT INTO decisions VALUES ({','.join('?' * len(row))})", (3, "other", *row[2:]))
    conn.close()


def test_a_changed_row_is_noticed(tmp_path: Path) -> None:
    with DecisionStore(tmp_path / "d.db") as store:
        store.append([ask("a", RELABEL, label="cat"), ask("b")])
    conn = sqlite3.connect(tmp_path / "d.db")
    conn.execute("DROP TRIGGER decisions_no_update")
    conn.execute("UPDATE decisions SET label = 'dog' WHERE seq = 1")
    conn.commit()
    conn.close()
    with pytest.raises(WorkspaceError, match=r"damaged \(row 1 is not what was written\)"):
        DecisionStore(tmp_path / "d.db")


def test_a_removed_row_is_noticed(tmp_path: Path) -> None:
    with DecisionStore(tmp_path / "d.db") as store:
        store.append([ask("a"), ask("b"), ask("c")])
    conn = sqlite3.connect(tmp_path / "d.db")
    conn.execute("DROP TRIGGER decisions_no_delete")
    conn.execute("DELETE FROM decisions WHERE seq = 2")
    conn.commit()
    conn.close()
    with pytest.raises(WorkspaceError, match="damaged"):
        DecisionStore(tmp_path / "d.db")


@pytest.mark.parametrize("damage", ["overwritten", "no database"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "d.db"
    with DecisionStore(path) as store:
        store.append([ask(f"s{i}", reason="x" * 500) for i in range(200)])
    data = bytearray(path.read_bytes())
    if damage == "overwritten":
        data[12_288:40_960] = os.urandom(28_672)
    else:
        data = bytearray(b"something else entirely " * 400)
    path.write_bytes(bytes(data))
    with pytest.raises(WorkspaceError, match=r"d.db.*is damaged.*Put a backup in its place"):
        DecisionStore(path)


def test_a_server_that_restarts_in_the_middle_of_a_review(server: Server, postgres: str) -> None:
    with DecisionStore(postgres) as store:
        store.append([ask("a", decision_id="d1")])
        server.stop()
        try:
            with pytest.raises(WorkspaceError, match=r"did not answer.*safe to send the same decisions again"):
                store.append([ask("b", decision_id="d2")])
        finally:
            server.start()
        store.append([ask("a", decision_id="d1"), ask("b", decision_id="d2")])
        assert [d.decision_id for d in store.history()] == ["d2", "d1"]


# --- schema -----------------------------------------------------------------------------------------------------


def test_a_log_of_a_newer_release_is_refused(open_store: Open, tmp_path: Path) -> None:
    store = open_store()
    with store._database.writing() as conn:
        conn.exec_driver_sql("INSERT INTO winnow_schema VALUES (99, 'from the future', 'x')")
    with pytest.raises(WorkspaceError, match=r"schema version 99.*upgrade Winnow"):
        open_store()


@pytest.mark.parametrize("version", range(1, migrations.SCHEMA_VERSION))
def test_a_log_of_every_earlier_schema_is_brought_up(open_store: Open, tmp_path: Path, version: int) -> None:
    made = open_store().append([ask("a"), ask("b", EXCLUDE)])  # as a release of that schema would have written them
    with open_store()._database.reading() as conn:
        rows = [tuple(row) for row in conn.execute(select(DECISIONS).order_by(DECISIONS.c.seq))]
    old = tmp_path / "old.db"
    database = Database(old)
    with database.writing(setup=True) as conn:
        conn.exec_driver_sql("CREATE TABLE winnow_schema (version BIGINT PRIMARY KEY, name TEXT, at TEXT)")
        for step in migrations.MIGRATIONS[:version]:
            step.apply(conn)
            conn.exec_driver_sql(f"INSERT INTO winnow_schema VALUES ({step.version}, '{step.name}', '2026-01-01')")
        written = [dict(zip(DECISIONS.c.keys(), row, strict=True)) for row in rows]
        conn.execute(insert(DECISIONS), [{k: v for k, v in row.items() if k != "tags"} for row in written])
        if version >= 2:
            conn.exec_driver_sql(
                "INSERT INTO class_events (seq, event_id, event, name, target, undoes, actor, at, reason, detail) "
                "VALUES (1, 'e1', 'add', 'lynx', NULL, NULL, 'ann', '2026-01-01', NULL, '{}')"
            )
    database.close()
    with DecisionStore(old) as store:
        assert store.history() == made[::-1]
        assert store.registry().added == (("lynx",) if version >= 2 else ())
        if version < 2:
            store.change_class("add", "lynx", "ann")
        merged = store.change_class("merge", "lynx", "ann", target="cat", given=["cat"])
        assert merged.after_seq == 2
        assert store.registry().renames == {"lynx": "cat"}
        with store._database.reading() as conn:
            assert migrations.schema_version(conn) == migrations.SCHEMA_VERSION
    with DecisionStore(old) as again:
        assert again.class_events()[-1] == merged
        assert [type(e).__name__ for e in again.timeline()] == (
            ["ClassEvent", "Decision", "Decision", "ClassEvent"]
            if version >= 2
            else ["ClassEvent"] * 2 + ["Decision"] * 2
        )


def test_an_older_log_that_may_not_be_written_can_still_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d.db"
    with DecisionStore(path) as store:
        made = store.append([ask("a")])
    conn = sqlite3.connect(path)
    conn.execute("DELETE FROM winnow_schema WHERE version = 3")
    conn.execute("DROP TRIGGER class_events_in_order")
    conn.execute("DROP INDEX decisions_at")
    conn.execute("DROP INDEX decisions_batch")
    conn.execute("ALTER TABLE class_events DROP COLUMN after_seq")
    conn.commit()
    conn.close()
    before = path.read_bytes()
    monkeypatch.setattr(databases, "_writable", lambda _: False)
    with DecisionStore(path) as store:
        assert store.history() == made
        assert store.registry().renames == {}
        with pytest.raises(ReadOnly):
            store.append([ask("b")])
    assert path.read_bytes() == before


def test_migrations_are_numbered_in_order() -> None:
    assert [m.version for m in migrations.MIGRATIONS] == list(range(1, len(migrations.MIGRATIONS) + 1))


# --- any order of anything --------------------------------------------------------------------------------------

people = st.sampled_from(["ann", "bob", "cem"])
samples = st.sampled_from(["a", "b", "c"])
answers = st.sampled_from([(ACCEPT, None), (EXCLUDE, None), (RELABEL, "cat"), (RELABEL, "dog")])
steps = st.one_of(
    st.tuples(st.just("decide"), people, samples, answers),
    st.tuples(st.just("bulk"), people, st.lists(samples, min_size=1, max_size=4), answers),
    st.tuples(st.just("undo"), people, st.just(None), st.just(None)),
    st.tuples(st.just("revert"), people, samples, st.just(None)),
    st.tuples(st.just("reopen"), people, st.just(None), st.just(None)),
)


class Model:
    """What the log should mean, told in the simplest way: per person a list of steps, each a list of decisions."""

    def __init__(self) -> None:
        self.steps: dict[str, list[list[tuple[int, str, tuple[Action, str | None]]]]] = {}
        self.n = 0

    def decide(self, who: str, what: list[str], answer: tuple[Action, str | None]) -> None:
        step = []
        for sample in what:
            self.n += 1
            step.append((self.n, sample, answer))
        self.steps.setdefault(who, []).append(step)

    def says(self, who: str) -> dict[str, tuple[int, str, tuple[Action, str | None]]]:
        return {d[1]: d for step in self.steps.get(who, []) for d in step}

    def revert(self, who: str, sample: str) -> None:
        last = self.says(who)[sample]
        self.steps[who] = [kept for step in self.steps[who] if (kept := [d for d in step if d != last])]

    def undo(self, who: str) -> None:
        """The last step's decisions that are in force; a bulk verdict may name a sample twice."""
        if self.steps.get(who):
            in_force = set(self.says(who).values())
            left = [d for d in self.steps[who].pop() if d not in in_force]
            if left:
                self.steps[who].append(left)

    def states(self) -> dict[str, tuple[str, str | None]]:
        said: dict[str, set[tuple[Action, str | None]]] = {}
        for who in self.steps:
            for sample, (_, _, answer) in self.says(who).items():
                said.setdefault(sample, set()).add(answer)
        return {
            s: (next(iter(a))[0].value, next(iter(a))[1]) if len(a) == 1 else ("disputed", None)
            for s, a in said.items()
        }


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=20))
def test_any_interleaving_replays_to_the_same_state(sequence: list[tuple]) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as folder:
        store, model = DecisionStore(Path(folder, "d.db")), Model()
        for i, (what, who, target, answer) in enumerate(sequence):
            if what == "decide":
                model.decide(who, [target], answer)
                store.append([ask(target, answer[0], who, label=answer[1])])
            elif what == "bulk":
                model.decide(who, target, answer)
                store.append([ask(s, answer[0], who, label=answer[1], batch_id=f"b{i}") for s in target])
            elif what == "undo":
                model.undo(who)
                store.undo(who)
            elif what == "revert" and target in model.says(who):
                model.revert(who, target)
                store.append([ask(target, UNDO, who)])
            elif what == "reopen":
                store.close()
                store = DecisionStore(Path(folder, "d.db"))
            assert states(store) == model.states()
        with DecisionStore(Path(folder, "d.db")) as fresh:
            assert states(fresh) == model.states()
            assert fresh.head() == store.head()
        store.close()


# --- many at once -----------------------------------------------------------------------------------------------


def test_threads_at_once_lose_nothing(open_store: Open) -> None:
    shared, other = open_store(), open_store()
    start = threading.Barrier(8)

    def work(who: int) -> None:
        start.wait()
        store = shared if who % 2 else other
        for i in range(25):
            store.append([ask(f"s{i % 5}", EXCLUDE if i % 2 else ACCEPT, f"p{who}", decision_id=f"{who}-{i}")])
            store.state_table()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    rows = open_store().history()
    assert {d.decision_id for d in rows} == {f"{w}-{i}" for w in range(8) for i in range(25)}
    assert [d.seq for d in rows] == list(range(200, 0, -1))
    for store in (shared, other):
        assert states(store) == {f"s{i % 5}": ("exclude" if i % 2 else "accept", None) for i in range(20, 25)}


WRITER = """
import sys
from winnow.core.storage.decision_log.store import DecisionRequest, DecisionStore
from winnow.core.types import Action
store = DecisionStore(sys.argv[1])
for i in range(int(sys.argv[3])):
    store.append([DecisionRequest(f"s{i}", Action.EXCLUDE, sys.argv[2], decision_id=f"{sys.argv[2]}-{i}")])
    print(i, flush=True)
"""


def test_processes_that_open_and_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"p{w}", "30"], stdout=subprocess.DEVNULL)
        for w in range(3)
    ]
    assert [w.wait(60) for w in writers] == [0] * 3
    with DecisionStore(path) as store:
        assert {d.decision_id for d in store.history()} == {f"p{w}-{i}" for w in range(3) for i in range(30)}
        assert {r["n_people"] for r in store.state_table().to_pylist()} == {3}


def test_a_killed_writer_keeps_every_decision_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    for run in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"run{run}", "100000"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(5 + 7 * run)]
        time.sleep(0.003 * run)
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout if line.strip()]
        process.wait()
        process.stdout.close()
        with DecisionStore(path) as store:
            kept = {d.decision_id for d in store.history(actor=f"run{run}")}
        assert {f"run{run}-{i}" for i in acknowledged} <= kept
        assert len(kept) <= len(acknowledged) + 1, "at most the one that was under way"


# --- bad disks --------------------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_that_was_there(tmp_path: Path) -> None:
    with DecisionStore(tmp_path / "d.db") as store:
        store.append([ask("a")])
        with store._database.reading() as conn:  # as many pages as there are now, and no more
            pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
            conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DiskFull, match="All earlier ones are safe"):
            store.append([ask(f"s{i}", reason="x" * 1000) for i in range(500)])
        assert set(states(store)) == {"a"}
    with DecisionStore(tmp_path / "d.db") as store:
        assert set(states(store)) == {"a"}
        store.append([ask("b")])


READER = """
import os, sys
from winnow.core.errors import ReadOnly
from winnow.core.storage.decision_log.store import DecisionRequest, DecisionStore
from winnow.core.types import Action
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
store = DecisionStore(sys.argv[1])
print(store.read_only, sorted(store.current()), len(store.history()), list(store.registry().added))
try:
    store.append([DecisionRequest("z", Action.ACCEPT, "eve")])
except ReadOnly as error:
    print("refused:", error)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that another user can reach, and that is made read-only by the test."""
    folder = Path(tempfile.mkdtemp(prefix="winnow-ro-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("how", ["closed", "open elsewhere", "killed", "copied without index", "absent"])
def test_somebody_who_may_not_write_can_look(public: Path, how: str) -> None:
    path = public / "d.db"
    store = None
    if how == "killed":
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), "ann", "100000"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
    elif how != "absent":
        store = DecisionStore(path)
        store.append([ask("a"), ask("b")])
    if how == "copied without index":
        assert store is not None
        copy = public / "copy.db"
        shutil.copy(path, copy)
        shutil.copy(public / "d.db-wal", public / "copy.db-wal")
        path = copy
    if how == "closed":
        assert store is not None
        store.close()
    for file in public.iterdir():
        file.chmod(0o644)
    public.chmod(0o555)
    done = subprocess.run([sys.executable, "-c", READER, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[:2]
    wanted = {"absent": "True [] 0 []", "killed": "True ['s0', 's1', 's2'"}.get(how, "True ['a', 'b'] 2 []")
    assert first.startswith(wanted)
    assert second.startswith("refused: The decision log")
    if store is not None:
        store.close()


@pytest.mark.parametrize("name", ["a b", "50%_?x=1#y", "it's;--", "ünï🦌", "[x]*"])
def test_a_workspace_may_lie_anywhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    with DecisionStore(folder / "d.db") as store:
        store.append([ask("a")])
    assert sorted(p.name for p in folder.iterdir()) == ["d.db"]
    with DecisionStore(folder / "d.db") as store:
        assert len(store.history()) == 1


def test_writing_nowhere_is_refused_before_anything(local: DecisionStore) -> None:
    local._database.read_only = True
    with pytest.raises(ReadOnly, match="allows reading only"):
        local.undo("ann")


def test_a_backup_is_a_log(local: DecisionStore, tmp_path: Path) -> None:
    local.append([ask("a"), ask("b", EXCLUDE)])
    copy_log(tmp_path / "decisions.db", tmp_path / "backup.db")
    local.append([ask("c")])
    with DecisionStore(tmp_path / "backup.db") as copy:
        assert states(copy) == {"a": ("accept", None), "b": ("exclude", None)}


def test_a_user_without_rights_is_told_what_is_needed(server: Server, postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute("DROP ROLE IF EXISTS guest")
        conn.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(WorkspaceError, match=r"refused \(.*Check that this user may create tables"):
        DecisionStore(postgres.replace("winnow@", "guest@"))


def test_a_log_that_another_process_keeps_locked(local: DecisionStore, tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "decisions.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with local._database.reading() as conn:
        conn.exec_driver_sql("PRAGMA busy_timeout = 50")
    with pytest.raises(WorkspaceBusy, match=r"locked.*Nothing was recorded"):
        local.append([ask("a")])
    assert local.head()[0] == 0
    holder.execute("ROLLBACK")
    holder.close()
    assert local.append([ask("a")])[0].seq == 1


@pytest.mark.parametrize("url", ["nonsense://x", "postgresql://nobody@/x?host=/nowhere", "sqlite:///x.db"])
def test_an_address_that_leads_nowhere_is_named(url: str) -> None:
    with pytest.raises(WorkspaceError):
        DecisionStore(url)


# --- speed ------------------------------------------------------------------------------------------------------


def test_ten_thousand_at_once(local: DecisionStore) -> None:
    """The budget is half a second on an idle core; the bound here allows for a busy one."""
    requests = [ask(f"s{i}", EXCLUDE, batch_id="b") for i in range(10_000)]
    begin = time.process_time()
    local.append(requests)
    decided = time.process_time()
    assert len(local.undo("ann")) == 10_000
    undone = time.process_time()
    assert local.state_table().num_rows == 0
    assert decided - begin < 2
    assert undone - decided < 2


# --- tags -------------------------------------------------------------------------------------------------------


def test_final_tags_are_kept_hashed_and_undone(open_store: Open) -> None:
    store = open_store()
    row = store.append([DecisionRequest("a", Action.RELABEL, "ann", tags=("joy", "love", "joy"))])[0]
    assert (row.label, row.tags) == (None, ("joy", "love"))
    both = store.append([DecisionRequest("b", Action.RELABEL, "ann", label="cat", tags=())])[0]
    assert (both.label, both.tags) == ("cat", ())
    assert [r["tags"] for r in store.state_table().to_pylist()] == [["joy", "love"], []]
    again = open_store()  # reads every row, and checks its hash
    assert again.history() == [both, row]
    store.undo("ann")
    assert [r["tags"] for r in store.state_table().to_pylist()] == [["joy", "love"]]
    assert store.redo("ann", None, None)[0].tags == ()


def test_a_changed_tag_is_found_by_the_chain(tmp_path: Path) -> None:
    with DecisionStore(tmp_path / "d.db") as store:
        store.append([DecisionRequest("a", Action.RELABEL, "ann", tags=("joy",))])
    conn = sqlite3.connect(tmp_path / "d.db")
    conn.execute("DROP TRIGGER decisions_no_update")
    conn.execute("""UPDATE decisions SET tags = '["anger"]'""")
    conn.commit()
    conn.close()
    with pytest.raises(WorkspaceError, match="damaged"):
        DecisionStore(tmp_path / "d.db")


def test_rows_without_tags_have_the_hash_that_earlier_releases_gave_them() -> None:
    row = (1, "d", "a", "accept", None, None, None, "ann", "2026-01-01", None, None, "{}")
    earlier = hashlib.blake2b(
        json.dumps(["", *row], sort_keys=True, separators=(",", ":")).encode(), digest_size=16
    ).hexdigest()
    assert row_hash("", (*row, None)) == earlier != row_hash("", (*row, "[]"))


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        (DecisionRequest("a", Action.ACCEPT, "ann", tags=("joy",)), "Only relabel takes tags"),
        (DecisionRequest("a", Action.RELABEL, "ann", tags=(" ",)), "tag is missing"),
        (DecisionRequest("a", Action.RELABEL, "ann"), "new label is missing"),
    ],
)
def test_tags_that_cannot_be_kept_are_refused(open_store: Open, request_: DecisionRequest, part: str) -> None:
    with pytest.raises(DecisionError, match=part):
        open_store().append([request_])


def test_people_agree_where_the_final_tags_are_the_same_in_any_order(open_store: Open) -> None:
    store = open_store()
    store.set_given_labels(lambda _: None, lambda _: ["joy", "love"])

    def states(*requests: DecisionRequest) -> list[str]:
        store.append(requests)
        return [r["state"] for r in store.state_table().to_pylist()]

    ann = DecisionRequest("a", Action.RELABEL, "ann", tags=("love", "joy"))
    assert states(ann, DecisionRequest("a", Action.ACCEPT, "bob")) == ["accept"], "the given ones, in another order"
    assert states(DecisionRequest("a", Action.RELABEL, "bob", tags=("joy",))) == ["disputed"]
