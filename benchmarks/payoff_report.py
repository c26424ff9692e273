"""The Markdown of benchmarks/payoff.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BUDGETS = ("10%", "30%", "50%")
COVERING = ("k_center", "facility_location")
"""Methods whose aim is to leave no sample far from a chosen one."""


def report(found: Mapping[str, Any]) -> str:
    """All that was measured, as Markdown."""
    lines = [
        "# What curating and choosing gain",
        "",
        "Written by `benchmarks/payoff.py`. A multinomial logistic probe on the embeddings, its penalty tuned for "
        "each training set on an",
        "inner split of that set, judged on the true labels of held-out samples that no training set holds. Truth "
        "is used for",
        "judging and for simulated decisions alone.",
        "",
    ]
    for name, parts in found["datasets"].items():
        lines += [f"## {name}", ""]
        if "curation" in parts:
            lines += _curation(parts["curation"])
        if "methods" in parts:
            lines += _methods(parts["methods"])
    if any("methods" in parts for parts in found["datasets"].values()):
        lines += _summary(found["datasets"])
    if "timing" in found:
        lines += _timing(found["timing"])
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---" if i == 0 else "---:" for i in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)] + [""]


def _interval(value: float, low: float, high: float) -> str:
    return f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _curation(found: Mapping[str, Any]) -> list[str]:
    rows = []
    for a in found["arms"]:
        against = {k: _interval(*v) for k, v in a["differences"].items()}
        rows.append(
            [
                a["title"],
                f"{a['size']:,}",
                f"{100 * a['accuracy']:.1f} ± {100 * a['deviation']:.1f}",
                f"{a['f1']:.3f}",
                f"{a['gmean']:.3f}",
                against.get("raw", ""),
            ]
        )
    said = [
        f"- {title}: **{100 * r['value']:.0f}%** [{100 * r['low']:.0f}, {100 * r['high']:.0f}]"
        for title, r in (
            (
                "Auto-curated, of what dropping exactly the truly bad rows gains (asked: 50%)",
                found["auto_share_of_drop_bad"],
            ),
            ("Random of the same size, of the same gain", found["random_share_of_drop_bad"]),
            (
                "1,000 decisions and the rest auto-curated, of what fixing every label gains (asked: 65%)",
                found["decisions_share_of_fix_all"],
            ),
            ("1,000 decisions alone, of the same gain", found["decisions_alone_share_of_fix_all"]),
        )
    ]
    head = ("Trained on", "Samples", "Accuracy %", "F1", "g-mean", "To raw, points")
    about = f"{found['judged']:,} samples judge, {found['seeds']} seeds; intervals: paired bootstrap, 95%."
    return ["### Curation", "", *said, "", about, "", *_table(head, rows)]


def _methods(found: Mapping[str, Any]) -> list[str]:
    many = len({r["arm"] for r in found["rows"]}) - 1
    lines = [
        "### Methods",
        "",
        f"{found['judged']:,} samples judge, {found['seeds']} seeds, each with its own subset; labels as they "
        f"came. ± is a 95% interval.",
        f"The difference to random has a paired bootstrap interval, widened for the {many} comparisons of each "
        f"table. q: the quality slider",
        "(0: as published). Radius: the largest cosine distance from any sample to the nearest chosen one, mean "
        "over seeds, and in how many",
        "seeds it is smaller than random's. RS2 is trained on another subset in each epoch; its radius and "
        "diversity are those of one epoch.",
        "Methods with a target are given the held-out samples without their labels.",
        "",
    ]
    for budget in BUDGETS:
        mine = [r for r in found["rows"] if r["budget"] == budget]
        rows = []
        for r in sorted(mine, key=lambda r: (r["method"] != "random", r["method"], r["quality"])):
            chance = r["method"] == "random"
            rows.append(
                [
                    r["method"],
                    f"{r['quality']:g}",
                    f"{r['size']:,}",
                    f"{100 * r['accuracy']:.1f} ± {100 * r['half']:.1f}",
                    "" if chance else _interval(*r["against_random"]),
                    "" if chance else "**yes**" if r["beats_random"] else "no",
                    f"{r['radius']:.3f}" + ("" if chance else f" ({r['nearer']}/{len(r['radii'])})"),
                    f"{r['p95']:.3f}",
                    f"{r['vendi']:.2f}",
                    f"{r['seconds']:.2f}",
                ]
            )
        head = (
            "Method",
            "q",
            "Samples",
            "Accuracy %",
            "To random, points",
            "Beats random",
            "Radius",
            "95%",
            "Vendi",
            "Seconds",
        )
        lines += [f"#### {budget}", "", *_table(head, rows)]
    return lines


def _summary(datasets: Mapping[str, Any]) -> list[str]:
    cells = [
        (f"{name} {budget}", {r["arm"]: r for r in parts["methods"]["rows"] if r["budget"] == budget})
        for name, parts in datasets.items()
        if "methods" in parts
        for budget in BUDGETS
    ]
    arms = sorted({arm for _, rows in cells for arm in rows} - {"random/0.0"})
    lines = ["## Who beats random beyond the interval", ""]
    rows = []
    for arm in arms:
        won = [title for title, by in cells if arm in by and by[arm]["beats_random"]]
        lost = [title for title, by in cells if arm in by and by[arm]["against_random"][2] < 0]
        name, quality = arm.split("/")
        rows.append(
            [
                f"{name}, q {float(quality):g}",
                f"{len(won)} of {len(cells)}",
                ", ".join(won),
                f"{len(lost)} of {len(cells)}",
            ]
        )
    lines += _table(
        ("Method", "Beats", "Where", "Loses"), sorted(rows, key=lambda r: (-int(r[1].split()[0]), int(r[3].split()[0])))
    )
    lines += ["## Coverage methods against random", ""]
    rows = [
        [
            title,
            f"{by['random/0.0']['radius']:.3f}",
            f"{by['random/0.0']['p95']:.3f}",
            *(
                f"{by[a]['radius']:.3f} ({by[a]['nearer']}/{len(by[a]['radii'])}); {by[a]['p95']:.3f}"
                for a in (f"{c}/0.0" for c in COVERING)
            ),
        ]
        for title, by in cells
    ]
    lines += [
        "Both as published (q 0). At the usual setting (q 0.5) what the scan doubts is left out on purpose: the "
        "farthest samples are",
        "mostly strangers and broken ones, so the largest radius hardly falls there, while accuracy gains.",
        "",
    ]
    head = ("", "Random: radius", "95%", *(f"{c}: radius (seeds won); 95%" for c in COVERING))
    return lines + _table(head, rows)


def _timing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = [
        [r["method"], *(f"{r[b]:.1f} ({r[f'{b} cpu']:.1f})" for b in BUDGETS)]
        for r in sorted(rows, key=lambda r: -max(r[b] for b in BUDGETS))
    ]
    head = ("Method", *(f"{b}: seconds (CPU)" for b in BUDGETS))
    return ["## Seconds on 50,000 samples of 512 numbers, two cores", "", *_table(head, shown)]
