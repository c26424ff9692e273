"""Many sample ids as one compact value: an Arrow column instead of one Python string each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import cast, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..types import Int32

_AT_ONCE = 65_536


class IdSet(Sequence[str]):
    """An immutable, ordered set of sample ids: what the handle of a selection or a queue refers to.

    Reads like a sequence of strings; a slice is a list. An id takes about 20 bytes, 90 in a tuple of strings.

    Parameters
    ----------
    column
        Arrow strings without nulls.
    rows
        (m,) int32 row of each in one scan, where they are known.
    scan
        The scan that ``rows`` belong to; compared by identity.
    """

    def __init__(
        self, column: pa.Array | pa.ChunkedArray, rows: Int32 | None = None, scan: object | None = None
    ) -> None:
        self._rows, self._scan = rows, scan
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(whole, pa.ChunkedArray):  # more text than one array of strings can hold
            whole = whole.cast(pa.large_string()).combine_chunks()
        self.column: pa.Array = whole

    @classmethod
    def of(cls, ids: Iterable[str]) -> IdSet:
        """The ids as an IdSet; one that is an IdSet already is returned unchanged."""
        return ids if isinstance(ids, cls) else cls(pa.array(list(ids), pa.large_string()))

    @property
    def nbytes(self) -> int:
        """Size in memory, in bytes."""
        return int(self.column.nbytes) + (0 if self._rows is None else self._rows.nbytes)

    def rows(self, scan: object) -> Int32 | None:
        """(m,) row of each id in ``scan``; None where they are not known and have to be looked up."""
        return self._rows if self._scan is scan else None

    @cached_property
    def digest(self) -> str:
        """32 hex digits over the ids in their order."""
        h = hashlib.blake2b(digest_size=16)
        for start in range(0, len(self), _AT_ONCE):
            part = self.column.slice(start, _AT_ONCE)
            h.update(pc.binary_length(part).cast(pa.int64()).to_numpy().tobytes())
            h.update("".join(part.to_pylist()).encode())
        return h.hexdigest()

    def difference(self, ids: Sequence[str]) -> IdSet:
        """The ids that are not in ``ids``, in this order."""
        removed = IdSet.of(ids).column.cast(self.column.type)
        return IdSet(self.column.filter(pc.invert(pc.is_in(self.column, value_set=removed))))

    def reorder_like(self, other: Sequence[str]) -> IdSet:
        """These ids in the order of ``other``; those that are not in it come last, in this order."""
        positions = pc.index_in(self.column, value_set=IdSet.of(other).column.cast(self.column.type))
        return self.take(np.argsort(positions.fill_null(len(other)).to_numpy(), kind="stable"))

    def take(self, positions: NDArray[np.integer]) -> IdSet:
        """The ids at these positions."""
        return IdSet(self.column.take(pa.array(positions)))

    def prepend(self, ids: Sequence[str]) -> IdSet:
        """``ids`` followed by these."""
        return IdSet(pa.concat_arrays([IdSet.of(ids).column.cast(self.column.type), self.column]))

    def __len__(self) -> int:
        return len(self.column)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            if step == 1:
                return cast("list[str]", self.column.slice(start, max(0, stop - start)).to_pylist())
            return [self[i] for i in range(start, stop, step)]
        at = at + len(self) if at < 0 else at
        if not 0 <= at < len(self):
            raise IndexError(f"id {at} asked of a selection of {len(self)}")
        return str(self.column[at].as_py())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self.column.slice(start, _AT_ONCE).to_pylist()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, IdSet):
            return len(self) == len(other) and self.digest == other.digest
        return isinstance(other, (list, tuple)) and len(self) == len(other) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"IdSet({len(self):,} ids)"
