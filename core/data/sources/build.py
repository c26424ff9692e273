"""From a source's raw rows to a Dataset or a Preview: column roles, ids, labels, content hashes, fingerprints."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ... import fingerprint as fp
from ...errors import ColumnError, SourceError, choices, plural
from ...types import (
    NO_LABEL,
    ColumnMap,
    Dataset,
    Int32,
    MediaRef,
    Modality,
    Progress,
    ProgressFn,
    Strings,
    TagForm,
    Tags,
)
from ..media.reader import MediaReader, find_file
from .base import Column, Preview, RawTable
from .cell_types import with_cell_types
from .columns import cell_note, nothing_usable, plain_type, resolve
from .labels import duplicates, encode, summary, to_strings
from .tags import columns_of, find_tags, read_tags, spec_of, tags_fingerprint

EAGER_HASH_BYTES = 1 << 30
"""Images are hashed while the source is opened up to this total size (1 GiB). Above it, size and time of change stand
for the content, and ``content_hash`` stays "" (:func:`winnow.core.data.media.content_hashes` has the hashes after the
decoding pass). Inline images without an id column are always hashed: their ids are the hashes."""


@dataclass
class _Content:
    """What is known of the samples' content: hashes, rows that cannot be read and why, and a cheap identity."""

    hashes: Strings
    errors: dict[int, str] = field(default_factory=dict)
    identity: str = ""


def strings_of(column: pa.ChunkedArray) -> Strings:
    """Turn a column into (n,) str objects, "" for null."""
    return np.asarray(to_strings(column).fill_null("").to_numpy(zero_copy_only=False), object)


def dataset_name(path: Path | str) -> str:
    """Name a dataset after its folder (the whole name: ``photos.v2``), or after its file without the suffix."""
    where = Path(path).expanduser().absolute()
    return where.resolve().name if where.is_dir() else where.stem


def build_dataset(raw: RawTable, named: ColumnMap, progress: ProgressFn, vectors_apart: bool = False) -> Dataset:
    """Make the Dataset. See :func:`winnow.core.data.sources.open_source`."""
    raw = with_named_image(raw, named)
    raw, form = _with_tags(raw, named)
    columns, modality, notices = resolve(raw, named, vectors_apart, form)
    if modality is None:
        raise nothing_usable(raw)
    notices = [*raw.notices, *notices]
    n = raw.n
    metadata = raw.table
    if raw.vector_columns and modality is Modality.VECTOR:
        shown = choices(raw.vector_columns, 2)
        notices.append(
            f"There are only embeddings here ({shown}): nothing to look at, and they are not repeated in exports."
        )
    elif raw.vector_columns and raw.full is not None:
        metadata = raw.full()
    if raw.untyped:
        texts_kept = [name for name in asdict(columns).values() if name is not None]
        metadata = with_cell_types(metadata, [*texts_kept, *(form.columns if form is not None else ())])
    media, uris = _media(raw, columns)
    texts = None if columns.text is None else strings_of(raw.table.column(columns.text))
    content = _content(raw, columns, media, uris, texts, progress)
    _check_errors(raw, columns, content, n, notices)
    if content.identity:
        media = MediaRef(media.kind, media.root, media.column, {**media.options, "identity": content.identity})
    ids = _ids(raw, columns, content, uris, texts)
    tags = None
    if form is not None:
        tags, said = read_tags(raw, form)
        columns = replace(columns, tags=spec_of(form))
        notices += said
    codes, names = _labels(raw, columns, notices, tags)
    split = None if columns.split is None else strings_of(raw.table.column(columns.split))
    source = None if columns.source is None else strings_of(raw.table.column(columns.source))
    if n == 1:
        notices.append("There is only one sample: nothing can be compared with it.")
    parts = [columns, modality, fp.of_strings(ids), fp.of_strings(content.hashes), content.identity]
    parts += [fp.of_array(codes), list(names), *(None if s is None else fp.of_strings(s) for s in (split, source))]
    if tags is not None:
        parts.append(tags_fingerprint(tags))
    return Dataset(
        dataset_id=fp.of(str(raw.path.resolve()), columns),
        name=dataset_name(raw.path),
        sample_ids=ids,
        content_hash=content.hashes,
        labels=codes,
        class_names=names,
        modality=modality,
        media=media,
        fingerprint=fp.of(*parts),
        columns=columns,
        uris=uris,
        texts=texts,
        split=split,
        source=source,
        metadata=metadata,
        load_errors=content.errors,
        notices=tuple(notices),
        tags=tags,
    )


def _with_tags(raw: RawTable, named: ColumnMap) -> tuple[RawTable, TagForm | None]:
    """Find the tags; their columns are among the light ones then, even where they look like an embedding."""
    taken = {v for columns in (named, raw.roles) for role, v in asdict(columns).items() if v and role != "tags"}
    form = find_tags(raw, named.tags or raw.roles.tags, taken)
    hidden = [name for name in raw.vector_columns if form is not None and name in form.columns]
    if form is None or not hidden:
        return raw, form
    cells = dict(zip(hidden, columns_of(raw, hidden), strict=True))
    known = set(raw.table.column_names)
    light = {n: cells[n] if n in cells else raw.table.column(n) for n in raw.order if n in cells or n in known}
    return replace(
        raw, table=pa.table(light), vector_columns=tuple(n for n in raw.vector_columns if n not in cells)
    ), form


