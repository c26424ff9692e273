from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as text

from winnow.app.server import security
from winnow.app.server.security import Refused

SECRET = b"s" * 32


def bearer(token: str) -> str:
    return f"Bearer {token}"


def test_a_token_says_who_and_for_which_workspace() -> None:
    token = security.mint_token(SECRET, "ws1", "ada", now=1000)
    claims = security.read_token(SECRET, bearer(token), "ws1", now=1001)
    assert (claims.workspace, claims.actor) == ("ws1", "ada")
    assert not claims.stale(1001)
    assert claims.stale(1000 + security.TOKEN_SECONDS * 0.6)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "Bearer x.y", "Bearer é.é", "Bearer ."])
def test_no_or_garbled_tokens_are_refused(header: str | None) -> None:
    with pytest.raises(Refused) as refused:
        security.read_token(SECRET, header, "ws1")
    assert refused.value.status == 401


def test_expired_foreign_and_tampered_tokens_are_refused() -> None:
    token = security.mint_token(SECRET, "ws1", "ada", now=1000)
    with pytest.raises(Refused, match="expired"):
        security.read_token(SECRET, bearer(token), "ws1", now=1000 + security.TOKEN_SECONDS + 1)
    with pytest.raises(Refused, match="another workspace"):
        security.read_token(SECRET, bearer(token), "ws2", now=1001)
    with pytest.raises(Refused, match="not valid"):
        security.read_token(b"t" * 32, bearer(token), "ws1", now=1001)
    body = json.loads(security.decode(token.split(".")[0]))
    forged = security.encode(json.dumps({**body, "a": "eve"}, separators=(",", ":")).encode())
    with pytest.raises(Refused, match="not valid"):
        security.read_token(SECRET, bearer(f"{forged}.{token.split('.')[1]}"), "ws1", now=1001)


@given(text.text(max_size=60))
def test_ids_survive_the_path_whatever_they_hold(sample: str) -> None:
    segment = security.encode_id(sample)
    assert security.decode_id(segment) == sample
    assert not set(segment) & set("/\\%?#.'\" ")


def parts(query: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in query.split("&"))


def test_a_link_is_good_for_its_sample_kind_and_time_only() -> None:
    p = parts(security.sign_link(SECRET, "thumb", "ws1", "aWQ", "g1", now=1000))
    assert security.check_link(SECRET, "thumb", "ws1", "aWQ", "g1", p["e"], p["s"], now=1000) > 0
    for kind, ws, segment, version in (
        ("image", "ws1", "aWQ", "g1"),
        ("thumb", "ws2", "aWQ", "g1"),
        ("thumb", "ws1", "aWX", "g1"),
        ("thumb", "ws1", "aWQ", "g2"),
    ):
        with pytest.raises(Refused, match="not signed"):
            security.check_link(SECRET, kind, ws, segment, version, p["e"], p["s"], now=1000)
    with pytest.raises(Refused, match="not signed"):
        security.check_link(SECRET, "thumb", "ws1", "aWQ", "g1", str(int(p["e"]) + 1), p["s"], now=1000)
    with pytest.raises(Refused, match="expired"):
        security.check_link(SECRET, "thumb", "ws1", "aWQ", "g1", p["e"], p["s"], now=int(p["e"]))


def test_links_are_the_same_within_a_window_so_that_the_browser_keeps_pictures() -> None:
    start = 10 * security.LINK_SECONDS
    assert security.sign_link(SECRET, "thumb", "w", "i", "g", now=start) == security.sign_link(
        SECRET, "thumb", "w", "i", "g", now=start + 3600
    )


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1:8501", "[::1]:8501", "LOCALHOST"])
def test_own_hosts_are_answered(host: str) -> None:
    security.check_host(host, ("localhost", "127.0.0.1", "::1"), any_address=False)


@pytest.mark.parametrize("host", [None, "", "evil.example", "localhost.evil.example:8501", "192.168.0.7"])
def test_other_hosts_are_refused(host: str | None) -> None:
    with pytest.raises(Refused) as refused:
        security.check_host(host, ("localhost", "127.0.0.1"), any_address=False)
    assert refused.value.status == 421


def test_a_server_on_all_interfaces_answers_to_addresses_but_not_to_names() -> None:
    security.check_host("192.168.0.7:8501", ("localhost",), any_address=True)
    with pytest.raises(Refused):
        security.check_host("evil.example", ("localhost",), any_address=True)


@pytest.mark.parametrize(
    ("origin", "site", "required"),
    [
        ("http://evil.example", None, False),
        (None, "cross-site", False),
        (None, None, True),
        ("null", None, True),
        ("http://localhost:9999", None, True),
    ],
)
def test_other_origins_are_refused(origin: str | None, site: str | None, required: bool) -> None:
    with pytest.raises(Refused):
        security.check_origin("localhost:8501", origin, site, required)
