"""Filters, facets, pages and lassos against the plainest possible computation in pandas."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.core.errors import QueryError, WorkspaceError
from winnow.core.explore.filter import STATES, Filter
from winnow.core.explore.lasso import PointIndex
from winnow.core.explore.query import SampleQuery
from winnow.core.explore.results import Counts
from winnow.core.storage.decision_log.state import STATE_SCHEMA
from winnow.core.storage.id_set import IdSet
from winnow.core.types import ISSUE_KINDS
from winnow.core.workspace import Workspace

N = 600
KINDS = [k.value for k in ISSUE_KINDS]
CLASSES = ["cat", "dog", "it's; DROP TABLE dataset --", "ÄRGER, 50%_off"]


def world(root: Path, n: int = N, seed: int = 0) -> pd.DataFrame:
    """Writes the tables of a workspace, and returns everything in one frame."""
    rng = np.random.default_rng(seed)
    labels = np.array([*CLASSES, None], object)[rng.integers(0, len(CLASSES) + 1, n)]
    probability = {k: rng.random(n).astype(np.float32) for k in KINDS}
    verdict = np.full(n, "clean", object)
    for k in reversed(KINDS):
        verdict[probability[k] > 0.85] = k
    frame = pd.DataFrame(
        {
            "row": np.arange(n, dtype=np.int32),
            "sample_id": [f"img/{i:05d}.png" for i in range(n)],
            "text": [None if i % 7 == 0 else f"Straße {i}" for i in range(n)],
            "label": labels,
            "split": np.where(rng.random(n) < 0.1, None, np.where(rng.random(n) < 0.5, "train", "test")),
            "source": rng.choice(["web", "phone"], n),
            "verdict": verdict,
            "confidence": rng.random(n).astype(np.float32),
            "suggested_label": np.array([*CLASSES, None], object)[rng.integers(0, len(CLASSES) + 1, n)],
            "duplicate_group": np.where(rng.random(n) < 0.2, rng.integers(0, 9, n), -1).astype(np.int32),
            "x": np.where(rng.random(n) < 0.02, np.nan, rng.normal(size=n)).astype(np.float32),
            "y": rng.normal(size=n).astype(np.float32),
            "cluster": rng.integers(-1, 4, n).astype(np.int32),
            "note": [f"Remark {i}" if i % 10 == 3 else "" for i in range(n)],
        }
        | probability
        | {f"{k}_flag": probability[k] > 0.85 for k in KINDS}
    )
    frame["label_knn"] = np.where(rng.random(n) < 0.1, np.nan, np.round(rng.random(n), 1)).astype(np.float32)
    dataset = frame[["row", "sample_id", "text", "label", "split", "source"]].assign(
        uri=frame["sample_id"], content_hash="h", width=np.int32(32), height=np.int32(24)
    )
    verdicts = frame[
        ["row", "sample_id", "verdict", "confidence", "suggested_label", "duplicate_group", "x", "y", "cluster"]
        + KINDS
        + [f"{k}_flag" for k in KINDS]
    ].assign(reasons="because", duplicate_of=None, cluster_fine=np.int32(0))
    table = pa.Table.from_pandas(verdicts, preserve_index=False)
    table = table.append_column("suggested_prob", pa.array([[0.7, 0.2]] * n, pa.list_(pa.float32())))
    table = table.set_column(
        table.column_names.index("duplicate_of"), "duplicate_of", pa.array([None] * n, pa.string())
    )
    pq.write_table(table, root / "verdicts.parquet", row_group_size=100)
    pq.write_table(pa.Table.from_pandas(dataset, preserve_index=False), root / "dataset.parquet", row_group_size=100)
    signals = frame[["row", "label_knn"]].assign(**{"label_knn.reasons": "text"})
    pq.write_table(pa.Table.from_pandas(signals, preserve_index=False), root / "signals.parquet")
    meta = pa.table([frame["sample_id"], frame["note"], frame["row"]], names=["__sample_id", "note", "number"])
    pq.write_table(meta, root / "meta.parquet")
    return frame


def decided(frame: pd.DataFrame) -> pa.Table:
    """Every fifth sample has a state."""
    states = ["accept", "relabel", "exclude", "disputed"]
    chosen = frame["sample_id"][::5].tolist()
    rows = [
        {
            "sample_id": s,
            "state": states[i % 4],
            "label": "new" if states[i % 4] == "relabel" else None,
            "actor": "ann",
            "at": "2026-03-01",
            "reason": None,
            "decision_id": f"d{i}",
            "n_people": 1,
        }
        for i, s in enumerate(chosen)
    ]
    return pa.Table.from_pylist(rows, STATE_SCHEMA)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("it's a [world]* with %20")
    found = world(root)
    found.attrs["root"] = root
    found["state"] = pd.Series(
        dict(
            enumerate(
                found["sample_id"].map(dict(zip(*decided(found).select([0, 1]).to_pydict().values(), strict=True)))
            )
        )
    )
    found["label_now"] = found["label"].where(found["state"] != "relabel", "new")
    return found


@pytest.fixture(scope="module")
def query(frame: pd.DataFrame) -> SampleQuery:
    root, state = frame.attrs["root"], decided(frame)
    return SampleQuery(
        root / "dataset.parquet",
        root / "verdicts.parquet",
        root / "signals.parquet",
        lambda: state,
        root / "meta.parquet",
    )


def inside(frame: pd.DataFrame, polygon: Any) -> pd.Series:
    """The even-odd rule, point by point."""
    out = []
    for x, y in zip(frame["x"].astype(float), frame["y"].astype(float), strict=True):
        odd = False
        for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                odd = not odd
        out.append(odd)
    return pd.Series(out, index=frame.index)


def reference(frame: pd.DataFrame, f: Filter) -> pd.DataFrame:
    """The rows that match, with what each stands as in ``status``."""
    keep = pd.Series(True, index=frame.index)
    settled = np.where(frame["state"] == "disputed", "disputed", "settled")
    now = frame["verdict"] if f.state != "any" else frame["verdict"].where(frame["state"].isna(), settled)
    frame = frame.assign(status=now)
    for column, wanted in (
        ("status", f.verdicts),
        ("label_now", f.classes),
        ("suggested_label", f.suggested),
        ("split", f.splits),
        ("source", f.sources),
    ):
        if wanted:
            keep &= frame[column].fillna("").isin(wanted)
    if f.kinds:
        keep &= frame[[f"{k}_flag" for k in f.kinds]].any(axis=1)
    if f.clusters:
        keep &= frame["cluster"].isin(f.clusters)
    if f.state == "undecided":
        keep &= frame["state"].isna()
    elif f.state == "decided":
        keep &= frame["state"].notna()
    elif f.state != "any":
        keep &= frame["state"] == f.state
    for name, (low, high) in f.scores.items():
        keep &= frame[name].notna()
        keep &= frame[name] >= (-np.inf if low is None else low)
        keep &= frame[name] <= (np.inf if high is None else high)
    if f.text:
        words = frame[["sample_id", "text", "label", "note"]].fillna("")
        keep &= words.apply(lambda c: c.str.lower().str.contains(f.text.lower(), regex=False)).any(axis=1)
    if f.polygon is not None:
        keep &= inside(frame, f.polygon)
    if f.ids is not None:
        keep &= frame["sample_id"].isin(f.ids)
    if f.pair:
        keep &= (frame["label"].fillna("") == f.pair[0]) & (frame["suggested_label"].fillna("") == f.pair[1])
    if f.duplicate_group is not None:
        keep &= frame["duplicate_group"] == f.duplicate_group
    return frame[keep]


STAR = ((0.0, 2.0), (1.2, -1.6), (-1.9, 0.6), (1.9, 0.6), (-1.2, -1.6))
FILTERS = [
    Filter(),
    Filter(verdicts=("ood", "clean")),
    Filter(verdicts=("ood", "settled")),
    Filter(verdicts=("ood", "clean"), state="accept"),
    Filter(kinds=("noisy_label", "hard")),
    Filter(classes=(CLASSES[2],)),
    Filter(classes=("", "cat")),
    Filter(classes=("new",)),
    Filter(suggested=("dog", "")),
    Filter(splits=("train",), sources=("web",)),
    Filter(splits=("",)),
    Filter(clusters=(-1, 2)),
    *(Filter(state=s) for s in STATES),
    Filter(scores={"noisy_label": (0.25, 0.75), "label_knn": (0.5, None)}),
    Filter(scores={"label_knn": (None, None)}),
    Filter(scores={"label_knn": (None, 0.5), "confidence": (0.1, 0.9)}),
    Filter(text="STRASSE"),
    Filter(text="straße 1"),
    Filter(text="0099"),
    Filter(text="50%_"),
    Filter(text="ärger"),
    Filter(text="remark 10"),
    Filter(text="' OR 1=1 --"),
    Filter(polygon=STAR),
    Filter(polygon=((0, 0), (0, 0), (0, 0))),
    Filter(ids=("img/00003.png", "img/00001.png", "not there", "x' OR 'a'='a")),
    Filter(ids=()),
    Filter(pair=("cat", "dog")),
    Filter(pair=("", CLASSES[2])),
    Filter(duplicate_group=3),
    Filter(polygon=STAR, state="undecided", verdicts=("clean",), text="img", scores={"hard": (0.0, 0.8)}),
    Filter(verdicts=("ood",), classes=("nobody",)),
]


@pytest.mark.parametrize("f", FILTERS, ids=lambda f: ",".join(f.to_query()) or "all")
def test_a_filter_finds_what_pandas_finds(frame: pd.DataFrame, query: SampleQuery, f: Filter) -> None:
    wanted = reference(frame, f)
    assert query.ids(f) == wanted["sample_id"].tolist()
    counts = query.counts(f)
    assert (counts.total, counts.matching) == (N, len(wanted))
    assert sum(counts.by_verdict.values()) == len(wanted)
    none = {"by_class": "label_now", "by_suggested": "suggested_label", "by_split": "split", "by_source": "source"}
    for facet, column in none.items():
        assert getattr(counts, facet) == wanted[column].fillna("").value_counts().to_dict(), facet
    assert counts.by_verdict == wanted["status"].value_counts().to_dict()
    assert counts.by_cluster == wanted["cluster"].value_counts().to_dict()
    assert counts.by_state == wanted["state"].fillna("undecided").value_counts().to_dict()
    assert counts.by_kind == {k: int(wanted[f"{k}_flag"].sum()) for k in KINDS}


def test_facets_come_with_the_most_frequent_first(query: SampleQuery) -> None:
    for facet in (query.counts().by_class, query.counts().by_cluster):
        assert list(facet.values()) == sorted(facet.values(), reverse=True)


@pytest.mark.parametrize("sort", ["row", "label_knn", "confidence", "noisy_label", "sample_id", "label", "cluster"])
@pytest.mark.parametrize("descending", [False, True])
def test_order_is_total_and_pages_tile_it(frame: pd.DataFrame, query: SampleQuery, sort: str, descending: bool) -> None:
    key = f"-{sort}" if descending else sort
    f = Filter(state="undecided")
    wanted = reference(frame, f).sort_values([sort, "row"], ascending=[not descending, True], na_position="last")
    if key == "-confidence":  # broken samples come last: there is nothing to see in them
        broken = wanted["verdict"] == "broken"
        assert broken.any()
        wanted = pd.concat([wanted[~broken], wanted[broken]])
    assert query.ids(f, key) == wanted["sample_id"].tolist()
    pages = [row["sample_id"] for start in range(0, N, 77) for row in query.rows(f, key, start, 77)]
    assert pages == wanted["sample_id"].tolist()


def test_a_tile_says_what_is_known(frame: pd.DataFrame, query: SampleQuery) -> None:
    tile = query.rows(Filter(ids=("img/00005.png",)), "-label_knn")[0]
    row = frame.iloc[5]
    assert (tile["row"], tile["label"], tile["suggested"]) == (5, row["label"], row["suggested_label"])
    assert tile["label_now"] == "new"
    assert tile["verdict"] == row["verdict"]
    assert tile["scores"]["ood"] == pytest.approx(float(row["ood"]))
    assert tile["scores"]["label_knn"] == (None if np.isnan(row["label_knn"]) else pytest.approx(row["label_knn"]))
    assert tile["flags"] == [k for k in KINDS if row[f"{k}_flag"]]
    assert tile["decision"] == {
        "action": "relabel",
        "label": "new",
        "actor": "ann",
        "at": "2026-03-01",
        "reason": None,
        "n_people": 1,
    }
    assert (tile["text"], tile["width"], tile["height"]) == ("Straße 5", 32, 24)
    assert query.rows(Filter(ids=("img/00001.png",)))[0]["decision"] is None
    assert query.rows(Filter(ids=())) == []
    assert query.rows(Filter(), offset=N) == []


def test_the_matrix_counts_labels_that_look_wrong(frame: pd.DataFrame, query: SampleQuery) -> None:
    f = Filter(sources=("web",))
    looks_wrong = reference(frame, f).query("status == 'noisy_label'").dropna(subset=["label", "suggested_label"])
    matrix = query.confusion(f)
    assert matrix.index.name == "given"
    assert matrix.to_numpy().sum() == len(looks_wrong)
    for (label, suggested), count in looks_wrong.value_counts(["label", "suggested_label"]).items():
        assert matrix.loc[label, suggested] == count
    assert query.confusion(Filter(ids=())).shape == (0, 0)


def test_what_a_lasso_holds_is_the_same_by_row_and_by_id(query: SampleQuery) -> None:
    held = query.outlined([("add", [(-5.0, -5.0), (0.5, -5.0), (0.5, 9.0), (-5.0, 9.0)])])
    other = SampleQuery(*(query._paths[name] for name in ("dataset", "verdicts", "signals")))
    assert len(held) > 20
    assert held.rows(query._scan) is not None
    assert held.rows(other._scan) is None  # rows of one scan are none of another's
    plain = IdSet(held.column)
    for asked in (query, other):
        assert asked.ids(Filter(ids=held)) == asked.ids(Filter(ids=plain)) == held[:]
        assert asked.counts(Filter(ids=held)) == asked.counts(Filter(ids=plain))
    other.close()


def test_several_lassos_are_one_selection(frame: pd.DataFrame, query: SampleQuery) -> None:
    left, right = [[-3, -3], [-1, -3], [-1, 3], [-3, 3]], [[-1.5, -3], [0, -3], [0, 3], [-1.5, 3]]
    f = Filter(verdicts=("clean",))
    wanted = reference(frame, f)
    wanted = wanted[inside(wanted, left) | inside(wanted, right)]
    assert sorted(query.outlined([("add", left), ("add", right)], f)) == sorted(wanted["sample_id"])
    assert list(query.outlined([], f)) == []


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Filter(verdicts=("nice",)), r"No verdict is called 'nice'. There are: 'noisy_label', 'ood'"),
        (lambda: Filter(kinds=("clean",)), "No kind is called 'clean'"),
        (lambda: Filter(state="maybe"), "No state is called 'maybe'"),
        (lambda: Filter(scores={"ood": ("a", 1)}), "range of 'ood'"),  # type: ignore[dict-item]
        (lambda: Filter(scores={"ood": (float("nan"), 1)}), "range of 'ood'"),
        (lambda: Filter(polygon=((0, 0), (1, 1))), "3 to 10,000 corners, not 2"),
        (lambda: Filter(polygon=((0, 0), (1, 1), (float("inf"), 0))), "finite numbers"),
        (lambda: Filter(polygon=((0, 0, 0), (1, 1, 1), (2, 2, 2))), "finite numbers"),  # type: ignore[arg-type]
        (lambda: Filter(clusters=("one",)), "whole number, not 'one'"),  # type: ignore[arg-type]
        (lambda: Filter(pair=("cat",)), "A pair is"),  # type: ignore[arg-type]
        (lambda: Filter(classes=(3,)), "takes texts, not 3"),  # type: ignore[arg-type]
        (lambda: Filter(text="\ud800"), "half of one"),
        (lambda: Filter.from_query({"duplicate_group": "x"}), "whole number"),
        (lambda: Filter.from_query({"score.ood": "1"}), "range of 'ood'"),
        (lambda: Filter.from_query({"polygon": "1,2;3"}), "finite numbers"),
    ],
)
def test_a_filter_that_makes_no_sense_names_the_rule(make: Any, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        make()


@pytest.mark.parametrize(
    "name", ["nothing", "row; DROP TABLE dataset", 'x"', "v.ood", "label_knn.reasons", "reasons", "", "x", "-ood"]
)
def test_only_known_scores_can_be_named(query: SampleQuery, name: str) -> None:
    with pytest.raises(QueryError, match=r"There are: 'broken'.*'label_knn'"):
        query.ids(Filter(scores={name: (0, 1)}))
    if name:
        with pytest.raises(QueryError, match=r"No sort order.*There are: 'row', 'sample_id'"):
            query.rows(Filter(), "-" + name)


def test_missing_and_damaged_tables_are_named(tmp_path: Path) -> None:
    world(tmp_path, 20)
    with pytest.raises(WorkspaceError, match="is missing"):
        SampleQuery(tmp_path / "no.parquet", tmp_path / "verdicts.parquet")
    (tmp_path / "verdicts.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(WorkspaceError, match="is damaged"):
        SampleQuery(tmp_path / "dataset.parquet", tmp_path / "verdicts.parquet")


def test_a_table_damaged_after_opening_is_named(tmp_path: Path) -> None:
    world(tmp_path, 20)
    query = SampleQuery(tmp_path / "dataset.parquet", tmp_path / "verdicts.parquet")
    (tmp_path / "verdicts.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(WorkspaceError, match=r"cannot be read.*Run the scan again"):
        query.counts()


def test_without_signals_metadata_and_decisions(tmp_path: Path) -> None:
    frame = world(tmp_path, 50)
    query = SampleQuery(tmp_path / "dataset.parquet", tmp_path / "verdicts.parquet", tmp_path / "nothing.parquet")
    assert query.counts().by_state == {"undecided": 50}
    assert query.ids(Filter(state="decided")) == []
    assert query.ids(Filter(text="remark")) == []
    assert query.ids(Filter(text="img/0004")) == frame["sample_id"].tolist()[40:]


# --- URLs -------------------------------------------------------------------------------------------------------

words = st.text(st.characters(codec="utf-8"), max_size=6)
many = st.lists(words, max_size=3, unique=True).map(tuple)
number = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        Filter,
        verdicts=st.sampled_from([(), ("ood",), ("clean", "hard")]),
        classes=many,
        splits=many,
        clusters=st.lists(st.integers(-1, 99), max_size=3).map(tuple),
        state=st.sampled_from(list(STATES)),
        scores=st.dictionaries(
            st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.tuples(st.none() | number, st.none() | number)
        ),
        text=words,
        polygon=st.none() | st.lists(st.tuples(number, number), min_size=3, max_size=6).map(tuple),
        ids=st.none() | st.lists(words.filter(bool), max_size=3, unique=True).map(tuple),
        pair=st.none() | st.tuples(words, words),
        duplicate_group=st.none() | st.integers(0, 9),
    )
)
def test_a_filter_survives_the_way_through_a_url(f: Filter) -> None:
    assert Filter.from_query({**f.to_query(), "page": "review"}) == f
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in f.to_query().items())


def test_a_filter_is_a_value() -> None:
    f = Filter(verdicts=["ood", "ood"], scores={"ood": [0.5, None]}, clusters=["3"])  # type: ignore[arg-type]
    assert f == Filter(verdicts=("ood",), scores={"ood": (0.5, None)}, clusters=(3,))
    assert hash(f) == hash(Filter(verdicts=("ood",), clusters=(3,)))
    assert f.active
    assert not Filter().active


# --- polygons ---------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=9),
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), max_size=30),
)
def test_any_polygon_follows_the_even_odd_rule(polygon: list[tuple[int, int]], points: list[tuple[int, int]]) -> None:
    """Small integers, so that corners, edges and points often coincide."""
    frame = pd.DataFrame(points, columns=["x", "y"], dtype=float)
    found = PointIndex(frame["x"].to_numpy(), frame["y"].to_numpy()).inside(polygon)
    assert found.tolist() == inside(frame, polygon).tolist()


def test_a_lasso_over_a_million_points_is_quick() -> None:
    rng = np.random.default_rng(0)
    points = PointIndex(rng.normal(size=1_000_000).astype(np.float32), rng.normal(size=1_000_000).astype(np.float32))
    angle = np.linspace(0, 2 * np.pi, 500)
    radius = 1 + 0.2 * np.sin(40 * angle)
    polygon = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).tolist()
    begin = time.process_time()
    share = points.inside(polygon).mean()
    assert time.process_time() - begin < 0.3
    assert 0.38 < share < 0.42  # the plane's normal mass within r = 1 is 1 − e^−½ = 0.393


# --- at once ----------------------------------------------------------------------------------------------------


def test_threads_share_one_query(frame: pd.DataFrame, query: SampleQuery) -> None:
    wanted = [reference(frame, f)["sample_id"].tolist() for f in FILTERS]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(query.ids, FILTERS * 3))
    assert found == wanted * 3


def test_decisions_are_looked_at_anew_for_each_question(tmp_path: Path) -> None:
    frame = world(tmp_path, 40)
    tables = iter([decided(frame).slice(0, 0), decided(frame)])
    query = SampleQuery(tmp_path / "dataset.parquet", tmp_path / "verdicts.parquet", state=lambda: next(tables))
    assert len(query.ids(Filter(state="decided"))) == 0
    assert len(query.ids(Filter(state="decided"))) == 8


def test_counts_of_an_empty_workspace(tmp_path: Path) -> None:
    world(tmp_path, 1)
    for name in ("dataset", "verdicts"):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    query = SampleQuery(tmp_path / "dataset.parquet", tmp_path / "verdicts.parquet")
    assert query.counts() == Counts(0, 0, by_kind=dict.fromkeys(KINDS, 0))
    assert query.ids(Filter(polygon=STAR)) == []


def test_a_workspace_closes_its_connection_and_a_late_question_opens_another(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws) as ws:
        query = ws.query
        total = query.counts().total
        assert "_connection" in vars(query)
        ws._generation = "another scan's"
        ws.sync()
        assert "_connection" not in vars(query)
        assert ws.query is not query
        assert query.counts().total == total  # a thread that held the object when the scan changed
        query.close()
        later = ws.query
        later.counts()
    assert "_connection" not in vars(later)
