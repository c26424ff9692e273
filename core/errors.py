"""What can go wrong, as one tree.

    WinnowError                     everything that Winnow says to a person on purpose
    ├── SourceError                 the input cannot be read as a dataset
    │   ├── ColumnError             a named column is not there, or cannot be used
    │   └── JoinError               embeddings or probabilities do not fit the dataset
    ├── EncoderError                an encoder is unknown, or cannot be loaded
    │   └── WeightsUnavailable      the weights are not cached and cannot be fetched
    ├── WorkspaceError              the workspace is missing, damaged, newer than this release, or in use
    │   ├── WorkspaceBusy           another scan holds the lock
    │   └── ReadOnly                the workspace can be looked at but not written to
    ├── DecisionError               a decision cannot be recorded (unknown sample, label, or stale chain)
    ├── QueryError                  a filter or sort names something that is not there
    ├── ExportError                 an export cannot be written
    ├── NotAllowed                  the person's role does not allow it
    ├── DiskFull                    the disk ran out of room; what had been written before is intact
    └── Cancelled                   the person stopped the scan; finished stages are kept

Every message names the value, the rule and the choices, and ends with what to do. The command line prints the
message and exits with `exit_code`; the app shows it in the page. Neither shows a stack trace.
"""

from __future__ import annotations

from collections.abc import Iterable


class WinnowError(Exception):
    """Base of all errors that Winnow raises on purpose. ``exit_code`` is the command line's status."""

    exit_code = 2


class SourceError(WinnowError):
    """The input cannot be read as a dataset."""


class ColumnError(SourceError):
    """A named column is not there, or holds what it must not."""


class JoinError(SourceError):
    """Embeddings or probabilities do not fit the dataset's rows."""


class EncoderError(WinnowError):
    """An encoder is unknown, or cannot be loaded or run."""


class WeightsUnavailable(EncoderError):
    """The weights are not cached and cannot be fetched."""


class WorkspaceError(WinnowError):
    """The workspace is missing, damaged, or written by a newer release."""


class WorkspaceBusy(WorkspaceError):
    """Another scan holds the workspace's lock."""


class ReadOnly(WorkspaceError):
    """The workspace can be looked at but not written to."""


class DecisionError(WinnowError):
    """A decision cannot be recorded."""


class QueryError(WinnowError):
    """A filter or a sort order names something that is not there."""


class ExportError(WinnowError):
    """An export cannot be written."""


class NotAllowed(WinnowError):
    """The person's role in this workspace does not allow it."""


class DiskFull(WinnowError):
    """The disk ran out of room. What had been written before is intact."""

    exit_code = 3


class Cancelled(WinnowError):
    """The person stopped the scan. Finished stages are kept."""

    exit_code = 130


def choices(items: Iterable[object], limit: int = 12) -> str:
    """Write choices for a message: ``'a', 'b' and 3 more``.

    >>> choices(["b", "a"])
    "'b', 'a'"
    """
    shown = [repr(str(i)) for i in items]
    if not shown:
        return "(none)"
    if len(shown) <= limit:
        return ", ".join(shown)
    return f"{', '.join(shown[:limit])} and {len(shown) - limit} more"


def plural(n: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: ``1 sample``, ``2,000 samples``.

    >>> plural(1, "copy", "copies"), plural(2000, "sample")
    ('1 copy', '2,000 samples')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


AGO: tuple[tuple[float, float, str], ...] = (
    (10, 1, "just now"),
    (60, 1, "{n} s ago"),
    (3600, 60, "{n} min ago"),
    (86_400, 3600, "{n} h ago"),
    (172_800, 86_400, "yesterday"),
    (1e12, 86_400, "{n} days ago"),
)
"""Relative times: below how many seconds, in units of how many, which words. The browser uses the same table."""


def time_ago(seconds: float) -> str:
    """Write how long ago something was.

    >>> time_ago(3), time_ago(90)
    ('just now', '1 min ago')
    """
    unit, words = next((unit, words) for below, unit, words in AGO if seconds < below)
    return words.format(n=int(seconds // unit))
