"""How Winnow looks: one palette for both themes, one colour, icon and name per verdict.

Everything that draws (pages, charts, JavaScript surfaces) takes its colours from here. Verdict colours are
Okabe-Ito; they mark dots, bars and borders, never text, so that text keeps WCAG AA contrast in both themes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from winnow.core import STATES as FILTER_STATES
from winnow.core import STATUSES, STYLES, VerdictStyle
from winnow.core.types import Action

ASSETS = Path(__file__).resolve().parents[1] / "frontend"


VERDICTS: dict[str, VerdictStyle] = {kind.value: style for kind, style in STYLES.items()}
"""In the order in which people meet them: what most needs a decision first."""


@dataclass(frozen=True)
class ActionStyle:
    """How a person's decision appears: the verb, what was done, its key and its icon."""

    action: str
    verb: str
    done: str
    key: str
    icon: str


ACTIONS: dict[str, ActionStyle] = {
    a.action: a
    for a in (
        ActionStyle(Action.ACCEPT, "Keep the label", "Kept", "A", "check"),
        ActionStyle(Action.RELABEL, "Relabel", "Relabelled", "W", "sell"),
        ActionStyle(Action.EXCLUDE, "Exclude", "Excluded", "X", "block"),
        ActionStyle(Action.UNDO, "Undo", "Undone", "U", "undo"),
    )
}

STATES: dict[str, str] = {state: words for state, words in FILTER_STATES.items() if state != "any"}
"""What people decided about a sample, or did not → how it is called."""

LIGHT: dict[str, str] = {
    "bg": "#FFFFFF",
    "side": "#F7F7F8",
    "raise": "#FFFFFF",
    "fill": "#F1F1F3",
    "line": "#E3E3E8",
    "line-strong": "#C9C9D1",
    "text": "#1B1B1F",
    "muted": "#5D5D68",
    "accent": "#4B57C4",
    "accent-text": "#434EB5",
    "slider": "#9A9AA6",
    "good": "#00694D",
    "warn": "#8A5A00",
    "bad": "#B42318",
}
DARK: dict[str, str] = {
    "bg": "#131316",
    "side": "#19191D",
    "raise": "#1D1D22",
    "fill": "#26262C",
    "line": "#2E2E35",
    "line-strong": "#484852",
    "text": "#EDEDF0",
    "muted": "#A5A5B0",
    "accent": "#5E6AD2",
    "accent-text": "#A6AEF5",
    "slider": "#6A6A78",
    "good": "#5CCDA5",
    "warn": "#E3B055",
    "bad": "#F2867B",
}

FONT = (
    "'Source Sans', 'Source Sans 3', ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
)
"""Streamlit ships Source Sans, so every computer shows the same."""


def verdict_name(kind: str | None) -> str:
    """The name of a verdict or of a settled sample; an unknown one is shown as it is."""
    return STATUSES[kind].name if kind in STATUSES else kind or ""


def verdict_payload() -> dict[str, dict[str, Any]]:
    """How verdicts and settled samples look, as plain values for components in the browser."""
    return {kind: asdict(style) for kind, style in STATUSES.items()}


def streamlit_options() -> dict[str, Any]:
    """The theme as Streamlit options, for both themes."""
    options: dict[str, Any] = {
        "theme.font": FONT,
        "theme.headingFont": FONT,
        "theme.baseFontSize": 15,
        "theme.baseRadius": "6px",
        "theme.buttonRadius": "6px",
        "theme.showWidgetBorder": True,
        "theme.showSidebarBorder": True,
    }
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        options |= {
            f"theme.{name}.primaryColor": colours["accent"],
            f"theme.{name}.backgroundColor": colours["bg"],
            f"theme.{name}.secondaryBackgroundColor": colours["fill"],
            f"theme.{name}.textColor": colours["text"],
            f"theme.{name}.borderColor": colours["line"],
            f"theme.{name}.linkColor": colours["accent-text"],
            f"theme.{name}.codeTextColor": colours["text"],
            f"theme.{name}.codeBackgroundColor": colours["fill"],
            f"theme.{name}.sidebar.backgroundColor": colours["side"],
            f"theme.{name}.sidebar.secondaryBackgroundColor": colours["fill"],
        }
    return options


def variables() -> str:
    """The palette and the verdict colours as CSS custom properties (``--w-bg``, ``--v-noisy_label``, ...).

    ``light-dark()`` follows the ``color-scheme`` that Streamlit sets, so that both themes come from one sheet.
    """
    both = "".join(f"--w-{name}:light-dark({LIGHT[name]},{DARK[name]});" for name in LIGHT)
    fixed = "".join(f"--v-{kind}:{style.colour};" for kind, style in STATUSES.items())
    return f":root{{{fixed}{both}}}"


@cache
def _sheet() -> str:
    return (ASSETS / "winnow.css").read_text(encoding="utf-8")


def css() -> str:
    """The whole style sheet."""
    return variables() + _sheet()
