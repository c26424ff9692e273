"""What changed since the previous scan of a workspace: which rows are new, changed or removed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import WorkspaceError, choices, plural
from ..storage.artifacts import load_array, load_json, load_table, save_table
from ..storage.decision_log.store import DecisionStore
from ..types import Bool, Int64, Strings

ROWS = "rows.parquet"
"""Beside the vectors: the sample (sample_id) and the content (key) of each row."""


@dataclass(frozen=True)
class PreviousEmbeddings:
    """The embeddings of the previous scan of a workspace.

    Attributes
    ----------
    ids, keys
        (n,) str, sample ids and content keys ("" = unknown).
    encoder
        Fingerprint of the encoder.
    key
        Fingerprint of these embeddings.
    vectors
        (n, d) float16, memory-mapped.
    ok
        (n,) bool.
    """

    ids: Strings
    keys: Strings
    encoder: str
    key: str
    vectors: NDArray[Any]
    ok: Bool


def save_rows(folder: Path, ids: Strings, keys: Strings, encoder: str, key: str) -> Path:
    """Write the sample ids and content keys (n,) of the vectors in ``folder``, and what they were made with."""
    path = folder / ROWS
    columns = {"sample_id": pa.array([_text(i) for i in ids], pa.string()), "key": pa.array(keys, pa.string())}
    save_table(path, pa.table(columns).replace_schema_metadata({"encoder": encoder, "key": key}))
    return path


def load_previous(folder: Path) -> PreviousEmbeddings | None:
    """Read the embeddings in ``folder``; None where there are none or they are incomplete."""
    try:
        table = load_table(folder / ROWS)
        made_by = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        if load_json(folder / "spec.json").get("key") != made_by.get("key"):
            return None
        vectors = load_array(folder / "vectors.npy")
        ok = np.asarray(load_array(folder / "ok.npy", mmap=False), bool)
    except WorkspaceError:
        return None
    if not len(vectors) == len(ok) == table.num_rows:
        return None
    ids, keys = (np.asarray(table.column(c).to_numpy(zero_copy_only=False), object) for c in ("sample_id", "key"))
    return PreviousEmbeddings(ids, keys, made_by["encoder"], made_by["key"], vectors, ok)


@dataclass(frozen=True)
class RowChanges:
    """The rows of a dataset compared with those of the previous scan.

    Attributes
    ----------
    before
        (n,) int64, the previous row of the same sample with the same content, −1 = none.
    source
        (n,) int64, a previous row with the same content under any id, −1 = none.
    changed
        (c,) int64, rows whose sample had other content.
    new, removed
        How many samples were added and removed.
    """

    before: Int64
    source: Int64
    changed: Int64
    new: int
    removed: int

    @property
    def any(self) -> bool:
        """Whether anything but the order changed."""
        return bool(self.new or self.removed or len(self.changed))

    def notice(self, reused: int) -> str:
        """What changed, for a person."""
        return f"{self.new:,} new, {len(self.changed):,} changed, {self.removed:,} removed; {reused:,} reused."


def compare(previous: PreviousEmbeddings, ids: Strings, keys: Strings) -> RowChanges:
    """Match the rows of a dataset with those of the previous scan: samples by id (n,), contents by key (n,)."""
    row_of = {sample_id: row for row, sample_id in enumerate(previous.ids)}
    row = np.fromiter((row_of.get(_text(i), -1) for i in ids), np.int64, len(ids))
    known = row >= 0
    # a blank key is an unreadable sample, the same as before; if all keys are blank, contents are not known
    same = known & (previous.keys[row] == keys) & bool((keys != "").any())
    row_with = {key: r for r, key in enumerate(previous.keys) if key}
    source = np.fromiter((row_with.get(key, -1) for key in keys), np.int64, len(keys))
    source[same] = row[same]
    removed = len(previous.ids) - len(np.unique(row[known]))
    return RowChanges(np.where(same, row, -1), source, np.flatnonzero(known & ~same), int((~known).sum()), removed)


def row_keys(vectors: NDArray[np.float16], ok: Bool) -> Strings:
    """Hash the numbers of each row (n, d): (n,) str, "" where not ok.

    References
    ----------
    Multiply–shift over the 16-bit words: Dietzfelbinger (1996).
    """
    odd = np.random.default_rng(0).integers(0, 2**63, vectors.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    out = np.full(len(ok), "", object)
    for start in range(0, len(ok), 8192):
        words = np.ascontiguousarray(vectors[start : start + 8192]).view(np.uint16).astype(np.uint64)
        hashes = (words * odd).sum(axis=1, dtype=np.uint64)
        out[start : start + 8192] = [f"{h:016x}" for h in hashes.tolist()]
    out[~ok] = ""
    return out


def stale_decisions_notice(log: str | Path, ids: Strings) -> str:
    """Say which decided samples have other content now; ``ids`` are those whose content changed; "" = none."""
    if not len(ids) or (isinstance(log, Path) and not log.exists()):
        return ""
    with DecisionStore(log) as store:
        decided = store.current()
    stale = [i for i in ids if i in decided]
    if not stale:
        return ""
    return (
        f"The content of {plural(len(stale), 'decided sample')} has changed ({choices(stale, 3)}). Decisions "
        f"stand: look at "
        "these samples again."
    )


def _text(value: Any) -> str:
    """The string as tables store it: encodable as UTF-8."""
    return str(value).encode("utf-8", "replace").decode("utf-8")
