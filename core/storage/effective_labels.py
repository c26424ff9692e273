"""The label of every sample as it is now: the given one or a person's, by the class registry.

Three readings of a label: as it was *given* in the dataset (never changed, exported as ``label_original``); the given one
*by the registry* (after merges, renames and deletions); and the *effective* one, which a relabel in force replaces.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..types import Bool, Int32, Kind, Strings
from .decision_log.class_registry import ClassRegistry
from .row_index import RowIndex

Names = Mapping[str, str | None]


class EffectiveLabels:
    """Labels of one scan under the registry. Safe to share between threads.

    Parameters
    ----------
    given
        (n,) labels of the dataset, None = none.
    suggested
        (n,) first suggestions, None = none.
    row_of
        Sample id → row.
    registry, state
        Called for each question; the registry, and the decisions in force (STATE_SCHEMA).
    """

    def __init__(
        self,
        given: pa.ChunkedArray,
        suggested: pa.ChunkedArray,
        row_of: RowIndex,
        registry: Callable[[], ClassRegistry],
        state: Callable[[], pa.Table],
    ) -> None:
        self._raw = coded(given)
        self._suggested = suggested
        self._row_of, self._registry, self._state = row_of, registry, state
        self._lock = threading.Lock()
        self._made: tuple[Names, Strings, Bool] | None = None

    def _now(self) -> tuple[Names, Strings, Bool]:
        now = self._registry().now
        with self._lock:
            if self._made is None or self._made[0] is not now:
                names, codes = self._raw
                given = renamed(names, now)[codes]
                same = np.zeros(len(given), bool)
                if now:
                    others, places = coded(self._suggested)
                    differ = others[places] != names[codes]
                    same = differ & (renamed(others, now)[places] == given) & (given != None)  # noqa: E711
                self._made = (now, given, same)
            return self._made

    def now(self) -> Names:
        """Every name that does not mean itself → the class it means now, None = deleted."""
        return self._registry().now

    def given_of(self, sample_id: str) -> str | None:
        """The given label of a sample as the dataset has it; None where it has none, or is not in this scan."""
        row = self._row_of.get(sample_id)
        names, codes = self._raw
        label: str | None = names[codes[row]] if row is not None else None
        return label

    def given(self) -> Strings:
        """(n,) given labels by the registry, None = none. Not to be changed."""
        return self._now()[1]

    def settled(self) -> Bool:
        """(n,) whether the given and the suggested label became one class, so that nothing is left to ask."""
        return self._now()[2]

    def labels(self) -> Strings:
        """(n,) effective labels, None = none: a relabel in force, else the given label, by the registry."""
        out: Strings = self.given().copy()
        state = self._state()
        state = state.filter(pc.equal(state.column("state"), "relabel"))
        rows = self._row_of.find(state.column("sample_id"))
        out[rows[rows >= 0]] = np.array(state.column("label").to_pylist(), object)[rows >= 0]
        return out


def coded(column: pa.ChunkedArray) -> tuple[Strings, Int32]:
    """(k + 1,) the different texts of a column, None last, and (n,) which of them each row has: ``names[codes]`` is the
    column, with one object per name instead of one per row.
    """
    whole = column.combine_chunks()
    found = (whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole).dictionary_encode()
    names = np.array([*found.dictionary.to_pylist(), None], object)
    return names, found.indices.fill_null(len(names) - 1).to_numpy().astype(np.int32)


def codes_of(column: pa.ChunkedArray, classes: Sequence[str]) -> Int32:
    """(n,) place of each text among ``classes``, −1 = none of them, or no text."""
    place = {name: i for i, name in enumerate(classes)}
    names, codes = coded(column)
    return np.array([place.get(name, -1) for name in names], np.int32)[codes]


def renamed(labels: Strings, now: Names) -> Strings:
    """The same labels by the registry: ``now`` maps retired names to the class they mean, None = deleted."""
    if not now:
        return labels
    return np.array([now.get(label, label) for label in labels.tolist()], object)


def suggestions(names: Sequence[str], probs: Sequence[float], given: str | None, now: Names) -> list[list[Any]]:
    """[label, probability] of the suggestions by the registry, the likeliest first: classes that became one are summed,
    the given class and deleted ones are left out.
    """
    found: dict[str, float] = {}
    for name, p in zip(names, probs, strict=True):
        label = now.get(name, name)
        if label is not None and (not now or label != given):
            found[label] = found.get(label, 0.0) + float(p)
    return [[label, round(p, 4)] for label, p in sorted(found.items(), key=lambda item: -item[1])]


SETTLED = "The given and the suggested label are one class now."
"""The reason of a sample whose label no longer looks wrong because classes were merged."""


def verdict_without_noise(hard: bool, naive: bool) -> str:
    """The verdict that is left where a wrong label was the first and no longer is."""
    return (Kind.HARD if hard else Kind.NAIVE if naive else Kind.CLEAN).value
