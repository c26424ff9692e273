"""Scans as jobs: one at a time, followed by a file, stopped on request."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from winnow.core.errors import Cancelled, WorkspaceBusy
from winnow.core.pipeline import job as jobs
from winnow.core.storage import job_files
from winnow.core.storage.layout import Layout
from winnow.core.types import Progress, quiet

HOLD = """
import sys, time
from pathlib import Path
from winnow.core.pipeline.job import reported, scan_lock
from winnow.core.types import Progress, quiet
root = Path(sys.argv[1])
with scan_lock(root), reported(root, quiet) as report:
    report(Progress("probe", 1, 10))
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    yield process
    process.kill()
    process.wait()


def test_a_second_scan_is_told_who_is_at_work(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(WorkspaceBusy, match=f"process {holder.pid}.*'probe'"), jobs.scan_lock(tmp_path):
        pass
    assert jobs.scan_status(tmp_path)["state"] == job_files.RUNNING


def test_the_lock_of_a_killed_scan_is_free_and_its_loss_is_said(
    tmp_path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.kill()
    holder.wait()
    later = time.time() + 60
    monkeypatch.setattr(job_files.time, "time", lambda: later)
    assert jobs.scan_status(tmp_path)["state"] == job_files.LOST
    with jobs.scan_lock(tmp_path):
        pass


def test_progress_is_written_with_rate_and_time_left(tmp_path: Path) -> None:
    Layout(tmp_path).job.mkdir()
    seen: list[Progress] = []
    report = job_files.JobReporter(job_files.JobFiles(Layout(tmp_path).job, "scan"), "", seen.append)
    report(Progress("media", 0, 100))
    time.sleep(0.3)
    report(Progress("media", 50, 100))
    status = jobs.scan_status(tmp_path)
    assert (status["stage"], status["done"], status["total"]) == ("media", 50, 100)
    assert 20 < status["rate"] < 200
    assert 0.2 < status["eta_s"] < 3
    report(Progress("probe"))
    report.finish(job_files.DONE)
    assert [s["name"] for s in jobs.scan_status(tmp_path)["stages"]] == ["media", "probe"]
    assert jobs.scan_status(tmp_path)["state"] == job_files.DONE
    assert len(seen) == 3


def test_cancelling_stops_at_the_next_report(tmp_path: Path) -> None:
    Layout(tmp_path).job.mkdir()

    def scan() -> None:
        with jobs.reported(tmp_path, quiet) as report:
            report(Progress("media", 0, 100))
            jobs.cancel_scan(tmp_path)
            report(Progress("probe"))

    with pytest.raises(Cancelled, match="Finished stages are kept"):
        scan()
    assert jobs.scan_status(tmp_path)["state"] == job_files.CANCELLED


def test_where_nothing_was_scanned_the_status_says_so(tmp_path: Path) -> None:
    assert jobs.scan_status(tmp_path)["state"] == job_files.NONE


def test_the_rate_forgets_what_is_long_ago() -> None:
    now = iter([0.0, 5.0, 20.0, 21.0])
    meter = job_files.Meter(lambda: next(now))
    meter.update(0)
    meter.update(5)
    meter.update(5)
    assert meter.update(105) == pytest.approx(100.0)
    assert meter.left(105, 205, 100.0) == pytest.approx(1.0)
    assert meter.left(0, 10, 0.0) is None
