"""A scan in its own process (``<workspace>/job/``, see :mod:`winnow.core.storage.job_files`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import WorkspaceBusy
from ..review.roles import Right, Roles
from ..storage.job_files import JobFiles, JobReporter
from ..storage.layout import Layout
from ..types import ProgressFn
from .config import ScanConfig


@dataclass(frozen=True)
class ScanJob:
    """A scan that was started in its own process."""

    root: Path
    pid: int


def _files(root: str | Path) -> JobFiles:
    return JobFiles(Layout(Path(root)).job, "scan")


@contextmanager
def scan_lock(root: Path) -> Iterator[None]:
    """Hold the workspace for one scan. A second scan is told who holds it (WorkspaceBusy)."""
    with _said(), _files(root).lock():
        yield


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except WorkspaceBusy as error:
        raise WorkspaceBusy(f"{error} Wait for it, cancel it in the app, or give another --out.") from None


@contextmanager
def reported(root: Path, progress: ProgressFn) -> Iterator[JobReporter]:
    """The progress function of a scan that holds the workspace; says in the end how it went."""
    kept = "The scan was cancelled. Finished stages are kept: scan again to go on from here."
    files = _files(root)
    files.begin()
    reporter = JobReporter(files, kept, progress)
    with reporter.reporting():
        yield reporter


def scan_status(root: str | Path) -> dict[str, Any]:
    """What the workspace's scan is doing: see :meth:`winnow.core.storage.job_files.JobFiles.status`.

    A scan that is lost goes on where it was cut when it is started again.
    """
    status = _files(root).status()
    if status["state"] == "lost":
        status["message"] += " It goes on where it was cut."
    return status


def start_scan(config: ScanConfig, out: str | Path, actor: str | None = None) -> ScanJob:
    """Start a scan in its own process and return at once. Follow it with :func:`scan_status`. ``actor``: who asks.

    Raises
    ------
    NotAllowed
        The workspace gives this person no such right.
    WorkspaceBusy
        Another scan holds the workspace.
    """
    root = Path(out).expanduser().absolute()
    _allow(root, actor)
    with _said():
        pid = _files(root).start(["scan", str(root)], config.to_json())
    return ScanJob(root, pid)


def requested(root: Path) -> ScanConfig:
    """The config that :func:`start_scan` was given."""
    return ScanConfig.from_json(_files(root).request())


def _allow(root: Path, actor: str | None) -> None:
    if actor is not None:
        Roles(Layout(root).roles).require(actor, Right.SCAN)


def cancel_scan(root: str | Path, actor: str | None = None) -> None:
    """Ask the running scan to stop at its next progress report. Finished stages are kept. ``actor``: who asks; raises
    NotAllowed where the workspace gives this person no such right.
    """
    _allow(Path(root), actor)
    _files(root).cancel()
