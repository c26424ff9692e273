"""Choose the encoder, and fall back on a built-in one where the best is not available."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace

from ...errors import EncoderError, WeightsUnavailable, choices
from ...types import Modality
from .base import FAMILIES, EncoderChoice, EncoderInfo

DEFAULTS = {
    Modality.IMAGE: "open_clip:ViT-B-32/laion2b_s34b_b79k",
    Modality.PAIR: "open_clip:ViT-B-32/laion2b_s34b_b79k",
    Modality.TEXT: "sentence-transformers:all-MiniLM-L6-v2",
}
BUILT_IN = {Modality.IMAGE: "patches", Modality.PAIR: "patches", Modality.TEXT: "tfidf"}

BEST = "best"
"""Stands for the strongest pair of encoders that can be had."""

_STRONGEST: dict[Modality, tuple[tuple[str, tuple[str, ...]], ...]] = {
    Modality.IMAGE: (
        (
            "trained on images and their captions, it answers searches",
            (
                "open_clip:ViT-SO400M-16-SigLIP2-256/webli",
                "open_clip:ViT-L-14/datacomp_xl_s13b_b90k",
                "open_clip:ViT-B-16-SigLIP2-256/webli",
                DEFAULTS[Modality.IMAGE],
            ),
        ),
        (
            "trained on images alone, it sees texture and shape that captions do not name",
            (
                "timm:vit_large_patch14_reg4_dinov2.lvd142m@224",
                "timm:vit_base_patch14_reg4_dinov2.lvd142m@224",
                "timm:vit_small_patch14_reg4_dinov2.lvd142m@224",
            ),
        ),
    ),
    Modality.TEXT: (
        ("the strongest sentence encoder", ("sentence-transformers:all-mpnet-base-v2",)),
        ("a sentence encoder of another make", ("sentence-transformers:all-MiniLM-L6-v2",)),
    ),
}
"""Modality → of each encoder of the pair, what it is there for and its candidates, the strongest first."""
_LARGE = ("ViT-SO400M", "ViT-L", "vit_large")
"""Candidates that take minutes per thousand images without a GPU."""

_FALLBACK = {
    "patches": (
        "CLIP could not be {failed}. Using built-in patch features, which are weaker on photographs. "
        "Run `winnow scan … --encoder {name}` when online."
    ),
    "tfidf": (
        "The sentence encoder could not be {failed}. Using built-in word features (TF-IDF), which know spelling but "
        "not meaning. Run `winnow scan … --encoder {name}` when online."
    ),
}


def catalogue() -> list[EncoderInfo]:
    """List every encoder that can be chosen, family by family, without touching the network."""
    return [info for family in FAMILIES for info in family.infos()]


def resolve_device(device: str = "auto") -> str:
    """Resolve "auto", "cpu", "cuda" or "cuda:i" to "cpu" or "cuda[:i]".

    Raises
    ------
    EncoderError
        The name is unknown, or CUDA was named and is not available.
    """
    if device == "cpu" or (device == "auto" and importlib.util.find_spec("torch") is None):
        return "cpu"
    if device != "auto" and device.split(":")[0] != "cuda":
        raise EncoderError(f"There is no device {device!r}. Choose 'auto', 'cpu' or 'cuda'.")
    import torch

    if torch.cuda.is_available():
        return "cuda" if device == "auto" else device
    if device == "auto":
        return "cpu"
    raise EncoderError(f"The device {device!r} is not available here: torch sees no CUDA. Use --device cpu or auto.")


def choose(name: str | None, modality: Modality, device: str = "auto", allow_network: bool = True) -> EncoderChoice:
    """Resolve an encoder by name, or the best one for a modality.

    Parameters
    ----------
    name
        A name from :func:`catalogue`, ``open_clip:MODEL/TAG``, ``open_clip:MODEL/path.safetensors``,
        ``sentence-transformers:NAME|path``, ``patches`` or ``tfidf``. None = the default of the modality, or the
        built-in encoder, with one notice, where the weights of the default are neither cached nor downloadable.
    modality
        What a sample is.
    device
        As for :func:`resolve_device`.
    allow_network
        Whether a download may be tried (it fails within seconds when offline).

    Raises
    ------
    WeightsUnavailable
        The weights of a named encoder are not available (there is never a silent fallback).
    EncoderError
        An unknown name or device, or an encoder of another modality.
    """
    if modality is Modality.VECTOR:
        raise EncoderError("This dataset has embeddings only: there is nothing to encode. Give --embeddings.")
    device = resolve_device(device)
    if name is not None:
        return _named(name, modality, device, allow_network)
    try:
        return _named(DEFAULTS[modality], modality, device, allow_network)
    except WeightsUnavailable as error:
        built_in = BUILT_IN[modality]
        failed = "downloaded (offline)" if allow_network else "found on this machine (downloads are switched off)"
        if "the hub answered" in str(error):
            failed = f"downloaded ({str(error).partition('(')[2].partition(')')[0]})"
        notice = _FALLBACK[built_in].format(failed=failed, name=DEFAULTS[modality])
        choice = _named(built_in, modality, device, allow_network)
        return replace(choice, notices=(notice, *choice.notices))


def _named(name: str, modality: Modality, device: str, allow_network: bool) -> EncoderChoice:
    family, _, rest = name.partition(":")
    if family not in FAMILIES:
        raise EncoderError(
            f"There is no encoder {name!r}. Families: {choices(FAMILIES.names())}; see `winnow encoders` for all names."
        )
    choice = FAMILIES.get(family).choose(rest, device, allow_network)
    wanted = Modality.IMAGE if modality is Modality.PAIR else modality
    if choice.spec.modality is not wanted and not (wanted is Modality.TEXT and choice.spec.has_text_tower):
        raise EncoderError(
            f"{name!r} encodes {choice.spec.modality.value}s, and this dataset holds {wanted.value}s. "
            f"For {wanted.value}s there are: {choices(i.name for i in catalogue() if i.modality is wanted)}."
        )
    return choice


def choose_all(
    names: Sequence[str], modality: Modality, device: str = "auto", allow_network: bool = True
) -> tuple[EncoderChoice, ...]:
    """Resolve several encoders, each as :func:`choose` does.

    No name = the default of the modality; "best" = the strongest pair (:func:`choose_best`). An encoder that is named
    twice counts once.
    """
    if not names:
        return (choose(None, modality, device, allow_network),)
    chosen: list[EncoderChoice] = []
    for name in names:
        if name == BEST:
            chosen += choose_best(modality, device, allow_network)
        else:
            chosen.append(choose(name, modality, device, allow_network))
    by_name: dict[str, EncoderChoice] = {}
    for choice in chosen:
        by_name.setdefault(choice.name, choice)
    return tuple(by_name.values())


def choose_best(modality: Modality, device: str = "auto", allow_network: bool = True) -> tuple[EncoderChoice, ...]:
    """Choose the strongest pair of encoders whose weights are here or can be downloaded.

    Of each half of the pair, the first candidate that can be had counts; without a GPU, large models count only where
    no smaller one can be had. Where none of a half can be had, the built-in encoder stands in. The first of the pair
    carries a notice that says which were chosen and why, and what was not to be had.

    Parameters
    ----------
    modality, device, allow_network
        As for :func:`choose`.

    Raises
    ------
    EncoderError
        As for :func:`choose`.
    """
    if modality is Modality.VECTOR:
        return (choose(None, modality, device, allow_network),)  # raises
    device = resolve_device(device)
    built_in = BUILT_IN[modality]
    chosen: list[EncoderChoice] = []
    reasons, missing = [], {}
    for purpose, candidates in _STRONGEST[Modality.TEXT if modality is Modality.TEXT else Modality.IMAGE]:
        for name in sorted(candidates, key=lambda c: device == "cpu" and any(part in c for part in _LARGE)):
            try:
                choice = _named(name, modality, device, allow_network)
            except WeightsUnavailable as error:
                missing[name] = str(error)
                allow_network &= "(offline" not in str(error)  # ask an unreachable hub once, not once a candidate
                continue
            chosen.append(choice)
            reasons.append(f"{name} ({purpose})")
            break
    if len(chosen) < 2:
        chosen.append(_named(built_in, modality, device, allow_network))
        reasons.append(f"{built_in} (built in)")
    notice = f"Best encoders that can be had here: {' and '.join(reasons)}."
    if missing:
        why = "offline" if any("(offline" in m for m in missing.values()) else "no weights"
        notice += f" Not to be had ({why}): {choices(missing, 8)}."
    if device == "cpu":
        notice += " On a GPU, larger ones would be tried first."
    return (replace(chosen[0], notices=(notice, *chosen[0].notices)), *chosen[1:])
