"""Labelling from nothing: suggestions, order, propagated labels and where they are from, labels made elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from winnow.core import Filter, Workspace
from winnow.core.cli import app
from winnow.core.errors import DecisionError, SourceError
from winnow.core.review.active_learning import Labeller
from winnow.core.review.active_learning.label_model import (
    Anchors,
    fit_label_model,
    neighbour_averaged,
    stated_error,
    tune,
    unit,
    unseen_share,
)
from winnow.core.review.active_learning.label_queue import next_samples
from winnow.core.types import Neighbors

N = 400
NAMES = ("ant", "bee", "cow", "dog", "elk")


def _truth(sample: str) -> str:
    return NAMES[int(sample[1:]) % 5]


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts without labels in five classes that overlap a little."""
    folder = tmp_path_factory.mktemp("labeller")
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(5, 24)) * 1.1
    vectors = centres[np.arange(N) % 5] + rng.normal(size=(N, 24))
    ids = [f"s{i}" for i in range(N)]
    pd.DataFrame({"id": ids, "text": [f"request number {i}" for i in range(N)]}).to_csv(folder / "t.csv", index=False)
    pq.write_table(pa.table({"id": ids, "embedding": [v.tolist() for v in vectors]}), folder / "e.parquet")
    Workspace.scan(folder / "t.csv", folder / "ws", embeddings=str(folder / "e.parquet"), projection=False).close()
    return folder / "ws"


