"""The app on a million samples, in a real browser: how long until something is seen, and what it costs the server.

    python -m benchmarks.speed_app                            1,000,000 samples, made out of the demo in seconds
    python -m benchmarks.speed_app --large DIR.winnow         the same, kept there for the next run
    python -m benchmarks.speed_app --n 100000 --small DEMO    another size; DEMO: a scanned workspace to make it from

Prints a table of budgets against measured figures and writes it to assets/benchmarks/app.md. Beside each wall time
stands the processor time that the server took for it: on a busy machine only the latter can be compared. Needs
Chromium
(Playwright).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, Request, sync_playwright
from pyarrow.parquet import read_metadata

from benchmarks.speed import machine
from tests.helpers.browser import lasso, selected
from tests.helpers.enlarge import enlarge
from tests.helpers.harness import ARGS, CHROMIUM, Server, run_winnow
from winnow.core.explore.query import Filter
from winnow.core.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
WAIT = 180_000
"""Milliseconds after which a step has failed."""

PICTURE = """name => { const inside = r => [...r.querySelectorAll('*')]
  .flatMap(e => [e, ...(e.shadowRoot ? inside(e.shadowRoot) : [])]);
  return inside(document).some(e => e.matches(name) && !e.closest('[hidden]') && e.complete && e.naturalWidth); }"""
HEAD = "| what | budget | measured | server's processor | met |\n|---|---|---|---|---|"
BULK = 10_000
OUT = ROOT / "assets" / "benchmarks" / "app.md"


@dataclass
class Row:
    """One line of the table. value: in ``unit``; cpu: processor seconds of the server meanwhile, where there is one."""

    what: str
    value: float
    unit: str
    budget: float | None
    cpu: float | None = None


class Bench:
    """Steps on one server, timed."""

    def __init__(self, server: Server) -> None:
        self.server, self.rows = server, list[Row]()

    @property
    def cpu(self) -> float:
        """Processor seconds that the server has used since it started."""
        if self.server.process is None:
            return 0.0
        fields = Path(f"/proc/{self.server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, name: str) -> float:
        """A line of /proc/PID/status (VmHWM, RssAnon) in MiB."""
        assert self.server.process is not None
        lines = Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024

    @contextmanager
    def step(self, what: str, budget: float | None = None) -> Iterator[None]:
        begin, cpu = time.perf_counter(), self.cpu
        yield
        self.add(Row(what, time.perf_counter() - begin, "s", budget, self.cpu - cpu))

    def add(self, row: Row) -> None:
        self.rows.append(row)
        print(line(row), flush=True)


def line(row: Row) -> str:
    """A line of the Markdown table."""
    value = f"{row.value:,.2f}" if row.unit == "s" else f"{row.value:,.0f}"
    budget = "–" if row.budget is None else f"≤ {row.budget:,g} {row.unit}"
    met = "" if row.budget is None else "yes" if row.value <= row.budget else "**no**"
    cpu = "" if row.cpu is None else f"{row.cpu:.2f} s"
    return f"| {row.what} | {budget} | {value} {row.unit} | {cpu} | {met} |"


def first_picture(page: Page, name: str) -> None:
    """Wait until a picture of a sample is on the screen, within elements that a selector names."""
    page.wait_for_function(PICTURE, arg=name, timeout=WAIT)


def ready(page: Page, name: str) -> None:
    page.wait_for_selector(f".{name}[data-state=ready]", timeout=WAIT)


def browse(bench: Bench, page: Page, opened: float) -> None:
    """What a person does first: open, look at each page, filter, lasso, open the gallery of it."""
    server = bench.server
    page.goto(f"{server.url}/gallery", wait_until="commit")
    first_picture(page, ".gallery .tile img")
    bench.add(Row("`winnow app` to the first picture (gallery)", time.perf_counter() - opened, "s", 8, bench.cpu))
    outline = page.evaluate("performance.getEntriesByName('first-paint')[0].startTime") / 1000
    bench.add(Row("of it, until the browser shows the outline of the page", outline, "s", 1))
    with bench.step("overview drawn"):
        page.goto(server.url)
        page.wait_for_selector(".w-health-card", timeout=WAIT)
    with bench.step("review: first card"):
        page.goto(f"{server.url}/review")
        ready(page, "review")
    page.goto(f"{server.url}/gallery")
    first_picture(page, ".gallery .tile img")
    before = page.locator(".gallery .count").inner_text()
    with bench.step("filter to first tiles", 1):
        page.locator("[data-testid=stSidebar]").get_by_text("Out of distribution").first.click()
        page.wait_for_function(
            "b => { const e = [...document.querySelectorAll('*')].flatMap(x => [x, "
            "...(x.shadowRoot?.querySelectorAll('.gallery .count') ?? [])])"
            ".find(x => x.matches('.gallery .count')); return e && e.innerText !== b; }",
            arg=before,
            timeout=WAIT,
        )
        first_picture(page, ".gallery .tile img")
    sent: list[int] = []

    def heard(request: Request) -> None:
        if "/api/" in request.url and "/assets/" not in request.url:
            sent.append(len(request.url) + len(request.post_data_buffer or b""))

    with bench.step("map drawn"):
        page.goto(f"{server.url}/map")
        ready(page, "map")
    lasso(page, 0.9, 0.9, 0.05)  # the engine's index of the points is made once
    page.wait_for_selector(".bulk:not([data-state=loading])")
    page.wait_for_timeout(3000)
    page.keyboard.press("Escape")
    page.on("request", heard)
    lasso(page, 0.4, 0.4, 0.15)
    with bench.step("from letting go of the lasso to its count"):
        page.wait_for_selector(".bulk[data-state=selected]", timeout=WAIT)
    count = selected(page)
    with bench.step("from there to the first picture of its gallery"):
        page.keyboard.press("Enter")
        ready(page, "gallery")
        first_picture(page, ".gallery .tile img")
    first, last = bench.rows[-2:]
    cpu = (first.cpu or 0) + (last.cpu or 0)
    bench.add(Row(f"lasso to gallery, {count:,} samples", first.value + last.value, "s", 2, cpu))
    bench.add(Row("sent upstream for it", float(sum(sent)), "bytes", 50 * 1024))


def ask(path: Path, add: Callable[[Row], None]) -> None:
    """What the engine takes by itself, in a process without a server."""

    def timed(what: str, budget: float | None, call: Callable[[], Any]) -> Any:
        begin, cpu = time.perf_counter(), time.process_time()
        answer = call()
        add(Row(what, time.perf_counter() - begin, "s", budget, time.process_time() - cpu))
        return answer

    with Workspace.open(path, actor="bench") as ws:
        timed("engine: counts of everything, first", None, lambda: ws.counts(Filter()))
        timed("engine: counts of everything", None, lambda: ws.counts(Filter()))
        xy = ws.points().xy
        (x0, y0), (x1, y1) = np.nanmin(xy, axis=0).tolist(), np.nanmax(xy, axis=0).tolist()
        ring = [(x0, y0), ((x0 + x1) / 2, y1), (x1, y0), ((x0 + x1) / 2, (y0 + y1) / 2)]
        timed("engine: index of the points, once", None, lambda: ws.query.outlined([]))
        timed("engine: membership of a polygon over all points", 0.3, lambda: ws.query.outlined([("add", ring)]))
        ids = timed("engine: queue of everything", None, lambda: ws.query.id_set(Filter(), "-confidence"))
        ws.cards(ids[:1])
        timed("engine: one decision", 0.15, lambda: ws.decide(ids[0], "accept"))
        timed(f"engine: bulk verdict over {BULK:,}", 1, lambda: ws.decide_many(ids[1 : BULK + 1], "accept"))
        timed("engine: counts after it", None, lambda: ws.counts(Filter()))
        timed("engine: undo of it", 1, lambda: ws.undo())


def report(rows: list[Row], n: int, load: float) -> str:
    """The table as Markdown, with what it was measured on."""
    return (
        f"Measured {datetime.now(UTC).isoformat(timespec='minutes')} on {machine()}, "
        f"load average {load:.1f} when it began (0 = nothing else ran), by `python -m benchmarks.speed_app`. {n:,} "
        f"samples made out "
        "of the demo; Chromium without a graphics card, which draws on the same cores as the server.\n\n"
        + "\n".join([HEAD, *map(line, rows)])
        + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000, help="samples")
    parser.add_argument("--small", type=Path, help="a scanned workspace to make the large one from (default: the demo)")
    parser.add_argument("--large", type=Path, help="a workspace made before by this (made there where there is none)")
    parser.add_argument("--json", type=Path, help="write the rows there too")
    parser.add_argument(
        "--out", type=Path, default=OUT, help="write the table there (default: assets/benchmarks/app.md)"
    )
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="winnow-app-bench-") as scratch:
        home = Path(scratch)
        path = options.large or home / "large.winnow"
        if not path.exists():
            small = options.small
            if small is None:
                run_winnow("demo", "--home", home / "demo", "--no-serve", "--quiet")
                small = home / "demo" / "workspace"
            enlarge(small, path, options.n)
        n = read_metadata(path / "dataset.parquet").num_rows
        print(f"{n:,} samples; load of the machine {load:.1f} on {os.cpu_count()} cores\n")
        print(HEAD)
        bench = Bench(Server(path, home / "state"))
        with sync_playwright() as playwright:
            executable = str(CHROMIUM) if CHROMIUM.exists() else None
            browser = playwright.chromium.launch(executable_path=executable, args=ARGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(WAIT)
            begin = time.perf_counter()
            bench.server.start()
            try:
                browse(bench, page, begin)
                bench.add(Row("memory of the server, most", bench.memory("VmHWM"), "MiB", None))
                bench.add(Row("of it its own (not mapped files), at the end", bench.memory("RssAnon"), "MiB", None))
            finally:
                bench.server.stop()
                browser.close()
        ask(path, bench.add)
        for log in [*path.glob("decisions.db*"), *path.glob("log_head.json")]:
            log.unlink()  # the next run on a kept workspace begins like this one
    options.out.write_text(report(bench.rows, n, load), encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in bench.rows], indent=1))


if __name__ == "__main__":
    main()