def content_fingerprint(dataset: Dataset) -> str:
    """Fingerprint of the samples' content in order, without labels: the key of the media pass and of embeddings."""
    texts = None if dataset.texts is None else fp.of_strings(dataset.texts)
    uris = None if dataset.uris is None else fp.of_strings(dataset.uris)
    identity = dataset.media.options.get("identity", "")
    return fp.of(dataset.modality, fp.of_strings(dataset.content_hash), texts, uris, identity)


def build_preview(raw: RawTable, named: ColumnMap, rows: int) -> Preview:
    """Make the Preview. See :func:`winnow.core.data.sources.preview`."""
    raw = with_named_image(raw, named)
    raw, form = _with_tags(raw, named)
    columns, modality, notices = resolve(raw, named, tags=form)
    if form is not None:
        columns = replace(columns, tags=spec_of(form))
    count = min(rows, raw.n)
    shown = raw.table.slice(0, count)
    cells: dict[str, list[Any]] = {name: shown.column(name).to_pylist() for name in shown.column_names}
    for name in raw.order:
        if name not in cells:
            values = list(raw.head.get(name, ()))[:count]
            cells[name] = [*values, *[None] * (count - len(values))]
    return Preview(
        kind=raw.source,
        path=str(raw.path),
        columns=tuple(
            Column(name, "bytes" if name in raw.not_images else plain_type(raw.types[name])) for name in raw.order
        ),
        rows=[{name: cells[name][i] for name in raw.order} for i in range(count)],
        guessed=columns,
        modality=modality,
        n=raw.total,
        notices=(*raw.notices, *notices),
    )


def with_named_image(raw: RawTable, named: ColumnMap) -> RawTable:
    """Return the rows with a column of bytes that a person names as the image as bytes, whatever they look like."""
    name = next((c for c in raw.text_bytes if named.image is not None and c.casefold() == named.image.casefold()), None)
    if name is None:
        return raw
    cells = raw.table.column(name).slice(0, 100).to_pylist()
    return replace(
        raw,
        table=raw.table.drop_columns([name]),
        types={**raw.types, name: pa.binary()},
        image_columns=(*raw.image_columns, name),
        text_bytes=raw.text_bytes - {name},
        head={**raw.head, name: [cell_note(None if cell is None else cell.encode()) for cell in cells]},
        full=None if raw.full is None else lambda: _without(raw, name),
    )


def _without(raw: RawTable, name: str) -> pa.Table:
    assert raw.full is not None
    table = raw.full()
    return table.drop_columns([name]) if name in table.column_names else table


def _media(raw: RawTable, columns: ColumnMap) -> tuple[MediaRef, Strings | None]:
    if columns.image is None:
        return MediaRef(), None
    if columns.image in raw.image_columns:
        if raw.media is None:
            raise SourceError(f"{raw.path.name} holds image bytes that cannot be read again.")
        named = columns.image in raw.table.column_names
        return raw.media(columns.image), strings_of(raw.table.column(columns.image)) if named else None
    return MediaRef("files", str(raw.root.resolve())), strings_of(raw.table.column(columns.image))


def _content(
    raw: RawTable,
    columns: ColumnMap,
    media: MediaRef,
    uris: Strings | None,
    texts: Strings | None,
    progress: ProgressFn,
) -> _Content:
    n = raw.n
    if media.kind == "files" and uris is not None:
        content = _files(raw, media, uris, progress)
    elif media.kind != "none" and columns.image is not None:
        size = raw.bytes_size.get(columns.image, 0)
        if uris is None and (columns.id is None or size <= EAGER_HASH_BYTES):
            content = _inline(media, n, progress)
        else:
            content = _Content(np.full(n, "", object), identity=raw.identity)
    elif texts is not None:
        return _Content(np.array([fp.of_bytes(t.encode("utf-8", "surrogatepass")) for t in texts], object))
    else:
        return _Content(np.full(n, "", object), identity=raw.identity)
    if texts is not None:
        joined = zip(content.hashes, texts, strict=True)
        content.hashes = np.array([h and fp.of_strings((h, t)) for h, t in joined], object)
    return content


def _inline(media: MediaRef, n: int, progress: ProgressFn) -> _Content:
    hashes = np.full(n, "", object)
    errors = {}
    for row, cell in MediaReader.of(media).iter(range(n)):
        if isinstance(cell, Exception):
            errors[row] = str(cell)
        else:
            hashes[row] = fp.of_bytes(cell)
        if row % 1000 == 0:
            progress(Progress("source", row, n, "images", "reading"))
    return _Content(hashes, errors)


