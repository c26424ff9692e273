"""The schema of filters: for each field how it is checked, written in a URL, asked in SQL, named on a chip and drawn.

:class:`winnow.core.explore.filter.Filter` (values and URLs), :mod:`winnow.core.explore.query` (conditions), the app's
chips and parameters, and the map in the browser all follow from :data:`FIELDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import QueryError, choices, plural
from ..storage.id_set import IdSet
from ..types import ISSUE_KINDS
from . import metadata
from .lasso import checked_polygon
from .queues import PICKS, check_pick
from .sql import EFFECTIVE_CLASS, EFFECTIVE_TAGS, LABEL_SOURCE, quote
from .verdict_style import STATUSES

STATES = {
    "any": "Decided or not",
    "undecided": "Not decided yet",
    "decided": "Decided",
    "accept": "Kept as labelled",
    "relabel": "Relabelled",
    "exclude": "Excluded",
    "disputed": "People disagree",
}
"""What ``Filter.state`` may be, about the answer of all people together → how it is called."""

EDIT_SIGNS = {"+": "missing", "-": "extra"}
"""How an edit of tags begins → what is wrong."""

LABEL_SOURCES = {"given": "Given", "person": "A person", "propagated": "Propagated"}
"""What ``Filter.label_sources`` may be → how it is called: whether the label in force came with the data, is a person's
own, or was propagated and accepted with others. ``score.label_probability`` is the probability of a propagated one."""

SEARCH = ("find", "like", "file", "without")
"""The fields of a search."""

Span = tuple[float | None, float | None]
"""(low, high), both included, None = open."""

Condition = tuple[str, str, list[Any]]
"""(alias of a table, SQL with placeholders, their values)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterField:
    """One field of a filter.

    Attributes
    ----------
    name
        The attribute of Filter, and the parameter of a URL.
    default
        The value that asks for nothing.
    check
        Value → the value as the filter keeps it. Raises QueryError.
    write, read
        Value → text of a URL, and back. Of a field with a prefix: of one of its entries.
    words
        What its chip says: of the value, of each of the values, or of each entry (name, value).
    many
        Whether it holds several values, any of which matches.
    prefix
        How the parameters of its entries begin, "" = the field is one parameter.
    condition
        Value → SQL; None = the query has to look something up first.
    how, colour
        How the browser works it out from the map's colouring of that name: "list", "state", "range" or "polygon";
        "server" = it asks for the rows that match.
    """

    name: str
    default: Any
    check: Callable[[Any], Any]
    write: Callable[[Any], str] = str
    read: Callable[[str], Any] = str
    words: Callable[[Any], str]
    many: bool = False
    prefix: str = ""
    condition: Callable[[Any], Condition] | None = None
    how: str = "server"
    colour: str = ""


# --- texts of a URL -------------------------------------------------------------------------------------------------


def join(items: Iterable[object]) -> str:
    """Values as one text, separated by commas; a comma or backslash inside a value carries a backslash."""
    return ",".join(str(i).replace("\\", "\\\\").replace(",", "\\,") for i in items)


def split(text: str) -> tuple[str, ...]:
    """The values of such a text: the inverse of :func:`join`, but for no values at all."""
    parts, escaped = [""], False
    for c in text:
        if escaped or c not in "\\,":
            parts[-1] += c
            escaped = False
        elif c == "\\":
            escaped = True
        else:
            parts.append("")
    return tuple(parts)


def _write_span(span: Span) -> str:
    return "..".join("" if bound is None else repr(bound) for bound in span)


def _write_metadata(condition: metadata.Condition) -> str:
    operator, *values = condition
    return f"{operator}:{_write_span((values[0], values[1])) if operator == 'range' else join(values)}"


def _read_metadata(text: str) -> tuple[str, ...]:
    operator, _, values = text.partition(":")
    if operator == "range":
        return operator, *values.split("..")
    return operator, *(split(values) if values or operator == "contains" else ())


# --- checks ---------------------------------------------------------------------------------------------------------


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise QueryError(f"{name} takes texts, not {value!r}.")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise QueryError(f"{name} takes whole characters; {value!r} holds half of one.")
    return str(value)


def _texts(name: str, values: Iterable[object] | None) -> tuple[str, ...]:
    if isinstance(values, str):
        values = (values,)
    return tuple(dict.fromkeys(_text(name, v) for v in values or ()))


def _phrase(name: str, value: object) -> str:
    return " ".join(_text(name, value).split())


