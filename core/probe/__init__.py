"""The probe run (DESIGN section 4): out-of-sample beliefs about every label, and the dynamics of learning them."""

from __future__ import annotations

from .config import ProbeConfig
from .run import PROBE_VERSION, run_probe

__all__ = ["PROBE_VERSION", "ProbeConfig", "run_probe"]
