"""JSON Lines: one object per sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

from .base import EXPORTERS, Rows, jsonable


class JsonLinesExporter:
    """UTF-8 JSON, one object per line, keys in column order; bytes in base64, times in ISO 8601, NaN as null."""

    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    typed: ClassVar[bool] = True

    def write(self, stream: BinaryIO, rows: Rows) -> tuple[int, Mapping[str, Any]]:
        """Write one line per row."""
        written = 0
        for table in rows:
            stream.writelines(_line(row) for row in table.to_pylist())
            written += table.num_rows
        return written, {}


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=jsonable).encode


def _line(row: dict[str, Any]) -> bytes:
    try:
        text = _encode(row)
    except ValueError:  # there is a NaN somewhere
        text = _encode(jsonable(row))
    return f"{text}\n".encode()


EXPORTERS.register(JsonLinesExporter.name)(JsonLinesExporter())
