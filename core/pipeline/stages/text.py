"""What a scan learns from text: zero-shot probabilities, negative words, and captions beside images.

zero_shot/      probs.npy (n, C), negatives.json, share.npy (n,), winner.npy (n,)
captions/       vectors.npy (n, d), the graph of the captions, and second/ by another encoder
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ... import fingerprint as fp
from ...errors import EncoderError
from ...features import encoders
from ...features.encoders import EncoderChoice, unit_rows
from ...features.prompts import (
    ZERO_SHOT_VERSION,
    Prompts,
    class_text_probs,
    load_prompts,
    mine_negatives,
    name_vectors,
    negative_share,
)
from ...storage.artifacts import load_array, load_json, save_array, save_json
from ...types import Dataset, EmbeddingSet, Modality, Negatives, Neighbors, Progress, SecondMatch
from ..run import Outputs, Run
from .source import OpenedSource

CAPTION_NEIGHBORS = 10
_BATCH = 256
_NULL = 20_000
"""Mismatched pairs that the second encoder's cosines are compared with, at most."""


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
    stages = _TextStages(scan, dataset, choice, embedding)
    fields: dict[str, Any] = {}
    if dataset.n_classes >= 2:
        fields |= scan.attempt("zero-shot", stages.zero_shot) or {}
    if dataset.modality is Modality.PAIR and dataset.texts is not None:
        fields |= scan.attempt("captions", stages.captions) or {}
    return fields


