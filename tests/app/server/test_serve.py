from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from streamlit import config

from winnow.app.server import serve as server
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
