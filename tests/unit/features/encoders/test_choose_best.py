"""`--encoder best`: the strongest pair that can be had, with the reasons in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from winnow.core.errors import WeightsUnavailable
from winnow.core.features.encoders import BEST, EncoderChoice, choose_all
from winnow.core.features.encoders.base import FAMILIES
from winnow.core.types import EncoderSpec, Modality


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, bool]]]:
    """A machine on which only the named weights can be had; returns what was asked for, and whether online."""

    def arrange(*names: str) -> list[tuple[str, bool]]:
        asked: list[tuple[str, bool]] = []
        for family in ("open_clip", "timm", "sentence-transformers"):

            def choose(rest: str, device: str, allow_network: bool, family: str = family) -> EncoderChoice:
                name = f"{family}:{rest}"
                asked.append((name, allow_network))
                if name not in names:
                    raise WeightsUnavailable(f"The weights of {name} cannot be downloaded (offline).")
                modality = Modality.TEXT if family == "sentence-transformers" else Modality.IMAGE
                return EncoderChoice(EncoderSpec(name, "1", "none", 8, modality), device, lambda: pytest.fail("loaded"))

            monkeypatch.setattr(FAMILIES.get(family), "choose", choose)
        return asked

    return arrange


CLIP, DINO = "open_clip:ViT-B-32/laion2b_s34b_b79k", "timm:vit_small_patch14_reg4_dinov2.lvd142m@224"


def names(modality: Modality) -> list[str]:
    return [choice.name for choice in choose_all([BEST], modality, "cpu")]


def test_a_pair_that_was_trained_differently_is_chosen(only: Callable[..., list[tuple[str, bool]]]) -> None:
    asked = only(CLIP, DINO)
    first, second = choose_all([BEST], Modality.IMAGE, "cpu")
    assert (first.name, second.name) == (CLIP, DINO)
    (notice,) = first.notices
    assert f"{CLIP} (trained on images and their captions" in notice
    assert f"{DINO} (trained on images alone" in notice
    assert "Not to be had (offline): 'open_clip:" in notice
    assert [online for _, online in asked] == [True] + [False] * (len(asked) - 1), "an unreachable hub is asked once"


def test_on_a_processor_the_smaller_models_are_tried_first(only: Callable[..., list[tuple[str, bool]]]) -> None:
    asked = only("open_clip:ViT-L-14/datacomp_xl_s13b_b90k", "open_clip:ViT-B-16-SigLIP2-256/webli")
    assert names(Modality.IMAGE) == ["open_clip:ViT-B-16-SigLIP2-256/webli", "patches"]
    assert asked[0][0] == "open_clip:ViT-B-16-SigLIP2-256/webli"


def test_built_in_encoders_stand_in(only: Callable[..., list[tuple[str, bool]]]) -> None:
    only()
    assert names(Modality.PAIR) == ["patches"]
    assert names(Modality.TEXT) == ["tfidf"]
    only("sentence-transformers:all-MiniLM-L6-v2")
    assert names(Modality.TEXT) == ["sentence-transformers:all-MiniLM-L6-v2", "tfidf"]


def test_an_encoder_that_is_named_twice_counts_once(only: Callable[..., list[tuple[str, bool]]]) -> None:
    only(CLIP, DINO)
    chosen = choose_all([BEST, DINO, "patches"], Modality.IMAGE, "cpu")
    assert [choice.name for choice in chosen] == [CLIP, DINO, "patches"]
