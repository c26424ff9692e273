"""Signals: one file each, registered at the bottom of its own file. See :class:`winnow.core.types.Signal`."""

from __future__ import annotations

from ..registry import Registry, load_siblings
from ..types import Signal

SIGNALS: Registry[Signal] = Registry("signal")

load_siblings(__name__, __path__)
