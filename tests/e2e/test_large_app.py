"""The app's questions on 100,000 samples, in processor time: what must stay quick whatever else the computer does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.helpers.enlarge import enlarge
from winnow.app.server import state as states
from winnow.app.server.routes import build_routes
from winnow.app.server.security import mint_token
from winnow.core.explore.query import Filter
from winnow.core.storage.id_set import IdSet

N = 100_000
UPSTREAM = 50 * 1024
CORNERS = 300
"""Of a lasso, after thinning: more than hands draw."""


@dataclass
class App:
    """The routes on a large workspace, and the processor time that each question took."""

    client: TestClient
    workspace: Any
    app_state: states.ServerState
    key: str
    token: dict[str, str]
    took: dict[str, float] = field(default_factory=dict)

    def timed(self, name: str, ask: Callable[[], Any], budget: float) -> Any:
        begin = time.process_time()
        answer = ask()
        self.took[name] = time.process_time() - begin
        assert self.took[name] <= budget, f"{name}: {self.took[name]:.2f} s of processor, allowed are {budget} s"
        return answer

    def get(self, path: str) -> Any:
        answer = self.client.get(f"/api/{path}", headers=self.token)
        assert answer.status_code == 200, answer.text
        return answer

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.client.post(f"/api/{path}", json=body, headers=self.token)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def large(scanned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enlarge(scanned, tmp_path_factory.mktemp("large") / "large.winnow", N)


@pytest.fixture
def app(large: Path, tmp_path: Path) -> Iterator[App]:
    server = states.configure(
        states.ServerState(secret=b"0" * 32, actor="ada", hosts=frozenset(["testserver"]), directory=tmp_path)
    )
    key = server.add(large)
    token = {"Authorization": f"Bearer {mint_token(server.secret, key, 'ada')}", "Origin": "http://testserver"}
    with TestClient(Starlette(routes=build_routes())) as client:
        yield App(client, server.workspace(key), server, key, token)
    server.workspace(key).close()


def ring(app: App) -> list[list[float]]:
    """A wobbly lasso around the middle of the map."""
    xy = app.workspace.points().xy
    (x, y), (dx, dy) = np.nanmedian(xy, 0), np.nanstd(xy, 0)
    turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    reach = 0.8 + 0.2 * np.sin(17 * turn)
    return np.column_stack([x + dx * reach * np.cos(turn), y + dy * reach * np.sin(turn)]).tolist()


def test_pages_and_counts(app: App) -> None:
    app.timed("first counts", lambda: app.workspace.counts(Filter()), 0.8)
    app.timed("counts", lambda: app.workspace.counts(Filter(classes=("digit 3",))), 0.3)
    tiles = app.timed(
        "filter to first tiles", lambda: app.get(f"rows/{app.key}?verdicts=noisy_label&limit=60").json(), 0.5
    )
    assert len(tiles["rows"]) == 60
    assert tiles["total"] == app.workspace.counts(Filter(verdicts=("noisy_label",))).matching
    assert app.workspace.query.matching(Filter(verdicts=("noisy_label",))) == tiles["total"]


def test_from_a_lasso_to_its_gallery(app: App) -> None:
    asked = {"polygons": [{"op": "add", "points": ring(app)}], "filter": ""}
    assert len(json.dumps(asked)) <= UPSTREAM
    app.timed("index of the points", lambda: app.workspace.query.outlined([], Filter()), 1.0)
    answer = app.timed("membership", lambda: app.post(f"inside/{app.key}", asked), 0.5)
    x, y = app.workspace.points().xy.T
    inside = app.workspace.inside([asked["polygons"][0]["points"]])
    assert answer["count"] == len(inside) > N / 50
    assert sum(answer["by_verdict"].values()) == answer["count"]
    assert set(inside) <= set(app.workspace.points().ids[np.isfinite(x) & np.isfinite(y)])
    tiles = app.timed(
        "gallery of it", lambda: app.get(f"rows/{app.key}?selection={answer['selection']}&limit=60").json(), 0.6
    )
    assert tiles["total"] == answer["count"]
    assert len(tiles["rows"]) == 60
    kept = app.app_state.selection(app.key, answer["selection"])
    assert isinstance(kept, IdSet)
    assert kept.nbytes < 60 * len(kept)
    more = app.post(
        f"inside/{app.key}",
        {**asked, "polygons": [{"op": "subtract", "points": ring(app)}], "base": answer["selection"]},
    )
    assert more["count"] == 0


def test_the_map_travels_as_bytes(app: App) -> None:
    points = app.timed("points", lambda: app.get(f"points/{app.key}"), 1.0)
    assert len(points.content) < 8 * N + 20_000
    app.timed("points again", lambda: app.get(f"points/{app.key}"), 0.2)
    colours = app.timed("colours", lambda: app.get(f"colours/{app.key}/verdict"), 0.4)
    assert len(colours.content) < N + 2_000
    app.timed("one point", lambda: app.get(f"point/{app.key}/77?g={app.workspace.info().generation}"), 1.5)


def test_a_decision_and_the_next_card(app: App) -> None:
    queue = app.timed("queue of everything", lambda: app.get(f"cards/{app.key}?limit=20").json(), 1.5)
    assert queue["total"] == N
    sample = queue["cards"][0]["id"]
    decision = {"decisions": [{"decision_id": "one", "sample_id": sample, "action": "accept"}]}
    app.timed("decision", lambda: app.post(f"decisions/{app.key}", decision), 0.15)
    after = f"cards/{app.key}?limit=20&queue={queue['queue']}&cursor=20"
    nxt = app.timed("next cards", lambda: app.get(after).json(), 0.3)
    assert {c["id"] for c in nxt["cards"]}.isdisjoint(c["id"] for c in queue["cards"])
    assert app.workspace.counts(Filter()).by_state["accept"] == 1
    app.workspace.undo(actor="ada")
