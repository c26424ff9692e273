"""The map's clusters and colours, beside the plain way to find them: one sample at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from winnow.core.explore.map import NO_CODE
from winnow.core.features.cluster_names import load_names
from winnow.core.storage.layout import Layout
from winnow.core.workspace import Workspace


@pytest.fixture
def ws(tiny_ws: Path) -> Iterator[Workspace]:
    with Workspace.open(tiny_ws, actor="ada") as opened:
        ids = opened.ids()
        opened.decide(ids[0], "relabel", label="digit 3")
        opened.decide(ids[7], "exclude")
        opened.decide(ids[9], "accept")
        yield opened


@pytest.fixture
def merged(ws: Workspace) -> Workspace:
    """The same after two classes became one and another one was deleted."""
    ws.class_editor.merge("digit 1", "digit 2", actor=ws.actor)
    ws.class_editor.delete("digit 0", actor=ws.actor)
    return ws


def table(ws: Workspace) -> pd.DataFrame:
    return pd.read_parquet(Path(ws.path) / "verdicts.parquet")


def plain_clusters(ws: Workspace, column: str, level: str) -> list[dict[str, Any]]:
    frame, now, names = table(ws), ws.labels(), load_names(Layout(Path(ws.path)))[level]
    xy = np.load(Path(ws.path) / "projection.npy")
    out = []
    for c in range(int(frame[column].max()) + 1):
        rows = [i for i in range(len(frame)) if frame[column][i] == c and np.isfinite(xy[i]).all()]
        if not rows:
            continue
        labels = Counter(now[i] for i in rows if now[i] is not None)
        said = names.get(c, {})
        own = said.get("how") in ("texts", "words") or (said and not labels)
        place = {"x": float(np.median(xy[rows, 0])), "y": float(np.median(xy[rows, 1]))}
        name = {str(said["name"])} if own else {n for n, k in labels.items() if k == max(labels.values())}
        out.append({"cluster": c, "name": name or {f"cluster {c}"}, **place, "size": len(rows)})
    return out


@pytest.mark.parametrize("which", ["ws", "merged"])
def test_clusters_have_the_middle_size_and_name_of_their_points(which: str, request: pytest.FixtureRequest) -> None:
    opened: Workspace = request.getfixturevalue(which)
    points = opened.points()
    for found, column, level in ((points.clusters, "cluster", "coarse"), (points.fine, "cluster_fine", "fine")):
        wanted = plain_clusters(opened, column, level)
        assert len(found) == len(wanted) > 1
        for one, other in zip(found, wanted, strict=True):
            assert one["name"] in other["name"]
            assert {k: one[k] for k in ("cluster", "x", "y", "size")} == {k: v for k, v in other.items() if k != "name"}
    frame = table(opened)
    for one in points.fine:
        coarse = Counter(frame["cluster"][(frame["cluster_fine"] == one["cluster"]) & (frame["cluster"] >= 0)])
        assert coarse[one["within"]] == max(coarse.values())


@pytest.mark.parametrize("which", ["ws", "merged"])
@pytest.mark.parametrize("name", ["label", "given_label", "suggested_label", "split", "cluster", "decision", "verdict"])
def test_every_point_has_the_colour_of_its_value(which: str, name: str, request: pytest.FixtureRequest) -> None:
    opened: Workspace = request.getfixturevalue(which)
    colours = opened.colours(name)
    assert colours.codes is not None
    assert colours.names is not None
    rows = opened.rows(limit=10_000)
    decided = {i: next(iter(d.values())).action.value for i, d in opened.current().items()}
    now = dict(zip(opened.ids(), opened.labels(), strict=True))
    means: dict[Any, str | None] = {} if which == "ws" else {"digit 1": "digit 2", "digit 0": None}
    suggested = [None if pd.isna(v) else means.get(v, v) for v in table(opened)["suggested_label"]]
    seen = set()
    for row, code in zip(rows, colours.codes.tolist(), strict=True):
        value = {
            "label": now[row["sample_id"]],
            "given_label": row["label"],
            "suggested_label": suggested[row["row"]],
            "decision": decided.get(row["sample_id"]),
            "verdict": "settled" if row["sample_id"] in decided else row["verdict"],
        }.get(name, row.get(name))
        if value is None or value == -1:
            assert code == NO_CODE
        else:
            assert colours.names[code] == str(value)
            seen.add(str(value))
    assert seen == set(colours.names)
