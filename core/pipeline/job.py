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
    """A scan that was started in its own process.

    Attributes
    ----------
    root
        Its workspace.
    pid
        Its process.
    """

    root: Path
    pid: int


def _files(root: str | Path) -> JobFiles:
    return JobFiles(Layout(Path(root)).job, "scan")


@contextmanager
def scan_lock(root: Path) -> Iterator[None]:
    """Hold the workspace for one scan; raises WorkspaceBusy, which names the holder, where another scan holds it."""
    with _advice(), _files(root).lock():
        yield


@contextmanager
def _advice() -> Iterator[None]:
    """Add what can be done to the message that the workspace is busy."""
    try:
        yield
    except WorkspaceBusy as error:
        raise WorkspaceBusy(f"{error} Wait for it, cancel it in the app, or give another --out.") from None


@contextmanager
def reported(root: Path, progress: ProgressFn) -> Iterator[JobReporter]:
    """Give a scan that holds the workspace its progress function, and record how it ended."""
    cancelled = "The scan was cancelled. Finished stages are kept: scan again to go on from here."
    files = _files(root)
    files.begin()
    reporter = JobReporter(files, cancelled, progress)
    with reporter.reporting():
        yield reporter


def scan_status(root: str | Path) -> dict[str, Any]:
    """What the workspace's scan is doing; see :meth:`winnow.core.storage.job_files.JobFiles.status`.

    A scan whose process is gone continues where it stopped when it is started again.
    """
    status = _files(root).status()
    if status["state"] == "lost":
        status["message"] += " Scan again to continue where it stopped."
    return status


def start_scan(config: ScanConfig, out: str | Path, actor: str | None = None) -> ScanJob:
    """Start a scan in its own process and return at once; follow it with :func:`scan_status`.

    Parameters
    ----------
    config
        The options of the scan.
    out
        The workspace, which need not exist yet.
    actor
        The person who starts it; None = do not check rights.

    Raises
    ------
    NotAllowed
        This person has no right to scan the workspace.
    WorkspaceBusy
        Another scan holds the workspace.
    """
    root = Path(out).expanduser().absolute()
    _allow(root, actor)
    with _advice():
        pid = _files(root).start(["scan", str(root)], config.to_json())
    return ScanJob(root, pid)


def requested(root: Path) -> ScanConfig:
    """The config that :func:`start_scan` was given."""
    return ScanConfig.from_json(_files(root).request())


def _allow(root: Path, actor: str | None) -> None:
    if actor is not None:
        Roles(Layout(root).roles).require(actor, Right.SCAN)


def cancel_scan(root: str | Path, actor: str | None = None) -> None:
    """Stop the running scan at its next progress report; finished stages are kept.

    Raises
    ------
    NotAllowed
        ``actor`` has no right to scan the workspace.
    """
    _allow(Path(root), actor)
    _files(root).cancel()