def _stat(path: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return None
    return stat.st_size, stat.st_mtime_ns


def _files(raw: RawTable, media: MediaRef, uris: Strings, progress: ProgressFn) -> _Content:
    """Stat every file, and hash them all unless they are too large together."""
    n = len(uris)
    root = raw.root.resolve()
    base = str(root)
    paths = [(str(find_file(root, u)) if "\\x" in u else os.path.join(base, u)) if u else "" for u in uris]
    stats = [_stat(p) if p else None for p in paths]
    errors = {
        i: ("the file is not there" if uris[i] else "the path is empty") for i, s in enumerate(stats) if s is None
    }
    hashes = np.full(n, "", object)
    if sum(s[0] for s in stats if s) > EAGER_HASH_BYTES:
        return _Content(hashes, errors, fp.of_strings("-" if s is None else f"{s[0]}:{s[1]}" for s in stats))
    reader = MediaReader.of(media, uris)

    def digest(row: int) -> str | OSError:
        try:
            return fp.of_bytes(reader.read(row))
        except OSError as error:
            return error

    rows = [i for i, s in enumerate(stats) if s is not None]
    with ThreadPoolExecutor(4) as pool:
        for done, (row, answer) in enumerate(zip(rows, pool.map(digest, rows, chunksize=64), strict=True)):
            if isinstance(answer, OSError):
                errors[row] = str(answer)
            else:
                hashes[row] = answer
            if done % 1000 == 0:
                progress(Progress("source", done, n, "images", "reading"))
    return _Content(hashes, errors)


def _check_errors(raw: RawTable, columns: ColumnMap, content: _Content, n: int, notices: list[str]) -> None:
    if not content.errors:
        return
    first = min(content.errors)
    if len(content.errors) == n and columns.image not in raw.image_columns:
        example = raw.table.column(columns.image)[first].as_py()
        raise SourceError(
            f"None of the {plural(n, 'image')} named in column {columns.image!r} of {raw.path.name} can be read "
            f"(first: {example!r}, {content.errors[first]}). Paths are read relative to {str(raw.root)!r}; move the "
            "table there, or name another column with --image."
        )
    notices.append(
        f"{len(content.errors):,} of {plural(n, 'image')} cannot be read (first: row {first + 1}, "
        f"{content.errors[first]}). "
        "These samples are kept as broken."
    )


def _ids(raw: RawTable, columns: ColumnMap, content: _Content, uris: Strings | None, texts: Strings | None) -> Strings:
    if columns.id is not None:
        return _checked_ids(raw, columns.id)
    if uris is not None:
        stems: Iterable[str] = (fp.of_strings((u, t)) for u, t in zip(uris, _or_blank(texts, raw.n), strict=True))
    elif content.hashes.size and any(content.hashes):
        stems = (h or fp.of_bytes(b"") for h in content.hashes)
    else:
        stems = _row_hashes(raw)
    seen: dict[str, int] = {}
    ids = []
    for stem in stems:
        seen[stem] = seen.get(stem, 0) + 1
        ids.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return np.array(ids, object)


def _or_blank(texts: Strings | None, n: int) -> Iterable[str]:
    return texts if texts is not None else [""] * n


def _row_hashes(raw: RawTable) -> Iterable[str]:
    """Hash of each row's plain columns, for tables without images or text."""
    if not raw.table.num_columns:
        return (f"row-{i + 1}" for i in range(raw.n))
    columns = [strings_of(pc.cast(raw.table.column(c), pa.string())) for c in raw.table.column_names]
    return (fp.of_strings(row) for row in zip(*columns, strict=True))


def _checked_ids(raw: RawTable, name: str) -> Strings:
    ids = strings_of(raw.table.column(name))
    blank = [i for i, value in enumerate(ids) if not value.strip()]
    if blank:
        raise ColumnError(
            f"Column {name!r} is used as the id, but {len(blank):,} of its cells are empty (first: row {blank[0] + 1})."
            " Fill them, or choose another column with --id."
        )
    repeated = duplicates(ids)
    if repeated:
        shown = ", ".join(f"{value!r} ({count}×)" for value, count in repeated[:5])
        more = f" and {len(repeated) - 5:,} more" if len(repeated) > 5 else ""
        raise ColumnError(
            f"Column {name!r} is used as the id, but some values occur more than once: {shown}{more}. "
            "Make them unique, or choose another column with --id."
        )
    return ids


def _labels(raw: RawTable, columns: ColumnMap, notices: list[str], tags: Tags | None) -> tuple[Int32, tuple[str, ...]]:
    name = columns.label
    names: tuple[str, ...] = ()
    if name is None:
        codes = np.full(raw.n, NO_LABEL, np.int32)
    else:
        encoded = encode(raw.table.column(name), name, raw.class_names.get(name))
        codes, names = encoded.codes, encoded.names
        notices.extend(encoded.notices)
    if name is not None or tags is None:
        notices.extend(summary(codes, names, name is not None))
    return codes, names
