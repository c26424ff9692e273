"""Giving memory back between stages, so that the peak of one does not sit under the next."""

from __future__ import annotations

import ctypes
import gc
import sys

import pyarrow as pa

_MANY = 100_000
"""Rows from which what a stage leaves behind weighs more than the time to look for it."""


def release_memory(rows: int) -> None:
    """After work on so many rows, return freed memory to the operating system: Python's garbage, Arrow's pool and, on
    glibc, the C heap. Little is left behind by few rows: then nothing is done.

    glibc keeps what small objects leave behind (after reading a million ids: a gigabyte); ``malloc_trim`` hands it back.
    """
    if rows < _MANY:
        return
    gc.collect()
    pa.default_memory_pool().release_unused()
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
