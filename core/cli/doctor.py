"""Verbs about this machine: doctor, encoders, version."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

import typer

from ..errors import WinnowError
from ..types import Modality
from ..version import __version__
from .options import MACHINE, Json, in_section, print_result, print_table

app = typer.Typer()


@app.command(**in_section(MACHINE, "winnow encoders"))
def encoders(json_: Json = False) -> None:
    """The encoders there are, and which can be used here now."""
    from ..features.encoders import catalogue

    known = catalogue()
    if json_:
        fields = ("name", "modality", "dim", "cached", "downloadable", "note")
        print_result([{field: getattr(e, field) for field in fields} for e in known], True)
        return
    rows = [
        (e.name, str(e.modality), "ready" if e.cached else "download" if e.downloadable else "no", e.note)
        for e in known
    ]
    print_table(("encoder", "for", "here", "note"), rows)


@app.command(**in_section(MACHINE, "winnow doctor --json"))
def doctor(json_: Json = False) -> None:
    """Versions, device, cached weights and disk: what would be used here, and why."""
    report = examine()
    print_result(report, json_, "\n".join(f"{key.ljust(18)}{value}" for key, value in _flat(report)))


def _flat(report: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in report.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, ", ".join(map(str, value)) if isinstance(value, list) else value))
    return rows


def examine() -> dict[str, Any]:
    """Versions, device, memory, disk, cached weights, and the encoder that a scan would pick for each modality."""
    import torch

    from ..features.encoders import catalogue
    from ..pipeline.stages.manifest import library_versions

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
    from ..features.encoders import choose

    try:
        choice = choose(None, modality)
    except WinnowError as error:
        return f"none: {error}"
    return " · ".join((choice.spec.name, *choice.notices))


@app.command(**in_section(MACHINE, "winnow version"))
def version() -> None:
    """Print the version."""
    print(__version__)
