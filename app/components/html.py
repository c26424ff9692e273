"""HTML from the templates in ``templates/``, and numbers and times in words. Jinja escapes all text from data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup

from winnow.app.components.theme import ACTIONS, STATES, VERDICTS
from winnow.app.session import filters
from winnow.core import STATUSES, Filter, Right, Roles, plural, time_ago
from winnow.core.types import PROBLEMS

_LINE_BREAK = re.compile(r"(?<=[>}])\s*\n\s*|\s*\n\s*(?=[<{])")


class _JoinLines(Extension):
    """Line breaks beside a tag are layout of the template, not spaces on the page."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Remove them, with the indentation that follows."""
        return _LINE_BREAK.sub("", source)


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    extensions=[_JoinLines],
)


def render(template: str, macro: str, *arguments: Any, **values: Any) -> Markup:
    """What a macro of ``templates/{template}.html`` draws."""
    return Markup(getattr(_ENVIRONMENT.get_template(f"{template}.html").module, macro)(*arguments, **values))


RIGHTS: dict[str, Right] = {
    **dict.fromkeys(
        (
            "view-save",
            "view-delete",
            "exclude",
            "exclude_all",
            "keep",
            "keeper",
            "undo",
            "redo",
            "revert",
            "revert-all",
            "settle",
            "settle-all",
            "audit-draw",
        ),
        Right.DECIDE,
    ),
    **dict.fromkeys(("class", "class-undo"), Right.CLASSES),
    **dict.fromkeys(("rescan", "cancel"), Right.SCAN),
}
"""What a click does → the right that it takes. The engine checks it too: here, what it would refuse is not offered."""

_refusals: ContextVar[Mapping[Right, str]] = ContextVar("refusals", default=MappingProxyType({}))


def restrict_to_role(roles: Roles, actor: str) -> None:
    """Disable, for the rest of this run of the page, what this person's role does not allow."""
    role = roles.of(actor)
    _refusals.set(
        {r: f"As {role} you cannot {r}: ask an owner." for r in set(RIGHTS.values()) if not roles.may(actor, r)}
    )


def go(do: str, **values: Any) -> Markup:
    """Attributes of an element that answers to a click: ``data-go`` with what it does, and a key that keeps its focus.

    Where the person's role does not allow it (see :func:`restrict_to_role`), ``disabled`` and why.
    """
    payload = json.dumps({"do": do, **values}, ensure_ascii=False, sort_keys=True)
    return render("macros", "go_attributes", payload, _refusals.get().get(RIGHTS.get(do, Right.LOOK)))


def count(n: int) -> str:
    """A count with thousands separators."""
    return f"{n:,}"


KEPT_WHOLE = 24
"""Characters up to which a name is cut at its end only, where there is too little room."""
TAIL = 8
"""Characters at the end of a longer name that stay visible, more where a word begins shortly before them."""


def split_name(text: str) -> tuple[str, str]:
    """Split a long name into a part that may be cut and its end, which tells it from others that begin alike.

    The browser does the same: ``lib/names.js``.

    >>> split_name("a remarkably long class name 17")
    ('a remarkably long class ', 'name 17')
    """
    if len(text) <= KEPT_WHOLE:
        return text, ""
    at = len(text) - TAIL
    word = text.find(" ", at - TAIL // 2, len(text) - 1) + 1
    return (text[: word or at], text[word or at :])


def percent(part: float, whole: float = 1) -> str:
    """A share: ``8.3%``; a small one that is not nothing is ``<0.1%``; "–" of nothing or of an unknown part (NaN)."""
    if not whole or part != part:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "<0.1%"
    return f"{share:.1f}%" if 0 < share < 99.95 and round(share, 1) != 100 else f"{share:.0f}%"


def seconds(value: float) -> str:
    """A duration: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def ago(at: str | None, now: datetime | None = None) -> Markup:
    """A relative time with the full UTC time on hover."""
    try:
        moment = datetime.fromisoformat(at or "")
    except ValueError:
        return render("macros", "ago", None, "")
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return render("macros", "ago", moment, time_ago(((now or datetime.now(UTC)) - moment).total_seconds()))


def notice(text: str, tone: str = "info") -> Markup:
    """A calm line that says something; ``tone``: info, warn, bad or good; `backticks` set code."""
    return render("macros", "notice", text, tone)


def empty(title: str, text: str, glyph: str = "inbox") -> Markup:
    """An empty state: why there is nothing, and the next step."""
    return render("macros", "empty", title, text, glyph)


def no_match(noun: str = "sample") -> Markup:
    """The empty state of a page whose filters leave nothing: one click takes them all away."""
    return render("macros", "no_match", noun)


def _query_of(flt: Filter, **more: str) -> str:
    return filters.to_query(flt, **{name: value for name, value in more.items() if value})


def _verdict_counts(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{style.name} {parts[kind]:,}" for kind, style in STATUSES.items() if parts.get(kind))


_ENVIRONMENT.filters["json"] = json.dumps
_ENVIRONMENT.globals |= {
    "ACTIONS": ACTIONS,
    "PROBLEMS": PROBLEMS,
    "STATES": STATES,
    "VERDICTS": VERDICTS,
    "STATUSES": STATUSES,
    "Filter": Filter,
    "ago": ago,
    "count": count,
    "frozenset": frozenset,
    "log_share": lambda n, most: math.log1p(n) / math.log1p(most),
    "go": go,
    "percent": percent,
    "plural": plural,
    "query_of": _query_of,
    "replace": replace,
    "seconds": seconds,
    "split_name": split_name,
    "verdict_counts": _verdict_counts,
}
