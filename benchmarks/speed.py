"""Budgets against measured figures: each beside its peer or its physical limit, in the same run, on the same machine.

    make bench                                              everything: about an hour on two cores
    python -m benchmarks.speed --only knn,map               some parts: embed, knn, map, scan, growth
    python -m benchmarks.speed --only growth --sizes 10000,100000

Writes assets/benchmarks/speed.json and speed.md; parts that were not run keep their figures of before. Every side that
is judged by memory runs in a process of its own; where a part compares two sides in one process, they take turns. Only
ratios within a run mean anything: other work on the machine slows both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import speed_parts

PARTS = ("embed", "knn", "map", "scan", "growth")
ROOT = Path(__file__).resolve().parent.parent
PEAK_GIB = 12.0


def measure(part: str, *arguments: str) -> dict[str, Any]:
    """Run one side of a part in a fresh process; returns what it printed last, with its seconds and peak memory."""
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as scratch:
        out = Path(scratch) / "out.json"
        command = [sys.executable, "-m", "benchmarks.speed_parts", part, str(out), *arguments]
        done = subprocess.run(command, text=True, stderr=subprocess.PIPE)
        if done.returncode:
            raise SystemExit(f"{part} failed:\n{done.stderr[-4000:]}")
        found: dict[str, Any] = json.loads(out.read_text())
        return found


def embed(options: argparse.Namespace) -> list[dict[str, Any]]:
    found = measure("embed", str(options.images))
    return [
        _at_least(
            "embedding, ViT-B-32, 500×375 JPEGs",
            "bare forward pass",
            found["ratio"],
            0.9,
            f"{found['ours']:.1f} images/s",
            f"{found['peer']:.1f} images/s",
            found,
        )
    ]


def knn(options: argparse.Namespace) -> list[dict[str, Any]]:
    found = measure("knn", str(options.rows))
    name = f"kNN, {options.rows:,} × 512, k = 15"
    return [
        _at_most(
            name,
            "exact FAISS (IndexFlatIP)",
            found["ours"] / found["peer"],
            0.5,
            _s(found["ours"]),
            _s(found["peer"]),
            found,
        ),
        _at_least(f"{name}: recall against exact", "1", found["recall"], 0.99, f"{found['recall']:.4f}", "1", {}),
    ]


def umap(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for seed in ("seeded", "unseeded"):
        found = measure("map", str(options.rows), seed)
        rows.append(
            _at_most(
                f"map, {options.rows:,} × 512, {seed}",
                f"umap-learn alone, {seed}",
                found["ours"] / found["peer"],
                0.8,
                _s(found["ours"]),
                _s(found["peer"]),
                found,
            )
        )
    return rows


def scan(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for classes in ("10", "100"):
        first = measure("scan", str(options.rows), classes)
        peer = measure("peer", str(options.rows), classes)
        second = measure("scan", str(options.rows), classes)
        ours = (first["total"] + second["total"]) / 2
        name = f"scan after embedding, {options.rows:,} × 512, {classes} classes, map apart, {first['signals']} signals"
        rows.append(
            _at_most(
                name,
                "cross_val_predict(LogisticRegression) + Datalab.find_issues",
                ours / peer["total"],
                0.5,
                _s(ours),
                _s(peer["total"]),
                {"runs": [first, second], "peer": peer},
            )
        )
    return rows


def growth(options: argparse.Namespace) -> list[dict[str, Any]]:
    runs = {n: measure("scan", str(n), "100", *(["map"] if options.map else [])) for n in options.sizes}
    rows = []
    for n, run in runs.items():
        rows.append(
            _at_most(
                f"peak memory of a scan, {n:,} × 512, 100 classes",
                "12 GiB resident",
                run["peak_gib"],
                PEAK_GIB,
                f"{run['peak_gib']:.1f} GiB in {_s(run['total'])}",
                "12 GiB",
                run,
            )
        )
    if len(runs) > 1:
        for stage, exponent in speed_parts.exponents({n: r["stages"] for n, r in runs.items()}).items():
            times = " → ".join(_s(runs[n]["stages"][stage]) for n in sorted(runs))
            rows.append(
                _at_most(
                    f"growth of {stage}: seconds ~ nᵅ", "α < 2", exponent, 1.5, times, "α ≤ 1.5", {"exponent": exponent}
                )
            )
    return rows


RUN = {"embed": embed, "knn": knn, "map": umap, "scan": scan, "growth": growth}


def _s(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 60:.1f} min"


def _row(
    what: str, against: str, ratio: float, ours: str, peer: str, budget: str, met: bool, raw: Any
) -> dict[str, Any]:
    return {
        "what": what,
        "against": against,
        "ratio": round(ratio, 4),
        "ours": ours,
        "peer": peer,
        "budget": budget,
        "met": bool(met),
        "raw": raw,
    }


def _at_most(what: str, against: str, ratio: float, budget: float, ours: str, peer: str, raw: Any) -> dict[str, Any]:
    return _row(what, against, ratio, ours, peer, f"≤ {budget:g}", ratio <= budget, raw)


def _at_least(what: str, against: str, ratio: float, budget: float, ours: str, peer: str, raw: Any) -> dict[str, Any]:
    return _row(what, against, ratio, ours, peer, f"≥ {budget:g}", ratio >= budget, raw)


def table(report: dict[str, Any]) -> str:
    """The report as a Markdown table."""
    lines = [
        f"Measured {report['at']} on {report['machine']}. Data: {report['data']}.",
        "",
        "| what | against | measured | peer or limit | ratio | budget | met |",
        "|---|---|---|---|---|---|---|",
    ]
    for part in PARTS:
        for row in report["parts"].get(part, {}).get("rows", []):
            met = "yes" if row["met"] else "**no**"
            lines.append(
                f"| {row['what']} | {row['against']} | {row['ours']} | {row['peer']} | {row['ratio']:.3g} | "
                f"{row['budget']} | {met} |"
            )
    loads = ", ".join(f"{part} {found['load']:.1f}" for part, found in report["parts"].items() if "load" in found)
    if loads:
        lines += ["", f"Load average of the machine when each part began (0 = nothing else ran): {loads}."]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """The processor, in words: what ratios depend on."""
    name = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    memory = next((int(line.split()[1]) / 2**20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {name}, {memory:.0f} GiB"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def main() -> None:
    """Run the parts, print the table, write it; exit status 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run, separated by commas")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of knn, map and scan")
    parser.add_argument("--sizes", default="10000,100000,1000000", help="rows of the growth runs")
    parser.add_argument("--images", type=int, default=768, help="JPEGs of the embedding run")
    parser.add_argument("--map", action="store_true", help="growth runs draw the map too")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "benchmarks")
    options = parser.parse_args()
    options.sizes = [int(s) for s in str(options.sizes).split(",")]
    chosen = options.only.split(",")
    if unknown := [p for p in chosen if p not in PARTS]:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    file = options.out / "speed.json"
    report = json.loads(file.read_text()) if file.exists() else {"parts": {}}
    report.update(at=datetime.now(UTC).isoformat(timespec="minutes"), machine=machine(), data=speed_parts.DATA)
    met = True
    for part in chosen:
        started, load = time.perf_counter(), os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        rows = RUN[part](options)
        report["parts"][part] = {
            "rows": rows,
            "seconds": round(time.perf_counter() - started, 1),
            "load": round(load, 1),
        }
        met &= all(row["met"] for row in rows)
        options.out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        (options.out / "speed.md").write_text(table(report))
    print(table(report))
    sys.exit(not met)


if __name__ == "__main__":
    main()
