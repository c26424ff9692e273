"""Work on every core, in order, and ahead of who asks for it."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from winnow.core.parallel import core_count, deterministic_blas, ordered_map, prefetch, single_threaded_pool


def test_results_come_in_the_order_of_the_items_and_few_are_begun_early() -> None:
    begun: list[int] = []

    def work(i: int) -> int:
        begun.append(i)
        return i * i

    with single_threaded_pool() as pool:
        results = ordered_map(pool, work, range(50), prefetch=3)
        assert next(results) == 0
        assert len(begun) <= 3
        assert list(results) == [i * i for i in range(1, 50)]


def test_torch_works_alone_inside_and_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    with single_threaded_pool() as pool:
        assert torch.get_num_threads() == 1
        assert list(pool.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
    assert torch.get_num_threads() == before
    assert core_count() >= 1


def blas_threads() -> set[int]:
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


def test_nothing_is_divided_inside_and_all_is_as_before_afterwards() -> None:
    with threadpool_limits(2):
        assert blas_threads() == {2}
        with deterministic_blas():
            with deterministic_blas():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def numbers(log: list[str], fail_at: int = 99) -> Generator[int, None, None]:
    try:
        for i in range(10):
            if i == fail_at:
                raise OSError("gone")
            log.append(threading.current_thread().name)
            yield i
    finally:
        log.append("closed")


def test_what_is_made_ahead_is_the_same_and_its_errors_arrive() -> None:
    log: list[str] = []
    with prefetch(numbers(log)) as items:
        assert list(items) == list(range(10))
    assert log[-1] == "closed"
    assert set(log[:-1]) == {"winnow-prefetch"}
    with prefetch(numbers(log, fail_at=3)) as items:
        assert [next(items) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(OSError, match="gone"):
            next(items)


def test_leaving_early_closes_the_source() -> None:
    log: list[str] = []
    with prefetch(numbers(log)) as items:
        assert next(items) == 0
    assert log[-1] == "closed"
    assert len(log) < 9
