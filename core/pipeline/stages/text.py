"""Runs the stages that compare samples with words, where the encoder has a text tower."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ...features import encoders
from ...types import Dataset, EmbeddingSet, Modality
from ..run import Run
from . import captions, second_encoder, zero_shot
from .source import OpenedSource


def run(scan: Run, source: OpenedSource, embedding: EmbeddingSet) -> dict[str, Any]:
    """Compare the samples with class names and captions; the manifest says what failed.

    Returns
    -------
    dict
        Fields of SignalInputs: class_text_probs, negatives, text_vectors, text_neighbors, second_match, as far as the
        dataset and the encoder have them.
    """
    dataset, choice = source.dataset, source.encoder
    if choice is None:
        return {}
    if not choice.spec.has_text_tower and not choice.name.startswith("sentence-transformers"):
        if dataset.modality is Modality.PAIR:
            scan.notices.append(
                f"The encoder {choice.name!r} has no text tower: captions are not compared with their images. Scan "
                "with a CLIP encoder (`--encoder open_clip:…`) to find captions that do not fit."
            )
        return {}

    @cache
    def load_encoder() -> Any:
        return encoders.load_fitted(choice, scan.layout.embeddings)

    fields: dict[str, Any] = {}
    if dataset.n_classes >= 2:
        fields |= scan.attempt("zero-shot", lambda: zero_shot.run(scan, dataset, embedding, load_encoder)) or {}
    if dataset.modality is Modality.PAIR and dataset.texts is not None:
        fields |= scan.attempt("captions", lambda: _compare_captions(scan, dataset, embedding, load_encoder)) or {}
    return fields


def _compare_captions(
    scan: Run, dataset: Dataset, embedding: EmbeddingSet, load_encoder: Callable[[], Any]
) -> dict[str, Any]:
    fields = captions.run(scan, dataset, embedding, load_encoder)
    if scan.config.second_encoder:
        fields["second_match"] = second_encoder.run(scan, dataset)
    return fields
