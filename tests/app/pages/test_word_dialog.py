"""The dialog that describes classes in words: its lines are read as they are written."""

from __future__ import annotations

import pytest

from winnow.app.pages.word_dialog import _class_table, from_lines, to_lines
from winnow.core import QueryError
from winnow.core.features.prompts import ClassFit

NAMES = ["cat", "cat = dog", "emu"]


def test_lines_say_which_words_stand_for_a_class() -> None:
    words = {"cat": "a small cat", "cat = dog": "both"}
    text = to_lines(NAMES, words)
    assert text == "cat = a small cat\ncat = dog = both\nemu"
    assert from_lines(text, NAMES) == {**words, "emu": ""}
    assert from_lines("", NAMES) == dict.fromkeys(NAMES, "")
    with pytest.raises(QueryError, match=r"'ema = x' begins with no class"):
        from_lines("ema = x", NAMES)


def test_the_most_sensitive_class_comes_first_and_its_words_are_text() -> None:
    nan = float("nan")
    now = [
        ClassFit("a", "a", 3, 0.01, 0.1, 0.5),
        ClassFit("<b>", "b", 2, 0.2, 0.5, 0.9),
        ClassFit("c", "c", 0, nan, nan, nan),
    ]
    html = _class_table(now, [ClassFit("a", "a", 3, 0.01, 0.1, 0.4), *now[1:]])
    assert html.index("&lt;b&gt;") < html.index(">a<") < html.index(">c<")
    assert '<b class="w-up">+10</b>' in html
    assert html.count("w-up") == 1
