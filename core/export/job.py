"""Writing an export in its own process (``<workspace>/export/<key>/``, see :mod:`winnow.core.storage.job_files`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import fingerprint as fp
from ..review.roles import Right, Roles
from ..storage.job_files import DONE, JobFiles, JobReporter
from ..storage.layout import Layout
from .exports import DatasetExports


def export_job(root: str | Path, actor: str) -> JobFiles:
    """Job of a person's latest export; its status ends with path, manifest_path, patch_path, rows and excluded."""
    return JobFiles(Path(root).absolute() / "export" / fp.of(actor), "export")


def start_export(root: str | Path, actor: str, path: str | Path, **options: Any) -> None:
    """Start an export in its own process and return at once. Follow it with :func:`export_job`.

    Parameters
    ----------
    root
        The workspace.
    actor
        Who exports; one export at a time for each person.
    path, **options
        Of :meth:`winnow.core.export.exports.DatasetExports.export`; plain values.

    Raises
    ------
    NotAllowed
        The person may not export.
    WorkspaceBusy
        An export of this person is running.
    """
    Roles(Layout(Path(root).absolute()).roles).require(actor, Right.EXPORT)
    request = {"path": str(path), **options}
    export_job(root, actor).start(["export", str(Path(root).absolute()), actor], request)


def write(root: Path, actor: str, exports: DatasetExports) -> None:
    """Run the job; progress, result and failure are reported in its files.

    Raises
    ------
    WorkspaceBusy
        Another process runs it.
    Cancelled
        Nothing is written then.
    """
    files = export_job(root, actor)
    with files.lock():
        reporter = JobReporter(files, "The export was cancelled. Nothing was written.")
        with reporter.reporting():
            request = files.request()
            result = exports.export(**request, actor=actor, progress=reporter)
            paths = {name: str(getattr(result, name)) for name in ("path", "manifest_path", "patch_path")}
            reporter.finish(DONE, rows=result.rows, excluded=result.excluded, **paths)
