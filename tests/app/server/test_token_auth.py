"""Attacks on token authentication: wrong, forged, expired and foreign passes, guesses, other sites."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from winnow.app.server import serve as server
from winnow.app.server import signin
from winnow.app.server.routes import build_routes
from winnow.app.server.security import TOKEN_SECONDS, Refused, encode, mint_token, read_token
from winnow.app.server.security_headers import SecurityHeadersMiddleware, policy
from winnow.app.server.state import ServerState, key_of
from winnow.app.server.token_auth import (
    ALL_TRIES,
    PASS_SECONDS,
    TRIES,
    WINDOW,
    TokenAuthenticator,
    TokenMiddleware,
    parse_tokens,
)
from winnow.core import NotAllowed, WinnowError, Workspace, WorkspaceError

SECRET, TOKEN, ADAS = b"s" * 32, "t" * 24, "a" * 24


def authenticator(**tokens: str) -> TokenAuthenticator:
    return TokenAuthenticator(SECRET, tokens or {TOKEN: "", ADAS: "ada"})


def cookie(made: TokenAuthenticator, value: str) -> str:
    return f"other=1; {made.cookie}={value}"


def client(made: TokenAuthenticator | None) -> TestClient:
    layers = [Middleware(SecurityHeadersMiddleware), Middleware(TokenMiddleware, authenticator=lambda: made)]
    return TestClient(Starlette(routes=build_routes(), middleware=layers), follow_redirects=False)


# -- tokens and passes ------------------------------------------------------------------------------------------------


def test_tokens_are_made_named_or_refused() -> None:
    made = parse_tokens(["auto", "ada=auto", f"bo={'b' * 20}"])
    assert list(made.values()) == ["", "ada", "bo"]
    assert all(len(t) >= 20 for t in made)
    for bad in (["short"], ["with space with space"], ["x" * 20, "x" * 20], [""], ["ada="]):
        with pytest.raises(WinnowError):
            parse_tokens(bad)


def test_a_pass_says_whose_token_it_was() -> None:
    made = authenticator()
    assert made.read(cookie(made, made.enter(TOKEN, "1.2.3.4"))).name == ""  # type: ignore[union-attr]
    assert made.read(cookie(made, made.enter(ADAS, "1.2.3.4"))).name == "ada"  # type: ignore[union-attr]


def test_forged_expired_and_foreign_passes_are_none() -> None:
    made = authenticator()
    good = made.enter(TOKEN, "a", now=1000)
    assert made.read(cookie(made, good), now=1001)
    assert made.read(cookie(made, good), now=1001 + PASS_SECONDS) is None
    body, mac = good.split(".")
    said = {"n": "ada", "e": 10**12, "k": "x"}
    forged = encode(json.dumps(said).encode())
    for value in (f"{forged}.{mac}", f"{body}.", body, ".", "", f"{body}.é", f"{body}.{mac[:-2]}AA"):
        assert made.read(cookie(made, value), now=1001) is None, value
    assert (
        TokenAuthenticator(b"x" * 32, made.tokens).read(cookie(made, good), now=1001) is None
    )  # another server's secret
    fewer = TokenAuthenticator(SECRET, {ADAS: "ada"})
    assert fewer.read(f"{fewer.cookie}={good}", now=1001) is None  # the token was taken away
    token = mint_token(SECRET, "w", "ada", now=1000)
    assert made.read(cookie(made, token), now=1001) is None  # a token of another purpose
    with pytest.raises(Refused):
        read_token(SECRET, f"Bearer {good}", "w", now=1001)


def test_guessing_is_slowed_down_for_one_and_for_all() -> None:
    made = authenticator()
    for i in range(TRIES):
        with pytest.raises(Refused) as refused:
            made.enter(f"guess {i}", "1.1.1.1", now=100)
        assert refused.value.status == 401
    with pytest.raises(Refused) as refused:
        made.enter(TOKEN, "1.1.1.1", now=100 + WINDOW / 2)
    assert refused.value.status == 429
    assert made.enter(TOKEN, "2.2.2.2", now=100)  # others come in
    assert made.enter(TOKEN, "1.1.1.1", now=101 + WINDOW)
    for i in range(ALL_TRIES):
        with pytest.raises(Refused):
            made.enter("guess", f"10.0.0.{i}", now=1000)
    with pytest.raises(Refused) as refused:
        made.enter("guess", "3.3.3.3", now=1001)
    assert refused.value.status == 429


# -- the middleware ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/review",
        "/api/rows/x",
        "/api/thumb/x/y",
        "/api/image/x/y",
        "/api/assets/x/y.js",
        "/_stcore/host-config",
        "/_stcore/upload_file/a/b",
        "/media/x",
        "/static/js/x.js",
        "/component/x",
        "//api/health",
        "/api/health/x",
        "/enter",
    ],
)
def test_nothing_answers_without_a_pass(app_state: ServerState, path: str) -> None:
    app_state.authenticator = authenticator()
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        answer = client(app_state.authenticator).request(method, path)
        assert answer.status_code in (401, 403, 429), (method, path)
        assert b"digit" not in answer.content
        assert "set-cookie" not in answer.headers


def test_a_websocket_without_a_pass_is_closed() -> None:
    async def inner(*_: Any) -> None:
        raise AssertionError("let through")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/_stcore/stream", "headers": [], "query_string": b""}
    asyncio.run(TokenMiddleware(inner, lambda: authenticator())(scope, None, send))
    assert sent == [{"type": "websocket.close", "code": 4401}]


def test_health_answers_and_says_nothing(app_state: ServerState) -> None:
    assert client(authenticator()).get("/api/health").json().keys() == {"status", "version"}


def test_the_token_of_a_link_is_taken_out_of_the_address_at_once(app_state: ServerState) -> None:
    answer = client(authenticator()).get(f"/review?verdicts=ood&token={TOKEN}&sort=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/review?verdicts=ood&sort=x")
    said = answer.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Lax" in said
    assert TOKEN not in said


def test_the_form_lets_in_and_sends_back_to_where_one_was(app_state: ServerState) -> None:
    made = client(authenticator())
    page = made.get("/map?classes=%22%3E%3Cscript%3E")
    assert page.status_code == 401
    assert "<script>" not in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    origin = {"Origin": "http://testserver"}
    wrong = made.post("/enter", data={"token": "no" * 9, "next": "/map"}, headers=origin)
    assert wrong.status_code == 401
    assert "not the token" in wrong.text
    right = made.post("/enter", data={"token": TOKEN, "next": "/map"}, headers=origin)
    assert (right.status_code, right.headers["location"]) == (303, "/map")
    made.cookies.update(right.cookies)
    assert made.get("/api/assets/x/y.js").status_code == 404  # behind the door, and not there


@pytest.mark.parametrize(
    "to", ["//evil.example", "/\\evil.example", "http://evil.example", "javascript:alert(1)", "/a\r\nX: y", ""]
)
def test_nobody_is_sent_to_another_site(app_state: ServerState, to: str) -> None:
    answer = client(authenticator()).post(
        "/enter", data={"token": TOKEN, "next": to}, headers={"Origin": "http://testserver"}
    )
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
def test_another_site_cannot_send_the_form(app_state: ServerState, headers: dict[str, str]) -> None:
    answer = client(authenticator()).post("/enter", data={"token": TOKEN}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_large_form_is_refused(app_state: ServerState) -> None:
    answer = client(authenticator()).post(
        "/enter", data={"token": "x" * 10_000}, headers={"Origin": "http://testserver"}
    )
    assert answer.status_code == 413


# -- beyond this computer ---------------------------------------------------------------------------------------------


def test_beyond_this_computer_somebody_is_asked_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WINNOW_TOKEN", raising=False)
    with pytest.raises(WinnowError, match=r"--token auto.*--no-auth"):
        server.resolve_access("0.0.0.0", 8501, [], no_auth=False)
    tokens, said = server.resolve_access("0.0.0.0", 8501, ["auto"], no_auth=False)
    assert next(iter(tokens)) in "\n".join(said)
    assert any("samples, labels and decisions" in line for line in said)
    assert server.resolve_access("0.0.0.0", 8501, [], no_auth=True)[0] == {}
    assert "nobody is asked" in server.resolve_access("0.0.0.0", 8501, [], no_auth=True)[1][0]
    with pytest.raises(WinnowError, match="Choose one"):
        server.resolve_access("0.0.0.0", 8501, ["auto"], no_auth=True)
    assert server.resolve_access("127.0.0.1", 8501, [], no_auth=False) == ({}, [])
    monkeypatch.setenv("WINNOW_TOKEN", TOKEN)
    tokens, said = server.resolve_access("::", 8501, [], no_auth=False)
    assert tokens == {TOKEN: ""}
    assert TOKEN not in "\n".join(said)  # what somebody chose is not shown again
    monkeypatch.delenv("WINNOW_TOKEN")
    monkeypatch.setattr("winnow.app.server.signin.configured", lambda: True)
    assert "signs in" in server.resolve_access("0.0.0.0", 8501, [], no_auth=False)[1][0]


def test_a_shared_server_opens_only_what_it_was_started_on(app_state: ServerState, tmp_path: Path) -> None:
    other = tmp_path / "private.winnow"
    other.mkdir()
    (other / "workspace.json").write_text("{}")
    app_state.remember(app_state.add(other))
    app_state._paths.pop(key_of(other))
    assert app_state.path(key_of(other)) == other
    app_state._paths.pop(key_of(other))
    app_state.shared = True
    with pytest.raises(WorkspaceError):
        app_state.path(key_of(other))
    assert other not in [p for _, p in app_state.recent()]


def test_a_name_with_a_role_is_not_for_whoever_says_it(app_state: ServerState, workspace: Workspace) -> None:
    workspace.roles.set("ada", "owner", by="ada")
    workspace.roles.set_default("viewer", by="ada")
    app_state.admit(workspace, "ada", proven=False)  # alone on this computer
    app_state.shared = True
    app_state.admit(workspace, "ada", proven=True)
    app_state.admit(workspace, "guest", proven=False)
    for name in ("ada", "ADA", " ada "):
        with pytest.raises(NotAllowed, match="kept for that person"):
            app_state.admit(workspace, name, proven=False)
    workspace.roles.set_default("none", by="ada")
    with pytest.raises(NotAllowed):
        app_state.admit(workspace, "guest", proven=True)


def test_only_a_named_owner_who_signed_in_opens_paths_of_a_shared_server(
    app_state: ServerState, workspace: Workspace
) -> None:
    assert app_state.may_scan("anybody", proven=False)
    app_state.shared = True
    assert not app_state.may_scan("ada", proven=True)  # owner as everybody is: not enough for the computer's files
    workspace.roles.set("ada", "owner", by="ada")
    assert app_state.may_scan("ada", proven=True)
    assert not app_state.may_scan("ada", proven=False)
    assert not app_state.may_scan("bob", proven=True)


def test_routes_answer_403_in_words_to_who_may_not(app_state: ServerState, workspace: Workspace) -> None:
    workspace.roles.set("olga", "owner", by="olga")
    workspace.roles.set_default("none", by="olga")
    http = client(None)

    def ask(actor: str, proven: bool) -> Any:
        token = mint_token(app_state.secret, str(app_state.first), actor, proven=proven)
        return http.get(f"/api/rows/{app_state.first}", headers={"Authorization": f"Bearer {token}"})

    assert ask("olga", True).status_code == 200
    assert ask("eve", True).status_code == 403
    assert "only a viewer may look" in ask("eve", True).json()["error"]
    app_state.shared = True
    assert ask("olga", False).status_code == 403


def test_a_token_is_renewed_for_a_week_at_most() -> None:
    from winnow.app.server.security import RENEW_SECONDS, TOKEN_SECONDS

    late = TOKEN_SECONDS * 0.9
    for now, renewed in ((late, True), (RENEW_SECONDS, False)):
        token = mint_token(SECRET, "w", "ada", now=now - late, first=0)
        assert read_token(SECRET, f"Bearer {token}", "w", now=now).stale(now) is renewed


def test_every_answer_tells_the_browser_what_never_happens_here(app_state: ServerState) -> None:
    answer = client(None).get("/api/health")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    rules = dict(rule.split(" ", 1) for rule in policy().split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
    assert "'unsafe-inline'" not in rules["script-src"]
    assert "http" not in policy()
    assert rules["connect-src"] == "'self'"


def test_a_bearer_ends_with_the_token_it_was_minted_from(app_state: ServerState, workspace: Workspace) -> None:
    key = str(app_state.first)
    both = TokenAuthenticator(app_state.secret, {TOKEN: "", ADAS: "ada"})
    passes = {token: both.read(cookie(both, both.enter(token, "here"))) for token in (TOKEN, ADAS)}
    adas, shared = (
        mint_token(app_state.secret, key, "ada", proven=True, source=session_pass.key)
        for session_pass in (passes[ADAS], passes[TOKEN])
        if session_pass is not None
    )
    old = mint_token(app_state.secret, key, "ada", now=time.time() - 0.7 * TOKEN_SECONDS, source=both.key(ADAS))
    bare = mint_token(app_state.secret, key, "ada", proven=True)
    http = client(None)

    def ask(bearer: str) -> Any:
        return http.get(f"/api/rows/{key}", headers={"Authorization": f"Bearer {bearer}"})

    app_state.authenticator = both
    assert [ask(bearer).status_code for bearer in (adas, shared, old, bare)] == [200, 200, 200, 401]
    renewed = ask(old).headers["x-winnow-token"]
    app_state.authenticator = TokenAuthenticator(app_state.secret, {TOKEN: ""})  # ada's token is withdrawn
    assert [ask(bearer).status_code for bearer in (adas, shared, old, renewed)] == [401, 200, 401, 401]
    assert "no longer" in ask(adas).json()["error"]
    app_state.authenticator = None
    assert [ask(bearer).status_code for bearer in (adas, shared, bare)] == [401, 401, 200]


def test_a_page_mints_its_bearer_from_the_pass(monkeypatch: pytest.MonkeyPatch, app_state: ServerState) -> None:
    made = app_state.authenticator = TokenAuthenticator(app_state.secret, {ADAS: "ada"})
    context = type("C", (), {"cookies": {made.cookie: made.enter(ADAS, "here")}})()
    monkeypatch.setattr(signin.st, "context", context)
    assert signin.token_source() == made.key(ADAS) != ""
    assert signin.token_owner() == "ada"
    app_state.authenticator = None
    assert signin.token_source() == ""
