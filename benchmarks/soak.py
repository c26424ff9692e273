"""Many people at once, for as long as asked: HTTP and WebSocket clients that decide, on a large workspace.

    python -m benchmarks.soak                    20 people, one decision a second each, 10 minutes, 100,000 samples
    python -m benchmarks.soak --minutes 1        the same, shorter

Each client comes in through the door with a token of its own, holds a Streamlit session over its WebSocket (from
which it takes the bearer token, as a browser does), looks at what others decide every three seconds, fetches cards,
and has the rest of its queue put into a new order every ten decisions. At the end the log is read: what was
acknowledged must be there, once, by that person. Prints one JSON object; exits 1 where a budget is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import websockets

from tests.helpers.enlarge import enlarge
from tests.helpers.harness import WINNOW, free_port, run_winnow
from winnow.app.server.state import key_of
from winnow.core.workspace import Workspace

P95_MS = 300.0
GROWTH = 0.10
"""Share by which the server's memory may grow from the second fifth of the run to the last: caches fill at first."""

AGAIN, LOOK_SECONDS, CARDS = 10, 3.0, 100
_TOKEN = re.compile(rb'"token":\s*"([\w.\-]+)"')


class _Again(httpx.AsyncBaseTransport):
    """Asks again, once, where the server closed an idle connection just as it was taken up.

    What a browser does by itself, and what a decision's id makes safe.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._inner.handle_async_request(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return await self._inner.handle_async_request(request)


@dataclass
class AnnotatorStats:
    """One client and what it saw."""

    name: str
    token: str
    seed: int
    sent: dict[str, str] = field(default_factory=dict)
    """decision id → sample id of everything that was acknowledged."""
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    messages: int = 0
    orders: int = 0


def rerun() -> bytes:
    """What a browser says first: run the page."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    message = BackMsg()
    message.rerun_script.query_string = ""
    message.rerun_script.page_name = "review"
    return bytes(message.SerializeToString())


async def person(me: AnnotatorStats, url: str, key: str, minutes: float, all_in: asyncio.Barrier) -> None:
    """One person: session, queue, and, when everybody has come in, a decision a second."""
    limits = httpx.Limits(max_connections=4, max_keepalive_connections=4, keepalive_expiry=3)
    async with httpx.AsyncClient(
        transport=_Again(httpx.AsyncHTTPTransport()), base_url=url, limits=limits, timeout=60
    ) as http:
        await http.get(f"/?token={me.token}", follow_redirects=False)
        cookie = "; ".join(f"{c.name}={c.value}" for c in http.cookies.jar)
        stream = url.replace("http", "ws") + "/_stcore/stream"
        async with websockets.connect(
            stream, additional_headers={"Cookie": cookie, "Origin": url}, subprotocols=["streamlit"], max_size=None
        ) as socket:
            await socket.send(rerun())
            bearer = asyncio.get_running_loop().create_future()

            async def listen() -> None:
                async for data in socket:
                    me.messages += 1
                    if not bearer.done() and (
                        found := _TOKEN.search(data if isinstance(data, bytes) else data.encode())
                    ):
                        bearer.set_result(found.group(1).decode())

            async def look() -> None:
                since = 0
                while True:
                    answer = (await http.get(f"/api/changes/{key}", params={"since": since}, headers=headers)).json()
                    since = answer.get("head", since)
                    await asyncio.sleep(LOOK_SECONDS)

            ears = asyncio.create_task(listen())
            headers = {"Authorization": f"Bearer {await asyncio.wait_for(bearer, 120)}", "Origin": url}
            eyes = asyncio.create_task(look())
            try:
                await decide(me, http, headers, key, minutes, all_in)
            finally:
                ears.cancel()
                eyes.cancel()


async def decide(
    me: AnnotatorStats,
    http: httpx.AsyncClient,
    headers: dict[str, str],
    key: str,
    minutes: float,
    all_in: asyncio.Barrier,
) -> None:
    """Go through a queue until the time is over."""
    sort = "-noisy_label" if me.seed % 2 else "-confidence"
    query = {"sort": sort, "limit": CARDS}
    found = (
        await http.get(f"/api/cards/{key}", params={**query, "cursor": CARDS * 20 * me.seed}, headers=headers)
    ).json()
    queue, cursor, cards = found["queue"], found["cursor"], found["cards"]
    order: asyncio.Task[dict[str, Any]] | None = None

    async def again(queue: str, cursor: int) -> dict[str, Any]:
        more = {**query, "queue": queue, "cursor": cursor, "reorder": 1}
        answer: dict[str, Any] = (await http.get(f"/api/cards/{key}", params=more, headers=headers)).json()
        return answer

    await all_in.wait()
    at = time.monotonic() + me.seed / 20  # people do not press in step
    until = at + 60 * minutes
    for number in range(10**9):
        at += 1.0
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        if time.monotonic() > until:
            if order is not None:
                await asyncio.wait([order])  # a new order that was asked for is still answered
            return
        if number % AGAIN == AGAIN - 1 and order is None:  # as in the browser: asked for beside the decisions
            order = asyncio.create_task(again(queue, cursor))
        if order is not None and (order.done() or not cards):
            found, order = await order, None
            me.orders += 1
            queue, cursor = found["queue"], found["cursor"]
            cards = found["cards"] or cards
        card = cards.pop(0)
        action = ("accept", "exclude", "relabel")[number % 3]
        item: dict[str, Any] = {"decision_id": uuid.uuid4().hex, "sample_id": card["id"], "action": action}
        if action == "relabel":
            item["label"] = str(number % 10)
        started = time.perf_counter()
        answer = await http.post(f"/api/decisions/{key}", json={"decisions": [item]}, headers=headers)
        me.seconds.append(time.perf_counter() - started)
        result = answer.json().get("results", [{}])[0]
        if answer.status_code == 200 and result.get("ok"):
            me.sent[item["decision_id"]] = card["id"]
        else:
            me.failed.append(f"{answer.status_code} {answer.text[:200]}")


