"""The browser's modules agree with the engine: the filter's codec, points in outlines, label search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import Server
from playwright.sync_api import Page

from winnow.app.widgets.assets import asset_path
from winnow.core.filter import Filter
from winnow.core.polygon import PointIndex

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
    body = "async (m, x) => { const a = await m.mask(x.query, new Float32Array(12), n => x.colours[n]); return [[...a.mask], a.whole]; }"
    assert call(blank, "map/filter.js", body, {"query": query, "colours": colours}) == [[1, 1, 0, 0, 0, 0], True]
    body = "async (m, x) => (await m.mask('kinds=hard', new Float32Array(4), null)).whole"
    assert call(blank, "map/filter.js", body, None) is False


def test_points_in_outlines_agree(blank: Page) -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(-1, 1, (500, 2))
    for corners in (3, 7, 40):
        ring = rng.uniform(-1, 1, (corners, 2))
        engine = PointIndex(points[:, 0], points[:, 1]).inside(ring.tolist())
        browser = call(
            blank, "map/geometry.js", "(m, x) => x.points.map(p => m.inRing(p[0], p[1], x.ring))",
            {"points": points.tolist(), "ring": ring.tolist()},
        )  # fmt: skip
        assert browser == engine.tolist()


def test_the_point_under_the_pointer_is_the_nearest(blank: Page) -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(400, 2))
    points[17] = np.nan
    asked = rng.normal(size=(50, 2))
    body = """(m, x) => { const g = new m.PointGrid(Float32Array.from(x.points.flat().map(v => v ?? NaN)));
        return x.asked.map(p => g.nearest(p[0], p[1], .2, .2, new Uint8Array(x.points.length).fill(1))); }"""
    plain = [[None if v != v else v for v in p] for p in points.tolist()]
    found = call(blank, "map/geometry.js", body, {"points": plain, "asked": asked.tolist()})
    for place, got in zip(asked, found, strict=True):
        distance = np.linalg.norm(points - place, axis=1)
        best = int(np.nanargmin(distance))
        assert got == (best if distance[best] < 0.2 else -1)


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
