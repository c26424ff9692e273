"""Verbs that open the app: app, demo."""

from __future__ import annotations

import importlib
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ..pipeline.config import ScanConfig
from ..pipeline.job import scan_status, start_scan
from ..types import Progress
from .options import START, Actor, Quiet, in_section
from .progress import Bars, mode
from .scan import report

app = typer.Typer()

LOOK_EVERY = 0.3
"""Seconds between two looks at how far a scan is."""

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
Host = Annotated[
    str, typer.Option(help="Address to listen on; beyond this computer with --token, sign-in or --no-auth.")
]
Token = Annotated[
    list[str] | None,
    typer.Option(
        "--token", help="Ask for this token first (auto = make one; NAME=auto = one person's). Also WINNOW_TOKEN."
    ),
]
Proxy = Annotated[
    list[str] | None,
    typer.Option(
        "--proxy", help="Address or network of a proxy whose X-Forwarded-For and -Proto are believed; may be repeated."
    ),
]
NoAuth = Annotated[bool, typer.Option("--no-auth", help="Let everyone who reaches --host in, without signing in.")]


@app.command(
    name="app", **in_section(START, "winnow app photos.winnow", "winnow app photos.winnow --host 0.0.0.0 --token auto")
)
def serve_app(
    ws: Annotated[Path | None, typer.Argument(metavar="[WS]", help="The workspace to open.")] = None,
    port: Port = 8501,
    host: Host = "127.0.0.1",
    no_auth: NoAuth = False,
    token: Token = None,
    proxy: Proxy = None,
    actor: Actor = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = False,
) -> None:
    """Open the app on a workspace (or on the start page)."""
    _serve(ws, port, host, no_auth, actor, browser, token or [], proxy or [])


def _server() -> Any:
    # The app stands above the engine: it is found by name, so that core never imports it.
    return importlib.import_module("winnow.app.server.serve")


def _serve(
    ws: Path | None,
    port: int,
    host: str,
    no_auth: bool,
    actor: str | None,
    browser: bool,
    token: list[str],
    proxy: list[str],
) -> None:
    server = _server()
    proxies = server.parse_proxies(proxy)
    server.check_port(port, host)  # before anything says where to find it
    tokens, lines = server.resolve_access(host, port, token, no_auth)
    if ws is not None and scan_status(ws)["state"] != "running":  # while it is scanned, the page shows how far it is
        from ..workspace import Workspace

        Workspace.open(ws, actor=actor).close()
    print("\n".join(lines), file=sys.stderr, end="\n" if lines else "")
    print(f"Winnow is at http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port} (stop with Ctrl-C)", flush=True)
    server.serve(ws, port=port, host=host, headless=not browser, actor=actor, tokens=tokens, proxies=proxies)


@app.command(**in_section(START, "winnow demo", "winnow demo --no-serve --home /data/demo"))
def demo(
    port: Port = 8501,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    host: Host = "127.0.0.1",
    no_auth: NoAuth = False,
    token: Token = None,
    proxy: Proxy = None,
    home: Annotated[Path | None, typer.Option(help="Where to keep the demo (default: ~/.winnow/demo).")] = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the app after the scan.")] = True,
    quiet: Quiet = False,
) -> None:
    """Scan the built-in demo (handwritten digits with planted problems) and open it. Needs no network.

    The page opens at once and shows how far the scan is; samples can be reviewed before the map is drawn.
    """
    root = (home or Path.home() / ".winnow" / "demo").expanduser().absolute()
    if serve:
        _server().check_port(port, host)  # before the scan, not after it
        _server().parse_proxies(proxy or [])
    out = root / "workspace"
    with Bars(mode(False, quiet)) as bars:
        from ..data.demo import PLANTED, make_demo

        config = ScanConfig.of(make_demo(root / "data"), encoder="patches", name="Demo: handwritten digits")
        planted = root / "data" / PLANTED
        if not serve:
            from ..pipeline.scan import scan

            shutil.copyfile(planted, scan(config, out, bars) / PLANTED)
    if not serve:
        _report(out, quiet)
        return
    start_scan(config, out)
    threading.Thread(target=_follow, args=(out, planted, quiet), daemon=True).start()
    _serve(out, port, host, no_auth, None, browser, token or [], proxy or [])


def _report(root: Path, quiet: bool) -> None:
    from ..workspace import Workspace

    with Workspace.open(root) as ws:
        report(ws, False, quiet)


def _follow(root: Path, planted: Path, quiet: bool) -> None:
    """Show the progress of the demo's scan beside the server, and what it came to; keep the truth with its results."""
    with Bars(mode(False, quiet)) as bars:
        while (status := scan_status(root))["state"] == "running":
            bars(Progress(status["stage"], status["done"], status["total"], status.get("unit", "")))
            time.sleep(LOOK_EVERY)
            if (root / "workspace.json").exists() and not (root / planted.name).exists():
                shutil.copyfile(planted, root / planted.name)
    if status["state"] == "done":
        _report(root, quiet)
    else:  # the page says what can be done
        print(status["message"], file=sys.stderr)
