"""Start the app's server: ``winnow app`` and ``winnow demo`` call :func:`serve`."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from winnow.app.components import theme
from winnow.app.server.security import LOOPBACK
from winnow.core import WinnowError

QUIET = {
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showSidebarNavigation": False,
    "global.developmentMode": False,
    "logger.hideWelcomeMessage": True,
    "runner.magicEnabled": False,
    "runner.postScriptGC": False,
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "server.maxUploadSize": 2000,
    "server.enableAgentApi": False,
    "server.enableStaticServing": False,
}
"""No telemetry, no Deploy button, no file watcher, no welcome. Set here, so that an installed app needs no config file.

``runner.postScriptGC`` is off because Streamlit would collect garbage after each run of a page, just when the browser
asks for its pictures."""


def options(port: int, host: str, headless: bool) -> dict[str, Any]:
    """Every Streamlit option of the app."""
    return {
        "server.port": port,
        "server.address": host,
        "server.headless": headless,
        **QUIET,
        **theme.streamlit_options(),
    }


def check_port(port: int, host: str) -> None:
    """Raise WinnowError where the port cannot be used, with what to do about it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror:
            raise WinnowError(f"--host {host}: this computer knows no address of that name.") from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise WinnowError(f"--host {host} is no address of this computer.") from None
            why = {
                errno.EADDRINUSE: "another program holds it",
                errno.EACCES: "ports below 1024 are kept for the administrator",
            }.get(error.errno or 0, error.strerror or str(error))
            other = 8501 if port < 1024 else port + 1 if port < 65535 else port - 1
            raise WinnowError(
                f"Port {port} on {host} cannot be used: {why}. Choose another, for example --port {other}."
            ) from None


def addresses(host: str) -> list[str]:
    """Where others reach a server that listens on ``host``; this computer's name where that is every interface."""
    return [socket.gethostname()] if host in ("0.0.0.0", "::", "") else [f"[{host}]" if ":" in host else host]


def parse_proxies(given: Iterable[str]) -> list[str]:
    """Check the proxies that may say for whom they ask.

    Parameters
    ----------
    given
        Each an IP address or a network, such as ``10.0.0.7`` or ``10.0.0.0/24``.

    Returns
    -------
    list of str
        The same, as uvicorn reads them.

    Raises
    ------
    WinnowError
        One is neither.
    """
    proxies = []
    for item in given:
        try:
            proxies.append(str(ipaddress.ip_network(item) if "/" in item else ipaddress.ip_address(item)))
        except ValueError as error:
            raise WinnowError(
                f"--proxy takes the IP address of a proxy or its network, not {item!r} ({error}). Write 10.0.0.7 or "
                "10.0.0.0/24."
            ) from None
    return proxies


def resolve_access(host: str, port: int, tokens: Sequence[str], no_auth: bool) -> tuple[dict[str, str], list[str]]:
    """Decide who may reach the server.

    Parameters
    ----------
    host, port
        Where it listens.
    tokens
        As given on the command line (see :func:`winnow.app.server.token_auth.parse_tokens`); WINNOW_TOKEN adds to them.
    no_auth
        Let everybody in.

    Returns
    -------
    tuple
        Token → name of its owner, and lines to print for the person who starts the server.

    Raises
    ------
    WinnowError
        ``host`` lets other computers in and nothing asks who they are; or a token is not valid.
    """
    from winnow.app.server.signin import configured
    from winnow.app.server.token_auth import parse_tokens

    given = [*tokens, *os.environ.get("WINNOW_TOKEN", "").split()]
    if no_auth and given:
        raise WinnowError("--no-auth lets everybody in, and a token asks who comes. Choose one of them.")
    owners = parse_tokens(given)
    signed, local = configured(), host.lower() in LOOPBACK
    if not (local or owners or signed or no_auth):
        raise WinnowError(
            f"--host {host} would let other computers see this data and decide about it without signing in. Ask for a "
            "token with --token auto (one for each person: --token NAME=auto), or configure sign-in ([auth] in "
            f".streamlit/secrets.toml), or tunnel instead: ssh -L {port}:127.0.0.1:{port} THIS-COMPUTER. Type "
            "--no-auth to let everyone in."
        )
    lines = []
    if not local:
        who = "signs in" if signed else "has a token" if owners else "can reach it: nobody is asked who they are"
        lines.append(
            f"Open beyond this computer, on {host}:{port}, to everyone who {who}: samples, labels and decisions."
        )
        if not signed and "" in owners.values():
            lines.append(
                "With the shared token, a name is what people say. --token NAME=auto makes a token that proves one."
            )
    address = "127.0.0.1" if local else addresses(host)[0]
    chosen = {item.partition("=")[2].strip() or item.strip() for item in given}  # never printed, only what "auto" made
    lines += [
        f"{name or 'Anyone'} comes in at http://{address}:{port}/?token={token}"
        for token, name in owners.items()
        if token not in chosen
    ]
    return owners, lines


def serve(
    workspace: Path | None,
    port: int = 8501,
    host: str = "127.0.0.1",
    headless: bool = True,
    actor: str | None = None,
    tokens: Mapping[str, str] | None = None,
    proxies: Iterable[str] = (),
) -> None:
    """Serve the app until it is stopped.

    Parameters
    ----------
    workspace
        The workspace to show first; None = the page on which a dataset is chosen.
    port, host
        Where to listen. Any host but a loopback address lets other computers in.
    headless
        Do not open a browser.
    actor
        Who decides (default: the login name).
    tokens
        Token → name of its owner, "" for the shared one; see :func:`resolve_access`.
    proxies
        Whose X-Forwarded-For and X-Forwarded-Proto are believed; see :func:`parse_proxies`.

    Raises
    ------
    WinnowError
        The port cannot be used, the workspace is not one, or a proxy is no address.
    """
    # uvicorn reads it; without it, it would believe every program on this computer
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(parse_proxies(proxies))
    check_port(port, host)
    if workspace is not None and not any((workspace / made).exists() for made in ("workspace.json", "job")):
        raise WinnowError(
            f"There is no Winnow workspace at {workspace}. Make one with `winnow scan SOURCE --out {workspace}`."
        )
    os.environ["WINNOW_ADDRESS"] = host
    os.environ.pop("WINNOW_TOKEN", None)  # processes that the server starts (scans) do not need it
    if actor:
        os.environ["WINNOW_ACTOR"] = actor
    from winnow.app.server.state import configure, from_environment
    from winnow.app.server.token_auth import TokenAuthenticator

    state = configure(from_environment())
    if tokens:
        state.authenticator = TokenAuthenticator(state.secret, dict(tokens))
    if workspace is not None:
        state.remember(state.add(workspace))
    from winnow.app.main import app

    # one core for each answer: sessions do not wait for each other's threads, and results do not depend on the cores
    threadpool_limits(1, user_api="blas")
    app.run(config=options(port, host, headless))
