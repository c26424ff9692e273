"""The server under test, the browser's options, and what the browser complains about."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError

from playwright.sync_api import ConsoleMessage, Page

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
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
    """The app on one workspace, in a process of its own that can be stopped, started again and held still.

    Where the workspace is not there yet, the app starts without one.
    """

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
        there = [str(self.workspace)] if self.workspace.exists() else []
        log = self.state / "server.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*WINNOW, "app", *there, "--port", str(self.port), "--no-browser"],
                stdout=out,
                stderr=out,
                env=env,
            )
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
