"""Return freed memory to the operating system between stages, so that their peaks do not add up."""

from __future__ import annotations

import ctypes
import gc
import sys

import pyarrow as pa

_MANY = 100_000
"""Rows below which there is too little to release to be worth the time."""


def release_memory(rows: int) -> None:
    """Release Python's garbage, Arrow's pool and, on glibc, the C heap, after work on many rows.

    Parameters
    ----------
    rows
        Rows of the dataset; below 100,000 nothing is done.

    Notes
    -----
    glibc keeps the memory of small objects that were freed (a gigabyte after reading a million ids) until
    ``malloc_trim`` is called.
    """
    if rows < _MANY:
        return
    gc.collect()
    pa.default_memory_pool().release_unused()
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
