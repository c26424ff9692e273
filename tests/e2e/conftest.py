"""A real browser on a real server on the demo dataset. The demo is scanned once per run and copied for each test."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, sync_playwright
from winnow.core.workspace import Workspace

CHROMIUM = Path("/usr/bin/chromium")
ARGS = (
    "--no-sandbox --disable-dev-shm-usage --use-angle=swiftshader --enable-unsafe-swiftshader "
    "--disable-background-networking --disable-component-update --disable-sync --disable-quic --no-first-run"
).split()
ACTOR = "ada"
WINNOW = [sys.executable, "-m", "winnow.core.cli"]

STREAMLIT_PROBES = re.compile(r"/\w+/_stcore/(health|host-config)$")
"""Streamlit asks below the page's own path first, to learn where it is served; the answer 404 is its normal course."""


def run_winnow(*args: str | Path, timeout: float = 240) -> str:
    """Run the command line; returns what it printed."""
    done = subprocess.run([*WINNOW, *map(str, args)], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """The app on one workspace, in a process of its own that can be stopped, started again and held still."""

    workspace: Path
    state: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    since: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout: float = 60) -> None:
        env = os.environ | {"WINNOW_STATE": str(self.state), "WINNOW_ACTOR": ACTOR, "OMP_NUM_THREADS": "1"}
        log = self.state / "server.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*WINNOW, "app", str(self.workspace), "--port", str(self.port), "--no-browser"],
                stdout=out, stderr=out, env=env,
            )  # fmt: skip
        for _ in range(int(timeout / 0.2)):
            assert self.process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2).close()
            except (URLError, OSError):
                try:
                    self.process.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
            else:
                return
        raise AssertionError(f"The app did not start within {timeout} s: {log.read_text()}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None

    def pause(self) -> None:
        """Hold the whole process still: connections stay open, nothing answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scanned demo workspace, made once for all workers. Not to be written to: see ``workspace``."""
    root = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        root = root.parent
    home = root / "demo"
    with FileLock(root / "demo.lock"):
        if not (home / "done").exists():
            if made := os.environ.get("WINNOW_E2E_DEMO"):
                shutil.copytree(made, home / "workspace", dirs_exist_ok=True)
            else:
                run_winnow("demo", "--home", home, "--no-serve", "--quiet")
            (home / "done").touch()
    return home / "workspace"


@pytest.fixture(scope="module")
def shared(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server on one copy of the demo for the tests of a file."""
    home = tmp_path_factory.mktemp("app")
    made = Server(Path(shutil.copytree(demo, home / "workspace")), home / "state")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def server(shared: Server) -> Server:
    """The file's server, with every decision of earlier tests taken back."""
    if shared.process is None or shared.process.poll() is not None:
        shared.start()
    with Workspace.open(shared.workspace) as ws:
        while ws.undo(actor=ACTOR):
            pass
        shared.since = max((d.seq for d in ws.history(limit=1)), default=0)
    return shared


@pytest.fixture
def workspace(server: Server) -> Path:
    """Where the server's workspace is."""
    return server.workspace


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = str(CHROMIUM) if CHROMIUM.exists() else None
    opened = playwright.chromium.launch(executable_path=path, args=ARGS)
    yield opened
    opened.close()


class Complaints:
    """Everything that went wrong in the browser. ``allow`` names parts of URLs whose failing a test brings about."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.allow: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        expected = STREAMLIT_PROBES.search(url) or any(part in url or part in message.text for part in self.allow)
        if message.type == "error" and not expected:
            self.found.append(f"{message.text} ({url})")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails the test at its end when the browser complained."""
    heard = Complaints()
    yield heard
    assert not heard.found, heard.found


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints) -> Page:
    made = context.new_page()
    complaints.watch(made)
    return made
