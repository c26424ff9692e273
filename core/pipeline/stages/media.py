"""Decode and measure every image once (media/)."""

from __future__ import annotations

from pathlib import Path

from ... import fingerprint as fp
from ...data.media import MEDIA_VERSION, load_media_features, scan_media
from ...data.sources import content_fingerprint
from ...types import Dataset, MediaFeatures
from ..run import Outputs, Run


def run(run: Run, dataset: Dataset) -> MediaFeatures | None:
    """Measure the images; None where there are none, or where the stage failed (the manifest says why)."""
    if dataset.media.kind == "none":
        return None
    folder = run.layout.media
    key = fp.of(MEDIA_VERSION, content_fingerprint(dataset))

    def make() -> Outputs:
        before = run.store.read("media")
        whole = before is not None and run.store.fresh("media", before.fingerprint, verify=True) is not None
        scan_media(dataset, folder, progress=run.report, reuse=whole)
        return sorted(p for p in folder.iterdir() if p.is_file()), {}

    def work() -> MediaFeatures:
        run.stage("media", key, make)
        return load(folder)

    return run.attempt("media", work)


def load(folder: Path) -> MediaFeatures:
    """Read the features back. Raises WorkspaceError where they are not there."""
    return load_media_features(folder)
