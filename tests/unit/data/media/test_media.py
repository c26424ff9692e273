"""Decoding, the media pass and thumbnails."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import imagehash
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cleanvision.issue_managers.image_property import BlurrinessProperty, BrightnessProperty, EntropyProperty
from numpy.typing import NDArray
from PIL import Image

from winnow.core.data.media import Thumbnails, Undecodable, content_hashes, decode, load_media_features, scan_media
from winnow.core.data.media import store as media_store
from winnow.core.data.media.measure import TINY, hash64, measure
from winnow.core.data.media.pixels import Fit
from winnow.core.data.sources import open_source
from winnow.core.errors import Cancelled, DiskFull, SourceError, WorkspaceError
from winnow.core.types import ColumnMap, Dataset, Progress


def photo(seed: int = 0, width: int = 40, height: int = 30) -> NDArray[np.uint8]:
    """A smooth coloured picture with some grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3)).astype(np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + rng.integers(-6, 7, smooth.shape), 0, 255).astype(np.uint8)


def encoded(image: Image.Image | NDArray[np.uint8], kind: str = "PNG", **options: object) -> bytes:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def huge_png(side: int = 10_000) -> bytes:
    """A valid header of a side × side picture with next to no data behind it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def table(folder: Path, cells: list[bytes | None], **columns: list[str]) -> Dataset:
    ids = [f"s{i}" for i in range(len(cells))]
    pq.write_table(pa.table({"id": ids, "image": pa.array(cells, pa.binary()), **columns}), folder / "t.parquet")
    return open_source(folder / "t.parquet", ColumnMap(image="image"))


# ── decoding ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not an image at all", "known format"),
        (encoded(photo())[:300], "cut short"),
        (encoded(photo(), "JPEG")[:400], "cut short"),
        (huge_png(), "100 megapixels"),
        (huge_png(40_000), "megapixels"),
    ],
)
def test_what_cannot_be_used_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        decode(data)


def test_random_and_flipped_bytes_never_raise_anything_else() -> None:
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"):
        whole = bytearray(encoded(photo(), kind))
        for _ in range(40):
            damaged = bytearray(whole)
            for at in rng.integers(0, len(whole), 8):
                damaged[at] = int(rng.integers(256))
            with contextlib.suppress(Undecodable):
                assert decode(bytes(damaged[: int(rng.integers(1, len(whole) + 1))])).mode == "RGB"


def test_every_mode_becomes_sensible_rgb() -> None:
    grey = np.linspace(0, 255, 64).astype(np.uint8).reshape(8, 8)
    deep = (grey.astype(np.uint16) * 257).astype(np.uint16)
    for picture in (Image.fromarray(grey), Image.fromarray(deep), Image.fromarray(grey.astype(np.float32) / 255)):
        kind = "TIFF" if picture.mode == "F" else "PNG"
        found = np.asarray(decode(encoded(picture, kind)))
        np.testing.assert_allclose(found[..., 0], grey, atol=1)
        np.testing.assert_array_equal(found[..., 0], found[..., 2])
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.asarray(decode(encoded(red, "TIFF")))[0, 0].tolist() == [255, 0, 0]
    bits = Image.fromarray(grey > 99).convert("1")
    assert set(np.unique(np.asarray(decode(encoded(bits))))) == {0, 255}


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    assert np.asarray(decode(encoded(clear))).min() == 255
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    assert np.asarray(decode(encoded(palette, transparency=1))).min() == 255
    assert np.asarray(decode(encoded(palette)))[0, 0].tolist() == [200, 0, 0]


def test_what_white_would_hide_is_laid_on_grey() -> None:
    sign = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
    sign.paste((255, 255, 255, 255), (4, 4, 12, 12))
    pixels = np.asarray(decode(encoded(sign)))
    assert pixels[8, 8].tolist() == [255, 255, 255]
    assert pixels[0, 0].tolist() == [128, 128, 128]
    assert pixels.std() > 30, "it is not one flat colour"
    dark = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    dark.paste((0, 0, 0, 255), (4, 4, 12, 12))
    assert np.asarray(decode(encoded(dark)))[0, 0].tolist() == [255, 255, 255]
    white = Image.new("RGBA", (16, 16), (255, 255, 255, 255))
    assert np.asarray(decode(encoded(white))).min() == 255, "a white picture is one flat colour"


def test_the_first_frame_of_an_animation_and_exif_turns() -> None:
    frames = [Image.new("RGB", (6, 4), c) for c in ("red", "blue")]
    animated = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.asarray(decode(animated))[0, 0].tolist() == [255, 0, 0]
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    assert decode(encoded(photo(width=40, height=30), "JPEG", exif=exif)).size == (30, 40)


# ── measuring ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_properties_are_cleanvisions_own() -> None:
    from winnow.core.data.media.measure import PROPERTIES

    image = Image.fromarray(photo(3))
    found = dict(zip(PROPERTIES, measure(encoded(image)).properties, strict=True))
    brightness = BrightnessProperty("dark").calculate(image)
    assert found["brightness_99"] == pytest.approx(brightness["brightness_perc_99"])
    assert found["brightness_5"] == pytest.approx(brightness["brightness_perc_5"])
    assert found["entropy"] == pytest.approx(EntropyProperty().calculate(image)["entropy"])
    assert found["blurriness"] == pytest.approx(BlurrinessProperty().calculate(image)["blurriness"])
    assert found["aspect_ratio"] == pytest.approx(0.75)
    assert found["size"] == pytest.approx(np.sqrt(40 * 30))
    assert found["grayscale"] == 0
    assert found["flat"] == 0


def test_grey_and_flat_pictures_are_told() -> None:
    from winnow.core.data.media.measure import PROPERTIES

    grey = np.repeat(photo(1)[..., :1], 3, axis=2)
    by_name = dict(zip(PROPERTIES, measure(encoded(grey)).properties, strict=True))
    assert (by_name["grayscale"], by_name["flat"]) == (1, 0)
    flat = dict(zip(PROPERTIES, measure(encoded(np.full((9, 9, 3), 77, np.uint8))).properties, strict=True))
    assert (flat["std"], flat["flat"]) == (0, 1)


def test_hashes_tell_bytes_from_pixels_from_looks() -> None:
    pixels = photo(5)
    png, other_png = encoded(pixels), encoded(pixels, compress_level=1)
    jpeg = encoded(pixels, "JPEG", quality=85)
    a, b, c, d = (measure(x) for x in (png, other_png, jpeg, encoded(photo(6))))
    assert a.file_hash != b.file_hash
    assert a.pixel_hash == b.pixel_hash != c.pixel_hash
    assert bin(a.perceptual_hash ^ c.perceptual_hash).count("1") <= 4
    assert bin(a.perceptual_hash ^ d.perceptual_hash).count("1") > 10
    reference = imagehash.phash(Image.fromarray(pixels))
    assert f"{a.perceptual_hash:016x}" == str(reference)
    assert hash64(b"") != 0


def test_a_turned_shape_of_equal_bytes_is_another_picture() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert measure(encoded(pixels)).pixel_hash != measure(encoded(pixels.reshape(4, 2, 3))).pixel_hash


# ── the pass ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_row_is_measured_or_has_its_reason(tmp_path: Path) -> None:
    cells = [encoded(photo(0)), b"", encoded(photo(1, 300, 200), "JPEG"), None, huge_png(), encoded(photo(0))]
    dataset = table(tmp_path, cells)
    features = scan_media(dataset, tmp_path / "media", workers=0)
    assert [bool(e) for e in features.error] == [False, True, False, True, True, False]
    assert "empty" in features.error[1]
    assert "cell is empty" in features.error[3]
    assert "megapixels" in features.error[4]
    assert features.width.tolist() == [40, 0, 300, 0, 0, 40]
    assert features.pixel_hash[0] == features.pixel_hash[5] != 0
    assert features.pixel_hash[1] == features.perceptual_hash[3] == 0
    assert np.isnan(features.properties["entropy"][[1, 3, 4]]).all()
    assert np.isfinite(features.properties["entropy"][[0, 2, 5]]).all()
    assert features.tiny is not None
    assert features.tiny.shape == (6, TINY * TINY * 3)
    assert not features.tiny[1].any()
    hashes = content_hashes(features)
    assert [h for h in hashes if h] == [h for h in dataset.content_hash if h]


def test_worker_processes_give_the_same_bytes_as_none(tmp_path: Path) -> None:
    cells: list[bytes | None] = [encoded(photo(i, 24, 18)) for i in range(300)]
    cells[17] = b"broken"
    dataset = table(tmp_path, cells)
    scan_media(dataset, tmp_path / "here", workers=0)
    scan_media(dataset, tmp_path / "there", workers=2)
    names = sorted(p.name for p in (tmp_path / "here").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "there").iterdir())
    for name in names:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name


_UNGUARDED = """
import sys
from winnow.core.data.media import scan_media
from winnow.core.data.sources import open_source

