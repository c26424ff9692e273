"""Read the source, and what is joined to it: embeddings, probabilities, plug-in signals; choose the encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...data.sources import open_source
from ...data.sources.join import load_probabilities
from ...data.sources.precomputed import PrecomputedEmbeddings, open_embeddings
from ...detection.plugins import Plugins, gather
from ...features import encoders
from ...features.encoders import EncoderChoice
from ...types import Dataset, Float32, Modality, ProgressFn
from ..config import ScanConfig


@dataclass(frozen=True)
class OpenedSource:
    """The inputs of a scan.

    Attributes
    ----------
    dataset
        The rows.
    encoders
        What embeds the samples, at least one: encoders that are run, then precomputed embeddings (not read yet).
    probabilities
        Precomputed ones, name → (n, C) float32.
    plugins
        Signals that columns and installed packages add.
    notices
        Sentences for the person.
    """

    dataset: Dataset
    encoders: tuple[EncoderChoice | PrecomputedEmbeddings, ...]
    probabilities: Mapping[str, Float32]
    plugins: Plugins
    notices: tuple[str, ...]

    @property
    def encoder(self) -> EncoderChoice | None:
        """The first encoder, which answers searches; None where its embeddings are precomputed."""
        first = self.encoders[0]
        return first if isinstance(first, EncoderChoice) else None


def read(config: ScanConfig, report: ProgressFn) -> OpenedSource:
    """Open everything that the config names; raises WinnowError for what cannot be read, joined or loaded."""
    dataset = open_source(config.source, config.columns, report, vectors_apart=bool(config.embeddings))
    given = [open_embeddings(path, dataset) for path in config.embeddings]
    probabilities: dict[str, Float32] = {}
    notices = list(dataset.notices)
    for path in config.probabilities:
        models, warnings = load_probabilities(path, dataset)
        for name, matrix in models.items():
            probabilities[name if name not in probabilities else f"{name} ({Path(path).stem})"] = matrix
        notices.extend(warnings)
    plugins = gather(dataset, config.scores)
    notices.extend(plugins.notices)
    if dataset.modality is Modality.VECTOR and not given:
        given = [open_embeddings(config.source, dataset)]
    chosen: tuple[EncoderChoice, ...] = ()
    if config.encoders or not given:
        chosen = encoders.choose_all(config.encoders, dataset.modality, config.device, config.network)
    return OpenedSource(dataset, (*chosen, *given), probabilities, plugins, tuple(notices))
