"""A datasheet: what the dataset is, what was found, what was decided, by which methods, versions and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

Table = tuple[str, Sequence[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class DatasheetFacts:
    """What a datasheet is made of.

    Attributes
    ----------
    name
        Of the dataset.
    n, kept, excluded, relabelled
        samples.
    classes
        (name, given, in force and kept) counts.
    verdicts, states, splits, sources
        (name, count).
    people
        (name, decisions).
    signals
        (name, title, ran).
    subset_methods
        (name, version).
    selections
        Kept selections (name, samples, method, seed, fingerprint, who, when).
    manifest
        Of the scan.
    looks
        At the held-out samples.
    made
        UTC.
    """

    name: str
    n: int
    kept: int
    excluded: int
    relabelled: int
    modality: str
    encoder: str
    made: str
    version: str
    classes: Sequence[tuple[str, int, int]] = ()
    verdicts: Sequence[tuple[str, int]] = ()
    states: Sequence[tuple[str, int]] = ()
    splits: Sequence[tuple[str, int]] = ()
    sources: Sequence[tuple[str, int]] = ()
    people: Sequence[tuple[str, int]] = ()
    signals: Sequence[tuple[str, str, str]] = ()
    subset_methods: Sequence[tuple[str, int]] = ()
    selections: Sequence[tuple[Any, ...]] = ()
    class_changes: Sequence[tuple[str, str, str, str, str]] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    looks: int = 0


def _sections(facts: DatasheetFacts, about: Mapping[str, Any]) -> list[tuple[str, str, list[Table]]]:
    """(title, sentence, tables) in order."""
    m = facts.manifest
    share = facts.kept / facts.n if facts.n else 0.0
    out: list[tuple[str, str, list[Table]]] = [
        (
            "Composition",
            f"{facts.n:,} {facts.modality} samples were scanned; {facts.kept:,} ({share:.1%}) are kept. People excluded "
            f"{facts.excluded:,} and relabelled {facts.relabelled:,}.",
            [
                (
                    "Classes",
                    ("class", "as it came", "curated", "change"),
                    [(c, a, b, f"{b - a:+,}") for c, a, b in facts.classes],
                ),
                ("Splits", ("split", "samples"), facts.splits),
                ("Sources", ("source", "samples"), facts.sources),
            ],
        ),
        (
            "What the scan found",
            "One verdict per sample, the first that applies in the order of the table. A verdict is a proposal: only decisions "
            "change the data.",
            [("Verdicts", ("verdict", "samples"), facts.verdicts)],
        ),
        (
            "What people decided",
            "Decisions are kept in an append-only log; a patch file beside each export replays them.",
            [
                ("State of the samples", ("state", "samples"), facts.states),
                ("People", ("person", "decisions in force"), facts.people),
                ("Changes of classes", ("change", "class", "to", "by", "when (UTC)"), facts.class_changes),
            ],
        ),
        (
            "Subsets",
            f"Held-out samples were looked at for {facts.looks:,} different subsets: the more, the more luck there is in the best "
            "of them.",
            [
                (
                    "Kept selections",
                    ("name", "samples", "method", "seed", "fingerprint", "by", "when (UTC)"),
                    facts.selections,
                ),
                (
                    "This export",
                    ("", ""),
                    [(str(k), str(v)) for k, v in about.items() if not isinstance(v, (dict, list))],
                ),
            ],
        ),
        (
            "How it was made",
            f"Winnow {facts.version}, encoder {facts.encoder}, seed {m.get('seed', 0)}, run key {m.get('run_key', 'unknown')}, scanned "
            f"{m.get('created', 'unknown')}.",
            [
                (
                    "Settings",
                    ("setting", "value"),
                    [(k, _short(v)) for k, v in dict(m.get("params", {})).items() if v is not None],
                ),
                ("Fingerprints", ("stage", "fingerprint"), list(dict(m.get("fingerprints", {})).items())),
                ("Libraries", ("library", "version"), list(dict(m.get("libraries", {})).items())),
                ("Signals", ("signal", "what it looks for", "ran"), facts.signals),
                ("Subset methods", ("method", "version"), facts.subset_methods),
            ],
        ),
        (
            "Known limits",
            "Verdicts come from models that can be wrong in the same way; what nobody reviewed is marked as undecided above.",
            [
                ("Notices of the scan", ("notice",), [(v,) for v in m.get("notices", ())]),
                ("Stages that failed", ("stage", "why"), list(dict(m.get("failures", {})).items())),
            ],
        ),
    ]
    return [(title, said, [t for t in tables if t[2]]) for title, said, tables in out]


def _short(value: Any, most: int = 200) -> str:
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def as_markdown(facts: DatasheetFacts, about: Mapping[str, Any]) -> str:
    """The datasheet in Markdown (GitHub's tables). Texts of the data cannot form markup: they are escaped."""
    lines = [f"# Datasheet: {_md(facts.name)}", "", f"Made {facts.made} by Winnow {facts.version}.", ""]
    for title, said, tables in _sections(facts, about):
        lines += [f"## {title}", "", _md(said), ""]
        for name, columns, rows in tables:
            lines += [f"**{name}**", "", f"| {' | '.join(_md(c) for c in columns)} |", "|" + " --- |" * len(columns)]
            lines += [f"| {' | '.join(_md(_cell(v)) for v in row)} |" for row in rows]
            lines.append("")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return (
        "" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    )


_MD = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_{}[]()#|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "}
)


