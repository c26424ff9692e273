"""What a scan learns from words: zero-shot probabilities, what the dataset is not about, and captions beside images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ... import fingerprint as fp
from ...errors import EncoderError
from ...features import encoders
from ...features.encoders import EncoderChoice
from ...features.encoders.base import unit_rows
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


def knows_words(choice: EncoderChoice) -> bool:
    """Whether class names can be compared with samples: a text tower, or a sentence encoder on texts."""
    return bool(choice.spec.has_text_tower) or choice.name.startswith("sentence-transformers")


def candidate_words(modality: Modality, class_names: Sequence[str], prompts: Prompts) -> list[str]:
    """Words to mine negatives from: the thousand ImageNet names that open_clip brings, without those of the dataset. For
    texts none: on clinc, words mined from the sentence encoder's vocabulary tell what does not belong apart with AUROC .89,
    the class names alone with .92, and six in ten texts that they win belong; people's own words are used.
    """
    if modality is Modality.TEXT:
        return []
    from open_clip import IMAGENET_CLASSNAMES

    own = {prompts.words(n).lower() for n in class_names}
    return [w for w in dict.fromkeys(IMAGENET_CLASSNAMES) if w.lower() not in own]


def run(run: Run, source: OpenedSource, embedding: EmbeddingSet) -> dict[str, Any]:
    """The fields of SignalInputs that words give: class_text_probs, negatives, text_vectors, text_neighbors, second_match.

    A failure of either part is kept in words in the run.
    """
    dataset, choice = source.dataset, source.encoder
    if choice is None:
        return {}
    if not knows_words(choice):
        if dataset.modality is Modality.PAIR:
            run.notices.append(
                f"The encoder {choice.name!r} has no text tower: captions are not compared with their images. Scan with a CLIP "
                "encoder (`--encoder open_clip:…`) to find captions that do not fit."
            )
        return {}
    side = _Side(run, dataset, choice, embedding)
    found: dict[str, Any] = {}
    if dataset.n_classes >= 2:
        found |= run.attempt("zero-shot", side.zero_shot) or {}
    if dataset.modality is Modality.PAIR and dataset.texts is not None:
        found |= run.attempt("captions", side.captions) or {}
    return found


class _Side:
    def __init__(self, run: Run, dataset: Dataset, choice: EncoderChoice, embedding: EmbeddingSet) -> None:
        self._run, self._dataset, self._choice, self._embedding = run, dataset, choice, embedding

    @cached_property
    def _encoder(self) -> Any:
        return encoders.load_fitted(self._choice, self._run.layout.embeddings)

    def zero_shot(self) -> dict[str, Any]:
        run, dataset = self._run, self._dataset
        folder = run.layout.root / "zero_shot"
        prompts = load_prompts(run.layout, dataset.modality)
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
            candidates = candidate_words(dataset.modality, dataset.class_names, prompts)
            negatives = list(dict.fromkeys((*prompts.negatives, *mine_negatives(encode, names, candidates, prompts))))
            save_json(folder / "negatives.json", {"negatives": negatives, "written": len(prompts.negatives)})
            outputs = [folder / "probs.npy", folder / "negatives.json"]
            if negatives:
                share, winner = negative_share(encode, names, negatives, vectors, prompts)
                save_array(folder / "share.npy", share)
                save_array(folder / "winner.npy", winner)
                outputs += [folder / "share.npy", folder / "winner.npy"]
            return outputs, {}

        run.stage("zero-shot", key, make)
        found: dict[str, Any] = {"class_text_probs": load_array(folder / "probs.npy")}
        if words := load_json(folder / "negatives.json")["negatives"]:
            found["negatives"] = Negatives(
                tuple(words),
                np.asarray(load_array(folder / "share.npy")),
                np.asarray(load_array(folder / "winner.npy")),
            )
        return found

    def captions(self) -> dict[str, Any]:
        from ...features.neighbors import NEIGHBORS_VERSION, build

        run, dataset, config = self._run, self._dataset, self._run.config
        assert dataset.texts is not None
        folder = run.layout.root / "captions"
        texts = fp.of_strings(dataset.texts)
        key = fp.of(self._embedding.fingerprint, texts, NEIGHBORS_VERSION, config.seed, 1)

        def make() -> Outputs:
            folder.mkdir(exist_ok=True)
            vectors = _encode_all(self._encoder, dataset.texts, run.report)
            ok = np.asarray(vectors.any(axis=1))
            graph = build(vectors, ok, CAPTION_NEIGHBORS, encoders.resolve_device(config.device), config.seed)
            made = {"vectors": vectors.astype(np.float16), "indices": graph.indices, "distances": graph.distances}
            for name, array in made.items():
                save_array(folder / f"{name}.npy", array)
            save_json(folder / "graph.json", {"metric": graph.metric, "method": graph.method, "recall": graph.recall})
            return [*(folder / f"{name}.npy" for name in made), folder / "graph.json"], {}

        run.stage("captions", key, make)
        about = load_json(folder / "graph.json")
        graph = Neighbors(load_array(folder / "indices.npy"), load_array(folder / "distances.npy"), **about)
        found = {"text_vectors": np.asarray(load_array(folder / "vectors.npy"), np.float32), "text_neighbors": graph}
        if config.second_encoder:
            found["second_match"] = self._second(texts)
        return found

    def _second(self, texts: str) -> SecondMatch:
        """What another encoder thinks of the pairs, and of images with captions drawn from other samples."""
        run, dataset, config = self._run, self._dataset, self._run.config
        choice = encoders.choose(config.second_encoder, dataset.modality, config.device, config.network)
        if not choice.spec.has_text_tower:
            raise EncoderError(f"The second encoder {choice.name!r} has no text tower: captions cannot be compared.")
        folder = run.layout.root / "captions" / "second"
        key = fp.of(encoders.encoder_key(choice.spec), dataset.fingerprint, texts, 1)

        def make() -> Outputs:
            images = encoders.embed(dataset, choice, folder / "images", progress=run.report)
            words = _encode_all(encoders.load_fitted(choice, folder / "images"), dataset.texts, run.report)
            cosine = np.einsum("ij,ij->i", np.asarray(images.vectors, np.float32), words)
            cosine[~(np.asarray(images.ok, bool) & words.any(axis=1))] = np.nan
            known = np.flatnonzero(np.isfinite(cosine))
            mixed = np.random.default_rng(config.seed).permutation(known)[:_NULL]
            null = np.einsum("ij,ij->i", np.asarray(images.vectors[mixed], np.float32), words[np.roll(mixed, 1)])
            save_array(folder / "cosine.npy", cosine.astype(np.float32))
            save_array(folder / "null.npy", null.astype(np.float32))
            return [folder / "cosine.npy", folder / "null.npy"], {}

        run.stage("second-encoder", key, make)
        return SecondMatch(np.asarray(load_array(folder / "cosine.npy")), np.asarray(load_array(folder / "null.npy")))


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
