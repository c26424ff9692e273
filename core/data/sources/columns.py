"""Which column holds what: by usual names, by type, and by what the first cells look like."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ...errors import ColumnError, SourceError, choices, plural
from ...types import ColumnMap, Modality, TagForm
from ..media.decode import begins_like_image
from ..media.reader import find_file
from .base import IMAGE_SUFFIXES, RawTable

_MANY_FLOATS = 8
"""This many float columns in a table without images and text are read as an embedding."""

USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "id": (
        "id",
        "sample_id",
        "uid",
        "uuid",
        "guid",
        "item_id",
        "example_id",
        "row_id",
        "image_id",
        "text_id",
        "doc_id",
    ),
    "image": (
        "image",
        "img",
        "image_path",
        "img_path",
        "image_file",
        "image_filename",
        "filepath",
        "file_path",
        "file_name",
        "filename",
        "path",
        "file",
        "picture",
        "photo",
        "images",
        "image_bytes",
        "jpg",
        "png",
        "uri",
        "url",
    ),
    "text": (
        "text",
        "sentence",
        "content",
        "query",
        "utterance",
        "question",
        "review",
        "document",
        "caption",
        "prompt",
        "message",
        "body",
        "comment",
        "tweet",
        "title",
        "headline",
        "description",
        "instruction",
        "input",
        "texts",
    ),
    "label": (
        "label",
        "labels",
        "class",
        "target",
        "category",
        "y",
        "intent",
        "class_name",
        "label_name",
        "category_name",
        "class_label",
        "gt",
        "ground_truth",
        "annotation",
        "coarse_label",
        "fine_label",
        "sentiment",
        "topic",
    ),
    "split": ("split", "subset", "fold", "partition", "set"),
    "source": ("source", "origin", "dataset", "data_source", "domain"),
}
"""Role → names, most telling first; compared without case, spaces, dots and dashes."""

_PAIRED = ("text", "sentence", "caption")
"""Names that make image + text a pair; any other text column beside images is only metadata unless named."""

_ROLE_WORDS = {"source": "--source-col"}
_PEEK = 100


def normalized(name: str) -> str:
    """Write a column name as it is compared: lower case, runs of other characters as one underscore."""
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds strings, dictionary-encoded or not."""
    if pt.is_dictionary(kind):
        kind = kind.value_type
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes."""
    return bool(
        pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind) or pt.is_binary_view(kind)
    )


def is_image_struct(kind: pa.DataType) -> bool:
    """Whether a column is Hugging Face's ``Image`` storage: a struct with ``bytes`` and ``path``."""
    return bool(pt.is_struct(kind)) and any(f.name == "bytes" and is_binary(f.type) for f in kind)


def is_list(kind: pa.DataType) -> bool:
    """Whether a column holds lists, of any length."""
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind) or pt.is_list_view(kind))


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column holds lists of floats: an embedding."""
    return is_list(kind) and bool(pt.is_floating(kind.value_type))


def is_nested(kind: pa.DataType) -> bool:
    """Whether a column holds lists, structs or the like, which no cell of a spreadsheet can hold."""
    return is_list(kind) or bool(pt.is_nested(kind))


def plain_type(kind: pa.DataType) -> str:
    """Name an Arrow type in plain words."""
    if is_binary(kind) or is_image_struct(kind):
        return "image"
    if is_text(kind):
        return "text"
    if pt.is_boolean(kind):
        return "yes/no"
    if pt.is_integer(kind):
        return "whole number"
    if pt.is_floating(kind) or pt.is_decimal(kind):
        return "number"
    if is_vector(kind):
        return "vector"
    if pt.is_temporal(kind):
        return "time"
    return str(kind)


def looks_like_images(cells: list[Any]) -> bool:
    """Whether at least half of the cells with content begin like image files, or name some."""
    hits = []
    for cell in cells:
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if data:
            hits.append(begins_like_image(bytes(data)))
        elif isinstance(cell, dict) and cell.get("path"):
            hits.append(Path(cell["path"]).suffix.lower() in IMAGE_SUFFIXES)
    return bool(hits) and 2 * sum(hits) >= len(hits)


def _latin_1(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are not UTF-8 as Windows-1252, which is Latin-1 with letters instead of control characters."""
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(codecs.charmap_decode(bytes([b]), "replace", _WINDOWS_1252)[0] for b in wrong), error.end


_WINDOWS_1252 = "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in range(256))
LATIN_1 = "winnow-latin-1"
"""Error handler of ``bytes.decode``: what is not UTF-8 is read as Latin-1."""
codecs.register_error(LATIN_1, _latin_1)


