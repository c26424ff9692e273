"""What this machine has, and what a scan would use here and why."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

from ..errors import WinnowError
from ..features.encoders import catalogue, choose
from ..pipeline.stages.manifest import library_versions
from ..types import Modality
from ..version import __version__


def examine() -> dict[str, Any]:
    """Versions, device, memory, disk, cached weights, and the encoder that a scan would pick for each modality."""
    import torch

    cuda = torch.cuda.is_available()
    device = {
        "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else "none",
        "would_use": "cuda" if cuda else "cpu",
        "why": "a CUDA device is there" if cuda else "no CUDA device is visible to torch",
        "cpu_cores": os.cpu_count() or 1,
        "torch_threads": torch.get_num_threads(),
    }
    return {
        "winnow": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": device,
        "disk_free_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
        "weights_cached": [e.name for e in catalogue() if e.cached],
        "encoder_for": {m.value: _pick(m) for m in (Modality.IMAGE, Modality.TEXT)},
        "libraries": library_versions(),
    }


def _pick(modality: Modality) -> str:
    try:
        choice = choose(None, modality)
    except WinnowError as error:
        return f"none: {error}"
    return " · ".join((choice.spec.name, *choice.notices))
