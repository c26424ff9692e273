"""More than 500 hostile files and tables, made here from nothing: what people upload by mistake or on purpose.

``pictures()`` gives file name → bytes, ``folder(root)`` writes them with hostile names, links and special files,
``tables(root)`` writes the tables. Everything is small on disk; some of it is huge once it is unpacked.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "gif": "GIF", "bmp": "BMP"}
XSS = '"><img src=x onerror="window.__xss=1"><script>window.__xss=1</script>'
NAMES = (
    "line\nbreak.png",
    "tab\there.png",
    "quote'\".png",
    "back\\slash.png",
    "semi;colon&amp.png",
    "<b>bold<b>.png",
    "😀 émoji.png",
    "bidi\u202egnp.exe.png",
    "zero\u200bwidth.png",
    "per%2e%2e%2fcent.png",
    "..png",
    "...png",
    " lead.png",
    "trail .png",
    "$(touch x).png",
    "`id`.png",
    "-rf.png",
    "nul.png",
    "con.png",
    "\\x41\\xff.png",
    "e\u0301.png",
    "é.png",
    "x" * 240 + ".png",
    "=cmd|'/c calc'!A1.png",
    "%s%n%d.png",
    "{0}{x}.png",
    "select'; drop table decisions;--.png",
    "javascript:alert(1).png",
)
FORMULAS = ("=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")', "＝1")


def picture(seed: int = 0, size: int = 24, mode: str = "RGB") -> Image.Image:
    """A small picture of smooth noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    return small.convert(mode)


