"""The probe run: out-of-sample beliefs about every label, and their training dynamics.

In: features, labels and further views. Out: ``Beliefs``, (n, C) out-of-fold probabilities and training dynamics.
"""

from __future__ import annotations

from .config import ProbeConfig, models_left_out
from .run import PROBE_VERSION, run_probe

__all__ = ["PROBE_VERSION", "ProbeConfig", "models_left_out", "run_probe"]
