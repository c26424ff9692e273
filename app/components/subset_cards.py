"""Pieces of the Select page as HTML: the scorecard, the shares, the payoff."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from winnow.app.components.html import button, count, esc, go, icon, notice, percent, plural
from winnow.core import SELECTORS, Share, SubsetChoice, SubsetReport, SubsetScores

SHOWN = 30

SCORES: tuple[tuple[str, str, Callable[[SubsetScores], float], str], ...] = (
    ("Quality", "Mean trust in label and content, 1 = all trusted.", lambda c: c.quality, ".2f"),
    ("Diversity", "Vendi score: the effective number of different samples.", lambda c: c.diversity, ".2f"),
    (
        "Gradient diversity",
        "Vendi score over what training on it would teach (G-Vendi).",
        lambda c: c.gradient_diversity,
        ".1f",
    ),
    ("Complexity", "Mean hardness: EL2N, 1 = hardest.", lambda c: c.complexity, ".2f"),
    (
        "Coverage radius",
        "Largest distance from any sample to the nearest chosen one: smaller is better.",
        lambda c: c.coverage.radius,
        ".3f",
    ),
    ("Coverage, 95%", "95 of 100 samples have a chosen one at most this far away.", lambda c: c.coverage.p95, ".3f"),
)


def _number(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def scorecard(choice: SubsetChoice, report: SubsetReport) -> str:
    """Size and scores of the subset, beside random and everything."""
    cards = (report.subset, report.random, report.pool)
    lines = "".join(
        f"<tr><th scope='row' title='{esc(explain)}'>{esc(title)}</th>"
        + "".join(
            f"<td class='w-r{' w-muted' if i else ''}'>{_number(read(card), form)}</td>" for i, card in enumerate(cards)
        )
        + "</tr>"
        for title, explain, read, form in SCORES
    )
    forced = f" · {count(choice.forced)} by a constraint" if choice.forced else ""
    return (
        f"<section class='w-card'><header><h2 data-size>{plural(len(choice.rows), 'sample')}</h2>"
        f"<span class='w-muted'>of {count(choice.pool)} · {percent(len(choice.rows), choice.pool)}{forced}</span></header>"
        f"<table class='w-table'><thead><tr><th></th><th class='w-r'>This subset</th><th class='w-r'>Random</th>"
        f"<th class='w-r'>All</th></tr></thead><tbody>{lines}</tbody></table></section>"
    )


def shares(title: str, table: Sequence[Share], warnings: Sequence[str]) -> str:
    """Shares before and after as two bars a line, those that shifted marked."""
    if not table:
        return ""
    top = max(max(s.before, s.after) for s in table) or 1.0
    order = sorted(table, key=lambda s: (not s.shifted, -max(s.before, s.after)))[:SHOWN]
    lines = "".join(
        f"<tr><th scope='row'><span class='w-cut'>{esc(s.name)}</span></th>"
        f"<td class='w-wide'><span class='w-share' role='img' aria-label='from {s.before:.1%} to {s.after:.1%}'>"
        f"<i style='width:{100 * s.before / top:.1f}%'></i><b style='width:{100 * s.after / top:.1f}%'></b></span></td>"
        f"<td class='w-r w-muted'>{s.before:.1%}</td><td class='w-r' title='{count(s.count)} of {count(s.size)} samples'>{s.after:.1%}</td>"
        f"<td>{icon('warning', 'w-shifted') if s.shifted else ''}</td></tr>"
        for s in order
    )
    moved = sum(s.shifted for s in table)
    said = (
        notice(f"{plural(moved, 'share')} moved by more than chance. {warnings[0]}", "warn")
        if moved and warnings
        else ""
    )
    more = f" · the first {SHOWN} of {len(table):,}" if len(table) > SHOWN else ""
    return (
        f"<section class='w-card'><header><h2>{esc(title)}</h2><span class='w-muted'>grey before, coloured after{more}</span>"
        f"</header>{said}<div class='w-scroll w-shares' tabindex='0' aria-label='{esc(title)}'><table class='w-table'>"
        f"<tbody>{lines}</tbody></table></div></section>"
    )


def _bar(status: Mapping[str, Any], label: str, unit: str) -> tuple[str, str]:
    """A progress bar, and how far it is in words."""
    done, total = int(status.get("done") or 0), int(status.get("total") or 0)
    share = 100 * done / total if total else 0.0
    state = f'aria-valuenow="{share:.0f}"><i style="width:{share:.1f}%"></i>' if total else "data-open><i></i>"
    bar = f'<div class="w-bar" role="progressbar" aria-label="{label}" aria-valuemin="0" aria-valuemax="100" {state}</div>'
    return bar, f"{done} of {total} {unit}" if total else "starting"


def payoff_waiting(status: Mapping[str, Any], looks: int) -> str:
    """The payoff while it is being measured."""
    bar, now = _bar(status, "Measuring the payoff", "trainings")
    stop = button("Cancel", go("payoff-cancel"), "close", extra="w-small")
    return (
        f"<section class='w-card w-payoff'><header><h2>Measuring the payoff</h2><span class='w-muted w-grow'>{now}</span>{stop}</header>"
        f"{bar}<p class='w-muted w-fine'>A probe is trained on this subset and on random ones, and judged on held-out samples "
        f"({plural(looks, 'subset')} looked at them so far). It runs by itself: go on meanwhile.</p></section>"
    )


def payoff_ended(status: Mapping[str, Any]) -> str:
    """The payoff that did not come, with a way to ask again."""
    state = status.get("state")
    said = status.get("message") or "Not measured yet."
    again = button("Measure the payoff", go("payoff-start"), "play_arrow", extra="w-small")
    tone = {"failed": "bad", "lost": "warn", "cancelled": "warn"}.get(str(state), "info")
    return f"<section class='w-card w-payoff'><header><h2>Payoff</h2></header>{notice(str(said), tone)}<div class='w-row' style='margin-top:8px'>{again}</div></section>"


def payoff_card(found: Mapping[str, Any]) -> str:
    """The measured payoff: each arm's accuracy on one scale, with its difference to random and the interval."""
    main = [a for a in found["arms"] if not a["name"].startswith(("curve_", "without_"))]
    lines = "".join(_arm(a) for a in main)
    curve = _curve([a for a in found["arms"] if a["name"].startswith("curve_")], main)
    sources = [a for a in found["arms"] if a["name"].startswith("without_")]
    left = "".join(
        f"<tr><th scope='row'>{esc(a['title'])}</th><td class='w-r'>{a['accuracy']:.1%}</td>{_difference(a)}</tr>"
        for a in sources
    )
    use = f"<h3>What each source adds</h3><table class='w-table'><tbody>{left}</tbody></table>" if left else ""
    tone = "good" if found["beats_random"] else "warn"
    return (
        f"<section class='w-card w-payoff'><header><h2>Payoff</h2><span class='w-muted'>accuracy of a probe on "
        f"{count(found['judged'])} held-out samples ({count(found['reviewed'])} reviewed), {found['seeds']} seeds</span></header>"
        f"{notice(found['verdict'], tone)}<div class='w-scroll' tabindex='0' aria-label='Payoff'><table class='w-table w-arms'><thead><tr><th>Trained on</th><th class='w-r'>Samples</th>"
        f"<th class='w-r'>Accuracy</th><th class='w-r'>F1</th><th class='w-r'>g-mean</th><th class='w-r'>Difference</th></tr></thead>"
        f"<tbody>{lines}</tbody></table></div>{curve}{use}<p class='w-muted w-fine'>± is the deviation over seeds; intervals are paired bootstrap. The held-out samples "
        f"were looked at for {plural(int(found['looks']), 'subset')}, and intervals are widened for it. Their labels are cleaned by "
        "the same scan unless a person reviewed them.</p></section>"
    )


