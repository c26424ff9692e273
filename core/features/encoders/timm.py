"""Image models of timm: ``timm:MODEL``, ``timm:MODEL/checkpoint.safetensors``, both with ``@POOL`` and ``@SIZE``.

DINOv2 and DINOv3 (Oquab et al. 2024, TMLR; Siméoni et al. 2025), the vision towers of SigLIP (Zhai et al. 2023, ICCV),
ConvNeXt (Liu et al. 2022, CVPR) and the other models of https://github.com/huggingface/pytorch-image-models. Each has
its own preprocessing. They know no words: they stand beside an encoder that does.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ... import fingerprint as fp
from ...data.media.pixels import CroppedFit
from ...errors import EncoderError, WeightsUnavailable, choices
from ...storage.atomic import checksum_of
from ...types import EncoderSpec, Modality
from ._torch_images import TorchImageEncoder
from .base import FAMILIES, EncoderChoice, EncoderInfo
from .hub_cache import cached_file, first_line, offline_first, require_weights

POOLS = {
    "model": "the model's own",
    "token": "the class token",
    "avg": "the mean of the patches",
    "token+avg": "both, side by side",
}
"""How the tokens of a picture become one vector."""

_FILES = ("model.safetensors", "pytorch_model.bin")
_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_LISTED = ("dinov2", "dinov3", "siglip", "convnext")
_EXAMPLES = ("vit_small_patch14_dinov2.lvd142m", "vit_base_patch16_dinov3.lvd1689m", "convnext_tiny.in12k_ft_in1k")
_MODES = {"center": "shortest", "squash": "squash", "border": "longest"}
"""timm's ways to fit a picture, and ours."""


@dataclass(frozen=True)
class TimmName:
    """``timm:MODEL[/checkpoint][@POOL][@SIZE]``, taken apart.

    Attributes
    ----------
    model
        timm's name, with or without a weight tag.
    checkpoint
        Path of a local file; "" = the weights of the tag.
    pool
        A key of ``POOLS``.
    size
        Side of the input in pixels; 0 = the model's own.
    """

    model: str
    checkpoint: str = ""
    pool: str = "model"
    size: int = 0

    @classmethod
    def of(cls, rest: str) -> TimmName:
        """Read what stands behind ``timm:``. Raises EncoderError for a pooling or a size that there is not."""
        parts = rest.split("@")
        name = parts[0]
        options: dict[str, Any] = {}
        for part in parts[1:]:
            if part.isdecimal() and int(part) > 0:
                options["size"] = int(part)
            elif part in POOLS:
                options["pool"] = part
            else:
                listed = ", ".join(f"@{pool} ({what})" for pool, what in POOLS.items())
                raise EncoderError(
                    f"'timm:{rest}' ends with '@{part}', which is neither a size in pixels (@224) nor a pooling. "
                    f"There are: {listed}."
                )
        model, _, checkpoint = name.partition("/")
        return cls(model, checkpoint, **options)


class TimmEncoder(TorchImageEncoder):
    """A timm model without its classifier, with its own preprocessing.

    Parameters
    ----------
    spec
        Identifies it.
    name
        Which model, how pooled, at which size.
    checkpoint
        A local file; None = the weights of the model's tag.
    device
        "cpu" or "cuda[:i]".
    allow_network
        Whether weights may be downloaded.
    """

    def __init__(
        self, spec: EncoderSpec, name: TimmName, checkpoint: Path | None, device: str, allow_network: bool
    ) -> None:
        import torch
        from timm.data.config import resolve_data_config

        super().__init__(device)
        self._pool = name.pool
        overlay: dict[str, Any] = {} if checkpoint is None else {"file": str(checkpoint)}

        def load() -> Any:
            return _create(name, pretrained=True, pretrained_cfg_overlay=overlay).eval()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self._model = offline_first(load, allow_network and checkpoint is None).to(device)
            except Exception as error:  # every loader in the chain has exceptions of its own
                raise WeightsUnavailable(
                    f"{spec.name} could not be loaded ({first_line(error)}). Check the file or the connection and run "
                    "again, or use another encoder (see `winnow encoders`)."
                ) from error
        if self._cuda:
            self._model.to(memory_format=torch.channels_last)
        recipe = cast(Any, resolve_data_config)({}, model=self._model)
        recipe["input_size"] = _input_size(self._model, name.size)
        self.spec = replace(spec, preprocessing=self.prepare(_fit(recipe), recipe["mean"], recipe["std"]))

    def forward(self, pixels: Any) -> Any:
        """Run the model and pool its tokens."""
        import torch

        tokens = self._model.forward_features(pixels)
        if self._pool == "model":
            return self._model.forward_head(tokens, pre_logits=True)
        if tokens.ndim == 4:  # a map of (m, d, height, width), or (m, height, width, d)
            return tokens.mean((2, 3) if tokens.shape[1] == self._model.num_features else (1, 2))
        first = self._model.num_prefix_tokens
        parts = {"token": tokens[:, 0], "avg": tokens[:, first:].mean(1)}
        if self._pool != "token+avg":
            return parts[self._pool]
        return torch.cat([torch.nn.functional.normalize(part.float(), dim=1) for part in parts.values()], 1)


def _create(name: TimmName, **options: Any) -> Any:
    """The model without a classifier; one that takes every size need not be told the size."""
    import timm

    if name.size:
        with contextlib.suppress(TypeError):
            return timm.create_model(name.model, num_classes=0, img_size=name.size, **options)
    return timm.create_model(name.model, num_classes=0, **options)


