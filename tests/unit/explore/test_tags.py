"""Samples with several labels each: what is judged, asked, shown and decided, from the scan to the undo."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.tagged import WORDS, N, make_tagged
from winnow.core import DecisionError, Filter, QueryError, Workspace


@pytest.fixture
def ws(tagged_ws: Path) -> Workspace:
    return Workspace.open(tagged_ws, actor="ann")


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    table = make_tagged(tmp_path_factory.mktemp("truth"))
    pairs = [
        {"id": row.id, "tag": tag, "given": tag in row.tags, "wrong": (tag in row.tags) != (tag in row.true_tags)}
        for row in table.itertuples()
        for tag in WORDS
    ]
    return pd.DataFrame(pairs)


def test_scores_by_tag_rank_the_planted_faults_first(ws: Workspace, tmp_path: Path, truth: pd.DataFrame) -> None:
    assert ws.write_scores(tmp_path / "t.parquet", by="tag") == N * len(WORDS)
    table = pd.read_parquet(tmp_path / "t.parquet").merge(truth, on=["id", "tag"], suffixes=("", "_true"))
    assert list(table.columns[:5]) == ["id", "tag", "given", "score", "flag"]
    assert (table.given == table.given_true).all()
    for _, part in table.groupby("given"):
        top = part.nlargest(int(part.wrong.sum()), "score")
        assert top.wrong.mean() >= 0.6, "of as many as were planted"


def test_a_sample_is_a_noisy_label_where_one_of_its_tags_is(ws: Workspace) -> None:
    flagged = set(ws.ids(Filter(tag_edits=("+", "-"))))
    assert flagged
    assert flagged == set(ws.ids(Filter(verdicts=("noisy_label",))))
    card = ws.cards(sorted(flagged)[:1])[0]
    edits = card["tags"]["missing"] + card["tags"]["extra"]
    assert all(f"*{tag}*" in card["reason"] and why.strip(".") in card["reason"] for tag, _, why in edits)
    assert ws.rows(Filter(ids=(card["id"],)))[0]["tags"] == card["tags"]["given"]


def test_filters_are_about_the_tags_as_they_are_now(ws: Workspace) -> None:
    everything = ws.ids()
    with_rain = set(ws.ids(Filter(tags_any=("rain",))))
    assert with_rain | set(ws.ids(Filter(tags_none=("rain",)))) == set(everything)
    assert set(ws.ids(Filter(tags_all=("rain", "food")))) == with_rain & set(ws.ids(Filter(tags_any=("food",))))
    one = next(i for i in everything if i not in with_rain)
    before = ws.tags.now.counts()["rain"]
    ws.decide(one, "relabel", tags=["rain", "brand new"])
    assert one in ws.ids(Filter(tags_any=("rain",)))
    assert one in ws.ids(Filter(tags_all=("brand new",)))
    assert ws.tags.now.counts()["rain"] == before + 1
    assert "brand new" in ws.tags.now.names()
    with pytest.raises(QueryError, match=r"\+ \(missing\)"):
        Filter(tag_edits=("rain",))


def test_one_card_is_one_decision_and_one_undo(ws: Workspace) -> None:
    card = ws.cards(ws.ids(Filter(tag_edits=("+",)))[:1])[0]
    tags = [*card["tags"]["given"], card["tags"]["missing"][0][0]]
    answer = ws.record([{"sample_id": card["id"], "action": "relabel", "tags": tags, "decision_id": "d1"}])[0]
    assert (answer["ok"], answer["tags"], answer["label"]) == (True, tags, None)
    assert ws.cards([card["id"]])[0]["tags"]["now"] == tags
    assert len(ws.undo()) == 1
    assert ws.cards([card["id"]])[0]["tags"]["now"] == card["tags"]["given"]


def test_many_samples_are_tagged_at_once_and_taken_back_at_once(ws: Workspace) -> None:
    ids = ws.ids()[:40]
    before = ws.tags.now.at(range(40))
    with_rain = sum("rain" in tags for tags in before)
    batch = ws.edit_tags(ids, add=["rain"])
    assert batch.count == 40 - with_rain, "who carries it is left alone"
    assert all("rain" in tags for tags in ws.tags.now.at(range(40)))
    assert ws.edit_tags(ids, add=["rain"]).count == 0
    ws.edit_tags(ids, remove=["rain"])
    assert not any("rain" in tags for tags in ws.tags.now.at(range(40)))
    ws.undo()
    ws.undo()
    assert ws.tags.now.at(range(40)) == before


@pytest.mark.parametrize(
    ("tags", "part"), [("rain", "a list of texts"), ([" "], "a list of texts"), (["Rain"], "a tag 'rain' already")]
)
def test_tags_that_are_none_are_refused(ws: Workspace, tags: object, part: str) -> None:
    with pytest.raises(DecisionError, match=part):
        ws.decide("t000", "relabel", tags=tags)  # type: ignore[arg-type]


def test_where_there_are_no_tags_it_is_said(tiny_ws: Path, tmp_path: Path) -> None:
    with Workspace.open(tiny_ws) as ws:
        assert not ws.has_tags
        with pytest.raises(QueryError, match="--tags"):
            ws.write_scores(tmp_path / "t.parquet", by="tag")
        with pytest.raises(DecisionError, match="no tags here"):
            ws.decide("s001", "relabel", tags=["x"])


def test_people_who_choose_other_tags_disagree(ws: Workspace) -> None:
    ws.decide("t000", "relabel", tags=["rain"])
    ws.decide("t000", "relabel", tags=["food"], actor="bob")
    assert ws.ids(Filter(state="disputed")) == ["t000"]
    ws.decide("t000", "relabel", tags=["food", "rain"], actor="eve")
    dispute = ws.annotators.report().disputes[0]
    assert (dispute.tags, dispute.differ) == (("food", "rain"), ("food", "rain")), "each has two of three votes"
    assert ws.annotators.report().tags == {"food": (1, 0), "rain": (1, 0)}
    ws.annotators.settle(["t000"], "ann")
    assert ws.tags.now.at([ws.row("t000")]) == [["food", "rain"]]
    assert not ws.ids(Filter(state="disputed"))


def test_copies_with_other_tags_are_named_as_a_conflict(tmp_path: Path) -> None:
    table = make_tagged(tmp_path, 120)[["id", "text", "tags"]]
    copy = table.iloc[[7]].assign(id="copy", tags=[["rain", "sport", "money"]])
    pd.concat([table, copy]).to_parquet(tmp_path / "samples.parquet", index=False)
    path = tmp_path / "samples.parquet"
    with Workspace.scan(path, tmp_path / "ws", encoder="tfidf", projection=False, network=False) as ws:
        found = ws.scores().set_index("id").loc[["t007", "copy"]]
        assert "duplicate" in set(found.verdict)
        assert found[found.verdict == "duplicate"].reasons.str.contains("copies carry different tags").all()
