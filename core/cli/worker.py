"""Jobs in a process of their own: ``python -m winnow.core.cli.worker scan WORKSPACE`` and ``… payoff WORKSPACE MARK``.

:mod:`winnow.core.pipeline.job` and :mod:`winnow.core.subsets.job` start them, and read progress from the job's files.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import WinnowError, WorkspaceBusy
from ..storage.job_files import share_cores


def _scan(root: Path) -> None:
    from ..pipeline import job
    from ..pipeline.scan import scan

    scan(job.requested(root), root)


def _payoff(root: Path, mark: str) -> None:
    from ..subsets import job
    from ..workspace import Workspace

    if hasattr(os, "nice"):
        os.nice(10)  # the app must stay responsive while this runs
    with Workspace.open(root, actor=job.requested(root, mark)["actor"]) as workspace:
        try:
            job.measure(root, mark, workspace.subsets)
        except WorkspaceBusy:
            return  # another process is measuring the same


def main(argv: list[str]) -> int:
    """Do one job; returns the exit status."""
    share_cores()
    kind, root, *more = argv
    try:
        if kind == "scan":
            _scan(Path(root))
        else:
            _payoff(Path(root), *more)
    except WinnowError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
