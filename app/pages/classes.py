"""Classes: how large, how noisy, and mixed up with what; with examples; and changing them (see class_dialogs)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from winnow.app.components import actions as acts
from winnow.app.components.charts import queue_link
from winnow.app.components.html import button, count, empty, esc, go, icon, no_match, percent, plural, stack
from winnow.app.components.page_frame import Page, fill, page_frame
from winnow.app.components.pair_quality import PAIR_QUALITY
from winnow.app.components.thumbnails import picture
from winnow.app.pages import class_dialogs, word_dialog
from winnow.app.server.state import hub
from winnow.app.session import cache, state
from winnow.core import Filter, WinnowError

PER_PAGE = 20
EXAMPLES = 5
"""Pictures in a row; of texts there is room for one."""

ORDERS = {"noise": "Noisiest first", "size": "Largest first", "small": "Smallest first", "name": "By name"}


def looks_like(confusion: Any, name: str) -> list[tuple[str, int]]:
    """The classes that are suggested instead of this one, the commonest first."""
    if name not in confusion.index:
        return []
    found = {str(other): int(n) for other, n in confusion.loc[name].items() if n and str(other) != name}
    return sorted(found.items(), key=lambda kv: (-kv[1], kv[0]))


def order_classes(sizes: dict[str, int], noisy: dict[str, int], order: str) -> list[str]:
    """Class names in the order asked for."""
    keys = {
        "noise": lambda c: (-noisy.get(c, 0) / max(sizes[c], 1), c),
        "size": lambda c: (-sizes[c], c),
        "small": lambda c: (sizes[c], c),
        "name": lambda c: (0, c),
    }
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


def _operations(name: str) -> str:
    return "".join(
        f'<button type="button" class="w-btn w-small w-quiet w-only" data-key="{key.lower()}" title="{words} ({key})" '
        f'aria-label="{words}: {esc(name)}" {go("class", op=op, name=name)}>{icon(glyph)}</button>'
        for op, (key, glyph, words) in OPERATIONS.items()
    )


def done_strip(page: Page, event_id: str | None) -> str:
    """What was just done to a class, with its undo; "" where nothing was, or it was taken back."""
    ops = page.workspace.class_editor
    event = next((e for e in ops.events() if e.event_id == event_id), None)
    if event is None or event.event_id not in ops.in_force():
        return ""
    n = plural(int(event.detail.get("count", 0)), "sample")
    said = {
        "merge": f"Merged {n} of <b>{esc(event.name)}</b> into <b>{esc(event.target)}</b>.",
        "rename": f"<b>{esc(event.name)}</b> is called <b>{esc(event.target)}</b> now ({n}).",
        "split": f"Split {n} off <b>{esc(event.name)}</b> as <b>{esc(event.target)}</b>.",
        "delete": f"Deleted <b>{esc(event.name)}</b>; its {n} have no label.",
    }.get(event.event, "")
    return (
        f"<div class='w-notice w-good w-done' role='status'>{icon('check_circle')}<span>{said}</span>"
        f"<span class='w-grow'></span>{button('Undo', go('class-undo', event=event.event_id), 'undo', extra='w-small')}</div>"
    )


def in_words() -> str:
    """The button that opens the dialog of words."""
    tip = "Describe classes in words: prompts, what the dataset is not about, a new class"
    return button("In words", f'title="{tip}" ' + go("words"), "translate", extra="w-small")


def _row(page: Page, name: str, by_verdict: dict[str, int], confusion: Any) -> str:
    here, whole = replace(page.filter, classes=(name,)), sum(by_verdict.values())
    noisy = by_verdict.get("noisy_label", 0)
    mixed = " ".join(
        queue_link(
            f"<span class='w-cut'>{esc(other)}</span><b>×{count(n)}</b>",
            replace(page.filter, pair=(name, other), kinds=("noisy_label",)),
            "review",
            "-noisy_label",
            "w-mix",
            f"{n:,} labelled {name} look like {other}",
            page.key,
        )
        for other, n in looks_like(confusion, name)[: 3 if examples_of(page) > 1 else 2]
    )
    examples = "".join(
        picture(page, row, "w-mini")
        for row in cache.rows(
            page.key, page.workspace, replace(here, verdicts=("clean",)), "-confidence", examples_of(page)
        )
    )
    suspects = "".join(
        picture(page, row, "w-mini")
        for row in cache.rows(
            page.key, page.workspace, replace(here, verdicts=("noisy_label",)), "-noisy_label", examples_of(page)
        )
    )
    return (
        f"<tr data-card data-k='class-{esc(name)}' tabindex='0' aria-label='{esc(name)}, {plural(whole, 'sample')}'>"
        f"<th scope='row'>{queue_link(esc(name), here, 'gallery', title=f'Show all {whole:,}', key=page.key, css='w-cut')}"
        f"<div class='w-ops'>{_operations(name)}</div></th>"
        f"<td class='w-r'>{count(whole)}</td><td class='w-wide'>{stack(by_verdict, whole, name)}</td>"
        f"<td class='w-r'>{queue_link(count(noisy), replace(here, verdicts=('noisy_label',)), 'review', '-noisy_label', title=f'Review {noisy:,}', key=page.key) if noisy else '0'}"
        f" <span class='w-muted'>{percent(noisy, whole)}</span></td>"
        f"<td><div class='w-strip'>{mixed or '<span class=w-muted>–</span>'}</div></td><td><div class='w-strip'>{examples}</div></td><td><div class='w-strip'>{suspects}</div></td></tr>"
    )


def body(page: Page, order: str, at: int, find: str = "", done: str | None = None) -> str:
    """The page below its head."""
    if not page.info.n_labelled:
        return empty(
            "This dataset has no labels",
            "Scan it with a label column to see how its classes do. All other pages work without.",
            in_words() if page.info.modality == "pair" else "",
            glyph="label",
        )
    spread = cache.by_verdict(page.key, page.workspace, page.filter, "by_class")
    sizes = {name: sum(found.values()) for name, found in spread.items()}
    if page.filter == Filter():  # classes that lost all their samples, or were just added, can be changed too
        sizes = {**dict.fromkeys(page.workspace.classes(), 0), **sizes}
    strip, there = done_strip(page, done), len(sizes)
    if find:
        sizes = {name: n for name, n in sizes.items() if find.lower() in name.lower()}
    if not there:
        return strip + no_match("class")
    noisy = {name: found.get("noisy_label", 0) for name, found in spread.items()}
    names = order_classes(sizes, noisy, order)
    confusion = cache.confusion(page.key, page.workspace, page.filter)
    pages = -(-len(names) // PER_PAGE)
    at = max(min(at, pages - 1), 0)
    rows = "".join(
        _row(page, name, spread.get(name, {}), confusion) for name in names[at * PER_PAGE : (at + 1) * PER_PAGE]
    )
    orders = "".join(
        f'<button type="button" class="w-btn w-small" aria-pressed="{str(order == key).lower()}" {go("order", value=key)}>{text}</button>'
        for key, text in ORDERS.items()
    )
    pager = (
        f'<span class="w-muted">{at + 1} of {count(pages)}</span>'
        + button("Back", go("turn", to=at - 1) + (" disabled" if at == 0 else ""), extra="w-small")
        + button("Next", go("turn", to=at + 1) + (" disabled" if at + 1 >= pages else ""), extra="w-small")
        if pages > 1
        else ""
    )
    search = (
        f'<input type="search" class="w-text w-find" placeholder="Find among {count(there)} classes" aria-label="Find a class" value="{esc(find)}" {go("find")}>'
        if there > PER_PAGE
        else ""
    )
    nothing = (
        "" if names else empty("No class has this in its name", "Clear the search to see all.", glyph="search_off")
    )
    head = "<tr><th>Class</th><th class='w-r'>Samples</th><th class='w-wide'>Verdicts</th><th class='w-r'>Label looks wrong</th><th>Suggested instead</th><th>Typical</th><th>Look wrong</th></tr>"
    return (
        f"{strip}<div class='w-row w-tabs'>{orders}{search}<span class='w-grow'></span>{in_words()}{pager}</div>"
        f"<section class='w-card'><div class='w-scroll w-tall' tabindex='0' aria-label='Classes' data-scroll data-k='classes'><table class='w-table w-classes'><thead>{head}</thead><tbody>{rows}</tbody></table>{nothing}</div></section>{facts(page)}"
    )


FACT_ROWS, FACT_COLUMNS = 8, 6


def facts(page: Page) -> str:
    """What the dataset as a whole shows (mixed-up classes, sizes, giveaway properties, rare groups), folded away."""
    cards = []
    for found in page.workspace.dataset_checks():
        if found["name"] == PAIR_QUALITY:  # about captions, not classes: Overview shows it
            continue
        keys = list(found["columns"])[:FACT_COLUMNS]
        head = "".join(f"<th>{esc(found['columns'][key])}</th>" for key in keys)
        rows = "".join(
            "<tr>" + "".join(f"<td>{esc(_value(row[key]))}</td>" for key in keys) + "</tr>"
            for row in found["rows"][:FACT_ROWS]
        )
        table = (
            f"<div class='w-scroll' tabindex='0' role='region' aria-label='{esc(found['title'])}'>"
            f"<table class='w-table'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
            if rows
            else ""
        )
        cards.append(
            f"<details class='w-card'><summary><b>{esc(found['title'])}</b> "
            f"<span class='w-muted'>{esc(found['summary'] or found['skipped'])}</span></summary>"
            f"<p class='w-muted'>{esc(found['explain'])}</p>{table}</details>"
        )
    return "".join(cards)


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    return count(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def draw() -> None:
    """Draw the page."""
    page = page_frame("classes", "How do the classes do?")

    def handle(value: dict[str, Any]) -> None:
        if value.get("do") == "order" and value.get("value") in ORDERS:
            st.session_state["w-class-order"], st.session_state["w-class-at"] = value["value"], 0
        elif value.get("do") == "find":
            st.session_state["w-class-find"], st.session_state["w-class-at"] = (
                str(value.get("value", ""))[:200].strip(),
                0,
            )
        elif value.get("do") == "words":
            st.session_state["w-in-words"] = True
        elif value.get("do") == "class" and value.get("op") in OPERATIONS:
            st.session_state["w-class-op"] = (str(value["op"]), str(value.get("name", "")))
        elif value.get("do") == "class-undo":
            try:
                hub().workspace(page.key).class_editor.undo(str(value.get("event")), page.actor)
                state.session().notice = "Taken back: every sample has the class that it had before."
            except WinnowError as error:
                state.session().notice = str(error)
        elif value.get("do") == "turn" and isinstance(value.get("to"), int):
            st.session_state["w-class-at"] = max(0, value["to"])
        else:
            acts.dispatch(value)

    order, at = st.session_state.get("w-class-order", "noise"), st.session_state.get("w-class-at", 0)
    find, done = st.session_state.get("w-class-find", ""), st.session_state.get("w-class-done")
    fill(page, lambda: body(page, order, at, find, done), handle)
    if st.session_state.pop("w-in-words", False):
        word_dialog.ask(page)
    elif (wanted := st.session_state.pop("w-class-op", None)) is not None:
        class_dialogs.ask(page, *wanted)
