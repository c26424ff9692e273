"""Label views: descriptions of the samples for the probe run by pixels and words, beside the embedding.

Two views that err independently and still agree are the best evidence about a label (co-training, Blum & Mitchell
1998). The 32 × 32 thumbnail of an image, coded by patches learned on the dataset itself, captures other things than a
pretrained encoder; the words and letters of a text capture other things than a sentence encoder. Both cost seconds and
need no download. An uninformative view gets little weight: the probe run pools by out-of-sample likelihood.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ..types import Bool, Float32, MediaFeatures, Modality, Progress, ProgressFn, Strings, quiet

VIEWS_VERSION = 2
"""Raised when the features change."""

_SIDE, _PATCH, _STRIDE, _POOL = 32, 6, 2, 3
_CODES = 256
_PATCHES = 40_000
_DIM = 256
_IMAGES = 128
"""Images a block, so that its responses fit into the cache."""
_LONGEST = 100_000
"""Characters of a text that are read: more only cost memory."""
_ROWS = 4096
_CONTRAST = 10 / 255**2
"""Added to a patch's variance before division (Coates, Lee & Ng 2011: 10 on the 0–255 scale)."""
_ZCA = 0.1
_THRESHOLD = 0.25


def label_views(
    modality: Modality,
    ok: Bool,
    media: MediaFeatures | None = None,
    texts: Strings | None = None,
    progress: ProgressFn = quiet,
    seed: int = 0,
) -> dict[str, Float32]:
    """Compute the label views of a dataset.

    Parameters
    ----------
    modality
        What a sample is.
    ok
        (n,) bool; with fewer than 50 there are no views.
    media
        Measurements of the images, with thumbnails.
    texts
        (n,) str.
    progress
        Called as the stage "label_views"; may raise ``Cancelled``.
    seed
        Seeds the patches and the decompositions.

    Returns
    -------
    dict
        "pixels" for images with thumbnails, "words" for texts: each (n, ≤ 256) float32 unit rows, zeros where a row is
        not ok or empty.
    """
    views: dict[str, Float32] = {}
    if media is not None and media.tiny is not None and int(ok.sum()) >= 50:
        progress(Progress("label_views", message="pixels"))
        views["pixels"] = pixel_features(media.tiny, ok & (media.width > 0), seed, progress)
    if texts is not None and modality in (Modality.TEXT, Modality.PAIR) and int(ok.sum()) >= 50:
        progress(Progress("label_views", message="words"))
        words = word_features(texts, ok, seed)
        if words is not None:
            views["words"] = words
    return views


def pixel_features(tiny: NDArray[np.uint8], ok: Bool, seed: int = 0, progress: ProgressFn = quiet) -> Float32:
    """Compute patch-code features of thumbnails.

    Parameters
    ----------
    tiny
        (n, 3072) uint8, 32 × 32 RGB row by row.
    ok
        (n,) bool.
    seed
        Draws the patches and starts k-means.
    progress
        Called as the stage "label_views"; may raise ``Cancelled``.

    Returns
    -------
    (n, ≤ 256) float32, unit rows, zeros where not ok.

    Notes
    -----
    Contrast-normalised, ZCA-whitened 6 × 6 patches; 256 codes by spherical k-means; two-sided soft threshold
    max(0, ±s − ¼); mean over 3 × 3 regions; square root; half-whitened PCA.

    References
    ----------
    Coates, Lee and Ng (2011), AISTATS; the encoding of Coates and Ng (2011), ICML.
    """
    images = tiny.reshape(-1, _SIDE, _SIDE, 3)
    rows = np.flatnonzero(ok)
    rng = np.random.default_rng(seed)
    filters, offset = _codebook(images, rows, rng)
    kernel = torch.from_numpy(filters.T.reshape(_CODES, 3, _PATCH, _PATCH).copy())
    total = kernel.sum((1, 2, 3))
    bias = torch.from_numpy(offset)
    out = np.zeros((len(tiny), 2 * _CODES * _POOL * _POOL), np.float16)
    for start in range(0, len(rows), _IMAGES):
        part = rows[start : start + _IMAGES]
        x = torch.from_numpy(images[part]).permute(0, 3, 1, 2).float() / 255
        mean = torch.nn.functional.avg_pool2d(x, _PATCH, _STRIDE).mean(1, keepdim=True)
        square = torch.nn.functional.avg_pool2d(x.square(), _PATCH, _STRIDE).mean(1, keepdim=True)
        deviation = (square - mean.square() + _CONTRAST).clamp_min(_CONTRAST).sqrt()
        s = torch.nn.functional.conv2d(x, kernel, stride=_STRIDE)
        s.sub_(mean * total[:, None, None]).div_(deviation).sub_(bias[:, None, None])
        s = torch.nn.functional.softshrink(s, _THRESHOLD)
        both = torch.nn.functional.adaptive_avg_pool2d(s, _POOL)  # mean of the positive side minus the negative side
        above = torch.nn.functional.adaptive_avg_pool2d(s.relu_(), _POOL)
        pooled = torch.cat([above, (above - both).clamp_min_(0)], 1).flatten(1).sqrt_()
        out[part] = pooled.numpy().astype(np.float16)
        progress(Progress("label_views", start + len(part), len(rows), "samples", "pixels"))
    return _half_whiten(out, ok, rng)


