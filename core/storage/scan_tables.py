"""The tables of a workspace: how the engine's arrays are written as Parquet and .npy files, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..types import (
    ISSUE_KINDS,
    Beliefs,
    Bool,
    Clusters,
    Dataset,
    Kind,
    MediaFeatures,
    Neighbors,
    SignalResult,
    Strings,
    Verdicts,
)
from .artifacts import load_array, load_json, load_table, plain, save_array, save_json, save_table
from .layout import Layout


def _strings(values: Strings | None, n: int) -> pa.Array:
    """Strings with None for empty; surrogates (odd file names) are kept readable."""
    if values is None:
        return pa.nulls(n, pa.string())
    return pa.array([clean_text(v) or None for v in values], pa.string())


def clean_text(value: Any) -> str:
    """A string that UTF-8 can hold: lone surrogates become U+FFFD."""
    return str(value).encode("utf-8", "replace").decode("utf-8") if value is not None else ""


def labels_of(dataset: Dataset) -> pa.Array:
    """Given labels as strings, null where there is none."""
    names = [*dataset.class_names, None]
    return pa.array([names[code] for code in dataset.labels], pa.string())


def dataset_table(dataset: Dataset, media: MediaFeatures | None, content_hash: Strings) -> pa.Table:
    """Build the table with one row per sample: its id, path, text, label and size.

    Parameters
    ----------
    dataset
        n samples.
    media
        What was measured on the images; None = no images.
    content_hash
        (n,) str objects, "" = unknown.
    """
    n = dataset.n
    zeros = np.zeros(n, np.int32)
    return pa.table(
        {
            "row": np.arange(n, dtype=np.int32),
            "sample_id": pa.array(dataset.sample_ids, pa.string()),
            "uri": _strings(dataset.uris, n),
            "text": _strings(dataset.texts, n),
            "label": labels_of(dataset),
            "split": _strings(dataset.split, n),
            "source": _strings(dataset.source, n),
            "content_hash": _strings(content_hash, n),
            "width": media.width if media else zeros,
            "height": media.height if media else zeros,
        },
        metadata={"winnow": "dataset", "modality": dataset.modality.value},
    )


def meta_table(dataset: Dataset) -> pa.Table:
    """The original columns in their order, after the sample's id (as ``__sample_id``: never an original name)."""
    original = dataset.metadata if dataset.metadata is not None else pa.table({})
    ids = pa.array(dataset.sample_ids, pa.string())
    fields = [pa.field("__sample_id", pa.string()), *original.schema]
    return pa.Table.from_arrays([pa.chunked_array([ids]), *original.columns], schema=pa.schema(fields))


def errors(dataset: Dataset, media: MediaFeatures | None, ok: Bool) -> Strings:
    """(n,) str objects: why a sample cannot be used, "" where it can."""
    reasons = np.full(dataset.n, "", object)
    reasons[~ok] = "it has no usable embedding"
    if media is not None:
        bad = np.array([bool(e) for e in media.error], bool)
        reasons[bad] = media.error[bad]
    for row, reason in dataset.load_errors.items():
        reasons[row] = reason
    return reasons


# ── signals ─────────────────────────────────────────────────────────────────────────────────────────────────────


def save_signals(layout: Layout, results: Mapping[str, SignalResult]) -> list[Path]:
    """Write signals.parquet: one column per signal; suggestions, partners and reasons are columns with a suffix."""
    columns: dict[str, Any] = {}
    for name, result in results.items():
        columns[name] = np.asarray(result.score, np.float32)
        for suffix in ("suggestion", "partner", "reasons"):
            value = getattr(result, suffix)
            if value is not None:
                columns[f"{name}.{suffix}"] = _strings(value, len(value)) if suffix == "reasons" else value
    n = len(next(iter(columns.values()))) if columns else 0
    table = pa.table({"row": np.arange(n, dtype=np.int32), **columns})
    save_table(layout.signals, table)
    info = layout.root / "signals.json"
    save_json(info, {name: plain(result.info) for name, result in results.items()})
    return [layout.signals, info]


def load_signals(layout: Layout) -> dict[str, SignalResult]:
    """The inverse of :func:`save_signals`."""
    table = load_table(layout.signals)
    info = load_json(layout.root / "signals.json")
    results = {}
    for name in info:
        extra: dict[str, Any] = {}
        for suffix in ("suggestion", "partner", "reasons"):
            if f"{name}.{suffix}" in table.column_names:
                column = table.column(f"{name}.{suffix}")
                if suffix == "reasons":
                    extra[suffix] = np.array([v or "" for v in column.to_pylist()], object)
                else:
                    extra[suffix] = column.to_numpy()
        results[name] = SignalResult(table.column(name).to_numpy(), info=info[name], **extra)
    return results


# ── beliefs and clusters ────────────────────────────────────────────────────────────────────────────────────────