def _arm(a: Mapping[str, Any]) -> str:
    strong = " class='w-changed'" if a["name"] == "subset" else ""
    return (
        f"<tr><th scope='row'{strong}>{esc(a['title'])}</th><td class='w-r'>{count(a['size'])}</td>"
        f"<td class='w-r'><b>{a['accuracy']:.1%}</b> <span class='w-muted'>± {100 * a['deviation']:.1f}</span></td>"
        f"<td class='w-r'>{a['f1']:.2f}</td><td class='w-r'>{a['gmean']:.2f}</td>{_difference(a)}</tr>"
    )


def _difference(a: Mapping[str, Any]) -> str:
    if not a["differences"]:
        return "<td></td>"
    d = a["differences"][0]
    names = {"raw": "all", "random": "random", "random_curated": "random", "subset": "subset"}
    return (
        f"<td class='w-r' title='against {esc(names.get(d['against'], d['against']))}, 95% interval {d['low']:+.1%} to {d['high']:+.1%}'>"
        f"{'' if d['sure'] else '≈ '}{d['value']:+.1%} <span class='w-muted'>to {esc(names.get(d['against'], d['against']))}</span></td>"
    )


def _curve(arms: Sequence[Mapping[str, Any]], main: Sequence[Mapping[str, Any]]) -> str:
    """The learning curve as two lines, this subset's order and random."""
    whole = {a["name"]: a for a in main}
    lines = []
    for prefix, last in (("curve_random_", "random"), ("curve_", "subset")):
        mine = [a for a in arms if a["name"].startswith(prefix) and ("random" in prefix or "random" not in a["name"])]
        lines.append([(a["size"], a["accuracy"]) for a in [*mine, whole[last]]])
    points = [p for line in lines for p in line]
    if len(points) < 4:
        return ""
    top_x, low, high = max(x for x, _ in points), min(y for _, y in points), max(y for _, y in points)
    wide = max(high - low, 1e-6)

    def place(line: Sequence[tuple[int, float]]) -> str:
        return " ".join(f"{40 + 440 * x / top_x:.1f},{100 - 84 * (y - low) / wide:.1f}" for x, y in line)

    return (
        "<h3>Learning curve</h3><svg class='w-curve' viewBox='0 0 500 118' role='img' aria-label='Accuracy by number of samples: this subset and random'>"
        f"<polyline class='w-was' points='{place(lines[0])}'/><polyline class='w-is' points='{place(lines[1])}'/>"
        f"<text x='0' y='20'>{high:.0%}</text><text x='0' y='104'>{low:.0%}</text><text x='480' y='116' text-anchor='end'>{top_x:,} samples</text>"
        "</svg><p class='w-muted w-fine'>Coloured: in the order of this method. Grey: random.</p>"
    )


