"""Labels of any type as integer codes and class names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ...errors import ColumnError, choices, plural
from ...types import NO_LABEL, Int32, Strings

_MISSING_WORDS = frozenset({"null", "none", "na", "n/a"})


@dataclass(frozen=True)
class Encoded:
    """An encoded label column.

    Attributes
    ----------
    codes
        (n,) int32 into ``names``, NO_LABEL (−1) = none.
    names
        The classes.
    notices
        Sentences for the person.
    """

    codes: Int32
    names: tuple[str, ...]
    notices: tuple[str, ...] = ()


def to_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn any scalar column into strings.

    Whole floats lose their ".0" (pandas makes floats of integers with gaps); NaN and null are null; booleans are "True"
    and "False", as Python writes them.
    """
    kind = column.type
    if pt.is_dictionary(kind):
        column = pc.cast(column, kind.value_type)
        kind = column.type
    if pt.is_null(kind):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    if pt.is_boolean(kind):
        return pc.if_else(column, "True", "False")
    if pt.is_decimal(kind) or pt.is_floating(kind):
        return pa.chunked_array([_floats(pc.cast(column, pa.float64()))])
    return pc.cast(column, pa.string())


def _floats(column: pa.ChunkedArray) -> pa.Array:
    values = column.to_numpy()
    out = [None if np.isnan(v) else (str(int(v)) if np.isfinite(v) and v == int(v) else repr(float(v))) for v in values]
    return pa.array(out, pa.string())


def in_order(names: list[str]) -> list[str]:
    """Sort names: whole numbers by value, everything else by spelling."""
    try:
        return sorted(names, key=int)
    except ValueError:
        return sorted(names)


def encode(column: pa.ChunkedArray, name: str = "label", known: tuple[str, ...] | None = None) -> Encoded:
    """Encode a label column.

    Null, NaN, "nan" and blank cells are unlabelled. Spellings that differ by case or space stay different classes, with
    a notice.

    Parameters
    ----------
    column
        (n,) labels of any type.
    name
        Of the column, for messages.
    known
        Names of integer codes (ClassLabel), in their order, with those that are not used.

    Raises
    ------
    ColumnError
        Integer codes outside ``known``.
    """
    if known is not None and pt.is_integer(column.type):
        return _known(column, name, known)
    strings = to_strings(column)
    encoded = strings.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    words = encoded.dictionary.to_pylist()
    indices = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    absent = {i for i, w in enumerate(words) if w is None or not w.strip() or w.strip().lower() == "nan"}
    names = in_order([w for i, w in enumerate(words) if i not in absent])
    code = {w: i for i, w in enumerate(names)}
    lookup = np.array([*(NO_LABEL if i in absent else code[w] for i, w in enumerate(words)), NO_LABEL], np.int32)
    codes = lookup[indices]
    return Encoded(codes, tuple(names), tuple(_notices(names, codes, column.type, name)))


def _known(column: pa.ChunkedArray, name: str, known: tuple[str, ...]) -> Encoded:
    values = np.asarray(pc.fill_null(column, NO_LABEL).to_numpy(), np.int64)
    outside = np.unique(values[(values < NO_LABEL) | (values >= len(known))])
    if outside.size:
        raise ColumnError(
            f"Column {name!r} holds the codes {choices(outside, 5)}, but only "
            f"{plural(len(known), 'class', 'classes')} have names "
            f"(0 to {len(known) - 1}). Repair the dataset's features, then scan again."
        )
    codes = values.astype(np.int32)
    return Encoded(codes, known, tuple(_notices(list(known), codes, column.type, name)))


def spellings(names: list[str], what: str) -> list[str]:
    """Say which labels (or tags: ``what``) differ only by case or spaces."""
    alike: dict[str, list[str]] = {}
    for word in names:
        alike.setdefault(" ".join(word.split()).casefold(), []).append(word)
    groups = [group for group in alike.values() if len(group) > 1]
    if not groups:
        return []
    shown = "; ".join(" / ".join(repr(w) for w in group) for group in groups[:3])
    more = f" and {len(groups) - 3} more" if len(groups) > 3 else ""
    kept = "classes" if what == "labels" else what
    return [f"Some {what} differ only by case or spaces and are kept as different {kept}: {shown}{more}."]


def _notices(names: list[str], codes: Int32, kind: pa.DataType, column: str) -> list[str]:
    notices = spellings(names, "labels")
    words = [w for w in names if w.strip().casefold() in _MISSING_WORDS]
    if words:
        notices.append(f"{choices(words)} in column {column!r} is kept as a class; leave the cell empty for no label.")
    labelled = int((codes >= 0).sum())
    if labelled >= 50 and len(names) > labelled // 2:
        guess = "numbers, not classes" if pt.is_floating(kind) else "nearly as many values as rows"
        notices.append(
            f"Column {column!r} has {plural(len(names), 'different label')} in {plural(labelled, 'row')} ({guess}?). "
            "Use --label to choose another column."
        )
    return notices


def summary(codes: Int32, names: tuple[str, ...], has_column: bool) -> list[str]:
    """Say how much is labelled, in sentences for the person."""
    n, labelled = len(codes), int((codes >= 0).sum())
    used = len(np.unique(codes[codes >= 0]))
    if not labelled:
        why = "The label column is empty" if has_column else "There are no labels"
        return [f"{why}: wrong labels cannot be looked for; everything else works."]
    notices = []
    if labelled < n:
        notices.append(f"Without a label: {n - labelled:,} of {plural(n, 'sample')}.")
    if used == 1:
        notices.append(
            f"There is only one class ({names[int(codes[codes >= 0][0])]!r}): wrong labels cannot be looked for."
        )
    return notices


def duplicates(ids: Strings) -> list[tuple[str, int]]:
    """List the values that occur more than once, with their counts, most frequent first."""
    return [(value, count) for value, count in Counter(ids.tolist()).most_common() if count > 1]
