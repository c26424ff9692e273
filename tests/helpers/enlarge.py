"""A large workspace out of a small scanned one, in seconds: every sample many times over, under ids of its own.

For tests of speed and size: pictures, verdicts, neighbours and the map are those of the small one, so that everything
looks real; only the number of samples is not. ``python -m tests.helpers.enlarge SMALL LARGE N`` makes one by hand.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

JITTER = 0.02
"""How far copies are moved on the map, as a share of its width, so that they can be told apart."""

GROUP = 65_536
"""Rows of a row group, as a scan writes them (core/storage/artifacts.py)."""


def _ids(column: pa.ChunkedArray, copy: int) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(column, pa.scalar(f"~{copy}"), "") if copy else column


def _shift(column: pa.ChunkedArray, by: int) -> pa.ChunkedArray:
    """Numbers of groups or clusters moved on; −1 stays."""
    return pc.if_else(pc.less(column, 0), column, pc.add(column, by)).cast(column.type)


def _table(path: Path, out: Path, copies: int, keep: int, ids: tuple[str, ...]) -> None:
    table = pq.read_table(path)
    n = table.num_rows
    rng = np.random.default_rng(0)
    parts = []
    for copy in range(copies):
        part = table
        for name in table.column_names:
            at = part.column_names.index(name)
            if name in ids:
                part = part.set_column(at, name, _ids(part[name], copy))
            elif name == "row":
                part = part.set_column(at, name, pc.add(part[name], n * copy).cast(table[name].type))
            elif name == "duplicate_group":
                part = part.set_column(at, name, _shift(part[name], 100_000 * copy))
            elif name in ("x", "y"):
                xy = part[name].to_numpy()
                moved = xy + rng.normal(0, JITTER * float(np.nanmax(xy) - np.nanmin(xy)), n) * (copy > 0)
                part = part.set_column(at, name, pa.array(moved.astype(np.float32)))
        parts.append(part)
    pq.write_table(pa.concat_tables(parts).slice(0, keep), out, row_group_size=GROUP)


def enlarge(small: Path, large: Path, n: int) -> Path:
    """Write a workspace of ``n`` samples to ``large``: those of ``small``, over and over. Returns ``large``."""
    shutil.copytree(
        small,
        large,
        ignore=shutil.ignore_patterns(
            "embeddings",
            "probe",
            "decisions.db*",
            "log_head.json",
            "job",
            "planted.parquet",
            "whitened.npy",
            "tiny.npy",
        ),
    )
    size = pq.read_metadata(small / "dataset.parquet").num_rows
    copies = -(-n // size)
    for name, ids in (
        ("dataset", ("sample_id",)),
        ("verdicts", ("sample_id", "duplicate_of")),
        ("signals", ()),
        ("meta", ("__sample_id",)),
    ):
        if (small / f"{name}.parquet").exists():
            _table(small / f"{name}.parquet", large / f"{name}.parquet", copies, n, ids)
    for path in large.rglob("*.npy"):
        array = np.load(path, allow_pickle=False)
        if len(array) == size:
            many = np.concatenate([array] * copies)[:n]
            if path.name.endswith("_indices.npy"):
                moved = np.repeat(np.arange(copies) * size, size)[:n, None]
                many = np.where((many >= 0) & (many + moved < n), many + moved, many).astype(array.dtype)
            path.unlink()  # never through a link into the small one
            np.save(path, many)
    if (large / "projection.npy").exists():  # the same places as the verdicts', moved a little
        placed = pq.read_table(large / "verdicts.parquet", columns=["x", "y"])
        np.save(large / "projection.npy", np.column_stack([placed["x"].to_numpy(), placed["y"].to_numpy()]))
    results = json.loads((large / "results.json").read_text())
    counts = pq.read_table(large / "verdicts.parquet", columns=["verdict"])["verdict"].value_counts().to_pylist()
    results |= {"n": n, "n_labelled": n, "verdict_counts": {c["values"]: c["counts"] for c in counts}}
    (large / "results.json").write_text(json.dumps(results))
    return large


if __name__ == "__main__":
    enlarge(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