class _TextStages:
    """The stages that share the encoder's text tower, which is loaded when the first of them runs."""

    def __init__(self, scan: Run, dataset: Dataset, choice: EncoderChoice, embedding: EmbeddingSet) -> None:
        self._scan, self._dataset, self._choice, self._embedding = scan, dataset, choice, embedding

    @cached_property
    def _encoder(self) -> Any:
        return encoders.load_fitted(self._choice, self._scan.layout.embeddings)

    def zero_shot(self) -> dict[str, Any]:
        """Class probabilities from the class names alone, and the share of words that the dataset is not about."""
        scan, dataset = self._scan, self._dataset
        folder = scan.layout.root / "zero_shot"
        prompts = load_prompts(scan.layout, dataset.modality)
        key = fp.of(
            self._embedding.fingerprint,
            dataset.class_names,
            prompts.templates,
            dict(prompts.names),
            prompts.negatives,
            prompts.scale,
            ZERO_SHOT_VERSION,
        )

        def make() -> Outputs:
            folder.mkdir(exist_ok=True)
            encode, vectors = self._encoder.encode_texts, self._embedding.vectors
            save_array(folder / "probs.npy", class_text_probs(encode, dataset.class_names, vectors, prompts))
            names = name_vectors(encode, dataset.class_names, prompts)
            candidates = _candidate_negatives(dataset.modality, dataset.class_names, prompts)
            negatives = list(dict.fromkeys((*prompts.negatives, *mine_negatives(encode, names, candidates, prompts))))
            save_json(folder / "negatives.json", {"negatives": negatives, "written": len(prompts.negatives)})
            outputs = [folder / "probs.npy", folder / "negatives.json"]
            if negatives:
                share, winner = negative_share(encode, names, negatives, vectors, prompts)
                save_array(folder / "share.npy", share)
                save_array(folder / "winner.npy", winner)
                outputs += [folder / "share.npy", folder / "winner.npy"]
            return outputs, {}

        scan.stage("zero-shot", key, make)
        fields: dict[str, Any] = {"class_text_probs": load_array(folder / "probs.npy")}
        if negatives := load_json(folder / "negatives.json")["negatives"]:
            share, winner = (np.asarray(load_array(folder / f"{name}.npy")) for name in ("share", "winner"))
            fields["negatives"] = Negatives(tuple(negatives), share, winner)
        return fields

    def captions(self) -> dict[str, Any]:
        """Vectors of the captions, their neighbour graph, and what a second encoder thinks of the pairs."""
        from ...features.neighbors import NEIGHBORS_VERSION, build

        scan, dataset, config = self._scan, self._dataset, self._scan.config
        assert dataset.texts is not None
        folder = scan.layout.root / "captions"
        texts = fp.of_strings(dataset.texts)
        key = fp.of(self._embedding.fingerprint, texts, NEIGHBORS_VERSION, config.seed, 1)

        def make() -> Outputs:
            folder.mkdir(exist_ok=True)
            vectors = _encode_all(self._encoder, dataset.texts, scan.report)
            ok = np.asarray(vectors.any(axis=1))
            graph = build(vectors, ok, CAPTION_NEIGHBORS, encoders.resolve_device(config.device), config.seed)
            arrays = {"vectors": vectors.astype(np.float16), "indices": graph.indices, "distances": graph.distances}
            for name, array in arrays.items():
                save_array(folder / f"{name}.npy", array)
            save_json(folder / "graph.json", {"metric": graph.metric, "method": graph.method, "recall": graph.recall})
            return [*(folder / f"{name}.npy" for name in arrays), folder / "graph.json"], {}

        scan.stage("captions", key, make)
        info = load_json(folder / "graph.json")
        graph = Neighbors(load_array(folder / "indices.npy"), load_array(folder / "distances.npy"), **info)
        fields = {"text_vectors": np.asarray(load_array(folder / "vectors.npy"), np.float32), "text_neighbors": graph}
        if config.second_encoder:
            fields["second_match"] = self._second_match(texts)
        return fields

    def _second_match(self, texts: str) -> SecondMatch:
        """Cosines of the pairs by another encoder, and of images with the captions of other samples."""
        scan, dataset, config = self._scan, self._dataset, self._scan.config
        choice = encoders.choose(config.second_encoder, dataset.modality, config.device, config.network)
        if not choice.spec.has_text_tower:
            raise EncoderError(f"The second encoder {choice.name!r} has no text tower: captions cannot be compared.")
        folder = scan.layout.root / "captions" / "second"
        key = fp.of(encoders.encoder_key(choice.spec), dataset.fingerprint, texts, 1)

        def make() -> Outputs:
            images = encoders.embed(dataset, choice, folder / "images", progress=scan.report)
            captions = _encode_all(encoders.load_fitted(choice, folder / "images"), dataset.texts, scan.report)
            cosine = np.einsum("ij,ij->i", np.asarray(images.vectors, np.float32), captions)
            cosine[~(np.asarray(images.ok, bool) & captions.any(axis=1))] = np.nan
            known = np.flatnonzero(np.isfinite(cosine))
            mixed = np.random.default_rng(config.seed).permutation(known)[:_NULL]
            null = np.einsum("ij,ij->i", np.asarray(images.vectors[mixed], np.float32), captions[np.roll(mixed, 1)])
            save_array(folder / "cosine.npy", cosine.astype(np.float32))
            save_array(folder / "null.npy", null.astype(np.float32))
            return [folder / "cosine.npy", folder / "null.npy"], {}

        scan.stage("second-encoder", key, make)
        return SecondMatch(np.asarray(load_array(folder / "cosine.npy")), np.asarray(load_array(folder / "null.npy")))


def _candidate_negatives(modality: Modality, class_names: Sequence[str], prompts: Prompts) -> list[str]:
    """Words to mine negatives from: the ImageNet names of open_clip that the dataset does not have.

    None for texts: on clinc, words mined from the sentence encoder's vocabulary separate foreign texts with an AUROC of
    .89, the class names alone with .92, and six in ten texts nearest to a mined word belong. Words that a person wrote
    are still used.
    """
    if modality is Modality.TEXT:
        return []
    from open_clip import IMAGENET_CLASSNAMES

    own = {prompts.words(n).lower() for n in class_names}
    return [w for w in dict.fromkeys(IMAGENET_CLASSNAMES) if w.lower() not in own]


def _encode_all(encoder: Any, texts: Any, report: Any) -> Any:
    """(n, d) float32 unit rows of all texts, zeros for empty ones; equal texts are encoded once."""
    distinct, inverse = np.unique(np.array([str(t or "").strip() for t in texts]), return_inverse=True)
    parts = []
    for start in range(0, len(distinct), _BATCH):
        report(Progress("captions", start, len(distinct), "captions"))
        parts.append(unit_rows(encoder.encode_texts([str(t) for t in distinct[start : start + _BATCH]])))
    vectors = np.concatenate(parts)
    vectors[distinct == ""] = 0
    return vectors[inverse]
