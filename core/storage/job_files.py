"""Jobs in a process of their own: lock, heartbeat, progress, cancel. A job survives the page that started it.

A job is a folder: ``lock`` (held by the working process, freed by the system when it dies), ``progress.json`` (what it
is doing; its ``beat`` is the heartbeat), ``cancel`` (its presence asks for a stop), ``request.json`` (the job's
parameters) and ``log.txt`` (what the process printed).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout

from ..errors import Cancelled, WinnowError, WorkspaceBusy
from ..types import Progress, ProgressFn, quiet
from .artifacts import load_json, save_json
from .atomic import os_errors_in_words

BEAT_S = 0.25
"""Least time between two writes of the progress file, in seconds."""
_GRACE_S = 5.0
"""A process that holds no lock and has not written for this long is gone, in seconds."""
_STARTING_S = 20.0
"""The same before it has taken the lock, in seconds: it has to load its libraries first."""

RUNNING, DONE, FAILED, CANCELLED, NONE, LOST = "running", "done", "failed", "cancelled", "none", "lost"

STAGE_TITLES = {
    "source": "Reading the source",
    "dataset": "Writing the dataset",
    "media": "Decoding images",
    "embed": "Embedding",
    "graphs": "Finding neighbours",
    "pooled_graphs": "Pooling neighbours",
    "label_views": "Label views",
    "views": "Augmented views",
    "probe": "Training the probe",
    "signals": "Scoring signals",
    "tags": "Judging tags",
    "verdicts": "Computing verdicts",
    "map": "Drawing the map",
    "clusters": "Finding clusters",
    "names": "Naming clusters",
    "assemble": "Writing results",
    "sets": "Checking the dataset",
    "payoff": "Measuring the payoff",
    "export": "Writing the export",
}
"""What people call the stages of a job, in order."""


def stage_title(stage: str) -> str:
    """What people call a stage; one of a further encoder has its number, as ``embed_2``."""
    name, _, number = stage.rpartition("_")
    if stage not in STAGE_TITLES and name in STAGE_TITLES and number.isdecimal():
        return f"{STAGE_TITLES[name]} (encoder {number})"
    return STAGE_TITLES.get(stage, "Starting" if stage in ("", "start") else stage.replace("_", " ").capitalize())


WORKER = "winnow.core.cli.worker"
"""The module that runs a job: ``python -m winnow.core.cli.worker KIND …``."""


def share_cores() -> None:
    """Let idle OpenMP threads sleep instead of spin. Call it before torch, FAISS and scikit-learn are imported.

    Each of them has its own pool of threads; spinning threads take the cores from each other and from other programs.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@dataclass(frozen=True)
class JobFiles:
    """The files of one job.

    Attributes
    ----------
    folder
        Where they lie.
    what
        What the job is, for messages: "scan", "measurement", "export".
    """

    folder: Path
    what: str

    def _progress(self) -> dict[str, Any]:
        try:
            data = load_json(self.folder / "progress.json")
        except (OSError, ValueError, WinnowError):
            return {}
        return data if isinstance(data, dict) else {}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the job.

        Raises
        ------
        WorkspaceBusy
            Another process, which is named, holds it.
        ReadOnly
            The folder cannot be written to.
        """
        with os_errors_in_words(self.folder, f"the folder of the {self.what}"):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / "lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                holder = self._progress()
                at = f" (process {holder['pid']}, now at {holder.get('stage') or '?'!r})" if holder.get("pid") else ""
                raise WorkspaceBusy(f"Another {self.what} is working in {self.folder.parent}{at}.") from None
        try:
            yield
        finally:
            lock.release()

    def held(self) -> bool:
        """Whether a process holds the job."""
        if not (self.folder / "lock").exists():
            return False
        lock = FileLock(self.folder / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return True
        except OSError:
            return False
        lock.release()
        return False

    def status(self) -> dict[str, Any]:
        """Read what the job is doing.

        Returns
        -------
        dict
            state ("running", "done", "failed", "cancelled", "lost", "none"), stage, done, total, rate (per second),
            eta_s, message, stages (name, seconds), and what :meth:`JobReporter.finish` was given. "lost": the process
            died without saying so (killed, or the machine restarted).
        """
        nothing = {"stage": "", "done": 0, "total": 0, "rate": 0.0, "eta_s": None, "message": "", "stages": []}
        status = {"state": NONE, **nothing, **self._progress()}
        silent = time.time() - float(status.get("beat", 0.0))
        if status["state"] == RUNNING and silent > (_GRACE_S if "pid" in status else _STARTING_S) and not self.held():
            status["state"] = LOST
            status["message"] = f"The {self.what} stopped without a word. Start it again."
        return status

    def start(self, arguments: list[str], request: Mapping[str, Any]) -> int:
        """Run ``python -m winnow.core.cli.worker *arguments`` in a process of its own.

        Parameters
        ----------
        arguments
            Of the worker.
        request
            The job's parameters, kept for it in request.json.

        Returns
        -------
        int
            The number of the process; it runs on.

        Raises
        ------
        WorkspaceBusy
            The job is held by another process.
        """
        with self.lock():
            (self.folder / "cancel").unlink(missing_ok=True)
            save_json(self.folder / "request.json", dict(request))
            beginning = {"state": RUNNING, "stage": "start", "started": time.time(), "beat": time.time(), "stages": []}
            save_json(self.folder / "progress.json", beginning)
        with open(self.folder / "log.txt", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", WORKER, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return process.pid

    def request(self) -> dict[str, Any]:
        """Read the job's parameters. Raises WorkspaceError where there are none."""
        return cast("dict[str, Any]", load_json(self.folder / "request.json"))

    def begin(self) -> None:
        """Drop a request to stop that an earlier process left behind; one made since :meth:`start` counts."""
        if "pid" in self._progress():
            (self.folder / "cancel").unlink(missing_ok=True)

    def cancel(self) -> None:
        """Ask the job to stop at its next progress report. Without a job nothing happens."""
        if self.folder.exists():
            with os_errors_in_words(self.folder, f"the folder of the {self.what}"):
                (self.folder / "cancel").touch()


