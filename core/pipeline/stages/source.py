"""Read the source, and what is joined to it: embeddings, probabilities, plug-in signals; choose the encoder."""

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
    embeddings
        Precomputed ones, not read yet, or None.
    probabilities
        Precomputed ones, name → (n, C) float32.
    plugins
        Signals that columns and installed packages add.
    encoder
        Embeds the samples; None where embeddings are precomputed.
    notices
        Sentences for the person.
    """

    dataset: Dataset
    embeddings: PrecomputedEmbeddings | None
    probabilities: Mapping[str, Float32]
    plugins: Plugins
    encoder: EncoderChoice | None
    notices: tuple[str, ...]


def read(config: ScanConfig, report: ProgressFn) -> OpenedSource:
    """Open everything that the config names; raises WinnowError for what cannot be read, joined or loaded."""
    dataset = open_source(config.source, config.columns, report, vectors_apart=config.embeddings is not None)
    embeddings = open_embeddings(config.embeddings, dataset) if config.embeddings else None
    probabilities: dict[str, Float32] = {}
    notices = list(dataset.notices)
    for path in config.probabilities:
        models, warnings = load_probabilities(path, dataset)
        for name, matrix in models.items():
            probabilities[name if name not in probabilities else f"{name} ({Path(path).stem})"] = matrix
        notices.extend(warnings)
    plugins = gather(dataset, config.scores)
    notices.extend(plugins.notices)
    encoder = None
    if embeddings is None:
        if dataset.modality is Modality.VECTOR:
            embeddings = open_embeddings(config.source, dataset)
        else:
            encoder = encoders.choose(
                config.encoder, dataset.modality, device=config.device, allow_network=config.network
            )
    return OpenedSource(dataset, embeddings, probabilities, plugins, encoder, tuple(notices))
