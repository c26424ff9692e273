"""Summarise the results and how they were computed (results.json, manifest.json)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from ... import fingerprint as fp
from ...storage.artifacts import plain, save_json, utc_seconds
from ...types import ISSUE_KINDS, Dataset, Kind, SignalResult, Verdicts
from ...version import __version__
from ..run import Run
from .embedding import Embedded

LIBRARIES = (
    "cleanlab",
    "cleanvision",
    "datasets",
    "duckdb",
    "faiss-cpu",
    "numpy",
    "open_clip_torch",
    "pandas",
    "pillow",
    "plotly",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "streamlit",
    "timm",
    "torch",
    "umap-learn",
)


def run(
    scan: Run, dataset: Dataset, embedded: Sequence[Embedded], verdicts: Verdicts, results: Mapping[str, SignalResult]
) -> None:
    """Write both files."""
    save_json(scan.layout.results, results_summary(dataset, embedded, verdicts, results))
    save_json(scan.layout.manifest, manifest(scan, dataset, embedded))


def described(embedded: Sequence[Embedded]) -> list[dict[str, Any]]:
    """Spec, file and number of embedded samples of every encoder."""
    return [{**plain(e.embedding.spec), "file": e.source, "embedded": int(e.ok.sum())} for e in embedded]


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that a scan's figures depend on."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def results_summary(
    dataset: Dataset, embedded: Sequence[Embedded], verdicts: Verdicts, results: Mapping[str, SignalResult]
) -> dict[str, Any]:
    """What the Overview shows without reading a table: classes, counts, and the details of each kind's evidence."""
    counts = {kind.value: int((verdicts.primary == kind.value).sum()) for kind in Kind}
    return {
        "n": dataset.n,
        "n_labelled": int((dataset.labels >= 0).sum()),
        "modality": dataset.modality.value,
        "class_names": list(dataset.class_names),
        "encoder": plain(embedded[0].embedding.spec),
        "encoders": described(embedded),
        "columns": plain(dataset.columns),
        "verdict_counts": counts,
        "flag_counts": {k.value: int(np.sum(verdicts.evidence[k].flag)) for k in ISSUE_KINDS},
        "kinds": {k.value: plain(verdicts.evidence[k].info) for k in ISSUE_KINDS},
        "signals": sorted(results),
        "media": plain(dataset.media),
        **({"n_tags": len(dataset.tags.names), "tags": list(dataset.tags.names)} if dataset.tags is not None else {}),
        "fingerprint": dataset.fingerprint,
    }


def manifest(scan: Run, dataset: Dataset, embedded: Sequence[Embedded]) -> dict[str, Any]:
    """How the results were computed: run key, versions, parameters, libraries, fingerprints, seconds and failures."""
    return {
        "run_key": fp.of(scan.keys),
        "winnow_version": __version__,
        "created": utc_seconds(),
        "params": plain(scan.config.to_json()),
        "libraries": library_versions(),
        "fingerprints": {"dataset": dataset.fingerprint, **scan.keys},
        "seconds": {k: round(v, 3) for k, v in scan.seconds.items()},
        "reused": scan.reused,
        "failures": scan.failures,
        "notices": list(dict.fromkeys(scan.notices)),
        "encoder": plain(embedded[0].embedding.spec),
        "encoders": described(embedded),
        "seed": scan.config.seed,
    }
