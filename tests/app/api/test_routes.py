"""Every route: who may ask, and what it answers."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.helpers.pictures import N_ALL, log, samples
from winnow.app.server.routes import build_routes
from winnow.app.server.security import encode_id, mint_token, sign_link
from winnow.app.server.state import ServerState
from winnow.core import Filter, Workspace
from winnow.core.review.active_learning import SimilarOffer

ORIGIN = {"Origin": "http://testserver"}


@pytest.fixture
def client(app_state: ServerState) -> TestClient:
    return TestClient(Starlette(routes=build_routes()))


@pytest.fixture
def token(app_state: ServerState) -> dict[str, str]:
    return {"Authorization": f"Bearer {mint_token(app_state.secret, str(app_state.first), 'ada')}"}


def link(app_state: ServerState, kind: str, sample: str, version: str = "v1") -> str:
    segment = encode_id(sample)
    signature = sign_link(app_state.secret, kind, str(app_state.first), segment, version)
    return f"/api/{kind}/{app_state.first}/{segment}?{signature}"


@pytest.fixture
def offered(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven samples are offered for every decided one: a real offer takes more decisions than a test makes."""

    def similar_offer(sample_id: str) -> SimilarOffer | None:
        ids = workspace.ids(Filter(state="undecided"))[:7]
        decided = sample_id in workspace.current()
        return SimilarOffer(sample_id, "relabel", "deer", ids, [0.9] * 7, 4, 5, "cat → deer", 6.3) if decided else None

    monkeypatch.setattr(workspace.queue_ranker, "similar_offer", similar_offer)


# -- who may ask ----------------------------------------------------------------------------------------------------


