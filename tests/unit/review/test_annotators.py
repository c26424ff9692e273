"""Several people: agreement, quality, consensus, settling; the log in pages, undone by filter, written to a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnow.core import Workspace
from winnow.core.errors import DecisionError, ExportError
from winnow.core.explore.filter import Filter
from winnow.core.export.log import write_log
from winnow.core.review.annotators import ENOUGH
from winnow.core.review.history import FIELDS
from winnow.core.storage.decision_log.store import ClassEvent, DecisionRequest, DecisionStore
from winnow.core.types import Action


@pytest.fixture
def ws(tiny_ws: Path) -> Iterator[Workspace]:
    with Workspace.open(tiny_ws, actor="ann") as opened:
        yield opened


def say(ws: Workspace, sample: str, label: str, actor: str) -> None:
    """What a person who thinks that this is the label would press."""
    given = ws._scan.labels.given()[ws.row(sample)]
    if label == given:
        ws.decide(sample, "accept", actor=actor)
    else:
        ws.decide(sample, "relabel", label=label, actor=actor)


@pytest.fixture
def reviewed(ws: Workspace, tiny_data: Path) -> dict[str, str]:
    """Ann is right, Bob errs on every fifth sample, Cem guesses; all three decided the first 40. Returns the truth."""
    truth = dict(pd.read_parquet(tiny_data / "truth.parquet").itertuples(index=False))
    classes, rng = ws.classes(), np.random.default_rng(0)
    for i, sample in enumerate(list(truth)[:40]):
        right = truth[sample]
        say(ws, sample, right, "ann")
        say(ws, sample, classes[(classes.index(right) + 1) % 4] if i % 5 == 0 else right, "bob")
        say(ws, sample, classes[rng.integers(4)], "cem")
    return truth


def test_quality_follows_who_is_right(ws: Workspace, reviewed: dict[str, str]) -> None:
    report = ws.annotators.report()
    people = {p.actor: p for p in report.people}
    assert [(p.decisions, p.overlaps, p.note) for p in report.people] == [(40, 40, "")] * 3
    quality = {a: p.quality for a, p in people.items()}
    assert quality["ann"] > quality["bob"] > quality["cem"]  # type: ignore[operator]
    assert quality["ann"] > 0.8  # type: ignore[operator]
    assert report.agreements + report.disagreements == report.overlaps == 40
    assert len(report.disputes) == report.disagreements == ws.counts().by_state["disputed"]
    right = [d.consensus == reviewed[d.sample_id] for d in report.disputes]
    assert np.mean(right) > 0.85
    assert [d.quality for d in report.disputes] == sorted((d.quality for d in report.disputes), reverse=True)


def test_too_few_shared_samples_are_said_not_scored(ws: Workspace) -> None:
    assert ws.annotators.report().people == ()
    ids = ws.ids()
    for sample in ids[: ENOUGH - 1]:
        say(ws, sample, "digit 1", "ann")
        say(ws, sample, "digit 1", "bob")
    ws.decide(ids[100], "exclude", actor="cem")
    people = {p.actor: p for p in ws.annotators.report().people}
    assert people["ann"].quality is None
    assert (
        people["ann"].note
        == f"too few shared samples to say: {ENOUGH - 1} of the {ENOUGH} needed have labels of others too"
    )
    assert (people["ann"].agreement, people["cem"].agreement) == (1.0, None)
    say(ws, ids[ENOUGH], "digit 1", "ann")
    say(ws, ids[ENOUGH], "digit 1", "bob")
    assert all(p.quality is not None for p in ws.annotators.report().people if p.actor != "cem")


def test_settling_is_a_decision_that_overwrites_nobody(ws: Workspace) -> None:
    a, b, c = ws.ids(Filter(classes=("digit 0",)))[:3]
    for sample in (a, b):
        ws.decide(sample, "relabel", label="digit 1", actor="ann")
        ws.decide(sample, "relabel", label="digit 2", actor="bob")
    ws.decide(c, "exclude", actor="ann")
    ws.decide(c, "accept", actor="bob")
    disputes = {d.sample_id: d for d in ws.annotators.report().disputes}
    assert disputes[a].answers == {"ann": ("relabel", "digit 1"), "bob": ("relabel", "digit 2")}
    assert disputes[a].consensus in ("digit 1", "digit 2")
    assert (disputes[c].consensus, disputes[c].answers["bob"]) == (None, ("accept", "digit 0"))
    with pytest.raises(DecisionError, match="There is no consensus"):
        ws.annotators.settle([c], "cem")
    assert all(r["ok"] for r in ws.annotators.settle([a], "cem"))
    assert all(r["ok"] for r in ws.annotators.settle([c], "bob", ("exclude", None)))
    states = {t["sample_id"]: t["decision"] for t in ws.rows(Filter(ids=(a, b, c)))}
    assert (states[a]["action"], states[a]["label"], states[a]["n_people"]) == ("relabel", disputes[a].consensus, 3)
    assert (states[b]["action"], states[c]["action"]) == ("disputed", "exclude")
    assert {p: d.label for p, d in ws.current([a])[a].items()} == {
        "ann": "digit 1",
        "bob": "digit 2",
        "cem": disputes[a].consensus,
    }
    report = ws.annotators.report()
    assert ([d.sample_id for d in report.disputes], report.disagreements) == ([b], 2)
    with pytest.raises(DecisionError, match="Nobody disagrees"):
        ws.annotators.settle([a], "cem")
    ws.undo(actor="cem")
    assert ws.counts().by_state["disputed"] == 2
    ws.annotators.settle([a], "cem")
    ws.decide(a, "exclude", actor="ann")  # somebody thinks again: that counts
    assert ws.counts(Filter(ids=(a,))).by_state == {"disputed": 1}


def test_settled_samples_export_and_replay_as_settled(ws: Workspace, scanned: Path, tmp_path: Path) -> None:
    import shutil

    sample = ws.ids(Filter(classes=("digit 0",)))[0]
    ws.decide(sample, "relabel", label="digit 1", actor="ann")
    ws.decide(sample, "relabel", label="digit 2", actor="bob")
    first = pd.read_parquet(ws.export(tmp_path / "a.parquet").path).set_index("id").loc[sample]
    assert (first["decision"], first["label_final"], first["label_original"]) == ("disputed", "digit 0", "digit 0")
    ws.annotators.settle([sample], "cem", ("relabel", "digit 2"))
    made = ws.export(tmp_path / "b.parquet")
    second = pd.read_parquet(made.path).set_index("id").loc[sample]
    assert (second["decision"], second["label_final"], second["actor"]) == ("relabel", "digit 2", "cem")
    with Workspace.open(Path(shutil.copytree(scanned, tmp_path / "fresh"))) as fresh:
        assert fresh.replay(made.patch_path).applied == 3
        assert pd.read_parquet(fresh.export(tmp_path / "c.parquet").path).equals(pd.read_parquet(made.path))


def test_a_merge_turns_a_disagreement_into_an_agreement(ws: Workspace) -> None:
    sample = ws.ids(Filter(classes=("digit 0",)))[0]
    ws.decide(sample, "accept", actor="ann")
    ws.decide(sample, "relabel", label="digit 1", actor="bob")
    assert ws.annotators.report().disagreements == 1
    event = ws.class_editor.merge("digit 1", "digit 0", actor=ws.actor)
    assert (ws.annotators.report().agreements, ws.counts().by_state.get("disputed")) == (1, None)
    ws.class_editor.undo(event.event_id, ws.actor)
    assert ws.annotators.report().disagreements == 1


# --- the log ----------------------------------------------------------------------------------------------------------


def test_class_changes_stand_among_the_decisions_in_order(ws: Workspace) -> None:
    ids = ws.ids()
    ws.decide(ids[0], "accept")
    ws.class_editor.merge("digit 1", "digit 0", actor=ws.actor)
    ws.decide(ids[1], "exclude", actor="bob")
    kinds = [item.event if isinstance(item, ClassEvent) else item.action.value for item in ws.decision_history.page()]
    assert kinds == ["exclude", "merge", "accept"]
    assert [len(ws.decision_history.page(limit=1, offset=i)) for i in range(4)] == [1, 1, 1, 0]
    assert [type(i) for i in ws.decision_history.page(action="classes")] == [ClassEvent]
    assert [i.actor for i in ws.decision_history.page(actor="bob")] == ["bob"]
    assert ws.decision_history.page(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert ws.decision_history.actors() == ["ann", "bob"]


def test_what_matches_is_taken_back_at_once_and_only_one_s_own(ws: Workspace) -> None:
    ids = ws.ids()
    ws.decide_many(ids[:10], "exclude")
    ws.decide_many(ids[10:15], "accept")
    ws.decide_many(ids[15:20], "exclude", actor="bob")
    assert len(ws.decision_history.revertible(ws.actor, action="exclude")) == 10
    assert ws.decision_history.revertible(ws.actor, by="bob", action="exclude") == []
    chosen = ws.decision_history.revertible(ws.actor, action="exclude")[2:5]
    undone = ws.decision_history.revert(
        [*chosen, *(d.decision_id for d in ws.history(actor="bob"))], actor=ws.actor, undo_id="u1"
    )
    assert [d.sample_id for d in undone] == ids[2:5]
    assert ws.decision_history.revert(chosen, actor=ws.actor, undo_id="u1") == undone
    assert ws.counts().by_state == {"undecided": len(ids) - 17, "exclude": 12, "accept": 5}
    assert [d.batch_id is not None for d in ws.decision_history.page(steps=True)] == [True] * 4  # type: ignore[union-attr]
    assert (ws.decision_history.count(steps=True), ws.decision_history.count()) == (4, 23)
    batch = ws.history(action="accept")[0].batch_id
    assert len(ws.decision_history.revert(batch_ids=[batch], actor=ws.actor)) == 5
    assert len(ws.decision_history.revert(ws.decision_history.revertible(ws.actor), actor=ws.actor)) == 7
    assert ws.counts().by_state["exclude"] == 5


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_the_log_is_written_whole(ws: Workspace, tmp_path: Path, suffix: str) -> None:
    ids = ws.ids()
    ws.decide(ids[0], "relabel", label="digit 3", reason="=1+1")
    ws.class_editor.rename("digit 1", "one", actor=ws.actor)
    ws.undo()
    assert ws.write_log(tmp_path / f"log{suffix}") == 3
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda p: pd.read_json(p, lines=True)}[suffix]
    table = read(tmp_path / f"log{suffix}")
    assert tuple(table.columns) == FIELDS
    assert table["what"].tolist() == ["relabel", "class rename", "undo"]
    assert (table["class"][1], table["target"][1]) == ("digit 1", "one")
    assert table["reason"][0] == ("'=1+1" if suffix == ".csv" else "=1+1")
    assert ws.write_log(tmp_path / f"mine{suffix}", actor="bob") == 0
    with pytest.raises(ExportError, match="End it in one of"):
        ws.write_log(tmp_path / "log.xls")


def test_a_hundred_thousand_rows_are_paged_and_written(tmp_path: Path) -> None:
    from winnow.core.review.history import DecisionHistory
    from winnow.core.review.roles import Roles

    with DecisionStore(tmp_path / "d.db") as store:
        n = 100_000
        for start in range(0, n, 20_000):
            who = "ann" if start < 60_000 else "bob"
            store.append(
                [
                    DecisionRequest(f"s{i}", Action.EXCLUDE, who, batch_id=f"b{i // 1000}")
                    for i in range(start, start + 20_000)
                ]
            )
        log = DecisionHistory(store, Roles(tmp_path / "roles.json"))
        begin = time.process_time()
        assert [d.sample_id for d in log.page(limit=2, offset=99_000)] == ["s999", "s998"]  # type: ignore[union-attr]
        assert len(log.page(actor="ann", action="exclude", limit=100, offset=50_000)) == 100
        assert [d.sample_id for d in log.page(steps=True, limit=2, offset=98)] == ["s1999", "s999"]  # type: ignore[union-attr]
        paged = time.process_time()
        assert paged - begin < 2
        assert len(log.revertible("ann")) == 60_000
        assert write_log(store, tmp_path / "log.parquet", actor="bob") == 40_000
        assert time.process_time() - paged < 15
