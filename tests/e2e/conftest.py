"""A real browser on a real server on the demo dataset. The demo is scanned once per run and copied for each file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.helpers.harness import ACTOR, ARGS, CHROMIUM, Complaints, Server, run_winnow
from winnow.core.workspace import Workspace

expect.set_options(timeout=30_000)  # a busy machine draws slowly; what is measured is measured by itself


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


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    # not for the whole run: its event loop would be in the way of tests that have one of their own
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = str(CHROMIUM) if CHROMIUM.exists() else None
    opened = playwright.chromium.launch(executable_path=path, args=ARGS)
    yield opened
    opened.close()


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
