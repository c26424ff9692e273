"""Encoders: from samples to unit vectors. One file per family; torch is imported inside functions only."""

from __future__ import annotations

from ..registry import load_siblings
from .augmented import augmented
from .base import FAMILIES, BaseEncoder, Choice, EncoderInfo, unit_rows
from .brought import write_brought
from .choose import catalogue, choose, resolve_device
from .embed import embed, encoder_key, load_fitted

load_siblings(__name__, __path__)

__all__ = [
    "FAMILIES",
    "BaseEncoder",
    "Choice",
    "EncoderInfo",
    "augmented",
    "catalogue",
    "choose",
    "embed",
    "encoder_key",
    "load_fitted",
    "resolve_device",
    "unit_rows",
    "write_brought",
]
