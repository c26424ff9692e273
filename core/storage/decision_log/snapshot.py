"""One moment of the log, for exports."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from ...types import Decision
from .class_registry import ClassRegistry
from .rows import ClassEvent


@dataclass(frozen=True)
class Snapshot:
    """One moment of the log.

    Attributes
    ----------
    seq, hash
        Of the last row; (0, "") for an empty log.
    table
        The state in force (STATE_SCHEMA).
    decisions
        Every decision in force, of every person, in order of ``seq``.
    registry
        The classes.
    class_events
        All rows of the class registry.
    """

    seq: int
    hash: str
    table: pa.Table
    decisions: tuple[Decision, ...]
    registry: ClassRegistry = field(default_factory=ClassRegistry)
    class_events: tuple[ClassEvent, ...] = ()
