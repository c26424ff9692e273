"""Worker processes: ``python -m winnow.core.cli.worker KIND WORKSPACE …``.

KINDs are ``scan WORKSPACE``, ``payoff WORKSPACE FINGERPRINT`` and ``export WORKSPACE ACTOR``.
They are started by the ``job`` modules of the pipeline, subsets and export rooms, and report in the job's files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import WinnowError, WorkspaceBusy
from ..storage.job_files import share_cores


def _scan(root: Path) -> None:
    from ..pipeline import job
    from ..pipeline.scan import scan

    scan(job.requested(root), root)


def _payoff(root: Path, fingerprint: str) -> None:
    from ..subsets import job
    from ..workspace import Workspace

    if hasattr(os, "nice"):
        os.nice(10)  # the app must stay responsive while this runs
    with Workspace.open(root, actor=job.requested(root, fingerprint)["actor"]) as workspace:
        try:
            job.measure(root, fingerprint, workspace.subsets)
        except WorkspaceBusy:
            return  # another process is measuring the same


def _export(root: Path, actor: str) -> None:
    from ..export import job
    from ..workspace import Workspace

    with Workspace.open(root, actor=actor) as workspace:
        job.write(root, actor, workspace.exports)


JOBS: dict[str, Callable[..., None]] = {"scan": _scan, "payoff": _payoff, "export": _export}


def main(argv: list[str]) -> int:
    """Run one job. Returns the exit status."""
    share_cores()
    kind, root, *more = argv
    try:
        JOBS[kind](Path(root), *more)
    except WinnowError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
