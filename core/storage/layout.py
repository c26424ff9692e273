"""Where everything lies in a workspace directory, and which format this release writes."""

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
        return self.root / "workspace.json"

    @property
    def dataset(self) -> Path:
        return self.root / "dataset.parquet"

    @property
    def meta(self) -> Path:
        return self.root / "meta.parquet"

    @property
    def media(self) -> Path:
        return self.root / "media"

    @property
    def embeddings(self) -> Path:
        return self.root / "embeddings"

    @property
    def neighbors(self) -> Path:
        return self.root / "neighbors"

    @property
    def probe(self) -> Path:
        return self.root / "probe"

    @property
    def projection(self) -> Path:
        return self.root / "projection.npy"

    @property
    def clusters(self) -> Path:
        return self.root / "clusters.parquet"

    @property
    def signals(self) -> Path:
        return self.root / "signals.parquet"

    @property
    def verdicts(self) -> Path:
        return self.root / "verdicts.parquet"

    @property
    def results(self) -> Path:
        return self.root / "results.json"

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.json"

    @property
    def decisions(self) -> Path:
        return self.root / "decisions.db"

    @property
    def roles(self) -> Path:
        return self.root / "roles.json"

    @property
    def job(self) -> Path:
        return self.root / "job"


def check_format(layout: Layout) -> None:
    """Refuse a workspace that a newer release wrote, or a directory that holds something else."""
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
