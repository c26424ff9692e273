"""Kill, fill the disk and get in the way, at many random points, and look whether anything was lost.

    python -m benchmarks.faults                   20 kills of a scan, of decisions, of exports; full disks, 16 writers
    python -m benchmarks.faults --kills 3         the same, fewer
    python -m benchmarks.faults --only writers    one of: scan, decisions, export, full, read-only, writers

Each child is a real process that is killed with SIGKILL at a random moment of its life; the same command is run
again, and what it ends with is compared with a run that nobody disturbed. Prints one JSON object; exits 1 where
anything was lost.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from winnow.core.errors import WinnowError
from winnow.core.workspace import Workspace

ROWS, DECISIONS, WRITERS = 600, 400, 16
ENV = os.environ | {"OMP_NUM_THREADS": "1"}

DECIDE = """
import sys
from winnow.core.workspace import Workspace
path, who, n, start = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with Workspace.open(path, actor=who) as ws:
    ids = ws.ids()
    for k in range(start, start + n):
        made = ws.decide(ids[k % len(ids)], ("accept", "exclude")[k // len(ids) % 2], decision_id=f"{who}-{k}")
        print(made.decision_id, flush=True)
"""
EXPORT = """
import sys
from winnow.core.workspace import Workspace
with Workspace.open(sys.argv[1]) as ws:
    print("ready", flush=True)
    ws.export(sys.argv[2])
"""


def source(path: Path) -> Path:
    """A table of short texts in four classes."""
    rng = np.random.default_rng(3)
    words = [
        t.split()
        for t in (
            "rain sun cloud wind storm",
            "loan bank card debt rate",
            "dog cat fox owl hen",
            "tea rice soup cake pie",
        )
    ]
    label = rng.integers(0, 4, ROWS)
    text = [" ".join([*rng.choice(words[c], 4), f"w{i % 977}"]) for i, c in enumerate(label)]
    pd.DataFrame({"id": [f"t{i}" for i in range(ROWS)], "text": text, "label": label}).to_csv(path, index=False)
    return path


def scan(table: Path, out: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "winnow.core.cli",
        "scan",
        str(table),
        "--out",
        str(out),
        "--encoder",
        "tfidf",
        "--no-map",
        "--quiet",
    ]


def scores(path: Path) -> str:
    """A digest of every verdict and score."""
    with Workspace.open(path) as ws:
        return hashlib.sha256(ws.scores().to_csv(index=False).encode()).hexdigest()


def finished(workspace: Path, pid: int | None = None) -> list[dict[str, Any]]:
    """The stages that the scan with this process id, or the last one, has ended: name and seconds."""
    try:
        progress = json.loads((workspace / "job" / "progress.json").read_text())
    except (OSError, ValueError):
        return []
    return list(progress["stages"]) if pid in (None, progress["pid"]) else []


def kill_in(table: Path, out: Path, stage: int, seconds: float) -> int | None:
    """Scan, and kill the scan ``seconds`` after ``stage`` stages have ended. Returns how many had ended when it died;
    None: the scan ended before."""
    process = subprocess.Popen(scan(table, out), env=ENV, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(finished(out, process.pid)) < stage:
        time.sleep(0.002)
    time.sleep(seconds)
    if process.poll() is not None:
        return None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return len(finished(out, process.pid))


def kill_scans(home: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill scans in every stage, at a random moment of it; scanned again, each must end as if nothing had happened."""
    table, whole = source(home / "texts.csv"), home / "whole"
    subprocess.run(scan(table, whole), check=True, env=ENV)
    stages, truth = finished(whole), scores(whole)
    hit: dict[str, int] = {}
    damaged, ended = [], 0
    for number in range(kills):
        cut = home / f"cut{number}"
        at = number % len(stages)
        died = kill_in(table, cut, at, rng.uniform(0, stages[at]["seconds"]))
        if died is None:
            ended += 1
        else:
            name = stages[min(died, len(stages) - 1)]["name"]
            hit[name] = hit.get(name, 0) + 1
        if (cut / "verdicts.parquet").exists():
            pd.read_parquet(cut / "verdicts.parquet")  # whole, or not there
        subprocess.run(scan(table, cut), check=True, env=ENV)
        if scores(cut) != truth:
            damaged.append(number)
        shutil.rmtree(cut)
    return {
        "kills": kills - ended,
        "ended_before": ended,
        "stages_hit": hit,
        "differing_results": damaged,
        "lost": len(damaged),
    }


def ready(home: Path) -> Path:
    """A scanned workspace to decide in."""
    out = home / "ready"
    if not out.exists():
        subprocess.run(scan(source(home / "ready.csv"), out), check=True, env=ENV)
    return out


def kill_decisions(home: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill a process that decides; every decision whose answer came out must be in the log."""
    workspace, said = ready(home), set()
    for number in range(kills):
        child = subprocess.Popen(
            [sys.executable, "-c", DECIDE, str(workspace), f"k{number}", str(DECISIONS), "0"],
            stdout=subprocess.PIPE,
            text=True,
            env=ENV,
        )
        assert child.stdout
        for _ in range(rng.randrange(1, DECISIONS // 4)):
            line = child.stdout.readline()
            if line:
                said.add(line.strip())
        child.send_signal(signal.SIGKILL)
        said |= {line.strip() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")}
        child.wait()
    with Workspace.open(workspace) as ws:
        kept = {d.decision_id for d in ws.history()}
    return {"kills": kills, "acknowledged": len(said), "lost": len(said - kept)}


def kill_exports(home: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill an export; the file of before stays whole, or the new one is."""
    workspace, out = ready(home), home / "out.csv"
    with Workspace.open(workspace) as ws:
        rows = ws.export(out).rows
    broken = 0
    for _ in range(kills):
        child = subprocess.Popen(
            [sys.executable, "-c", EXPORT, str(workspace), str(out)], stdout=subprocess.PIPE, text=True, env=ENV
        )
        assert child.stdout
        child.stdout.readline()
        time.sleep(rng.uniform(0, 0.25))
        child.send_signal(signal.SIGKILL)
        child.wait()
        broken += len(pd.read_csv(out)) != rows
    return {"kills": kills, "lost": broken}


def full_disk(home: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """A small disk of memory that fills up under a scan, under decisions and under an export; then room is made."""
    disk, room = home / "disk", 24
    disk.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"winnow", str(disk).encode(), b"tmpfs", 0, f"size={room}m".encode()):
        return {"skipped": f"a disk cannot be mounted here ({os.strerror(ctypes.get_errno())})", "lost": 0}
    try:
        table, fat = source(home / "full.csv"), disk / "fat"

        def fill(leave: int) -> None:
            fat.unlink(missing_ok=True)
            free = shutil.disk_usage(disk).free
            fat.write_bytes(b"\0" * max(0, free - leave))

        codes = []
        for leave in (200_000, 1_000_000, 3_000_000):
            fill(leave)
            codes.append(subprocess.run(scan(table, disk / "ws"), env=ENV, capture_output=True).returncode)
        fat.unlink()
        subprocess.run(scan(table, disk / "ws"), check=True, env=ENV)
        child: Callable[[int], Any] = lambda start: subprocess.run(  # noqa: E731
            [sys.executable, "-c", DECIDE, str(disk / "ws"), "full", "3000", str(start)],
            env=ENV,
            capture_output=True,
            text=True,
        )
        fill(120_000)
        first = child(0)
        said = set(first.stdout.split())
        fill(8_000)
        exported = subprocess.run(
            [sys.executable, "-c", EXPORT, str(disk / "ws"), str(disk / "out.csv")],
            env=ENV,
            capture_output=True,
            text=True,
        )
        half = (disk / "out.csv").exists() or exported.returncode == 0
        fat.unlink()
        again = child(len(said))
        said |= set(again.stdout.split())
        with Workspace.open(disk / "ws") as ws:
            kept = {d.decision_id for d in ws.history()}
            whole = ws.export(disk / "out.csv").rows
        return {
            "scan_codes": codes,
            "decisions_until_full": len(first.stdout.split()),
            "said": first.stderr.strip().splitlines()[-1][:120],
            "export_refused": exported.returncode != 0,
            "acknowledged": len(said),
            "rows_after": whole,
            "lost": len(said - kept) + half,
        }
    finally:
        libc.umount2(str(disk).encode(), 2)


def read_only(home: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """A disk that turns read-only under an open workspace: it can be looked at, and a decision is refused in words."""
    disk, libc = home / "read-only", ctypes.CDLL(None, use_errno=True)
    disk.mkdir()
    if libc.mount(b"winnow", str(disk).encode(), b"tmpfs", 0, b"size=64m"):
        return {"skipped": f"a disk cannot be mounted here ({os.strerror(ctypes.get_errno())})", "lost": 0}
    try:
        path = Path(shutil.copytree(ready(home), disk / "ws"))
        with Workspace.open(path) as ws:
            before = len(ws.history())
        if libc.mount(None, str(disk).encode(), None, 32 | 1, None):  # MS_REMOUNT | MS_RDONLY
            return {"skipped": os.strerror(ctypes.get_errno()), "lost": 0}
        with Workspace.open(path) as ws:
            looked, kept = len(ws.rows(limit=50)), len(ws.history())
            try:
                ws.decide(ws.ids()[0], "exclude")
                said = "nothing"
            except WinnowError as error:
                said = type(error).__name__
        return {"rows_seen": looked, "said": said, "lost": int(kept != before or said != "ReadOnly" or not looked)}
    finally:
        libc.umount2(str(disk).encode(), 2)


def writers(home: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Sixteen processes that decide 10,000 times together."""
    workspace, each = ready(home), 10_000 // WRITERS
    started = time.monotonic()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", DECIDE, str(workspace), f"w{i}", str(each), "0"],
            stdout=subprocess.PIPE,
            text=True,
            env=ENV,
        )
        for i in range(WRITERS)
    ]
    said = {line for child in children for line in child.communicate()[0].split()}
    seconds = time.monotonic() - started
    with Workspace.open(workspace) as ws:
        kept = [d.decision_id for d in ws.history()]
    mine = [d for d in kept if d.startswith("w")]
    lost = len(said - set(kept)) + (WRITERS * each - len(said)) + (len(mine) - len(set(mine)))
    return {"writers": WRITERS, "decisions": len(said), "seconds": round(seconds, 1), "lost": lost}


FAULTS = {
    "scan": kill_scans,
    "decisions": kill_decisions,
    "export": kill_exports,
    "full": full_disk,
    "read-only": read_only,
    "writers": writers,
}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--only", choices=FAULTS)
    options.add_argument("--workspace", type=Path, help="a scanned workspace to decide in (a copy of it)")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="winnow-faults-") as folder:
        if given.workspace is not None:
            shutil.copytree(given.workspace, Path(folder) / "ready")
        for name, work in FAULTS.items():
            if given.only in (None, name):
                found[name] = work(Path(folder), given.kills, random.Random(given.seed))
                print(f"{name}: {found[name]}", file=sys.stderr)
    print(json.dumps(found, indent=1))
    return int(any(f["lost"] for f in found.values()))


if __name__ == "__main__":
    sys.exit(main())
