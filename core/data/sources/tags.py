"""Tags, several labels a sample: from a column of lists, JSON or delimited text, or from columns of yes and no.

A cell that is null says that nobody looked (not annotated); an empty list or an empty text says that somebody looked
and found none. Delimited cells may quote a tag that holds the separator, as CSV does (:func:`split_cell`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray
from scipy import sparse

from ... import fingerprint as fp
from ...errors import ColumnError, choices, plural
from ...types import Bool, TagForm, Tags
from .base import RawTable
from .columns import is_list, is_text, normalized
from .labels import in_order, spellings, to_strings

FINAL_TAGS = "tags_final"
"""What exports call the final tags: a list, or as a prefix (``tags_final.TAG``) columns of yes and no. They are read in
preference to all others, so that a scan of an export has the tags that people decided on."""

USUAL_TAGS = (
    FINAL_TAGS, "tags", "tag", "tag_list", "labels", "label", "categories", "category", "classes", "class_names",
    "keywords", "topics", "genres", "emotions", "attributes",
)  # fmt: skip
"""Names under which lists are taken for tags, most telling first; texts only under those in :data:`_TEXT_NAMES`."""

_TEXT_NAMES = frozenset(
    [FINAL_TAGS, "tags", "tag_list", "categories", "keywords", "topics", "genres", "emotions", "attributes"]
)
_SEPARATORS = ("|", ";", ",")
_WRITTEN = {"\\t": "\t", "tab": "\t", "space": " ", "comma": ","}
"""Separators that are awkward to type → what they mean."""

_YES = frozenset(["1", "1.0", "true", "yes", "y", "t", "x"])
_NO = frozenset(["0", "0.0", "false", "no", "n", "f"])
_UNKNOWN = frozenset(["", "nan", "null", "none", "na", "n/a", "?", "unknown"])
_PEEK = 200
MANY_TAGS = 1_000


def find_tags(raw: RawTable, spec: str | None, taken: Collection[str]) -> TagForm | None:
    """Find where the tags of a table are.

    Parameters
    ----------
    raw
        The source's rows.
    spec
        What a person named: ``COLUMN``, ``COLUMN:SEPARATOR``, ``a,b,c`` or ``prefix*``; None = by the usual names.
    taken
        Columns that have another role.

    Raises
    ------
    ColumnError
        There is no such column, or it cannot hold tags.
    """
    if spec is None:
        return _recognised(raw, taken)
    column = _column_called(raw, spec)
    if column is not None:
        return _form_of(raw, column, taken)
    for name in sorted(raw.order, key=len, reverse=True):
        if spec.startswith(f"{name}:") and len(spec) > len(name) + 1:
            separator = _WRITTEN.get(spec[len(name) + 1 :], spec[len(name) + 1 :])
            form = TagForm("delimited", (_free_column(raw, name, taken),), separator)
            if is_list(raw.types[name]) or not _is_scalar(raw.types[name]):
                raise ColumnError(f"Column {name!r} holds {raw.types[name]}, not texts: give --tags {name} alone.")
            return form
    names = [part.strip() for part in spec.split(",")]
    if len(names) > 1 and any(_column_called(raw, n) for n in names):
        columns = tuple(_existing(raw, n) for n in names)
        return _yes_no_form(raw, columns, "", taken)
    prefix = spec.removesuffix("*")
    columns = tuple(c for c in raw.order if prefix and c.startswith(prefix) and c not in taken and c != prefix)
    if len(columns) > 1 or (columns and spec.endswith("*")):
        return _yes_no_form(raw, columns, prefix, taken)
    raise ColumnError(
        f"There is no column {spec!r} in {raw.path.name} (--tags), and no columns begin with it. Its columns are: "
        f"{choices(raw.order, 40)}. Give --tags COLUMN, COLUMN:SEPARATOR, A,B,C or PREFIX*."
    )


def read_tags(raw: RawTable, form: TagForm) -> tuple[Tags, list[str]]:
    """Read the tags of every row, and what a person should know about them (sentences).

    Raises
    ------
    ColumnError
        A cell is neither yes nor no, or a code has no name.
    """
    notices: list[str] = []
    columns = columns_of(raw, form.columns)
    if form.kind in ("columns", "struct"):
        tags = _read_yes_no(columns, form, notices)
    else:
        known = raw.class_names.get(form.columns[0])
        tags = _read_lists(columns[0], form, known, raw.untyped, notices)
    return tags, [_said(tags), *notices, *_oddities(tags)]


def columns_of(raw: RawTable, names: Sequence[str]) -> list[pa.ChunkedArray]:
    """The columns of these names, also where they were taken for an embedding."""
    table = raw.table
    if not set(names) <= set(table.column_names) and raw.full is not None:
        table = raw.full()
    return [table.column(name) for name in names]


def spec_of(form: TagForm) -> str:
    """Write the form as ``--tags`` takes it."""
    return f"{form.columns[0]}:{form.separator}" if form.kind == "delimited" else ",".join(form.columns)


def tags_fingerprint(tags: Tags) -> str:
    """Fingerprint of tags, what is annotated, and their form."""
    parts = [p for m in (tags.given, tags.annotated) if m is not None for p in (m.indptr, m.indices)]
    return fp.of(tags.names, tags.form, *(fp.of_array(np.asarray(p, np.int64)) for p in parts))


def split_cell(cell: str, separator: str) -> list[str]:
    """Split a delimited cell; a tag that holds the separator is quoted as in CSV.

    >>> split_cell('joy, "sad, but brave"', ",")
    ['joy', 'sad, but brave']
    """
    if '"' in cell and len(separator) == 1:
        return [t.strip() for t in next(csv.reader([cell], delimiter=separator, skipinitialspace=True))]
    return [t.strip() for t in cell.split(separator)]


def join_cell(tags: Iterable[str], separator: str) -> str:
    """Write tags as a delimited cell: the inverse of :func:`split_cell`."""
    return separator.join(f'"{t.replace(chr(34), chr(34) * 2)}"' if separator in t or '"' in t else t for t in tags)


# --- where the tags are --------------------------------------------------------------------------------------------


def _column_called(raw: RawTable, name: str) -> str | None:
    if name in raw.order:
        return name
    same = [c for c in raw.order if c.casefold() == name.casefold()]
    return same[0] if len(same) == 1 else None


def _existing(raw: RawTable, name: str) -> str:
    column = _column_called(raw, name)
    if column is None:
        raise ColumnError(
            f"There is no column {name!r} in {raw.path.name} (--tags). Its columns are: {choices(raw.order, 40)}."
        )
    return column


def _free_column(raw: RawTable, name: str, taken: Collection[str]) -> str:
    if name in taken:
        raise ColumnError(f"Column {name!r} has another role already: it cannot hold the tags too. Name another.")
    if name in raw.image_columns:
        raise ColumnError(f"Column {name!r} holds image bytes, not tags. The columns are: {choices(raw.order, 40)}.")
    return name


def _is_scalar(kind: pa.DataType) -> bool:
    return is_text(kind) or bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_boolean(kind))


def _yes_no_form(raw: RawTable, columns: tuple[str, ...], prefix: str, taken: Collection[str]) -> TagForm:
    if len(set(columns)) < len(columns):
        twice = next(c for c in columns if columns.count(c) > 1)
        raise ColumnError(f"--tags names column {twice!r} twice. Name each column once.")
    for name in columns:
        _free_column(raw, name, taken)
        if not _is_scalar(raw.types[name]):
            raise ColumnError(f"Column {name!r} holds {raw.types[name]}; a column for one tag holds yes and no (1, 0).")
    return TagForm("columns", columns, prefix=prefix)


def _form_of(raw: RawTable, name: str, taken: Collection[str]) -> TagForm:
    """The form of the tags in one column that a person, or the source itself, named."""
    _free_column(raw, name, taken)
    kind = raw.types[name]
    if is_list(kind):
        if not _holds_tags(kind.value_type):
            raise ColumnError(f"Column {name!r} holds {kind}; tags are lists of texts or whole numbers.")
        return TagForm("list", (name,))
    if pt.is_struct(kind):
        return TagForm("struct", (name,))
    if not _is_scalar(kind):
        raise ColumnError(
            f"Column {name!r} holds {kind}; tags are lists, JSON, delimited texts, or columns of 1 and 0."
        )
    cells = _first_texts(raw, name)
    if cells and all(map(_is_json, cells)):
        return TagForm("json", (name,))
    return TagForm("delimited", (name,), _separator(cells) or ",")


def _recognised(raw: RawTable, taken: Collection[str]) -> TagForm | None:
    exported = tuple(name for name in raw.order if name.startswith(f"{FINAL_TAGS}.") and name not in taken)
    if exported:
        return _yes_no_form(raw, exported, f"{FINAL_TAGS}.", taken)
    by_name: dict[str, str] = {}
    for name in raw.order:
        by_name.setdefault(normalized(name), name)
    for usual in USUAL_TAGS:
        name = by_name.get(usual, "")
        if not name or name in taken or name in raw.image_columns or name not in raw.table.column_names:
            continue
        kind = raw.types[name]
        if is_list(kind) and _holds_tags(kind.value_type):
            if not _repeats(raw.table.column(name).slice(0, _PEEK)):
                return TagForm("list", (name,))
        elif usual in _TEXT_NAMES and is_text(kind):
            cells = _first_texts(raw, name)
            if cells and all(map(_is_json, cells)):
                return TagForm("json", (name,))
            separator = _separator(cells) or ("," if usual == FINAL_TAGS else "")
            if cells and separator and (usual == FINAL_TAGS or _short_and_repeated(cells, separator)):
                return TagForm("delimited", (name,), separator)
    return None


def _holds_tags(kind: pa.DataType) -> bool:
    return is_text(kind) or bool(pt.is_integer(kind) or pt.is_null(kind))


def _repeats(column: pa.ChunkedArray) -> bool:
    """Whether most lists hold a value twice: labels of the tokens of a text, not tags of a sample."""
    cells = [cell for cell in column.to_pylist() if cell and len(cell) > 1]
    return bool(cells) and 2 * sum(len(set(cell)) < len(cell) for cell in cells) > len(cells)


def _first_texts(raw: RawTable, name: str) -> list[str]:
    column = columns_of(raw, [name])[0].slice(0, _PEEK)
    return [t for t in to_strings(column).to_pylist() if t is not None and t.strip()]


def _is_json(cell: str) -> bool:
    return cell.lstrip()[:1] in ("[", "{") and isinstance(_from_json(cell), (list, dict))


def _from_json(cell: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return None


def _separator(cells: Sequence[str]) -> str:
    """The separator in most cells, "" = none of the usual ones."""
    count = {s: sum(s in cell for cell in cells) for s in _SEPARATORS}
    best = max(_SEPARATORS, key=lambda s: count[s])
    return best if count[best] else ""


def _short_and_repeated(cells: Sequence[str], separator: str) -> bool:
    """Whether the parts of the cells look like tags: short, and some of them in several cells."""
    parts = [part for cell in cells for part in split_cell(cell, separator) if part]
    return bool(parts) and len(set(parts)) < len(parts) and sum(map(len, parts)) <= 40 * len(parts)


# --- reading -------------------------------------------------------------------------------------------------------


def _read_lists(
    column: pa.ChunkedArray, form: TagForm, known: tuple[str, ...] | None, untyped: bool, notices: list[str]
) -> Tags:
    name, n = form.columns[0], len(column)
    if form.kind == "json":
        cells, no = _json_cells(column, untyped, name, notices)
        if no is not None:
            return _from_pairs(cells, no, form)
        lists = pa.chunked_array([pa.array(cells, pa.list_(pa.string()))])
    elif form.kind == "delimited":
        lists = _split(column, form.separator, untyped)
    else:
        lists = pa.chunked_array([c.cast(pa.list_(c.type.value_type)) for c in column.chunks], type=_plain_list(column))
    whole = lists.combine_chunks()
    whole = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
    looked = np.asarray(whole.is_valid().to_numpy(zero_copy_only=False), bool)
    rows = np.asarray(pc.list_parent_indices(whole).to_numpy(zero_copy_only=False), np.int64)
    flat = pa.chunked_array([pc.list_flatten(whole)])
    if known is not None and pt.is_integer(flat.type):
        codes = _known_codes(flat, name, known)
        names: list[str] = list(known)
        blank = codes < 0
        form = replace(form, coded=True)
    else:
        encoded = to_strings(flat).combine_chunks().dictionary_encode()
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        words = [("" if w is None else w.strip()) for w in encoded.dictionary.to_pylist()]
        if any(w is not None and w.strip() and w != w.strip() for w in encoded.dictionary.to_pylist()):
            notices.append(f"Spaces around the tags in column {name!r} are left out.")
        names = in_order(sorted({w for w in words if w}))
        place = {w: i for i, w in enumerate(names)}
        lookup = np.array([*(place.get(w, -1) for w in words), -1], np.int64)
        codes = lookup[np.asarray(encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False), np.int64)]
        blank = codes < 0
        if form.kind == "delimited":  # an empty cell splits into one empty text
            blank &= np.repeat(np.bincount(rows, minlength=n) > 1, np.bincount(rows, minlength=n))[: len(rows)]
    if blank.any():
        notices.append(
            f"Empty tags in column {name!r}, in {plural(len(np.unique(rows[blank])), 'row')} "
            f"(first: row {int(rows[blank][0]) + 1:,}), are left out."
        )
    rows, codes = rows[codes >= 0], codes[codes >= 0]
    given = _matrix(rows, codes, (n, len(names)))
    twice = np.bincount(rows, minlength=n) > np.diff(given.indptr)
    if twice.any():
        first = int(np.flatnonzero(twice)[0]) + 1
        notices.append(
            f"A tag stands twice in {plural(int(twice.sum()), 'row')} of column {name!r} (first: row {first:,}); it "
            "counts once."
        )
    return Tags(given, None if looked.all() else _whole_rows(looked, len(names)), tuple(names), form)


def _plain_list(column: pa.ChunkedArray) -> pa.DataType:
    return pa.list_(column.type.value_type)


def _split(column: pa.ChunkedArray, separator: str, untyped: bool) -> pa.ChunkedArray:
    """Delimited texts as lists. In a format without types an empty cell means no tag: it cannot be told from null."""
    texts = to_strings(column)
    if untyped:
        texts = texts.fill_null("")
    quoted = pc.fill_null(pc.match_substring(texts, '"'), False)
    if pc.any(quoted).as_py():
        cells = [None if t is None else split_cell(t, separator) for t in texts.to_pylist()]
        return pa.chunked_array([pa.array(cells, pa.list_(pa.string()))])
    return pc.split_pattern(texts, separator)


def _known_codes(flat: pa.ChunkedArray, name: str, known: tuple[str, ...]) -> NDArray[np.int64]:
    codes = np.asarray(pc.fill_null(flat, -1).to_numpy(), np.int64)
    outside = np.unique(codes[(codes < -1) | (codes >= len(known))])
    if outside.size:
        raise ColumnError(
            f"Column {name!r} holds the codes {choices(outside, 5)}, but only {plural(len(known), 'tag')} have names "
            f"(0 to {len(known) - 1}). Repair the dataset's features, then scan again."
        )
    return codes


def _json_cells(
    column: pa.ChunkedArray, untyped: bool, name: str, notices: list[str]
) -> tuple[list[list[str] | None], list[list[str]] | None]:
    """The tags of every cell (None = not annotated), and those that are said to be absent, where cells say so."""
    yes: list[list[str] | None] = []
    no: list[list[str]] = []
    objects = False
    odd = []
    for row, cell in enumerate(to_strings(column).to_pylist()):
        value = None if cell is None or not cell.strip() else _from_json(cell)
        if isinstance(value, str):
            value = [value]
        if isinstance(value, dict):
            objects = True
            states = {str(k): _state(v) for k, v in value.items()}
            yes.append([k for k, s in states.items() if s == 1])
            no.append([k for k, s in states.items() if s == 0])
            continue
        no.append([])
        if isinstance(value, list) and not any(isinstance(v, (list, dict)) for v in value):
            yes.append(["" if v is None else v if isinstance(v, str) else json.dumps(v) for v in value])
            continue
        yes.append(None)
        if cell is not None and cell.strip() and cell.strip() != "null":
            odd.append(row)
    if odd:
        notices.append(
            f"{plural(len(odd), 'cell')} of column {name!r} cannot be read as a JSON list of tags (first: row "
            f"{odd[0] + 1:,}); these samples count as not annotated."
        )
    return yes, no if objects else None


def is_yes(word: str) -> bool:
    """Whether a cell says that a sample carries a tag."""
    return word.strip().casefold() in _YES


def is_no(word: str) -> bool:
    """Whether a cell says that a sample does not carry a tag."""
    return word.strip().casefold() in _NO


def _state(value: Any) -> int | None:
    """1 = yes, 0 = no, None = not annotated."""
    word = str(value) if value is not None else ""
    return 1 if is_yes(word) else 0 if is_no(word) else None


def _from_pairs(yes: list[list[str] | None], no: list[list[str]], form: TagForm) -> Tags:
    """Tags of cells that say yes and no for each. Where no cell says no, a tag that is not named is absent."""
    names = in_order(sorted({t.strip() for cell in [*yes, *no] for t in cell or () if t.strip()}))
    place = {name: i for i, name in enumerate(names)}

    def matrix(cells: Sequence[list[str] | None]) -> Any:
        pairs = [(row, place[t.strip()]) for row, cell in enumerate(cells) for t in cell or () if t.strip()]
        rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
        return _matrix(rows, columns, (len(yes), len(names)))

    given, absent = matrix(yes), matrix(no)
    if absent.nnz:
        annotated = sparse.csr_array(given + absent, dtype=bool)
        whole = annotated.nnz == len(yes) * len(names)
        return Tags(given, None if whole else annotated, tuple(names), form)
    looked = np.array([cell is not None for cell in yes], bool)
    return Tags(given, None if looked.all() else _whole_rows(looked, len(names)), tuple(names), form)


def _read_yes_no(columns: list[pa.ChunkedArray], form: TagForm, notices: list[str]) -> Tags:
    names = [c.removeprefix(form.prefix) for c in form.columns]
    if form.kind == "struct":
        kind = columns[0].type
        names = [kind.field(i).name for i in range(kind.num_fields)]
        columns = [pc.struct_field(columns[0], [i]) for i in range(kind.num_fields)]
    titles = form.columns if form.kind == "columns" else names
    states = [_states(column, title) for column, title in zip(columns, titles, strict=True)]
    n = len(columns[0])
    if any((s == 0).any() for s in states):
        doubtful = sum(int((s == -1).sum()) for s in states)
        if doubtful:
            notices.append(f"{doubtful:,} cells of the tags are −1 beside 0 and 1: they count as not annotated.")
        absent = [np.flatnonzero(s == 0) for s in states]
    else:  # −1 and 1
        absent = [np.flatnonzero(s == -1) for s in states]
    given = _stacked([np.flatnonzero(s == 1) for s in states], n)
    annotated = sparse.csr_array(given + _stacked(absent, n), dtype=bool)
    return Tags(given, None if annotated.nnz == n * len(names) else annotated, tuple(names), form)


_ABSENT = 9
"""Of a cell that says nothing."""


def _states(column: pa.ChunkedArray, name: str) -> NDArray[np.int8]:
    """(n,) int8: 1 = yes, 0 = no, −1 = as written, 9 = not annotated."""
    encoded = to_strings(column).combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    out = []
    for word in encoded.dictionary.to_pylist():
        key = (word or "").strip().casefold()
        if key in _YES or key in _NO:
            out.append(int(key in _YES))
        elif key in _UNKNOWN:
            out.append(_ABSENT)
        elif key in ("-1", "-1.0"):
            out.append(-1)
        else:
            raise ColumnError(
                f"Column {name!r} is read as a tag, but holds {word!r}: yes (1, true, yes), no (0, false, no) or "
                "nothing "
                "is needed. Name other columns with --tags."
            )
    lookup = np.array([*out, _ABSENT], np.int8)
    return lookup[np.asarray(encoded.indices.fill_null(len(out)).to_numpy(zero_copy_only=False), np.int64)]


def _stacked(members: list[NDArray[np.int64]], n: int) -> Any:
    rows = np.concatenate(members) if members else np.zeros(0, np.int64)
    return _matrix(rows, np.repeat(np.arange(len(members)), [len(m) for m in members]), (n, len(members)))


def _matrix(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> Any:
    """A sparse matrix of bool with each pair once, columns ascending."""
    matrix = sparse.coo_array((np.ones(len(rows), bool), (rows, columns)), shape=shape).tocsr()
    matrix.sum_duplicates()
    matrix.data[:] = True
    return matrix


def _whole_rows(looked: Bool, width: int) -> Any:
    """(n, T) bool: every pair of the rows that somebody looked at."""
    ends = np.concatenate([[0], np.cumsum(looked * width)])
    columns = np.tile(np.arange(width, dtype=np.int32), int(looked.sum()))
    return sparse.csr_array((np.ones(len(columns), bool), columns, ends), shape=(len(looked), width))


# --- what a person should know ----------------------------------------------------------------------------------------


def _said(tags: Tags) -> str:
    n, carried = tags.given.shape[0], np.diff(tags.given.indptr)
    text = f"{plural(len(tags.names), 'tag')}, {carried.mean():.2f} a sample" if n else plural(len(tags.names), "tag")
    none = int((carried == 0).sum())
    if tags.annotated is not None:
        pairs = 1 - tags.annotated.nnz / max(n * len(tags.names), 1)
        text += f"; {pairs:.1%} of all pairs of sample and tag are not annotated"
    return f"{text}; {plural(none, 'sample')} without a tag." if none else f"{text}."


def _oddities(tags: Tags) -> list[str]:
    notices = [*spellings(list(tags.names), "tags")]
    n, names = tags.given.shape[0], np.array(tags.names, object)
    count = np.bincount(tags.given.indices, minlength=len(names))
    if not tags.given.nnz:
        return [*notices, "No sample carries a tag: wrong tags cannot be looked for."]
    single, every = count == 1, count == n
    if single.any() and n > 1:
        notices.append(
            f"{plural(int(single.sum()), 'tag')} at one sample only ({choices(names[single], 5)}): too few to learn "
            "from."
        )
    if every.any() and n > 1:
        notices.append(
            f"{plural(int(every.sum()), 'tag')} at every sample ({choices(names[every], 5)}): nothing tells these "
            "apart."
        )
    if len(names) > MANY_TAGS and 2 * len(names) > n:
        notices.append(
            f"{len(names):,} different tags in {plural(n, 'row')}: nearly as many as rows. Use --tags to choose "
            "another "
            "column, or another separator."
        )
    return notices
