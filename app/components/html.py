"""Small pieces of HTML: numbers, times, chips, icons, bars, tiles. All text is escaped here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from html import escape
from types import MappingProxyType
from typing import Any

from winnow.app.components.theme import ACTIONS, STATES, VERDICTS
from winnow.core import Right, Roles


def esc(value: object) -> str:
    """Text from data as HTML."""
    return escape(str(value), quote=True)


RIGHTS: dict[str, Right] = {
    **dict.fromkeys(
        ("exclude", "exclude_all", "keep", "keeper", "undo", "revert", "revert-all", "settle", "settle-all"),
        Right.DECIDE,
    ),
    **dict.fromkeys(("class", "class-undo"), Right.CLASSES),
    **dict.fromkeys(("rescan", "cancel"), Right.SCAN),
}
"""What a click does → the right that it takes. The engine checks it too: here, what would be refused is not offered."""

_barred: ContextVar[Mapping[Right, str]] = ContextVar("barred", default=MappingProxyType({}))


def bar(roles: Roles, actor: str) -> None:
    """From here on in this run of the page, disable what this person's role does not allow."""
    role = roles.of(actor)
    _barred.set(
        {r: f"As {role} you cannot {r}: ask an owner." for r in set(RIGHTS.values()) if not roles.may(actor, r)}
    )


def go(do: str, **values: Any) -> str:
    """The ``data-go`` attribute of an element that answers to a click, with a key that keeps its focus; ``disabled`` and
    why, where the person may not (see :func:`bar`).
    """
    if (why := _barred.get().get(RIGHTS.get(do, Right.LOOK))) is not None:
        return f'disabled title="{esc(why)}"'
    text = json.dumps({"do": do, **values}, ensure_ascii=False, sort_keys=True)
    return f'data-go="{esc(text)}" data-k="{esc(text)}"'


def count(n: int) -> str:
    """A count with thousands separators."""
    return f"{n:,}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """``1 sample``, ``2 samples``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def percent(part: float, whole: float) -> str:
    """A share: ``8.3%``; a small one that is not nothing is ``<0.1%``."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "<0.1%"
    return f"{share:.1f}%" if 0 < share < 99.95 and round(share, 1) != 100 else f"{share:.0f}%"


def score(value: float | None) -> str:
    """A score 0–1 with two decimals on a small bar."""
    if value is None or value != value:
        return '<span class="w-muted">–</span>'
    return f'<span class="w-score"><i style="width:{100 * min(max(value, 0), 1):.0f}%"></i></span><span class="w-num">{value:.2f}</span>'


def icon(name: str, extra: str = "") -> str:
    """A Material icon; decoration only."""
    return f'<span class="w-ico {extra}" aria-hidden="true">{esc(name)}</span>'


def dot(kind: str) -> str:
    """A verdict's coloured icon."""
    style = VERDICTS.get(kind)
    if style is None:
        return ""
    return f'<span class="w-ico" style="color:var(--v-{style.kind})" aria-hidden="true">{style.icon}</span>'


def verdict_chip(kind: str | None) -> str:
    """A verdict as a chip: icon, plain name, the technical term in the tooltip."""
    style = VERDICTS.get(kind or "")
    if style is None:
        return f'<span class="w-chip">{esc(kind or "–")}</span>'
    return f'<span class="w-chip" style="--c:var(--v-{style.kind})" title="{style.term}">{dot(style.kind)}{style.says}</span>'


def action_chip(action: str, label: str | None = None) -> str:
    """A decision as a chip."""
    style = ACTIONS.get(action)
    if action == "disputed":
        return f'<span class="w-chip" style="--c:var(--v-hard)" title="disputed">{icon("group_off")}{STATES["disputed"]}</span>'
    if style is None:
        return f'<span class="w-chip">{esc(action)}</span>'
    to = f" → {esc(label)}" if label and action == "relabel" else ""
    return f'<span class="w-chip w-act-{style.action}">{icon(style.icon)}{style.done}{to}</span>'


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


def _parse(at: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def ago(at: str | None, now: datetime | None = None) -> str:
    """A relative time with the full UTC time on hover."""
    moment = _parse(at or "")
    if moment is None:
        return '<span class="w-muted">–</span>'
    passed = ((now or datetime.now(UTC)) - moment).total_seconds()
    if passed < 10:
        text = "just now"
    elif passed < 60:
        text = f"{passed:.0f} s ago"
    elif passed < 3600:
        text = f"{passed // 60:.0f} min ago"
    elif passed < 86400:
        text = f"{passed // 3600:.0f} h ago"
    else:
        days = int(passed // 86400)
        text = "yesterday" if days == 1 else f"{days} days ago"
    full = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f'<time datetime="{esc(moment.isoformat())}" title="{full}">{text}</time>'


def stack(parts: Mapping[str, int], whole: int, label: str) -> str:
    """Counts by verdict as one stacked bar; the text alternative lists them."""
    shown = [(kind, n) for kind in VERDICTS if (n := parts.get(kind, 0))]
    said = ", ".join(f"{VERDICTS[kind].says} {n:,}" for kind, n in shown)
    inner = "".join(
        f'<i style="flex:{n} 0 0;background:var(--v-{kind})" title="{VERDICTS[kind].says}: {n:,} ({percent(n, whole)})"></i>'
        for kind, n in shown
    )
    return f'<div class="w-stack" role="img" aria-label="{esc(label)}: {esc(said)}">{inner}</div>'


def notice(text: str, tone: str = "info") -> str:
    """A calm line that says something; ``tone``: info, warn, bad or good."""
    icons = {"info": "info", "warn": "warning", "bad": "error", "good": "check_circle"}
    return f'<div class="w-notice w-{tone}" role="status">{icon(icons[tone])}<span>{code(text)}</span></div>'


def code(text: str) -> str:
    """Escape, and set what stands in `backticks` as code."""
    parts = esc(text).split("`")
    if len(parts) % 2 == 0:
        return esc(text)
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def empty(title: str, text: str, actions: str = "", glyph: str = "inbox") -> str:
    """An empty state: why there is nothing, and the next step."""
    return (
        f'<div class="w-empty">{icon(glyph)}<h2>{esc(title)}</h2><p>{code(text)}</p>'
        f"{f'<div class=w-row>{actions}</div>' if actions else ''}</div>"
    )


def no_match(what: str = "sample") -> str:
    """The empty state of a page whose filters leave nothing: one click takes them all away."""
    return empty(
        f"No {what} matches these filters",
        "Take a filter away, or reset them all.",
        button("Reset all filters", go("reset"), "filter_alt_off", primary=True),
        "filter_alt_off",
    )


def button(text: str, attributes: str, glyph: str = "", primary: bool = False, extra: str = "") -> str:
    """A button that sends its ``data-go``."""
    kind = "w-btn w-primary" if primary else "w-btn"
    return f'<button type="button" class="{kind} {extra}" {attributes}>{icon(glyph) if glyph else ""}<span>{esc(text)}</span></button>'


def facts(items: Iterable[tuple[str, str]]) -> str:
    """A list of name and value; values are HTML already."""
    return '<dl class="w-facts">' + "".join(f"<dt>{esc(k)}</dt><dd>{v}</dd>" for k, v in items) + "</dl>"