def test_health_says_nothing_about_the_data(client: TestClient) -> None:
    answer = client.get("/api/health")
    assert answer.json().keys() == {"status", "version"}
    assert client.get("/api/health", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize("path", ["cards", "rows", "labels", "points", "colours/{}/verdict", "search"])
def test_reading_needs_a_token(client: TestClient, app_state: ServerState, path: str) -> None:
    head, _, tail = path.partition("/{}")
    answer = client.get(f"/api/{head}/{app_state.first}{tail}")
    assert answer.status_code == 401
    assert "token" in answer.json()["error"]


@pytest.mark.parametrize("path", ["inside", "decisions", "bulk", "undo"])
def test_writing_needs_a_token_and_an_origin(
    client: TestClient, app_state: ServerState, token: dict[str, str], path: str
) -> None:
    url = f"/api/{path}/{app_state.first}"
    assert client.post(url, json={}, headers=ORIGIN).status_code == 401
    assert client.post(url, json={}, headers=token).status_code == 403
    assert client.post(url, json={}, headers={**token, "Origin": "http://evil.example"}).status_code == 403
    assert client.post(url, json={}, headers={**token, **ORIGIN, "Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get(url, headers=token).status_code == 405


def test_a_token_for_another_workspace_or_an_expired_one_is_refused(client: TestClient, app_state: ServerState) -> None:
    other = {"Authorization": f"Bearer {mint_token(app_state.secret, 'other', 'ada')}"}
    assert client.get(f"/api/rows/{app_state.first}", headers=other).status_code == 403
    old = {"Authorization": f"Bearer {mint_token(app_state.secret, str(app_state.first), 'ada', now=0)}"}
    assert client.get(f"/api/rows/{app_state.first}", headers=old).status_code == 401


def test_a_workspace_that_nobody_opened_is_not_found_even_with_a_token(
    client: TestClient, app_state: ServerState
) -> None:
    token = {"Authorization": f"Bearer {mint_token(app_state.secret, 'deadbeef0000', 'ada')}"}
    assert client.get("/api/rows/deadbeef0000", headers=token).status_code == 404


def test_foreign_hosts_are_refused(client: TestClient, app_state: ServerState, token: dict[str, str]) -> None:
    assert client.get(f"/api/rows/{app_state.first}", headers={**token, "Host": "evil.example"}).status_code == 421


# -- pictures -------------------------------------------------------------------------------------------------------


def test_a_signed_link_brings_the_thumbnail_and_may_be_kept(
    client: TestClient, app_state: ServerState, workspace: Workspace
) -> None:
    url = link(app_state, "thumb", samples(workspace)["sample_id"][5])
    answer = client.get(url)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "private" in answer.headers["cache-control"]
    assert "sandbox" in answer.headers["content-security-policy"]
    assert client.get(url, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_unsigned_and_altered_links_are_refused(
    client: TestClient, app_state: ServerState, workspace: Workspace
) -> None:
    one, other = samples(workspace)["sample_id"][0], samples(workspace)["sample_id"][1]
    url = link(app_state, "thumb", one)
    assert client.get(url.split("?")[0]).status_code == 403
    assert client.get(url.replace(encode_id(one), encode_id(other))).status_code == 403
    assert client.get(url.replace("/thumb/", "/image/")).status_code == 403


@pytest.mark.parametrize("sample", ["../../etc/passwd", "/etc/passwd", "..\\..\\secret", "x" * 5000])
def test_ids_are_looked_up_never_opened(client: TestClient, app_state: ServerState, sample: str) -> None:
    answer = client.get(link(app_state, "thumb", sample))
    assert answer.status_code == 404
    assert "root:" not in answer.text
    assert client.get(f"/api/thumb/{app_state.first}/../../etc/passwd").status_code in (403, 404)


def test_a_scriptable_file_is_never_served_as_itself(
    client: TestClient, app_state: ServerState, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "image", lambda _: b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    answer = client.get(link(app_state, "image", samples(workspace)["sample_id"][0]))
    assert answer.headers["content-type"] == "image/png"
    assert b"<svg" not in answer.content


# -- queues ---------------------------------------------------------------------------------------------------------


def test_cards_come_in_order_with_links_and_a_cursor(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    url = f"/api/cards/{app_state.first}?verdicts=noisy_label&sort=-noisy_label&limit=10"
    first = client.get(url, headers=token).json()
    assert first["total"] == int((samples(workspace)["verdict"] == "noisy_label").sum())
    assert (first["cursor"], len(first["cards"])) == (10, 10)
    second = client.get(f"{url}&queue={first['queue']}&cursor=10", headers=token).json()
    ids = [c["id"] for c in first["cards"] + second["cards"]]
    assert len(set(ids)) == 20
    card = first["cards"][0]
    assert client.get(card["thumb"]).status_code == 200
    assert client.get(card["neighbors"][0]["thumb"]).status_code == 200


def test_decisions_made_meanwhile_do_not_shift_a_queue(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    url = f"/api/cards/{app_state.first}?state=undecided&sort=-confidence&limit=5"
    first = client.get(url, headers=token).json()
    for card in first["cards"]:
        workspace.decide(card["id"], "accept")
    second = client.get(f"{url}&queue={first['queue']}&cursor=5", headers=token).json()
    assert [c["id"] for c in second["cards"]] == workspace.ids(sort="-confidence")[5:10]


def test_reordering_leaves_what_was_handed_out(
    client: TestClient, app_state: ServerState, token: dict[str, str]
) -> None:
    first = client.get(f"/api/cards/{app_state.first}?sort=-confidence&limit=5", headers=token).json()
    again = client.get(
        f"/api/cards/{app_state.first}?sort=confidence&limit=495&queue={first['queue']}&cursor=5&reorder=1",
        headers=token,
    ).json()
    ids = [c["id"] for c in first["cards"]] + [c["id"] for c in again["cards"]]
    more = client.get(
        f"/api/cards/{app_state.first}?limit=200&queue={again['queue']}&cursor={again['cursor']}", headers=token
    ).json()
    ids += [c["id"] for c in more["cards"]]
    assert len(ids) == len(set(ids)) >= 400


def test_a_new_order_tells_what_changed_and_sends_only_cards_that_the_tab_lacks(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str], offered: None
) -> None:
    url = f"/api/cards/{app_state.first}?state=undecided&sort=-confidence"
    first = client.get(f"{url}&limit=40", headers=token).json()
    held = [c["id"] for c in first["cards"]]
    for sample in held[:10]:
        workspace.decide(sample, "relabel", label="deer")
    again = client.get(
        f"{url}&limit=50&queue={first['queue']}&cursor=20&sent=40&reorder=1&last={held[9]}", headers=token
    ).json()
    assert not set(again["order"]) & set(held[:20])  # what was handed out is not moved, decided or not
    ranker, left = workspace.queue_ranker, workspace.ids(Filter(state="undecided"), "-confidence")
    assert again["order"] == ranker.order([i for i in left if i not in held[:20]], "-confidence")[0][:50]
    assert again["order"] != [i for i in left if i not in held[:20]][:50]
    assert not {c["id"] for c in again["cards"]} & set(held)
    assert {c["id"] for c in again["cards"]} == set(again["order"]) - set(held)
    changes = again["round"]
    assert changes["moved"] > 0
    assert "moved up" in changes["words"]
    assert changes["offer"]["count"] == 7
    assert changes["offer"]["sample_id"] == held[9]
    assert changes["advice"]["stop"] is False
    assert changes["precision"] == [p.as_json() for p in ranker.precision() if p.decided]
    assert changes["noise"] == {"scan": ranker.scanned_noise_rate(), **asdict(ranker.noise_rate())}
    more = client.get(f"{url}&limit=200&queue={again['queue']}&cursor={again['cursor']}", headers=token).json()
    assert not {c["id"] for c in more["cards"]} & {*again["order"], *held[:20]}


def test_an_order_that_is_not_by_suspicion_stays(
    client: TestClient, app_state: ServerState, token: dict[str, str]
) -> None:
    url = f"/api/cards/{app_state.first}?sort=label"
    first = client.get(f"{url}&limit=10", headers=token).json()
    again = client.get(f"{url}&limit=20&queue={first['queue']}&cursor=0&reorder=1", headers=token).json()
    assert again["round"] is None
    assert again["order"][:10] == [c["id"] for c in first["cards"]]


def test_samples_like_a_decided_one_are_shown_before_anything_is_decided(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str], offered: None
) -> None:
    sample = samples(workspace)["sample_id"][20]
    assert client.get(f"/api/like/{app_state.first}", params={"id": sample}, headers=token).json()["offer"] is None
    workspace.decide(sample, "relabel", label="deer")
    before = len(log(workspace))
    offer = client.get(f"/api/like/{app_state.first}", params={"id": sample}, headers=token).json()["offer"]
    assert len(log(workspace)) == before
    assert [t["id"] for t in offer["tiles"]] == offer["ids"]
    assert offer["count"] == 7
    assert client.get(offer["tiles"][0]["thumb"]).status_code == 200
    body = {"action": "relabel", "label": "deer", "batch_id": "b1", "expect": 7, "target": {"ids": offer["ids"]}}
    headers = {**token, "Origin": "http://testserver"}
    assert client.post(f"/api/bulk/{app_state.first}", json=body, headers=headers).json()["count"] == 7
    undone = client.post(f"/api/undo/{app_state.first}", json={"batch_id": "b1"}, headers=headers).json()
    assert undone["count"] == 7


def test_a_queue_that_is_gone_is_made_anew_and_says_so(
    client: TestClient, app_state: ServerState, token: dict[str, str]
) -> None:
    answer = client.get(f"/api/cards/{app_state.first}?queue=gone&cursor=50", headers=token).json()
    assert answer["restarted"] is True
    assert answer["cursor"] == 100


def test_cards_by_id_and_unknown_ids(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    sample = samples(workspace)["sample_id"][3]
    answer = client.get(f"/api/cards/{app_state.first}", params={"id": sample}, headers=token)
    assert [c["id"] for c in answer.json()["cards"]] == [sample]
    assert client.get(f"/api/cards/{app_state.first}?id=nobody", headers=token).status_code == 400


def test_rows_page_through_a_filter(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    answer = client.get(f"/api/rows/{app_state.first}?splits=test&offset=10&limit=7", headers=token).json()
    assert answer["total"] == int((samples(workspace)["split"] == "test").sum())
    assert len(answer["rows"]) == 7
    assert answer["rows"][0]["thumb"].startswith("/api/thumb/")


def test_a_filter_that_makes_no_sense_is_answered_with_a_sentence(
    client: TestClient, app_state: ServerState, token: dict[str, str]
) -> None:
    answer = client.get(f"/api/rows/{app_state.first}?verdicts=nonsense", headers=token)
    assert answer.status_code == 400
    assert "nonsense" in answer.json()["error"]
    assert client.get(f"/api/rows/{app_state.first}?offset=x", headers=token).status_code == 400


# -- the map --------------------------------------------------------------------------------------------------------


def unframe(body: bytes) -> tuple[dict[str, Any], np.ndarray]:
    size = struct.unpack("<I", body[:4])[0]
    assert (4 + size) % 8 == 0
    head = json.loads(body[4 : 4 + size])
    return head, np.frombuffer(body[4 + size :], head["dtype"]).reshape(head["shape"])


def test_points_and_colours_are_framed_arrays(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    answer = client.get(f"/api/points/{app_state.first}", headers=token)
    head, xy = unframe(answer.content)
    assert np.allclose(xy, samples(workspace)[["x", "y"]].to_numpy(np.float32), equal_nan=True)
    assert head["clusters"] == workspace.points().clusters
    assert head["fine"] == workspace.points().fine
    again = client.get(f"/api/points/{app_state.first}", headers={**token, "If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    head, codes = unframe(client.get(f"/api/colours/{app_state.first}/verdict", headers=token).content)
    assert [head["names"][c] for c in codes[:20]] == samples(workspace)["verdict"][:20].tolist()
    head, scores = unframe(client.get(f"/api/colours/{app_state.first}/ood", headers=token).content)
    assert scores.dtype == np.float32
    assert client.get(f"/api/colours/{app_state.first}/nothing", headers=token).status_code == 400


def test_a_polygon_becomes_a_selection_that_can_be_added_to_and_taken_from(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    url, head = f"/api/inside/{app_state.first}", {**token, **ORIGIN}
    x, y = (samples(workspace)[axis] for axis in "xy")
    x_mid, y_mid = float(x.median()) + 1e-3, float(y.median()) + 1e-3
    left = [[-99, -99], [x_mid, -99], [x_mid, 99], [-99, 99]]
    low = [[-99, -99], [99, -99], [99, y_mid], [-99, y_mid]]
    is_left, is_low = x < x_mid, y < y_mid
    one = client.post(url, json={"polygons": [left]}, headers=head).json()
    assert one["count"] == int(is_left.sum()) == sum(one["by_verdict"].values())
    both = client.post(
        url, json={"polygons": [{"op": "add", "points": low}], "base": one["selection"]}, headers=head
    ).json()
    assert both["count"] == int((is_left | is_low).sum())
    less = client.post(
        url,
        json={"polygons": [{"op": "subtract", "points": low}], "base": both["selection"], "ids": True},
        headers=head,
    ).json()
    assert less["count"] == len(less["ids"]) == int((is_left & ~is_low).sum())
    rows = client.get(f"/api/rows/{app_state.first}?selection={less['selection']}&limit=1", headers=token).json()
    assert rows["total"] == less["count"]


@pytest.mark.parametrize(
    "polygon", [[[0, 0], [1, 1]], [["a", 0], [1, 1], [0, 1]], [[0, 0], [float("inf"), 1], [0, 1]], "x"]
)
def test_polygons_that_are_none_are_refused(
    client: TestClient, app_state: ServerState, token: dict[str, str], polygon: Any
) -> None:
    body = json.dumps({"polygons": [polygon]})
    answer = client.post(
        f"/api/inside/{app_state.first}", content=body, headers={**token, **ORIGIN, "Content-Type": "application/json"}
    )
    assert answer.status_code == 400


def test_hovering_over_an_older_map_is_told_to_reload(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    now = workspace.info().generation
    third = client.get(f"/api/point/{app_state.first}/3?g={now}", headers=token).json()
    assert third["card"]["id"] == samples(workspace)["sample_id"][3]
    assert client.get(f"/api/point/{app_state.first}/3?g=older", headers=token).status_code == 409
    assert client.get(f"/api/point/{app_state.first}/{N_ALL}?g={now}", headers=token).status_code == 400


# -- deciding -------------------------------------------------------------------------------------------------------


def test_decisions_are_recorded_in_order_once_and_by_the_tokens_actor(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    ids = samples(workspace)["sample_id"][:3].tolist()
    batch = [{"decision_id": f"d{i}", "sample_id": s, "action": "accept", "actor": "eve"} for i, s in enumerate(ids)]
    batch.append({"decision_id": "bad", "sample_id": "nobody", "action": "accept"})
    url, head = f"/api/decisions/{app_state.first}", {**token, **ORIGIN}
    answer = client.post(url, json={"decisions": batch}, headers=head).json()
    assert [r["ok"] for r in answer["results"]] == [True, True, True, False]
    client.post(url, json={"decisions": batch}, headers=head)
    assert [(d.sample_id, d.actor) for d in log(workspace)] == [(s, "ada") for s in ids]


@pytest.mark.parametrize(
    "body", [{}, {"decisions": []}, {"decisions": "x"}, {"decisions": [{}] * 501}, {"decisions": [{"decision_id": 3}]}]
)
def test_batches_that_are_none_are_refused(
    client: TestClient, app_state: ServerState, token: dict[str, str], body: Any
) -> None:
    assert client.post(f"/api/decisions/{app_state.first}", json=body, headers={**token, **ORIGIN}).status_code == 422


def test_other_bodies_are_refused(client: TestClient, app_state: ServerState, token: dict[str, str]) -> None:
    url, head = f"/api/decisions/{app_state.first}", {**token, **ORIGIN}
    assert (
        client.post(
            url, content=b"x=1", headers={**head, "Content-Type": "application/x-www-form-urlencoded"}
        ).status_code
        == 415
    )
    assert client.post(url, content=b"{", headers={**head, "Content-Type": "application/json"}).status_code == 400
    assert client.post(url, content=b"[]", headers={**head, "Content-Type": "application/json"}).status_code == 400
    assert (
        client.post(url, content=b"0" * (5 << 20), headers={**head, "Content-Type": "application/json"}).status_code
        == 413
    )


def test_a_bulk_action_reaches_exactly_the_printed_count_and_one_undo_takes_it_back(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    head = {**token, **ORIGIN}
    n = int((samples(workspace)["verdict"] == "ood").sum())
    body = {"action": "exclude", "target": {"filter": "verdicts=ood"}, "expect": n + 1}
    conflict = client.post(f"/api/bulk/{app_state.first}", json=body, headers=head)
    assert (conflict.status_code, conflict.json()["count"], len(log(workspace))) == (409, n, 0)
    done = client.post(f"/api/bulk/{app_state.first}", json={**body, "expect": n}, headers=head).json()
    assert done["count"] == n == len(workspace.current())
    assert client.post(f"/api/undo/{app_state.first}", json={}, headers=head).json()["count"] == n
    assert workspace.current() == {}


def test_a_bulk_action_reaches_a_selection(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    handle = app_state.keep_selection(str(app_state.first), workspace.ids()[:7])
    body = {"action": "relabel", "label": "dog", "target": {"selection": handle}, "expect": 7}
    assert client.post(f"/api/bulk/{app_state.first}", json=body, headers={**token, **ORIGIN}).json()["count"] == 7
    assert {d.label for d in log(workspace)} == {"dog"}


def test_suggestions_are_counted_before_they_are_taken_and_a_repeated_request_takes_no_more(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    head, key = {**token, **ORIGIN}, app_state.first
    target = {"filter": "verdicts=ood"}
    n = int((samples(workspace)["verdict"] == "ood").sum())
    proposed = client.post(f"/api/suggested/{key}", json={"target": target}, headers=head).json()
    assert (proposed["of"], proposed["count"], proposed["exclude"], proposed["relabel"]) == (n, n, n, 0)
    assert 0 < proposed["expected"] <= 1
    assert log(workspace) == []
    body = {"action": "suggested", "target": target, "expect": n + 1, "batch_id": "taken"}
    assert client.post(f"/api/bulk/{key}", json=body, headers=head).json()["count"] == n
    assert log(workspace) == []
    for _ in range(2):  # the answer to the first was lost
        assert client.post(f"/api/bulk/{key}", json={**body, "expect": n}, headers=head).json()["count"] == n
    assert {d.action.value for d in log(workspace)} == {"exclude"}
    assert len(log(workspace)) == n
    assert client.post(f"/api/suggested/{key}", json={"target": target}, headers=head).json()["count"] == 0
    assert client.post(f"/api/undo/{key}", json={"batch_id": "taken"}, headers=head).json()["count"] == n


@pytest.mark.parametrize(
    "body",
    [
        {"action": "undo", "target": {"filter": ""}, "expect": N_ALL},
        {"action": "exclude", "target": {}, "expect": 0},
        {"action": "exclude", "target": {"ids": "x"}, "expect": 1},
        {"action": "exclude", "target": {"filter": ""}},
        {"action": "exclude", "target": {"selection": "gone"}, "expect": 1},
    ],
)
def test_bulk_actions_without_action_target_or_count_do_nothing(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str], body: Any
) -> None:
    answer = client.post(f"/api/bulk/{app_state.first}", json=body, headers={**token, **ORIGIN})
    assert answer.status_code in (400, 409, 422)
    assert answer.json()["error"]
    assert log(workspace) == []


def test_a_fault_of_our_own_is_a_sentence_not_a_trace(
    client: TestClient,
    app_state: ServerState,
    workspace: Workspace,
    token: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workspace, "rows", lambda *a: 1 / 0)
    answer = client.get(f"/api/rows/{app_state.first}", headers=token)
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert "Traceback" not in answer.text


def test_a_token_past_half_its_life_is_renewed(client: TestClient, app_state: ServerState) -> None:
    import time

    from winnow.app.server import security

    old = mint_token(app_state.secret, str(app_state.first), "ada", now=time.time() - 0.7 * security.TOKEN_SECONDS)
    fresh = client.get(f"/api/labels/{app_state.first}", headers={"Authorization": f"Bearer {old}"}).headers[
        "X-Winnow-Token"
    ]
    assert client.get(f"/api/labels/{app_state.first}", headers={"Authorization": f"Bearer {fresh}"}).status_code == 200


def test_what_others_decided_since_is_told_in_order(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    url = f"/api/changes/{app_state.first}"
    assert client.get(url, headers=token).json() == {"head": 0, "more": False, "decisions": [], "classes": 0}
    for sample in workspace.ids()[:3]:
        workspace.decide(sample, "accept", actor="bob")
    told = client.get(f"{url}?since=1", headers=token).json()
    assert [d["seq"] for d in told["decisions"]] == [2, 3]
    assert told["head"] == 3
    assert told["decisions"][0]["actor"] == "bob"


def test_one_s_own_change_of_classes_is_no_news(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    url = f"/api/changes/{app_state.first}"
    workspace.decide(workspace.ids()[0], "relabel", label="a new class")
    assert client.get(url, headers=token).json()["classes"] == 0
    workspace.decide(workspace.ids()[1], "relabel", label="another", actor="bob")
    assert client.get(url, headers=token).json()["classes"] == 1


def test_an_undo_is_redone(
    client: TestClient, app_state: ServerState, workspace: Workspace, token: dict[str, str]
) -> None:
    head = {**token, "Origin": "http://testserver"}
    url = f"/api/redo/{app_state.first}"
    assert client.post(url, json={}, headers=head).json() == {"count": 0, "redone": []}
    ids = workspace.ids()[:3]
    workspace.decide_many(ids, "exclude", actor="ada", batch_id="b1")
    client.post(f"/api/undo/{app_state.first}", json={"batch_id": "b1", "undo_id": "u1"}, headers=head)
    assert client.post(url, json={"undo_id": "u1"}, headers=head).json() == {"count": 3, "redone": ids}
    assert set(workspace.current()) == set(ids)


# -- the picture viewer ---------------------------------------------------------------------------------------------


def test_a_picture_comes_with_its_file_its_copies_and_its_neighbours(
    client: TestClient, app_state: ServerState, token: dict[str, str], workspace: Workspace
) -> None:
    copy = workspace.ids(Filter(kinds=("duplicate",)))[0]
    answer = client.get(f"/api/picture/{app_state.first}", params={"id": copy}, headers=token).json()
    assert answer["file"]["format"] == "PNG"
    assert (answer["file"]["width"], answer["file"]["height"]) == (32, 32)
    assert answer["file"]["n_bytes"] == len(workspace.image(copy))
    assert answer["drawn"]
    whats = [other["what"] for other in answer["others"]]
    assert whats[0] == "look-alike"
    assert set(whats) == {"look-alike", "neighbour"}
    ids = [other["id"] for other in answer["others"]]
    assert copy not in ids
    assert len(set(ids)) == len(ids), "a copy that is also the nearest sample is told once"
    for address in (answer["thumb"], answer["image"], answer["others"][0]["image"]):
        assert client.get(address).status_code == 200


def test_a_picture_that_cannot_be_read_says_why(
    client: TestClient, app_state: ServerState, token: dict[str, str]
) -> None:
    answer = client.get(f"/api/picture/{app_state.first}", params={"id": "broken"}, headers=token).json()
    assert answer["file"]["format"] is None
    assert not answer["drawn"]
    assert client.get(f"/api/picture/{app_state.first}", params={"id": "nobody"}, headers=token).status_code == 400
