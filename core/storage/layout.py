"""The paths of a workspace, and the format that this release writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import WorkspaceError
from .artifacts import load_json

FORMAT_VERSION = 1
"""Raised when an older release could no longer read what this one writes."""


@dataclass(frozen=True)
class Layout:
    """Paths inside one workspace."""

    root: Path

    @property
    def header(self) -> Path:
        """Name, source, format and address of the log."""
        return self.root / "workspace.json"

    @property
    def dataset(self) -> Path:
        """One row per sample: id, path, text, label, split."""
        return self.root / "dataset.parquet"

    @property
    def meta(self) -> Path:
        """The original columns."""
        return self.root / "meta.parquet"

    @property
    def media(self) -> Path:
        """Measurements and thumbnails of the images."""
        return self.root / "media"

    @property
    def embeddings(self) -> Path:
        """Vectors, and the encoder where it was fitted."""
        return self.root / "embeddings"

    @property
    def neighbors(self) -> Path:
        """The neighbour graphs and the search index."""
        return self.root / "neighbors"

    def encoder(self, number: int) -> Layout:
        """The folder with ``embeddings`` and ``neighbors`` of an encoder, counted from 0; the first's is the root."""
        return self if number == 0 else Layout(self.root / "encoders" / str(number + 1))

    @property
    def encoders(self) -> list[Layout]:
        """The folders of every encoder of the workspace, the first's first."""
        folder = self.root / "encoders"
        more = sorted(int(p.name) for p in folder.iterdir() if p.name.isdecimal()) if folder.is_dir() else []
        return [self, *(Layout(folder / str(number)) for number in more)]

    @property
    def pooled(self) -> Path:
        """The graphs of all encoders together, where there are several."""
        return self.root / "encoders" / "pooled"

    @property
    def probe(self) -> Path:
        """What the probe run believed."""
        return self.root / "probe"

    @property
    def projection(self) -> Path:
        """(n, 2) float32 places on the map."""
        return self.root / "projection.npy"

    @property
    def clusters(self) -> Path:
        """Clusters at two levels."""
        return self.root / "clusters.parquet"

    @property
    def signals(self) -> Path:
        """One column per signal."""
        return self.root / "signals.parquet"

    @property
    def verdicts(self) -> Path:
        """One row per sample: verdict, flags, suggestions."""
        return self.root / "verdicts.parquet"

    @property
    def tags(self) -> Path:
        """The tags of the samples and what the models believe of them, where they have several labels."""
        return self.root / "tags"

    @property
    def results(self) -> Path:
        """What the scan found, in short."""
        return self.root / "results.json"

    @property
    def manifest(self) -> Path:
        """What the scan was made with."""
        return self.root / "manifest.json"

    @property
    def decisions(self) -> Path:
        """The decision log, where it is not on a server."""
        return self.root / "decisions.db"

    @property
    def log_head(self) -> Path:
        """How far the decision log went, kept outside of it."""
        return self.root / "log_head.json"

    @property
    def roles(self) -> Path:
        """Who may do what."""
        return self.root / "roles.json"

    @property
    def class_keys(self) -> Path:
        """Which key means which class in Review."""
        return self.root / "class_keys.json"

    @property
    def audits(self) -> Path:
        """Samples drawn for blind audits, a file for each."""
        return self.root / "audits"

    @property
    def job(self) -> Path:
        """Files of the running scan."""
        return self.root / "job"


def check_format(layout: Layout) -> None:
    """Raise WorkspaceError for a workspace that a newer release wrote, or a directory that holds something else."""
    if layout.root.is_file():
        raise WorkspaceError(f"{layout.root} is a file; a workspace is a directory. Give another --out.")
    if not layout.header.exists():
        if layout.root.is_dir() and any(p.name != "job" for p in layout.root.iterdir()):
            raise WorkspaceError(
                f"{layout.root} is not empty and is not a Winnow workspace. Give an empty or new directory as --out."
            )
        return
    written = load_json(layout.header).get("format", 0)
    if written > FORMAT_VERSION:
        raise WorkspaceError(
            f"{layout.root} was written by a newer Winnow (format {written}; this one reads up to {FORMAT_VERSION}). "
            "Upgrade with `pip install -U winnow`, or scan into a new directory."
        )
