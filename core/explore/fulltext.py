"""Full-text search with SQLite FTS5, for datasets whose encoder knows no words. The index file is built once.

It holds no text of its own (a contentless table), only which word is in which row.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DiskFull, ReadOnly
from ..storage.atomic import raise_os_error
from ..types import WORD, Float32, Int64

VERSION = 1
"""Raised when the file is built in another way."""

_BLOCK = 20_000


class FullText:
    """A full-text index. Where its folder cannot be written to, it is held in memory.

    Parameters
    ----------
    path
        The index file.
    stamp
        Names what the index was built from; with another stamp it is built again.
    rows
        Returns (row, text) of every sample.
    """

    def __init__(self, path: Path, stamp: str, rows: Callable[[], Iterable[tuple[int, str]]]) -> None:
        self._path, self._stamp, self._rows = path, f"{VERSION}:{stamp}", rows
        self._lock = threading.Lock()
        self._memory: sqlite3.Connection | None = None

    def ready(self) -> bool:
        """Whether the file exists and has this stamp."""
        if self._memory is not None:
            return True
        if not self._path.exists():
            return False
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
                return bool(db.execute("SELECT value FROM about").fetchone()[0] == self._stamp)
        except (sqlite3.DatabaseError, TypeError):
            return False  # some other file: it is replaced

    def build(self) -> None:
        """Build the index unless it exists, in a temporary file that is renamed.

        Raises
        ------
        DiskFull
            The disk has no room for it.
        """
        with self._lock:
            if self.ready():
                return
            part = self._path.parent / f".{self._path.name}.{secrets.token_hex(6)}.tmp"
            try:
                with closing(sqlite3.connect(part)) as db:
                    _fill(db, self._stamp, self._rows())
                part.replace(self._path)
            except sqlite3.OperationalError as error:
                if "full" in str(error):
                    raise DiskFull(f"The disk that holds {self._path.parent} is full: free some room.") from error
                self._memory = self._in_memory()
            except OSError as error:
                try:
                    raise_os_error(error, self._path, "the full-text index")
                except ReadOnly:
                    self._memory = self._in_memory()
            finally:
                part.unlink(missing_ok=True)

    def _in_memory(self) -> sqlite3.Connection:
        db = sqlite3.connect(":memory:", check_same_thread=False)
        _fill(db, self._stamp, self._rows())
        return db

    def search(
        self, words: str, without: str = "", limit: int = 500, only: Int64 | None = None
    ) -> tuple[Int64, Float32]:
        """Rows that hold all words (or, where none does, any of them), the best first.

        Words match from their beginning, in upper or lower case, with or without accents.

        Parameters
        ----------
        words
            What to look for.
        without
            Rows that hold all of these words are left out.
        limit
            Most rows to return.
        only
            Rows that may be found, None = all.

        Returns
        -------
        rows : (m,) int64
        scores : (m,) float32
            BM25 as a share of the best one's, in (0, 1].

        References
        ----------
        Robertson, Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
        """
        self.build()
        wanted, unwanted = WORD.findall(words), WORD.findall(without)
        if not wanted:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        for glue in (" AND ", " OR "):
            answer = self._ask(_match(wanted, glue, unwanted), limit, only)
            if len(answer[0]) or len(wanted) == 1:
                break
        return answer

    def _ask(self, match: str, limit: int, only: Int64 | None) -> tuple[Int64, Float32]:
        sql = "SELECT rowid - 1, -rank FROM words WHERE words MATCH ? ORDER BY rank"
        if only is None:
            sql += f" LIMIT {int(limit)}"
        if self._memory is not None:
            with self._lock:
                answer = self._memory.execute(sql, [match]).fetchall()
        else:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
                answer = db.execute(sql, [match]).fetchall()
        table = np.array(answer, np.float64).reshape(-1, 2)
        rows, score = table[:, 0].astype(np.int64), table[:, 1]
        if only is not None:
            allowed = np.isin(rows, only)
            rows, score = rows[allowed][:limit], score[allowed][:limit]
        best = max(float(score.max(initial=0.0)), 1e-12)
        return rows, np.clip(score / best, 1e-6, 1.0).astype(np.float32)


def _match(wanted: list[str], glue: str, unwanted: list[str]) -> str:
    """An FTS5 query in which every word is quoted: nothing that was typed is syntax."""
    match = glue.join(f'"{w}"*' for w in wanted)
    bad = " AND ".join(f'"{w}"*' for w in unwanted)
    return f"({match}) NOT ({bad})" if bad else match


def _fill(db: sqlite3.Connection, stamp: str, rows: Iterable[tuple[int, str]]) -> None:
    db.execute("PRAGMA journal_mode = OFF")  # the file has no reader before it is renamed
    db.execute("CREATE VIRTUAL TABLE words USING fts5(body, content='', tokenize='unicode61 remove_diacritics 2')")
    db.execute("CREATE TABLE about (value TEXT)")
    db.executemany("INSERT INTO words(rowid, body) VALUES (?, ?)", ((row + 1, text) for row, text in rows))
    db.execute("INSERT INTO words(words) VALUES ('optimize')")
    db.execute("INSERT INTO about VALUES (?)", [stamp])
    db.commit()


def words_of(dataset: Path, meta: Path | None) -> Iterator[tuple[int, str]]:
    """(row, everything written about it): id, text, label, and the metadata columns that hold text, block by block."""
    files = [(dataset, ["sample_id", "text", "label"])]
    if meta is not None and meta.exists():
        schema = pq.read_schema(meta)
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        files.append((meta, [t for t in texts if schema.names.count(t) == 1 and t != schema.names[0]]))
    readers = [_blocks(path, columns) for path, columns in files if columns]
    row = 0
    for parts in zip(*readers, strict=True):
        for line in zip(*(column for part in parts for column in part), strict=True):
            yield row, " \n".join(dict.fromkeys(value for value in line if value))
            row += 1


def _blocks(path: Path, columns: list[str]) -> Iterator[list[list[Any]]]:
    """The columns of a Parquet file as Python lists of exactly ``_BLOCK`` rows (the last one: what is left)."""
    with pq.ParquetFile(path) as file:
        kept: pa.Table | None = None
        for batch in file.iter_batches(_BLOCK, columns=columns):
            table = pa.Table.from_batches([batch])
            kept = table if kept is None else pa.concat_tables([kept, table])
            while kept.num_rows >= _BLOCK:
                yield [kept.column(c).slice(0, _BLOCK).to_pylist() for c in columns]
                kept = kept.slice(_BLOCK)
        if kept is not None and kept.num_rows:
            yield [kept.column(c).to_pylist() for c in columns]
