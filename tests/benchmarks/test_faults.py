"""A few of the faults of ``make faults``, at every run of the tests: killed decisions, exports, and disks that fill up."""

from __future__ import annotations

import importlib.util
import random
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def faults() -> ModuleType:
    spec = importlib.util.spec_from_file_location("winnow_faults", ROOT / "benchmarks" / "faults.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with tarfile.open(ROOT / "tests" / "fixtures" / "workspace-schema-3.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "ws").rename(tmp_path / "ready")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill_decisions", "kill_exports"])
def test_a_killed_process_loses_nothing_that_it_acknowledged(faults: ModuleType, home: Path, fault: str) -> None:
    found = getattr(faults, fault)(home, 1, random.Random(1))
    assert found["lost"] == 0
    assert found["kills"] == 1


def test_a_disk_that_turns_read_only_can_be_looked_at(faults: ModuleType, home: Path) -> None:
    found = faults.read_only(home, 1, random.Random(1))
    if "skipped" in found:
        pytest.skip(found["skipped"])
    assert found["lost"] == 0
    assert found["rows_seen"] > 0
