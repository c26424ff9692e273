"""A scan in its own process: lock, progress file, heartbeat, cancel. Survives the page that started it.

Files under ``<workspace>/job/``: ``lock`` (held by the scanning process, freed by the system when it dies),
``progress.json`` (what it is doing; its ``beat`` is the heartbeat), ``cancel`` (its presence asks for a stop),
``request.json`` (the config) and ``log.txt`` (what the process printed).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .config import ScanConfig
from .errors import Cancelled, WinnowError, WorkspaceBusy
from .layout import Layout
from .roles import Right, Roles
from .store.artifacts import load_json, save_json
from .types import Progress, ProgressFn, quiet

BEAT_S = 0.25
"""Least time between two writes of the progress file, in seconds."""

RUNNING, DONE, FAILED, CANCELLED, NONE, LOST = "running", "done", "failed", "cancelled", "none", "lost"


def share_cores() -> None:
    """Let idle OpenMP threads sleep instead of spin. torch, FAISS and scikit-learn each bring a pool of threads of
    their own: spinning, they take the cores from each other and from whatever else runs here. Call before they load."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def scan_lock(root: Path) -> Iterator[None]:
    """Hold the workspace for one scan. A second scan is told who holds it (WorkspaceBusy)."""
    job = Layout(root).job
    job.mkdir(parents=True, exist_ok=True)
    lock = FileLock(job / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        holder = _read(job / "progress.json")
        who = f" (process {holder['pid']}, now at {holder.get('stage', '?')!r})" if holder.get("pid") else ""
        raise WorkspaceBusy(
            f"Another scan is working in {root}{who}. Wait for it, cancel it in the app, or give another --out."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _read(path: Path) -> dict[str, Any]:
    try:
        data = load_json(path)
    except (OSError, ValueError, WinnowError):
        return {}
    return data if isinstance(data, dict) else {}


class Meter:
    """Rate and time left of one stage, over the last ten seconds of its own progress."""

    def __init__(self, clock: Any = time.monotonic) -> None:
        self._clock = clock
        self._points: deque[tuple[float, int]] = deque()

    def update(self, done: int) -> float:
        """Take note of the progress; returns the rate in units per second."""
        now = self._clock()
        if self._points and done < self._points[-1][1]:
            self._points.clear()
        self._points.append((now, done))
        while len(self._points) > 2 and now - self._points[0][0] > 10:
            self._points.popleft()
        (t0, d0), (t1, d1) = self._points[0], self._points[-1]
        return (d1 - d0) / (t1 - t0) if t1 > t0 else 0.0

    def left(self, done: int, total: int, rate: float) -> float | None:
        """Seconds left at this rate, or None when it cannot be told."""
        return (total - done) / rate if rate > 0 and total > done else None


class JobReporter:
    """Writes progress.json while a scan runs, passes progress on, and raises Cancelled when asked to stop."""

    def __init__(self, root: Path, forward: ProgressFn = quiet) -> None:
        self._job = Layout(root).job
        self._forward = forward
        self._last = 0.0
        self._started = time.time()
        self._stage = ""
        self._stages: list[dict[str, Any]] = []
        self._meter = Meter()
        self._stage_started = time.monotonic()
        (self._job / "cancel").unlink(missing_ok=True)

    def __call__(self, p: Progress) -> None:
        self._forward(p)
        new_stage = p.stage != self._stage
        if new_stage:
            self._close_stage()
            self._stage, self._meter, self._stage_started = p.stage, Meter(), time.monotonic()
        now = time.monotonic()
        if not new_stage and now - self._last < BEAT_S and p.done != p.total:
            return
        self._last = now
        if (self._job / "cancel").exists():
            raise Cancelled("The scan was cancelled. Finished stages are kept: scan again to go on from here.")
        rate = self._meter.update(p.done)
        self._write(
            RUNNING,
            stage=p.stage,
            done=p.done,
            total=p.total,
            unit=p.unit,
            message=p.message,
            rate=rate,
            eta_s=self._meter.left(p.done, p.total, rate),
        )

    def _close_stage(self) -> None:
        if self._stage:
            self._stages.append({"name": self._stage, "seconds": time.monotonic() - self._stage_started})

    def finish(self, state: str, message: str = "") -> None:
        self._close_stage()
        self._stage = ""
        self._write(state, stage="", message=message, done=0, total=0, rate=0.0, eta_s=None)

    def _write(self, state: str, **now: Any) -> None:
        save_json(
            self._job / "progress.json",
            {
                "state": state,
                "pid": os.getpid(),
                "started": self._started,
                "beat": time.time(),
                "stages": self._stages,
                **now,
            },
        )


def job_status(root: str | Path) -> dict[str, Any]:
    """What the workspace's scan is doing: state (running, done, failed, cancelled, lost, none), stage, done, total,
    rate (per second), eta_s, message, stages (name, seconds).

    ``lost``: the process died without a word (killed, or the machine restarted): scanning again resumes.
    """
    layout = Layout(Path(root))
    status = _read(layout.job / "progress.json")
    if not status:
        return {
            "state": NONE,
            "stage": "",
            "done": 0,
            "total": 0,
            "rate": 0.0,
            "eta_s": None,
            "message": "",
            "stages": [],
        }
    if status.get("state") == RUNNING and not _held(layout.job / "lock") and time.time() - status.get("beat", 0) > 5:
        status["state"] = LOST
        status["message"] = "The scan stopped without a word. Start it again: it goes on where it was cut."
    return status


def _held(path: Path) -> bool:
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


@dataclass(frozen=True)
class Job:
    """A scan that was started in its own process."""

    root: Path
    pid: int


def start_scan(config: ScanConfig, out: str | Path, actor: str | None = None) -> Job:
    """Start a scan in its own process and return at once. Follow it with :func:`job_status`. ``actor``: who asks.

    Raises
    ------
    NotAllowed : the workspace gives this person no such right.
    WorkspaceBusy : another scan holds the workspace.
    """
    root = Path(out).expanduser().absolute()
    _allow(root, actor)
    with scan_lock(root):
        job = Layout(root).job
        (job / "cancel").unlink(missing_ok=True)
        save_json(job / "request.json", config.to_json())
        save_json(
            job / "progress.json",
            {"state": RUNNING, "stage": "start", "started": time.time(), "beat": time.time(), "stages": []},
        )
    with open(job / "log.txt", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "winnow.core.jobs", str(root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Job(root, process.pid)


def _allow(root: Path, actor: str | None) -> None:
    if actor is not None:
        Roles(Layout(root).roles).require(actor, Right.SCAN)


def cancel(root: str | Path, actor: str | None = None) -> None:
    """Ask the running scan to stop at its next progress report. Finished stages are kept. ``actor``: who asks; raises
    NotAllowed where the workspace gives this person no such right."""
    _allow(Path(root), actor)
    job = Layout(Path(root)).job
    if job.exists():
        (job / "cancel").touch()


def main(argv: list[str]) -> int:
    """Entry point of the scan process: ``python -m winnow.core.jobs WORKSPACE``."""
    share_cores()
    from .pipeline import scan

    root = Path(argv[0])
    config = ScanConfig.from_json(load_json(Layout(root).job / "request.json"))
    try:
        scan(config, root)
    except WinnowError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
