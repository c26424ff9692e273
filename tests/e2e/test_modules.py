"""The browser's modules agree with the engine: the filter's codec, points in outlines, label search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.helpers.harness import Server
from winnow.app.components.assets import asset_path
from winnow.app.session.filters import browser_schema
from winnow.core.explore.filter import Filter
from winnow.core.explore.lasso import PointIndex

pytestmark = pytest.mark.e2e

ODD = ("plain", "a,b", "back\\slash", "both\\,", "", "ünïcode, ✓", ",")


def call(page: Page, module: str, body: str, argument: Any) -> Any:
    """Run ``body`` with a module's exports as ``m`` and an argument as ``x``."""
    return page.evaluate(
        f"async ([url, x]) => {{ const m = await import(url); return (({body}))(m, x); }}",
        [f"/{asset_path(module)}", argument],
    )


@pytest.fixture
def blank(page: Page, server: Server) -> Page:
    page.goto(f"{server.url}/api/health")
    return page


def test_lists_in_a_filter_are_written_and_read_alike(blank: Page) -> None:
    written = Filter(classes=ODD).to_query()["classes"]
    assert call(blank, "map/filter.js", "(m, x) => m.join(x)", list(ODD)) == written
    assert call(blank, "map/filter.js", "(m, x) => m.split(x)", written) == list(ODD)


def test_the_mask_greys_what_the_engine_leaves_out(blank: Page) -> None:
    query = "verdicts=ood&classes=a%5C%2Cb,&score.ood=0.5..&state=undecided"
    colours = {
        "verdict": {"head": {"names": ["ood", "clean"]}, "array": [0, 0, 0, 1, 0, 0]},
        "label": {"head": {"names": ["a,b", "c"]}, "array": [0, 65535, 1, 0, 0, 0]},
        "ood": {"head": {"names": None}, "array": [0.9, 0.5, 0.9, 0.9, 0.4, 0.9]},
        "decision": {"head": {"names": ["accept"]}, "array": [65535, 65535, 65535, 65535, 65535, 0]},
    }
    body = (
        "async (m, x) => { const a = await m.mask(x.schema, x.query, new Float32Array(12), n => x.colours[n]); "
        "return [...a.mask]; }"
    )
    assert call(blank, "map/filter.js", body, {"schema": browser_schema(), "query": query, "colours": colours}) == [
        1,
        1,
        0,
        0,
        0,
        0,
    ]
    body = (
        "async (m, x) => "
        "[...(await m.mask(x, 'kinds=hard', new Float32Array(6), null, async () => ({array: [0, 2]}))).mask]"
    )
    assert call(blank, "map/filter.js", body, browser_schema()) == [1, 0, 1]  # only the server can answer that


def test_points_in_outlines_agree(blank: Page) -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(-1, 1, (500, 2))
    for corners in (3, 7, 40):
        ring = rng.uniform(-1, 1, (corners, 2))
        engine = PointIndex(points[:, 0], points[:, 1]).inside(ring.tolist())
        browser = call(
            blank,
            "map/geometry.js",
            "(m, x) => x.points.map(p => m.inRing(p[0], p[1], x.ring))",
            {"points": points.tolist(), "ring": ring.tolist()},
        )
        assert browser == engine.tolist()


def test_the_point_under_the_pointer_is_the_nearest(blank: Page) -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(400, 2))
    points[17] = np.nan
    asked = rng.normal(size=(50, 2))
    body = """(m, x) => { const g = new m.PointGrid(Float32Array.from(x.points.flat().map(v => v ?? NaN)));
        return x.asked.map(p => g.nearest(p[0], p[1], .2, .2, () => true)); }"""
    plain = [[None if v != v else v for v in p] for p in points.tolist()]
    found = call(blank, "map/geometry.js", body, {"points": plain, "asked": asked.tolist()})
    for place, got in zip(asked, found, strict=True):
        distance = np.linalg.norm(points - place, axis=1)
        best = int(np.nanargmin(distance))
        assert got == (best if distance[best] < 0.2 else -1)


