"""Content fingerprints: the cache keys of everything Winnow computes.

A fingerprint is a 16-hex-digit BLAKE2b digest of a canonical form. Equal inputs give equal fingerprints on
every machine and Python version; row order matters, dictionary order does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_SIZE = 16


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain({f.name: getattr(value, f.name) for f in fields(value) if not _left_out(value, f)})
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in sorted(value.items(), key=lambda kv: str(kv[0]))}
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(v) for v in value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return of_array(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"cannot fingerprint a {type(value).__name__}: {value!r}")


def _left_out(value: Any, field: Field[Any]) -> bool:
    """Whether a field counts only where it is set: one that earlier releases did not have."""
    return field.metadata.get("fingerprint") == "where set" and getattr(value, field.name) is None


def of(*values: Any) -> str:
    """Fingerprint of plain values, dataclasses, mappings, sequences and arrays (16 hex digits).

    >>> of({"a": 1, "b": 2}) == of({"b": 2, "a": 1})
    True
    >>> of([1, 2]) == of([2, 1])
    False
    """
    text = json.dumps(_plain(list(values)), ensure_ascii=False, separators=(",", ":"), allow_nan=True)
    return hashlib.blake2b(text.encode(), digest_size=_SIZE // 2).hexdigest()


def of_array(array: NDArray[Any]) -> str:
    """Fingerprint of an array's dtype, shape and bytes. Items of object arrays are read as strings."""
    h = hashlib.blake2b(digest_size=_SIZE // 2)
    h.update(f"{array.dtype.str if array.dtype != object else 'str'}{array.shape}".encode())
    if array.dtype == object:
        for item in array.ravel():
            h.update(str(item).encode("utf-8", "surrogatepass"))
            h.update(b"\0")
    else:
        flat = np.ascontiguousarray(array)
        h.update(flat.view(np.uint8).reshape(-1).data)
    return h.hexdigest()


def of_strings(items: Iterable[str | None]) -> str:
    """Fingerprint of a sequence of strings (None and the empty string differ)."""
    h = hashlib.blake2b(digest_size=_SIZE // 2)
    for item in items:
        h.update(b"\1" if item is None else b"\2" + item.encode("utf-8", "surrogatepass"))
        h.update(b"\0")
    return h.hexdigest()


def of_bytes(data: bytes | memoryview) -> str:
    """Fingerprint of raw bytes: the content hash of a sample."""
    return hashlib.blake2b(data, digest_size=_SIZE // 2).hexdigest()


def of_table(table: pa.Table) -> str:
    """Fingerprint of an Arrow table: names, types and cells."""
    digest = hashlib.blake2b(digest_size=_SIZE // 2)

    class Sink:
        closed = False

        def write(self, data: bytes) -> None:
            digest.update(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    with pa.PythonFile(Sink(), mode="w") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=65_536)
    return digest.hexdigest()