def read_texts(cells: Sequence[bytes | None]) -> tuple[list[str | None], list[int]]:
    """Decode cells of UTF-8.

    Returns
    -------
    texts
        (n,) the texts. Bytes that are not UTF-8 are read as Latin-1.
    odd
        Indices of the cells that are not UTF-8.
    """
    texts: list[str | None] = []
    odd = []
    for row, cell in enumerate(cells):
        try:
            texts.append(None if cell is None else cell.decode())
        except UnicodeDecodeError:
            texts.append((cell or b"").decode("utf-8", LATIN_1))
            odd.append(row)
    return texts, odd


def odd_notice(odd: Mapping[str, list[int]], n: int) -> list[str]:
    """Say which cells (column → rows) are not UTF-8 and were read as Latin-1."""
    rows = sorted((row, name) for name, members in odd.items() for row in members)
    if not rows:
        return []
    shown = "; ".join(f"row {row + 1:,}, column {name!r}" for row, name in rows[:3])
    return [
        f"Not UTF-8: {plural(len(rows), 'cell')} in {len({row for row, _ in rows}):,} of {plural(n, 'row')} ({shown}). "
        "Their other bytes were read as Latin-1, all else as UTF-8. If letters are garbled, repair these cells and "
        "scan again."
    ]


_DEEPEST = 32
"""Levels of lists and objects in a cell; Arrow writes 64 at most, and a table around them has some of its own."""


def with_storable_types(table: pa.Table, notices: list[str]) -> pa.Table:
    """Give columns types that all later steps can hold.

    Views, of which Arrow selects no rows, become plain; cells that are nested too deeply become text, and dates that
    Python cannot hold numbers, which ``notices`` says.
    """
    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    deep = []
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if field.type in views:
            column = column.cast(views[field.type])
        elif _depth(field.type) > _DEEPEST:
            column = pa.chunked_array([[None if c is None else json.dumps(c, default=str) for c in column.to_pylist()]])
            deep.append(field.name)
        else:
            continue
        table = table.set_column(place, field.name, column)
    if deep:
        notices.append(f"Cells of more than {_DEEPEST} levels are kept as text: {choices(deep)}.")
    return _with_readable_times(table, notices)


def _depth(kind: pa.DataType) -> int:
    deepest, level = 0, [kind]
    while level:
        deepest += 1
        level = [one.field(i).type for one in level for i in range(one.num_fields)]
    return deepest


def _with_readable_times(table: pa.Table, notices: list[str]) -> pa.Table:
    """Keep dates and times that Python cannot hold as whole numbers, and say so.

    Python's dates end with the years 1 and 9999, Arrow's do not, and a time zone may have any name.
    """
    odd = [f.name for f, column in zip(table.schema, table.columns, strict=True) if not _times_fit(f.type, column)]
    if odd:
        kinds = {name: _as_numbers(table.schema.field(name).type) for name in odd}
        fields = [f.with_type(kinds[f.name]) if f.name in kinds else f for f in table.schema]
        table = table.cast(pa.schema(fields), safe=False)
        notices.append(
            f"Dates or times beyond the years 1 to 9999, or in no known time zone, are kept as numbers: {choices(odd)}."
        )
    return table


def _times_fit(kind: pa.DataType, column: pa.ChunkedArray) -> bool:
    if _as_numbers(kind) == kind:
        return True
    try:
        _ = column.to_pylist() if is_nested(kind) else pc.min_max(column).as_py()
    except (OverflowError, ValueError, KeyError, pa.ArrowException):  # KeyError: no such time zone
        return False
    return True


def _as_numbers(kind: pa.DataType) -> pa.DataType:
    """The type with whole numbers in the place of dates and times."""
    if pt.is_temporal(kind) and not pt.is_interval(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()
    if pt.is_struct(kind):
        return pa.struct([f.with_type(_as_numbers(f.type)) for f in kind])
    if pt.is_map(kind):
        return pa.map_(_as_numbers(kind.key_type), _as_numbers(kind.item_type))
    if pt.is_list(kind):
        return pa.list_(kind.value_field.with_type(_as_numbers(kind.value_type)))
    if pt.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_as_numbers(kind.value_type)))
    if pt.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_as_numbers(kind.value_type)), kind.list_size)
    return kind


def looks_like_paths(raw: RawTable, name: str) -> bool:
    """Whether most of a text column's first cells end like image files."""
    if name not in raw.table.column_names:
        return False
    cells = [str(v) for v in raw.table.column(name).slice(0, _PEEK).to_pylist() if v not in (None, "")]
    if not cells:
        return False
    hits = sum(Path(c).suffix.lower() in IMAGE_SUFFIXES for c in cells)
    return 2 * hits > len(cells)


def _mean_length(raw: RawTable, name: str) -> float:
    cells = [str(v) for v in raw.table.column(name).slice(0, _PEEK).to_pylist() if v not in (None, "")]
    return sum(map(len, cells)) / len(cells) if cells else 0.0


