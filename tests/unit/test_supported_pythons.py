"""Every Python that the classifiers name can install what Winnow needs, as the package index offers it today."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSIONS = [
    classifier.rpartition(" ")[2]
    for classifier in PROJECT["classifiers"]
    if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", classifier)
]
NO_SOLUTION = 1
"""Exit status of uv where the requirements cannot be met; another one where the index cannot be reached."""


def test_the_classifiers_name_every_version_from_the_oldest_on() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert VERSIONS[0] == oldest
    assert [int(v.partition(".")[2]) for v in VERSIONS] == list(range(int(oldest[2:]), int(oldest[2:]) + len(VERSIONS)))
    assert "3.13" in VERSIONS


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_the_demo_installs_what_runs_and_the_tests_what_tests() -> None:
    def installs(target: str) -> set[str]:
        done = subprocess.run(["make", "-nB", target], capture_output=True, text=True, check=True, cwd=ROOT)
        return set(re.findall(r"--editable (\S+)", done.stdout))

    assert installs("demo") == {"."}
    assert installs("test-fast") == {".", "'.[dev,docs]'"}


def resolved(version: str, needed: list[str], *more: str) -> subprocess.CompletedProcess[str]:
    """Find releases for a Python, wheels only: as a computer without a compiler installs them."""
    resolve = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-build", "--python-version", version]
    done = subprocess.run(
        [*resolve, *more, "-"], input="\n".join(needed), capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode not in (0, NO_SOLUTION):
        pytest.skip(f"uv cannot reach the package index: nothing was tried ({done.stderr.strip()[-200:]})")
    return done


@pytest.mark.attack
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
@pytest.mark.parametrize("pinned", [False, True], ids=["newest", "constraints"])
def test_what_winnow_needs_can_be_installed(version: str, extra: str, pinned: bool) -> None:
    needed = [*PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] if extra else ())]
    done = resolved(version, needed, *(["--constraint", "constraints.txt"] if pinned else []))
    assert done.returncode == 0, done.stderr


@pytest.mark.attack
def test_a_package_without_a_wheel_for_a_version_is_noticed() -> None:
    assert resolved("3.12", ["pgserver==0.1.4"]).returncode == 0
    assert "no wheels" in resolved("3.13", ["pgserver==0.1.4"]).stderr
