"""Every open_clip model, with a weight tag or a local checkpoint: ``open_clip:MODEL/TAG`` or ``open_clip:MODEL/file``.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML 2021); models and weights:
https://github.com/mlfoundations/open_clip. Each tag has its own preprocessing.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ... import fingerprint as fp
from ...data.media.pixels import Fit
from ...errors import EncoderError, WeightsUnavailable, choices
from ...storage.atomic import checksum_of
from ...types import EncoderSpec, Float32, Modality
from ._torch_images import TorchImageEncoder
from .base import FAMILIES, EncoderChoice, EncoderInfo
from .hub_cache import cached_file, first_line, offline_first, require_weights

DEFAULT = "ViT-B-32/laion2b_s34b_b79k"
DEFAULT_REPO = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
DEFAULT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""The default's weights, so that they are looked up before open_clip is imported, which takes seconds."""

_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".ckpt")


class OpenClipEncoder(TorchImageEncoder):
    """An open_clip model with its own preprocessing.

    Parameters
    ----------
    spec
        Identifies it.
    model
        Name of the architecture.
    pretrained
        A weight tag or the path of a checkpoint.
    device
        "cpu" or "cuda[:i]".
    allow_network
        Whether weights may be downloaded.
    """

    def __init__(self, spec: EncoderSpec, model: str, pretrained: str, device: str, allow_network: bool) -> None:
        import open_clip
        import torch

        super().__init__(device)
        self._name = model
        self._allow_network = allow_network

        def load() -> Any:
            # pretrained_text: only the architecture of a text tower is needed; the checkpoint has its weights.
            return open_clip.create_model(
                model, pretrained, device=device, weights_only=True, pretrained_text=False, require_pretrained=True
            ).eval()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self._model = offline_first(load, allow_network)
            except Exception as error:  # every loader in the chain has exceptions of its own
                raise WeightsUnavailable(
                    f"open_clip:{model}/{pretrained} could not be loaded ({first_line(error)}). Check the file or the "
                    "connection and run again, or use another encoder (see `winnow encoders`)."
                ) from error
        if self._cuda:
            self._model.to(memory_format=torch.channels_last)
        recipe = dict(self._model.visual.preprocess_cfg)
        size = recipe["size"]
        height, width = (size, size) if isinstance(size, int) else tuple(size)
        fit = Fit(height, width, recipe["resize_mode"], recipe["interpolation"], recipe.get("fill_color", 0))
        self._tokenizer: Any = None
        self.spec = replace(spec, preprocessing=self.prepare(fit, recipe["mean"], recipe["std"]))

    def forward(self, pixels: Any) -> Any:
        """Run the image tower."""
        return self._model.encode_image(pixels)

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        """Encode texts by the text tower: (m, d) float32."""
        import open_clip
        import torch

        if self._tokenizer is None:
            self._tokenizer = offline_first(lambda: open_clip.get_tokenizer(self._name), self._allow_network)
        tokens = self._tokenizer(list(texts)).to(self.device)
        with torch.inference_mode(), self.autocast():
            features = self._model.encode_text(tokens)
        return cast("Float32", features.float().cpu().numpy())


def repository(config: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Name the hub repository of a tag, and the files that open_clip looks for, in its order."""
    repo, _, name = str(config.get("hf_hub", "")).rpartition("/")
    if not name:
        return repo, DEFAULT_FILES
    stem = name.rpartition(".")[0] or name
    return repo, (f"{stem}.safetensors", name)


def _models() -> dict[str, dict[str, Any]]:
    """Model → its configuration."""
    import open_clip

    return {name: open_clip.get_model_config(name) for name in open_clip.list_models()}


class OpenClipFamily:
    """Every open_clip model with a weight tag, or a local checkpoint: ``open_clip:MODEL/TAG`` or ``/path``."""

    name = "open_clip"

    def infos(self) -> list[EncoderInfo]:
        """List every model with every tag, the default first."""
        import open_clip

        models = _models()
        infos = []
        for model, tag in open_clip.list_pretrained():
            repo, names = repository(open_clip.get_pretrained_cfg(model, tag))
            dim = int(models.get(model, {}).get("embed_dim", 0))
            note = "the default for images" if f"{model}/{tag}" == DEFAULT else ""
            is_cached = cached_file(repo, names) is not None
            infos.append(EncoderInfo(f"open_clip:{model}/{tag}", Modality.IMAGE, dim, is_cached, True, note))
        return sorted(infos, key=lambda i: not i.note)

    def choose(self, rest: str, device: str, allow_network: bool) -> EncoderChoice:
        """Resolve ``MODEL/TAG`` or ``MODEL/path``; "" = the default."""
        model, _, tail = (rest or DEFAULT).partition("/")
        instead = f"give a checkpoint (open_clip:{model}/path.safetensors), or use the built-in encoder 'patches'"
        if rest in ("", DEFAULT):
            require_weights(f"open_clip:{DEFAULT}", DEFAULT_REPO, DEFAULT_FILES, allow_network, instead)
        try:
            import open_clip
        except ImportError as error:
            raise WeightsUnavailable(
                f"open_clip cannot be imported ({error}). Run `pip install open_clip_torch`."
            ) from error
        config = open_clip.get_model_config(model)
        if config is None:
            raise EncoderError(
                f"open_clip has no model {model!r}. Some of its {len(open_clip.list_models())} models: "
                f"{choices(open_clip.list_models(), 8)}; see `winnow encoders`."
            )
        tag = open_clip.get_pretrained_cfg(model, tail)
        if tag:
            repo, files = repository(tag)
            if f"{model}/{tail}" != DEFAULT:
                require_weights(f"open_clip:{model}/{tail}", repo, files, allow_network, instead)
            pretrained, revision = tail, f"{repo}@{tail}"
        else:
            pretrained = str(_check_file(model, tail))
            revision = checksum_of(pretrained)
        name = f"open_clip:{model}/{tail}"
        size = config["vision_cfg"].get("image_size", 224)
        recipe = {k: tag.get(k) for k in ("mean", "std", "interpolation", "resize_mode")}
        half = "half" if device.startswith("cuda") else "full"
        spec = EncoderSpec(
            name, revision, fp.of(size, recipe, half), int(config["embed_dim"]), Modality.IMAGE, has_text_tower=True
        )

        def build(on: str = device) -> OpenClipEncoder:
            return OpenClipEncoder(spec, model, pretrained, on, allow_network)

        return EncoderChoice(spec, device, build, build_on=build)


def _check_file(model: str, tail: str) -> Path:
    """The checkpoint of ``open_clip:MODEL/path``; raises EncoderError or WeightsUnavailable."""
    import open_clip

    for path in (Path(tail).expanduser(), Path("/" + tail)):
        if tail and path.is_file():
            return path.resolve()
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tail.endswith(_SUFFIXES):
        raise WeightsUnavailable(
            f"The checkpoint {tail!r} does not exist. Give the path of a file, or a tag: {choices(tags)}."
        )
    problem = f"{tail!r} is neither a weight tag of {model} nor a file" if tail else f"open_clip:{model} needs weights"
    raise EncoderError(
        f"{problem}. Its tags: {choices(tags)}. Write open_clip:{model}/TAG or open_clip:{model}/path.safetensors."
    )


FAMILIES.register(OpenClipFamily.name)(OpenClipFamily())