def save_beliefs(folder: Path, beliefs: Beliefs) -> list[Path]:
    """Every array of the beliefs as .npy beside an index. Returns the files written."""
    arrays: dict[str, Any] = {"probs": beliefs.probs}
    if beliefs.targets is not None:
        arrays["targets"] = beliefs.targets
    arrays.update({f"dynamics.{k}": v for k, v in beliefs.dynamics.items()})
    arrays.update({f"extra.{k}": v for k, v in beliefs.extra_probs.items()})
    outputs = []
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        save_array(path, np.asarray(array))
        outputs.append(path)
    index = folder / "beliefs.json"
    save_json(index, {"arrays": list(arrays), "temperature": float(beliefs.temperature), "source": beliefs.source})
    return [*outputs, index]


def load_beliefs(folder: Path) -> Beliefs:
    """The inverse of :func:`save_beliefs`; arrays are memory-mapped."""
    index = load_json(folder / "beliefs.json")
    arrays = {name: load_array(folder / f"{name}.npy") for name in index["arrays"]}

    def family(prefix: str) -> dict[str, Any]:
        return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

    return Beliefs(
        arrays["probs"],
        family("dynamics."),
        arrays.get("targets"),
        family("extra."),
        index["temperature"],
        index["source"],
    )


def load_graph(folder: Path, name: str) -> Neighbors:
    """Read the graph "raw" or "label" of a workspace, memory-mapped. Raises WorkspaceError where it is not there."""
    info = load_json(folder / "graphs.json")[name]
    return Neighbors(load_array(folder / f"{name}_indices.npy"), load_array(folder / f"{name}_distances.npy"), **info)


def save_clusters(path: Path, clusters: Clusters) -> None:
    """One row per sample: its coarse and its fine cluster."""
    n = len(clusters.coarse)
    save_table(path, pa.table({"row": np.arange(n, dtype=np.int32), "coarse": clusters.coarse, "fine": clusters.fine}))


def load_clusters(path: Path) -> Clusters:
    """The inverse of :func:`save_clusters`."""
    table = load_table(path)
    return Clusters(table.column("coarse").to_numpy(), table.column("fine").to_numpy())


# ── verdicts ──────────────────────────────────────────────────────────────────────────────────────────────────


def verdict_table(dataset: Dataset, verdicts: Verdicts, xy: Any, clusters: Clusters | None) -> pa.Table:
    """Build the table with one row per sample: verdict, flags of every kind, suggestions, duplicates, map, clusters.

    Parameters
    ----------
    dataset, verdicts
        n samples, and the verdicts on them.
    xy
        (n, 2) places on the map, or None.
    clusters
        Of the samples, or None.
    """
    n = dataset.n
    duplicate = verdicts.evidence[Kind.DUPLICATE]
    partner = duplicate.partner if duplicate.partner is not None else np.full(n, -1)
    ids = np.array([*dataset.sample_ids, None], object)
    first, suggested, shares = _suggestions(dataset, verdicts)
    nan = np.full((n, 2), np.nan, np.float32)
    points = nan if xy is None else np.asarray(xy, np.float32)
    none = np.full(n, -1, np.int32)
    columns: dict[str, Any] = {
        "row": np.arange(n, dtype=np.int32),
        "sample_id": pa.array(dataset.sample_ids, pa.string()),
        "verdict": pa.array(verdicts.primary, pa.string()),
        "confidence": np.asarray(verdicts.confidence, np.float32),
        "reasons": pa.array([clean_text(r) for r in verdicts.reasons], pa.string()),
        "suggested_label": first,
        "suggested": suggested,
        "suggested_prob": shares,
        "duplicate_of": pa.array(ids[partner], pa.string()),
        "duplicate_group": duplicate.group if duplicate.group is not None else none,
        "x": points[:, 0],
        "y": points[:, 1],
        "cluster": none if clusters is None else clusters.coarse,
        "cluster_fine": none if clusters is None else clusters.fine,
    }
    for kind in ISSUE_KINDS:
        evidence = verdicts.evidence[kind]
        columns[kind.value] = np.asarray(evidence.probability, np.float32)
        columns[f"{kind.value}_flag"] = np.asarray(evidence.flag, bool)
        columns[f"{kind.value}_reason"] = pa.array([clean_text(r) for r in evidence.reasons], pa.string())
    return pa.table(columns)


def _suggestions(dataset: Dataset, verdicts: Verdicts) -> tuple[pa.Array, pa.Array, pa.Array]:
    """(n,) likeliest suggestion (null = none), (n,) lists of all suggestions, and (n,) lists of their probabilities."""
    names = pa.array(dataset.class_names, pa.string())
    codes = np.asarray(verdicts.suggested, np.int64)
    valid = codes >= 0
    ends = np.concatenate([[0], np.cumsum(valid.sum(axis=1))]).astype(np.int32)
    flat = codes[valid]
    some = ends[1:] > ends[:-1]
    best = np.full(dataset.n, -1, np.int64)
    best[some] = flat[ends[:-1][some]]
    shares = np.asarray(verdicts.suggested_prob, np.float32)[valid]
    return (
        names.take(pa.array(best, mask=~some)),
        pa.ListArray.from_arrays(ends, names.take(pa.array(flat))),
        pa.ListArray.from_arrays(ends, pa.array(shares, pa.float32())),
    )
