from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from streamlit import config

from winnow.app.server import serve as server
from winnow.app.server.token_auth import TRIES
from winnow.core import WinnowError


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_every_option_is_one_that_streamlit_knows() -> None:
    known = config._config_options_template
    options = server.options(8501, "127.0.0.1", True)
    assert set(options) <= set(known)
    assert options["browser.gatherUsageStats"] is False
    assert options["client.toolbarMode"] == "minimal"


def test_a_port_in_use_is_named_with_the_way_out() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        with pytest.raises(WinnowError, match=f"Port {port} .*--port"):
            server.check_port(port, "127.0.0.1")


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WinnowError, match="no Winnow workspace"):
        server.serve(tmp_path, port=free_port())


def test_the_server_starts_without_a_dataset_and_answers_beside_streamlit(tmp_path: Path) -> None:
    port = free_port()
    code = f"from winnow.app.server.serve import serve; serve(None, port={port})"
    env = {**os.environ, "WINNOW_STATE": str(tmp_path), "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        answer = None
        for _ in range(150):
            time.sleep(0.2)
            assert process.poll() is None, process.stdout and process.stdout.read().decode()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5) as reply:
                    answer = reply.read()
                break
            except OSError:
                continue
        assert answer is not None
        assert b'"ok"' in answer
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
            assert b"<html" in reply.read()
        foreign = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(foreign, timeout=5)
        assert refused.value.code == 421
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def running(tmp_path: Path, *options: str) -> Iterator[str]:
    """The address of a server on no dataset, in a process of its own."""
    port = free_port()
    env = {**os.environ, "WINNOW_STATE": str(tmp_path), "HOME": str(tmp_path)}
    env.pop("FORWARDED_ALLOW_IPS", None)
    command = [sys.executable, "-m", "winnow.core.cli", "app", "--port", str(port), *options]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log)
    try:
        for _ in range(300):
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=5).raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


TOKEN = "t" * 24


@pytest.mark.parametrize("proxy", [None, "127.0.0.0/8"])
def test_only_a_named_proxy_says_for_whom_it_asks(tmp_path: Path, proxy: str | None) -> None:
    with running(tmp_path, "--token", TOKEN, *(["--proxy", proxy] if proxy else [])) as url:
        entered = httpx.get(f"{url}/?token={TOKEN}", headers={"X-Forwarded-Proto": "https"})
        assert entered.status_code == 303
        assert ("Secure" in entered.headers["set-cookie"]) == (proxy is not None)
        tries = [
            httpx.get(f"{url}/?token=guess{i}", headers={"X-Forwarded-For": f"198.51.100.{i}"}).status_code
            for i in range(TRIES + 2)
        ]
        assert tries[:TRIES] == [401] * TRIES
        assert tries[TRIES:] == [401 if proxy else 429] * 2, "each client is counted by its own address"
        if proxy:  # the last address is the one that the proxy itself saw; the client writes the ones before
            spoofed = [
                httpx.get(f"{url}/?token=guess", headers={"X-Forwarded-For": f"203.0.113.{i}, 192.0.2.1"}).status_code
                for i in range(TRIES + 1)
            ]
            assert spoofed == [401] * TRIES + [429]


@pytest.mark.parametrize("proxy", ["proxy.example", "10.0.0.1/24", "10.0.0", "*", ""])
def test_a_proxy_is_named_by_its_address(proxy: str) -> None:
    assert server.parse_proxies(["10.0.0.7", "10.1.0.0/16", "::1"]) == ["10.0.0.7", "10.1.0.0/16", "::1"]
    with pytest.raises(WinnowError, match="--proxy takes the IP address"):
        server.parse_proxies([proxy])
