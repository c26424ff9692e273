"""One run of the scan: its config, where it writes, and what is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..errors import Cancelled, DiskFull
from ..storage.artifacts import StageStore
from ..storage.layout import Layout
from ..types import Progress, ProgressFn
from .config import ScanConfig

T = TypeVar("T")

FATAL = (Cancelled, DiskFull, KeyboardInterrupt, MemoryError)
"""What no stage may swallow."""

Outputs = tuple[list[Path], Mapping[str, Any]]
"""The files that a stage wrote, and what is to be known of them."""


@dataclass
class Run:
    """The bookkeeping of one scan: seconds and failures per stage, notices for the person."""

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
        """Run ``make`` unless its outputs for ``key`` are there. Returns whether it ran."""
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

    def attempt(self, name: str, work: Callable[[], T]) -> T | None:
        """Run a stage that the rest can do without; a failure is kept in words and answered with None."""
        try:
            return work()
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - one stage's fault must not cost the person the others
            self.failures[name] = f"{type(error).__name__}: {error}"
            return None
