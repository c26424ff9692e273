"""The one door: look, decide, undo, export, from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnow.core import ColumnMap, Filter, Workspace
from winnow.core.errors import DecisionError, QueryError, WorkspaceError
from winnow.core.types import ISSUE_KINDS
from winnow.core.workspace import RENAMED


@pytest.fixture
def ws(tiny_ws: Path):
    with Workspace.open(tiny_ws, actor="ada") as workspace:
        yield workspace


def test_the_example_of_the_readme_runs(tiny_data: Path, tmp_path: Path) -> None:
    ws = Workspace.scan(tiny_data / "samples.parquet", tmp_path / "ws", embeddings=tiny_data / "embeddings.parquet")
    suspects = ws.scores().query("noisy_label_flag").sort_values("noisy_label", ascending=False)
    ws.decide(suspects.id.iloc[0], "relabel", label=suspects.suggested_label.iloc[0])
    figure = ws.map(colour="label")
    result = ws.export(tmp_path / "curated.parquet")

    assert len(figure.data) >= 4
    curated = pd.read_parquet(result.path).set_index("id")
    assert curated.loc[suspects.id.iloc[0], "label_final"] == suspects.suggested_label.iloc[0]
    ws.close()


def test_scores_have_a_row_for_every_sample_and_are_never_nan(ws: Workspace) -> None:
    scores = ws.scores()
    assert len(scores) == ws.info().n == 183
    for kind in ISSUE_KINDS:
        assert scores[kind].between(0, 1).all()
        assert scores[f"{kind}_flag"].dtype == bool
    assert set(scores.verdict) <= {*map(str, ISSUE_KINDS), "clean"}


def test_what_was_planted_is_found(ws: Workspace, tiny_data: Path) -> None:
    scores = ws.scores().set_index("id")
    truth = pd.read_parquet(tiny_data / "truth.parquet").set_index("id").true_label
    wrong = [f"s{i:03d}" for i in (3, 40, 77, 120)]
    assert (scores.loc[wrong, "noisy_label"] > scores.noisy_label.quantile(0.9)).all()
    assert (scores.loc[wrong, "suggested_label"] == truth[wrong]).all()
    assert scores.loc["s182", "verdict"] == "broken"
    for copy, of in (("s180", "s010"), ("s181", "s011")):
        flags = scores.loc[[copy, of], "duplicate_flag"]
        assert flags.sum() == 1, "one of a pair is offered, never both"


def test_precedence_decides_the_primary_verdict_and_flags_are_kept(ws: Workspace) -> None:
    scores = ws.scores()
    order = [str(k) for k in ISSUE_KINDS]
    flags = scores[[f"{k}_flag" for k in order]].to_numpy()
    first = np.where(flags.any(1), np.array(order, object)[flags.argmax(1)], "clean")
    assert (scores.verdict == first).all()


def test_a_card_has_everything_that_review_shows(ws: Workspace) -> None:
    (card,) = ws.cards(["s003"])
    assert card["id"] == "s003"
    assert card["suggestions"][0][0] != card["label"]
    assert len(card["neighbors"]) == 8
    assert {n["agrees"] for n in card["neighbors"]} <= {True, False}
    assert card["meta"]["note"] == "=n3"
    assert card["decision"] is None
    assert card["reason"]
    assert card["xy"] is not None


def test_decisions_survive_reopening_and_undo_walks_back(ws: Workspace, tiny_ws: Path) -> None:
    ws.decide("s001", "accept")
    ws.decide("s002", "exclude", reason="a stain")
    ws.decide("s003", "relabel", label="digit 9")
    ws.close()
    with Workspace.open(tiny_ws, actor="ada") as again:
        assert again.classes()[-1] == "digit 9"
        states = {i: d["ada"].action.value for i, d in again.current().items()}
        assert states == {"s001": "accept", "s002": "exclude", "s003": "relabel"}
        assert [d.sample_id for d in again.undo()] == ["s003"]
        assert [d.sample_id for d in again.undo()] == ["s002"]
        assert set(again.current()) == {"s001"}


def test_a_bulk_verdict_is_one_step_of_undo(ws: Workspace) -> None:
    ids = ws.ids(Filter(classes=("digit 2",)))
    assert ws.decide_many(ids, "exclude").count == len(ids) > 10
    assert ws.counts(Filter(state="exclude")).matching == len(ids)
    assert len(ws.undo()) == len(ids)
    assert ws.counts(Filter(state="exclude")).matching == 0


def test_an_undo_names_what_it_takes_back_and_may_be_repeated(ws: Workspace) -> None:
    first = ws.decide("s001", "accept")
    batch = ws.decide_many(["s002", "s003"], "exclude")
    last = ws.decide("s004", "exclude")
    assert [d.sample_id for d in ws.undo(undo_id="u1", decision_id=first.decision_id)] == ["s001"]
    assert [d.sample_id for d in ws.undo(undo_id="u1", decision_id=first.decision_id)] == ["s001"]
    assert ws.undo(undo_id="u2", decision_id=first.decision_id) == [], "it is not in force any more"
    assert ws.undo(actor="bob", decision_id=last.decision_id) == [], "it is not his"
    assert ws.batch_sizes({batch.batch_id, "nothing"}) == {batch.batch_id: 2}
    assert len(ws.undo(undo_id="u3", batch_id=batch.batch_id)) == 2
    assert set(ws.current()) == {"s004"}


def test_a_repeated_key_press_is_recorded_once(ws: Workspace) -> None:
    item = {"sample_id": "s005", "action": "accept", "decision_id": "press-1", "supersedes": None}
    first, second = ws.record([item]), ws.record([item])
    assert first == second
    assert len(ws.history(sample_id="s005")) == 1


def test_one_bad_decision_of_a_batch_does_not_cost_the_others(ws: Workspace) -> None:
    answers = ws.record(
        [
            {"sample_id": "s005", "action": "accept", "decision_id": "a"},
            {"sample_id": "nobody", "action": "accept", "decision_id": "b"},
            {"sample_id": "s006", "action": "shout", "decision_id": "c"},
            {"sample_id": "s007", "action": "exclude", "decision_id": "d"},
        ]
    )
    assert [a["ok"] for a in answers] == [True, False, False, True]
    assert "nobody" in answers[1]["error"]
    assert "accept, relabel, exclude" in answers[2]["error"]
    assert set(ws.current()) == {"s005", "s007"}


@pytest.mark.parametrize(
    ("args", "error", "says"),
    [
        (("s001", "relabel"), DecisionError, "needs a label"),
        (("s001", "undo"), DecisionError, "undo"),
        (("zzz", "accept"), QueryError, "zzz"),
    ],
)
def test_a_decision_that_cannot_be_recorded_says_why(ws: Workspace, args: tuple[str, str], error, says: str) -> None:
    with pytest.raises(error, match=says):
        ws.decide(*args)
    assert ws.history() == []


def test_a_relabel_that_is_refused_leaves_no_class_behind(ws: Workspace) -> None:
    before = ws.classes()
    stale = {"sample_id": "s005", "action": "relabel", "label": "lynx", "decision_id": "a", "supersedes": "gone"}
    assert not ws.record([stale])[0]["ok"]
    with pytest.raises(DecisionError):
        ws.decide_many(["s001"], "relabel", label="lynx", batch_id="x" * 10_001)
    assert ws.classes() == before
    ws.decide("s005", "relabel", label="lynx")
    assert ws.classes() == [*before, "lynx"]


def test_a_lasso_takes_exactly_the_points_inside(ws: Workspace) -> None:
    points = ws.points()
    (x0, y0), (x1, y1) = np.nanquantile(points.xy, [0.2, 0.7], axis=0)
    inside = ws.inside([[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]])
    x, y = points.xy.T
    assert set(inside) == set(points.ids[(x > x0) & (x < x1) & (y > y0) & (y < y1)])
    assert len(inside) > 0


def test_the_map_is_coloured_by_names_or_numbers_and_by_nothing_else(ws: Workspace) -> None:
    verdict = ws.colours("verdict")
    assert verdict.codes is not None
    assert verdict.names is not None
    assert len(verdict.codes) == 183
    score = ws.colours("label_knn")
    assert score.values is not None
    with pytest.raises(QueryError, match="cannot be coloured by 'mood'"):
        ws.colours("mood")


def test_the_nearest_samples_look_alike(ws: Workspace) -> None:
    found = ws.search(like="s010", limit=5)
    assert found[0][0] == "s180"
    assert found[0][1] == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(QueryError, match="No sample is called"):
        ws.search(like="nobody")


def test_pictures_come_small_and_whole(ws: Workspace) -> None:
    small = ws.thumbnail("s000")
    assert small is not None
    assert small[1].startswith("image/")
    assert ws.image("s000").startswith(b"\x89PNG")
    assert ws.thumbnail("s182") is None


def test_signals_say_whether_they_ran_and_why_not(ws: Workspace) -> None:
    metas = {m.name: m for m in ws.signals()}
    assert metas["label_knn"].ran
    assert not metas["label_zero_shot"].ran
    assert metas["label_zero_shot"].why_not
    assert all(m.title and m.explain for m in metas.values())


def test_someone_elses_decision_is_seen_on_sync(ws: Workspace, tiny_ws: Path) -> None:
    assert not ws.sync()
    with Workspace.open(tiny_ws, actor="bob") as other:
        other.decide("s001", "exclude")
    assert ws.sync()
    assert not ws.sync()
    ws.decide("s001", "accept")
    assert ws.counts(Filter(state="disputed")).matching == 1


def test_where_there_is_no_workspace_the_way_in_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="winnow scan SOURCE --out"):
        Workspace.open(tmp_path)


def test_unlabelled_data_is_scanned_with_a_notice(tiny_data: Path, tmp_path: Path) -> None:
    bare = pd.read_parquet(tiny_data / "samples.parquet").drop(columns="label")
    bare.to_parquet(tmp_path / "bare.parquet")
    options = {"embeddings": tiny_data / "embeddings.parquet", "projection": False}
    with Workspace.scan(tmp_path / "bare.parquet", tmp_path / "ws", **options) as ws:
        assert any("has no labels" in n for n in ws.info().notices)
        scores = ws.scores()
        assert not scores.noisy_label_flag.any()
        assert scores.set_index("id").loc["s182", "verdict"] == "broken"
        why = {m.name: m.why_not for m in ws.signals()}
        assert "labels" in why["label_knn"]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_handful_of_samples_is_enough(tiny_data: Path, tmp_path: Path, rows: int) -> None:
    frame = pd.read_parquet(tiny_data / "samples.parquet").head(rows)
    frame.to_parquet(tmp_path / "few.parquet")
    vectors = pd.read_parquet(tiny_data / "embeddings.parquet").head(rows)
    vectors.to_parquet(tmp_path / "e.parquet")
    with Workspace.scan(tmp_path / "few.parquet", tmp_path / "ws", embeddings=tmp_path / "e.parquet") as ws:
        assert len(ws.scores()) == rows
        assert ws.info().failures == {}


def test_brought_probabilities_take_the_place_of_the_probes(tiny_data: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(tiny_data / "samples.parquet")
    names = sorted(frame.label.unique())
    truth = pd.read_parquet(tiny_data / "truth.parquet").set_index("id").true_label
    sure = [[0.94 if truth.get(i, y) == n else 0.02 for n in names] for i, y in zip(frame.id, frame.label, strict=True)]
    pd.DataFrame(sure, columns=names).assign(id=frame.id).to_parquet(tmp_path / "p.parquet")
    with Workspace.scan(
        tiny_data / "samples.parquet",
        tmp_path / "ws",
        embeddings=tiny_data / "embeddings.parquet",
        probabilities=tmp_path / "p.parquet",
        columns=ColumnMap(label="label"),
        projection=False,
    ) as ws:
        scores = ws.scores().set_index("id")
        wrong = [f"s{i:03d}" for i in (3, 40, 77, 120)]
        assert scores.loc[wrong, "noisy_label"].min() > scores.noisy_label.quantile(0.95)


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_renamed_attribute_works_for_one_more_release_and_warns(ws: Workspace, old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"Workspace.{old} is now Workspace.{new}") as caught:
        value = getattr(ws, old)
    assert value == getattr(ws, new)
    assert [Path(w.filename).name for w in caught] == ["test_workspace.py"]


def test_an_unknown_attribute_is_an_error(ws: Workspace) -> None:
    with pytest.raises(AttributeError, match="no attribute 'peoples'"):
        _ = ws.peoples
