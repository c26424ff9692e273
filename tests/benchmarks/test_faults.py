"""A few of the faults of ``make faults`` in every test run: killed decisions, killed exports, full disks."""

from __future__ import annotations

import random
import tarfile
from pathlib import Path

import pytest

from benchmarks import faults

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with tarfile.open(ROOT / "tests" / "fixtures" / "workspace-schema-3.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "ws").rename(tmp_path / "ready")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill_decisions", "kill_exports"])
def test_a_killed_process_loses_nothing_that_it_acknowledged(home: Path, fault: str) -> None:
    found = getattr(faults, fault)(home, 1, random.Random(1))
    assert found["lost"] == 0
    assert found["kills"] == 1


def test_a_disk_that_turns_read_only_can_be_looked_at(home: Path) -> None:
    found = faults.read_only(home, 1, random.Random(1))
    if "skipped" in found:
        pytest.skip(found["skipped"])
    assert found["lost"] == 0
    assert found["rows_seen"] > 0
