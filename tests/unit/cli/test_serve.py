"""Opening the app from the command line: what is said before the server starts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from winnow.core.cli import main


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("verb", ["app", "demo"])
def test_a_busy_port_is_said_first(verb: str, taken: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--home", str(tmp_path)] if verb == "demo" else []
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--port", str(taken), *more])
    said = capsys.readouterr()
    assert stopped.value.code == 2
    assert f"Port {taken} on 127.0.0.1 cannot be used" in said.err
    assert "Winnow is at" not in said.out
    assert not list(tmp_path.iterdir()), "nothing is scanned for a server that cannot start"