print("main", flush=True)
for _ in range(1000):
    scan_media(open_source(sys.argv[1]), sys.argv[2], workers=2)
    print("done", flush=True)
"""


def test_a_script_without_a_main_guard_works_and_leaves_no_workers_when_killed(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    table(tmp_path, [encoded(photo(i, 12, 12)) for i in range(300)])
    (tmp_path / "script.py").write_text(_UNGUARDED)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "t.parquet"), str(tmp_path / "media")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        assert [child.stdout.readline().strip() for _ in range(2)] == ["main", "done"]
        children = psutil.Process(child.pid).children(recursive=True)
        assert len(children) >= 2
        child.kill()
    alive = psutil.wait_procs(children, timeout=30)[1]
    assert alive == []


def test_images_in_files_are_read_by_the_workers(tmp_path: Path) -> None:
    for i in range(260):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / f"{i:03d}.png").write_bytes(encoded(photo(i, 10, 10)))
    dataset = open_source(tmp_path / "d")
    (tmp_path / "d" / "007.png").unlink()
    features = scan_media(dataset, tmp_path / "media", workers=2)
    assert features.error[7] == "the file is not there"
    assert sum(bool(e) for e in features.error) == 1


def test_thumbnails_are_lossless_when_small_and_bounded_when_large(tmp_path: Path) -> None:
    small, large = photo(0, 32, 20), photo(1, 900, 300)
    dataset = table(tmp_path, [encoded(small), encoded(large), b"", encoded(photo(2, 1, 1))])
    scan_media(dataset, tmp_path / "media", workers=0)
    thumbs = Thumbnails(tmp_path / "media")
    assert len(thumbs) == 4
    data, kind = thumbs.get(0) or (b"", "")
    assert kind == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), small)
    data, kind = thumbs.get(1) or (b"", "")
    assert kind == "image/webp"
    assert Image.open(io.BytesIO(data)).size == (256, 85)
    assert thumbs.get(2) is None
    assert thumbs.get(4) is None
    assert thumbs.get(-1) is None
    assert thumbs.get(3) is not None


def test_a_cancelled_pass_leaves_the_old_one_and_no_leftovers(tmp_path: Path) -> None:
    dataset = table(tmp_path, [encoded(photo(i)) for i in range(4)])
    folder = tmp_path / "media"
    scan_media(dataset, folder, workers=0)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def stop(progress: Progress) -> None:
        if progress.done:
            raise Cancelled

    with pytest.raises(Cancelled):
        scan_media(dataset, folder, progress=stop, workers=0)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_full_disk_is_said_before_work_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    dataset = table(tmp_path, [encoded(photo(0))])
    with pytest.raises(DiskFull):
        scan_media(dataset, tmp_path / "media", workers=0)
    assert list((tmp_path / "media").iterdir()) == []


def test_features_come_back_from_disk(tmp_path: Path) -> None:
    dataset = table(tmp_path, [encoded(photo(0)), b"x"])
    made = scan_media(dataset, tmp_path / "media", workers=0)
    found = load_media_features(tmp_path / "media")
    assert list(found.error) == list(made.error)
    np.testing.assert_array_equal(found.properties["std"], made.properties["std"])
    with pytest.raises(WorkspaceError):
        load_media_features(tmp_path / "nowhere")
    (tmp_path / "media" / "thumbs.bin").unlink()
    with pytest.raises(WorkspaceError):
        Thumbnails(tmp_path / "media")


def test_only_broken_images_and_no_images(tmp_path: Path) -> None:
    dataset = table(tmp_path, [b"", b"\xffx"])
    assert all(scan_media(dataset, tmp_path / "media", workers=0).error)
    assert Thumbnails(tmp_path / "media").get(0) is None
    (tmp_path / "t.csv").write_text("text\nsome words\n")
    with pytest.raises(SourceError, match="no images"):
        scan_media(open_source(tmp_path / "t.csv"), tmp_path / "other")


def test_room_is_reserved_under_the_final_size(tmp_path: Path) -> None:
    array = media_store.reserve_array(tmp_path / "a.npy", np.float32, (1000, 16))
    assert array.shape == (1000, 16)
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= 1000 * 16 * 4


# ── pixels for encoders ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(37, 91), (91, 37), (20, 20), (1, 7), (300, 41)])
def test_pixels_are_those_of_open_clips_own_transform(mode: str, size: tuple[int, int]) -> None:
    transform = pytest.importorskip("open_clip.transform")
    image = Image.fromarray(photo(0, *size))
    for interpolation in ("bicubic", "bilinear"):
        own = transform.image_transform(
            32, is_train=False, mean=(0, 0, 0), std=(1, 1, 1), resize_mode=mode, interpolation=interpolation
        )(image)
        found = np.asarray(Fit(32, 32, mode, interpolation).image(image))
        np.testing.assert_allclose(found.transpose(2, 0, 1) / 255, own.numpy(), atol=1e-6)


def test_cells_that_cannot_be_decoded_are_not_good() -> None:
    pixels, good = Fit(16, 16)([encoded(photo(0)), "the file is not there", b"x"])
    assert pixels.shape == (3, 16, 16, 3)
    assert good.tolist() == [True, False, False]
    assert pixels[0].any()
    assert not pixels[1:].any()


def test_a_large_jpeg_is_decoded_small_for_an_encoder_and_looks_the_same() -> None:
    """Tolerance: the mean difference of the pixels is below two of 255 levels."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((1600, 1200), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    data = buffer.getvalue()
    fit = Fit(64, 64)
    assert decode(data, fit.min_size).size == (200, 150)
    assert decode(data).size == (1600, 1200)
    small, whole = (Fit(64, 64, reserve=r)([data])[0][0].astype(int) for r in (2, 0))
    assert np.abs(small - whole).mean() < 2.0