def _input_size(model: Any, size: int) -> tuple[int, int, int]:
    """Channels, height and width of a model's input."""
    return (3, size, size) if size else tuple(model.pretrained_cfg["input_size"])


def _fit(recipe: Mapping[str, Any]) -> CroppedFit:
    """The resizing that timm's transform for evaluation does with this recipe."""
    _, height, width = recipe["input_size"]
    r, g, b = (round(255 * v) for v in recipe["mean"])
    mode = _MODES[recipe.get("crop_mode") or "center"]
    return CroppedFit(
        height, width, mode, recipe["interpolation"], share=float(recipe["crop_pct"] or 0.875), colour=(r, g, b)
    )


def _blueprint(name: TimmName) -> Any:
    """The model without weights or memory. Raises EncoderError where it cannot have this pooling or size."""
    import torch

    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _create(name, pretrained=False)
            _, height, width = _input_size(model, name.size)
            tokens = model.forward_features(torch.zeros(1, 3, height, width))
    except Exception as error:  # what a model raises for a size that it cannot have differs from model to model
        at = f" at {name.size} × {name.size} pixels" if name.size else ""
        raise EncoderError(f"timm cannot make {name.model}{at} ({first_line(error)}). Leave the size out.") from error
    if name.pool in ("token", "token+avg") and not (tokens.ndim == 3 and getattr(model, "num_prefix_tokens", 0)):
        raise EncoderError(f"{name.model} has no class token: leave '@{name.pool}' out, or take '@avg'.")
    return model


class TimmFamily:
    """Models of timm by name or checkpoint: ``timm:MODEL[/path][@POOL][@SIZE]``."""

    name = "timm"

    def infos(self) -> list[EncoderInfo]:
        """List the models that are made to see without labels, and ConvNeXt; any other of timm can be named too."""
        import timm

        infos = []
        for model in timm.list_pretrained():
            if not any(part in model for part in _LISTED) or model.startswith("naflex"):
                continue
            cfg = timm.get_pretrained_cfg(model)
            if cfg is None or not cfg.hf_hub_id:
                continue
            note = str(cfg.license or "")
            is_cached = cached_file(cfg.hf_hub_id, _FILES) is not None
            infos.append(EncoderInfo(f"timm:{model}", Modality.IMAGE, 0, is_cached, True, note))
        return infos

    def choose(self, rest: str, device: str, allow_network: bool) -> EncoderChoice:
        """Resolve ``MODEL[/path][@POOL][@SIZE]``."""
        try:
            import timm
        except ImportError as error:
            raise WeightsUnavailable(f"timm cannot be imported ({error}). Run `pip install timm`.") from error
        name = TimmName.of(rest)
        if not timm.is_model(name.model.partition(".")[0]):
            like_it = timm.list_models(f"*{name.model[:12]}*") if name.model else []
            raise EncoderError(
                f"timm has no model {name.model!r}. There are, for example: {choices(like_it or _EXAMPLES, 8)}; "
                "see `winnow encoders`."
            )
        checkpoint = _check_file(name) if name.checkpoint else None
        if checkpoint is not None:
            revision = checksum_of(checkpoint)
        else:
            cfg = _weights(name.model)
            instead = f"give a checkpoint (timm:{name.model}/path.safetensors), or use the built-in encoder 'patches'"
            require_weights(f"timm:{name.model}", cfg.hf_hub_id, _FILES, allow_network, instead)
            revision = f"{cfg.hf_hub_id}@{cfg.tag}"
        width = int(_blueprint(name).num_features) * (2 if name.pool == "token+avg" else 1)
        half = "half" if device.startswith("cuda") else "full"
        spec = EncoderSpec(
            f"timm:{rest}", revision, fp.of(name.pool, name.size, half), width, Modality.IMAGE, has_text_tower=False
        )

        def build(on: str = device) -> TimmEncoder:
            return TimmEncoder(spec, name, checkpoint, on, allow_network)

        return EncoderChoice(spec, device, build, build_on=build)


def _weights(model: str) -> Any:
    """Timm's description of the weights; raises EncoderError where there are none of that name on the hub."""
    import timm

    architecture = model.partition(".")[0]
    cfg = None
    with contextlib.suppress(RuntimeError):  # an unknown tag
        cfg = timm.get_pretrained_cfg(model)
    if cfg is None or not cfg.hf_hub_id:
        raise EncoderError(
            f"timm has no weights called {model!r}. There are: "
            f"{choices(timm.list_pretrained(f'{architecture}.*') or ['none'], 8)}. Or give a checkpoint: "
            f"timm:{architecture}/path.safetensors."
        )
    return cfg


def _check_file(name: TimmName) -> Path:
    """The checkpoint of ``timm:MODEL/path``; raises EncoderError or WeightsUnavailable."""
    for path in (Path(name.checkpoint).expanduser(), Path("/" + name.checkpoint)):
        if path.is_file():
            if path.suffix not in _SUFFIXES:
                raise EncoderError(f"{path.name} is no checkpoint: give a file that ends with {choices(_SUFFIXES)}.")
            return path.resolve()
    raise WeightsUnavailable(
        f"The checkpoint {name.checkpoint!r} does not exist. Give the path of a file, or leave it out to use the "
        f"weights of timm:{name.model}."
    )


FAMILIES.register(TimmFamily.name)(TimmFamily())
