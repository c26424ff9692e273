"""Sign-in at a real provider on loopback, through a real server: what is not sound is refused, and the page says so."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

pytest.importorskip("authlib", reason="Authlib, which Streamlit signs in with, is not installed")

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.app.pages.test_pages import html_of, open_page
from tests.app.server.test_serve import free_port
from tests.helpers.openid_provider import CLIENT, Provider
from winnow.app.server import signin
from winnow.app.server.state import ServerState

SECRET = "c" * 40
IDENTITY = "_streamlit_user"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def url(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with sign-in, on no dataset, in a process of its own."""
    home, port = tmp_path_factory.mktemp("signin"), free_port()
    (home / ".streamlit").mkdir()
    (home / ".streamlit" / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://localhost:{port}/oauth2callback"\ncookie_secret = "{SECRET}"\n'
        f'client_id = "{CLIENT}"\nclient_secret = "s"\n'
        f'server_metadata_url = "{provider.issuer}/.well-known/openid-configuration"\n'
    )
    env = {**os.environ, "WINNOW_STATE": str(home), "HOME": str(home)}
    command = [sys.executable, "-m", "winnow.core.cli", "app", "--port", str(port)]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, env=env, stdout=log, stderr=log)
    try:
        for _ in range(600):
            assert process.poll() is None, (home / "log").read_text()
            try:
                httpx.get(f"http://localhost:{port}/api/health", timeout=5).raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)


def browser(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=30)


def to_the_provider_and_back(client: httpx.Client) -> str:
    """Press "Sign in" and sign in at the provider. Returns the address that it sends the browser to."""
    claims = {"provider": "default", "exp": int(time.time()) + 60}
    asked = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
    away = client.get("/auth/login", params={"provider": asked})
    assert away.status_code == 302, away.text
    return str(httpx.get(away.headers["location"]).headers["location"])


def signed_in(client: httpx.Client) -> bool:
    return bool(client.cookies.get(IDENTITY, "").strip('"'))


def test_who_the_provider_vouches_for_is_signed_in(provider: Provider, url: str) -> None:
    with browser(url) as client:
        back = client.get(to_the_provider_and_back(client))
        assert (back.status_code, back.headers["location"]) == (302, "/")
        assert signed_in(client)


Change = Callable[[dict[str, Any]], dict[str, Any]]
UNSOUND: dict[str, Change] = {
    "another audience": lambda c: {**c, "aud": "another program"},
    "no audience": lambda c: {k: v for k, v in c.items() if k != "aud"},
    "another issuer": lambda c: {**c, "iss": "https://evil.example"},
    "expired": lambda c: {**c, "exp": c["iat"] - 3600, "iat": c["iat"] - 7200},
    "no expiry": lambda c: {k: v for k, v in c.items() if k != "exp"},
    "another nonce": lambda c: {**c, "nonce": "of another sign-in"},
    "no nonce": lambda c: {k: v for k, v in c.items() if k != "nonce"},
}


def refused(client: httpx.Client, back: str) -> None:
    answer = client.get(back)
    assert answer.status_code == 302
    assert answer.headers["location"] == "/?signin=refused", "the page says so"
    assert not signed_in(client)


@pytest.mark.parametrize("what", UNSOUND)
def test_an_id_token_with_wrong_claims_is_refused(provider: Provider, url: str, what: str) -> None:
    provider.change = UNSOUND[what]
    try:
        with browser(url) as client:
            refused(client, to_the_provider_and_back(client))
    finally:
        provider.sound()


@pytest.mark.parametrize("what", ["unsigned", "signed by somebody else", "signed with the client's secret"])
def test_an_id_token_that_the_provider_did_not_sign_is_refused(provider: Provider, url: str, what: str) -> None:
    if what == "unsigned":
        provider.algorithm = "none"
    elif what == "signed by somebody else":
        provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    else:
        provider.key, provider.algorithm = OctKey.import_key("s" * 32), "HS256"  # type: ignore[assignment]
    try:
        with browser(url) as client:
            refused(client, to_the_provider_and_back(client))
    finally:
        provider.sound()


def test_a_sign_in_counts_once_and_in_the_browser_that_began_it(provider: Provider, url: str) -> None:
    with browser(url) as client, browser(url) as thief:
        back = to_the_provider_and_back(client)
        refused(thief, back)  # the state is of another browser
        client.get(back)
        assert signed_in(client)
        client.cookies.delete(IDENTITY)
        refused(client, back)  # the same code and state again
        used = httpx.URL(back).params["code"]
        fresh = httpx.URL(to_the_provider_and_back(client)).copy_set_param("code", used)
        refused(client, str(fresh))  # a used code in a fresh sign-in
        refused(client, "/oauth2callback?code=x&state=y")
        refused(client, "/oauth2callback?error=access_denied")


def test_a_sign_in_that_no_page_asked_for_does_not_begin(provider: Provider, url: str) -> None:
    forged = jwt.encode({"alg": "HS256"}, {"provider": "default", "exp": 2**40}, OctKey.import_key("x" * 40))
    with browser(url) as client:
        for asked in (forged, "", "x"):
            assert client.get("/auth/login", params={"provider": asked}).headers["location"] == "/"


# -- what a page makes of it -----------------------------------------------------------------------------------------


def as_user(monkeypatch: pytest.MonkeyPatch, **claims: Any) -> None:
    monkeypatch.setattr(signin.st, "user", SimpleNamespace(**claims))


@pytest.mark.parametrize("verified", [False, "false", "False"])
def test_an_address_that_is_not_verified_proves_nothing(
    app_state: ServerState, monkeypatch: pytest.MonkeyPatch, verified: Any
) -> None:
    as_user(monkeypatch, is_logged_in=True, email="olga@example.org", email_verified=verified, sub="1")
    text = html_of(open_page("overview"))
    assert "has not verified the address olga@example.org" in text
    assert "Pictures" not in text, "nothing of the data is shown"


def test_a_name_that_anybody_can_choose_is_not_taken_for_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, is_logged_in=True, name="olga", sub="subject-7")
    assert signin.signed_in_person() == "subject-7"
    as_user(monkeypatch, is_logged_in=True, name="olga", email="ada@example.org", email_verified=True, sub="subject-7")
    assert signin.signed_in_person() == "ada@example.org"


def test_a_refused_sign_in_is_said(app_state: ServerState, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, is_logged_in=False)
    assert "The sign-in was not accepted" not in html_of(open_page("overview"))
    text = html_of(open_page("overview", signin="refused"))
    assert "The sign-in was not accepted" in text
    assert "Pictures" not in text
