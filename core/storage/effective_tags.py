"""The tags of a scan as they are now: as given, and as decisions in force changed them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..types import Int64
from .row_index import RowIndex
from .tag_tables import TagTables


class EffectiveTags:
    """Tags of one scan under the decisions in force. Safe to share between threads.

    Parameters
    ----------
    tables
        The tags of the scan.
    row_of
        Sample id → row.
    state
        Called for each question; the decisions in force (STATE_SCHEMA).
    """

    def __init__(self, tables: TagTables, row_of: RowIndex, state: Callable[[], pa.Table]) -> None:
        self.tables, self._row_of, self._state = tables, row_of, state
        self._in_force: tuple[pa.Table, dict[int, list[str]]] | None = None

    def given_of(self, sample_id: str) -> list[str] | None:
        """The given tags of a sample; None where it is not in this scan."""
        row = self._row_of.get(sample_id)
        return self.tables.of_row(row) if row is not None else None

    def belief_of(self, sample_id: str) -> Callable[[str], float]:
        """What the scan believes of a sample: tag → probability that it carries it, 0 where that is not known."""
        belief = np.nan_to_num(np.asarray(self.tables.belief[self._row_of[sample_id]], np.float32))
        known = dict(zip(self.tables.names, belief.tolist(), strict=True))
        return lambda tag: known.get(tag, 0.0)

    def changed(self) -> dict[int, list[str]]:
        """Row → final tags of every decision in force that changes them."""
        state = self._state()
        kept = self._in_force
        if kept is None or kept[0] is not state:
            relabels = state.filter(
                pc.and_(pc.equal(state.column("state"), "relabel"), state.column("tags").is_valid())
            )
            rows = self._row_of.find(relabels.column("sample_id")).tolist()
            tags = zip(rows, relabels.column("tags").to_pylist(), strict=True)
            self._in_force = kept = state, {row: now for row, now in tags if row >= 0}
        return kept[1]

    def at(self, rows: Sequence[int]) -> list[list[str]]:
        """The tags of these rows now."""
        changed = self.changed()
        return [changed[row] if row in changed else self.tables.of_row(row) for row in rows]

    def names(self) -> list[str]:
        """The tags of the dataset, then those that decisions added."""
        added = (tag for tags in self.changed().values() for tag in tags)
        return list(dict.fromkeys([*self.tables.names, *added]))

    def counts(self) -> dict[str, int]:
        """Tag → number of samples that carry it now."""
        names = self.names()
        place = {name: i for i, name in enumerate(names)}
        count: Int64 = np.zeros(len(names), np.int64)
        count[: len(self.tables.names)] = np.bincount(self.tables.given.indices, minlength=len(self.tables.names))
        for row, tags in self.changed().items():
            for sign, of in ((-1, self.tables.of_row(row)), (1, tags)):
                for tag in of:
                    count[place[tag]] += sign
        return dict(zip(names, count.tolist(), strict=True))
