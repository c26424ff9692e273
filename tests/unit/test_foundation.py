"""Fingerprints, registries, errors and packaging: what everything else stands on."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from winnow.core import errors
from winnow.core import fingerprint as fp
from winnow.core.registry import Registry
from winnow.core.types import ISSUE_KINDS, ColumnMap, Kind

ROOT = Path(__file__).resolve().parents[2]


def test_fingerprints_ignore_the_order_of_keys_but_not_of_rows() -> None:
    assert fp.of({"a": 1, "b": [1, 2]}) == fp.of({"b": [1, 2], "a": 1})
    assert fp.of([1, 2]) != fp.of([2, 1])
    assert fp.of_array(np.arange(4)) != fp.of_array(np.arange(4)[::-1])


def test_fingerprints_tell_dtypes_shapes_and_nothing_from_empty() -> None:
    ones = np.ones(4, np.float32)
    assert fp.of_array(ones) != fp.of_array(ones.astype(np.float64))
    assert fp.of_array(ones) != fp.of_array(ones.reshape(2, 2))
    assert fp.of_strings([None]) != fp.of_strings([""])
    assert fp.of_strings(["ab", "c"]) != fp.of_strings(["a", "bc"])
    assert fp.of(ColumnMap(id="x")) != fp.of(ColumnMap(id="y"))


def test_fingerprints_are_the_same_on_every_machine() -> None:
    assert fp.of_bytes(b"winnow") == "c34521f38d3fca5f"
    assert fp.of("winnow", 1) == "bf4c33673c171204"


def test_what_cannot_be_fingerprinted_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        fp.of(object())


def test_an_unknown_name_is_answered_with_the_ones_there_are() -> None:
    registry: Registry[int] = Registry("thing")
    registry.register("one")(1)
    with pytest.raises(errors.WinnowError, match=r"No thing is called 'two'.*'one'"):
        registry.get("two")


def test_a_name_is_taken_once() -> None:
    registry: Registry[int] = Registry("thing")
    registry.register("one")(1)
    with pytest.raises(ValueError, match="twice"):
        registry.register("one")(2)


def test_the_error_tree_in_the_docstring_is_the_real_one() -> None:
    drawn = errors.__doc__ or ""
    for name, item in vars(errors).items():
        if isinstance(item, type) and issubclass(item, errors.WinnowError):
            assert name in drawn, f"{name} is missing from the tree in core/errors.py"


def test_long_lists_of_choices_are_cut_and_say_so() -> None:
    assert errors.choices(range(20), limit=2) == "'0', '1' and 18 more"


def test_precedence_is_the_documented_one() -> None:
    assert [k.value for k in Kind] == ["broken", "duplicate", "ood", "noisy_label", "hard", "naive", "clean"]
    assert Kind.CLEAN not in ISSUE_KINDS


def code_lines(path: Path) -> int:
    """Lines of code: what is neither blank nor a comment nor a docstring."""
    tree = ast.parse(path.read_text())
    docs = [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None
    ]
    documentation = {line for doc in docs for line in range(doc.lineno, (doc.end_lineno or doc.lineno) + 1)}
    return sum(
        number not in documentation and bool(line.strip()) and not line.lstrip().startswith("#")
        for number, line in enumerate(path.read_text().splitlines(), 1)
    )


def test_no_module_has_more_than_500_lines_of_code() -> None:
    modules = [path for top in ("core", "app") for path in (ROOT / top).rglob("*.py")]
    long = {str(path.relative_to(ROOT)): count for path in modules if (count := code_lines(path)) > 500}
    assert long == {}


def test_every_public_function_of_the_engine_has_a_docstring() -> None:
    bare = []
    for path in (ROOT / "core").rglob("*.py"):
        if path.name.startswith("_") and path.name != "__init__.py":
            continue
        tree = ast.parse(path.read_text())
        for node in tree.body:
            public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):  # type: ignore[arg-type]
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")  # type: ignore[attr-defined]
    assert bare == []