def _md(text: str) -> str:
    return str(text).translate(_MD)


_STYLE = """
:root{color-scheme:light dark;--ink:#1d2327;--dim:#5c6670;--line:#d9dee3;--paper:#fff;--bar:#0072B2;--was:#9db4c6}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebee;--dim:#a3adb7;--line:#3a434b;--paper:#15191d;--bar:#56B4E9;--was:#53616d}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .3rem}h3{font-size:.95rem;margin:1rem 0 .3rem}
p{margin:.2rem 0 .6rem}.dim{color:var(--dim)}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.87rem}th,td{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid var(--line);
overflow-wrap:anywhere}td.n{text-align:right;font-variant-numeric:tabular-nums}th{color:var(--dim);font-weight:600}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}svg .was{fill:var(--was)}svg .is{fill:var(--bar)}
"""


def as_html(facts: DatasheetFacts, about: Mapping[str, Any]) -> str:
    """The datasheet as one HTML file: no script, nothing from elsewhere, every text escaped, both themes, plots as SVG."""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Datasheet: {escape(facts.name)}</title><style>{_STYLE}</style></head><body>{as_body(facts, about)}</body></html>\n"
    )


def as_body(facts: DatasheetFacts, about: Mapping[str, Any]) -> str:
    """The datasheet as HTML without a frame, to be shown in a page."""
    body = [
        f"<h1>Datasheet: {escape(facts.name)}</h1><p class='dim'>Made {escape(facts.made)} by Winnow {escape(facts.version)}.</p>"
    ]
    for title, said, tables in _sections(facts, about):
        body.append(f"<h2>{escape(title)}</h2><p>{escape(said)}</p>")
        if title == "Composition":
            body.append(_bars([(c, a, b) for c, a, b in facts.classes]))
        if title == "What the scan found":
            body.append(_bars([(name, None, count) for name, count in facts.verdicts]))
        for name, columns, rows in tables:
            head = "".join(f"<th scope='col'>{escape(c)}</th>" for c in columns)
            lines = "".join("<tr>" + "".join(_td(v) for v in row) + "</tr>" for row in rows)
            body.append(
                f"<h3>{escape(name)}</h3><div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
            )
    return "".join(body)


def _td(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"<td{' class=n' if number else ''}>{escape(_cell(value))}</td>"


def _bars(rows: Sequence[tuple[str, int | None, int]], most: int = 40) -> str:
    """Horizontal bars: before in grey behind, now in colour; the largest ``most`` of them."""
    shown = sorted(rows, key=lambda r: -max(r[1] or 0, r[2]))[:most]
    top = max((max(r[1] or 0, r[2]) for r in shown), default=0)
    if not top:
        return ""
    parts = []
    for i, (name, before, now) in enumerate(shown):
        y = 22 * i
        label = name if len(name) <= 24 else name[:23] + "…"
        if before is not None:
            parts.append(f"<rect class='was' x='190' y='{y + 2}' width='{400 * before / top:.1f}' height='16'/>")
        parts.append(f"<rect class='is' x='190' y='{y + 5}' width='{400 * now / top:.1f}' height='10'/>")
        parts.append(f"<text x='182' y='{y + 14}' text-anchor='end'>{escape(label)}</text>")
        said = f"{now:,}" if before is None or before == now else f"{before:,} → {now:,}"
        parts.append(f"<text x='598' y='{y + 14}'>{escape(said)}</text>")
    more = f"<p class='dim'>The {most} largest of {len(rows)}.</p>" if len(rows) > most else ""
    return (
        f"<div class='scroll'><svg width='720' height='{22 * len(shown) + 4}' role='img' aria-label='Counts, see the table'>"
        f"{''.join(parts)}</svg></div>{more}"
    )
