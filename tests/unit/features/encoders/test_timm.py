"""timm models with random and local weights give what timm's own transform and forward pass give."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from winnow.core.data.media.pixels import CroppedFit
from winnow.core.errors import EncoderError, WeightsUnavailable
from winnow.core.features.encoders import choose, unit_rows
from winnow.core.features.encoders import hub_cache as hub
from winnow.core.features.encoders.timm import TimmName
from winnow.core.types import Modality


def pictures() -> list[Image.Image]:
    random = np.random.default_rng(0)
    sizes = [(200, 150), (90, 240), (160, 160)]
    small = [Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8)) for _ in sizes]
    return [p.resize(size, Image.Resampling.BICUBIC) for p, size in zip(small, sizes, strict=True)]


def as_bytes(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights of a tiny ViT with a class token, one with an attention pool, and a ConvNeXt, with classifiers."""
    folder = tmp_path_factory.mktemp("timm")
    paths = {}
    for name in ("test_vit", "test_vit3", "test_convnext"):
        torch.manual_seed(0)
        model = timm.create_model(name, pretrained=False)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.2)
        paths[name] = folder / f"{name}.safetensors"
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, paths[name])
    return paths


def reference(name: str, path: Path, pool: str) -> np.ndarray:
    """Unit rows by timm alone."""
    model = timm.create_model(name, pretrained=False, checkpoint_path=str(path)).eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model), is_training=False)
    with torch.inference_mode():
        x = torch.stack([transform(p) for p in pictures()])
        tokens = model.forward_features(x)
        if pool == "model":
            out = model.forward_head(tokens, pre_logits=True)
        elif tokens.ndim == 4:
            out = tokens.mean((2, 3))
        else:
            parts = {"token": tokens[:, 0], "avg": tokens[:, model.num_prefix_tokens :].mean(1)}
            both = [torch.nn.functional.normalize(v, dim=1) for v in parts.values()]
            out = parts[pool] if pool in parts else torch.cat(both, 1)
    return unit_rows(out.numpy())


@pytest.mark.parametrize(
    ("name", "pool"),
    [
        ("test_vit", "model"),
        ("test_vit", "token"),
        ("test_vit", "avg"),
        ("test_vit", "token+avg"),
        ("test_vit3", "model"),
        ("test_vit3", "avg"),
        ("test_convnext", "model"),
        ("test_convnext", "avg"),
    ],
)
def test_vectors_are_those_of_timm_itself(checkpoints: dict[str, Path], name: str, pool: str) -> None:
    full = f"timm:{name}/{checkpoints[name]}" + ("" if pool == "model" else f"@{pool}")
    choice = choose(full, Modality.IMAGE, "cpu", allow_network=False)
    found = choice.build().encode_images([as_bytes(p) for p in pictures()])
    expected = reference(name, checkpoints[name], pool)
    assert found.shape == expected.shape == (3, choice.spec.dim)
    assert (found * expected).sum(1).min() > 0.9999
    assert np.ptp(expected @ expected.T) > 0.05, "the pictures are told apart"


def test_another_size_is_another_encoder(checkpoints: dict[str, Path]) -> None:
    path = checkpoints["test_vit"]
    own, larger = (choose(f"timm:test_vit/{path}{at}", Modality.IMAGE, "cpu", False) for at in ("", "@192"))
    assert own.spec.preprocessing != larger.spec.preprocessing
    encoder = larger.build()
    pixels, good = encoder.image_work()([as_bytes(pictures()[0])])  # type: ignore[operator]
    assert pixels.shape == (1, 192, 192, 3)
    assert good.all()
    assert encoder.encode_pixels(pixels).shape == (1, 64)


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("share", [1.0, 0.875])
def test_pictures_are_fitted_as_timm_does(mode: str, share: float) -> None:
    ways = {"center": "shortest", "squash": "squash", "border": "longest"}
    fit = CroppedFit(64, 64, ways[mode], "bicubic", share=share, colour=(124, 116, 104))
    transform = timm.data.create_transform(
        (3, 64, 64),
        interpolation="bicubic",
        crop_pct=share,
        crop_mode=mode,
        mean=(0.485, 0.456, 0.406),
        normalize=False,
    )
    for picture in pictures():
        expected = transform(picture).permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(np.asarray(fit.image(picture)), expected)


def test_what_cannot_be_had_is_said_in_words(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub, "cached_file", lambda *_: None)
    monkeypatch.setattr(hub, "download_obstacle", lambda *_: "offline")

    def why(name: str) -> str:
        with pytest.raises(EncoderError) as caught:
            choose(name, Modality.IMAGE, "cpu", allow_network=True)
        return str(caught.value)

    assert "cannot be downloaded (offline)" in why("timm:vit_small_patch14_dinov2.lvd142m")
    assert "timm has no model 'vit_smal_patch'" in why("timm:vit_smal_patch")
    assert "no weights called" in why("timm:vit_small_patch14_dinov2.other")
    assert "vit_small_patch14_dinov2.lvd142m" in why("timm:vit_small_patch14_dinov2.other")
    assert "does not exist" in why("timm:test_vit/none.safetensors")
    (tmp_path / "weights.npz").write_bytes(b"")
    assert "is no checkpoint" in why(f"timm:test_vit/{tmp_path / 'weights.npz'}")
    assert "neither a size in pixels (@224) nor a pooling" in why("timm:test_vit@max")
    assert "has no class token" in why(f"timm:test_convnext/{checkpoints['test_convnext']}@token")
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    choice = choose(f"timm:test_vit/{tmp_path / 'broken.safetensors'}", Modality.IMAGE, "cpu", False)
    with pytest.raises(WeightsUnavailable, match="could not be loaded"):
        choice.build()


def test_a_name_is_taken_apart() -> None:
    assert TimmName.of("vit_b.tag@avg@224") == TimmName("vit_b.tag", "", "avg", 224)
    assert TimmName.of("vit_b//home/w.pth") == TimmName("vit_b", "/home/w.pth")
