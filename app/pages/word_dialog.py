"""The dialog in which classes are described in words: prompts, what the dataset is not about, a class typed on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from winnow.app.components.actions import dispatch, goto
from winnow.app.components.charts import queue_link
from winnow.app.components.html import count, esc, notice, percent, plural, score
from winnow.app.components.html_component import live
from winnow.app.components.page_frame import Page
from winnow.app.components.thumbnails import picture
from winnow.app.server.state import hub
from winnow.app.session import cache, filters, state
from winnow.core import Filter, QueryError, Right, WinnowError

EXAMPLES = 8
"""Samples shown of what a class or a word would take."""

MINED = 12
"""Mined words that are listed, those that won most samples first."""


def ask(page: Page) -> None:
    """Open the dialog; where the encoder knows no words, it says what is needed."""
    st.dialog("Classes in words", width="large")(_body)(page)


def written(names: Sequence[str], words: dict[str, str]) -> str:
    """The classes and their words as lines to edit: ``name = words``, or the name alone where nothing else was written."""
    return "\n".join(f"{n} = {words[n]}" if words.get(n) else n for n in names)


def read(text: str, names: Sequence[str]) -> dict[str, str]:
    """Class → words of such lines, "" for a name alone. Raises QueryError, naming the line, for one that names no class.

    >>> read("cat = a small cat\\ndog", ["cat", "dog"])
    {'cat': 'a small cat', 'dog': ''}
    """
    found = dict.fromkeys(names, "")
    for line in filter(None, map(str.strip, text.splitlines())):
        name = next((n for n in names if line == n), None)
        if name is None:  # the longest: a class may be called "a = b"
            name = max((n for n in names if line.startswith(f"{n} =")), key=len, default=None)
        if name is None:
            raise QueryError(f"The line {line!r} begins with no class. Write: name of the class = words.")
        found[name] = line[len(name) :].strip().removeprefix("=").strip()
    return found


def _lines(text: str) -> list[str]:
    return list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))


def _body(page: Page) -> None:
    zero_shot = page.workspace.zero_shot
    why = zero_shot.why_not()
    shown = {} if why else {"Prompts": _prompts, "Not this": _negatives, "A new class": _new_class}
    if page.info.modality == "pair" and zero_shot.knows_words:
        shown["From captions"] = _candidates
    if not shown:
        st.html(notice(why))
        return
    for tab, (_, draw) in zip(st.tabs(list(shown)), shown.items(), strict=True):
        with tab:
            try:
                draw(page)
            except WinnowError as error:
                st.html(notice(str(error), "bad"))


# ── prompts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _prompts(page: Page) -> None:
    kept, names = page.workspace.zero_shot.prompts, page.info.class_names
    left, right = st.columns([5, 7], gap="medium")
    with left:
        templates = st.text_area(
            "Templates, one a line; {} is where the class goes",
            "\n".join(kept.templates),
            height=150,
            key="w-templates",
        )
        words = st.text_area(
            "Classes, one a line: name = words that stand for it",
            written(names, dict(kept.names)),
            height=210,
            key="w-words",
        )
    with right:
        tried = replace(
            kept, templates=tuple(_lines(templates)), names={k: w for k, w in read(words, names).items() if w}
        )
        fits, classes = cache.sensitivity(page.key, page.workspace, tried)
        now = fits, classes
        before = cache.sensitivity(page.key, page.workspace, kept) if tried != kept else now
        live(_template_table(fits) + _class_table(classes, before[1]), "w-fits")
    changed = tried != kept
    said = (
        f"{_right(classes, before[1])} Nothing is kept yet."
        if changed
        else "These are kept. The next scan gives probabilities by them to the label signals."
    )
    one, two = st.columns([8, 3], vertical_alignment="center")
    one.caption(said)
    if two.button(
        "Keep these words",
        type="primary",
        width="stretch",
        key="w-keep-words",
        disabled=not changed or not page.may(Right.CLASSES),
    ):
        page.workspace.zero_shot.write(templates=tried.templates, names=read(words, names), actor=page.actor)
        st.rerun(scope="fragment")


def _share(classes: Sequence[Any]) -> float:
    known = [c.right for c in classes if c.right == c.right]
    return sum(known) / len(known) if known else float("nan")


def _right(now: Sequence[Any], before: Sequence[Any]) -> str:
    a, b = _share(before), _share(now)
    return "" if b != b else f"By words alone {percent(b, 1)} of an average class is found; {percent(a, 1)} before."


def _template_table(fits: Sequence[Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'><code>{esc(f.template)}</code></th><td class='w-r'>{percent(f.agrees, 1)}</td>"
        f"<td class='w-r'>{percent(f.right, 1) if f.right == f.right else '–'}</td></tr>"
        for f in fits
    )
    head = (
        "<tr><th>Template alone</th><th class='w-r' title='Share of samples whose likeliest class is that of all templates together'>"
        "Agrees with all</th><th class='w-r' title='Share of samples whose likeliest class is the given label'>Finds the label</th></tr>"
    )
    return (
        f"<div class='w-scroll' style='max-height:190px' tabindex='0' role='region' aria-label='Templates'>"
        f"<table class='w-table'><thead>{head}</thead><tbody>{rows}</tbody></table></div>"
    )


def _class_table(classes: Sequence[Any], before: Sequence[Any]) -> str:
    """The classes whose answer depends most on the wording first."""
    then = {c.name: c.right for c in before}

    def right(c: Any) -> str:
        if c.right != c.right:
            return "–"
        gain = c.right - then.get(c.name, c.right)
        mark = "" if abs(gain) < 0.0005 else f" <b class='{'w-up' if gain > 0 else 'w-down'}'>{100 * gain:+.0f}</b>"
        return f"{percent(c.right, 1)}{mark}"

    order = sorted(classes, key=lambda c: (-(c.turns if c.turns == c.turns else -1.0), c.name))
    rows = "".join(
        f"<tr><th scope='row' class='w-cut' title='{esc(c.words)}'>{esc(c.name)}</th><td class='w-r'>{count(c.found)}</td>"
        f"<td class='w-r'>{right(c)}</td><td>{score(2 * c.spread)}</td>"
        f"<td class='w-r'>{percent(c.turns, 1) if c.turns == c.turns else '–'}</td></tr>"
        for c in order
    )
    head = (
        "<tr><th>Class</th><th class='w-r' title='Samples that all templates together take for it'>Finds</th>"
        "<th class='w-r' title='Share of the samples with this label that are found'>Of its own</th>"
        "<th title='Twice the standard deviation of its probability over the templates: 0 = all templates say the same'>Varies</th>"
        "<th class='w-r' title='Share of what it finds that some template alone takes for another class'>Turns</th></tr>"
    )
    return (
        "<div class='w-scroll' style='max-height:230px;margin-top:8px' tabindex='0' role='region' aria-label='Classes by words'>"
        f"<table class='w-table w-fits'><thead>{head}</thead><tbody>{rows}</tbody></table></div>"
    )


# ── what the dataset is not about ───────────────────────────────────────────────────────────────────────────────


def _negatives(page: Page) -> None:
    zero_shot = page.workspace.zero_shot
    kept = zero_shot.prompts
    left, right = st.columns([4, 8], gap="medium")
    with left:
        text = st.text_area(
            "What the dataset is not about, one a line",
            "\n".join(kept.negatives),
            height=130,
            key="w-negatives",
            placeholder="a screenshot\na drawing",
        )
        words = _lines(text)
        if st.button(
            "Keep these words",
            width="stretch",
            key="w-keep-negatives",
            disabled=words == list(kept.negatives) or not page.may(Right.CLASSES),
        ):
            zero_shot.write(negatives=words, actor=page.actor)
            st.rerun(scope="fragment")
        live(_mined(zero_shot.negatives()), "w-mined")
    with right:
        if not words:
            st.caption(
                "Write a word or a sentence: the samples that it fits better than every class are shown at once."
            )
            return
        caught = cache.caught(page.key, page.workspace, tuple(words))
        by = {w: sum(1 for c in caught if c[2] == w) for w in words}
        said = ", ".join(f"{esc(w)} {n:,}" for w, n in sorted(by.items(), key=lambda kv: -kv[1]) if n)
        _found(
            page,
            [c[0] for c in caught],
            {c[0]: f"“{c[2]}” {c[1]:.2f}" for c in caught[:EXAMPLES]},
            "w-caught",
            f"<b>{plural(len(caught), 'sample')}</b> fit these words better than every class{': ' + said if said else ''}.",
        )


def _mined(found: Sequence[Any]) -> str:
    won = [n for n in found if n.won][:MINED]
    if not found:
        return "<p class='w-muted w-fine'>The last scan had no such words.</p>"
    rows = "".join(
        f"<tr><th scope='row' class='w-cut'>{esc(n.word)}</th><td class='w-muted'>{'written' if n.written else 'mined'}</td>"
        f"<td class='w-r'>{count(n.won)}</td></tr>"
        for n in won
    )
    mined = sum(1 for n in found if not n.written)
    table = f"<table class='w-table'><tbody>{rows}</tbody></table>" if won else ""
    return (
        f"<p class='w-muted w-fine'>The last scan compared with {plural(mined, 'mined word')} and {len(found) - mined:,} written; "
        f"{plural(sum(n.won for n in found), 'sample')} fit one of them best.</p>{table}"
    )


# ── a new class, and candidates ─────────────────────────────────────────────────────────────────────────────────


def _new_class(page: Page) -> None:
    name = st.text_input(
        "A class that is not there yet, in words", max_chars=200, key="w-new-class", placeholder="a lost suitcase"
    ).strip()
    if not name:
        st.caption("It is scored at once against all classes: how many samples it would take, from which, and which.")
        return
    found = cache.new_class(page.key, page.workspace, name)
    takes = "".join(
        f"<span class='w-chip'>{esc(c)} <b>{count(n)}</b></span>" for c, n in list(found.takes_from.items())[:8]
    )
    total = sum(found.takes_from.values())
    shown = {i: f"{p:.2f}" for i, p in zip(found.ids[:EXAMPLES], found.probability[:EXAMPLES], strict=True)}
    _found(
        page,
        found.ids,
        shown,
        "w-new",
        f"<b>{esc(found.name)}</b> would take <b>{plural(total, 'sample')}</b> {f'from {takes}' if takes else ''}",
    )


def _candidates(page: Page) -> None:
    st.caption("Words of the captions that fit the images whose captions hold them better than other images.")
    rows = "".join(
        f"<tr><th scope='row'>{queue_link(esc(word), Filter(find=word), 'gallery', 'match', title=f'Search for {word}', key=page.key)}</th><td>{score(max(0.0, fit))}</td><td class='w-r'>{count(n)}</td></tr>"
        for word, fit, n in cache.candidates(page.key, page.workspace)
    )
    live(
        "<div class='w-scroll' style='max-height:360px' tabindex='0' role='region' aria-label='Words of the captions'><table class='w-table'><thead><tr>"
        "<th>Word</th><th title='Mean cosine with the images whose captions hold it, minus that with all'>Fits by</th>"
        f"<th class='w-r'>Captions</th></tr></thead><tbody>{rows}</tbody></table></div>",
        "w-candidates",
        dispatch,
    )
    if "w-goto" in st.session_state:  # a click there changes the page, not only this dialog
        st.rerun()


def _found(page: Page, ids: Sequence[str], shown: dict[str, str], key: str, said: str) -> None:
    """What words found: a sentence, the surest samples with a remark each, and a way to all of them."""
    first = list(shown)
    rows = (
        {r["sample_id"]: r for r in page.workspace.rows(filters.with_ids(Filter(), first), "row", 0, len(first))}
        if first
        else {}
    )
    tiles = "".join(
        f"<figure>{picture(page, rows[i])}<figcaption><b class='w-cut'>{esc(rows[i].get('label') or 'no label')}</b>"
        f"<span class='w-muted w-cut'>{esc(remark)}</span></figcaption></figure>"
        for i, remark in shown.items()
        if i in rows
    )
    live(f"<p class='w-row'>{said}</p><div class='w-hits'>{tiles}</div>", key)
    if ids and st.button(
        f"Show {'these' if len(ids) > 1 else 'it'} in the Gallery", key=f"{key}-show", icon=":material/grid_view:"
    ):
        state.only(Filter())
        state.set_selection(hub().keep_selection(page.key, ids))
        goto("gallery")
        st.rerun()