def saved(image: Image.Image, kind: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def png(width: int, height: int, depth: int = 8, colour: int = 2, rows: bytes | None = None) -> bytes:
    """A PNG by hand: a header that says anything, over whatever rows."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = b"" if rows is None else zlib.compress(rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def bomb(side: int, depth: int, channels: int, colour: int) -> bytes:
    """A PNG of ``side``² pixels of nothing, a few hundred kilobytes on disk."""
    line = 1 + side * channels * depth // 8
    packer = zlib.compressobj(9)
    parts = [packer.compress(b"\0" * line * 64) for _ in range(side // 64)] + [
        packer.compress(b"\0" * line * (side % 64))
    ]
    data = b"".join(parts) + packer.flush()

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _cut_and_flipped() -> dict[str, bytes]:
    found = {}
    for number, (suffix, kind) in enumerate(FORMATS.items()):
        whole = saved(picture(number), kind)
        rng = np.random.default_rng(number)
        for i, at in enumerate(np.linspace(1, len(whole) - 1, 16).astype(int)):
            found[f"cut-{i}.{suffix}"] = whole[:at]
        for i in range(40):
            data = bytearray(whole)
            for bit in rng.integers(0, 8 * (len(data) if i % 2 else min(len(data), 64)), 1 + i % 6):
                data[bit // 8] ^= 1 << bit % 8
            found[f"flip-{i}.{suffix}"] = bytes(data)
        found[f"doubled.{suffix}"] = whole + whole
        found[f"trailer.{suffix}"] = whole + b"PK\x03\x04" * 100 + XSS.encode()
    return found


def _odd() -> dict[str, bytes]:
    frames = [picture(i) for i in range(4)]
    rest: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 40, "loop": 0}
    found = {f"animated.{s}": saved(frames[0], FORMATS[s], **rest) for s in ("gif", "webp", "png", "tif")}
    for mode, kinds in {
        "1": "png gif bmp tif",
        "L": "jpg png gif bmp tif webp",
        "LA": "png tif",
        "P": "png gif bmp tif",
        "RGBA": "png webp tif",
        "CMYK": "jpg tif",
        "YCbCr": "jpg tif",
        "LAB": "tif",
        "I;16": "png tif",
        "I": "tif",
        "F": "tif",
    }.items():
        for suffix in kinds.split():
            base = picture(5).convert("L")
            image = (
                Image.fromarray((np.asarray(base, np.uint16) * 257).astype(np.uint16))
                if mode == "I;16"
                else base.convert(mode)
                if mode in ("I", "F")
                else picture(5, mode="RGB" if mode == "LAB" else mode)
            )
            found[f"mode-{mode.replace(';', '')}.{suffix}"] = saved(image, FORMATS[suffix])
    for turn in range(1, 10):
        exif = Image.Exif()
        exif[0x0112] = turn
        found[f"turned-{turn}.jpg"] = saved(picture(turn), "JPEG", exif=exif)
    found["exif-damaged.jpg"] = saved(picture(9), "JPEG", exif=b"Exif\0\0" + bytes(range(200)))
    found["palette-with-hole.png"] = saved(picture(3).quantize(8), "PNG", transparency=3)
    found["grey-with-hole.png"] = saved(picture(3, mode="L"), "PNG", transparency=120)
    found["tall.png"], found["wide.png"], found["one.png"] = (
        saved(Image.new("RGB", s), "PNG") for s in ((1, 4000), (4000, 1), (1, 1))
    )
    floats = np.full((8, 8), np.nan, np.float32)
    floats[0, 0], floats[1, 1] = np.inf, -1e30
    found["float-nan.tif"] = saved(Image.fromarray(floats), "TIFF")
    for width, height in (
        (0, 0),
        (0, 5),
        (2**31 - 1, 1),
        (2**31 - 1, 2**31 - 1),
        (60_000, 60_000),
        (20_000, 20_000),
        (100_000, 1000),
    ):
        found[f"says-{width}x{height}.png"] = png(width, height)
    for depth, colour in ((3, 2), (16, 3), (8, 9), (1, 6), (255, 255)):
        found[f"says-depth-{depth}-colour-{colour}.png"] = png(8, 8, depth, colour, bytes(64))
    gif = bytearray(saved(picture(1), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    found["says-65535.gif"] = bytes(gif)
    bmp = bytearray(saved(picture(1), "BMP"))
    bmp[18:26] = struct.pack("<ii", -(2**31), 2**31 - 1)
    found["says-negative.bmp"] = bytes(bmp)
    for name, data in {
        "zero.jpg": b"",
        "one-byte.png": b"\x89",
        "text.jpg": b"hello",
        "nul.gif": bytes(5000),
        "html.jpg": f"<html>{XSS}".encode(),
        "svg.jpg": f'<svg xmlns="http://www.w3.org/2000/svg" onload="window.__xss=1">{XSS}</svg>'.encode(),
        "svg-bomb.png": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><svg>&b;</svg>',
        "zip.png": b"PK\x03\x04" + bytes(200),
        "pdf.jpg": b"%PDF-1.7\n" + bytes(200),
        "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "whole-eps.png": saved(picture(4), "EPS"),
        "elf.png": b"\x7fELF" + bytes(200),
        "pickle.png": b"\x80\x04\x95\x1b\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "ppm-huge.ppm": b"P6\n99999999 99999999\n255\n",
        "ppm-negative.ppm": b"P6\n-5 -5\n255\n",
        "ico.ico": b"\0\0\1\0\xff\xff" + bytes(64),
        "tga.tga": bytes(18),
        "jp2.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64),
        "avif.avif": b"\0\0\0\x1cftypavif" + bytes(64),
    }.items():
        found[name] = data
    text = zlib.compress(b"A" * 50_000_000, 9)
    body = b"zTXt" + b"Comment\0\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    whole = saved(picture(2), "PNG")
    found["text-bomb.png"] = whole[:33] + chunk + whole[33:]
    return found


def pictures(bombs: bool = True) -> dict[str, bytes]:
    """File name → bytes of every hostile picture. ``bombs``: also pictures of nearly 100 megapixels in a small file."""
    found = _cut_and_flipped() | _odd()
    if bombs:
        found["bomb-16-bit.png"] = bomb(9_990, 16, 1, 0)
        found["bomb-rgba.png"] = bomb(9_990, 8, 4, 6)
    return found


def folder(root: Path, bombs: bool = True) -> dict[str, bytes]:
    """Write the pictures into class folders, and what else a folder may hold. Returns what was written, by path."""
    written = {}
    for number, (name, data) in enumerate(pictures(bombs).items()):
        written[f"class {number % 3}/{name}"] = data
    good = saved(picture(1), "PNG")
    for name in NAMES:
        written[f"names/{name}"] = good
    for number, name in enumerate(("<i>class</i>", "..class", "a b", "A B ", "Ａ", "class\nbreak")):
        written[f"{name}/{number}.png"] = saved(picture(number), "PNG")
    for name, data in written.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    raw = os.fsencode(root) + b"/names/\xff\xfe.png"
    with open(raw, "wb") as file:
        file.write(good)
    (root / "loop").symlink_to(root)
    (root / "self.png").symlink_to(root / "self.png")
    (root / "gone.png").symlink_to(root / "nowhere.png")
    (root / "endless.png").symlink_to("/dev/zero")
    (root / "blocked.png").symlink_to("/dev/stdin")
    (root / "folder.png").mkdir()
    os.mkfifo(root / "pipe.png")
    return written


def _csvs() -> dict[str, bytes]:
    head = b"id,text,label\n"
    rows = b"".join(b"%d,some words %d,c%d\n" % (i, i, i % 3) for i in range(30))
    made = {
        "bom.csv": b"\xef\xbb\xbf" + head + rows,
        "latin.csv": head + "1,caf\xe9,a\n2,na\xefve,b\n".encode("latin-1"),
        "utf16.csv": (head + rows).decode().encode("utf-16"),
        "utf16-cut.csv": (head + rows).decode().encode("utf-16")[:-1],
        "utf8-cut.csv": (head + "1,é,a\n".encode())[:-4],
        "ragged.csv": head + b"1,a\n2,b,c,d,e\n3\n",
        "long-first.csv": head + b"1,a,b,c\n",
        "embedded.csv": head + b'1,"a\nb\n\nc",x\n2,"d ""q"" e",y\n',
        "unclosed.csv": head + b'1,"never closed,a\n2,b,c\n',
        "only-head.csv": head,
        "empty.csv": b"",
        "blank.csv": b"\n\n\n",
        "nul.csv": head + b"1,a\0b,c\n2,d,e\n",
        "binary.csv": os.urandom(4000),
        "semicolons.csv": (head + rows).replace(b",", b";"),
        "tabs.tsv": (head + rows).replace(b",", b"\t"),
        "cr.csv": (head + rows).replace(b"\n", b"\r"),
        "same-heads.csv": b"id,text,text,label\n1,a,b,c\n2,d,e,f\n",
        "no-head.csv": b"1,words,a\n2,words,b\n",
        "empty-head.csv": b",,\n1,a,b\n2,c,d\n",
        "wide.csv": b",".join(b"c%d" % i for i in range(1_000_000)) + b"\n" + b",".join([b"1"] * 1_000_000) + b"\n",
        "long-cell.csv": head + b"1," + b"x" * 5_000_000 + b",a\n2,b,c\n",
        "long-line.csv": b"x" * 5_000_000,
        "one-column.csv": b"text\na\nb\n",
        "same-ids.csv": head + b"1,a,b\n1,c,d\n",
        "paths.csv": b"image,label\n../../../etc/passwd,a\n/etc/passwd,b\n//x/y.png,c\nhttp://x/y.png,d\n",
        "formulas.csv": head
        + "".join(f'{i},"{f}","{f}"\n' for i, f in enumerate(f.replace('"', '""') for f in FORMULAS)).encode(),
        "html.csv": head + "".join(f'{i},"{x}","{x}"\n' for i, x in enumerate([XSS.replace('"', '""')] * 3)).encode(),
        "bidi.csv": head + "1,\u202etxet\u202c,a\u200b\n2,b,a\n".encode(),
        "surrogate.csv": head + b"1,\xed\xa0\x80,a\n2,b,c\n",
        "gzip.csv.gz": gzip.compress(head + rows),
        "gzip-cut.csv.gz": gzip.compress(head + rows)[:-9],
        "not-gzip.csv.gz": head + rows,
        "gzip-bomb.csv.gz": gzip.compress(head + b"1," + b"0" * 400_000_000 + b",a\n", 9),
        "zip.csv": b"PK\x03\x04" + bytes(400),
    }
    labels = {
        "ints": [1, 2, 3],
        "floats": ["1.0", "2.5", "nan"],
        "bools": ["True", "false", "TRUE"],
        "none": ["None", "", "null"],
        "long": ["x" * 5000, "y", "y"],
        "html": [XSS, "b", "b"],
        "case": ["Cat", "cat", "CAT"],
        "space": ["cat", " cat", "cat "],
        "negative": [-1, -2, 0],
        "huge": [10**30, 1, 2],
        "unicode": ["é", "e\u0301", "Ａ"],
        "mixed": ["1", "one", "1.0"],
    }
    for name, values in labels.items():
        quoted = ['"' + str(v).replace('"', '""') + '"' for v in values]
        made[f"labels-{name}.csv"] = head + "".join(f"{i},words {i},{v}\n" for i, v in enumerate(quoted)).encode()
    for i in range(24):
        rng = np.random.default_rng(i)
        data = bytearray(head + rows)
        for at in rng.integers(0, len(data), 1 + i):
            data[at] = rng.integers(0, 256)
        made[f"noise-{i}.csv"] = bytes(data)
    return made


def _jsons() -> dict[str, bytes]:
    return {
        "types.jsonl": b'{"id":1,"text":"a","label":1}\n{"id":"2","text":null,"label":"x"}\n'
        b'{"id":3.5,"text":[1],"label":{"a":1}}\n',
        "deep.json": b"[" * 100_000 + b"]" * 100_000,
        "deep.jsonl": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "cut.jsonl": b'{"id":1,"text":"a"}\n{"id":',
        "nan.jsonl": b'{"text":"a","label":NaN}\n{"text":"b","label":Infinity}\n',
        "list.json": b'[{"text":"a"},{"text":"b"}]',
        "scalar.json": b"1",
        "scalars.json": b"[1,2,3]",
        "empty.jsonl": b"",
        "latin.jsonl": b'{"text":"caf\xe9"}\n',
        "surrogate.jsonl": b'{"text":"\\ud800","label":"\\udfff"}\n{"text":"b","label":"c"}\n',
        "huge-int.jsonl": b'{"text":"a","label":' + b"9" * 400 + b"}\n",
        "same-keys.jsonl": b'{"text":"a","text":"b"}\n',
        "nul.jsonl": b'{"text":"a\\u0000b","label":"c\\u0000"}\n{"text":"b","label":"x"}\n',
        "huge-digits.jsonl": b'{"text":"a","label":' + b"9" * 6000 + b"}\n",
    }


def _parquets() -> dict[str, Callable[[Path], None]]:
    texts = pa.array(["a", "b", None, "d"])

    def table(**columns: Any) -> Callable[[Path], None]:
        return lambda path: pq.write_table(pa.table({"text": texts, **columns}), path)

    made: dict[str, Callable[[Path], None]] = {
        "nested": table(label=["x", "y", "x", "y"], m=[{"a": [{"b": 1}]}, None, {"a": []}, {"a": None}]),
        "dictionary": table(label=pa.array(["x", "y", "x", None]).dictionary_encode()),
        "null-columns": table(label=pa.nulls(4), other=pa.nulls(4)),
        "all-null-text": lambda p: pq.write_table(pa.table({"text": pa.nulls(4, pa.string())}), p),
        "list-labels": table(label=[["a"], ["b"], [], None]),
        "struct-labels": table(label=[{"a": 1}, {"a": 2}, None, {"a": 1}]),
        "bytes-labels": table(label=[b"\xff\xfe", b"a", b"", None]),
        "bool-labels": table(label=[True, False, None, True]),
        "float-labels": table(label=[1.0, float("nan"), float("inf"), None]),
        "times": table(label=pa.array([0, 1, 2, None], pa.timestamp("us"))),
        "decimals": table(label=pa.array([1, 2, None, 3]).cast(pa.decimal128(38, 0))),
        "large-text": table(label=pa.array(["x", "y", "z", "x"], pa.large_string())),
        "durations": table(label=pa.array([1, 2, 3, None], pa.duration("s"))),
        "halves": table(v=pa.array(np.arange(4, dtype=np.float16))),
        "no-rows": lambda p: pq.write_table(pa.table({"text": pa.array([], pa.string())}), p),
        "no-columns": lambda p: pq.write_table(pa.table({}), p),
        "bad-images": lambda p: pq.write_table(
            pa.table({"image": [b"", b"x", None, saved(picture(), "PNG")], "label": list("abab")}), p
        ),
        "image-structs": lambda p: pq.write_table(
            pa.table(
                {
                    "image": [
                        {"bytes": b"x", "path": None},
                        {"bytes": None, "path": "/etc/passwd"},
                        None,
                        {"bytes": saved(picture(), "PNG"), "path": "../x"},
                    ]
                }
            ),
            p,
        ),
        "vectors": lambda p: pq.write_table(pa.table({"embedding": [[1.0, 2.0], [float("nan"), 0.0], None, [3.0]]}), p),
        "maps": table(label=pa.array([[("a", 1)], [], None, [("b", 2)]], pa.map_(pa.string(), pa.int64()))),
        "bomb-text": lambda p: pq.write_table(
            pa.table({"text": pa.DictionaryArray.from_arrays(pa.array(np.zeros(4_000, np.int32)), ["x" * 1_000_000])}),
            p,
            compression="zstd",
        ),
        "bomb-nulls": lambda p: pq.write_table(pa.table({"text": pa.nulls(200_000_000, pa.null())}), p),
        "many-columns": lambda p: pq.write_table(pa.table({f"c{i}": [1] for i in range(5_000)}), p),
    }
    return made


def tables(root: Path) -> list[Path]:
    """Write every hostile table below ``root`` and return their paths."""
    for name, data in (_csvs() | _jsons()).items():
        (root / name).write_bytes(data)
    for name, write in _parquets().items():
        write(root / f"{name}.parquet")
    whole = (root / "nested.parquet").read_bytes()
    rng = np.random.default_rng(3)
    for i in range(40):
        data = bytearray(whole[: int(len(whole) * (i + 1) / 11)] if i < 10 else whole)
        for at in rng.integers(0, len(data), 0 if i < 10 else 1 + i % 5):
            data[at] ^= 1 << int(rng.integers(0, 8))
        (root / f"parquet-{i}.parquet").write_bytes(bytes(data))
    np.save(root / "objects.npy", np.array([{"a": 1}, None], object), allow_pickle=True)
    np.save(root / "flat.npy", np.arange(5.0))
    np.save(root / "texts.npy", np.array([["a"], ["b"]]))
    np.save(root / "nan.npy", np.full((4, 3), np.nan, np.float32))
    (root / "says-huge.npy").write_bytes(
        (root / "nan.npy").read_bytes().replace(b"(4, 3)", b"(999999999, 99999)")[:200]
    )
    (root / "cut.npy").write_bytes((root / "nan.npy").read_bytes()[:90])
    for name, meta in {"hf-empty": {}, "hf-odd": {"splits": ["../../x"]}}.items():
        (root / name).mkdir()
        (root / name / "dataset_dict.json").write_text(json.dumps(meta))
    os.mkfifo(root / "pipe.csv")
    (root / "endless.csv").symlink_to("/dev/zero")
    return sorted(p for p in root.iterdir())
