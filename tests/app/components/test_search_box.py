"""The search box: what its words mean, and the routes behind it."""

from __future__ import annotations

import base64

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from winnow.app.components.search_box import parse, written
from winnow.app.server.routes import build_routes
from winnow.app.server.security import mint_token
from winnow.app.server.state import ServerState
from winnow.app.session import filters
from winnow.core import Filter, Workspace
from winnow.core.explore.search import Searcher

ORIGIN = {"Origin": "http://testserver"}


@pytest.fixture
def client(app_state: ServerState) -> TestClient:
    return TestClient(Starlette(routes=build_routes()))


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("a red car but not at night", ("a red car", "at night")),
        ("not blurred", ("", "blurred")),
        ("nothing but notes", ("nothing but notes", "")),
        ("  ", ("", "")),
    ],
)
def test_words_say_what_is_wanted_and_what_not(words: str, meant: tuple[str, str]) -> None:
    assert parse(words) == meant
    assert parse(written(Filter(find=meant[0], without=meant[1]))) == meant


def test_a_search_is_part_of_the_link_and_has_chips() -> None:
    flt = Filter(find="a & b", like="s/1", file="f0", without="c", classes=("x",))
    assert filters.from_query(filters.to_query(flt)) == flt
    assert [name for _, name, _ in filters.chips(flt)] == ["classes", "find", "like", "file", "without"]
    assert filters.to_review(Filter(find="x"))[1:] == ("match", False)


@pytest.fixture
def headers(app_state: ServerState) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(app_state.secret, str(app_state.first), 'ada')}"}


def test_the_route_answers_nearest_first_and_says_how(
    client: TestClient, app_state: ServerState, headers: dict[str, str]
) -> None:
    answer = client.get(f"/api/search/{app_state.first}?find=noise&limit=3", headers=headers).json()
    assert len(answer["rows"]) == 3
    assert all("noise" in row["sample_id"] for row in answer["rows"])
    found = [row["similarity"] for row in answer["rows"]]
    assert found == sorted(found, reverse=True)
    assert "full text" in answer["notice"]
    assert client.get(f"/api/search/{app_state.first}?q=noise&limit=1", headers=headers).status_code == 200
    bare = client.get(f"/api/search/{app_state.first}", headers=headers)
    assert bare.status_code == 400
    assert "needs words" in bare.json()["error"]


def test_a_file_is_brought_and_kept_under_a_handle(
    client: TestClient, app_state: ServerState, workspace: Workspace, headers: dict[str, str]
) -> None:
    def bring(data: object) -> tuple[int, dict[str, str]]:
        answer = client.post(f"/api/bring/{app_state.first}", json={"data": data}, headers={**headers, **ORIGIN})
        return answer.status_code, answer.json()

    sample = workspace.ids()[5]
    status, body = bring(base64.b64encode(workspace.image(sample)).decode())
    assert status == 200
    found = client.get(f"/api/search/{app_state.first}?file={body['file']}&limit=1", headers=headers).json()
    assert found["rows"][0]["sample_id"] == sample
    for data, said in (
        ("%%%", "did not arrive whole"),
        ("", "empty"),
        (None, "empty"),
        (base64.b64encode(b"bad").decode(), "no picture"),
    ):
        status, body = bring(data)
        assert status == 400
        assert said in body["error"]
    assert client.post(f"/api/bring/{app_state.first}", json={}, headers=ORIGIN).status_code == 401


def test_the_encoder_is_loaded_while_words_are_typed(
    client: TestClient, app_state: ServerState, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready: list[bool] = []
    monkeypatch.setattr(Searcher, "prepare", lambda self: ready.append(True))
    assert client.get(f"/api/warm/{app_state.first}", headers=headers).json() == {"ready": True}
    assert ready == [True]
