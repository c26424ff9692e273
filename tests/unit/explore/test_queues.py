"""Picks, lists at a false-flag rate and groups against the plainest computation; saved selections; a person's pace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.explore.test_query import KINDS, world
from winnow.core.detection.fdr import LOOKED_AT, flagged_rows, next_in_rank
from winnow.core.errors import QueryError
from winnow.core.explore.filter import Filter
from winnow.core.explore.query import SampleQuery
from winnow.core.explore.queues import (
    CLICKS,
    DOUBT,
    PICKS,
    USUAL_SECONDS,
    revised_table,
    seconds_per_decision,
)
from winnow.core.review.roles import Roles
from winnow.core.review.saved_selections import SavedSelections
from winnow.core.storage.decision_log.state import STATE_SCHEMA
from winnow.core.types import PROBLEMS, Action, Decision, Kind


def state(ids: list[str]) -> pa.Table:
    n = len(ids)
    columns = [ids, ["accept"] * n, [None] * n, ["ada"] * n, ["2026-01-01"] * n, [None] * n, ids, [1] * n]
    columns += [["person"] * n, [None] * n, [None] * n, [None] * n]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, STATE_SCHEMA, strict=True)], names=STATE_SCHEMA.names)


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.frame = world(root)
        self.decided: list[str] = []
        self.query = self.open()

    def open(self) -> SampleQuery:
        return SampleQuery(
            self.root / "dataset.parquet",
            self.root / "verdicts.parquet",
            self.root / "signals.parquet",
            state=lambda: state(self.decided),
            meta=self.root / "meta.parquet",
            threads=1,
        )


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.query.close()


# -- picks ----------------------------------------------------------------------------------------------------------


def thirty(frame: pd.DataFrame) -> list[str]:
    """The pick "thirty", sample by sample."""
    open_ = frame[frame["verdict"].isin([k.value for k in PROBLEMS])].copy()
    open_["p"] = open_["confidence"]
    pair = open_["label"].fillna("") + "\x1f" + open_["suggested_label"].fillna("")
    missing = open_["label"].isna() | open_["suggested_label"].isna()
    # concat_ws leaves out what is missing, separator and all
    pair[missing] = open_["label"].fillna(open_["suggested_label"]).fillna("")[missing]
    open_["group"] = np.where(open_["verdict"] == "noisy_label", pair, open_["cluster"].astype(str))
    seats = []
    for (verdict, _), members in open_.groupby(["verdict", "group"]):
        ordered = members.sort_values(["p", "row"], ascending=[False, True])
        for rank, (_, one) in enumerate(ordered.iterrows(), 1):
            seats.append((verdict, one["p"] * members["p"].sum() / rank, one["row"], one["sample_id"]))
    turns = []
    for kind in {s[0] for s in seats}:
        mine = sorted((s for s in seats if s[0] == kind), key=lambda s: (-s[1], s[2]))
        turns += [(turn, -gain, row, name) for turn, (_, gain, row, name) in enumerate(mine)]
    return [name for *_, name in sorted(turns)[:CLICKS]]


def test_thirty_clicks_take_the_kinds_in_turn_and_the_surest_of_each_group(made: World) -> None:
    found = made.query.ids(Filter(pick="thirty"), "pick")
    assert found == thirty(made.frame)
    kinds = made.frame.set_index("sample_id").loc[found[: len(PROBLEMS)], "verdict"]
    assert set(kinds) == {k.value for k in PROBLEMS}


def test_doubt_goes_from_class_to_class_by_the_distance_from_the_threshold(made: World) -> None:
    frame = made.frame
    margin = np.minimum(
        *(np.abs(frame[k].astype(float) - frame[k][frame[f"{k}_flag"]].min()) for k in ("noisy_label", "ood"))
    )
    near = frame.assign(margin=margin, label=frame["label"].fillna("none"))[margin <= DOUBT]
    near = near.sort_values(["margin", "row"])
    near["turn"] = near.groupby("label").cumcount()
    assert (
        made.query.ids(Filter(pick="doubt"), "pick")
        == near.sort_values(["turn", "margin", "row"])["sample_id"].tolist()
    )


def test_worth_a_look_is_next_in_rank_below_the_verdicts(made: World) -> None:
    frame, best = made.frame, {}
    for kind in LOOKED_AT:
        p, flag = frame[kind.value].to_numpy(float), frame[f"{kind}_flag"].to_numpy(bool)
        for row in next_in_rank(p, flag):
            best[row] = max(best.get(row, 0.0), p[row])
    problems = frame["verdict"].isin([k.value for k in PROBLEMS]).to_numpy()
    found = [row for row in sorted(best, key=lambda r: (-best[r], r)) if not problems[row]]
    assert len(found) > 5
    assert made.query.ids(Filter(pick="look"), "pick") == frame["sample_id"].to_numpy()[found].tolist()


@pytest.mark.parametrize("pick", list(PICKS))
def test_what_is_decided_leaves_a_pick_and_the_rest_stays(made: World, pick: str) -> None:
    flt = Filter(pick=pick)
    before = made.query.ids(flt, "pick")
    assert made.query.counts(flt).matching == len(before) > 3
    assert made.open().ids(flt, "pick") == before  # a fresh look: the same queue
    made.decided = before[:3]
    after = made.query.ids(flt, "pick")
    assert not set(after) & set(before[:3])
    if pick == "doubt":  # "thirty" fills up again
        assert set(after) == set(before[3:])


def test_a_pick_keeps_within_the_filter(made: World) -> None:
    flt = Filter(pick="thirty", classes=("cat",), verdicts=("ood", "noisy_label"))
    found = made.frame.set_index("sample_id").loc[made.query.ids(flt, "pick")]
    assert len(found) > 5
    assert set(found["label"]) == {"cat"}
    assert set(found["verdict"]) == {"ood", "noisy_label"}
    assert [r["sample_id"] for r in made.query.rows(flt, "pick", 2, 3)] == found.index[2:5].tolist()


def test_unknown_picks_and_orders_are_named(made: World) -> None:
    with pytest.raises(QueryError, match="No queue is called 'best'"):
        Filter(pick="best")
    with pytest.raises(QueryError, match="needs a filter with a pick"):
        made.query.ids(Filter(), "pick")


# -- how strict -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "duplicate"])
def test_strict_means_the_list_at_that_rate(made: World, kind: str) -> None:
    for rate in (0.05, 0.3):
        listed = flagged_rows(made.frame[kind].to_numpy(), rate)
        assert 0 < len(listed.rows) < len(made.frame)
        for flt in (Filter(verdicts=(kind,), strict=rate), Filter(kinds=(kind,), strict=rate)):
            assert set(made.query.ids(flt)) == set(made.frame["sample_id"][listed.rows])


def test_keepers_are_never_listed_as_duplicates(tmp_path: Path) -> None:
    made = World(tmp_path)
    table = pq.read_table(tmp_path / "verdicts.parquet")
    keeper = [None if i % 2 else "img/00001.png" for i in range(len(table))]
    at = table.column_names.index("duplicate_of")
    pq.write_table(table.set_column(at, "duplicate_of", pa.array(keeper, pa.string())), tmp_path / "verdicts.parquet")
    again = made.open()
    p = np.where(np.arange(len(table)) % 2, 0.0, made.frame["duplicate"])
    wanted = set(made.frame["sample_id"][flagged_rows(p, 0.2).rows])
    assert set(again.ids(Filter(verdicts=("duplicate",), strict=0.2))) == wanted
    again.close()


def test_counts_at_every_rate_in_one_question(made: World) -> None:
    flt = Filter(verdicts=("ood", "noisy_label", "clean"), classes=("cat", "dog"))
    rates = (0.01, 0.1, 0.3)
    found = made.query.strict_counts(flt, rates)
    for rate in rates:
        at = Filter(verdicts=flt.verdicts, classes=flt.classes, strict=rate)
        assert found[rate] == made.query.counts(at).matching
    assert found[0.01] < found[0.3]


def test_strict_alone_changes_nothing_and_is_checked(made: World) -> None:
    assert made.query.ids(Filter(strict=0.05)) == made.query.ids(Filter())
    for wrong in (0.0, 1.0, "often", float("nan")):
        with pytest.raises(QueryError, match="false-discovery rate"):
            Filter(strict=wrong)  # type: ignore[arg-type]


def test_picks_and_rates_travel_in_the_url() -> None:
    flt = Filter(verdicts=("ood",), pick="doubt", strict=0.05)
    assert Filter.from_query(flt.to_query()) == flt
    assert flt.to_query() == {"verdicts": "ood", "pick": "doubt", "strict": "0.05"}


# -- groups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "none"), [("label", None), ("cluster", -1), ("duplicate_group", -1), ("verdict", None)])
def test_groups_are_the_sections_of_the_order(made: World, by: str, none: int | None) -> None:
    flt = Filter(splits=("train",))
    groups = made.query.groups(flt, by)
    ids = made.query.ids(flt, "-noisy_label", by)
    column = made.frame.set_index("sample_id").loc[ids]
    values = column[by].astype(object).where(column[by].notna() & (column[by] != none), None).tolist()
    assert values == [value for value, n in groups for _ in range(n)]
    sizes = [n for value, n in groups if value is not None]
    assert sizes == sorted(sizes, reverse=True)
    start = 0
    for _, n in groups:
        scores = column["noisy_label"].tolist()[start : start + n]
        assert scores == sorted(scores, reverse=True)
        start += n
    assert [r["sample_id"] for r in made.query.rows(flt, "-noisy_label", 40, 25, by)] == ids[40:65]


def test_an_unknown_group_is_named(made: World) -> None:
    with pytest.raises(QueryError, match="cannot be grouped by 'x'"):
        made.query.groups(Filter(), "x")


# -- saved selections -----------------------------------------------------------------------------------------------


def test_saved_selections_come_back(tmp_path: Path) -> None:
    kept = SavedSelections(tmp_path / "selections", Roles(tmp_path / "roles.json"))
    assert kept.all() == []
    outline = {"op": "add", "points": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]}
    first = kept.save(
        "  The odd   corner ", ["b", "a"], actor="ada", generation="g", filter="state=any", polygons=[outline]
    )
    second = kept.save("<b>Other</b>", ["c"], actor="bob")
    again = SavedSelections(tmp_path / "selections", Roles(tmp_path / "roles.json"))
    assert {s.name for s in again.all()} == {"The odd corner", "<b>Other</b>"}
    assert again.get(first.handle) == first
    assert (first.count, first.polygons) == (2, (outline,))
    assert again.ids(first.handle) == ["b", "a"]
    again.delete(first.handle, "ada")
    assert kept.all() == [second]
    assert len(list((tmp_path / "selections").iterdir())) == 2
    with pytest.raises(QueryError, match=r"not there any more.*<b>Other"):
        kept.ids(first.handle)


def test_saving_says_what_is_wrong(tmp_path: Path) -> None:
    kept = SavedSelections(tmp_path / "selections", Roles(tmp_path / "roles.json"))
    kept.save("Corner", ["a"], actor="ada")
    for name, ids, why in (
        ("corner", ["a"], "is there already"),
        (" ", ["a"], "needs a name"),
        ("x" * 81, ["a"], "not 81"),
        ("New", [], "nothing to save"),
    ):
        with pytest.raises(QueryError, match=why):
            kept.save(name, ids, actor="ada")
    for handle in ("saved-../../x", "../dataset", "saved-zzzzzzzzzzzz"):
        with pytest.raises(QueryError, match="not the handle"):
            kept.get(handle)


def test_a_damaged_selection_does_not_hide_the_others(tmp_path: Path) -> None:
    kept = SavedSelections(tmp_path / "selections", Roles(tmp_path / "roles.json"))
    one = kept.save("One", ["a"], actor="ada")
    two = kept.save("Two", ["a"], actor="ada")
    (tmp_path / "selections" / f"{one.handle}.json").write_text("{")
    assert kept.all() == [two]


# -- pace -----------------------------------------------------------------------------------------------------------


def log(gaps: list[float], batch: str | None = None) -> list[Decision]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rows = []
    for i, gap in enumerate(gaps):
        at += timedelta(seconds=gap)
        rows.append(Decision(i, str(i), f"s{i}", Action.ACCEPT, None, None, "ada", at.isoformat(), None, batch))
    return rows


def test_pace_is_the_median_gap_without_pauses_and_batches() -> None:
    assert seconds_per_decision([]) == USUAL_SECONDS
    assert seconds_per_decision(log([1.0] * 5)) == USUAL_SECONDS
    assert seconds_per_decision(log([2.0] * 10 + [900.0] + [2.0] * 10)) == pytest.approx(2.0)
    assert seconds_per_decision(log([0.01] * 50, batch="b")) == USUAL_SECONDS


# -- after a round of decisions -------------------------------------------------------------------------------------


def test_picks_follow_what_the_last_round_believes(made: World) -> None:
    n = len(made.frame)
    before = made.query.ids(Filter(pick="doubt"), "pick")
    believed = np.zeros(n, np.float32)
    unsure = [7, 11, 13]
    believed[unsure] = made.frame["noisy_label"][made.frame["noisy_label_flag"]].min()
    probability = {Kind.NOISY_LABEL: believed, Kind.OOD: np.zeros(n, np.float32)}
    assert revised_table(probability, {Kind.NOISY_LABEL: 0, Kind.OOD: 0}) is None
    made.query._revised = lambda: revised_table(probability, {Kind.NOISY_LABEL: 12, Kind.OOD: 0})
    after = made.query.ids(Filter(pick="doubt"), "pick")
    assert set(after) == set(made.frame["sample_id"][unsure]) != set(before)
    ood = made.frame["verdict"] == "ood"
    probability[Kind.OOD][made.frame.index[ood][4]] = 0.99  # of all outsiders only this one is still believed
    first = made.query.ids(Filter(pick="thirty", verdicts=("ood",)), "pick")[0]
    assert first == made.frame["sample_id"][made.frame.index[ood][4]]
