"""Start the app's server: ``winnow app`` and ``winnow demo`` call :func:`serve`."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from winnow.app import theme
from winnow.core.errors import WinnowError

QUIET = {
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showSidebarNavigation": False,
    "global.developmentMode": False,
    "logger.hideWelcomeMessage": True,
    "runner.magicEnabled": False,
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "server.maxUploadSize": 2000,
    "server.enableAgentApi": False,
    "server.enableStaticServing": False,
}
"""No telemetry, no Deploy button, no watching of files, no welcome. Set here, so that an installed app needs no file."""


def options(port: int, host: str, headless: bool) -> dict[str, Any]:
    """Every Streamlit option that the app runs under."""
    return {
        "server.port": port,
        "server.address": host,
        "server.headless": headless,
        **QUIET,
        **theme.streamlit_options(),
    }


def check_port(port: int, host: str) -> None:
    """Raise WinnowError when the port cannot be had, naming it and the way out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise WinnowError(
                f"Port {port} on {host} cannot be used ({error.strerror or error}). Another program may hold it: "
                f"choose another with --port, for example --port {port + 1 if port < 65535 else port - 1}."
            ) from None


def serve(
    workspace: Path | None,
    port: int = 8501,
    host: str = "127.0.0.1",
    headless: bool = True,
    actor: str | None = None,
) -> None:
    """Serve the app until it is stopped.

    Parameters
    ----------
    workspace : the workspace to show first; None = the page on which a dataset is chosen.
    port, host : where to listen. Any host but a loopback address lets other computers in.
    headless : do not open a browser. actor : who decides (default: the login name).

    Raises
    ------
    WinnowError : the port cannot be used, or the workspace is not one.
    """
    check_port(port, host)
    if workspace is not None and not (workspace / "workspace.json").is_file():
        raise WinnowError(
            f"There is no Winnow workspace at {workspace}. Make one with `winnow scan SOURCE --out {workspace}`."
        )
    os.environ["WINNOW_ADDRESS"] = host
    if actor:
        os.environ["WINNOW_ACTOR"] = actor
    from winnow.app.hub import configure, from_environment

    hub = configure(from_environment())
    if workspace is not None:
        hub.remember(hub.add(workspace))
    from winnow.app.main import app

    app.run(config=options(port, host, headless))
