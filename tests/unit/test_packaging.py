"""What is installed: a wheel built from a clean checkout holds everything, and works outside the repository."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(*command: object, cwd: Path) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the last commit, and nothing else."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    folder = tmp_path_factory.mktemp("checkout")
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    _run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, ".", cwd=checkout)
    return next(folder.glob("winnow-*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_core_and_app(checkout: Path, wheel: Path) -> None:
    expected = {
        f"winnow/{path.relative_to(checkout).as_posix()}"
        for folder in ("core", "app")
        for path in (checkout / folder).rglob("*")
        if path.is_file()
    }
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("winnow/")}
    assert len(expected) > 250
    assert shipped == expected


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(venv), "platbase": str(venv)}))
    # Dependencies come from the environment of the tests. A path in a .pth file is taken without that folder's own .pth
    # files, so that an editable installation of the repository stays out.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    _run(
        sys.executable, "-m", "pip", "--python", python, "install", *options, "--ignore-installed", wheel, cwd=tmp_path
    )
    where = _run(python, "-c", "import winnow.core, winnow.app; print(winnow.core.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(venv)
    assert _run(scripts / "winnow", "version", cwd=tmp_path).strip()
    _run(scripts / "winnow", "demo", "--no-serve", "--quiet", "--home", tmp_path / "demo", cwd=tmp_path)
    assert "Demo: handwritten digits" in _run(scripts / "winnow", "info", tmp_path / "demo" / "workspace", cwd=tmp_path)
    shutil.copy(ROOT / "tests" / "smoke.py", tmp_path)
    assert "exported" in _run(python, tmp_path / "smoke.py", cwd=tmp_path)
