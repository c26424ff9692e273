"""The dialog in which classes are described in words: prompts, what the dataset is not about, a new class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
from markupsafe import Markup

from winnow.app.components.actions import NEXT_PAGE, dispatch, open_page
from winnow.app.components.html import notice, percent, render
from winnow.app.components.html_component import live
from winnow.app.components.page_frame import Page
from winnow.app.components.thumbnails import picture, rows_of
from winnow.app.server.state import server_state
from winnow.app.session import cache, state
from winnow.core import ClassFit, Filter, QueryError, Right, WinnowError

EXAMPLES = 8
"""Samples shown of what a class or a word would take."""

MINED = 12
"""Mined words that are listed, those that won most samples first."""


def open_dialog(page: Page) -> None:
    """Open the dialog; where the encoder knows no words, it says what is needed."""
    st.dialog("Classes in words", width="large")(_body)(page)


def to_lines(names: Sequence[str], words: dict[str, str]) -> str:
    """The classes and their words as lines to edit: ``name = words``, or the name alone where it has no other words."""
    return "\n".join(f"{n} = {words[n]}" if words.get(n) else n for n in names)


def from_lines(text: str, names: Sequence[str]) -> dict[str, str]:
    r"""Class → words of such lines, "" for a name alone.

    Raises
    ------
    QueryError
        Naming the line, for one that names no class.

    Examples
    --------
    >>> from_lines("cat = a small cat\ndog", ["cat", "dog"])
    {'cat': 'a small cat', 'dog': ''}
    """
    words = dict.fromkeys(names, "")
    for line in filter(None, map(str.strip, text.splitlines())):
        name = next((n for n in names if line == n), None)
        if name is None:  # the longest: a class may be called "a = b"
            name = max((n for n in names if line.startswith(f"{n} =")), key=len, default=None)
        if name is None:
            raise QueryError(f"The line {line!r} begins with no class. Write: name of the class = words.")
        words[name] = line[len(name) :].strip().removeprefix("=").strip()
    return words


def _lines(text: str) -> list[str]:
    return list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))


def _body(page: Page) -> None:
    zero_shot = page.workspace.zero_shot
    why_not = zero_shot.why_not()
    tabs = {} if why_not else {"Prompts": _prompts, "Not this": _negatives, "A new class": _new_class}
    if page.info.modality == "pair" and zero_shot.knows_words:
        tabs["From captions"] = _candidates
    if not tabs:
        st.html(notice(why_not))
        return
    for tab, draw in zip(st.tabs(list(tabs)), tabs.values(), strict=True):
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
            to_lines(names, dict(kept.names)),
            height=210,
            key="w-words",
        )
    with right:
        tried = replace(
            kept, templates=tuple(_lines(templates)), names={k: w for k, w in from_lines(words, names).items() if w}
        )
        changed = tried != kept
        fits, classes = cache.sensitivity(page.key, page.workspace, tried)
        before = cache.sensitivity(page.key, page.workspace, kept)[1] if changed else classes
        live(render("words", "template_table", fits) + _class_table(classes, before), "w-fits")
    status, keep = st.columns([8, 3], vertical_alignment="center")
    status.caption(
        f"{_recall_words(classes, before)} Nothing is kept yet."
        if changed
        else "These are kept. The next scan gives probabilities by them to the label signals."
    )
    if keep.button(
        "Keep these words",
        type="primary",
        width="stretch",
        key="w-keep-words",
        disabled=not changed or not page.may(Right.CLASSES),
    ):
        page.workspace.zero_shot.write(templates=tried.templates, names=from_lines(words, names), actor=page.actor)
        st.rerun(scope="fragment")


def _mean_recall(classes: Sequence[ClassFit]) -> float:
    known = [c.right for c in classes if c.right == c.right]
    return sum(known) / len(known) if known else float("nan")


def _recall_words(classes: Sequence[ClassFit], before: Sequence[ClassFit]) -> str:
    now, then = _mean_recall(classes), _mean_recall(before)
    if now != now:
        return ""
    return f"By words alone {percent(now)} of an average class is found; {percent(then)} before."


def _class_table(classes: Sequence[ClassFit], before: Sequence[ClassFit]) -> Markup:
    """The classes whose answer depends most on the wording first."""
    then = {c.name: c.right for c in before}
    order = sorted(classes, key=lambda c: (-(c.turns if c.turns == c.turns else -1.0), c.name))
    return render("words", "class_table", [(c, c.right - then.get(c.name, c.right)) for c in order])


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
        negatives = zero_shot.negatives()
        won = [n for n in negatives if n.won][:MINED]
        live(render("words", "mined", negatives, won, sum(n.written for n in negatives)), "w-mined")
    with right:
        if not words:
            st.caption(
                "Write a word or a sentence: the samples that it fits better than every class are shown at once."
            )
            return
        caught = cache.caught(page.key, page.workspace, tuple(words))
        by_word = Counter(word for _, _, word in caught).most_common()
        remarks = {sample: f"“{word}” {share:.2f}" for sample, share, word in caught[:EXAMPLES]}
        text = render("words", "caught", len(caught), by_word)
        _hits(page, [sample for sample, _, _ in caught], remarks, "w-caught", text)


# ── a new class, and candidates ─────────────────────────────────────────────────────────────────────────────────


def _new_class(page: Page) -> None:
    name = st.text_input(
        "A class that is not there yet, in words", max_chars=200, key="w-new-class", placeholder="a lost suitcase"
    ).strip()
    if not name:
        st.caption("It is scored at once against all classes: how many samples it would take, from which, and which.")
        return
    offer = cache.new_class(page.key, page.workspace, name)
    text = render("words", "takes", offer.name, sum(offer.takes_from.values()), list(offer.takes_from.items())[:8])
    examples = zip(offer.ids[:EXAMPLES], offer.probability[:EXAMPLES], strict=True)
    _hits(page, offer.ids, {sample: f"{p:.2f}" for sample, p in examples}, "w-new", text)


def _candidates(page: Page) -> None:
    st.caption("Words of the captions that fit the images whose captions hold them better than other images.")
    words = cache.candidates(page.key, page.workspace)
    rows = [(word, fit, n, Filter(find=word)) for word, fit, n in words]
    live(render("words", "candidates", page.key, rows), "w-candidates", dispatch)
    if NEXT_PAGE in st.session_state:  # a click there changes the page, not only this dialog
        st.rerun()


def _hits(page: Page, ids: Sequence[str], remarks: dict[str, str], key: str, text: Markup) -> None:
    """What words found: a sentence, the surest samples with a remark each, and a way to all of them."""
    rows = rows_of(page, remarks)
    tiles = [(picture(page, rows[i], "w-pic"), rows[i].get("label"), remarks[i]) for i in remarks if i in rows]
    live(render("words", "hits", text, tiles), key)
    if ids and st.button(
        f"Show {'these' if len(ids) > 1 else 'it'} in the Gallery", key=f"{key}-show", icon=":material/grid_view:"
    ):
        state.only(Filter())
        state.set_selection(server_state().keep_selection(page.key, ids))
        open_page("gallery")
        st.rerun()
