"""Image and text checks, and what makes a sample broken."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from winnow.core.data.media.measure import PROPERTIES, measure
from winnow.core.detection.evidence.broken import broken
from winnow.core.detection.signals import SIGNALS
from winnow.core.types import KindEvidence, MediaFeatures, Modality, SignalInputs


def photo(seed: int = 0, side: int = 96) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).filter(ImageFilter.SMOOTH)


def images(*items: Image.Image | bytes, **config: Any) -> SignalInputs:
    measured = []
    for item in items:
        data = item
        if isinstance(item, Image.Image):
            out = io.BytesIO()
            item.save(out, "PNG")
            data = out.getvalue()
        measured.append(measure(data))  # type: ignore[arg-type]
    n = len(measured)
    values = np.array([f.properties or [np.nan] * len(PROPERTIES) for f in measured], np.float32)
    zero = np.zeros(n, np.uint64)
    media = MediaFeatures(
        error=np.array([f.error for f in measured], object),
        width=np.array([f.width for f in measured], np.int32),
        height=np.array([f.height for f in measured], np.int32),
        file_hash=zero,
        pixel_hash=zero,
        perceptual_hash=zero,
        properties={name: values[:, i] for i, name in enumerate(PROPERTIES)},
    )
    return SignalInputs(
        n=n,
        ok=media.error == "",
        labels=np.zeros(n, np.int32),
        class_names=("a",),
        modality=Modality.IMAGE,
        media=media,
        config=config,
    )


def texts(*items: Any) -> SignalInputs:
    n = len(items)
    return SignalInputs(
        n=n,
        ok=np.ones(n, bool),
        labels=np.zeros(n, np.int32),
        class_names=("a",),
        modality=Modality.TEXT,
        texts=np.array(items, object),
    )


def evidence_of(inputs: SignalInputs) -> KindEvidence:
    wanted = [s for s in SIGNALS if s.name.startswith(("image_", "text_"))]
    return broken(inputs, {s.name: s(inputs) for s in wanted if all(inputs.has(need) for need in s.requires)})


ODD = {
    "image_dark": Image.eval(photo(1), lambda v: v // 8),
    "image_bright": Image.eval(photo(1), lambda v: 252 + v // 80),
    "image_low_information": Image.new("RGB", (96, 96), (40, 90, 160)),
    "image_odd_aspect": photo(1).resize((400, 60)),
    "image_odd_size": photo(1).resize((1200, 1200)),
    "image_grayscale": photo(1).convert("L").convert("RGB"),
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_each_image_check_singles_out_its_own_fault(name: str) -> None:
    inputs = images(*[photo(i) for i in range(10)], ODD[name])
    result = SIGNALS.get(name)(inputs)
    assert result.score[10] >= 0.5
    assert (result.score[:10] < 0.5).all()
    assert result.reasons is not None
    assert result.reasons[10]
    assert not result.reasons[:10].any()


def test_a_blurred_image_is_one_with_hardly_any_edges() -> None:
    inputs = images(*[photo(i) for i in range(10)])
    assert inputs.media is not None
    properties = {k: v.copy() for k, v in inputs.media.properties.items()}
    properties["blurriness"][4] = 8.0
    properties["blurriness_grayscale_std"][4] = 12.0
    result = SIGNALS.get("image_blurry")(replace(inputs, media=replace(inputs.media, properties=properties)))
    assert np.flatnonzero(result.score >= 0.5).tolist() == [4]


def test_odd_looks_are_mentioned_and_no_verdict() -> None:
    plain = [photo(i) for i in range(60)]
    odd = [ODD[name] for name in ODD if name != "image_low_information"]
    evidence = evidence_of(images(*plain, *odd))
    assert not evidence.flag.any()
    assert (evidence.probability[60:] > evidence.probability[:60].max()).all()
    assert (evidence.probability < 0.5).all()
    assert "dark" in " ".join(evidence.reasons[60:])


def test_a_look_that_most_images_share_is_not_held_against_them() -> None:
    evidence = evidence_of(images(*[Image.eval(photo(i), lambda v: v // 8) for i in range(20)]))
    assert not any("dark" in r for r in evidence.reasons)
    assert (evidence.probability == 0).all()


def test_unreadable_and_flat_images_are_broken_with_the_reason() -> None:
    out = io.BytesIO()
    photo(3).save(out, "PNG")
    evidence = evidence_of(
        images(*[photo(i) for i in range(20)], out.getvalue()[:400], b"", b"\x00" * 50, ODD["image_low_information"])
    )
    assert np.flatnonzero(evidence.flag).tolist() == [20, 21, 22, 23]
    assert (evidence.probability[20:] == 1).all()
    assert "cannot be read" in evidence.reasons[20]
    assert "one flat colour" in evidence.reasons[23]


def test_load_errors_and_missing_embeddings_are_broken() -> None:
    inputs = texts("fine", "fine too", "also fine")
    failed = SignalInputs(
        **{
            **{f: getattr(inputs, f) for f in ("n", "labels", "class_names", "modality", "texts")},
            "ok": np.array([True, True, False]),
            "config": {"errors": np.array(["", "no such file", ""], object)},
        }
    )
    evidence = evidence_of(failed)
    assert evidence.flag.tolist() == [False, True, True]
    assert evidence.reasons[1] == "no such file"
    assert "embedding" in evidence.reasons[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        None,
        float("nan"),
        "\x00\x00",
        "&nbsp;&nbsp;",
        "<p> <br/></p>",
        "?????",
        "-",
        "nan",
        "N/A",
        "NULL",
        "[deleted]",
    ],
)
def test_texts_with_nothing_to_read_are_broken(text: Any) -> None:
    evidence = evidence_of(texts("a real sentence", text, "another one"))
    assert evidence.flag.tolist() == [False, True, False]
    assert evidence.reasons[1]


@pytest.mark.parametrize("text", ["ok", "42", "no", "😀", "<b>bold</b> words", "你好", "nano", "c++", "aaah!", "€ 5"])
def test_short_and_unusual_texts_are_not_broken(text: str) -> None:
    assert not evidence_of(texts("a real sentence", text, "another one")).flag.any()


def test_endless_repetition_is_broken_and_a_refrain_is_not() -> None:
    evidence = evidence_of(
        texts("a real sentence", "a" * 400, "spam " * 60, "la la la la sang the children by the river in spring")
    )
    assert evidence.flag.tolist() == [False, True, True, False]
    assert "repeats" in evidence.reasons[1]


def test_garbled_foreign_and_long_texts_are_mentioned_only() -> None:
    plain = [f"this is an ordinary sentence with number {i} in it" for i in range(40)]
    evidence = evidence_of(
        texts(
            *plain,
            "Ã©tÃ© Ã  la plÃ¢ge â€™ Ã§a",
            "это совсем другое письмо",
            "word and more " * 0 + " ".join(f"w{i}" for i in range(3000)),
        )
    )
    assert not evidence.flag.any()
    assert [bool(r) for r in evidence.reasons[40:]] == [True, True, True]
    assert not evidence.reasons[:40].any()
    assert "Cyrillic" in evidence.reasons[41]


def test_a_dataset_in_two_scripts_calls_neither_foreign() -> None:
    result = SIGNALS.get("text_script")(texts(*["привет мир"] * 10, *["hello world"] * 10))
    assert (result.score == 0).all()


def test_no_signals_and_one_sample() -> None:
    evidence = broken(texts("fine"), {})
    assert evidence.probability.tolist() == [0.0]
    assert evidence.reasons.tolist() == [""]