def _codebook(images: NDArray[np.uint8], rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[Float32, Float32]:
    """Filters (108, codes) with the whitening folded in, and their offsets (codes,)."""
    pick = np.sort(rng.choice(rows, _PATCHES))
    top, left = (rng.integers(0, _SIDE - _PATCH + 1, _PATCHES) for _ in range(2))
    step = np.arange(_PATCH)
    patches = images[pick[:, None, None], (top[:, None] + step)[:, :, None], (left[:, None] + step)[:, None, :]]
    p: Float32 = patches.transpose(0, 3, 1, 2).reshape(_PATCHES, -1).astype(np.float32) / 255
    p -= p.mean(1, keepdims=True)
    p /= np.sqrt(p.var(1, keepdims=True) + _CONTRAST)
    centre = p.mean(0)
    values, vectors = np.linalg.eigh(np.cov(p.T).astype(np.float64))
    whiten = ((vectors / np.sqrt(np.maximum(values, 0) + _ZCA)) @ vectors.T).astype(np.float32)
    p = (p - centre) @ whiten
    codes = p[rng.choice(_PATCHES, _CODES, replace=False)]
    codes /= np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-6)
    for _ in range(10):  # spherical k-means with signs (Coates & Ng 2012)
        s = p @ codes.T
        best = np.abs(s).argmax(1)
        moved = np.zeros_like(codes)
        np.add.at(moved, best, p * s[np.arange(_PATCHES), best][:, None])
        size = np.linalg.norm(moved, axis=1, keepdims=True)
        codes = np.where(size > 1e-6, moved / np.maximum(size, 1e-6), codes)
    filters = (whiten @ codes.T).astype(np.float32)
    return filters, (centre @ filters).astype(np.float32)


def word_features(texts: Strings, ok: Bool, seed: int = 0) -> Float32 | None:
    """Compute latent semantic features: TF-IDF of word 1–2-grams and character 2–5-grams, then truncated SVD.

    Parameters
    ----------
    texts
        (n,) str.
    ok
        (n,) bool.
    seed
        Seeds the SVD.

    Returns
    -------
    (n, ≤ 256) float32 unit rows, zeros where not ok; None where the texts share no terms. Of a text, the first 100,000
    characters are read.

    References
    ----------
    Deerwester et al. (1990), "Indexing by latent semantic analysis".
    """
    from scipy.sparse import hstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = np.flatnonzero(ok)
    documents = [str(texts[i])[:_LONGEST] for i in rows]
    min_documents = 2 if len(rows) < 20_000 else 5
    parts = []
    for analyser, ngrams in (("word", (1, 2)), ("char_wb", (2, 5))):
        try:
            coder = TfidfVectorizer(
                analyzer=analyser,
                ngram_range=ngrams,
                min_df=min_documents,
                max_features=50_000,
                sublinear_tf=True,
                dtype=np.float32,
            )
            parts.append(coder.fit_transform(documents))
        except ValueError:  # scikit-learn raises it when no term is left
            continue
    if not parts:
        return None
    terms = hstack(parts).tocsr()
    dim = min(_DIM, terms.shape[1] - 1, len(rows) - 1)
    if dim < 2:
        return None
    z = TruncatedSVD(dim, random_state=seed, n_iter=4).fit_transform(terms)
    z /= np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-9)
    out = np.zeros((len(texts), dim), np.float32)
    out[rows] = z
    return out


def _half_whiten(features: NDArray[np.float16], ok: Bool, rng: np.random.Generator) -> Float32:
    """Standardise, project on the leading 256 principal directions divided by λ^¼, scale rows to unit length.

    Randomised PCA with one power iteration (Halko, Martinsson & Tropp 2011), in blocks of rows.
    """
    rows = np.flatnonzero(ok)
    d = features.shape[1]
    total, squares = np.zeros(d), np.zeros(d)
    for x in _blocks(features, rows):
        total += x.sum(0)
        squares += np.square(x).sum(0)
    mean = total / len(rows)
    deviation = np.sqrt(np.maximum(squares / len(rows) - mean**2, 0)) + 1e-4
    shift, scale = mean.astype(np.float32), (1 / deviation).astype(np.float32)[:, None]
    dim = min(_DIM, d, max(len(rows) - 1, 1))
    basis = rng.standard_normal((d, min(dim + 32, d))).astype(np.float32)
    for _ in range(2):
        basis = np.linalg.qr(basis)[0] * scale
        image = np.zeros_like(basis)
        for x in _blocks(features, rows):
            image += (x - shift).T @ ((x - shift) @ basis)
        basis = image * scale
    basis = np.linalg.qr(basis)[0] * scale
    small = np.zeros((basis.shape[1],) * 2, np.float64)
    for x in _blocks(features, rows):
        z = (x - shift) @ basis
        small += z.T @ z
    values, vectors = np.linalg.eigh(small / len(rows))
    values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
    project = (basis @ (vectors * np.maximum(values, 1e-9) ** -0.25)).astype(np.float32)
    out = np.zeros((len(features), dim), np.float32)
    for start, x in zip(range(0, len(rows), _ROWS), _blocks(features, rows), strict=True):
        z = (x - shift) @ project
        out[rows[start : start + _ROWS]] = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-9)
    return out


def _blocks(features: NDArray[np.float16], rows: NDArray[np.int64]) -> Iterator[Float32]:
    for start in range(0, len(rows), _ROWS):
        yield features[rows[start : start + _ROWS]].astype(np.float32)