def _known(name: str, what: str, known: Iterable[str], values: Any) -> tuple[str, ...]:
    checked, known = _texts(name, values), [str(k) for k in known]
    for value in checked:
        if value not in known:
            raise QueryError(f"No {what} is called {value!r}. There are: {choices(known)}.")
    return checked


def _whole(what: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise QueryError(f"A {what} is a whole number, not {value!r}.") from None


def _rate(value: Any) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if not 0.0 < rate < 1.0:
        raise QueryError(
            f"The maximum false-discovery rate is a number above 0 and below 1, such as 0.05, not {value!r}."
        )
    return rate


def _span(name: str, span: Any) -> Span:
    try:
        low, high = (None if v is None or v == "" else float(v) for v in span)
        if any(v is not None and math.isnan(v) for v in (low, high)):
            raise ValueError
    except (TypeError, ValueError):
        raise QueryError(f"The range of {name!r} is (low, high) in numbers, not {span!r}.") from None
    return low, high


def _polygon(corners: Any) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in checked_polygon(corners))


def _ids(ids: Any) -> tuple[str, ...] | IdSet:
    return ids if isinstance(ids, IdSet) else _texts("ids", ids)


def _pair(pair: Any) -> tuple[str, ...]:
    checked = () if isinstance(pair, str) else tuple(_text("pair", p) for p in pair)
    if len(checked) != 2:
        raise QueryError(f"A pair is (given label, suggested label), not {pair!r}.")
    return checked


