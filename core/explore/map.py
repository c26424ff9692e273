"""The map of a workspace: where the points are, what colours them, and its figure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import QueryError, WorkspaceError, choices, plural
from ..features.cluster_names import load_names
from ..storage.effective_labels import coded, renamed, verdict_without_noise
from ..storage.parquet_rows import RowReader
from ..storage.scan_context import ScanContext
from ..types import Bool, Float32, Int32, Int64, Kind, Strings
from .filter_schema import LABEL_SOURCES
from .map_figure import map_figure
from .results import Colours, Points
from .verdict_style import DISPUTED, SETTLED, STATUSES

SCORE_COLUMNS = ("noisy_label", "ood", "duplicate", "broken", "hard", "naive")
"""The kinds' own probabilities, in the order in which they are shown."""

MOST_VALUES = 59
"""Different values of a column of the metadata that have a colour each, the most frequent."""

OTHER_VALUES = "(other values)"

OUTLIERS = 0.5
"""Share of samples flagged as out of distribution above which a cluster is called one of outliers."""

NO_CODE = 65_535
"""Code of a point without a value."""


class MapView:
    """The geometry and the colours of one scan.

    Parameters
    ----------
    scan
        The scan.
    values
        Column of the metadata → (n,) its values, numbers as float64 (``SampleQuery.metadata_values``).
    """

    def __init__(self, scan: ScanContext, values: Callable[[str], pa.ChunkedArray]) -> None:
        self._scan, self._values = scan, values
        self._lock = threading.Lock()
        self._cached: tuple[tuple[Any, Any], Points] | None = None

    def points(self) -> Points:
        """The map's geometry with its clusters, cached until labels change.

        Raises
        ------
        WorkspaceError
            No map was drawn.
        """
        inputs = self._scan.store.state_table(), self._scan.labels.renames()
        with self._lock:
            if self._cached is None or any(a is not b for a, b in zip(inputs, self._cached[0], strict=True)):
                self._cached = inputs, self._read()
            return self._cached[1]

    def _read(self) -> Points:
        xy = self._scan.files.projection
        if xy is None:
            raise WorkspaceError("This workspace has no map yet. Scan again without --no-map to draw it.")
        placed = np.isfinite(xy[:, 0]) & np.isfinite(xy[:, 1])
        names = load_names(self._scan.layout)
        coarse, fine = (self._scan.verdicts.column(c).to_numpy() for c in ("cluster", "cluster_fine"))
        labels, order = pd.factorize(self._scan.labels.effective())
        finer = self._clusters(xy, _members(fine, placed), names["fine"], labels, order)
        for c, rows in _members(fine, coarse >= 0):
            if cluster := next((f for f in finer if f["cluster"] == c), None):
                cluster["within"] = int(np.bincount(coarse[rows]).argmax())
        return Points(
            self._scan.ids, xy, self._clusters(xy, _members(coarse, placed), names["coarse"], labels, order), finer
        )

    def _clusters(
        self,
        xy: Float32,
        members: Iterable[tuple[int, Int64]],
        names: Mapping[int, Mapping[str, Any]],
        labels: Int64,
        order: Strings,
    ) -> list[dict[str, Any]]:
        """Each cluster with its name, the median place of its points, and its size. Clusters of outliers say so.

        The name is the words that tell the cluster from others, else its commonest label. ``members``: (cluster, its
        rows); ``labels`` (n,): indices into ``order``, −1 = none.
        """
        out = []
        foreign = self._scan.verdicts.column(f"{Kind.OOD.value}_flag").to_numpy()
        for c, rows in members:
            present = labels[rows]
            present = present[present >= 0]
            scanned = names.get(c, {})
            if scanned.get("how") in ("texts", "words") or (scanned and not len(present)):
                name = str(scanned["name"])
            else:  # by labels as people have them now
                name = str(order[np.bincount(present).argmax()]) if len(present) else f"cluster {c}"
            if foreign[rows].mean() > OUTLIERS:
                name = f"Outliers: {name}"
            x, y = np.median(xy[rows], axis=0)
            out.append({"cluster": c, "name": name, "x": float(x), "y": float(y), "size": len(rows)})
        return out

    def colours(self, name: str) -> Colours:
        """Values by name: a category, a score or a signal.

        Raises
        ------
        QueryError
            There is no such colouring; the message names the choices.
        """
        by_category = {
            "verdict": self._scan.verdicts,
            "suggested_label": self._scan.verdicts,
            "cluster": self._scan.verdicts,
            "label": self._scan.dataset,
            "given_label": self._scan.dataset,
            "split": self._scan.dataset,
            "source": self._scan.dataset,
        }
        if name == "decision":
            table = self._scan.store.state_table()
            rows = self._scan.row_of.find(table.column("sample_id"))
            states, codes = coded(table.column("state"))
            values = np.full(len(self._scan.ids), None, object)
            values[rows[rows >= 0]] = states[codes[rows >= 0]]
            return _categories(name, values)
        if name in ("label_source", "label_probability"):
            return self._of_labels(name)
        if name in by_category:
            order = list(STATUSES) if name == "verdict" else None
            return _categories(name, self._column(by_category[name], name), order)
        for reader in (self._scan.verdicts, RowReader(self._scan.layout.signals)):
            if name in reader.columns:
                column = reader.column(name).to_numpy()
                if column.dtype.kind == "f":
                    return Colours(name, None, None, column.astype(np.float32))
        if name.startswith("meta."):
            return self._metadata(name)
        if name.startswith("tag.") and self._scan.tags is not None:
            return self._tag(name)
        known = [
            *by_category,
            "decision",
            "label_source",
            "label_probability",
            *SCORE_COLUMNS,
            "confidence",
            *self._scan.results["signals"],
        ]
        raise QueryError(f"The map cannot be coloured by {name!r}. There are: {choices(known, 40)}.")

    def _of_labels(self, name: str) -> Colours:
        """Where the labels in force are from, or with which probability they were propagated."""
        table = self._scan.store.state_table()
        rows = self._scan.row_of.find(table.column("sample_id"))
        known = table.column(name)
        if name == "label_probability":
            numbers = np.full(len(self._scan.ids), np.nan, np.float32)
            numbers[rows[rows >= 0]] = known.to_numpy()[rows >= 0]
            return Colours(name, None, None, numbers)
        labelled = np.array([label is not None for label in self._scan.labels.effective().tolist()], bool)
        values = np.full(len(labelled), "given", object)
        sources, codes = coded(known)
        decided = np.where(sources[codes] == None, "given", sources[codes])  # noqa: E711
        values[rows[rows >= 0]] = decided[rows >= 0]
        values[~labelled] = None
        return _categories(name, values, list(LABEL_SOURCES))

    def _tag(self, name: str) -> Colours:
        """Who carries a tag now, and who carries it or lacks it by mistake, by the scan."""
        assert self._scan.tags is not None
        tag, tables = name.removeprefix("tag."), self._scan.tags.tables
        if tag not in self._scan.tags.names():
            raise QueryError(f"No tag is called {tag!r}. There are: {choices(self._scan.tags.names(), 40)}.")
        words = ("carries it", "one too many", "missing", "does not")
        codes = np.full(len(self._scan.ids), 3, np.uint16)
        if tag in tables.names:
            t = tables.names.index(tag)
            given, flag = (m[:, [t]].toarray().ravel() for m in (tables.given, tables.flag))
            codes[given], codes[flag & ~given], codes[flag & given] = 0, 2, 1
        for row, tags in self._scan.tags.changed().items():
            codes[row] = 0 if tag in tags else 3
        return Colours(name, words, codes, None)

    def _metadata(self, name: str) -> Colours:
        """The values of a column that came with the samples; numbers between their 1st and 99th percentile."""
        column = self._values(name.removeprefix("meta."))
        if pa.types.is_floating(column.type):
            numbers = column.to_numpy()
            known = numbers[np.isfinite(numbers)]
            low, high = (float(q) for q in np.quantile(known, (0.01, 0.99))) if len(known) else (0.0, 1.0)
            scaled = np.clip((numbers - low) / (high - low if high > low else 1.0), 0.0, 1.0)
            return Colours(name, None, None, scaled.astype(np.float32), (low, high))
        names, codes = coded(column)
        many = np.bincount(codes, minlength=len(names))
        rare = np.argsort(-many[:-1], kind="stable")[MOST_VALUES:]
        names[rare] = OTHER_VALUES
        return _categories(name, names[codes])

    def _column(self, reader: RowReader, name: str) -> NDArray[Any]:
        """(n,) a column of names (None = none) or clusters (−1 = none); classes by the class registry."""
        if name in ("label", "given_label"):
            return self._scan.labels.effective() if name == "label" else self._scan.labels.given()
        column = reader.column(name)
        if pa.types.is_integer(column.type):
            return np.asarray(column.to_numpy())
        names, codes = coded(column)
        if name == "suggested_label":
            names = renamed(names, self._scan.labels.renames())
        values: NDArray[Any] = names[codes]
        return self._statuses(values) if name == "verdict" else values

    def _statuses(self, verdicts: Strings) -> Strings:
        """(n,) what every sample stands as: see :data:`.verdict_style.STATUSES`. Changes ``verdicts``."""
        if self._scan.labels.renames():
            hard, naive = (
                self._scan.verdicts.column(f"{k}_flag").to_numpy() for k in (Kind.HARD.value, Kind.NAIVE.value)
            )
            for row in np.flatnonzero(self._scan.labels.suggestion_merged() & (verdicts == Kind.NOISY_LABEL.value)):
                verdicts[row] = verdict_without_noise(hard[row], naive[row])
        table = self._scan.store.state_table()
        rows = self._scan.row_of.find(table.column("sample_id"))
        disputed = pc.equal(table.column("state"), DISPUTED).to_numpy()
        verdicts[rows[rows >= 0]] = np.where(disputed, DISPUTED, SETTLED)[rows >= 0]
        return verdicts

    def figure(self, colour: str, title: str) -> Any:
        """A plotly figure of the map."""
        points, values = self.points(), self.colours(colour)
        frame = pd.DataFrame(
            {
                "sample_id": points.ids,
                "x": points.xy[:, 0],
                "y": points.xy[:, 1],
                "label": self._scan.labels.effective(),
                "verdict": self._column(self._scan.verdicts, "verdict"),
            }
        )
        if values.codes is not None:
            names = np.array([*(values.names or ()), "none"], object)
            frame[colour] = names[np.minimum(values.codes, len(names) - 1)]
        else:
            frame[colour] = values.values
        return map_figure(frame, colour, f"{title}: {plural(len(frame), 'sample')}")


