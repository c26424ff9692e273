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

    def write(self, stream: BinaryIO, rows: Rows) -> tuple[int, Mapping[str, Any]]:
        written = 0
        for table in rows:
            for row in table.to_pylist():
                stream.write((json.dumps(jsonable(row), ensure_ascii=False, allow_nan=False) + "\n").encode())
            written += table.num_rows
        return written, {}


EXPORTERS.register(JsonLinesExporter.name)(JsonLinesExporter())
