"""Write the rows of the dataset and their original columns (dataset.parquet, meta.parquet)."""

from __future__ import annotations

from ... import fingerprint as fp
from ...data.media import content_hashes
from ...storage import scan_tables
from ...storage.artifacts import save_table
from ...types import Dataset, MediaFeatures, Strings
from ..run import Outputs, Run


def content_keys(dataset: Dataset, media: MediaFeatures | None) -> Strings:
    """(n,) str, content hash of every sample: from the source if it has any, else from the media pass; "" = unknown."""
    return dataset.content_hash if media is None or any(dataset.content_hash) else content_hashes(media)


def run(scan: Run, dataset: Dataset, media: MediaFeatures | None) -> None:
    """Write both tables."""
    layout = scan.layout

    def make() -> Outputs:
        save_table(layout.dataset, scan_tables.dataset_table(dataset, media, content_keys(dataset, media)))
        save_table(layout.meta, scan_tables.meta_table(dataset))
        return [layout.dataset, layout.meta], {}

    metadata = None if dataset.metadata is None else fp.of_table(dataset.metadata)
    scan.stage("dataset", fp.of(dataset.fingerprint, scan.keys.get("media"), metadata, 2), make)
