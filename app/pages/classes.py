"""Classes: how large, how noisy, and confused with what; with examples; and changing them (see class_dialogs)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from winnow.app.components import actions
from winnow.app.components.html import no_match, render
from winnow.app.components.page_frame import Page, draw_body, page_frame
from winnow.app.components.pair_quality import PAIR_QUALITY
from winnow.app.components.thumbnails import picture
from winnow.app.pages import class_dialogs, word_dialog
from winnow.app.server.state import server_state
from winnow.app.session import cache, state
from winnow.core import Filter, WinnowError, plural

if TYPE_CHECKING:
    import pandas as pd

PER_PAGE = 20
EXAMPLES = 5
"""Pictures in a row; of texts there is room for one."""

ORDERS = {
    "noise": "Noisiest first",
    "quiet": "Least noisy first",
    "size": "Largest first",
    "small": "Smallest first",
    "name": "By name",
    "name-back": "By name, backwards",
}
"""Key of an order → its words."""

HEADS = {"Class": ("name", "name-back"), "Samples": ("size", "small"), "Noisy label": ("noise", "quiet")}
"""Head of a column → the orders that a click gives, one after the other."""


def confusions_of(confusion: pd.DataFrame, name: str) -> list[tuple[str, int]]:
    """The classes that are suggested instead of this one, the commonest first."""
    if name not in confusion.index:
        return []
    others = {str(other): int(n) for other, n in confusion.loc[name].items() if n and str(other) != name}
    return sorted(others.items(), key=lambda item: (-item[1], item[0]))


def order_classes(sizes: dict[str, int], noisy: dict[str, int], order: str) -> list[str]:
    """Class names in the order asked for."""
    keys: dict[str, Callable[[str], tuple[float, str]]] = {
        "noise": lambda c: (-noisy.get(c, 0) / max(sizes[c], 1), c),
        "size": lambda c: (-sizes[c], c),
        "small": lambda c: (sizes[c], c),
        "quiet": lambda c: (noisy.get(c, 0) / max(sizes[c], 1), c),
        "name": lambda c: (0, c),
    }
    if order == "name-back":
        return sorted(sizes, reverse=True)
    return sorted(sizes, key=keys.get(order, keys["noise"]))


def examples_of(page: Page) -> int:
    """How many examples fit into a row."""
    return EXAMPLES if page.info.modality in ("image", "pair") else 1


OPERATIONS = {
    "merge": ("M", "call_merge", "Merge into another class"),
    "rename": ("R", "edit", "Rename"),
    "split": ("S", "call_split", "Split off a part as a new class"),
    "delete": ("D", "delete", "Delete the class, keep its samples"),
}
"""What can be done to a class → (key, icon, words)."""

UNDONE = "Undone: every sample has the class that it had before."


def last_change(page: Page, event_id: str | None) -> str:
    """What was just done to a class, with its undo; "" where nothing was, or it was undone."""
    editor = page.workspace.class_editor
    event = next((e for e in editor.events() if e.event_id == event_id), None)
    if event is None or event.event_id not in editor.in_force():
        return ""
    return render("classes", "done", event, plural(int(event.detail.get("count", 0)), "sample"))


def _row(page: Page, name: str, by_verdict: dict[str, int], confusion: pd.DataFrame) -> dict[str, Any]:
    n = examples_of(page)

    def examples(kind: str, sort: str) -> list[str]:
        flt = replace(page.filter, classes=(name,), verdicts=(kind,))
        return [picture(page, row) for row in cache.rows(page.key, page.workspace, flt, sort, n)]

    return {
        "name": name,
        "by_verdict": by_verdict,
        "confused": confusions_of(confusion, name)[: 3 if n > 1 else 2],
        "typical": examples("clean", "-confidence"),
        "noisy_examples": examples("noisy_label", "-noisy_label"),
    }


def body(page: Page, order: str, at: int, search: str = "", event_id: str | None = None) -> str:
    """The page below its head."""
    if not page.info.n_labelled:
        return render("classes", "unlabelled", page.info.modality == "pair")
    verdicts = cache.by_verdict(page.key, page.workspace, page.filter, "by_class")
    sizes = {name: sum(counts.values()) for name, counts in verdicts.items()}
    if page.filter == Filter():  # classes that lost all their samples, or were just added, can be changed too
        sizes = {**dict.fromkeys(page.workspace.classes(), 0), **sizes}
    done, total = last_change(page, event_id), len(sizes)
    if not total:
        return done + no_match("class")
    if search:
        sizes = {name: n for name, n in sizes.items() if search.lower() in name.lower()}
    noisy = {name: counts.get("noisy_label", 0) for name, counts in verdicts.items()}
    names = order_classes(sizes, noisy, order)
    confusion = cache.confusion(page.key, page.workspace, page.filter)
    pages = -(-len(names) // PER_PAGE)
    at = max(min(at, pages - 1), 0)
    return render(
        "classes",
        "body",
        page,
        done=done,
        heads=HEADS,
        orders=ORDERS,
        order=order,
        search=search if total > PER_PAGE else None,
        total=total,
        at=at,
        pages=pages,
        rows=[_row(page, n, verdicts.get(n, {}), confusion) for n in names[at * PER_PAGE : (at + 1) * PER_PAGE]],
        operations=OPERATIONS,
        facts=facts(page),
    )


def facts(page: Page) -> list[dict[str, Any]]:
    """What the dataset as a whole shows: class confusions, sizes, spurious correlations, rare slices."""
    tables = []
    for check in page.workspace.dataset_checks():
        if check["name"] != PAIR_QUALITY:  # it is about captions, not classes: Overview shows it
            columns = check["columns"]
            rows = [[_value(row[key]) for key in columns] for row in check["rows"]]
            head = {"title": check["title"], "note": check["summary"] or check["skipped"], "explain": check["explain"]}
            tables.append({**head, "columns": list(columns.values()), "rows": rows})
    return tables


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def draw() -> None:
    """Draw the page."""
    page = page_frame("classes")

    def handle(value: dict[str, Any]) -> None:
        if value.get("do") == "order" and value.get("value") in ORDERS:
            st.session_state["w-class-order"], st.session_state["w-class-at"] = value["value"], 0
        elif value.get("do") == "find":
            st.session_state["w-class-find"] = str(value.get("value", ""))[:200].strip()
            st.session_state["w-class-at"] = 0
        elif value.get("do") == "words":
            st.session_state["w-in-words"] = True
        elif value.get("do") == "class" and value.get("op") in OPERATIONS:
            st.session_state["w-class-op"] = (str(value["op"]), str(value.get("name", "")))
        elif value.get("do") == "class-undo":
            try:
                server_state().workspace(page.key).class_editor.undo(str(value.get("event")), page.actor)
                state.session().notice = UNDONE
            except WinnowError as error:
                state.session().notice = str(error)
        elif value.get("do") == "turn" and isinstance(value.get("to"), int):
            st.session_state["w-class-at"] = max(0, value["to"])
        else:
            actions.dispatch(value)

    order, at = st.session_state.get("w-class-order", "noise"), st.session_state.get("w-class-at", 0)
    search, event_id = st.session_state.get("w-class-find", ""), st.session_state.get("w-class-done")
    draw_body(page, lambda: body(page, order, at, search, event_id), handle)
    if st.session_state.pop("w-in-words", False):
        word_dialog.open_dialog(page)
    elif (operation := st.session_state.pop("w-class-op", None)) is not None:
        class_dialogs.open_dialog(page, *operation)
