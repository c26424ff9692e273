"""What changed since the last scan of the same workspace: which rows are new, changed or gone, and what is still good."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import WorkspaceError, choices
from ..storage.artifacts import load_array, load_json, load_table, save_table
from ..storage.decision_log.store import DecisionStore
from ..types import Bool, Int64, Strings

ROWS = "rows.parquet"
"""Beside the vectors: whose they are (sample_id) and of what content (key)."""


@dataclass(frozen=True)
class PreviousEmbeddings:
    """The embeddings that lie in a workspace.

    Attributes
    ----------
    ids, keys
        (n,) str, sample ids and content keys ("" = unknown).
    encoder
        Fingerprint of what made the vectors.
    key
        Of this very set of embeddings. vectors (n, d) float16, ok (n,) bool : memory-mapped.
    """

    ids: Strings
    keys: Strings
    encoder: str
    key: str
    vectors: NDArray[Any]
    ok: Bool


def save_rows(folder: Path, ids: Strings, keys: Strings, encoder: str, key: str) -> Path:
    """Write whose vectors lie in ``folder``."""
    path = folder / ROWS
    columns = {"sample_id": pa.array([_text(i) for i in ids], pa.string()), "key": pa.array(keys, pa.string())}
    save_table(path, pa.table(columns).replace_schema_metadata({"encoder": encoder, "key": key}))
    return path


def earlier(folder: Path) -> PreviousEmbeddings | None:
    """The embeddings in ``folder``; None where there are none, or they are not whole."""
    try:
        table = load_table(folder / ROWS)
        said = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        if load_json(folder / "spec.json").get("key") != said.get("key"):
            return None
        vectors = load_array(folder / "vectors.npy")
        ok = np.asarray(load_array(folder / "ok.npy", mmap=False), bool)
    except WorkspaceError:
        return None
    if not len(vectors) == len(ok) == table.num_rows:
        return None
    ids, keys = (np.asarray(table.column(c).to_numpy(zero_copy_only=False), object) for c in ("sample_id", "key"))
    return PreviousEmbeddings(ids, keys, said["encoder"], said["key"], vectors, ok)


@dataclass(frozen=True)
class RowChanges:
    """The rows of now beside the rows of before.

    Attributes
    ----------
    before
        (n,) int64, the earlier row of the same sample with the same content, −1 = none.
    source
        (n,) int64, an earlier row of the same content, whatever its id, −1 = none.
    changed
        Rows whose sample was there with other content.
    new, removed
        How many samples came and went.
    """

    before: Int64
    source: Int64
    changed: Int64
    new: int
    removed: int

    @property
    def any(self) -> bool:
        """Whether anything changed but the order."""
        return bool(self.new or self.removed or len(self.changed))

    def notice(self, reused: int) -> str:
        """What changed, for a person."""
        return f"{self.new:,} new, {len(self.changed):,} changed, {self.removed:,} removed; {reused:,} reused."


def compare(then: PreviousEmbeddings, ids: Strings, keys: Strings) -> RowChanges:
    """Match the rows of a dataset with those of an earlier scan: samples by id, contents by key."""
    row_of = {sample_id: row for row, sample_id in enumerate(then.ids)}
    here = np.fromiter((row_of.get(_text(i), -1) for i in ids), np.int64, len(ids))
    known = here >= 0
    # a blank key is an unreadable sample, the same as before; nothing but blank keys means that contents are not known
    same = known & (then.keys[here] == keys) & bool((keys != "").any())
    row_with = {key: row for row, key in enumerate(then.keys) if key}
    source = np.fromiter((row_with.get(key, -1) for key in keys), np.int64, len(keys))
    source[same] = here[same]
    removed = len(then.ids) - len(np.unique(here[known]))
    return RowChanges(np.where(same, here, -1), source, np.flatnonzero(known & ~same), int((~known).sum()), removed)


def row_keys(vectors: NDArray[np.float16], ok: Bool) -> Strings:
    """(n,) str, a key for each row's numbers, "" where not ok: multiply–shift over the 16-bit words (Dietzfelbinger 1996)."""
    odd = np.random.default_rng(0).integers(0, 2**63, vectors.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    out = np.full(len(ok), "", object)
    for start in range(0, len(ok), 8192):
        words = np.ascontiguousarray(vectors[start : start + 8192]).view(np.uint16).astype(np.uint64)
        hashes = (words * odd).sum(axis=1, dtype=np.uint64)
        out[start : start + 8192] = [f"{h:016x}" for h in hashes.tolist()]
    out[~ok] = ""
    return out


def stale_decisions_notice(log: str | Path, ids: Strings) -> str:
    """A sentence about decisions on samples whose content has changed since; "" where there are none."""
    if not len(ids) or (isinstance(log, Path) and not log.exists()):
        return ""
    with DecisionStore(log) as store:
        decided = store.current()
    found = [i for i in ids if i in decided]
    if not found:
        return ""
    return (
        f"{len(found):,} decided samples have other content now ({choices(found, 3)}). Their decisions stand: look at "
        "them again."
    )


def _text(value: Any) -> str:
    """A string that UTF-8 can hold, as tables store it."""
    return str(value).encode("utf-8", "replace").decode("utf-8")
