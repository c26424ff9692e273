"""The tags of a scan on disk: one row per sample for queries, and matrices of what the models believe."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from ..types import Bool, Float32, Strings, TagForm, Tags
from .artifacts import load_array, load_json, load_table, plain, save_array, save_json, save_table
from .layout import Layout

_MATRICES = ("given", "annotated", "flag")
EDITS = ("missing", "extra")
"""What can be wrong with a tag: it is absent and should be there, or it is there and should not."""


def save_tags(
    layout: Layout,
    sample_ids: Strings,
    tags: Tags,
    belief: Float32,
    wrong: Float32,
    flag: Bool,
    reasons: dict[tuple[int, int], str],
    info: dict[str, Any],
) -> list[Path]:
    """Write what a scan knows of the tags.

    Parameters
    ----------
    layout
        Of the workspace.
    sample_ids
        (n,) ids.
    tags
        As given.
    belief, wrong, flag
        (n, T) of every pair: how likely the sample carries the tag, how likely what is given is wrong, and whether it
        is flagged.
    reasons
        (row, tag) → sentence, for flagged pairs.
    info
        Plain values for people.

    Returns
    -------
    The files written.
    """
    folder = layout.tags
    flagged = sparse.csr_array(flag)
    outputs = [folder / "belief.npy", folder / "wrong.npy"]
    save_array(outputs[0], np.asarray(belief, np.float16))
    save_array(outputs[1], np.asarray(wrong, np.float32))
    for name, matrix in zip(_MATRICES, (tags.given, tags.annotated, flagged), strict=True):
        if matrix is None:
            continue
        for part in ("indptr", "indices"):
            outputs.append(folder / f"{name}_{part}.npy")
            save_array(outputs[-1], np.asarray(getattr(matrix, part), np.int64 if part == "indptr" else np.int32))
    path = folder / "samples.parquet"
    save_table(path, _samples_table(sample_ids, tags, flagged, wrong, reasons))
    about = {
        "names": list(tags.names),
        "form": plain(tags.form),
        "partly_annotated": tags.annotated is not None,
        "n": len(sample_ids),
        **plain(info),
    }
    save_json(folder / "tags.json", about)
    return [*outputs, path, folder / "tags.json"]


def _samples_table(
    sample_ids: Strings, tags: Tags, flagged: Any, wrong: Float32, reasons: dict[tuple[int, int], str]
) -> pa.Table:
    """One row per sample: its tags (null = not annotated), and the flagged ones with probability and reason."""
    n, names = len(sample_ids), pa.array(tags.names, pa.string())
    looked = np.ones(n, bool) if tags.annotated is None else np.diff(tags.annotated.indptr) > 0
    columns: dict[str, Any] = {
        "row": np.arange(n, dtype=np.int32),
        "sample_id": pa.array(sample_ids, pa.string()),
        "tags": _lists(tags.given.indptr, names.take(pa.array(tags.given.indices)), ~looked),
    }
    coo = flagged.tocoo()
    rows, places = coo.coords
    given = np.asarray(tags.given[rows, places]).ravel().astype(bool) if len(rows) else np.zeros(0, bool)
    for kind, wanted in zip(EDITS, (~given, given), strict=True):
        r, t = rows[wanted], places[wanted]
        p = wrong[r, t]
        order = np.lexsort((-p, r))
        r, t, p = r[order], t[order], p[order]
        ends = np.concatenate([[0], np.cumsum(np.bincount(r, minlength=n))])
        said = [reasons.get((int(a), int(b)), "") for a, b in zip(r, t, strict=True)]
        columns[kind] = _lists(ends, names.take(pa.array(t)))
        columns[f"{kind}_p"] = _lists(ends, pa.array(p, pa.float32()))
        columns[f"{kind}_reasons"] = _lists(ends, pa.array(said, pa.string()))
    return pa.table(columns)


def _lists(ends: NDArray[Any], flat: pa.Array, absent: Bool | None = None) -> pa.Array:
    offsets = np.asarray(ends, np.int32)
    if absent is None or not absent.any():
        return pa.ListArray.from_arrays(offsets, flat)
    return pa.ListArray.from_arrays(offsets, flat, mask=pa.array(absent))


class TagTables:
    """What a scan knows of the tags, memory-mapped, each part opened when it is first used.

    Parameters
    ----------
    layout
        Of the workspace.
    """

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.tags

    @cached_property
    def info(self) -> dict[str, Any]:
        """What people are told: rates, counts, the form of the source."""
        return cast("dict[str, Any]", load_json(self._folder / "tags.json"))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """(T,) the tags of the dataset."""
        return tuple(self.info["names"])

    @cached_property
    def form(self) -> TagForm:
        """How the tags stand in the source."""
        form = self.info["form"]
        return TagForm(**{**form, "columns": tuple(form["columns"])})

    @cached_property
    def samples(self) -> pa.Table:
        """One row per sample: row, sample_id, tags, and missing and extra ones with probability and reason."""
        return load_table(self._folder / "samples.parquet")

    @cached_property
    def given(self) -> Any:
        """(n, T) bool, sparse: the tags as given."""
        return self._matrix("given")

    @cached_property
    def annotated(self) -> Any:
        """(n, T) bool, sparse: which pairs somebody looked at; None = all."""
        return self._matrix("annotated") if self.info["partly_annotated"] else None

    @cached_property
    def flag(self) -> Any:
        """(n, T) bool, sparse: which pairs are flagged."""
        return self._matrix("flag")

    @cached_property
    def belief(self) -> NDArray[Any]:
        """(n, T) float16: out-of-sample probability that a sample carries a tag."""
        return load_array(self._folder / "belief.npy")

    @cached_property
    def wrong(self) -> NDArray[Any]:
        """(n, T) float32: probability that what is given about a pair is wrong."""
        return load_array(self._folder / "wrong.npy")

    def _matrix(self, name: str) -> Any:
        indptr, indices = (np.asarray(load_array(self._folder / f"{name}_{p}.npy")) for p in ("indptr", "indices"))
        shape = (self.info["n"], len(self.names))
        return sparse.csr_array((np.ones(len(indices), bool), indices, indptr), shape=shape)

    def tags(self) -> Tags:
        """The tags as given."""
        return Tags(self.given, self.annotated, self.names, self.form)

    def of_row(self, row: int) -> list[str]:
        """The given tags of a sample."""
        start, end = self.given.indptr[row : row + 2]
        return [self.names[t] for t in self.given.indices[start:end]]


def pairs_table(tables: TagTables, sample_ids: Strings, first: int, last: int) -> pa.Table:
    """One row per annotated pair of sample and tag, rows ``first`` to ``last``: id, tag, given, score and flag."""
    wrong = np.asarray(tables.wrong[first:last], np.float32)
    if tables.annotated is None:
        rows, places = (a.ravel() for a in np.indices(wrong.shape))
    else:
        rows, places = tables.annotated[first:last].tocoo().coords
    given, flag = (m[first:last].toarray()[rows, places] for m in (tables.given, tables.flag))
    ids = pa.array(sample_ids[first:last], pa.string()).take(pa.array(rows))
    score = np.clip(np.nan_to_num(wrong[rows, places]), 0, 1)
    names = pa.array(tables.names, pa.string()).take(pa.array(places))
    return pa.table({"id": ids, "tag": names, "given": given, "score": score, "flag": flag})
