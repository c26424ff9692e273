"""Every Python that the classifiers name can install what Winnow needs, as the package index offers it today."""

from __future__ import annotations

import os
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
NO_INDEX = re.compile(
    r"Failed to establish a new connection|Name or service not known|Temporary failure|timed out|ProxyError|"
    r"No matching distribution found for setuptools"
)


def interpreter(version: str) -> Path | None:
    """An interpreter of this version: of a virtual environment, on the path, or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"))]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        found.insert(0, sys.executable)
    for path in filter(None, found):
        ask = [str(path), "-m", "pip", "--version"]
        done = subprocess.run(ask, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode == 0 and f"(python {version})" in done.stdout:
            return Path(path)
    return None


def test_the_classifiers_name_every_version_from_the_oldest_on() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert VERSIONS[0] == oldest
    assert [int(v.partition(".")[2]) for v in VERSIONS] == list(range(int(oldest[2:]), int(oldest[2:]) + len(VERSIONS)))
    assert "3.13" in VERSIONS


@pytest.mark.attack
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("extra", ["", "dev"])
def test_what_winnow_needs_can_be_installed(version: str, extra: str, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None and extra:  # conditions on the version would be those of the Python that asks
        pytest.skip(f"there is no Python {version} here: what it would install was not tried")
    # wheels only, as a computer without a compiler installs; metadata alone is fetched where the index offers it
    pip = [str(python or sys.executable), "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    pip += ["--only-binary=:all:", "--use-feature=fast-deps", "--quiet", "--disable-pip-version-check"]
    pip += [] if python else ["--python-version", version, "--target", str(tmp_path / "none")]
    probe = subprocess.run([*pip, "setuptools"], capture_output=True, text=True, check=False, cwd=tmp_path)
    if probe.returncode and NO_INDEX.search(probe.stderr):
        pytest.skip("the package index cannot be reached: nothing was tried")
    needed = [*PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] if extra else ())]
    (tmp_path / "needed.txt").write_text("\n".join(needed), encoding="utf-8")
    done = subprocess.run(
        [*pip, "-r", str(tmp_path / "needed.txt")], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert done.returncode == 0, "\n".join(errors[-10:])