def _named(raw: RawTable, columns: ColumnMap) -> dict[str, str]:
    """The columns that were named, each checked to be there (exactly, else without regard to case)."""
    columns_by_role: dict[str, str] = {}
    for role, name in asdict(columns).items():
        if name is None:
            continue
        if name in raw.order:
            columns_by_role[role] = name
            continue
        same = [c for c in raw.order if c.casefold() == name.casefold()]
        if len(same) != 1:
            flag = _ROLE_WORDS.get(role, f"--{role}")
            raise ColumnError(
                f"There is no column {name!r} in {raw.path.name} ({flag}). Its columns are: {choices(raw.order, 40)}."
            )
        columns_by_role[role] = same[0]
    return columns_by_role


def _images_inside(raw: RawTable, name: str) -> bool:
    return name in raw.image_columns and name not in raw.not_images


def _usable(raw: RawTable, role: str, name: str) -> bool:
    """Whether a column with a usual name can play the role by its type and content."""
    kind = raw.types[name]
    if role == "image":
        return _images_inside(raw, name) or (is_text(kind) and looks_like_paths(raw, name))
    if name in raw.image_columns or is_nested(kind):
        return False
    if role == "text":
        return is_text(kind) and not looks_like_paths(raw, name)
    return not (role == "id" and pt.is_floating(kind))


def resolve(
    raw: RawTable, columns: ColumnMap, vectors_apart: bool = False, tags: TagForm | None = None
) -> tuple[ColumnMap, Modality | None, list[str]]:
    """Decide each role's column, and what a sample is.

    Named columns come first, then what the source knows, then the usual names, then the look of the cells.

    Parameters
    ----------
    raw
        The source's rows.
    columns
        The columns that were named.
    vectors_apart
        Embeddings are given in a file of their own: a table of ids and labels is then enough, and its longest text
        column is not taken for the samples.
    tags
        Where the tags are: these columns have no other role.

    Returns
    -------
    columns
        Role → column; ``tags`` is as it was named.
    modality
        None when no column holds images, text or embeddings.
    notices
        Sentences for the person.

    Raises
    ------
    ColumnError
        A named column is not there, has two roles, or is of a type that cannot play its role.
    """
    notices: list[str] = []
    columns_by_role = _named(raw, replace(columns, tags=None))
    by_column: dict[str, str] = {}
    for role, name in columns_by_role.items():
        if name in by_column and {role, by_column[name]} & {"image", "text", "label"} == {role, by_column[name]}:
            raise ColumnError(
                f"Column {name!r} cannot be both {by_column[name]} and {role}. Name another for one of them."
            )
        by_column[name] = role
    for role, name in asdict(raw.roles).items():
        if name is not None and role != "tags":
            columns_by_role.setdefault(role, name)
    _check_types(raw, columns_by_role)
    taken = {*columns_by_role.values(), *(tags.columns if tags is not None else ())}
    by_name: dict[str, str] = {}
    for name in raw.order:
        by_name.setdefault(normalized(name), name)
    guess: dict[str, str] = {}
    passed: dict[str, str] = {}
    for role, names in USUAL_NAMES.items():
        if role in columns_by_role:
            continue
        for usual in names:
            name = by_name.get(usual, "")
            if not name or name in taken:
                continue
            if _usable(raw, role, name):
                columns_by_role[role] = guess[role] = name
                taken.add(name)
                break
            passed.setdefault(role, name)
    _by_look(raw, columns_by_role, guess, taken, notices, vectors_apart)
    named_text = columns.text is not None
    image = guess.get("image", "")
    if named_text and image in raw.table.column_names and not _any_file(raw, image):
        del columns_by_role["image"], guess["image"]
        notices.append(f"Column {image!r} looks like image paths, but no file is there. Use --image to name it.")
    notices += [
        _why_passed(raw, role, name)
        for role, name in passed.items()
        if role not in (*columns_by_role, "image", "text")
        and name not in (*columns_by_role.values(), *raw.image_columns)
    ]
    unused = [name for name in raw.image_columns if name in raw.not_images and name not in columns_by_role.values()]
    if unused:
        notices.append(
            f"Bytes that do not look like images are not used: {choices(unused)}. Use --image for a column of images."
        )
    if (
        "image" in columns_by_role
        and "text" in columns_by_role
        and not named_text
        and normalized(columns_by_role["text"]) not in _PAIRED
    ):
        del columns_by_role["text"]
        guess.pop("text", None)
    if tags is not None and columns.tags is None and raw.roles.tags is None:
        guess["tags"] = tags.columns[0]
    if guess:
        shown = ", ".join(f"{role} = {name!r}" for role, name in guess.items())
        notices.insert(0, f"Columns recognised: {shown}.")
    return ColumnMap(**columns_by_role), _modality(raw, columns_by_role, vectors_apart), notices


