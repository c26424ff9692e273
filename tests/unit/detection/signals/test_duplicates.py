"""Copies: exact, by hash, near; groups, keepers and what must never happen to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from winnow.core.data.media.measure import PROPERTIES, measure
from winnow.core.detection.evidence.duplicate import duplicate
from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.signals._pairs import candidates, first_equal, trigram_overlap
from winnow.core.detection.signals._pixels import aligned, correlation, normalise
from winnow.core.features.neighbors import build
from winnow.core.types import KindEvidence, MediaFeatures, Modality, SignalInputs

N = 120


def picture(seed: int) -> Image.Image:
    """A blurred random scene: large shapes with detail on top, unlike the others."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (7, 7, 3), np.uint8)).resize((48, 48), Image.Resampling.BICUBIC)
    fine = random.normal(0, 18, (48, 48, 1))
    return Image.fromarray(np.clip(np.asarray(coarse) + fine, 0, 255).astype(np.uint8)).filter(ImageFilter.SMOOTH)


def encoded(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    import io

    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def vector(image: Image.Image) -> np.ndarray:
    v = np.asarray(image.convert("RGB").resize((8, 8), Image.Resampling.BOX), np.float32).ravel() - 127
    return v / max(float(np.linalg.norm(v)), 1e-6)


def dataset(files: list[bytes], labels: list[int] | None = None, split: list[int] | None = None) -> SignalInputs:
    measured = [measure(f) for f in files]
    n = len(files)
    media = MediaFeatures(
        error=np.array([f.error for f in measured], object),
        width=np.array([f.width for f in measured], np.int32),
        height=np.array([f.height for f in measured], np.int32),
        file_hash=np.array([f.file_hash for f in measured], np.uint64),
        pixel_hash=np.array([f.pixel_hash for f in measured], np.uint64),
        perceptual_hash=np.array([f.perceptual_hash for f in measured], np.uint64),
        tiny=np.stack([np.frombuffer(f.tiny or bytes(3072), np.uint8) for f in measured]),
        properties={
            name: np.array([f.properties[i] if f.properties else np.nan for f in measured], np.float32)
            for i, name in enumerate(PROPERTIES)
        },
    )
    ok = media.error == ""
    import io

    x = np.stack(
        [vector(Image.open(io.BytesIO(f))) if good else np.zeros(192) for f, good in zip(files, ok, strict=True)]
    ).astype(np.float32)
    return SignalInputs(
        n=n,
        ok=ok,
        labels=np.array(labels if labels is not None else [0] * n, np.int32),
        class_names=("cat", "dog", "owl"),
        modality=Modality.IMAGE,
        vectors=x,
        neighbors=build(x, ok, min(30, max(1, n - 1))),
        media=media,
        split=np.array(split, np.int32) if split else None,
        split_names=("test", "train") if split else (),
    )


def judged(inputs: SignalInputs) -> KindEvidence:
    wanted = [s for s in SIGNALS if s.name.startswith(("duplicate_", "image_", "text_", "split_"))]
    return duplicate(inputs, {s.name: s(inputs) for s in wanted if all(inputs.has(need) for need in s.requires)})


@pytest.fixture(scope="module")
def strangers() -> list[bytes]:
    return [encoded(picture(i)) for i in range(N)]


def test_strangers_are_no_copies(strangers: list[bytes]) -> None:
    evidence = judged(dataset(strangers))
    assert evidence.flag.sum() == 0
    assert evidence.group is not None
    assert evidence.partner is not None
    assert evidence.probability.max() < 0.5


@pytest.mark.parametrize("how", ["same file", "re-encoded", "jpeg", "brighter", "cropped"])
def test_a_copy_is_found_and_one_of_the_pair_is_kept(strangers: list[bytes], how: str) -> None:
    image = picture(5)
    copies = {
        "same file": strangers[5],
        "re-encoded": encoded(image, "PNG", compress_level=0),
        "jpeg": encoded(image, "JPEG", quality=60),
        "brighter": encoded(Image.eval(image, lambda v: min(255, v + 25))),
        "cropped": encoded(image.crop((1, 1, 46, 46)).resize((48, 48), Image.Resampling.BICUBIC)),
    }
    evidence = judged(dataset([*strangers, copies[how]]))
    assert evidence.group is not None
    assert evidence.partner is not None
    assert evidence.group[5] == evidence.group[N] >= 0
    assert evidence.flag.sum() == 1
    assert sorted(evidence.partner[[5, N]]) in ([-1, 5], [-1, N])
    assert evidence.probability[[5, N]].min() >= 0.5
    assert set(np.flatnonzero(evidence.probability >= 0.5)) == {5, N}
    assert "copies" in evidence.reasons[5]


def test_keeper_has_the_label_of_most_then_the_held_out_split_then_the_size(strangers: list[bytes]) -> None:
    big = encoded(picture(0).resize((96, 96), Image.Resampling.BICUBIC))
    files = [*strangers, strangers[0], strangers[0]]
    labels = [1, *[0] * (N - 1), 2, 2]
    evidence = judged(dataset(files, labels))
    assert evidence.partner is not None
    assert (evidence.partner[N], evidence.partner[N + 1], evidence.partner[0]) == (-1, N, N)
    assert "different labels (dog, owl)" in evidence.reasons[0]
    split = [1, *[1] * (N - 1), 0, 1]
    evidence = judged(dataset(files, split=split))
    assert evidence.partner is not None
    assert evidence.partner[N] == -1
    assert "different splits (test, train)" in evidence.reasons[0]
    evidence = judged(dataset([*strangers, big]))
    assert evidence.partner is not None
    assert evidence.partner[N] == -1
    assert evidence.partner[0] == N


def test_every_group_keeps_exactly_one(strangers: list[bytes]) -> None:
    copies = [encoded(picture(i), "JPEG", quality=q) for i in (3, 4) for q in (95, 80, 50)]
    evidence = judged(dataset([*strangers, *copies]))
    assert evidence.group is not None
    assert evidence.partner is not None
    for g in range(evidence.group.max() + 1):
        members = np.flatnonzero(evidence.group == g)
        keepers = members[evidence.partner[members] < 0]
        assert len(keepers) == 1
        assert not evidence.flag[keepers[0]]
        assert (evidence.partner[members[evidence.partner[members] >= 0]] == keepers[0]).all()
    assert evidence.flag.sum() == 6


def test_broken_files_are_not_copies_of_each_other(strangers: list[bytes]) -> None:
    flat = encoded(Image.new("RGB", (48, 48), (9, 99, 9)))
    evidence = judged(dataset([*strangers, flat, flat, b"", b""]))
    assert evidence.flag.sum() == 0
    assert (evidence.probability[N:] == 0).all()


def test_a_chain_of_look_alikes_does_not_join_strangers() -> None:
    first, last = picture(1), picture(2)
    steps = [encoded(Image.blend(first, last, i / 12)) for i in range(13)]
    others = [encoded(picture(100 + i)) for i in range(80)]
    evidence = judged(dataset([*steps, *others]))
    assert evidence.group is not None
    assert not evidence.group[0] == evidence.group[12] >= 0


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_pictures(n: int) -> None:
    evidence = judged(dataset([encoded(picture(i)) for i in range(n)]))
    assert evidence.flag.sum() == 0
    assert np.isfinite(evidence.probability).all()


def test_two_equal_pictures_are_a_dataset_too() -> None:
    assert judged(dataset([encoded(picture(1))] * 2)).flag.sum() == 1


def texts(*items: str) -> SignalInputs:
    random = np.random.default_rng(0)
    x = random.normal(size=(len(items), 16))
    for i, t in enumerate(items):
        twin = [j for j in range(i) if items[j].casefold()[:12] == t.casefold()[:12]]
        if twin:
            x[i] = x[twin[0]] + random.normal(size=16) * 0.01
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    ok = np.ones(len(items), bool)
    return SignalInputs(
        n=len(items),
        ok=ok,
        labels=np.zeros(len(items), np.int32),
        class_names=("a", "b"),
        modality=Modality.TEXT,
        vectors=x,
        neighbors=build(x, ok, 10),
        texts=np.array(items, object),
    )


def words(seed: int, n: int = 8) -> str:
    random = np.random.default_rng(seed)
    return " ".join("".join(chr(97 + c) for c in random.integers(0, 26, 6)) for _ in range(n))


def test_texts_are_copies_whatever_their_case_and_blanks() -> None:
    evidence = judged(texts(*[words(i) for i in range(40)], words(3).upper(), "  " + words(4).replace(" ", "  ")))
    assert evidence.partner is not None
    assert (evidence.partner[40], evidence.partner[41]) in {(3, 4), (3, -1), (-1, 4), (-1, -1)}
    assert evidence.flag.sum() == 2


def test_a_long_text_with_a_small_edit_is_a_copy_and_a_short_one_is_not() -> None:
    long_one = words(900, 80)
    evidence = judged(texts(*[words(i, 60) for i in range(40)], long_one, long_one + " edited"))
    assert evidence.flag[[40, 41]].sum() == 1
    evidence = judged(texts(*[words(i, 3) for i in range(40)], "see you later", "see you later!"))
    assert evidence.flag.sum() == 0


def test_empty_texts_are_broken_not_copies() -> None:
    evidence = judged(texts(*[words(i) for i in range(20)], "", "", "nan", "nan"))
    assert evidence.flag.sum() == 0


def test_equal_vectors_are_copies_where_nothing_else_is_known() -> None:
    inputs = replace(texts(*[words(i) for i in range(30)]), texts=None, modality=Modality.VECTOR)
    x = inputs.vectors.copy()  # type: ignore[union-attr]
    x[29] = x[4]
    evidence = judged(replace(inputs, vectors=x, neighbors=build(x, inputs.ok, 10)))
    assert np.flatnonzero(evidence.flag).tolist() == [29]


def test_no_signals_no_copies() -> None:
    inputs = texts("one", "two")
    evidence = duplicate(inputs, {})
    assert not evidence.flag.any()
    assert (evidence.probability == 0).all()


def test_split_leak_names_the_twin_in_the_other_split(strangers: list[bytes]) -> None:
    inputs = dataset([*strangers, strangers[7]], split=[1] * N + [0])
    result = SIGNALS.get("split_leak")(inputs)
    assert result.score[[7, N]].tolist() == [1.0, 1.0]
    assert result.partner is not None
    assert result.partner[[7, N]].tolist() == [N, 7]
    within = SIGNALS.get("split_leak")(dataset([*strangers, strangers[7]], split=[1] * (N + 1)))
    assert (within.score == 0).all()


def test_alignment_finds_a_moved_and_zoomed_picture() -> None:
    tiny = np.stack([np.asarray(picture(i).resize((32, 32)), np.uint8).ravel() for i in range(2)])
    base = picture(0).resize((36, 36))
    moved = np.asarray(base.crop((3, 2, 35, 34)), np.uint8).ravel()
    pictures = normalise(np.stack([tiny[0], moved, tiny[1]]), np.arange(3))
    plain = correlation(pictures[:1], pictures[1:2])[0]
    best = aligned(pictures[:1], pictures[1:2])[0]
    assert best > plain + 0.05
    assert best > 0.6
    assert aligned(pictures[:1], pictures[2:])[0] < 0.5


def test_helpers_pair_rows_once_and_leave_the_unusable_out() -> None:
    inputs = texts(*[words(i) for i in range(12)])
    usable = inputs.ok.copy()
    usable[3] = False
    assert inputs.neighbors is not None
    a, b, _ = candidates(inputs.neighbors, usable, 5)
    assert (a < b).all()
    assert len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(a)
    assert 3 not in set(a.tolist()) | set(b.tolist())
    assert first_equal(np.array([5, 7, 5, 5, 7]), np.array([1, 1, 1, 1, 0], bool)).tolist() == [2, -1, 0, 0, -1]
    overlap = trigram_overlap(["abcd", "abcd", "wxyz"], np.array([0, 0]), np.array([1, 2]))
    assert overlap.tolist() == [1.0, 0.0]
