"""Built-in image features that need no download: an unsupervised patch dictionary, fitted on the dataset itself.

Coates, Lee and Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning" (AISTATS 2011): 6 × 6
patches, contrast-normalised and ZCA-whitened; a k-means dictionary; soft "triangle" coding f_k = max(0, mean(z) − z_k)
with z_k = ‖x − c_k‖; mean over the four quadrants. Then, for cosine distances, the square root of each value (Hellinger
map) and an uncentred SVD to 256 dimensions. Images are reduced to 32 × 32: fair for small images, weak on photographs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from ...data.media.pixels import Fit
from ...data.media.workers import decode_stream
from ...errors import EncoderError
from ...storage.atomic import atomic_write
from ...types import Dataset, EncoderSpec, Float32, Modality, Progress, ProgressFn
from .base import FAMILIES, BaseEncoder, EncoderChoice, EncoderInfo, ImageWork, Pixels

if TYPE_CHECKING:
    import torch

SIDE, PATCH, STRIDE = 32, 6, 2
WORDS, DIM = 256, 256
"""256 words at stride 2 are within .01 of 400 words at stride 1 (10-NN agreement on 32-pixel photographs), in a tenth
of the time."""

_FIT_IMAGES, _PATCHES_PER_IMAGE = 4_000, 15
_ROUNDS = 8
_CONTRAST, _ZCA = 10.0, 0.1
"""The paper's regularisers, for pixels in 0–255."""


SMALL = Fit(SIDE, SIDE, "squash", "bicubic")
"""The whole image at 32 × 32, antialiased."""


class PatchEncoder(BaseEncoder):
    """Patch features.

    Parameters
    ----------
    spec
        Identifies the encoder.
    device
        "cpu" or "cuda[:i]".

    Attributes
    ----------
    state
        What was fitted: mean (108,), whiten (108, 108), words (K, 108), basis (4K, 256), all float32.
    """

    fitted = True
    batch = 128

    def __init__(self, spec: EncoderSpec, device: str) -> None:
        self.spec = spec
        self.device = device
        self.state: dict[str, NDArray[np.float32]] = {}
        self._on_device: dict[str, torch.Tensor] = {}

    def image_work(self) -> ImageWork:
        """Give the reduction to 32 × 32."""
        return SMALL

    def fit(self, dataset: Dataset, progress: ProgressFn) -> None:
        """Learn the dictionary and the basis from up to 4,000 images."""
        progress(Progress("embed", 0, dataset.n, "samples", "learning patches"))
        pixels = _sample(dataset)
        if not len(pixels):
            pixels = np.zeros((1, SIDE, SIDE, 3), np.uint8)
        # a seed from the pixels: the same images always give the same dictionary
        seed = int.from_bytes(hashlib.blake2b(pixels.tobytes(), digest_size=6).digest(), "big")
        mean, whiten, words = _learn(pixels, seed)
        self.state = {"mean": mean, "whiten": whiten, "words": words}
        self._on_device = {}
        self.state["basis"] = self._learn_basis(pixels)
        self._on_device = {}

    def save(self, folder: Path) -> None:
        """Write patches.safetensors."""
        data = save(self.state)
        atomic_write(folder / "patches.safetensors", lambda f: f.write(data))

    def load(self, folder: Path) -> None:
        """Read patches.safetensors."""
        self.state = load_file(folder / "patches.safetensors")
        self._on_device = {}

    def encode_pixels(self, pixels: Pixels) -> Float32:
        """Encode (m, 32, 32, 3) pixels: (m, 256) float32; raises EncoderError before it was fitted."""
        if "basis" not in self.state:
            raise EncoderError("patches has not been fitted on a dataset yet.")
        codes = self._codes(pixels)
        return (codes @ self._tensors()["basis"]).cpu().numpy().astype(np.float32)

    def _tensors(self) -> dict[str, torch.Tensor]:
        if not self._on_device:
            import torch

            self._on_device = {k: torch.from_numpy(v.copy()).to(self.device) for k, v in self.state.items()}
        return self._on_device

    def _codes(self, pixels: Pixels) -> torch.Tensor:
        """(m, 4K): triangle codes pooled over quadrants, square-rooted."""
        import torch

        t = self._tensors()
        words = t["words"]
        with torch.inference_mode():
            x = torch.from_numpy(pixels).to(self.device)
            u = (_patches(x, STRIDE) - t["mean"]) @ t["whiten"]
            squared = (u * u).sum(2, keepdim=True) - 2 * u @ words.T + (words * words).sum(1)
            z = squared.clamp_(min=0).sqrt_()
            side = (SIDE - PATCH) // STRIDE + 1
            f = (z.mean(2, keepdim=True) - z).clamp_(min=0).reshape(-1, side, side, words.shape[0])
            h = side // 2
            quadrants = (f[:, :h, :h], f[:, :h, h:], f[:, h:, :h], f[:, h:, h:])
            return torch.cat([q.mean((1, 2)) for q in quadrants], 1).sqrt_()

    def _learn_basis(self, pixels: Pixels) -> NDArray[np.float32]:
        """The leading right singular vectors of the codes, from their second moments."""
        width = 4 * len(self.state["words"])
        moments = np.zeros((width, width), np.float64)
        for start in range(0, len(pixels), self.batch):
            codes = self._codes(pixels[start : start + self.batch]).cpu().numpy().astype(np.float64)
            moments += codes.T @ codes
        basis = np.linalg.eigh(moments)[1]
        basis = basis[:, ::-1][:, :DIM]
        basis *= np.where(np.abs(basis).max(0) == basis.max(0), 1.0, -1.0)  # the sign of an eigenvector is arbitrary
        out = np.zeros((width, DIM), np.float32)
        out[:, : basis.shape[1]] = basis
        return out


