"""Routes of grouped tiles, selections with a name, thumbnails in one answer; queues and the false-discovery rate."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.app.pages.test_pages import html_of, open_page
from tests.helpers.pictures import MARKUP, samples
from winnow.app.components import sidebar
from winnow.app.pages import review
from winnow.app.server.routes import build_routes
from winnow.app.server.security import mint_token
from winnow.app.server.state import ServerState
from winnow.app.session import filters
from winnow.core import Filter, QueryError, Workspace
from winnow.core.types import PROBLEMS

ORIGIN = {"Origin": "http://testserver"}


class Client:
    """Asks as ada."""

    def __init__(self, app_state: ServerState) -> None:
        self.key = str(app_state.first)
        self.plain = TestClient(Starlette(routes=build_routes()))
        self.headers = {"Authorization": f"Bearer {mint_token(app_state.secret, self.key, 'ada')}"}

    def get(self, route: str, **params: Any) -> Any:
        head, _, tail = route.partition("/")
        return self.plain.get(f"/api/{head}/{self.key}{tail and '/' + tail}", params=params, headers=self.headers)

    def post(self, route: str, body: dict[str, Any]) -> Any:
        head, _, tail = route.partition("/")
        url = f"/api/{head}/{self.key}{tail and '/' + tail}"
        return self.plain.post(url, json=body, headers={**self.headers, **ORIGIN})


@pytest.fixture
def client(app_state: ServerState) -> Client:
    return Client(app_state)


def unframed(body: bytes, dtype: type) -> tuple[dict[str, Any], np.ndarray]:
    (length,) = struct.unpack_from("<I", body)
    return json.loads(body[4 : 4 + length]), np.frombuffer(body, dtype, offset=4 + length)


# -- groups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["label", "cluster", "verdict"])
def test_sections_are_those_of_the_rows(client: Client, by: str) -> None:
    answer = client.get("groups", group=by, splits="train").json()
    rows = client.get("rows", group=by, splits="train", sort="-noisy_label", limit=500).json()
    assert answer["total"] == rows["total"] == sum(g["count"] for g in answer["groups"])
    values = [row[by] for row in rows["rows"]]
    assert values == [g["key"] for g in answer["groups"] for _ in range(g["count"])]


def test_groups_have_names_for_people(client: Client) -> None:
    names = {g["key"]: g["name"] for g in client.get("groups", group="cluster").json()["groups"]}
    assert names[0] == "Cluster 0 · bird"
    assert names[1] == f"Cluster 1 · {MARKUP}"
    assert names[None] == "In no cluster"
    assert client.get("groups", group="x").status_code == 400


# -- saved selections -----------------------------------------------------------------------------------------------


def box(workspace: Workspace, left: float, right: float) -> list[list[float]]:
    """All of the map between two quantiles of x."""
    x0, x1 = samples(workspace)["x"].quantile([left, right])
    return [[x0, -99], [x1, -99], [x1, 99], [x0, 99]]


def inside(client: Client, workspace: Workspace) -> dict[str, Any]:
    ring = {"op": "add", "points": box(workspace, 0.25, 0.75)}
    answer: dict[str, Any] = client.post("inside", {"polygons": [ring]}).json()
    return answer | {"polygons": [ring]}


def test_a_selection_is_saved_listed_opened_by_its_link_and_deleted(client: Client, workspace: Workspace) -> None:
    made = inside(client, workspace)
    body = {"name": "Middle", "selection": made["selection"], "polygons": made["polygons"], "filter": "verdicts=ood"}
    saved = client.post("selections/save", body).json()["saved"]
    assert (saved["name"], saved["count"], saved["actor"]) == ("Middle", made["count"], "ada")
    assert client.get("selections").json()["selections"] == [saved]
    rows = client.get("rows", selection=saved["handle"], limit=500).json()
    assert rows["total"] == made["count"] > 50
    head, array = unframed(client.get("members", selection=saved["handle"]).content, np.int32)
    assert head["count"] == len(array) == made["count"]
    assert set(samples(workspace)["sample_id"][array]) == {r["sample_id"] for r in rows["rows"]}
    assert client.post("selections/delete", {"handle": saved["handle"]}).json() == {"deleted": "Middle"}
    assert client.get("rows", selection=saved["handle"]).status_code == 400
    assert client.get("selections").json()["selections"] == []


def test_outlines_of_an_older_map_are_left_out_but_the_samples_stay(
    client: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = inside(client, workspace)
    body = {"name": "Middle", "selection": made["selection"], "polygons": made["polygons"]}
    handle = client.post("selections/save", body).json()["saved"]["handle"]
    later = replace(workspace.info(), generation="later")
    monkeypatch.setattr(workspace, "info", lambda: later)
    (listed,) = client.get("selections").json()["selections"]
    assert listed["polygons"] == []
    assert client.get("rows", selection=handle).json()["total"] == made["count"]


def test_outlines_go_on_from_a_saved_selection_and_keep_within_one(client: Client, workspace: Workspace) -> None:
    made = inside(client, workspace)
    handle = client.post("selections/save", {"name": "M", "selection": made["selection"]}).json()["saved"]["handle"]
    right = box(workspace, 0.5, 1)
    less = client.post("inside", {"base": handle, "polygons": [{"op": "subtract", "points": right}]}).json()
    within = client.post("inside", {"filter": f"selection={handle}", "polygons": [{"op": "add", "points": right}]})
    assert 0 < less["count"] < made["count"]
    assert less["count"] + within.json()["count"] == made["count"]


@pytest.mark.parametrize("body", [{}, {"name": 3, "selection": "x"}, {"name": "n"}, {"name": "n", "selection": "gone"}])
def test_saving_nonsense_says_so(client: Client, body: dict[str, Any]) -> None:
    answer = client.post("selections/save", body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]


# -- thumbnails in one answer ---------------------------------------------------------------------------------------


def test_a_sprite_holds_the_same_thumbnails(client: Client, workspace: Workspace) -> None:
    ids = samples(workspace)["sample_id"].tolist()[:5]
    head, array = unframed(client.post("sprite", {"ids": ids}).content, np.uint8)
    at = 0
    for sample, size, kind in zip(ids, head["sizes"], head["types"], strict=True):
        found = workspace.thumbnail(sample)
        assert found is not None
        assert (array[at : at + size].tobytes(), head["names"][kind]) == found
        at += size
    assert at == len(array)


def test_a_sprite_serves_only_pictures(client: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "thumbnail", lambda _: (b"<svg onload='alert(1)'/>", "image/svg+xml"))
    head, array = unframed(
        client.post("sprite", {"ids": samples(workspace)["sample_id"].tolist()[:2]}).content, np.uint8
    )
    assert head["sizes"] == [0, 0]
    assert len(array) == 0


@pytest.mark.parametrize("ids", [None, "abc", [1], ["x"] * 401])
def test_a_sprite_of_nonsense_is_refused(client: Client, ids: Any) -> None:
    assert client.post("sprite", {"ids": ids}).status_code == 400


# -- queues and the false-discovery rate -----------------------------------------------------------------------------


def test_the_queues_page_counts_what_its_links_hold(app_state: ServerState, workspace: Workspace) -> None:
    text = html_of(open_page("queues"))
    assert "Top 30" in text
    assert "pick=thirty" in text
    n = workspace.counts(Filter(verdicts=("ood",), state="undecided")).matching
    assert f"<b>{n}</b>" in text
    assert "Cluster 0 · bird" in text
    assert escape(MARKUP) in text


def test_a_queue_with_nothing_in_it_is_no_link(app_state: ServerState, workspace: Workspace) -> None:
    sample = samples(workspace)["sample_id"][0]
    assert "state=disputed" not in html_of(open_page("queues"))
    workspace.decide(sample, "accept", actor="ada")
    workspace.decide(sample, "exclude", actor="bob")
    assert "state=disputed" in html_of(open_page("queues"))


def test_what_review_goes_through() -> None:
    assert review.queue_of(Filter(), None, None)[1] == "flagged"
    picked, _, _ = filters.to_review(Filter(pick="thirty"))
    assert picked == Filter(pick="thirty", state="undecided")
    assert filters.to_review(Filter(pick="doubt"))[1] == "pick"
    disputed, sort, flagged = filters.to_review(Filter(state="disputed"))
    assert (disputed, sort, flagged) == (Filter(state="disputed"), "-confidence", False)
    assert filters.to_review(Filter(verdicts=("ood",), strict=0.1))[1] == "-ood"
    assert filters.to_review(Filter(strict=0.1))[1] == "-suspicion"


def test_the_false_discovery_rate_acts_where_problems_are_listed() -> None:
    assert sidebar.flagged_by("gallery", Filter(), None) is None
    assert sidebar.flagged_by("gallery", Filter(verdicts=("clean",)), None) is None
    assert sidebar.flagged_by("gallery", Filter(verdicts=("ood",)), None) == Filter(verdicts=("ood",))
    assert sidebar.flagged_by("duplicates", Filter(), None) == Filter(kinds=("duplicate",))
    found = sidebar.flagged_by("review", Filter(), None)
    assert found is not None
    assert found.verdicts == PROBLEMS


def test_the_slider_says_what_each_rate_yields(app_state: ServerState, workspace: Workspace) -> None:
    text = html_of(open_page("gallery", verdicts="ood", strict="0.1"))
    assert "FDR ≤ 0.1" in text
    steps = [
        [f"FDR ≤ {r:g}", f"{n:,}"] for r, n in workspace.strict_counts(Filter(verdicts=("ood",)), sidebar.RATES).items()
    ]
    assert escape(json.dumps(steps)[1:-1]) in text


def test_filters_with_picks_and_rates_survive_the_url() -> None:
    flt = Filter(verdicts=("ood",), pick="thirty", strict=0.05)
    assert filters.from_query(filters.to_query(flt, queue="a-handle", sort="-ood")) == flt
    with pytest.raises(QueryError):
        filters.from_query("strict=2")
