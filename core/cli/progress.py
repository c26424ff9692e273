"""How the command line shows progress: one bar per stage with its rate and time left, or JSON lines, or nothing."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from ..storage.job_files import stage_title
from ..types import Progress


def mode(as_json: bool, quiet: bool) -> str:
    """How :class:`Bars` shows progress: "quiet", "json" or "bars"."""
    return "quiet" if quiet else "json" if as_json else "bars"


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: object) -> Text:
        speed = getattr(task, "speed", None)
        unit = getattr(task, "fields", {}).get("unit", "")
        return Text(f"{speed:,.0f} {unit}/s" if speed and speed >= 1 else "", style="dim")


class Bars:
    """Progress on standard error, so that results can be piped.

    Parameters
    ----------
    mode
        "bars" (for a terminal), "json" (one object a line) or "quiet".
    """

    def __init__(self, mode: str = "bars") -> None:
        self.mode = mode
        self._rich = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=False, compact=True),
            console=Console(stderr=True),
            disable=mode != "bars",
        )
        self._task: TaskID | None = None
        self._stage = ""
        self._last = 0.0

    def __enter__(self) -> Self:
        self._rich.start()
        if self.mode == "bars":  # what comes before the first stage is seen too: loading libraries takes seconds
            self._task = self._rich.add_task(stage_title("").ljust(22), total=None, unit="")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._finish()
        self._rich.stop()

    def __call__(self, p: Progress) -> None:
        """Show how far a stage has come."""
        if self.mode == "quiet":
            return
        if self.mode == "json":
            now = time.monotonic()
            if p.stage != self._stage or now - self._last > 0.5 or p.done == p.total:
                line = {"event": "progress", "stage": p.stage, "done": p.done, "total": p.total, "unit": p.unit}
                print(json.dumps(line), file=sys.stderr, flush=True)
                self._stage, self._last = p.stage, now
            return
        if p.stage != self._stage:
            self._finish()
            title = stage_title(p.stage).ljust(22)
            self._task = self._rich.add_task(title, total=p.total or None, unit=p.unit)
            self._stage = p.stage
        if self._task is not None:
            self._rich.update(self._task, completed=p.done, total=p.total or None, unit=p.unit)

    def _finish(self) -> None:
        if self._task is not None:
            total = self._rich.tasks[self._task].total or 1
            self._rich.update(self._task, completed=total, total=total)
            self._rich.stop_task(self._task)
