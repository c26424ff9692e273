"""A PostgreSQL server that crashes, and one that is replaced by its replica, under twenty people who go on deciding."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.helpers.postgres_server import Server, binaries, user
from winnow.core.errors import WorkspaceError
from winnow.core.storage.decision_log.store import DecisionRequest, DecisionStore
from winnow.core.types import Action

pytestmark = [pytest.mark.attack, pytest.mark.timeout(1200)]

WRITERS, EACH = 20, 50


@pytest.fixture
def primary() -> Iterator[Server]:
    """A server of this test's own."""
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    if (found := binaries()) is None:
        pytest.skip("there is no PostgreSQL here")
    try:
        made = Server(found, user())
    except LookupError as error:
        pytest.skip(str(error))
    made.start()
    yield made
    made.stop()
    made.remove()


class Writers:
    """Twenty people, each with a connection of their own, who send a decision again until it is acknowledged."""

    def __init__(self, address: str) -> None:
        self.acknowledged: list[str] = []
        self.refused = 0
        self._address, self._lock = address, threading.Lock()
        self._pool = ThreadPoolExecutor(WRITERS)
        self._people: list[Future[None]] = []

    def _decide(self, n: int) -> None:
        with self._insist(lambda: DecisionStore(self._address)) as store:
            for i in range(EACH):
                request = DecisionRequest(f"s{n}-{i}", Action.ACCEPT, f"person {n}", decision_id=f"d{n}-{i}")
                self._insist(lambda request=request: store.append([request]))
                with self._lock:
                    self.acknowledged.append(f"d{n}-{i}")

    def _insist(self, act: Callable[[], Any]) -> Any:
        for _ in range(600):
            try:
                return act()
            except WorkspaceError:
                with self._lock:
                    self.refused += 1
                time.sleep(0.1)
        raise TimeoutError("the server did not come back")

    def start(self) -> None:
        self._people = [self._pool.submit(self._decide, n) for n in range(WRITERS)]

    def wait_for(self, n: int) -> None:
        """Until so many decisions are acknowledged."""
        deadline = time.monotonic() + 300
        while len(self.acknowledged) < n:
            assert time.monotonic() < deadline, f"only {len(self.acknowledged)} of {n} decisions were acknowledged"
            for person in self._people:
                if person.done():
                    person.result()
            time.sleep(0.02)

    def join(self) -> None:
        """Until everybody is done; raises what ended one of them."""
        for person in self._people:
            person.result(600)


def assert_each_is_there_once(address: str, writers: Writers) -> None:
    wanted = {f"d{n}-{i}" for n in range(WRITERS) for i in range(EACH)}
    assert set(writers.acknowledged) == wanted
    with DecisionStore(address) as store:
        log = store.history(limit=10**6)
        assert Counter(d.decision_id for d in log) == Counter(wanted)
        assert sorted(d.seq for d in log) == [d.seq for d in reversed(log)]
        assert len({d.sample_id for d in log}) == WRITERS * EACH


def test_a_server_that_crashes_three_times_under_twenty_writers(
    primary: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    writers = Writers(primary.address)
    writers.start()
    for crash in range(1, 4):
        writers.wait_for(crash * WRITERS * EACH // 4)
        primary.stop()
        time.sleep(0.5)
        primary.start()
    writers.join()
    assert_each_is_there_once(primary.address, writers)
    with capsys.disabled():
        print(
            f"\n{len(writers.acknowledged):,} acknowledged through 3 crashes, {writers.refused:,} requests sent again"
        )
    assert writers.refused, "the crashes were met"


def test_a_replica_that_takes_over_under_twenty_writers(primary: Server, capsys: pytest.CaptureFixture[str]) -> None:
    standby = primary.standby()
    try:
        primary.stop()
        primary.start("synchronous_standby_names='*'")  # a commit is acknowledged when the replica has it
        both = (
            f"postgresql://winnow@/postgres?host={primary.folder}&host={standby.folder}&target_session_attrs=read-write"
        )
        writers = Writers(both)
        writers.start()
        writers.wait_for(WRITERS * EACH // 3)
        primary.stop()
        standby.promote()
        writers.join()
        assert_each_is_there_once(standby.address, writers)
        with capsys.disabled():
            print(f"\n{len(writers.acknowledged):,} acknowledged through a failover, {writers.refused:,} sent again")
        assert writers.refused, "the failover was met"
    finally:
        standby.stop()
        standby.remove()
        primary.start()