def test_a_postscript_file_called_png_starts_no_other_program(tmp_path: Path) -> None:
    tools, pictures = tmp_path / "bin", tmp_path / "pictures"
    tools.mkdir()
    pictures.mkdir()
    (tools / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path / 'called'}\nexit 1\n")
    (tools / "gs").chmod(0o755)
    for number in range(3):
        Image.fromarray(photo(number)).save(pictures / f"good-{number}.png")
    Image.fromarray(photo()).save(pictures / "postscript.png", "EPS")
    code = (
        "import sys\n"
        "from winnow.core.data.media import scan_media\n"
        "from winnow.core.data.sources import open_source\n"
        "dataset = open_source(sys.argv[1])\n"
        "found = scan_media(dataset, sys.argv[2], workers=0)\n"
        "print([(str(i), str(e)) for i, e in zip(dataset.sample_ids, found.error) if e])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(pictures), str(tmp_path / "media")],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
    )
    assert not (tmp_path / "called").exists()
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.strip() == "[('postscript.png', 'the bytes are not an image in a known format')]"


class _OddError(Exception):
    """Not one of the errors that Pillow's readers are known to raise."""


def test_any_exception_of_a_decoder_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise _OddError("odd")

    out = io.BytesIO()
    Image.fromarray(photo()).save(out, "PNG")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    assert measure(out.getvalue()).error == "the image is damaged (odd)"


def test_only_formats_of_the_list_are_opened() -> None:
    for suffix in ("BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP"):
        out = io.BytesIO()
        Image.fromarray(photo(width=32, height=32)).save(out, suffix)
        assert decode(out.getvalue()).size == (32, 32), suffix
    for suffix in ("EPS", "PCX", "ICNS", "SGI", "MSP", "XBM", "DDS"):
        out = io.BytesIO()
        Image.fromarray(photo()).convert("1" if suffix in ("MSP", "XBM") else "RGB").save(out, suffix)
        with pytest.raises(Undecodable, match="known format"):
            decode(out.getvalue())
