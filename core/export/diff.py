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

    @property
    def same(self) -> bool:
        """Whether both hold the same samples with the same labels and weights."""
        return not (self.added or self.removed or self.relabelled or self.weights)


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
    counts = Counter(label or "" for label, _ in old.values()), Counter(label or "" for label, _ in new.values())
    settings = {k: (old_manifest.get(k), new_manifest.get(k)) for k in _SETTINGS}
    seq = [(m.get("decision_log") or {}).get("seq") for m in (old_manifest, new_manifest)]
    settings |= {"decisions in the log": (seq[0], seq[1])}
    return ExportDiff(
        before=len(old),
        after=len(new),
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        relabelled=tuple((i, old[i][0], new[i][0]) for i in both if old[i][0] != new[i][0]),
        weights=sum(abs(old[i][1] - new[i][1]) > 1e-4 for i in both),
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


def rows_of(path: str | Path, manifest: Mapping[str, Any]) -> dict[str, tuple[str | None, float]]:
    """Read an export of any format: sample id → label in force and weight.

    Raises
    ------
    ExportError
        The export has no ids, or does not match its manifest.
    """
    path = Path(path).expanduser()
    names = manifest.get("added_columns", {})
    columns = [manifest.get("id_column"), names.get("label_final"), names.get("sample_weight")]
    if "table" in manifest:
        path, columns = path.with_name(manifest["table"]), ["sample_id", "label", "weight"]
    if not all(columns):
        raise ExportError(
            f"The manifest of {path.name!r} names no id column: it was written by an older Winnow. Export anew."
        )
    try:
        table = _read(path, [str(c) for c in columns], manifest)
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise ExportError(f"{str(path)!r} cannot be read as the export its manifest describes: {error}.") from error
    ids, labels, weights = (table[c].to_pylist() for c in columns)
    return {str(i): (label, 1.0 if w is None else float(w)) for i, label, w in zip(ids, labels, weights, strict=True)}


def _read(path: Path, columns: list[str], manifest: Mapping[str, Any]) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path, columns=columns)
    if path.suffix == ".csv":
        import pyarrow.csv as pcsv

        kinds = {columns[0]: pa.string(), columns[1]: pa.string(), columns[2]: pa.float64()}
        options = pcsv.ConvertOptions(
            include_columns=columns,
            column_types=kinds,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        table = pcsv.read_csv(path, parse_options=pcsv.ParseOptions(newlines_in_values=True), convert_options=options)
        for place, name in enumerate(columns[:2]):
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