def comparison_wanted(status: Mapping[str, Any], may: bool) -> str:
    """The comparison of all methods that was not made yet, with a way to ask for it."""
    said = str(status.get("message") or "")
    tone = {"failed": "bad", "lost": "warn", "cancelled": "warn"}.get(str(status.get("state")), "")
    ask = button("Compare all methods", go("compare-start"), "leaderboard", extra="w-small") if may else ""
    return (
        "<section class='w-card w-payoff'><header><h2>All methods</h2></header>"
        f"{notice(said, tone) if tone and said else ''}<p class='w-muted w-fine'>No method is recommended before it was measured on "
        "this data: each is trained on under these settings, beside random, and recommended only where it beat random beyond "
        f"the interval.</p><div class='w-row' style='margin-top:8px'>{ask}</div></section>"
    )


def comparison_waiting(status: Mapping[str, Any]) -> str:
    """The comparison while it is being made."""
    bar, now = _bar(status, "Comparing all methods", "steps")
    stop = button("Cancel", go("compare-cancel"), "close", extra="w-small")
    return (
        f"<section class='w-card w-payoff'><header><h2>Comparing all methods</h2><span class='w-muted w-grow'>{now}</span>{stop}"
        f"</header>{bar}<p class='w-muted w-fine'>{esc(status.get('message') or '')}</p></section>"
    )


def comparison_card(found: Mapping[str, Any], current: str) -> str:
    """Every method beside random: accuracy, the difference with its interval, coverage and diversity. A name chooses its method."""
    rows = sorted(found["rows"], key=lambda r: -r["accuracy"])
    lines = "".join(_compared(r, r["method"] == found["recommended"], r["method"] == current) for r in rows)
    tone = "good" if found["recommended"] else "warn"
    whys: dict[str, list[str]] = {}
    for name, why in found["left_out"].items():
        whys.setdefault(why, []).append(SELECTORS.get(name).title if name in SELECTORS else name)
    left = "".join(f" Left out: {', '.join(names)} ({why})." for why, names in whys.items())
    return (
        f"<section class='w-card w-payoff'><header><h2>All methods</h2><span class='w-muted'>{esc(found['wish']['budget'])} of the data, "
        f"{count(found['judged'])} held-out samples, {found['seeds']} seeds</span></header>{notice(found['verdict'], tone)}"
        "<div class='w-scroll' tabindex='0' aria-label='All methods'><table class='w-table w-compare'><thead><tr><th>Method</th>"
        "<th class='w-r'>Accuracy</th><th class='w-r'>To random</th><th class='w-r w-span'>95% interval</th>"
        "<th class='w-r w-extra' title='Coverage radius: smaller is better'>Radius</th><th class='w-r w-extra' title='Vendi score'>Diversity</th></tr></thead>"
        f"<tbody>{lines}</tbody></table></div><p class='w-muted w-fine'>Intervals are paired bootstrap, widened for "
        f"{plural(int(found['looks']), 'subset')} that looked at the held-out samples. Fresh random each epoch is a way to train on all data: "
        f"it is never recommended as a subset.{esc(left)}</p></section>"
    )


def _compared(r: Mapping[str, Any], best: bool, current: bool) -> str:
    name = esc(r["title"])
    told = f"{icon('star', 'w-won')}<span class='w-sr'>recommended</span>" if best else ""
    pick = f"<span class='w-pick'><button class='w-link w-cut' title='{name}' {go('method', method=r['method'])}>{name}</button>{told}</span>"
    apart = r["against_random"]
    if apart is None:
        said = "<td class='w-r w-muted' colspan='2'>the yardstick</td>"
    else:
        value, low, high = apart
        won = f"{icon('check_circle', 'w-won')}<span class='w-sr'>beats random:</span> " if low > 0 else ""
        title = " title='beats random beyond the interval'" if low > 0 else ""
        said = (
            f"<td class='w-r'{title}>{won}{'' if low > 0 or high < 0 else '≈ '}{value:+.1%}</td>"
            f"<td class='w-r w-muted'>{100 * low:+.1f} to {100 * high:+.1f}</td>"
        )
    here, strong = (" aria-current='true'", " class='w-changed'") if current else ("", "")
    return (
        f"<tr{here}><th scope='row'{strong}>{pick}</th>"
        f"<td class='w-r'><b>{r['accuracy']:.1%}</b></td>{said}<td class='w-r w-extra'>{_number(r['radius'], '.3f')}</td>"
        f"<td class='w-r w-extra'>{_number(r['vendi'], '.1f')}</td></tr>"
    )
