"""What every part of a workspace works from: one scan and the decision log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..errors import QueryError
from ..types import Int32, Strings
from .artifacts import load_json
from .decision_log.store import DecisionStore
from .effective_labels import EffectiveLabels, codes_of
from .effective_tags import EffectiveTags
from .layout import Layout
from .parquet_rows import RowReader
from .row_index import RowIndex
from .scan_files import ScanFiles


@dataclass(frozen=True)
class ScanContext:
    """One scan of a workspace and its decision log; a new scan gets a new context. Safe to share between threads.

    Attributes
    ----------
    layout
        The workspace's files.
    store
        Its decision log.
    name
        Of the dataset.
    generation
        Changes when a scan wrote new results.
    """

    layout: Layout
    store: DecisionStore
    name: str
    generation: str

    @cached_property
    def results(self) -> Mapping[str, Any]:
        """What the scan found, in short (results.json)."""
        return cast("dict[str, Any]", load_json(self.layout.results))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of the dataset, in order of the label codes."""
        return tuple(self.results["class_names"])

    @cached_property
    def files(self) -> ScanFiles:
        """The arrays of the scan."""
        return ScanFiles(self.layout)

    @cached_property
    def dataset(self) -> RowReader:
        """The rows of the dataset."""
        return RowReader(self.layout.dataset)

    @cached_property
    def verdicts(self) -> RowReader:
        """The verdicts, a row for each sample."""
        return RowReader(self.layout.verdicts)

    @cached_property
    def ids(self) -> Strings:
        """(n,) sample ids in row order."""
        return np.array(self.dataset.column("sample_id").to_pylist(), object)

    @cached_property
    def row_of(self) -> RowIndex:
        """Sample id → row."""
        return RowIndex(self.dataset.column("sample_id"))

    def row(self, sample_id: str) -> int:
        """The row of a sample. Raises QueryError for an unknown id."""
        try:
            return self.row_of[sample_id]
        except KeyError:
            raise QueryError(f"No sample is called {sample_id!r} in {self.name!r}.") from None

    @cached_property
    def label_codes(self) -> Int32:
        """(n,) int32 given labels into :attr:`class_names`, −1 = none."""
        return codes_of(self.dataset.column("label"), self.class_names)

    @cached_property
    def labels(self) -> EffectiveLabels:
        """The labels as they are now, by decisions and class changes."""
        given, suggested = self.dataset.column("label"), self.verdicts.column("suggested_label")
        return EffectiveLabels(given, suggested, self.row_of, self.store.registry, self.store.state_table)

    @cached_property
    def tags(self) -> EffectiveTags | None:
        """The tags as they are now; None where samples have no tags."""
        tables = self.files.tags
        return EffectiveTags(tables, self.row_of, self.store.state_table) if tables is not None else None

    def classes(self) -> list[str]:
        """The classes now: the dataset's and those that people made, without those merged, renamed or deleted."""
        return self.store.classes(self.class_names)
