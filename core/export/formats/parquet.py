"""Parquet: every column keeps its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

import pyarrow.parquet as pq

from .base import EXPORTERS, Rows


class ParquetExporter:
    """Apache Parquet, zstd, in row groups as the tables come."""

    name: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    typed: ClassVar[bool] = True

    def write(self, stream: BinaryIO, rows: Rows) -> tuple[int, Mapping[str, Any]]:
        """Write one row group per table."""
        written = 0
        with pq.ParquetWriter(stream, rows.schema, compression="zstd") as writer:
            for table in rows:
                writer.write_table(table)
                written += table.num_rows
        return written, {}


EXPORTERS.register(ParquetExporter.name)(ParquetExporter())
