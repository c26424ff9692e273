"""The datasheet: composition, verdicts and decisions of a dataset; methods, versions and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import plural

if TYPE_CHECKING:
    from jinja2 import Environment

MARK = "<!-- A datasheet written by Winnow -->"
"""In both of its files, so that they are known again."""

_BARS = 40
"""Greatest number of bars in a chart."""


@dataclass(frozen=True)
class DatasheetFacts:
    """Content of a datasheet.

    Attributes
    ----------
    name
        Of the dataset.
    n, kept, excluded, relabelled
        Numbers of samples.
    modality
        Of the scan.
    created
        When the datasheet was made (UTC).
    version
        Of Winnow.
    classes
        (name, given count, count in force and kept).
    verdicts, states, splits, sources
        (name, count).
    people
        (name, decisions in force).
    signals
        (name, title, ran).
    subset_methods
        (name, version).
    selections
        Saved selections (name, samples, method, seed, fingerprint, actor, time).
    class_changes
        (event, class, target, actor, time).
    encoders
        Names of the encoders, the first's first.
    manifest
        Of the scan.
    looks
        Number of subsets that the held-out samples were used for.
    audit
        What the latest blind audit says: (estimate, share, 95% interval).
    audited
        How many samples were judged for it, and when they were drawn; "" = there was none.
    """

    name: str
    n: int
    kept: int
    excluded: int
    relabelled: int
    modality: str
    encoders: tuple[str, ...]
    created: str
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
    audit: Sequence[tuple[str, str, str]] = ()
    audited: str = ""


def _sections(facts: DatasheetFacts, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sections in order: title, text, chart, tables (name, columns, rows); empty tables are left out."""
    m = facts.manifest
    share = facts.kept / facts.n if facts.n else 0.0
    sections: list[tuple[str, str, Any, list[Any]]] = [
        (
            "Composition",
            f"Of {plural(facts.n, f'{facts.modality} sample')}, {facts.kept:,} ({share:.1%}) are kept. People "
            f"excluded {facts.excluded:,} and relabelled {facts.relabelled:,}.",
            _chart(facts.classes),
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
            "One verdict per sample, the first that applies in the order of the table. A verdict is a proposal: "
            "only decisions change the data.",
            _chart([(name, None, count) for name, count in facts.verdicts]),
            [("Verdicts", ("verdict", "samples"), facts.verdicts)],
        ),
        (
            "What people decided",
            "Decisions are kept in an append-only log; a patch file beside each export replays them.",
            None,
            [
                ("State of the samples", ("state", "samples"), facts.states),
                ("People", ("person", "decisions in force"), facts.people),
                ("Changes of classes", ("change", "class", "to", "by", "when (UTC)"), facts.class_changes),
            ],
        ),
        (
            "How good the labels are",
            f"By a blind audit: {facts.audited}. The intervals assume nothing about the scan."
            if facts.audit
            else "Nobody has audited the labels: their share of wrong ones is known by the scan's own estimate alone.",
            None,
            [("Audit", ("estimate", "share", "95% interval"), facts.audit)],
        ),
        (
            "Subsets",
            f"Held-out samples were looked at for {plural(facts.looks, 'different subset')}: the more, the more "
            f"luck there "
            "is in the best of them.",
            None,
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
            f"Winnow {facts.version}, encoder {' + '.join(facts.encoders)}, seed {m.get('seed', 0)}, "
            f"run key {m.get('run_key', 'unknown')}, scanned {m.get('created', 'unknown')}.",
            None,
            [
                (
                    "Settings",
                    ("setting", "value"),
                    [(k, _short(str(v))) for k, v in dict(m.get("params", {})).items() if v is not None],
                ),
                ("Fingerprints", ("stage", "fingerprint"), list(dict(m.get("fingerprints", {})).items())),
                ("Libraries", ("library", "version"), list(dict(m.get("libraries", {})).items())),
                ("Signals", ("signal", "what it looks for", "ran"), facts.signals),
                ("Subset methods", ("method", "version"), facts.subset_methods),
            ],
        ),
        (
            "Known limits",
            "Verdicts come from models that can be wrong in the same way; what nobody reviewed is marked as undecided "
            "above.",
            None,
            [
                ("Notices of the scan", ("notice",), [(v,) for v in m.get("notices", ())]),
                ("Stages that failed", ("stage", "why"), list(dict(m.get("failures", {})).items())),
            ],
        ),
    ]
    return [
        {"title": title, "text": text, "chart": chart, "tables": [table for table in tables if table[2]]}
        for title, text, chart, tables in sections
    ]


def _chart(rows: Sequence[tuple[str, int | None, int]]) -> dict[str, Any]:
    """Horizontal bars (name, before, now): the largest ones, the largest value, and the number of all."""
    shown = sorted(rows, key=lambda r: -max(r[1] or 0, r[2]))[:_BARS]
    return {"rows": shown, "top": max((max(r[1] or 0, r[2]) for r in shown), default=0), "total": len(rows)}


def _short(text: str, most: int = 200) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


_MARKDOWN = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_{}[]()#|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "}
)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"cell": _cell, "short": _short, "md": lambda value: str(value).translate(_MARKDOWN)}
    return templates


def as_markdown(facts: DatasheetFacts, about: Mapping[str, Any]) -> str:
    """Render the datasheet in Markdown (GitHub's tables). Texts of the data are escaped and cannot form markup."""
    text = _templates().get_template("datasheet.md").render(facts=facts, sections=_sections(facts, about), mark=MARK)
    return text.rstrip("\n") + "\n"


def is_datasheet(path: Path) -> bool:
    """Whether a file is a datasheet that Winnow wrote."""
    try:
        with path.open("rb") as stream:
            return MARK.encode() in stream.read(65_536)
    except OSError:
        return False


def as_html(facts: DatasheetFacts, about: Mapping[str, Any], page: bool = True) -> str:
    """Render the datasheet in HTML: no script, nothing from elsewhere, texts escaped, both themes, charts as SVG.

    ``page``: a whole file; else only what a page's body holds.
    """
    template = _templates().get_template("datasheet.html")
    return template.render(facts=facts, sections=_sections(facts, about), page=page, mark=MARK)