def _patches(x: torch.Tensor, stride: int) -> torch.Tensor:
    """(m, positions, 108) contrast-normalised patches of (m, 32, 32, 3) uint8."""
    import torch

    planes = x.permute(0, 3, 1, 2).float()
    u = torch.nn.functional.unfold(planes, PATCH, stride=stride).transpose(1, 2)
    mean, var = u.mean(2, keepdim=True), u.var(2, keepdim=True)
    return (u - mean) / torch.sqrt(var + _CONTRAST)


def _learn(pixels: Pixels, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Mean, ZCA matrix and k-means words from random patches; on the CPU, so that they are equal on every machine."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    parts = []
    for start in range(0, len(pixels), 500):
        u = _patches(torch.from_numpy(pixels[start : start + 500]), 1)
        at = torch.randint(0, u.shape[1], (u.shape[0], _PATCHES_PER_IMAGE), generator=generator)
        parts.append(u[torch.arange(u.shape[0])[:, None], at].reshape(-1, u.shape[2]))
    p = torch.cat(parts)
    mean = p.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(p.T))
    whiten = vectors @ torch.diag(1 / torch.sqrt(values.clamp(min=0) + _ZCA)) @ vectors.T
    z = (p - mean) @ whiten
    words = z[torch.randperm(len(z), generator=generator)[:WORDS]].clone()
    for _ in range(_ROUNDS):
        nearest = torch.cat([(2 * b @ words.T - (words * words).sum(1)).argmax(1) for b in z.split(20_000)])
        sums = torch.zeros_like(words).index_add_(0, nearest, z)
        counts = torch.bincount(nearest, minlength=len(words))[:, None]
        words = torch.where(counts > 0, sums / counts.clamp(min=1), words)
    return mean.numpy(), whiten.contiguous().numpy(), words.numpy()


def _sample(dataset: Dataset) -> Pixels:
    """Up to 4,000 readable images, evenly spaced over the dataset."""
    rows = np.unique(np.linspace(0, dataset.n - 1, min(dataset.n, _FIT_IMAGES)).astype(int)).tolist()
    parts = [pixels[good] for _, (pixels, good) in decode_stream(dataset, rows, SMALL)]
    return np.concatenate(parts) if parts else np.zeros((0, SIDE, SIDE, 3), np.uint8)


class PatchFamily:
    """The built-in image encoder, ``patches``, which is always available."""

    name = "patches"

    def infos(self) -> list[EncoderInfo]:
        """List the one encoder."""
        note = "built in; fitted on your images, no download; weak on photographs"
        return [EncoderInfo(self.name, Modality.IMAGE, DIM, True, False, note)]

    def choose(self, rest: str, device: str, allow_network: bool) -> EncoderChoice:
        """Give the encoder; raises EncoderError where ``rest`` is not ""."""
        if rest:
            raise EncoderError(f"'patches:{rest}' is not an encoder: the built-in image encoder is called 'patches'.")
        recipe = f"rgb{SIDE}-patch{PATCH}-stride{STRIDE}-words{WORDS}-sqrt-svd{DIM}"
        spec = EncoderSpec(self.name, "1", recipe, DIM, Modality.IMAGE)
        return EncoderChoice(spec, device, lambda: PatchEncoder(spec, device))


FAMILIES.register(PatchFamily.name)(PatchFamily())
