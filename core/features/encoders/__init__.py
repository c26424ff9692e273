"""Encoders: from samples to unit vectors. One file per family; torch is imported inside functions only.

In: images or texts. Out: (n, d) float16 unit rows, whether each could be embedded, and the encoder's spec.
"""

from __future__ import annotations

from ...registry import load_siblings
from .augmented import augmented
from .base import FAMILIES, BaseEncoder, EncoderChoice, EncoderInfo, unit_rows
from .choose import BEST, catalogue, choose, choose_all, choose_best, resolve_device
from .embed import embed, encoder_key, load_fitted
from .precomputed import PRECOMPUTED, write_precomputed

load_siblings(__name__, __path__)

__all__ = [
    "BEST",
    "FAMILIES",
    "PRECOMPUTED",
    "BaseEncoder",
    "EncoderChoice",
    "EncoderInfo",
    "augmented",
    "catalogue",
    "choose",
    "choose_all",
    "choose_best",
    "embed",
    "encoder_key",
    "load_fitted",
    "resolve_device",
    "unit_rows",
    "write_precomputed",
]