class Meter:
    """Rate and time left of one stage, over the last ten seconds of its own progress."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._points: deque[tuple[float, int]] = deque()

    def update(self, done: int) -> float:
        """Record the progress and return the rate in units per second."""
        now = self._clock()
        if self._points and done < self._points[-1][1]:
            self._points.clear()
        self._points.append((now, done))
        while len(self._points) > 2 and now - self._points[0][0] > 10:
            self._points.popleft()
        (t0, d0), (t1, d1) = self._points[0], self._points[-1]
        return (d1 - d0) / (t1 - t0) if t1 > t0 else 0.0

    def left(self, done: int, total: int, rate: float) -> float | None:
        """Seconds left at this rate; None = unknown."""
        return (total - done) / rate if rate > 0 and total > done else None


class JobReporter:
    """Writes progress.json while a job runs, passes progress on, and raises Cancelled when asked to stop.

    Parameters
    ----------
    files
        The job, held by this process.
    cancelled
        The message when it is cancelled: what is kept.
    forward
        Also called with every progress.
    """

    def __init__(self, files: JobFiles, cancelled: str, forward: ProgressFn = quiet) -> None:
        self._files, self._cancelled, self._forward = files, cancelled, forward
        self._last = 0.0
        self._started = time.time()
        self._stage = ""
        self._stages: list[dict[str, Any]] = []
        self._meter = Meter()
        self._stage_started = time.monotonic()
        self._ended = False

    def __call__(self, p: Progress) -> None:
        """Write the progress, at most every ``BEAT_S`` seconds. Raises Cancelled when asked to stop."""
        self._forward(p)
        new_stage = p.stage != self._stage
        if new_stage:
            self._close_stage()
            self._stage, self._meter, self._stage_started = p.stage, Meter(), time.monotonic()
        now = time.monotonic()
        if not new_stage and now - self._last < BEAT_S and p.done != p.total:
            return
        self._last = now
        if (self._files.folder / "cancel").exists():
            raise Cancelled(self._cancelled)
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

    def finish(self, state: str, message: str = "", **result: Any) -> None:
        """Write how the job ended. ``result`` is kept with it."""
        self._close_stage()
        self._stage, self._ended = "", True
        self._write(state, stage="", message=message, done=0, total=0, rate=0.0, eta_s=None, **result)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Write at the end of the block how it went: done (unless written already), cancelled or failed.

        An error is raised again.
        """
        try:
            yield
        except Cancelled as error:
            self.finish(CANCELLED, str(error))
            raise
        except BaseException as error:
            self.finish(FAILED, str(error) or type(error).__name__)
            raise
        if not self._ended:
            self.finish(DONE)

    def _write(self, state: str, **progress: Any) -> None:
        process = {"pid": os.getpid(), "started": self._started, "beat": time.time(), "stages": self._stages}
        save_json(self._files.folder / "progress.json", {"state": state, **process, **progress})
