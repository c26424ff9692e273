"""What a scan learns from words: zero-shot probabilities, what the dataset is not about, and captions beside images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from . import encoders
from . import fingerprint as fp
from .encoders.base import unit_rows
from .encoders.zero_shot import (
    ZERO_SHOT_VERSION,
    Prompts,
    class_text_probs,
    mine_negatives,
    name_vectors,
    negative_share,
    usual,
)
from .errors import EncoderError
from .layout import Layout
from .store.artifacts import load_array, load_json, save_array, save_json
from .types import Dataset, EmbeddingSet, Modality, Negatives, Neighbors, Progress, SecondMatch

CAPTION_NEIGHBORS = 10
_BATCH = 256
_NULL = 20_000


def knows_words(choice: Any, modality: Modality) -> bool:
    """Whether class names can be compared with samples: a text tower, or a sentence encoder on texts."""
    if choice is None:
        return False
    return bool(choice.spec.has_text_tower) or choice.name.startswith("sentence-transformers")


def load_prompts(layout: Layout, modality: Modality) -> Prompts:
    """The prompts that people wrote for this dataset (prompts.json), else the usual ones."""
    path, plain = layout.root / "prompts.json", usual(modality)
    if not path.exists():
        return plain
    said = load_json(path)
    templates = tuple(said.get("templates") or plain.templates)
    return Prompts(templates, dict(said.get("names") or {}), tuple(said.get("negatives") or ()), plain.scale)


def save_prompts(layout: Layout, prompts: Prompts) -> None:
    """Keep the prompts for the next scan."""
    save_json(
        layout.root / "prompts.json",
        {"templates": list(prompts.templates), "names": dict(prompts.names), "negatives": list(prompts.negatives)},
    )


def candidate_words(modality: Modality, class_names: Sequence[str], prompts: Prompts) -> list[str]:
    """Words to mine negatives from: the thousand ImageNet names that open_clip brings, without those of the dataset. For
    texts none: on clinc, words mined from the sentence encoder's vocabulary tell what does not belong apart with AUROC .89,
    the class names alone with .92, and six in ten texts that they win belong; people's own words are used."""
    if modality is Modality.TEXT:
        return []
    from open_clip import IMAGENET_CLASSNAMES

    own = {prompts.words(n).lower() for n in class_names}
    return [w for w in dict.fromkeys(IMAGENET_CLASSNAMES) if w.lower() not in own]


def understand(run: Any, config: Any, dataset: Dataset, choice: Any, embedding: EmbeddingSet) -> dict[str, Any]:
    """The fields of SignalInputs that words give: class_text_probs, negatives, text_vectors, text_neighbors, second_match.

    ``run``: the scan's bookkeeping (:class:`winnow.core.pipeline.Run`). A failure of either part is kept there in words.
    """
    if not knows_words(choice, dataset.modality):
        if dataset.modality is Modality.PAIR and choice is not None:
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
        found |= run.attempt("captions", lambda: side.captions(config)) or {}
    return found


class _Side:
    def __init__(self, run: Any, dataset: Dataset, choice: Any, embedding: EmbeddingSet) -> None:
        self._run, self._dataset, self._choice, self._embedding = run, dataset, choice, embedding

    @cached_property
    def _encoder(self) -> Any:
        return encoders.load_fitted(self._choice, self._run.layout.embeddings)

    def zero_shot(self) -> dict[str, Any]:
        run, dataset = self._run, self._dataset
        folder = run.layout.root / "zero_shot"
        prompts = load_prompts(run.layout, dataset.modality)
        key = fp.of(
            self._embedding.fingerprint, dataset.class_names, prompts.templates, dict(prompts.names), prompts.negatives,
            prompts.scale, ZERO_SHOT_VERSION,
        )  # fmt: skip

        def make() -> tuple[list[Path], Mapping[str, Any]]:
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

    def captions(self, config: Any) -> dict[str, Any]:
        from .neighbors import NEIGHBORS_VERSION, build

        run, dataset = self._run, self._dataset
        assert dataset.texts is not None
        folder = run.layout.root / "captions"
        texts = fp.of_strings(dataset.texts)
        key = fp.of(self._embedding.fingerprint, texts, NEIGHBORS_VERSION, config.seed, 1)

        def make() -> tuple[list[Path], Mapping[str, Any]]:
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
            found["second_match"] = self._second(config, texts)
        return found

    def _second(self, config: Any, texts: str) -> SecondMatch:
        """What another encoder thinks of the pairs, and of images with captions drawn from other samples."""
        run, dataset = self._run, self._dataset
        choice = encoders.choose(config.second_encoder, dataset.modality, config.device, config.network)
        if not choice.spec.has_text_tower:
            raise EncoderError(f"The second encoder {choice.name!r} has no text tower: captions cannot be compared.")
        folder = run.layout.root / "captions" / "second"
        key = fp.of(encoders.encoder_key(choice.spec), dataset.fingerprint, texts, 1)

        def make() -> tuple[list[Path], Mapping[str, Any]]:
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
