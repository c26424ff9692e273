"""Whole pieces of work on every core, instead of every small operation cut into pieces.

A tensor library that splits each operation waits at its end for the slowest core. With thousands of small operations,
and with other programs on the machine, that waiting costs more than it gains (a factor of seven was seen). Here each
core does a whole block of rows, with the library's own threads switched off in it.
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
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def single_threaded_pool(device: str = "cpu") -> Iterator[Executor]:
    """A pool with one thread per core; inside, no library divides an operation. One thread where the work is on a GPU.

    Torch's own setting (``OMP_NUM_THREADS``, ``torch.set_num_threads``) is the upper bound; all settings are put back at
    the end.
    """
    import torch  # here: the processes that decode images count cores and need no torch

    def alone() -> None:
        torch.set_num_threads(1)
        threadpool_limits(1)  # OpenMP keeps its number per thread

    before = torch.get_num_threads()
    workers = min(core_count(), before) if device == "cpu" else 1
    with threadpool_limits(1):
        torch.set_num_threads(1)
        pool = ThreadPoolExecutor(workers, "winnow-core", alone)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)


@contextmanager
def deterministic_blas() -> Iterator[None]:
    """Inside, no BLAS or OpenMP divides an operation over cores: a sum that is cut into other pieces rounds otherwise, and an answer
    that must be the same each time must not hang on the number of cores.

    For the main thread of a process: a BLAS may not heed other threads that set its number. The app's server is undivided as a
    whole (see :func:`winnow.app.server.serve.serve`).
    """
    with threadpool_limits(1):
        yield


def ordered_map(pool: Executor, work: Callable[[T], R], items: Iterable[T], prefetch: int = 4) -> Iterator[R]:
    """``work(item)`` of every item, in the order of the items, at most ``ahead`` of them begun before they are wanted."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= prefetch:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def prefetch(source: Generator[T, None, None], depth: int = 2) -> Iterator[Iterator[T]]:
    """What ``source`` gives, made by a thread of its own up to ``depth`` items before they are asked for.

    The source is run and closed in that thread; an error in it is raised where its item would have come.
    """
    made: Queue[tuple[T | None, BaseException | None]] = Queue(depth)
    stopped = Event()

    def put(item: tuple[T | None, BaseException | None]) -> None:
        while not stopped.is_set():
            with suppress(Full):
                made.put(item, timeout=0.1)
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

    def items() -> Iterator[T]:
        while True:
            item, error = made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield cast(T, item)

    thread = Thread(target=run, name="winnow-ahead", daemon=True)
    thread.start()
    try:
        yield items()
    finally:
        stopped.set()
        thread.join()
