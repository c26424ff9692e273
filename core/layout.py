"""Where everything lies in a workspace directory, and which format this release writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
