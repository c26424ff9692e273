"""Built-in text features that need no download, fitted on the dataset itself.

TF-IDF of words and character n-grams, reduced by truncated SVD (latent semantic analysis, Deerwester et al. 1990).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from ...errors import EncoderError
from ...storage.atomic import atomic_write
from ...types import Dataset, EncoderSpec, Float32, Modality, Progress, ProgressFn
from .base import FAMILIES, BaseEncoder, EncoderChoice, EncoderInfo

if TYPE_CHECKING:
    import scipy.sparse as sp
    from sklearn.feature_extraction.text import TfidfVectorizer

DIM = 256
_FIT_TEXTS, _FIT_CHARACTERS = 100_000, 8_000_000
"""The vocabulary and the SVD are learned from at most this much, evenly spaced over the dataset, in under a minute."""

_LONGEST = 20_000
"""Characters of a text that are used; the rest would change its vector little and cost the most."""

_WORDS, _CHARACTERS = 30_000, 60_000
_SEED = 0


def _vectorizers(
    vocabularies: Sequence[dict[str, int] | None] = (None, None),
) -> tuple[TfidfVectorizer, TfidfVectorizer]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    common: dict[str, Any] = {"sublinear_tf": True, "dtype": np.float32, "lowercase": True, "strip_accents": "unicode"}
    words = TfidfVectorizer(
        ngram_range=(1, 2), max_features=_WORDS, token_pattern=r"(?u)\b\w+\b", vocabulary=vocabularies[0], **common
    )
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), max_features=_CHARACTERS, vocabulary=vocabularies[1], **common
    )
    return words, characters


class TfidfEncoder(BaseEncoder):
    """Words (1–2) and characters (2–5 within words), each block of unit length, then SVD to 256 dimensions.

    The SVD is not centred, so that a text without any known word stays zero (``ok`` False).

    Parameters
    ----------
    spec
        Identifies the encoder.
    """

    fitted = True
    batch = 2048

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = spec
        self._parts: tuple[TfidfVectorizer, ...] = ()
        self._components: NDArray[np.float32] | None = None

    def fit(self, dataset: Dataset, progress: ProgressFn) -> None:
        """Learn the vocabulary and the components from a sample of the texts."""
        import scipy.sparse as sp
        from sklearn.utils.extmath import randomized_svd

        if dataset.texts is None:
            raise EncoderError("tfidf encodes text, and this dataset has none.")
        progress(Progress("embed", 0, dataset.n, "samples", "learning words"))
        texts = [t[:_LONGEST] for t in dataset.texts if t.strip()]
        step = max(1, -(-len(texts) // _FIT_TEXTS), -(-sum(map(len, texts)) // _FIT_CHARACTERS))
        sample = texts[::step] or ["empty"]
        self._parts, blocks = _vectorizers(), []
        for vectorizer in self._parts:
            try:
                blocks.append(vectorizer.fit_transform(sample))
            except ValueError:  # there is no word, only punctuation
                vectorizer.set_params(vocabulary={" ": 0})
                blocks.append(vectorizer.fit_transform(sample))
        matrix = sp.hstack(blocks).tocsr()
        matrix.sort_indices()
        rank = min(DIM, min(matrix.shape))
        progress(Progress("embed", 0, dataset.n, "samples", "reducing dimensions"))
        components = randomized_svd(matrix, rank, n_iter=4, random_state=_SEED)[2]
        self._components = np.zeros((DIM, matrix.shape[1]), np.float32)
        self._components[:rank] = components

    def save(self, folder: Path) -> None:
        """Write tfidf.json and tfidf.safetensors; raises EncoderError before it was fitted."""
        if self._components is None:
            raise EncoderError("tfidf has not been fitted.")
        arrays = {"components": self._components}
        vocabularies = []
        for i, part in enumerate(self._parts):
            arrays[f"idf_{i}"] = np.asarray(part.idf_, np.float32)
            vocabularies.append({str(k): int(v) for k, v in part.vocabulary_.items()})
        text = json.dumps(vocabularies, ensure_ascii=False).encode("utf-8", "surrogatepass")
        atomic_write(folder / "tfidf.json", lambda f: f.write(text))
        atomic_write(folder / "tfidf.safetensors", lambda f: f.write(save(arrays)))

    def load(self, folder: Path) -> None:
        """Read tfidf.json and tfidf.safetensors."""
        arrays = load_file(folder / "tfidf.safetensors")
        vocabularies = json.loads((folder / "tfidf.json").read_bytes().decode("utf-8", "surrogatepass"))
        self._parts = _vectorizers(vocabularies)
        for i, part in enumerate(self._parts):
            part.idf_ = arrays[f"idf_{i}"]
        self._components = arrays["components"]

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        """Encode texts: (m, 256) float32; raises EncoderError before it was fitted."""
        if self._components is None:
            raise EncoderError("tfidf has not been fitted on a dataset yet.")
        return np.asarray(self._sparse([t[:_LONGEST] for t in texts]) @ self._components.T, np.float32)

    def _sparse(self, texts: list[str]) -> sp.csr_matrix:
        import scipy.sparse as sp

        return sp.hstack([part.transform(texts) for part in self._parts]).tocsr()


class TfidfFamily:
    """The built-in text encoder, ``tfidf``, which is always available."""

    name = "tfidf"

    def infos(self) -> list[EncoderInfo]:
        """List the one encoder."""
        return [EncoderInfo(self.name, Modality.TEXT, DIM, True, False, "built in; fitted on your texts, no download")]

    def choose(self, rest: str, device: str, allow_network: bool) -> EncoderChoice:
        """Give the encoder; raises EncoderError where ``rest`` is not ""."""
        if rest:
            raise EncoderError(f"'tfidf:{rest}' is not an encoder: the built-in text encoder is called 'tfidf'.")
        spec = EncoderSpec(self.name, "1", f"words-1-2+char_wb-2-5+svd{DIM}", DIM, Modality.TEXT, has_text_tower=False)
        return EncoderChoice(spec, "cpu", lambda: TfidfEncoder(spec))


FAMILIES.register(TfidfFamily.name)(TfidfFamily())
