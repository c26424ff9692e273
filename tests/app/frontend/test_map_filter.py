"""The map greys exactly what the engine leaves out, for every key of a filter: one real workspace, asked by both."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from winnow.app.components.theme import ASSETS
from winnow.app.session import filters
from winnow.core import Filter, QueryError, Workspace

KEYS = {
    "verdicts": "verdicts=noisy_label,clean",
    "kinds": "kinds=noisy_label,duplicate",
    "classes": "classes=digit 3,",
    "suggested": "suggested=digit 0,",
    "splits": "splits=test",
    "sources": "sources=elsewhere",
    "clusters": "clusters=0,-1",
    "label_sources": "label_sources=person,propagated&score.label_probability=..0.95",
    "state": "state=decided&verdicts=noisy_label,clean",
    "scores": "score.noisy_label=0.1..0.9&score.ood=..0.8",
    "text": "text=S00",
    "polygon": "polygon={left},-1e6;{left},1e6;{middle},1e6;{middle},-1e6",
    "ids": "",
    "pair": "pair=digit 1,digit 2",
    "duplicate_group": "duplicate_group=0",
    "pick": "pick=thirty",
    "strict": "strict=0.2&verdicts=noisy_label",
    "find": "find=s01",
    "like": "like=s003",
    "file": "file=0123456789abcdef",
    "without": "like=s003&without=s01",
    "metadata": "meta.note=contains:n1",
}
"""A query for every field of a filter; ``ids`` never stand in a URL."""

OF_TAGS = {"tags_any": "rain,food", "tags_all": "rain,food", "tags_none": "rain", "tag_edits": "+,-food"}
"""The fields about tags, of which the browser has no colouring: it asks the server for the rows."""

SCRIPT = """
import { readFileSync } from "node:fs";
const { mask } = await import(process.argv[1]);
const world = JSON.parse(readFileSync(0, "utf8"));
const numbers = (values) => Float32Array.from(values, (v) => v ?? NaN);
const out = {};
for (const query of Object.keys(world.members)) {
  const colours = async (name) => {
    const { names, array } = world.colours[name];
    return { head: { names }, array: numbers(array) };
  };
  const members = async () => ({ array: world.members[query] });
  out[query] = [...(await mask(world.schema, query, numbers(world.xy), colours, members)).mask];
}
console.log(JSON.stringify(out));
"""


def plain(values: Any) -> list[Any]:
    """Numbers for JSON, NaN as null."""
    return [None if v != v else v for v in np.asarray(values).ravel().tolist()]


@pytest.fixture
def ws(tiny_ws: Path) -> Iterator[Workspace]:
    (tiny_ws / "searches").mkdir()
    np.save(tiny_ws / "searches" / "0123456789abcdef.npy", np.ones(64, np.float32))
    with Workspace.open(tiny_ws, actor="ada") as opened:
        ids = opened.ids(Filter(classes=("digit 1",)))
        opened.decide_many(ids[:6], "relabel", label="digit 3")
        opened.decide_many(ids[6:9], "exclude")
        opened.decide_many(opened.ids(Filter(pair=("digit 1", "digit 2")))[:2], "accept")
        probability = {f"s{100 + i:03d}": 0.9 + i / 100 for i in range(10)}
        items = [
            {"sample_id": i, "action": "relabel", "label": "digit 4", "batch_id": "b", "source": propagated(p)}
            for i, p in probability.items()
        ]
        opened._recorder.append(items, "ada")
        yield opened


def propagated(p: float) -> dict[str, Any]:
    return {"propagated": {"probability": p, "generation": 1}}


def masks(ws: Workspace, queries: list[str]) -> dict[str, list[int]]:
    """What the browser's module says of each query."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the browser's half of this test did not run")
    colours = {}
    names = {"verdict", "label", "suggested_label", "split", "source", "cluster", "decision", "noisy_label", "ood"}
    for name in names | {"label_source", "label_probability"}:
        drawn = ws.colours(name)
        colours[name] = {"names": drawn.names, "array": plain(drawn.values if drawn.codes is None else drawn.codes)}
    members = {query: ws.query.numbers(filters.from_query(query)).tolist() for query in queries}
    world = {"schema": filters.browser_schema(), "xy": plain(ws.points().xy), "colours": colours, "members": members}
    command = [node, "--input-type=module", "-e", SCRIPT, "--", (ASSETS / "map" / "filter.js").as_uri()]
    done = subprocess.run(command, input=json.dumps(world), capture_output=True, text=True, timeout=120, check=False)
    assert not done.returncode, done.stderr
    found: dict[str, list[int]] = json.loads(done.stdout)
    return found


def test_the_map_shows_what_the_engine_counts_for_every_key(ws: Workspace) -> None:
    assert list(KEYS) == [field.name for field in fields(Filter) if field.name not in OF_TAGS]
    x = ws.points().xy[:, 0]
    bounds = {"left": float(np.nanmin(x)) - 1, "middle": float(np.nanmedian(x))}
    queries = {key: text.format(**bounds) for key, text in KEYS.items() if text}
    shown = masks(ws, list(queries.values()))
    counted = {key: ws.query.numbers(filters.from_query(query)).tolist() for key, query in queries.items()}
    assert max(map(len, counted.values())) < ws.info().n, "a query that keeps everything says nothing"
    assert {key: np.flatnonzero(shown[query]).tolist() for key, query in queries.items()} == counted


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(QueryError, match="state"):
        filters.from_query("state=elsewhere")


def test_of_tags_the_map_asks_the_server(tagged_ws: Path, tiny_ws: Path) -> None:
    assert {filters.browser_schema()[name]["how"] for name in OF_TAGS} == {"server"}
    with Workspace.open(tagged_ws) as ws:
        for name, text in OF_TAGS.items():
            assert 0 < ws.query.matching(filters.from_query(f"{name}={text}")) < ws.info().n
    with Workspace.open(tiny_ws) as ws, pytest.raises(QueryError, match="no tags"):
        ws.query.matching(filters.from_query("tags_any=rain"))
