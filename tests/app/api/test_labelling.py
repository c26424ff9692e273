"""The routes of Label and Audit on a real workspace, one of whose classes has lost its samples' labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from winnow.app.server import state as states
from winnow.app.server.routes import build_routes
from winnow.app.server.security import mint_token
from winnow.core import Filter, Workspace


class Routes:
    """Asks the routes in the name of a person."""

    def __init__(self, ws: Workspace, client: TestClient, key: str) -> None:
        self.ws, self.client, self.key = ws, client, key
        token = mint_token(b"0" * 32, key, "olga")
        self.headers = {"Authorization": f"Bearer {token}", "Origin": "http://testserver"}

    def get(self, route: str, query: str) -> Any:
        return self.client.get(f"/api/{route}/{self.key}?{query}", headers=self.headers).json()

    def post(self, route: str, **body: Any) -> Any:
        answer = self.client.post(f"/api/{route}/{self.key}", json=body, headers=self.headers)
        return answer.json() | {"status": answer.status_code}

    def select(self, ids: list[str]) -> str:
        return states.server_state().keep_selection(self.key, ids)


@pytest.fixture
def routes(tiny_ws: Path, tmp_path: Path) -> Iterator[Routes]:
    with Workspace.open(tiny_ws, actor="olga") as ws:
        ws.class_editor.delete("digit 3", actor="olga")
        made = states.configure(
            states.ServerState(
                secret=b"0" * 32,
                actor="olga",
                hosts=frozenset(["testserver"]),
                opener=lambda path, actor: ws,
                directory=tmp_path / "state",
            )
        )
        key = made.add(tiny_ws)
        st.cache_data.clear()
        yield Routes(ws, TestClient(Starlette(routes=build_routes())), str(key))
        st.cache_data.clear()


def test_accepting_within_a_selection_keeps_to_the_selection(routes: Routes) -> None:
    ws = routes.ws
    ids = ws.ids(Filter(classes=("",)))
    assert len(ids) > 10
    query = f"classes=&state=undecided&sort=to_label&selection={routes.select(ids[:6])}"
    estimate = routes.get("labelling", f"{query}&threshold=0")["estimate"]
    assert estimate["count"] == estimate["of"] <= 6
    done = routes.post("propagate", threshold=0.0, expect=estimate["count"], filter=query)
    assert (done["status"], done["count"]) == (200, estimate["count"])
    labelled = set(ids) - set(ws.ids(Filter(classes=("",))))
    assert labelled
    assert labelled <= set(ids[:6])
    assert ws.ids(Filter(label_sources=("propagated",))) == [i for i in ws.ids() if i in labelled]


def test_a_selection_gets_one_label_without_its_outliers(routes: Routes) -> None:
    ws = routes.ws
    ids = ws.ids(Filter(classes=("",)))
    fits, outliers = ws.labeller.alike(ids)
    query = f"classes=&state=undecided&selection={routes.select(ids)}"
    assert routes.get("labelling", query)["group"] == {"count": len(fits), "outliers": len(outliers)}
    assert routes.get("labelling", "classes=")["group"] is None, "all without a label are no group"
    refused = routes.post("label-group", label="three", expect=len(fits), filter="classes=")
    assert refused["status"] == 400
    assert "no group" in refused["error"]
    late = routes.post("label-group", label="three", expect=len(fits) + 1, filter=query)
    assert (late["status"], late["count"]) == (409, len(fits))
    done = routes.post("label-group", label="three", expect=len(fits), filter=query, batch_id="b")
    assert (done["count"], done["outliers"]) == (len(fits), len(outliers))
    assert sorted(ws.ids(Filter(classes=("three",)))) == sorted(fits)
    assert routes.post("undo", batch_id="b")["count"] == len(fits)


def test_classes_are_typed_before_any_sample_has_one(routes: Routes) -> None:
    answer = routes.post("classes", names=["fox", " owl ", "Fox", "x" * 10_000, "digit 3"])
    assert answer["added"] == ["fox", "owl"]
    assert len(answer["refused"]) == 3
    assert "differs from it only in case" in answer["refused"][0]
    assert "10,000 characters" in answer["refused"][1]
    assert "deleted" in answer["refused"][2]
    assert {"fox", "owl"} <= set(routes.ws.classes())
    for names in ([], "fox", [1], ["x"] * 1_001):
        assert routes.post("classes", names=names)["status"] == 400


def test_the_audits_cards_are_blind_wherever_they_are_asked_for(routes: Routes) -> None:
    plan = routes.ws.audit.draw(30, actor="olga", seed=1)
    page = routes.get("cards", "sort=audit&limit=50")
    assert (page["total"], len(page["cards"])) == (30, 30)
    first = page["cards"][0]["id"]
    again = routes.get("cards", f"sort=audit&id={first}")["cards"]
    for card in (*page["cards"], *again):
        assert card["blind"]
        assert not any(card[part] for part in ("suggestions", "neighbors", "kinds", "scores", "verdict", "reason"))
    item = {"decision_id": "a" * 32, "sample_id": first, "action": "accept", "audit": plan.audit_id}
    assert routes.post("decisions", decisions=[item])["results"][0]["ok"]
    assert routes.ws.audit.report().answered == 1
    rest = routes.get("cards", "sort=audit&limit=50")
    assert first not in [c["id"] for c in rest["cards"]]
    reordered = routes.get("cards", f"sort=audit&queue={rest['queue']}&cursor=2&reorder=1&limit=50")
    assert reordered["round"] is None
    assert reordered["total"] == 29
    stale = routes.post("decisions", decisions=[{**item, "decision_id": "b" * 32, "audit": "another"}])
    assert stale["status"] == 400
