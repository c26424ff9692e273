"""The label of every sample as it is now: the given one or a person's, by the class registry.

Three readings of a label: as *given* in the dataset (never changed, exported as ``label_original``); the given one
*by the registry* (after merges, renames and deletions); and the *effective* one, which a relabel in force replaces.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..types import Bool, Int32, Kind, Strings
from .decision_log.class_registry import ClassRegistry
from .row_index import RowIndex

Renames = Mapping[str, str | None]
"""Every name that does not mean itself → the class it means now, None = deleted."""

MERGED_REASON = "The given and the suggested label are one class now."
"""The reason of a sample whose label no longer looks wrong because classes were merged."""


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
        self._given = coded(given)
        self._suggested = suggested
        self._row_of, self._registry, self._state = row_of, registry, state
        self._lock = threading.Lock()
        self._cache: tuple[Renames, Strings, Bool] | None = None
        self._in_force: tuple[pa.Table, dict[int, str]] | None = None

    def _by_registry(self) -> tuple[Renames, Strings, Bool]:
        renames = self.renames()
        with self._lock:
            if self._cache is None or self._cache[0] is not renames:
                names, codes = self._given
                given = renamed(names, renames)[codes]
                merged = np.zeros(len(given), bool)
                if renames:
                    suggested, places = coded(self._suggested)
                    differ = suggested[places] != names[codes]
                    merged = differ & (renamed(suggested, renames)[places] == given) & (given != None)  # noqa: E711
                self._cache = (renames, given, merged)
            return self._cache

    def renames(self) -> Renames:
        """Every name that does not mean itself → the class it means now, None = deleted."""
        return self._registry().renames

    def given_of(self, sample_id: str) -> str | None:
        """The given label of a sample as the dataset has it; None where it has none, or is not in this scan."""
        row = self._row_of.get(sample_id)
        names, codes = self._given
        return cast("str | None", names[codes[row]] if row is not None else None)

    def given(self) -> Strings:
        """(n,) given labels by the registry, None = none. Not to be changed."""
        return self._by_registry()[1]

    def suggestion_merged(self) -> Bool:
        """(n,) whether the given and the suggested label became one class, so that there is nothing left to review."""
        return self._by_registry()[2]

    def effective(self) -> Strings:
        """(n,) effective labels, None = none: a relabel in force, else the given label, by the registry."""
        labels: Strings = self.given().copy()
        relabels = self._relabels()
        labels[list(relabels)] = list(relabels.values())
        return labels

    def effective_at(self, rows: Sequence[int]) -> list[str | None]:
        """The effective labels of these rows: what :meth:`effective` has there, without looking at all others."""
        given, relabels = self.given(), self._relabels()
        return [relabels.get(row, given[row]) for row in rows]

    def _relabels(self) -> dict[int, str]:
        """Row → label of every relabel in force."""
        state = self._state()
        with self._lock:
            if self._in_force is None or self._in_force[0] is not state:
                relabels = state.filter(pc.equal(state.column("state"), "relabel"))
                rows = self._row_of.find(relabels.column("sample_id")).tolist()
                labels = zip(rows, relabels.column("label").to_pylist(), strict=True)
                self._in_force = state, {row: label for row, label in labels if row >= 0}
            return self._in_force[1]


def coded(column: pa.ChunkedArray) -> tuple[Strings, Int32]:
    """Dictionary-encode a column of texts: ``names[codes]`` is the column, with one object per name instead of per row.

    Returns
    -------
    names
        (k + 1,) the different texts, None last.
    codes
        (n,) int32 place of each row's text among ``names``.
    """
    whole = column.combine_chunks()
    encoded = (whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole).dictionary_encode()
    names = np.array([*encoded.dictionary.to_pylist(), None], object)
    return names, encoded.indices.fill_null(len(names) - 1).to_numpy().astype(np.int32)


def codes_of(column: pa.ChunkedArray, classes: Sequence[str]) -> Int32:
    """(n,) place of each text among ``classes``, −1 = none of them, or no text."""
    place = {name: i for i, name in enumerate(classes)}
    names, codes = coded(column)
    return np.array([place.get(name, -1) for name in names], np.int32)[codes]


def renamed(labels: Strings, renames: Renames) -> Strings:
    """Replace labels by the classes that they mean now."""
    if not renames:
        return labels
    return np.array([renames.get(label, label) for label in labels.tolist()], object)


def suggestions(names: Sequence[str], probs: Sequence[float], given: str | None, renames: Renames) -> list[list[Any]]:
    """[label, probability] of the suggestions by the registry, the likeliest first.

    Classes that became one are summed; the given class and deleted ones are left out.
    """
    summed: dict[str, float] = {}
    for name, p in zip(names, probs, strict=True):
        label = renames.get(name, name)
        if label is not None and (not renames or label != given):
            summed[label] = summed.get(label, 0.0) + float(p)
    return [[label, round(p, 4)] for label, p in sorted(summed.items(), key=lambda item: -item[1])]


def verdict_without_noise(hard: bool, naive: bool) -> str:
    """The verdict that is left where a wrong label was the first and no longer is."""
    return (Kind.HARD if hard else Kind.NAIVE if naive else Kind.CLEAN).value