def _why_passed(raw: RawTable, role: str, name: str) -> str:
    """Say why a column with a usual name does not play its role."""
    kind = raw.types[name]
    flag = _ROLE_WORDS.get(role, f"--{role}")
    if role == "id" and pt.is_floating(kind):
        return f"Column {name!r} is not used as the id: it holds decimal numbers. If they are ids, give {flag} {name}."
    holds = "lists" if is_list(kind) else plain_type(kind)
    return (
        f"Column {name!r} is not used as the {role}: it holds {holds}, and one value per row is needed. "
        f"Use {flag} to choose another column."
    )


def _any_file(raw: RawTable, name: str) -> bool:
    """Whether one of the first paths of a column leads to a file, or to something that cannot be looked at."""
    cells = [str(v) for v in raw.table.column(name).slice(0, _PEEK).to_pylist() if v]
    return any(os.path.lexists(find_file(raw.root, c)) for c in cells if "\0" not in c)


def _by_look(
    raw: RawTable,
    columns_by_role: dict[str, str],
    guess: dict[str, str],
    taken: set[str],
    notices: list[str],
    vectors_apart: bool,
) -> None:
    """Find images and text under unusual names."""
    free = [c for c in raw.order if c not in taken]
    if "image" not in columns_by_role:
        image = next((c for c in free if _images_inside(raw, c)), None)
        if image is None and "text" not in columns_by_role:
            image = next((c for c in free if is_text(raw.types[c]) and looks_like_paths(raw, c)), None)
        if image is not None:
            columns_by_role["image"] = guess["image"] = image
            taken.add(image)
    if "image" in columns_by_role or "text" in columns_by_role or raw.vector_columns or vectors_apart:
        return
    texts = [c for c in free if is_text(raw.types[c]) and c in raw.table.column_names and not looks_like_paths(raw, c)]
    longest = max(texts, key=lambda c: _mean_length(raw, c), default=None)
    if longest is not None and _mean_length(raw, longest) >= 8:
        columns_by_role["text"] = longest
        taken.add(longest)
        notices.append(
            f"No column has a usual name for text; {longest!r} was taken, the longest. Use --text to choose."
        )


def _check_types(raw: RawTable, columns_by_role: dict[str, str]) -> None:
    for role, name in columns_by_role.items():
        kind = raw.types[name]
        holds = "bytes that are not UTF-8 text" if name in raw.not_images else plain_type(kind)
        if role == "image":
            good = name in raw.image_columns or is_text(kind)
            wanted = "image bytes or the paths of image files"
        elif name in raw.image_columns:
            good, wanted = False, "text or numbers"
        else:
            good, wanted = not is_nested(kind), "one value per row"
        if not good:
            raise ColumnError(
                f"Column {name!r} cannot be used as {role}: it holds {holds}, and {wanted} is needed. "
                f"The columns are: {choices(raw.order, 40)}."
            )


def _modality(raw: RawTable, columns_by_role: dict[str, str], vectors_apart: bool) -> Modality | None:
    if "image" in columns_by_role:
        return Modality.PAIR if "text" in columns_by_role else Modality.IMAGE
    if "text" in columns_by_role:
        return Modality.TEXT
    return Modality.VECTOR if raw.vector_columns or vectors_apart else None


def nothing_usable(raw: RawTable) -> SourceError:
    """Make the error for a table in which no column is an image, a text or an embedding."""
    return SourceError(
        f"No column of {raw.path.name} holds images, text or embeddings. Its columns are: {choices(raw.order, 40)}. "
        "Say which one does with --image or --text, or give embeddings with --embeddings."
    )


def vector_columns(schema: pa.Schema) -> tuple[str, ...]:
    """Find the columns that hold embeddings: one list of floats, or many float columns."""
    lists = [f.name for f in schema if is_vector(f.type)]
    if lists:
        usual = [name for name in lists if normalized(name) in ("embedding", "embeddings", "vector", "features", "emb")]
        return tuple((usual or lists)[:1])
    floats = [f.name for f in schema if pt.is_floating(f.type)]
    return tuple(floats) if len(floats) >= _MANY_FLOATS and 2 * len(floats) > len(schema) else ()


def cell_note(value: Any) -> str | None:
    """Write a short note in place of image bytes or a vector."""
    if value is None:
        return None
    if isinstance(value, dict):
        if value.get("bytes") is not None:
            return f"image, {plural(len(value['bytes']), 'byte')}"
        return str(value.get("path") or "empty image")
    if isinstance(value, bytes):
        return f"image, {plural(len(value), 'byte')}"
    if isinstance(value, list):
        return f"vector of {plural(len(value), 'number')}"
    return str(value)
