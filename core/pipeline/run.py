"""One run of the scan: its config, its folders, and the record of its stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from ..errors import Cancelled, DiskFull
from ..storage.artifacts import StageStore
from ..storage.layout import Layout
from ..types import Progress, ProgressFn
from .config import ScanConfig

T = TypeVar("T")

FATAL = (Cancelled, DiskFull, KeyboardInterrupt, MemoryError)
"""Errors that end the whole scan, whichever stage raises them."""

Outputs = tuple[list[Path], Mapping[str, Any]]
"""The files that a stage wrote, and what its record says about them."""


@dataclass
class Run:
    """The bookkeeping of one scan.

    Attributes
    ----------
    config
        The options of the scan.
    layout
        Paths of the workspace.
    store
        Records of finished stages.
    report
        Called with the progress of every stage.
    seconds
        Stage → wall-clock seconds.
    reused
        Stages whose outputs on disk were up to date.
    failures
        Stage or signal → what went wrong.
    notices
        Sentences for the person.
    keys
        Stage → fingerprint of everything that it depends on.
    """

    config: ScanConfig
    layout: Layout
    store: StageStore
    report: ProgressFn
    seconds: dict[str, float] = field(default_factory=dict)
    reused: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)

    def stage(self, name: str, key: str, make: Callable[[], Outputs]) -> bool:
        """Run ``make`` unless the outputs on disk are those of ``key``; returns whether it ran."""
        self.keys[name] = key
        self.report(Progress(name))
        record = self.store.fresh(name, key)
        if record is not None:
            self.reused.append(name)
            self.seconds[name] = record.seconds
            self.notices.extend(record.info.get("notices", ()))
            return False
        started = time.perf_counter()
        outputs, info = make()
        self.seconds[name] = time.perf_counter() - started
        self.store.commit(name, key, outputs, self.seconds[name], dict(info))
        self.notices.extend(info.get("notices", ()))
        return True

    def reporting(self, stage: str) -> ProgressFn:
        """A progress function whose reports count for ``stage``, whatever stage they name."""
        return lambda progress: self.report(replace(progress, stage=stage))

    def attempt(self, name: str, work: Callable[[], T]) -> T | None:
        """Run a stage that the others can do without; on failure, record the error and return None."""
        try:
            return work()
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - a failing stage must not cost the others
            self.failures[name] = f"{type(error).__name__}: {error}"
            return None