def _unless_none(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


# --- fields ---------------------------------------------------------------------------------------------------------


def _listed(name: str, title: str, alias: str, column: str, colour: str, **more: Any) -> FilterField:
    """A field of texts, "" = has none, one of which must stand in a column."""
    sql = f"coalesce({column}, '') IN (SELECT unnest(?))"
    given: dict[str, Any] = {"check": partial(_texts, name), "words": f"{title}: {{}}".format}
    given |= {"default": (), "many": True, "write": join, "read": split, "how": "list", "colour": colour}
    return FilterField(name=name, **given | {"condition": lambda names: (alias, sql, [list(names)])} | more)


def _searched(name: str, words: Callable[[str], str]) -> FilterField:
    return FilterField(name=name, default="", check=partial(_text if name == "like" else _phrase, name), words=words)


def _tagged(name: str, title: str, sql: str) -> FilterField:
    """A field of tags; ``sql`` says which samples match, given their tags and a list."""
    checks: dict[str, Any] = {"check": partial(_texts, name), "write": join, "read": split}
    condition = lambda tags: ("t", sql.format(EFFECTIVE_TAGS), [list(tags)])  # noqa: E731
    return FilterField(name=name, default=(), many=True, words=title.format, condition=condition, **checks)


def _edits(values: Iterable[object] | None) -> tuple[str, ...]:
    checked = tuple(f"+{v[1:]}" if v[:1] == " " else v for v in _texts("tag_edits", values))  # as URLs write it
    for value in checked:
        if value[:1] not in EDIT_SIGNS:
            raise QueryError(f"tag_edits takes + (missing) or − (extra), each with or without a tag, not {value!r}.")
    return checked


def _edit_condition(edits: Iterable[str]) -> Condition:
    """Samples that the scan would give, or take away, one of these tags (a sign alone = any tag)."""
    sql: list[str] = []
    values = []
    for edit in edits:
        column, tag = f"t.{EDIT_SIGNS[edit[0]]}", edit[1:]
        sql.append(f"list_contains({column}, ?)" if tag else f"len({column}) > 0")
        values += [tag] if tag else []
    return "t", " OR ".join(sql), values


def _edit_words(edit: str) -> str:
    kind = EDIT_SIGNS[edit[0]].capitalize()
    return f"{kind}: {edit[1:]}" if edit[1:] else f"{kind} tags"


def _state(state: str) -> Condition:
    whether = {"undecided": "s.state IS NULL", "decided": "s.state IS NOT NULL"}.get(state)
    return ("s", whether, []) if whether else ("s", "s.state = ?", [state])


_SCORE_TITLES = {"label_probability": "Propagated with p"}


def _span_words(entry: tuple[str, Span]) -> str:
    name, (low, high) = entry
    title = _says(name) if name in STATUSES else _SCORE_TITLES.get(name, name)
    if high is None:
        return f"{title} ≥ {low or 0:.2f}"
    return f"{title} ≤ {high:.2f}" if low is None else f"{title} {low:.2f}–{high:.2f}"


def _says(kind: str) -> str:
    return STATUSES[kind].name


FIELDS: dict[str, FilterField] = {
    field.name: field
    for field in (
        _listed(
            "verdicts",
            "Verdict",
            "v",
            "",
            "verdict",
            check=partial(_known, "verdicts", "verdict", STATUSES),
            words=_says,
            condition=None,
        ),
        _listed(
            "kinds",
            "Flagged",
            "v",
            "",
            "",
            check=partial(_known, "kinds", "kind", ISSUE_KINDS),
            words=lambda kind: f"Flagged: {_says(kind).lower()}",
            condition=lambda kinds: ("v", " OR ".join(quote("v", f"{kind}_flag") for kind in kinds), []),
            how="server",
        ),
        _listed("classes", "Class", "s", EFFECTIVE_CLASS, "label"),
        _listed(
            "label_sources",
            "Label",
            "s",
            LABEL_SOURCE,
            "label_source",
            check=partial(_known, "label_sources", "source of labels", (*LABEL_SOURCES, "")),
            words=lambda source: f"Label: {LABEL_SOURCES.get(source, 'none').lower()}",
        ),
        _listed("suggested", "Suggested", "v", quote("v", "suggested_label"), "suggested_label"),
        _listed("splits", "Split", "d", quote("d", "split"), "split"),
        _listed("sources", "Source", "d", quote("d", "source"), "source"),
        _listed(
            "clusters",
            "Cluster",
            "v",
            "",
            "cluster",
            check=lambda clusters: tuple(dict.fromkeys(_whole("cluster", c) for c in clusters or ())),
            words="Cluster {}".format,
            condition=lambda clusters: ("v", "v.cluster IN (SELECT unnest(?))", [list(clusters)]),
        ),
        _tagged("tags_any", "Tag: {}", "list_has_any({}, ?)"),
        _tagged("tags_all", "With tag: {}", "list_has_all({}, ?)"),
        _tagged("tags_none", "Without tag: {}", "NOT list_has_any({}, ?)"),
        FilterField(
            name="tag_edits",
            default=(),
            many=True,
            check=_edits,
            write=join,
            read=split,
            words=_edit_words,
            condition=_edit_condition,
        ),
        FilterField(
            name="state",
            default="any",
            check=lambda state: _known("state", "state", STATES, state or "any")[0],
            words=STATES.__getitem__,
            condition=_state,
            how="state",
            colour="decision",
        ),
        FilterField(
            name="scores",
            default={},
            check=lambda scores: {str(name): _span(str(name), span) for name, span in dict(scores or {}).items()},
            write=_write_span,
            read=lambda text: tuple(text.split("..")),
            words=_span_words,
            prefix="score.",
            how="range",
        ),
        FilterField(
            name="metadata",
            default={},
            check=lambda given: {str(name): metadata.check(str(name), c) for name, c in dict(given or {}).items()},
            write=_write_metadata,
            read=_read_metadata,
            words=metadata.words_of,
            prefix="meta.",
        ),
        FilterField(name="text", default="", check=partial(_text, "text"), words="Text: “{}”".format),
        FilterField(
            name="polygon",
            default=None,
            check=_unless_none(_polygon),
            write=lambda corners: ";".join(f"{x!r},{y!r}" for x, y in corners),
            read=lambda text: [corner.split(",") for corner in text.split(";")] if text else None,
            words=lambda _: "An area of the map",
            how="polygon",
        ),
        FilterField(
            name="ids",
            default=None,
            check=_unless_none(_ids),
            write=join,
            read=lambda text: split(text) if text else (),
            words=lambda ids: plural(len(ids), "chosen sample"),
        ),
        FilterField(
            name="pair",
            default=None,
            check=_unless_none(_pair),
            write=join,
            read=split,
            words=" → ".join,
            condition=lambda pair: (
                "v",
                "coalesce(d.label, '') = ? AND coalesce(v.suggested_label, '') = ?",
                list(pair),
            ),
        ),
        FilterField(
            name="duplicate_group",
            default=None,
            check=_unless_none(partial(_whole, "duplicate group")),
            words="Duplicate group {}".format,
            condition=lambda group: ("v", "v.duplicate_group = ?", [group]),
        ),
        FilterField(
            name="pick",
            default="",
            check=lambda pick: check_pick(pick) if pick else "",
            words=lambda pick: PICKS[pick].title,
        ),
        FilterField(
            name="strict",
            default=None,
            check=_unless_none(_rate),
            write=repr,
            words=lambda rate: f"FDR ≤ {rate:g}",
        ),
        _searched("find", "Nearest to “{}”".format),
        _searched("like", "Similar to {}".format),
        _searched("file", lambda _: "Similar to your file"),
        _searched("without", "Not “{}”".format),
    )
}
"""Name → field, in the order in which a URL writes them."""
