"""Giving memory back between stages, so that the peak of one does not sit under the next."""

from __future__ import annotations

import ctypes
import gc
import sys

import pyarrow as pa


def give_back() -> None:
    """Return freed memory to the operating system: Python's garbage, Arrow's pool and, on glibc, the C heap.

    glibc keeps what small objects leave behind (after reading a million ids: a gigabyte); ``malloc_trim`` hands it back.
    """
    gc.collect()
    pa.default_memory_pool().release_unused()
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
