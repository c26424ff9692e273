"""Copies that are mirrored, cut, covered in part or encoded again, beside look-alikes that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.unit.detection.signals.test_duplicates import dataset, encoded, judged
from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.signals import _register as pixels
from winnow.core.detection.signals._pairs import strangers_share

N = 80


def picture(seed: int) -> Image.Image:
    """A random scene of 64 × 64 pixels: large and small shapes, unlike the others."""
    random = np.random.default_rng(seed)
    scene = np.zeros((64, 64, 3), np.float32)
    for cells, weight in ((4, 3), (9, 2), (18, 1)):
        layer = Image.fromarray(random.integers(0, 255, (cells, cells, 3), np.uint8))
        scene += weight / 6 * np.asarray(layer.resize((64, 64), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray(scene.astype(np.uint8))


HOW: dict[str, tuple[str, Callable[[Image.Image], Image.Image]]] = {
    "mirrored": ("mirrored", lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "cut": ("cut or enlarged", lambda image: image.crop((8, 2, 60, 52)).resize((64, 64), Image.Resampling.BICUBIC)),
    "captioned": ("covered", lambda image: captioned(image)),
    "smaller": ("otherwise", lambda image: image.resize((40, 40), Image.Resampling.BILINEAR).resize((64, 64))),
}


def captioned(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).rectangle((4, 40, 40, 60), fill=(255, 255, 0))
    return image


@pytest.fixture(scope="module")
def strangers() -> list[bytes]:
    return [encoded(picture(i)) for i in range(N)]


def test_altered_copies_are_found_and_named(strangers: list[bytes]) -> None:
    copies = [encoded(change(picture(i))) for i, (_, change) in enumerate(HOW.values())]
    evidence = judged(dataset([*strangers, *copies]))
    assert evidence.partner is not None
    flagged = np.flatnonzero(evidence.flag)
    assert len(flagged) == len(HOW)
    for i, (said, _) in enumerate(HOW.values()):
        copy = i if evidence.flag[i] else N + i
        assert evidence.partner[copy] == (N + i if copy == i else i)
        assert said in evidence.reasons[copy]


def test_they_are_found_where_the_encoder_sees_no_likeness(strangers: list[bytes]) -> None:
    copies = [encoded(change(picture(i))) for i, (_, change) in enumerate(HOW.values())]
    inputs = replace(dataset([*strangers, *copies]), neighbors=None, vectors=None)
    result = SIGNALS.get("duplicate_aligned")(inputs)
    assert result.partner is not None
    for i, how in enumerate(HOW):
        if how != "cut":  # crops are looked for among the encoder's neighbours alone
            assert (result.partner[i], result.partner[N + i]) == (N + i, i), how


def test_another_picture_of_the_same_subject_is_no_copy(strangers: list[bytes]) -> None:
    random = np.random.default_rng(1)
    again = np.asarray(picture(5).crop((2, 2, 62, 62)).resize((64, 64)), np.float32) + random.normal(0, 25, (64, 64, 3))
    alike = Image.fromarray(np.clip(again, 0, 255).astype(np.uint8))
    result = SIGNALS.get("duplicate_aligned")(dataset([*strangers, encoded(alike)]))
    assert 0.3 < result.score[N] < 0.5


def test_where_all_pictures_are_alike_a_copy_must_stand_out() -> None:
    random = np.random.default_rng(2)
    base = np.asarray(picture(1), np.float32)
    alike = [
        encoded(Image.fromarray(np.clip(base + random.normal(0, 4, base.shape), 0, 255).astype(np.uint8)))
        for _ in range(60)
    ]
    result = SIGNALS.get("duplicate_aligned")(dataset([*alike, alike[7]]))
    assert result.score[[7, 60]].min() >= 0.5
    assert (np.delete(result.score, [7, 60]) < 0.5).all()


def test_registration_finds_where_a_cut_lies() -> None:
    whole, box = picture(3), (8, 4, 56, 44)
    part = whole.crop(box).resize((64, 64), Image.Resampling.BICUBIC)
    tiny = np.stack([np.asarray(p.resize((32, 32), Image.Resampling.BOX), np.uint8).ravel() for p in (whole, part)])
    grey, one, two = pixels.grey(tiny), np.array([0]), np.array([1])
    small = pixels.blurred(grey)
    _, view = pixels.best_views(tiny, pixels.descriptors(small), one, two)
    reduced = pixels.reduced(small)
    _, rough = pixels.roughly_registered(reduced[one], reduced[two], pixels.VIEWS[view])
    alike, place = pixels.registered(grey[one], grey[two], rough)
    assert alike[0] > 0.97
    assert place.scale[0] == pytest.approx([40 / 64, 48 / 64], abs=0.03)
    assert place.shift[0] == pytest.approx([(4 + 44 - 64) / 4, (8 + 56 - 64) / 4], abs=0.7)


def test_the_share_of_strangers_follows_the_best_of_many() -> None:
    random = np.random.default_rng(0)
    best = (1.002 - np.exp(-random.gumbel(1.0, 0.2, 4000))).astype(np.float32)
    assert strangers_share(best)[best > np.quantile(best, 0.999)].min() > 0.4
    assert strangers_share(np.append(best, [1.0] * 40).astype(np.float32))[-40:].max() < 0.05
    assert (strangers_share(np.where(np.arange(100) < 10, 0.99, -np.inf).astype(np.float32)) == 0).all()
