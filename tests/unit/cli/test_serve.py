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


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--port", "99999"), "Invalid value for '--port': Input should be less than or equal to 65535"),
        (("--port", "0"), "Invalid value for '--port': Input should be greater than or equal to 1"),
        (("--host", "192.0.2.1", "--no-auth"), "192.0.2.1 is no address of this computer"),
        (("--host", "no-such-host.invalid", "--no-auth"), "knows no address of that name"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_a_sentence(
    options: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["app", *options])
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert sentence in printed.err
    assert "Traceback" not in printed.err
    assert "Winnow is at" not in printed.out
