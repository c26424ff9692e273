"""Parallel work over blocks of rows: one single-threaded task per core.

A tensor library that splits each operation over all cores waits at its end for the slowest one. With thousands of small
operations, and other programs on the machine, that waiting costs more than it gains (by a factor of seven, measured).
Here each core works on a whole block of rows, with the library's own threads switched off.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar, cast

from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")


def core_count() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def single_threaded_pool(device: str = "cpu") -> Iterator[Executor]:
    """Make a pool with one thread per core in which BLAS, OpenMP and torch run single-threaded.

    Torch's own setting (``OMP_NUM_THREADS``, ``torch.set_num_threads``) is the upper bound; all settings are restored
    at the end.

    Parameters
    ----------
    device
        Where the work runs. Anything but "cpu" gets a pool of one thread.
    """
    import torch  # here: the processes that decode images count cores and need no torch

    def limit_threads() -> None:
        torch.set_num_threads(1)
        threadpool_limits(1)  # OpenMP keeps its number per thread

    before = torch.get_num_threads()
    workers = min(core_count(), before) if device == "cpu" else 1
    with threadpool_limits(1):
        torch.set_num_threads(1)
        pool = ThreadPoolExecutor(workers, "winnow-core", limit_threads)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)


@contextmanager
def deterministic_blas() -> Iterator[None]:
    """Run BLAS single-threaded so that results do not depend on the number of cores.

    Notes
    -----
    A sum that is split into other pieces rounds differently. For the main thread of a process only: a BLAS may ignore a
    limit that another thread sets. The app's server limits its whole process instead (see
    :func:`winnow.app.server.serve.serve`).
    """
    with threadpool_limits(1):
        yield


def ordered_map(pool: Executor, work: Callable[[T], R], items: Iterable[T], prefetch: int = 4) -> Iterator[R]:
    """Apply ``work`` to every item in a pool and yield the results in the order of the items.

    Parameters
    ----------
    prefetch
        How many items are begun, at most, before their results are consumed.
    """
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= prefetch:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def prefetch(source: Generator[T, None, None], depth: int = 2) -> Iterator[Iterator[T]]:
    """Iterate over ``source``, which a thread of its own runs up to ``depth`` items ahead.

    The source is run and closed in that thread; an error in it is raised where its item would have come.
    """
    items: Queue[tuple[T | None, BaseException | None]] = Queue(depth)
    stopped = Event()

    def put(item: tuple[T | None, BaseException | None]) -> None:
        while not stopped.is_set():
            with suppress(Full):
                items.put(item, timeout=0.1)
                return

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in source:
                put((item, None))
                if stopped.is_set():
                    break
        except BaseException as failure:  # noqa: BLE001 - raised again where the item is asked for
            error = failure
        finally:
            source.close()
        put((None, error or StopIteration()))

    def consume() -> Iterator[T]:
        while True:
            item, error = items.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield cast(T, item)

    thread = Thread(target=run, name="winnow-prefetch", daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stopped.set()
        thread.join()