@pytest.fixture
def ws(scanned: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(scanned, tmp_path / "ws")
    with Workspace.open(tmp_path / "ws", actor="ada") as workspace:
        yield workspace


def _label(ws: Workspace, count: int) -> list[str]:
    """Label the samples that the queue asks for, by the truth."""
    done: list[str] = []
    while len(done) < count:
        for sample in ws.labeller.next_ids(min(10, count - len(done))):
            ws.decide(sample, "relabel", label=_truth(sample))
            done.append(sample)
    return done


def _right(ws: Workspace) -> float:
    """Share of samples without a label whose first suggestion is right."""
    ids = ws.ids(Filter(classes=("",)))
    found = ws.labeller.suggestions(ids)
    return float(np.mean([bool(s) and s[0][0] == _truth(i) for i, s in zip(ids, found, strict=True)]))


def test_a_few_labels_where_the_queue_asks_suggest_the_rest(ws: Workspace) -> None:
    first = _label(ws, 10)
    assert {_truth(i) for i in first} == set(NAMES), "the first ten samples are of every class"
    assert _right(ws) > 0.85
    _label(ws, 40)
    assert _right(ws) > 0.9


def test_classes_made_while_labelling_are_classes_everywhere(ws: Workspace) -> None:
    _label(ws, 20)
    assert set(ws.classes()) == set(NAMES)
    assert set(ws.class_editor.classes()) == set(NAMES)
    assert ws.counts(Filter(classes=("ant",))).matching >= 1
    ws.class_editor.add("fox", actor="ada")
    assert "fox" in ws.classes()


def test_the_error_stated_for_accepting_is_not_too_low(ws: Workspace) -> None:
    _label(ws, 60)
    for stated, least in ws.labeller.thresholds([0.05, 0.1]).items():
        estimate = ws.labeller.estimate(least)
        assert estimate.error <= stated + 1e-6
        ids = ws.ids(Filter(classes=("",)))
        found = [(i, s[0]) for i, s in zip(ids, ws.labeller.suggestions(ids), strict=True) if s and s[0][1] >= least]
        assert len(found) == estimate.count > 100
        assert np.mean([name != _truth(i) for i, (name, _) in found]) <= 1.2 * stated


def test_no_error_is_stated_that_no_label_could_have_shown(ws: Workspace) -> None:
    _label(ws, 60)
    sure = max(s[0][1] for s in ws.labeller.suggestions(ws.ids(Filter(classes=("",)))))
    few = ws.labeller.estimate(sure - 1e-6)
    assert few.count < 10
    assert few.error > 0.15, "the surest few are like one or two of the labels, which cannot show that all are right"
    p = np.linspace(0.999, 0.9, 1000)
    stated = stated_error(p, 500, 1000)
    assert stated[0] == pytest.approx(0.5 / 1.5)
    assert stated[-1] == pytest.approx(1 - p.mean())


def test_accepted_labels_say_where_they_are_from_and_one_undo_takes_them_back(ws: Workspace, tmp_path: Path) -> None:
    mine = _label(ws, 30)
    before = ws.labeller.suggestions(["s390", "s391"])
    batch, estimate = ws.labeller.accept(0.6, "ada")
    assert estimate.count > 200
    assert ws.labeller.report()["propagated"] == estimate.count
    ws.export(tmp_path / "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet").set_index("id")
    assert (table.label_source[mine] == "person").all()
    assert (table.sample_weight[mine] == 1).all()
    propagated = table[table.label_source == "propagated"]
    assert len(propagated) == estimate.count
    assert (propagated.label_probability >= 0.6 - 1e-4).all()
    assert np.allclose(propagated.sample_weight, propagated.label_probability)
    assert (propagated.actor == "ada").all()
    assert table.label_source[table.label_final.isna()].isna().all()
    evidence = next(iter(ws.current([propagated.index[0]])[propagated.index[0]].values())).evidence["propagated"]
    assert evidence["generation"] == 1
    ws.undo(batch_id=batch)
    assert ws.labeller.report()["propagated"] == 0
    assert ws.labeller.suggestions(["s390", "s391"]) == before, "propagated labels teach nothing"
    assert ws.counts(Filter(classes=("",))).matching == N - 30


def test_a_person_stands_before_a_propagated_label(ws: Workspace) -> None:
    _label(ws, 30)
    ws.labeller.accept(0.5, "ada")
    sample = next(i for i, who in ws.current().items() if "propagated" in who["ada"].evidence)
    ws.decide(sample, "relabel", label="elk", actor="bob")
    state = {r["sample_id"]: r for r in ws._store.state_table().to_pylist()}[sample]
    assert (state["state"], state["label"], state["label_source"]) == ("relabel", "elk", "person")
    assert state["label_probability"] is None


def test_two_people_who_label_differently_disagree(ws: Workspace) -> None:
    ws.decide("s0", "relabel", label="ant", actor="ada")
    ws.decide("s0", "relabel", label="bee", actor="bob")
    assert ws.ids(Filter(state="disputed")) == ["s0"]
    assert "s0" not in ws.labeller.next_ids(N)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Ant", "differs from it only in case"),
        ("  a nt", None),
        ("x" * 10_000, "10,000 characters"),
        ("a\x07b", "control"),
    ],
)
def test_names_of_new_classes_are_checked(ws: Workspace, name: str, why: str | None) -> None:
    ws.decide("s0", "relabel", label="ant")
    if why is None:
        ws.decide("s1", "relabel", label=name)
        with pytest.raises(DecisionError, match="case or blanks"):
            ws.decide("s2", "relabel", label="A  NT")
        return
    with pytest.raises(DecisionError, match=why):
        ws.decide("s1", "relabel", label=name)
    answer = ws.record([{"sample_id": "s1", "action": "relabel", "label": name}])[0]
    assert not answer["ok"]
    assert ws.classes() == ["ant"]


def test_a_retired_name_is_said_to_be_retired(ws: Workspace) -> None:
    for sample, name in (("s0", "ant"), ("s1", "bee")):
        ws.decide(sample, "relabel", label=name)
    ws.class_editor.merge("ant", "bee", actor="ada")
    with pytest.raises(DecisionError, match="was merged into 'bee'"):
        ws.class_editor.add("ant", actor="ada")


def test_the_browser_cannot_say_where_a_label_is_from(ws: Workspace) -> None:
    ws.record(
        [{"sample_id": "s0", "action": "relabel", "label": "ant", "source": {"propagated": {"probability": 1.0}}}]
    )
    assert "propagated" not in ws.current(["s0"])["s0"]["ada"].evidence


