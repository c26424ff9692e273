"""The differences between two exports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..data.formulas import FORMULAS_KEY, MARKED, unmark_formulas
from ..data.sources.tags import FINAL_TAGS, split_cell
from ..errors import ExportError


@dataclass(frozen=True)
class ExportDiff:
    """Differences between two exports.

    Attributes
    ----------
    before, after
        Numbers of rows.
    added, removed
        Sample ids, sorted.
    relabelled
        (id, label before, label after), by id.
    retagged
        (id, tags added, tags removed), by id.
    tags
        Tag → (count before, count after), for tags whose count changed.
    weights
        Number of common samples whose weight changed by more than 0.0001.
    labels
        Label → (count before, count after), for labels whose count changed.
    settings
        Name → (before, after), for settings in which the manifests differ.
    """

    before: int
    after: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    relabelled: tuple[tuple[str, str | None, str | None], ...] = ()
    weights: int = 0
    labels: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    settings: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    retagged: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()
    tags: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether both hold the same samples with the same labels and weights."""
        return not (self.added or self.removed or self.relabelled or self.retagged or self.weights)


_SETTINGS = ("file_format", "winnow_version", "selection", "filter", "queue", "include_excluded")


def diff(before: str | Path, after: str | Path) -> ExportDiff:
    """Compare two exports, of any formats, by sample id.

    Raises
    ------
    ExportError
        One of them is no export of Winnow's, or has no ids.
    """
    old_manifest, new_manifest = read_manifest(before), read_manifest(after)
    old, new = rows_of(before, old_manifest), rows_of(after, new_manifest)
    both = sorted(old.keys() & new.keys())
    counts = Counter(row.label or "" for row in old.values()), Counter(row.label or "" for row in new.values())
    tag_counts = [Counter(tag for row in rows.values() for tag in row.tags or ()) for rows in (old, new)]
    names = sorted(tag_counts[0].keys() | tag_counts[1].keys())
    tags = {name: (tag_counts[0][name], tag_counts[1][name]) for name in names}
    settings = {k: (old_manifest.get(k), new_manifest.get(k)) for k in _SETTINGS}
    seq = [(m.get("decision_log") or {}).get("seq") for m in (old_manifest, new_manifest)]
    settings |= {"decisions in the log": (seq[0], seq[1])}
    return ExportDiff(
        before=len(old),
        after=len(new),
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        relabelled=tuple((i, old[i].label, new[i].label) for i in both if old[i].label != new[i].label),
        weights=sum(abs(old[i].weight - new[i].weight) > 1e-4 for i in both),
        retagged=tuple(
            (i, tuple(sorted(new[i].tag_set - old[i].tag_set)), tuple(sorted(old[i].tag_set - new[i].tag_set)))
            for i in both
            if old[i].tag_set != new[i].tag_set
        ),
        tags={name: pair for name, pair in tags.items() if pair[0] != pair[1]},
        labels={
            name: (counts[0][name], counts[1][name])
            for name in sorted(counts[0].keys() | counts[1].keys())
            if counts[0][name] != counts[1][name]
        },
        settings={k: v for k, v in settings.items() if v[0] != v[1]},
    )


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Read the manifest of an export.

    Raises
    ------
    ExportError
        It is missing or cannot be read.
    """
    path = Path(path).expanduser()
    try:
        return dict(json.loads(path.with_name(f"{path.name}.manifest.json").read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ExportError(
            f"{str(path)!r} is no export of Winnow's: {path.name}.manifest.json is not beside it, or cannot be read."
        ) from error


@dataclass(frozen=True)
class ExportedRow:
    """One sample of an export: its label in force, its weight, and its final tags (None = it has none of them)."""

    label: str | None
    weight: float
    tags: tuple[str, ...] | None = None

    @property
    def tag_set(self) -> frozenset[str]:
        """The tags, without their order."""
        return frozenset(self.tags or ())


def rows_of(path: str | Path, manifest: Mapping[str, Any]) -> dict[str, ExportedRow]:
    """Read an export of any format by sample id.

    Raises
    ------
    ExportError
        The export has no ids, or does not match its manifest.
    """
    path = Path(path).expanduser()
    names = manifest.get("added_columns", {})
    columns = [manifest.get("id_column"), names.get("label_final"), names.get("sample_weight")]
    tagged = [names[name] for name in names if name == FINAL_TAGS or name.startswith(f"{FINAL_TAGS}.")]
    if "table" in manifest:
        path, columns = path.with_name(manifest["table"]), ["sample_id", "label", "weight"]
        tagged = ["tags"] if manifest.get("tags") else []
    if not all(columns):
        raise ExportError(
            f"The manifest of {path.name!r} names no id column: it was written by an older Winnow. Export anew."
        )
    try:
        table = _read(path, [*(str(c) for c in columns), *tagged], manifest)
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise ExportError(f"{str(path)!r} cannot be read as the export its manifest describes: {error}.") from error
    ids, labels, weights = (table[c].to_pylist() for c in columns)
    tags = _final_tags(table, tagged, str(manifest.get("tag_separator") or ","))
    return {
        str(i): ExportedRow(label, 1.0 if w is None else float(w), own)
        for i, label, w, own in zip(ids, labels, weights, tags, strict=True)
    }


def _final_tags(table: pa.Table, columns: list[str], separator: str) -> list[tuple[str, ...] | None]:
    """The final tags of each row, as a list, as a text, or as a column of 1 and 0 a tag."""
    if not columns:
        return [None] * table.num_rows
    if len(columns) > 1 or "." in columns[0]:
        names = [column.partition(f"{FINAL_TAGS}.")[2] for column in columns]
        cells = [[str(c) for c in table[column].to_pylist()] for column in columns]
        return [tuple(n for n, c in zip(names, row, strict=True) if c == "1") for row in zip(*cells, strict=True)]
    out: list[tuple[str, ...] | None] = []
    for cell in table[columns[0]].to_pylist():
        if isinstance(cell, str):
            cell = json.loads(cell) if cell.startswith("[") else split_cell(cell, separator)
        out.append(None if cell is None else tuple(tag for tag in cell if tag))
    return out


def _read(path: Path, columns: list[str], manifest: Mapping[str, Any]) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path, columns=columns)
    if path.suffix == ".csv":
        import pyarrow.csv as pcsv

        kinds = {name: pa.string() for name in columns} | {columns[2]: pa.float64()}
        options = pcsv.ConvertOptions(
            include_columns=columns,
            column_types=kinds,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        table = pcsv.read_csv(path, parse_options=pcsv.ParseOptions(newlines_in_values=True), convert_options=options)
        for place, name in enumerate(columns):
            if place != 2:
                table = table.set_column(place, name, _read_back(table[name], manifest))
        return table
    with path.open(encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    return pa.table({c: [r[c] for r in rows] for c in columns})


def _read_back(texts: Any, manifest: Mapping[str, Any]) -> Any:
    """Undo what a CSV export wrote before texts that a spreadsheet would run."""
    if FORMULAS_KEY in manifest:
        return unmark_formulas(texts)[0] if manifest[FORMULAS_KEY] == MARKED else texts
    earlier = pc.fill_null(pc.match_substring_regex(texts, r"^'[=+\-@\t\r\n＝＋－＠]"), False)
    return pc.if_else(earlier, pc.utf8_slice_codeunits(texts, 1), texts)
