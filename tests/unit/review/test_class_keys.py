"""Keys that stay with a class: who gets which, and that a choice holds when classes change."""

from __future__ import annotations

from pathlib import Path

import pytest

from winnow.core import Workspace
from winnow.core.errors import QueryError
from winnow.core.review.class_keys import assign


def test_a_class_that_is_called_by_a_digit_has_that_digit() -> None:
    digits = [str(i) for i in range(10)]
    assert assign(digits, {}) == dict(zip(digits, digits, strict=True))
    assert assign(["cat", "digit 1", "dog"], {}) == {"cat": "2", "digit 1": "1", "dog": "3"}


def test_beyond_nine_classes_letters_follow_and_no_command_is_taken() -> None:
    classes = [f"class {letter}" for letter in "ABCDEFGHIJKLMNOP"]
    keys = assign(classes, {}, commands="awx")
    assert list(keys.values())[:9] == list("123456789")
    assert list(keys.values())[9:] == list("bcdefgh")
    assert len(assign([f"c{letter}" for letter in "abcdefghijklmnopqrstuvwxyz" * 2], {}, "awx")) <= 35


def test_a_chosen_key_wins_and_an_impossible_one_is_passed_over() -> None:
    assert assign(["cat", "dog", "elk"], {"elk": "1", "dog": "w"}, "w") == {"cat": "2", "dog": "3", "elk": "1"}


def test_a_choice_is_kept_and_follows_a_class_that_is_renamed_or_merged(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws, actor="olga") as ws:
        first, second, *rest = ws.classes()
        assert not ws.class_keys.fixed
        ws.class_keys.save(True, {first: "q", second: "m"}, actor="olga")
    with Workspace.open(tiny_ws, actor="olga") as ws:
        assert ws.class_keys.fixed
        before = ws.class_keys.of_classes()
        assert (before[first], before[second]) == ("q", "m")
        ws.class_editor.rename(first, "a new name", actor="olga")
        ws.class_editor.merge(second, rest[0], actor="olga")
        after = ws.class_keys.of_classes()
        assert after["a new name"] == "q"
        assert second not in after
        assert {name: after[name] for name in rest} == {name: before[name] for name in rest}


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"no such class": "1"}, "no such class"),
        ({"digit 2": "w"}, "W is a command"),
        ({"digit 2": "?"}, "a digit or a letter"),
        ({"digit 2": "5", "digit 3": "5"}, "both 'digit 2' and 'digit 3'"),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_the_reason(tiny_ws: Path, keys: dict[str, str], why: str) -> None:
    with Workspace.open(tiny_ws, actor="olga") as ws:
        with pytest.raises(QueryError, match=why):
            ws.class_keys.save(True, keys, actor="olga", commands="w")
        assert not ws.class_keys.fixed
