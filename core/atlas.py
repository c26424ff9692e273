"""The map of a workspace: where the points are, what colours them, and its figure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .answers import Colours, Points
from .class_view import ClassView, renamed, verdict_without_noise
from .errors import QueryError, WorkspaceError, choices
from .figures import map_figure
from .layout import Layout
from .lookup import RowReader
from .names import load_names
from .store.artifacts import load_array
from .types import Float32, Kind, Strings

SCORE_COLUMNS = ("noisy_label", "ood", "duplicate", "broken", "hard", "naive")
"""The kinds' own probabilities, in the order in which they are shown."""

NO_CODE = 65_535
"""Code of a point without a value."""


class Atlas:
    """Reads the geometry and the colours. ``state``: gives the decisions in force as an Arrow table."""

    def __init__(
        self,
        layout: Layout,
        dataset: RowReader,
        verdicts: RowReader,
        ids: Strings,
        classes: ClassView,
        results: dict[str, Any],
        state: Callable[[], pa.Table],
    ) -> None:
        self._layout, self._dataset, self._verdicts = layout, dataset, verdicts
        self._ids, self._classes, self._results, self._state = ids, classes, results, state
        self._lock = threading.Lock()
        self._made: tuple[tuple[Any, Any], Points] | None = None

    def points(self) -> Points:
        """The map's geometry with its clusters, kept until labels change. Raises WorkspaceError where no map was drawn."""
        made_of = self._state(), self._classes.now()
        with self._lock:
            if self._made is None or any(a is not b for a, b in zip(made_of, self._made[0], strict=True)):
                self._made = made_of, self._read()
            return self._made[1]

    def _read(self) -> Points:
        if not self._layout.projection.exists():
            raise WorkspaceError("This workspace has no map yet. Scan again without --no-map to draw it.")
        xy = np.asarray(load_array(self._layout.projection), np.float32)
        names = load_names(self._layout)
        coarse, fine = (self._verdicts.column(c).to_numpy() for c in ("cluster", "cluster_fine"))
        finer = self._clusters(xy, fine, names["fine"])
        for c in finer:
            c["within"] = int(np.bincount(coarse[(fine == c["cluster"]) & (coarse >= 0)]).argmax())
        return Points(self._ids, xy, self._clusters(xy, coarse, names["coarse"]), finer)

    def _clusters(self, xy: Float32, codes: Any, names: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Each cluster with its name (the words that tell it from others, else its commonest label), the median place of its
        points, and its size."""
        labels, order = pd.factorize(self._classes.labels())
        out = []
        for c in range(int(codes.max(initial=-1)) + 1):
            mine = (codes == c) & np.isfinite(xy).all(1)
            if not mine.any():
                continue
            here = labels[mine & (labels >= 0)]
            said = names.get(c, {})
            if said.get("how") in ("texts", "words") or (said and not len(here)):
                name = str(said["name"])
            else:  # by labels as people have them now
                name = str(order[np.bincount(here).argmax()]) if len(here) else f"cluster {c}"
            x, y = np.median(xy[mine], axis=0)
            out.append({"cluster": c, "name": name, "x": float(x), "y": float(y), "size": int(mine.sum())})
        return out

    def colours(self, name: str) -> Colours:
        """Values by name. Raises QueryError, naming the choices, for one that is not there."""
        by_category = {
            "verdict": self._verdicts, "suggested_label": self._verdicts, "cluster": self._verdicts,
            "label": self._dataset, "split": self._dataset, "source": self._dataset,
        }  # fmt: skip
        if name == "decision":
            table = self._state().to_pydict()
            state = dict(zip(table["sample_id"], table["state"], strict=True))
            return _categories(name, [state.get(i) for i in self._ids])
        if name in by_category:
            values = self._column(by_category[name], name)
            order = [k.value for k in Kind] if name == "verdict" else None
            return _categories(name, [None if v == -1 else v for v in values], order)
        for reader in (self._verdicts, RowReader(self._layout.signals)):
            if name in reader.columns:
                column = reader.column(name).to_numpy()
                if column.dtype.kind == "f":
                    return Colours(name, None, None, column.astype(np.float32))
        there = [*by_category, "decision", *SCORE_COLUMNS, "confidence", *self._results["signals"]]
        raise QueryError(f"The map cannot be coloured by {name!r}. There are: {choices(there, 40)}.")

    def _column(self, reader: RowReader, name: str) -> list[Any]:
        """A column of names, by the class registry where it has to do with classes."""
        if name == "label":
            return [*self._classes.labels()]
        values: list[Any] = reader.column(name).to_pylist()
        if not self._classes.now():
            return values
        if name == "suggested_label":
            return [*renamed(np.array(values, object), self._classes.now())]
        if name == "verdict":
            hard, naive = (self._verdicts.column(f"{k}_flag").to_pylist() for k in (Kind.HARD.value, Kind.NAIVE.value))
            for row in np.flatnonzero(self._classes.settled()):
                if values[row] == Kind.NOISY_LABEL.value:
                    values[row] = verdict_without_noise(hard[row], naive[row])
        return values

    def figure(self, colour: str, title: str) -> Any:
        """A plotly figure of the map."""
        points, values = self.points(), self.colours(colour)
        frame = pd.DataFrame(
            {
                "sample_id": points.ids,
                "x": points.xy[:, 0],
                "y": points.xy[:, 1],
                "label": self._classes.labels(),
                "verdict": self._verdicts.column("verdict").to_pandas(),
            }
        )
        if values.codes is not None:
            names = np.array([*(values.names or ()), "none"], object)
            frame[colour] = names[np.minimum(values.codes, len(names) - 1)]
        else:
            frame[colour] = values.values
        return map_figure(frame, colour, f"{title}: {len(frame):,} samples")


def _categories(name: str, values: Sequence[Any], order: Sequence[str] | None = None) -> Colours:
    present = set(values) - {None}
    names = [o for o in order if o in present] if order else sorted(present, key=lambda v: (str(type(v)), v))
    code = {v: i for i, v in enumerate(names)}
    codes = np.array([code.get(v, NO_CODE) for v in values], np.uint16)
    return Colours(name, tuple(str(v) for v in names), codes, None)
