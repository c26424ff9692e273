"""Say what was found and what made it (results.json, manifest.json)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from ... import fingerprint as fp
from ...storage.artifacts import plain, save_json, utc_seconds
from ...types import ISSUE_KINDS, Dataset, EmbeddingSet, EncoderSpec, Kind, SignalResult, Verdicts
from ...version import __version__
from ..run import Run

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
    "torch",
    "umap-learn",
)


def run(
    run: Run, dataset: Dataset, embedding: EmbeddingSet, verdicts: Verdicts, results: Mapping[str, SignalResult]
) -> None:
    """Write both files."""
    save_json(run.layout.results, results_summary(dataset, embedding.spec, verdicts, results))
    save_json(run.layout.manifest, manifest(run, dataset, embedding.spec))


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries whose numbers end up in a scan."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def results_summary(
    dataset: Dataset, spec: EncoderSpec, verdicts: Verdicts, results: Mapping[str, SignalResult]
) -> dict[str, Any]:
    """What the Overview needs without reading a table: classes, counts, what each kind's evidence says of itself."""
    counts = {kind.value: int((verdicts.primary == kind.value).sum()) for kind in Kind}
    return {
        "n": dataset.n,
        "n_labelled": int((dataset.labels >= 0).sum()),
        "modality": dataset.modality.value,
        "class_names": list(dataset.class_names),
        "encoder": plain(spec),
        "columns": plain(dataset.columns),
        "verdict_counts": counts,
        "flag_counts": {k.value: int(np.sum(verdicts.evidence[k].flag)) for k in ISSUE_KINDS},
        "kinds": {k.value: plain(verdicts.evidence[k].info) for k in ISSUE_KINDS},
        "signals": sorted(results),
        "media": plain(dataset.media),
        "fingerprint": dataset.fingerprint,
    }


def manifest(run: Run, dataset: Dataset, spec: EncoderSpec) -> dict[str, Any]:
    """What made the results, as JSON: run key, versions, parameters, libraries, fingerprints, seconds and failures."""
    return {
        "run_key": fp.of(run.keys),
        "winnow_version": __version__,
        "created": utc_seconds(),
        "params": plain(run.config.to_json()),
        "libraries": library_versions(),
        "fingerprints": {"dataset": dataset.fingerprint, **run.keys},
        "seconds": {k: round(v, 3) for k, v in run.seconds.items()},
        "reused": run.reused,
        "failures": run.failures,
        "notices": list(dict.fromkeys(run.notices)),
        "encoder": plain(spec),
        "seed": run.config.seed,
    }