def test_what_cannot_be_known_is_said(ws: Workspace) -> None:
    assert "Nothing is labelled yet" in ws.labeller.report()["notes"][0]
    ws.decide("s0", "relabel", label="ant")
    assert "Only 'ant' is in use" in ws.labeller.report()["notes"][0]
    assert ws.labeller.estimate(0.0).count == 0
    ws.decide("s1", "relabel", label="bee")
    assert "2 of 2 classes have a single sample" in ws.labeller.report()["notes"][0]
    assert max(s[0][1] for s in ws.labeller.suggestions(["s5", "s6"])) <= 0.5
    ws.decide_many(ws.ids(), "relabel", label="ant")
    assert ws.labeller.report()["notes"][-1] == "Every sample has a label."
    assert ws.labeller.next_ids(10) == []
    assert ws.labeller.accept(0.5, "ada")[1].count == 0


def test_a_group_is_labelled_without_its_outliers(ws: Workspace) -> None:
    group = [f"s{i}" for i in range(0, 200, 5)]
    fits, out = ws.labeller.alike([*group, "s1", "s2"])
    assert {"s1", "s2"} <= set(out)
    assert len(set(fits) & set(group)) >= 36
    ws.decide("s0", "relabel", label="ant")
    fits, out = ws.labeller.alike(group)
    assert "s0" not in {*fits, *out}, "what has a label is left alone"


def test_labels_from_elsewhere_are_brought_once(ws: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "id,label,annotator\ns0,ant,eve\ns1,bee,eve\ns5,ANT ,eve\nnobody,ant,eve\ns9,,eve\n", encoding="utf-8"
    )
    done = ws.import_labels(path)
    assert (done.recorded, done.unknown, done.respelled) == (3, ["nobody"], {"ANT": "ant"})
    assert set(done.new_classes) == {"ant", "bee"}
    head = ws._store.head()
    again = ws.import_labels(path)
    assert (again.recorded, again.unchanged) == (0, 3)
    assert ws._store.head() == head
    ws.decide("s1", "relabel", label="cow", actor="eve")
    assert ws.import_labels(path).kept == 1
    ws.decide("s0", "relabel", label="cow", actor="bob")
    assert ws.import_labels(path).disputed == 1


def test_label_studio_coco_and_cvat_are_read(ws: Workspace, tmp_path: Path) -> None:
    studio = [
        {
            "id": 7,
            "data": {"sample_id": "s0", "text": "x"},
            "annotations": [{"result": [{"value": {"choices": ["ant"]}}], "was_cancelled": False}],
        },
        {"id": 8, "data": {"sample_id": "s1"}, "predictions": [{"result": [{"value": {"choices": ["bee"]}}]}]},
        {"id": 9, "data": {"sample_id": "s2"}, "annotations": [{"result": [], "was_cancelled": True}]},
    ]
    coco = {
        "images": [{"id": 1, "file_name": "s3"}, {"id": 2, "file_name": "s4"}],
        "categories": [{"id": 5, "name": "dog"}],
        "annotations": [{"image_id": 1, "category_id": 5}],
    }
    (tmp_path / "studio.json").write_text(json.dumps(studio), encoding="utf-8")
    (tmp_path / "coco.json").write_text(json.dumps(coco), encoding="utf-8")
    (tmp_path / "cvat.xml").write_text(
        '<annotations><image id="0" name="s6"><tag label="bee"/></image><image name="s7"></image></annotations>'
    )
    assert [ws.import_labels(tmp_path / f).recorded for f in ("studio.json", "coco.json", "cvat.xml")] == [1, 1, 1]
    assert {i: ws.labels()[ws.row(i)] for i in ("s0", "s1", "s2", "s3", "s6")} == {
        "s0": "ant", "s1": None, "s2": None, "s3": "dog", "s6": "bee",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.txt", "", "no file of labels"),
        ("a.csv", "x,y\n1,2\n", "has the columns x, y"),
        ("a.csv", "id,label\n", "holds no labels"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "{}", "neither a list of Label Studio tasks nor COCO"),
        ("a.xml", "<a>", "is not XML"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares XML entities"),
    ],
)
def test_files_that_hold_no_labels_are_refused_in_words(
    ws: Workspace, tmp_path: Path, name: str, text: str, why: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=why):
        ws.import_labels(tmp_path / name)