def test_cells_of_the_grid_hold_what_a_window_and_an_outline_hold(blank: Page) -> None:
    rng = np.random.default_rng(6)
    points = rng.normal(size=(3000, 2)).astype(np.float32)
    points[5] = np.nan
    plain = [[None if v != v else float(v) for v in p] for p in points]
    body = """(m, x) => { const g = new m.PointGrid(Float32Array.from(x.points.flat().map(v => v ?? NaN)));
        const held = (ring) => { const out = []; g.inside(ring, (i) => out.push(i)); return out.sort((a, b) => a - b);
        }; const within = []; g.within(x.window, (i) => within.push(i));
        return [x.rings.map(held), within.sort((a, b) => a - b)]; }"""
    turn = np.linspace(0, 2 * np.pi, 60)
    rings = [
        rng.uniform(-3, 3, (9, 2)),
        np.stack([0.4 * np.cos(turn), 1.7 * np.sin(turn)], 1),
        np.array([[-9, -9], [9, -9], [9, 9], [-9, 9]]),
        np.array([[8, 8], [9, 8], [9, 9]]),
        points[10:14].astype(float),
    ]
    window = {"x0": -0.5, "x1": 1.25, "y0": -2.0, "y1": 0.75}
    index = PointIndex(points[:, 0], points[:, 1])
    found, within = call(
        blank, "map/geometry.js", body, {"points": plain, "rings": [r.tolist() for r in rings], "window": window}
    )
    for ring, held in zip(rings, found, strict=True):
        assert held == np.flatnonzero(index.inside(ring.tolist())).tolist()
    x, y = points.T
    assert within == np.flatnonzero((x >= -0.5) & (x <= 1.25) & (y >= -2) & (y <= 0.75)).tolist()


def test_of_too_many_points_those_with_problems_are_drawn_and_all_are_counted(blank: Page) -> None:
    rng = np.random.default_rng(7)
    n = 4000
    points, rank = rng.uniform(0, 1, (n, 2)).astype(np.float32), (rng.random(n) < 0.1) * 2
    state = np.where(rng.random(n) < 0.05, 0, 2)
    state[:40] = 1
    body = """async (m, x) => { const { PointGrid } = await import(x.geometry);
        const g = new PointGrid(Float32Array.from(x.points.flat()));
        const [state, rank] = [Uint8Array.from(x.state), Uint8Array.from(x.rank)];
        const whole = { x0: 0, x1: 1, y0: 0, y1: 1 };
        const few = m.sample(g, whole, state, rank, 1000, 500), all = m.sample(g, whole, state, rank, 5000, 500);
        const table = new Uint8Array(768).fill(200);
        const { counts, rgba } = m.picture(g, whole, 20, 10, state, { slots: new Uint8Array(state.length), table,
        grey: [0, 0, 0] });
        return [[...few.rows], few.all, few.count, [...all.rows], all.all, [...counts], [...rgba]]; }"""
    asked = {
        "points": points.tolist(),
        "rank": rank.tolist(),
        "state": state.tolist(),
        "geometry": f"/{asset_path('map/geometry.js')}",
    }
    few, is_all, count, every, all_drawn, counts, rgba = call(blank, "map/density.js", body, asked)
    assert (is_all, all_drawn, count) == (False, True, int((state > 0).sum()))
    problems = set(np.flatnonzero((rank == 2) & (state == 2)).tolist())
    assert len(few) == 500
    assert problems <= set(few)
    assert sorted(every) == np.flatnonzero(state > 0).tolist()
    ranks = (rank[every] > 0).tolist()
    assert ranks == sorted(ranks)  # problems on top
    expected, *_ = np.histogram2d(1 - points[state > 0, 1], points[state > 0, 0], [10, 20], [[0, 1], [0, 1]])
    assert np.array(counts).reshape(10, 20).astype(int).tolist() == expected.astype(int).tolist()
    alpha = np.array(rgba).reshape(200, 4)[:, 3]
    assert ((alpha > 0) == (np.array(counts) > 0)).all()
    assert alpha.argmax() in np.flatnonzero(np.array(counts) == max(counts))


