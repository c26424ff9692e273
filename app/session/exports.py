"""An export at work in a thread of its own: progress, cancel, and its result. It lives as long as the tab's session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from winnow.core import Cancelled, WinnowError
from winnow.core.types import Progress, ProgressFn


@dataclass
class ExportJob:
    """``work`` is called with a progress function, which raises Cancelled once :meth:`cancel` was called."""

    work: Callable[[ProgressFn], Any]
    done: int = 0
    total: int = 0
    result: Any = None
    error: str | None = None
    cancelled: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> ExportJob:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="winnow-export", daemon=True)
        self._thread.start()
        return self

    def running(self, wait: float = 0.0) -> bool:
        """Whether it still works, after at most ``wait`` seconds."""
        assert self._thread is not None
        self._thread.join(wait)
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Ask it to stop; nothing is left of the export then."""
        self._stop.set()

    def _run(self) -> None:
        try:
            self.result = self.work(self._tell)
        except Cancelled:
            self.cancelled = True
        except WinnowError as error:
            self.error = str(error)
        except Exception as error:  # noqa: BLE001 - a thread's error would be lost: the page says it
            self.error = f"The export failed: {error}"

    def _tell(self, p: Progress) -> None:
        if self._stop.is_set():
            raise Cancelled("The export was cancelled. Nothing was written.")
        self.done, self.total = p.done, max(p.total, self.total)
