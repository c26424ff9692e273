"""Texts that a spreadsheet would run as a formula: marked in a CSV file, and read back as they were.

In: texts. Out: the same, with an apostrophe before those that would run. A text that begins like a marked one gets an
apostrophe as well, so that :func:`unmark_formulas` undoes :func:`mark_formulas` for every text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

FORMULAS_KEY = "formulas"
MARKED = (
    "A text that a spreadsheet would run begins with an added apostrophe; so does a text that begins like one of these."
)
"""What the manifest of a CSV file says under ``FORMULAS_KEY`` where texts are marked in it."""

_SIGN = r"[+\-@＋－＠]"
_OPERAND = r"(?:\d[\d.]*(?:[eE][+\-]?\d+)?|\.\d+|\$?[A-Za-z]{1,3}\$?\d{1,7})"
_RUNS = "|".join([
    r"\s*[=＝].*[\p{L}\p{N}\"'#]",  # an equals sign and more than signs after it
    rf"\s*{_SIGN}.*\p{{L}}[\p{{L}}\p{{N}}_.]*\s*\(",  # a call of a function: @SUM(A1)
    rf"\s*{_SIGN}.*\|",  # a program, by DDE: +cmd|'/C calc'!A0
    rf"\s*{_SIGN}.*!\s*[\p{{L}}\p{{N}}_$]",  # a cell of another sheet or file: -[b.xls]x!A1
    rf"\s*{_SIGN}(?:[\s(+\-]*{_OPERAND}[\s)%]*(?:[-+*/^&<>=:]+|$))+$",  # a calculation, or a cell: -2+3, @A1
])  # fmt: skip
_NUMBER = r"[+-]?\s?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?%?"


def mark_formulas(texts: pa.Array | pa.ChunkedArray) -> tuple[Any, int]:
    """Put an apostrophe before every text that a spreadsheet would run.

    That is a text that begins with ``=`` (also after blanks, and in its full-width form), or with ``+``, ``-`` or ``@``
    where the rest calls a function, starts a program, names a cell or calculates. Numbers, ``-``, ``+49 151 23``,
    ``@name`` and ``- an item`` stay as they are.

    Parameters
    ----------
    texts
        (n,) strings or null.

    Returns
    -------
    texts
        (n,) strings or null.
    count
        How many were changed.

    References
    ----------
    OWASP, "CSV Injection".

    Examples
    --------
    >>> mark_formulas(pa.array(["=1+1", "'=1+1", "-2+3", "-3.5", "- milk", "@ada"]))[0].to_pylist()
    ["'=1+1", "''=1+1", "'-2+3", '-3.5', '- milk', '@ada']
    """
    change = _matches(texts, r"'*")
    count = pc.sum(change).as_py() or 0
    if not count:
        return texts, 0
    return pc.if_else(change, pc.binary_join_element_wise("'", texts, ""), texts), count


def unmark_formulas(texts: pa.Array | pa.ChunkedArray) -> tuple[Any, int]:
    """Undo :func:`mark_formulas`. Returns the texts, and how many were changed."""
    change = _matches(texts, r"'+")
    count = pc.sum(change).as_py() or 0
    if not count:
        return texts, 0
    return pc.if_else(change, pc.utf8_slice_codeunits(texts, 1), texts), count


def _matches(texts: Any, apostrophes: str) -> Any:
    runs = pc.match_substring_regex(texts, f"(?s)^{apostrophes}(?:{_RUNS})")
    number = pc.match_substring_regex(texts, f"^{apostrophes}{_NUMBER}$")
    return pc.fill_null(pc.and_not(runs, number), False)


def has_marks(table: Path) -> bool:
    """Whether a CSV file is an export of Winnow's in which formulas are marked: its manifest beside it says so."""
    try:
        manifest = json.loads(table.with_name(f"{table.name}.manifest.json").read_bytes())
        return bool(manifest["file"] == table.name and manifest[FORMULAS_KEY] == MARKED)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
