"""Merge, rename, split off and delete classes: what every label means afterwards, everywhere, and taking it back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.core import Workspace
from winnow.core.errors import DecisionError, WinnowError
from winnow.core.explore.filter import Filter
from winnow.core.storage.decision_log.store import DecisionRequest, DecisionStore
from winnow.core.types import Action

GIVEN = ["cat", "dog", "deer", "frog"]
ZERO, ONE, TWO, THREE = (f"digit {i}" for i in range(4))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DecisionStore]:
    with DecisionStore(tmp_path / "d.db") as opened:
        yield opened


def change(store: DecisionStore, event: str, name: str, target: str | None = None, **more: object):
    return store.change_class(event, name, "ann", target=target, given=GIVEN, **more)  # type: ignore[arg-type]


def relabel(sample: str, label: str, actor: str = "ann") -> DecisionRequest:
    return DecisionRequest(sample, Action.RELABEL, actor, label=label)


def states(store: DecisionStore) -> dict[str, tuple[str, str | None]]:
    return {r["sample_id"]: (r["state"], r["label"]) for r in store.state_table().to_pylist()}


# --- what names mean --------------------------------------------------------------------------------------------------


def test_chains_resolve_to_their_end_and_apply_to_decisions_before_and_after(store: DecisionStore) -> None:
    store.append([relabel("early", "cat")])
    change(store, "rename", "cat", "kitty")
    change(store, "merge", "kitty", "dog")
    store.append([relabel("late", "cat"), relabel("other", "frog")])
    assert states(store) == {"early": ("relabel", "dog"), "late": ("relabel", "dog"), "other": ("relabel", "frog")}
    assert store.classes(GIVEN) == ["dog", "deer", "frog"]
    assert store.registry().resolve("cat") == store.registry().resolve("kitty") == "dog"


def test_a_change_is_taken_back_by_a_row_and_twice_is_once(store: DecisionStore, tmp_path: Path) -> None:
    store.append([relabel("a", "cat")])
    merged = change(store, "merge", "cat", "dog", event_id="e1", reason=" they are the same ")
    assert (merged.seq, merged.actor, merged.reason, merged.after_seq) == (1, "ann", "they are the same", 1)
    assert change(store, "merge", "cat", "dog", event_id="e1") == merged
    with pytest.raises(DecisionError, match=r"'e1' was used for another change \('cat' was merged into 'dog'"):
        change(store, "delete", "deer", event_id="e1")
    undone = store.undo_class("e1", "bob")
    assert (undone.event, undone.undoes, undone.actor) == ("undo", "e1", "bob")
    assert store.undo_class("e1", "cem") == undone
    assert states(store) == {"a": ("relabel", "cat")}
    assert [e.event for e in store.class_events()] == ["merge", "undo"]
    with DecisionStore(tmp_path / "d.db") as again:
        assert again.registry() == store.registry()
    with pytest.raises(DecisionError, match="An undo of a class change cannot be undone"):
        store.undo_class(undone.event_id, "ann")
    with pytest.raises(DecisionError, match="No change of a class has the id 'nothing'"):
        store.undo_class("nothing", "ann")


def test_two_people_agree_once_their_labels_are_one_class(store: DecisionStore) -> None:
    store.append([relabel("a", "cat"), relabel("a", "dog", "bob")])
    assert states(store) == {"a": ("disputed", None)}
    change(store, "merge", "cat", "dog", event_id="e")
    assert states(store) == {"a": ("relabel", "dog")}
    store.undo_class("e", "ann")
    assert states(store) == {"a": ("disputed", None)}


def test_keeping_the_given_label_is_the_same_answer_as_relabelling_to_it(store: DecisionStore) -> None:
    store.set_given_labels({"a": "cat", "b": None}.get)
    for sample in "ab":
        store.append([DecisionRequest(sample, Action.ACCEPT, "ann"), relabel(sample, "dog", "bob")])
    assert states(store) == {"a": ("disputed", None), "b": ("disputed", None)}
    change(store, "rename", "cat", "wolf")
    store.append([relabel("a", "wolf", "bob")])
    assert states(store) == {"a": ("relabel", "wolf"), "b": ("disputed", None)}


def test_a_deleted_class_leaves_no_label(store: DecisionStore) -> None:
    store.append([relabel("a", "cat")])
    change(store, "delete", "cat", event_id="e")
    assert states(store) == {"a": ("relabel", None)}
    assert "cat" not in store.classes(GIVEN)
    store.undo_class("e", "ann")
    assert states(store) == {"a": ("relabel", "cat")}


def test_what_was_given_the_new_name_meanwhile_goes_back_with_a_rename(store: DecisionStore) -> None:
    change(store, "rename", "cat", "kitty", event_id="e")
    store.append([relabel("a", "kitty")])
    store.undo_class("e", "ann")
    assert states(store) == {"a": ("relabel", "cat")}
    assert store.classes(GIVEN) == GIVEN
    change(store, "rename", "dog", "kitty")  # the name is free again, and now somebody's
    assert store.registry().resolve("cat") == "cat"
    assert store.registry().resolve("dog") == "kitty"


def test_a_split_is_relabels_and_an_event_that_go_together(store: DecisionStore) -> None:
    store.append([relabel("b", "deer")])
    batch = [DecisionRequest(i, Action.RELABEL, "ann", label="fawn", decision_id=f"e:{i}", batch_id="e") for i in "ab"]
    made = change(store, "split", "cat", "fawn", event_id="e", split=batch)
    assert made.detail == {"batch_id": "e", "count": 2}
    assert states(store) == {"a": ("relabel", "fawn"), "b": ("relabel", "fawn")}
    assert change(store, "split", "cat", "fawn", event_id="e", split=batch) == made
    assert store.head()[0] == 3
    store.undo_class("e", "bob")
    assert states(store) == {"b": ("relabel", "deer")}
    assert "fawn" not in store.classes(GIVEN)
    assert [d.action for d in store.history(limit=2)] == [Action.UNDO] * 2
    refused = [DecisionRequest("c", Action.RELABEL, "ann", label="elk", decision_id="e:a", batch_id="x")]
    with pytest.raises(DecisionError, match="used for another decision"):
        change(store, "split", "cat", "elk", split=refused)
    assert len(store.class_events()) == 2


@pytest.mark.parametrize(
    ("event", "name", "target", "says"),
    [
        ("merge", "cat", "cat", "'cat' cannot be its own target"),
        ("merge", "lion", "cat", r"No class is called 'lion'. There are: 'cat'.*'frog'"),
        ("merge", "cat", "lion", "No class is called 'lion'"),
        ("merge", "cat", None, "class name is missing"),
        ("merge", "old", "cat", "There is no class 'old' any more: 'old' was renamed to 'new' by 'ann' at "),
        ("merge", "cat", "old", "There is no class 'old' any more"),
        ("merge", "gone", "cat", "'gone' was deleted"),
        ("rename", "cat", "dog", "There is a class 'dog' already.*Choose another name, or merge into it"),
        ("rename", "new", "old", "The name 'old' is taken: 'old' was renamed.*it means 'new' now"),
        ("rename", "cat", "gone", "its samples have no label now"),
        ("rename", "cat", "  ", "class name is missing"),
        ("split", "cat", "frog", "There is a class 'frog' already"),
        ("add", "old", None, "The name 'old' is taken"),
        ("delete", "lion", None, "No class is called 'lion'"),
        ("burn", "cat", None, r"'burn' is no change of a class. There are: 'add', 'merge'"),
        ("undo", "cat", None, "'undo' is no change of a class"),
    ],
)
def test_circles_and_clashes_are_refused(
    store: DecisionStore, event: str, name: str, target: str | None, says: str
) -> None:
    for extra in ("old", "gone"):
        change(store, "add", extra)
    change(store, "rename", "old", "new")
    change(store, "delete", "gone")
    with pytest.raises(DecisionError, match=says):
        change(store, event, name, target)
    assert len(store.class_events()) == 4


def test_what_others_build_on_is_taken_back_after_them(store: DecisionStore) -> None:
    change(store, "rename", "cat", "kitty", event_id="one")
    change(store, "merge", "dog", "kitty", event_id="two")
    with pytest.raises(DecisionError, match=r"'dog' was merged into 'kitty'.*Take that back first"):
        store.undo_class("one", "ann")
    store.undo_class("two", "ann")
    store.undo_class("one", "ann")
    assert store.classes(GIVEN) == GIVEN


NAMES = st.sampled_from([*GIVEN, "new", "newer"])
STEPS = st.one_of(
    st.tuples(st.sampled_from(["merge", "rename", "add", "delete"]), NAMES, NAMES),
    st.tuples(st.just("undo"), st.integers(0, 9), st.none()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_no_order_of_changes_leaves_a_label_in_a_circle(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str | int, str | None]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "d.db"
    with DecisionStore(path) as store:
        for event, name, target in steps:
            try:
                if event == "undo":
                    rows = store.class_events()
                    store.undo_class(rows[int(name) % len(rows)].event_id if rows else "none", "ann")
                else:
                    change(store, event, str(name), target if event in ("merge", "rename") else None)
            except DecisionError:
                continue
        registry, live = store.registry(), store.classes(GIVEN)
        for name, now in registry.renames.items():
            assert now is None or now in live, (name, now)
            assert name not in live
        assert len(set(live)) == len(live)
        with DecisionStore(path) as again:
            assert again.registry() == registry


# --- the whole workspace ----------------------------------------------------------------------------------------------


@pytest.fixture
def ws(tiny_ws: Path) -> Iterator[Workspace]:
    with Workspace.open(tiny_ws, actor="ann") as opened:
        yield opened


def seen(ws: Workspace) -> dict[str, object]:
    """Everything that shows a class."""
    ids = ws.ids()
    tiles = ws.rows(limit=len(ids))
    colours = ws.colours("label")
    cards = ws.cards(ids[:40])
    return {
        "classes": ws.classes(),
        "sizes": {k: v for k, v in ws.counts().by_class.items() if v},
        "by filter": {c: ws.counts(Filter(classes=(c,))).matching for c in ws.classes()},
        "tiles": [t["label_now"] for t in tiles],
        "given on tiles": [t["label"] for t in tiles],
        "suggested": [t["suggested"] for t in tiles],
        "labels": ws.labels().tolist(),
        "groups": ws._query.groups(by="label"),
        "colours": [colours.names[c] if c < 65535 else None for c in colours.codes.tolist()],  # type: ignore[index, union-attr]
        "confusion": ws.confusion().to_dict(),
        "cards": [(c["label"], c["suggestions"], c["verdict"], [n["label"] for n in c["neighbors"]]) for c in cards],
        "verdicts": ws.counts().by_verdict,
        "clusters": sorted({c["name"] for c in ws.points().clusters}),
    }


def test_every_place_follows_a_merge_and_its_undo(ws: Workspace, tmp_path: Path) -> None:
    before = seen(ws)
    size = {c: ws.class_editor.size(c) for c in ws.classes()}
    ws.decide(ws.ids(Filter(classes=(TWO,)))[0], "relabel", label=ONE)
    preview = ws.class_editor.preview("merge", ONE, ZERO)
    assert preview.count == size[ONE] + 1
    assert preview.button == f"Merge {size[ONE] + 1} samples of {ONE} into {ZERO}"
    event = ws.class_editor.merge(ONE, ZERO, reason="one and the same", actor=ws.actor)
    assert event.detail["count"] == preview.count
    after = seen(ws)
    assert ONE not in json.dumps({k: v for k, v in after.items() if k != "confusion"}) + str(after["confusion"])
    assert after["sizes"][ZERO] == size[ZERO] + size[ONE] + 1  # type: ignore[index]
    assert after["tiles"] == after["labels"] == after["colours"]
    assert after["by filter"] == after["sizes"]
    assert dict(after["groups"]) == after["sizes"] | ({None: 0} if None in dict(after["groups"]) else {})  # type: ignore[call-overload]
    for label, suggested, _, _ in after["cards"]:  # type: ignore[attr-defined]
        assert label not in [name for name, _ in suggested]
    flagged = ws.rows(Filter(kinds=("noisy_label",)), limit=500)
    assert all(t["suggested"] != t["label"] for t in flagged)
    out = pd.read_parquet(ws.export(tmp_path / "x.parquet", include_excluded=True).path)
    assert ONE in set(out["label_original"])
    assert out["label_final"].tolist() == after["labels"]
    manifest = json.loads((tmp_path / "x.parquet.manifest.json").read_text())
    assert [(c["event"], c["name"], c["target"]) for c in manifest["class_changes"]] == [("merge", ONE, ZERO)]
    ws.class_editor.undo(event.event_id, ws.actor)
    ws.undo()
    assert seen(ws) == before


def test_a_merged_mix_up_is_nothing_to_review_any_more(ws: Workspace) -> None:
    noisy = Filter(verdicts=("noisy_label",))
    mixed = [t for t in ws.rows(noisy, limit=100) if t["label"] and t["suggested"]]
    given, suggested = mixed[0]["label"], mixed[0]["suggested"]
    there = [t["sample_id"] for t in mixed if {t["label"], t["suggested"]} == {given, suggested}]
    before = ws.counts(noisy).matching
    event = ws.class_editor.merge(given, suggested, actor=ws.actor)
    assert ws.counts(noisy).matching <= before - len(there)
    card = ws.cards([mixed[0]["sample_id"]])[0]
    assert (card["verdict"] != "noisy_label", card["kinds"]["noisy_label"]["flag"]) == (True, False)
    assert card["reason"] == "The given and the suggested label are one class now."
    verdicts = ws.colours("verdict")
    assert verdicts.names[verdicts.codes[card["row"]]] == card["verdict"]  # type: ignore[index]
    ws.class_editor.undo(event.event_id, ws.actor)
    assert ws.counts(noisy).matching == before


def test_a_deleted_class_leaves_its_samples_without_a_label(ws: Workspace, tmp_path: Path) -> None:
    size = ws.class_editor.size(THREE)
    assert "stay in the dataset without a label" in ws.class_editor.preview("delete", THREE).says
    event = ws.class_editor.delete(THREE, actor=ws.actor)
    assert ws.counts().by_class[""] == size
    assert THREE not in ws.classes()
    out = pd.read_csv(ws.export(tmp_path / "x.csv").path)
    gone = out[out["label_original"] == THREE]
    assert len(gone) == size
    assert gone["label_final"].isna().all()
    with pytest.raises(DecisionError, match=f"'{THREE}' was deleted.*There are: '{ZERO}'"):
        ws.decide(ws.ids()[0], "relabel", label=THREE)
    ws.class_editor.undo(event.event_id, ws.actor)
    assert ws.class_editor.size(THREE) == size


def test_a_cluster_of_a_class_becomes_a_class(ws: Workspace) -> None:
    ops = ws.class_editor
    cluster, n = next(iter(ops.clusters(TWO).items()))
    ids = ops.members(TWO, Filter(clusters=(cluster,)))
    assert len(ids) == n
    given = [i for i in ids if ws.cards([i])[0]["label"] == TWO]
    ws.decide(given[0], "accept", actor="bob")
    event = ops.split(TWO, "digit 2, slanted", ids, event_id="e1", actor=ws.actor)
    assert ops.split(TWO, "digit 2, slanted", ids, event_id="e1", actor=ws.actor) == event
    assert ops.classes()["digit 2, slanted"] == n
    assert set(ws.ids(Filter(classes=("digit 2, slanted",)))) == set(ids)
    with pytest.raises(DecisionError, match="are not of the class"):
        ops.split(TWO, "another", ids, actor=ws.actor)
    ops.undo("e1", ws.actor)
    assert ops.classes() == {c: ops.size(c) for c in (ZERO, ONE, TWO, THREE)}
    assert ws.counts().by_state == {"undecided": len(ws.ids()) - 1, "accept": 1}
    with pytest.raises(DecisionError, match="No sample of 'digit 2' is to be split off"):
        ops.split(TWO, "another", [], actor=ws.actor)


def test_excluded_samples_are_not_split_off(ws: Workspace) -> None:
    ids = ws.ids(Filter(classes=(TWO,)))
    ws.decide(ids[0], "exclude")
    assert ids[0] not in ws.class_editor.members(TWO)
    assert len(ws.class_editor.members(TWO)) == len(ids) - 1


def test_a_patch_carries_class_changes_to_a_fresh_scan(ws: Workspace, scanned: Path, tmp_path: Path) -> None:
    import shutil

    ops = ws.class_editor
    ws.decide(ws.ids()[0], "relabel", label="digit 9")
    ops.split(TWO, "slanted", ops.members(TWO)[:5], actor=ws.actor)
    ops.rename("slanted", "tilted", actor=ws.actor)
    ops.merge(ONE, ZERO, actor=ws.actor)
    ops.undo(ops.delete(THREE, actor=ws.actor).event_id, ws.actor)
    made = ws.export(tmp_path / "x.parquet")
    with Workspace.open(Path(shutil.copytree(scanned, tmp_path / "fresh")), actor="bob") as fresh:
        report = fresh.replay(made.patch_path)
        assert (report.applied, report.skipped, report.class_changes) == (6, (), 6)
        assert fresh.labels().tolist() == ws.labels().tolist()
        assert fresh.classes() == ws.classes()
        again = fresh.export(tmp_path / "y.parquet")
        assert again.patch_path.read_bytes() == made.patch_path.read_bytes()
        assert pd.read_parquet(again.path).equals(pd.read_parquet(made.path))
        repeated = fresh.replay(made.patch_path)
        assert (repeated.applied, repeated.repeated, repeated.class_changes) == (0, 6, 0)
    with Workspace.open(Path(shutil.copytree(scanned, tmp_path / "other")), actor="bob") as other:
        other.class_editor.delete(ONE, actor=other.actor)
        skipped = {s.sample_id: s.reason for s in other.replay(made.patch_path).skipped}
        assert f"There is no class '{ONE}' any more" in skipped[ONE]


def test_a_change_by_somebody_else_is_seen_at_the_next_look(ws: Workspace, tiny_ws: Path) -> None:
    ws.sync()
    with Workspace.open(tiny_ws, actor="bob") as other:
        other.class_editor.merge(ONE, ZERO, actor=other.actor)
    assert ws.sync()
    assert not ws.sync()
    assert ONE not in ws.classes()
    assert ws.info().n_class_changes == 1


def test_a_thousand_classes_stay_quick(store: DecisionStore) -> None:
    import time

    names = [f"class {i}" for i in range(1000)]
    begin = time.process_time()
    for i in range(0, 300, 2):
        store.change_class("merge", names[i], "ann", target=names[i + 1], given=names)
    assert time.process_time() - begin < 5
    assert len(store.classes(names)) == 850
    labels = np.array(names * 100, object)
    from winnow.core.storage.effective_labels import renamed

    assert set(renamed(labels, store.registry().renames)) == set(store.classes(names))


def test_the_command_line_changes_classes_and_takes_it_back(ws: Workspace, tiny_ws: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from winnow.core.cli import app

    def winnow(*args: str) -> str:
        done = CliRunner().invoke(app, [args[0], str(tiny_ws), *args[1:]])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    size = ws.class_editor.size(ONE)
    would = json.loads(winnow("classes", "merge", ONE, ZERO, "--dry-run", "--json"))
    assert (would["count"], ws.class_editor.events()) == (size, [])
    made = json.loads(winnow("classes", "merge", ONE, ZERO, "--actor", "bob", "--reason", "same", "--json"))
    assert json.loads(winnow("classes", "--json")) == ws.class_editor.classes()
    assert f"bob: merge '{ONE}' → '{ZERO}'" in winnow("classes", "log")
    winnow("classes", "undo", made["event_id"])
    cluster = next(iter(ws.class_editor.clusters(TWO)))
    winnow("classes", "split", TWO, "part", "--cluster", str(cluster))
    assert ws.class_editor.size("part") > 0
    winnow("classes", "delete", "part")
    assert "(reverted)" in winnow("classes", "log")
    with pytest.raises(WinnowError, match=r"There are: 'list', 'merge NAME INTO'"):
        winnow("classes", "merge", ONE)
    with pytest.raises(WinnowError, match="Say which part of 'digit 2': --cluster NUMBER"):
        winnow("classes", "split", TWO, "other")
    assert winnow("people").count(" decisions, ") >= 1
    assert "rows of the log" in winnow("log", str(tmp_path / "log.csv"), "--kind", "classes")
    assert len(pd.read_csv(tmp_path / "log.csv")) == len(ws.class_editor.events())
