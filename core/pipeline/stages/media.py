"""Decode and measure every image once (media/)."""

from __future__ import annotations

from ... import fingerprint as fp
from ...data.media import DECODE_VERSION, MEDIA_VERSION, load_media_features, scan_media
from ...data.sources import content_fingerprint
from ...types import Dataset, MediaFeatures
from ..run import Outputs, Run


def run(scan: Run, dataset: Dataset) -> MediaFeatures | None:
    """Measure the images; None where there are none or the stage failed (the manifest says why)."""
    if dataset.media.kind == "none":
        return None
    folder = scan.layout.media
    key = fp.of(MEDIA_VERSION, DECODE_VERSION, content_fingerprint(dataset))

    def make() -> Outputs:
        record = scan.store.read("media")
        intact = (
            record is not None
            and record.info.get("decode") == DECODE_VERSION
            and scan.store.fresh("media", record.fingerprint, verify=True) is not None
        )
        scan_media(dataset, folder, progress=scan.report, reuse=intact)
        return sorted(p for p in folder.iterdir() if p.is_file()), {"decode": DECODE_VERSION}

    def work() -> MediaFeatures:
        scan.stage("media", key, make)
        return load_media_features(folder)

    return scan.attempt("media", work)
