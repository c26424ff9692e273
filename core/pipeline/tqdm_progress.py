"""Progress of a scan that is started from Python: a bar per stage, in a notebook or on the console."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from ..storage.job_files import stage_title
from ..types import Progress


class TqdmProgress:
    """A bar of :mod:`tqdm.auto` per stage: a widget in a notebook, text on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._close()

    def __call__(self, progress: Progress) -> None:
        """Show how far a stage has come."""
        from tqdm.auto import tqdm

        if progress.stage != self._stage:
            self._close()
            # None: no bar where standard error is no terminal; notebooks have one all the same
            self._bar = tqdm(desc=stage_title(progress.stage), unit=f" {progress.unit}", disable=None)
            self._stage = progress.stage
        self._bar.total = progress.total or None
        self._bar.update(progress.done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar, self._stage = None, ""
