"""The registry that every signal enters at the bottom of its own file."""

from __future__ import annotations

from ...registry import Registry
from ...types import Signal

SIGNALS: Registry[Signal] = Registry("signal")
