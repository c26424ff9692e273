"""Tags in an export: the final ones as columns of their own, or in the place and the form in which they came in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from ..data.sources.tags import FINAL_TAGS, is_no, is_yes, join_cell
from ..errors import ExportError, choices
from ..storage.tag_tables import TagTables
from ..types import TagForm

FORMS = ("list", "delimited", "columns")
"""How the final tags can be written: a list, a text with a separator, or a column of 1 and 0 a tag."""

_LIST = pa.list_(pa.string())


class TagColumns:
    """The tags of an export.

    ``tags_original`` and ``tags_final`` are lists. As "columns", ``tags_final.TAG`` is 1 or 0 for each tag, null where
    nobody looked; as "delimited", ``tags_final`` is a text with the separator that came in, or a comma.

    Parameters
    ----------
    tables
        The tags of the scan.
    names
        All tags, those that decisions added included.
    written_as
        One of :data:`FORMS`; None = as they came in: columns of yes and no as columns, all else as a list.
    replace
        Whether the original columns take over the final tags, in the form that they have.

    Raises
    ------
    ExportError
        No form is called so.
    """

    def __init__(
        self, tables: TagTables, names: Sequence[str], written_as: str | None = None, replace: bool = False
    ) -> None:
        if written_as is not None and written_as not in FORMS:
            raise ExportError(f"Tags cannot be written as {written_as!r}. There are: {choices(FORMS)}.")
        self.tables, self.names, self.replace = tables, tuple(names), replace
        apart = tables.form.kind in ("columns", "struct") or _by_pairs(tables)
        self.written_as = written_as or ("columns" if apart else "list")
        self.separator = tables.form.separator or ","
        self.begin()

    def begin(self) -> None:
        """Count anew."""
        self._changed = 0
        self._without_place: set[str] = set()

    def summary(self) -> dict[str, Any]:
        """Counts for the manifest, complete after all rows."""
        return {
            "tags": list(self.names),
            "tags_changed": self._changed,
            "tags_as": self.written_as,
            **({"tag_separator": self.separator} if self.written_as == "delimited" else {}),
            **({"tags_without_place": sorted(self._without_place)} if self._without_place else {}),
        }

    @property
    def fields(self) -> dict[str, pa.DataType]:
        """Name → type of the columns that are added."""
        added: dict[str, pa.DataType] = {"tags_original": _LIST}
        if self.written_as == "columns":
            return added | {f"{FINAL_TAGS}.{name}": pa.int8() for name in self.names}
        return added | {FINAL_TAGS: _LIST if self.written_as == "list" else pa.string()}

    def final(self, rows: Sequence[int], decided: Sequence[Sequence[str] | None]) -> list[list[str] | None]:
        """The final tags of these rows: those of a decision, else the given ones; None = nobody looked."""
        annotated = self.tables.annotated
        out: list[list[str] | None] = []
        for row, tags in zip(rows, decided, strict=True):
            if tags is not None:
                out.append(list(tags))
            elif annotated is not None and annotated.indptr[row] == annotated.indptr[row + 1]:
                out.append(None)
            else:
                out.append(self.tables.of_row(row))
        return out

    def added(self, rows: Sequence[int], decided: Sequence[Sequence[str] | None]) -> dict[str, pa.Array]:
        """The columns that are added, for consecutive rows.

        Parameters
        ----------
        rows
            Numbers of rows in the scan.
        decided
            For each, the tags of a decision in force, None = unchanged.
        """
        given, final = self.final(rows, [None] * len(rows)), self.final(rows, decided)
        self._changed += sum(set(a or ()) != set(b or ()) for a, b in zip(given, final, strict=True))
        columns = {"tags_original": pa.array(given, _LIST)}
        if self.written_as == "list":
            return columns | {FINAL_TAGS: pa.array(final, _LIST)}
        if self.written_as == "delimited":
            cells = [None if tags is None else join_cell(tags, self.separator) for tags in final]
            return columns | {FINAL_TAGS: pa.array(cells, pa.string())}
        states = self._states(rows, decided)
        return columns | {
            f"{FINAL_TAGS}.{name}": pa.array(states[:, t], pa.int8(), mask=states[:, t] < 0)
            for t, name in enumerate(self.names)
        }

    def _states(self, rows: Sequence[int], decided: Sequence[Sequence[str] | None]) -> NDArray[np.int8]:
        """(rows, tags) int8: 1 = carries it, 0 = does not, −1 = nobody looked. Who decides looks at every tag."""
        known = len(self.tables.names)
        states = np.zeros((len(rows), len(self.names)), np.int8)
        numbers = np.asarray(rows, np.int64)
        states[:, :known] = self.tables.given[numbers].toarray()
        if self.tables.annotated is not None:
            looked = self.tables.annotated[numbers].toarray()
            states[:, :known][~looked] = -1
            states[~looked.any(axis=1)] = -1
        place = {name: i for i, name in enumerate(self.names)}
        for i, tags in enumerate(decided):
            if tags is not None:
                states[i] = 0
                states[i, [place[tag] for tag in tags]] = 1
        return states

    def in_place(
        self, columns: Mapping[str, Any], rows: Sequence[int], decided: Sequence[Sequence[str] | None]
    ) -> dict[str, Any]:
        """The original columns of tags with the final ones, in their own form; cells that do not change stay.

        Parameters
        ----------
        columns
            Original column → cells of these rows.
        rows, decided
            As of :meth:`added`.
        """
        form = self.tables.form
        changed = {i: list(tags) for i, tags in enumerate(decided) if tags is not None}
        changed = {i: tags for i, tags in changed.items() if set(tags) != set(self.tables.of_row(rows[i]))}
        if not changed:
            return {}
        if form.kind == "columns":
            self._without_place |= {tag for tags in changed.values() for tag in tags} - set(self.tables.names)
            return {name: self._yes_no(columns[name], name.removeprefix(form.prefix), changed) for name in form.columns}
        name = form.columns[0]
        kind, cells = columns[name].type, columns[name].to_pylist()
        for i, tags in changed.items():
            cells[i] = self._cell(cells[i], tags, form, kind)
        return {name: pa.array(cells, kind)}

    def _cell(self, cell: Any, tags: list[str], form: TagForm, kind: pa.DataType) -> Any:
        """A cell of the original column with these tags. Tags that have no code or field there are noted."""
        if form.kind == "list" and pt.is_integer(kind.value_type):
            code = {name: i for i, name in enumerate(self.tables.names)}
            if not form.coded:
                code = {name: int(name) for name in tags if name.lstrip("-").isdecimal()}
            self._without_place |= set(tags) - set(code)
            return [code[tag] for tag in tags if tag in code]
        if form.kind == "list":
            return tags
        if form.kind == "delimited":
            return join_cell(tags, form.separator)
        if form.kind == "struct":
            fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
            self._without_place |= set(tags) - set(fields)
            return {name: _as_state(name in tags, type_) for name, type_ in fields.items()}
        try:
            read = json.loads(cell or "[]")
        except ValueError:
            read = []
        if isinstance(read, dict):
            as_truth = any(isinstance(v, bool) for v in read.values())
            states = {key: key in tags for key in dict.fromkeys([*read, *tags])}
            return json.dumps(states if as_truth else {k: int(v) for k, v in states.items()}, ensure_ascii=False)
        return json.dumps(tags, ensure_ascii=False)

    @staticmethod
    def _yes_no(column: Any, tag: str, changed: Mapping[int, Sequence[str]]) -> pa.Array:
        cells = column.to_pylist()
        words = [cell for cell in cells if isinstance(cell, str)]
        yes, no = next(filter(is_yes, words), "1"), next(filter(is_no, words), "0")
        for i, tags in changed.items():
            cells[i] = (yes if tag in tags else no) if words else _as_state(tag in tags, column.type)
        return pa.array(cells, column.type)


def _as_state(yes: bool, kind: pa.DataType) -> Any:
    if pt.is_boolean(kind):
        return yes
    if pt.is_string(kind) or pt.is_large_string(kind):
        return "1" if yes else "0"
    return float(yes) if pt.is_floating(kind) else int(yes)


def _by_pairs(tables: TagTables) -> bool:
    """Whether single pairs are not annotated, not only whole samples (a list says that by being null)."""
    if tables.annotated is None:
        return False
    counts = np.diff(tables.annotated.indptr)
    return bool(((counts > 0) & (counts < len(tables.names))).any())
