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
    """Resolve several encoders by name, each as :func:`choose` does; no name = the default of the modality."""
    return tuple(choose(name, modality, device, allow_network) for name in names or (None,))
