"""The help of the command line: sections, examples that can be typed, the version."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from tests.unit.cli.test_commands import run
from winnow.core.cli import app
from winnow.core.cli.options import SECTIONS
from winnow.core.version import __version__

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_every_command_stands_in_one_section_with_its_whole_sentence() -> None:
    code, text, _ = run("--help")
    assert code == 0
    listed = re.findall(r"^  ([a-z]+)  ", text.split(f"{SECTIONS[0]}:\n")[1], re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
    assert [line[:-1] for line in text.splitlines() if line[:-1] in SECTIONS] == list(SECTIONS)
    assert "..." not in text.split(f"{SECTIONS[0]}:\n")[1], "no sentence is cut"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_command_can_be_typed_as_they_stand(name: str) -> None:
    _, text, _ = run(name, "--help")
    examples = [shlex.split(line) for line in text.split("Examples:\n")[1].splitlines() if line.strip()]
    assert examples
    for program, verb, *arguments in examples:
        assert (program, verb) == ("winnow", name)
        COMMANDS[name].make_context(name, arguments)  # raises where an option or argument is unknown or missing


def test_the_version_is_an_option_and_a_command() -> None:
    assert run("--version")[1] == run("version")[1] == f"{__version__}\n"
