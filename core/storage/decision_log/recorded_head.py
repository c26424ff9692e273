"""What is remembered outside the decision log: that there is one, and how far it went.

``log_head.json`` in the workspace holds the number of decisions, the hash of the last one and the number of class
changes. It is written without waiting for the disk, after the log, so it never says more than the log holds. A log that
went further is fine; one that ends earlier, or is gone, lost decisions.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import WorkspaceError

EVERY_S = 1.0
"""While decisions are made, the head is recorded at most this often."""


@dataclass(frozen=True)
class LogHead:
    """How far a log went.

    Attributes
    ----------
    decisions
        Number of its rows, which is the ``seq`` of the last one.
    hash
        Of the last row; "" = there is none.
    class_changes
        Number of rows of the class registry.
    """

    decisions: int = 0
    hash: str = ""
    class_changes: int = 0

    def __str__(self) -> str:
        changes = f"{self.class_changes:,} class change{'s' * (self.class_changes != 1)}"
        return f"{self.decisions:,} decision{'s' * (self.decisions != 1)}" + f" and {changes}" * bool(
            self.class_changes
        )


class RecordedHead:
    """The recorded head of one workspace's log.

    Parameters
    ----------
    path
        Of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head = self._read()
        """As it was when this was made."""
        self._written, self._at = self.head, 0.0

    def _read(self) -> LogHead | None:
        try:
            return LogHead(**json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):  # none yet, or cut by a power failure
            return None

    def check_file(self, log: Path) -> None:
        """Raise WorkspaceError where the file of a log that held rows is gone or empty. Call it before opening."""
        if self.head not in (None, LogHead()) and not holds_something(log):
            state = "is empty" if log.exists() else "is gone"
            raise WorkspaceError(f"The decision log {str(log)!r} {state}: it held {self.head}. {_TO_DO}")

    def check(self, name: str, now: LogHead, hash_then: str) -> None:
        """Raise WorkspaceError where the log ends before the recorded head, or is another one.

        Parameters
        ----------
        name
            Of the log, for a person.
        now
            How far it goes.
        hash_then
            Of its row where the head was recorded, "" = no such row.
        """
        if self.head is None:
            return
        if now.decisions < self.head.decisions or now.class_changes < self.head.class_changes:
            raise WorkspaceError(f"The decision log {name!r} holds {now}, and had {self.head}. {_COPIED} {_TO_DO}")
        if hash_then != self.head.hash:
            raise WorkspaceError(
                f"The decision log {name!r} is another log than this workspace had: its row {self.head.decisions:,} is "
                f"a different decision. {_TO_DO}"
            )

    def write(self, head: LogHead, at_once: bool = False) -> None:
        """Remember how far the log goes now, unless that was done within the last second."""
        now = time.monotonic()
        if head == self._written or not (at_once or now - self._at >= EVERY_S):
            return
        self._written, self._at = head, now
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}.tmp")
        try:
            temporary.write_text(json.dumps(asdict(head)) + "\n", encoding="utf-8")
            os.replace(temporary, self.path)
        except OSError:  # the log itself holds every decision: the next record is as good
            with suppress(OSError):
                temporary.unlink()


_COPIED = (
    "If this folder was copied while decisions were made, the log was copied first, and the last decisions are in the "
    "original alone: copy the folder again when nobody decides, or take the log with `winnow backup`."
)
_TO_DO = (
    "Put the file back, or a backup in its place (`winnow backup` makes them). To go on with what is there now, an "
    "older backup or nothing at all, run `winnow store WS --new-log`."
)


def holds_something(path: Path) -> bool:
    """Whether there is a file with content."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
