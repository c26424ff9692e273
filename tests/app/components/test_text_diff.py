"""Words in which a text differs from another: what Duplicates and Review mark."""

from __future__ import annotations

import pytest

from winnow.app.components.text_diff import differing_words, marked


@pytest.mark.parametrize(
    ("text", "other", "places"),
    [
        ("a b c d", "a b c d", []),
        ("a b c d", "A X C D", [1]),
        ("a b c d e", "a c e", [1, 3]),
        ("a b", "", [0, 1]),
        ("x y a b x", "a b", [0, 1, 4]),
        (
            " ".join(f"w{i}" for i in range(3000)),
            " ".join(f"w{i}" for i in range(3000) if i not in (5, 2990)),
            [5, 2990],
        ),
    ],
)
def test_differing_words_are_those_that_no_alignment_keeps(text: str, other: str, places: list[int]) -> None:
    assert differing_words(text, other) == places


def test_a_text_is_cut_around_its_first_differing_word_and_is_never_markup() -> None:
    long = "same " * 80 + "other " + "end " * 80
    shown = marked(long, long.replace("other", "else"))
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert '<mark class="w-differs">other</mark>' in shown
    assert marked("a & b", "a & b") == "a &amp; b"