def test_a_thinned_outline_keeps_its_shape(blank: Page) -> None:
    angle = np.linspace(0, 2 * np.pi, 400)
    ring = np.stack([100 * np.cos(angle), 100 * np.sin(angle)], 1)
    thin = np.array(call(blank, "map/geometry.js", "(m, x) => m.simplify(x, 0.7)", ring.tolist()))
    assert len(thin) < 60
    radius = np.linalg.norm((thin[:-1] + thin[1:]) / 2, axis=1)
    assert radius.min() > 99.2


def test_label_search_puts_the_likeliest_first(blank: Page) -> None:
    names = [f"class {i}" for i in range(1000)] + ["cat", "caterpillar", "wild cat", "scatter", "c-a-t"]
    body = "(m, x) => m.rank(x.names.map(name => ({name})), x.query, x.likely).map(([l]) => l.name).slice(0, x.n)"
    found = call(blank, "lib/picker.js", body, {"names": names, "query": "cat", "likely": [], "n": 5})
    assert found == ["cat", "caterpillar", "wild cat", "scatter", "c-a-t"]
    found = call(blank, "lib/picker.js", body, {"names": names, "query": "", "likely": ["class 7", "class 3"], "n": 2})
    assert found == ["class 7", "class 3"]
    found = call(blank, "lib/picker.js", body, {"names": names, "query": "class 99", "likely": [], "n": 3})
    assert found[0] == "class 99"


@pytest.mark.parametrize("sizes", [[7], [1, 5, 12, 3], [4] * 30])
def test_every_tile_has_a_place_and_every_place_its_tile(blank: Page, sizes: list[int]) -> None:
    body = """(m, sizes) => {
      const s = new m.Shelves(sizes.map((count, i) => ({name: String(i), count})));
      s.lay(3, 100, 30, 8);
      const places = Array.from({length: s.total}, (_, i) => ({...s.place(i), section: s.sectionOf(i), down:
      s.beside(i, 1), up: s.beside(i, -1)}));
      const views = [];
      for (let y = -50; y < s.height; y += 37) views.push([y, s.window(y, y + 250)]);
      return {places, views, height: s.height};
    }"""
    got = call(blank, "gallery/shelves.js", body, sizes)
    y, expected, heads = 8, [], []
    for section, n in enumerate(sizes):
        heads.append((y, section))
        for k in range(n):
            expected.append((k % 3, y + 30 + 100 * (k // 3), section))
        y += 30 + 100 * -(-n // 3)
    assert [(p["column"], p["y"], p["section"]) for p in got["places"]] == expected
    assert got["height"] == y
    for top, view in got["views"]:
        seen = [i for i, (_, at, _) in enumerate(expected) if at + 100 > top and at < top + 250]
        if seen:
            assert view["first"] <= seen[0]
            assert view["last"] > seen[-1]
        assert {s for at, s in heads if at + 30 > top and at < top + 250} <= set(view["heads"])
    for i, place in enumerate(got["places"]):
        for step, other in ((1, place["down"]), (-1, place["up"])):
            there = expected[other]
            assert other == i or (there[1] - expected[i][1]) * step > 0  # a line further on, or at the end
            assert there[0] <= expected[i][0]


def test_texts_are_marked_as_text(blank: Page) -> None:
    text = "Ärger & <b>pay</b> taxes, PAY"
    marks = {"words": [["pay", 3.2], ["ärger", -2.5]], "given": "a", "toward": "<i>b</i>", "differs": [4]}
    body = """(m, x) => { const box = document.createElement("p"); box.append(...m.markedText(x[0], x[1]));
      return [box.textContent, [...box.children].map(c => [c.tagName, c.className, c.textContent])]; }"""
    shown, found = call(blank, "review/marks.js", body, [text, marks])
    assert shown == text
    assert found == [
        ["MARK", "against", "Ärger"],
        ["MARK", "for", "pay"],
        ["MARK", "differs", "taxes"],
        ["MARK", "for", "PAY"],
    ]