async def watch(pid: int, minutes: float, all_in: asyncio.Barrier) -> list[int]:
    """Resident bytes of the server and its children, every two seconds."""
    sizes, root = [], psutil.Process(pid)
    await all_in.wait()
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        sizes.append(sum(p.memory_info().rss for p in (root, *root.children(recursive=True))))
        await asyncio.sleep(2)
    return sizes


async def crowd(people: list[AnnotatorStats], url: str, key: str, pid: int, minutes: float) -> list[int]:
    all_in = asyncio.Barrier(len(people) + 1)

    async def one(who: AnnotatorStats) -> None:
        try:
            await person(who, url, key, minutes, all_in)
        except BaseException:
            await all_in.abort()  # the others need not wait for who cannot come
            raise

    memory = asyncio.create_task(watch(pid, minutes, all_in))
    done = await asyncio.gather(*map(one, people), return_exceptions=True)
    for who, outcome in zip(people, done, strict=True):
        if isinstance(outcome, BaseException):
            who.failed.append(f"{type(outcome).__name__}: {outcome}")
    return await memory


def serve(workspace: Path, people: list[AnnotatorStats], port: int, log: Path) -> subprocess.Popen[bytes]:
    """Start the app with a token for each person, and wait until it answers."""
    env = os.environ | {
        "WINNOW_STATE": str(log.parent),
        "OMP_NUM_THREADS": "1",
        "WINNOW_TOKEN": " ".join(f"{p.name}={p.token}" for p in people),
    }
    with log.open("ab") as out:
        made = subprocess.Popen(
            [*WINNOW, "app", str(workspace), "--port", str(port), "--no-browser"], stdout=out, stderr=out, env=env
        )
    for _ in range(300):
        try:
            httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=2).raise_for_status()
            return made
        except httpx.HTTPError:
            if made.poll() is not None:
                break
            time.sleep(0.2)
    made.kill()
    raise SystemExit(f"The app did not start: {log.read_text()[-2000:]}")


def report(people: list[AnnotatorStats], workspace: Path, memory: list[int], minutes: float) -> dict[str, Any]:
    """Compare what was acknowledged with the log."""
    with Workspace.open(workspace) as ws:
        kept = {d.decision_id: (d.sample_id, d.actor) for d in ws.history(limit=10**7)}
    lost = [i for p in people for i, sample in p.sent.items() if kept.get(i) != (sample, p.name)]
    seconds = sorted(s for p in people for s in p.seconds)
    fifth = max(1, len(memory) // 5)
    early, late = statistics.median(memory[fifth : 2 * fifth] or memory), statistics.median(memory[-fifth:])
    return {
        "people": len(people),
        "minutes": minutes,
        "decisions": len(seconds),
        "acknowledged": sum(len(p.sent) for p in people),
        "in_log": len(kept),
        "lost": len(lost),
        "failed": sum(len(p.failed) for p in people),
        "first_failure": next((f for p in people for f in p.failed), None),
        "websocket_messages": sum(p.messages for p in people),
        "new_orders": sum(p.orders for p in people),
        "p50_ms": round(1000 * statistics.median(seconds), 1),
        "p95_ms": round(1000 * seconds[int(0.95 * (len(seconds) - 1))], 1),
        "max_ms": round(1000 * seconds[-1], 1),
        "memory_mib": [round(early / 2**20), round(late / 2**20)],
        "growth": round(late / early - 1, 3),
    }


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--clients", type=int, default=20)
    options.add_argument("--samples", type=int, default=100_000)
    options.add_argument("--demo", type=Path, help="a scanned demo workspace; without one, one is scanned")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="winnow-soak-") as folder:
        home = Path(folder)
        demo = given.demo
        if demo is None:
            run_winnow("demo", "--home", home, "--no-serve", "--quiet", timeout=600)
            demo = home / "workspace"
        large = enlarge(demo, home / "large", given.samples)
        people = [AnnotatorStats(f"person{i}", f"soak-token-{uuid.uuid4().hex}", i) for i in range(given.clients)]
        port = free_port()
        server = serve(large, people, port, home / "state.log")
        try:
            memory = asyncio.run(crowd(people, f"http://127.0.0.1:{port}", key_of(large), server.pid, given.minutes))
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
        found = report(people, large, memory, given.minutes)
    print(json.dumps(found, indent=1))
    expected = 0.8 * given.clients * 60 * given.minutes
    fine = not found["lost"] and not found["failed"] and found["p95_ms"] <= P95_MS and found["growth"] <= GROWTH
    return 0 if fine and found["decisions"] >= expected else 1


if __name__ == "__main__":
    sys.exit(main())