def test_the_command_line_labels(ws: Workspace, tmp_path: Path) -> None:
    run, path = CliRunner(), str(ws.path)

    def call(*arguments: str) -> dict:
        result = run.invoke(app, ["label", path, *arguments, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    first = call("--next", "10")["next"]
    assert len(first) == 10
    (tmp_path / "mine.csv").write_text("id,label\n" + "".join(f"{i},{_truth(i)}\n" for i in _label(ws, 40)))
    assert call("--from", str(tmp_path / "mine.csv"))["imported"]["recorded"] in (0, 40)
    dry = call("--max-error", "0.05", "--dry-run")["accepted"]
    assert dry["count"] > 100
    assert call()["report"]["propagated"] == 0
    assert call("--max-error", "0.05", "--out", str(tmp_path / "rest.csv"))["accepted"]["count"] == dry["count"]
    assert call()["report"]["propagated"] == dry["count"]
    assert run.invoke(app, ["undo", path]).exit_code == 0
    assert call()["report"]["propagated"] == 0


# ── arrays ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_vector_is_averaged_with_its_neighbours() -> None:
    vectors = np.eye(3, dtype=np.float32)
    graph = Neighbors(np.array([[1], [0], [-1]], np.int32), np.array([[0.5], [0.5], [np.inf]], np.float32))
    out = neighbour_averaged(vectors, graph, np.array([True, True, True]))
    assert np.allclose(out[0], [0.5**0.5, 0.5**0.5, 0])
    assert np.allclose(out[2], [0, 0, 1])


def test_the_probability_of_a_class_not_seen_yet_falls_with_labels() -> None:
    def share(codes: list[int]) -> float:
        return unseen_share(
            Anchors(np.arange(len(codes)), np.array(codes, np.int32), np.ones(len(codes), np.float32), 9)
        )

    assert share([0, 1]) == 0.5
    assert share([0, 0, 1, 1]) == pytest.approx(1 / 6)
    assert share([0] * 50 + [1] * 48) == pytest.approx(0.01)


def test_the_mixture_is_tuned_by_what_is_left_out() -> None:
    rng = np.random.default_rng(0)
    codes = np.arange(120, dtype=np.int32) % 3
    x = unit(np.eye(3, 16)[codes] * 2 + rng.normal(size=(120, 16)))
    anchors = Anchors(np.arange(120), codes, np.ones(120, np.float32), 4)
    tuning = tune(x, anchors)
    assert tuning.penalty > 0
    p = fit_label_model(x, anchors, tuning).predict(unit(np.eye(3, 16) * 2))
    assert p.argmax(1).tolist() == [0, 1, 2]
    assert (p[:, 3] == 0).all(), "a class without a sample is never suggested"
    noise = tune(unit(rng.normal(size=(120, 16))), anchors)
    assert noise.scale * noise.caution < tuning.scale, "what cannot be told apart gets flat probabilities"


def test_the_next_samples_cover_what_is_in_doubt() -> None:
    rng = np.random.default_rng(0)
    x = unit(np.repeat(np.eye(4), 50, axis=0) + 0.05 * rng.normal(size=(200, 4)))
    every = np.ones(200, bool)
    first = next_samples(x, np.zeros(0, np.int64), every, np.ones(200, np.float32), 4, 0)
    assert set(first // 50) == {0, 1, 2, 3}, "one of each group before a second of any"
    doubt = np.where(np.arange(200) // 50 == 2, 1.0, 0.0).astype(np.float32)
    assert next_samples(x, first, every, doubt, 1, 0)[0] // 50 == 2
    assert set(next_samples(x, first, np.arange(200) >= 190, doubt, 20, 0)) == set(range(190, 200))


# ── the next scan ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_next_scan_learns_classes_that_people_made(ws: Workspace, scanned: Path) -> None:
    _label(ws, 60)
    ws.labeller.accept(0.5, "ada", ws.ids()[:100])
    path, folder = ws.path, scanned.parent
    ws.close()
    again = Workspace.scan(
        folder / "t.csv", path, embeddings=str(folder / "e.parquet"), projection=False, learn=True, actor="ada"
    )
    with again:
        assert set(again.info().class_names) == set(NAMES)
        rows = {r["sample_id"]: r for r in again.rows(limit=N)}
        found = [(i, r["suggested"]) for i, r in rows.items() if r["decision"] is None and r["suggested"]]
        assert found, "samples without a label have suggestions"
        assert np.mean([name == _truth(i) for i, name in found]) > 0.7
        assert "60 confirmed inliers" in " ".join(again.info().notices), "propagated labels confirm nothing"


def test_a_class_split_off_by_hand_is_suggested_after_two_rounds(ws: Workspace, scanned: Path) -> None:
    """All samples are given four classes; a fifth is made by relabelling ten of one class's samples."""
    folder, table = ws.path.parent, pd.read_csv(scanned.parent / "t.csv")
    ws.close()
    merged = table.assign(label=["ant" if _truth(i) == "elk" else _truth(i) for i in table.id])
    merged.to_csv(folder / "four.csv", index=False)
    embeddings = str(scanned.parent / "e.parquet")
    four = Workspace.scan(folder / "four.csv", folder / "four", embeddings=embeddings, projection=False, actor="ada")
    with four:
        elks = [i for i in four.ids() if _truth(i) == "elk"]
        for sample in elks[:20]:
            four.decide(sample, "relabel", label="elk")
        four.queue_ranker.now()

        def offered(samples: list[str]) -> float:
            found = [four.cards([i])[0]["suggestions"][:1] for i in samples]
            return float(np.mean([bool(s) and s[0][0] == "elk" for s in found]))

        assert offered(elks[20:]) > 0.6
        assert offered([i for i in four.ids() if _truth(i) in ("bee", "cow")][:60]) < 0.1


# ── class names alone, and when to stop ─────────────────────────────────────────────────────────────────────────────


def _named(ws: Workspace, sure: float) -> object:
    """A labeller whose encoder knows what class names mean: right for four of five samples, and too sure."""

    def by_names(names: Sequence[str]) -> np.ndarray:
        rng = np.random.default_rng(1)
        said = [_truth(i) if rng.random() < 0.8 else NAMES[rng.integers(5)] for i in ws.ids()]
        p = np.full((N, len(names)), (1 - sure) / (len(names) - 1), np.float32)
        for row, name in enumerate(said):
            if name in names:
                p[row] = (1 - sure) / (len(names) - 1)
                p[row, list(names).index(name)] = sure
        return p

    return Labeller(ws._scan, ws._marks, ws._recorder.append, by_names)


def test_typed_classes_are_suggested_by_their_names_before_any_label(ws: Workspace) -> None:
    for name in NAMES:
        ws.class_editor.add(name, actor="ada")
    labeller = _named(ws, 0.999)
    ids = ws.ids()
    found = labeller.suggestions(ids)
    assert np.mean([s[0][0] == _truth(i) for i, s in zip(ids, found, strict=True)]) > 0.75
    assert "names of the classes alone" in labeller.card_parts("s0")["reason"]
    assert labeller.estimate(0.0).error >= 0.5, "without a label nothing is known of the error"
    for sample in labeller.next_ids(30):
        ws.decide(sample, "relabel", label=_truth(sample))
    rest = ws.ids(Filter(classes=("",)))
    with_names, without = (
        np.mean([s[0][0] == _truth(i) for i, s in zip(rest, by.suggestions(rest), strict=True)])
        for by in (labeller, ws.labeller)
    )
    assert with_names > without - 0.02
    assert max(s[0][1] for s in labeller.suggestions(rest)) < 0.999, "the labels show that names are too sure"


def test_it_says_when_more_labels_would_change_little(ws: Workspace) -> None:
    _label(ws, 40)
    assert ws.labeller.report()["stability"] is None, "too few to compare"
    _label(ws, 40)
    clear = ws.labeller.report()["stability"]
    assert clear["changed"] < 0.03
    assert clear["stop"] == (clear["kappa"] >= 0.99)


def test_labels_that_follow_no_rule_never_say_to_stop(ws: Workspace) -> None:
    rng = np.random.default_rng(0)
    for sample in ws.ids()[:80]:
        ws.decide(sample, "relabel", label=NAMES[rng.integers(5)])
    stability = ws.labeller.report()["stability"]
    assert stability["changed"] > 0.1
    assert not stability["stop"]