def _members(codes: Int32, among: Bool) -> list[tuple[int, Int64]]:
    """(code, its rows ascending) of every code ≥ 0, ascending: one sort, however many there are.

    ``among``: (n,) bool, the rows to look at.
    """
    rows = np.flatnonzero(among & (codes >= 0))
    present = codes[rows]
    order = np.argsort(present.astype(np.uint16) if present.max(initial=0) < 2**16 else present, kind="stable")
    rows, present = rows[order], present[order]
    edges = np.flatnonzero(np.diff(present, prepend=-1, append=-1))
    return [(int(present[a]), rows[a:b]) for a, b in pairwise(edges.tolist())]


def _categories(name: str, values: NDArray[Any], order: Sequence[str] | None = None) -> Colours:
    """Codes of the values that occur, in this order or sorted; None and −1 are none."""
    codes, uniques = pd.factorize(values)
    place = {v: i for i, v in enumerate(uniques.tolist()) if v != -1}
    names = [o for o in order if o in place] if order else sorted(place, key=lambda v: (str(type(v)), v))
    code = np.full(len(uniques) + 1, NO_CODE, np.uint16)
    code[[place[v] for v in names]] = np.arange(len(names), dtype=np.uint16)
    return Colours(name, tuple(str(v) for v in names), code[codes], None)
