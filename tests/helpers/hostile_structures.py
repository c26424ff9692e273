# ruff: noqa: E501
"""Hostile inputs by structure: every format's own fields at their extremes, every Arrow type in every role, every encoding.

``pictures()`` gives file name → bytes, ``tables(root)`` writes tables and returns their paths. :mod:`.hostile` holds the
mutations (cuts, flipped bits) and the names.
"""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.helpers.hostile import picture, saved

RARE = {"avif": "AVIF", "jp2": "JPEG2000", "ico": "ICO", "tga": "TGA", "ppm": "PPM"}
ENCODINGS = (
    "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16", "utf-32", "latin-1", "cp1252", "cp437", "shift_jis",
    "gb18030", "koi8-r", "mac-roman", "utf-7", "cp037", "big5", "euc-kr", "iso2022_jp",
)  # fmt: skip


def _chunk(name: bytes, data: bytes, crc: int | None = None, length: int | None = None) -> bytes:
    number = zlib.crc32(name + data) if crc is None else crc
    return struct.pack(">I", len(data) if length is None else length) + name + data + struct.pack(">I", number)


def _png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _pngs() -> dict[str, bytes]:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    rows = b"".join(b"\0" + bytes(range(24)) for _ in range(8))
    data, end = _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b"")
    bomb = zlib.compress(bytes(60_000_000), 9)

    def ihdr(*fields: int) -> bytes:
        return _chunk(b"IHDR", struct.pack(">IIBBBBB", *fields))

    made = {
        "no-header": _png(data, end),
        "two-headers": _png(head, head, data, end),
        "header-last": _png(data, head, end),
        "no-data": _png(head, end),
        "no-end": _png(head, data),
        "bad-crc": _png(head, _chunk(b"IDAT", zlib.compress(rows), crc=1), end),
        "bad-header-crc": _png(_chunk(b"IHDR", head[8:21], crc=7), data, end),
        "empty-data": _png(head, _chunk(b"IDAT", b""), end),
        "not-zlib": _png(head, _chunk(b"IDAT", b"not zlib at all"), end),
        "length-2-31": _png(head, _chunk(b"IDAT", b"x", length=2**31 - 1), end),
        "length-2-32": _png(head, _chunk(b"IDAT", b"x", length=2**32 - 1), end),
        "ten-thousand-datas": _png(head, *[_chunk(b"IDAT", b"") for _ in range(10_000)], data, end),
        "ten-thousand-texts": _png(head, *[_chunk(b"tEXt", b"k\0" + b"v" * 100) for _ in range(10_000)], data, end),
        "unknown-critical": _png(head, _chunk(b"ABCD", b"x"), data, end),
        "chunk-name-no-letters": _png(head, _chunk(b"\0\1\2\3", b"x"), data, end),
        "more-data-than-said": _png(head, _chunk(b"IDAT", bomb), end),
        "profile-bomb": _png(head, _chunk(b"iCCP", b"p\0\0" + bomb), data, end),
        "profile-garbage": _png(head, _chunk(b"iCCP", b"p\0\0garbage"), data, end),
        "profile-method": _png(head, _chunk(b"iCCP", b"p\0\x09" + zlib.compress(b"x")), data, end),
        "itxt-bomb": _png(head, _chunk(b"iTXt", b"k\0\1\0\0\0" + bomb), data, end),
        "ztxt-bombs": _png(head, *[_chunk(b"zTXt", b"k%d\0\0" % i + bomb) for i in range(8)], data, end),
        "exif-garbage": _png(head, _chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"), data, end),
        "no-palette": _png(ihdr(8, 8, 8, 3, 0, 0, 0), data, end),
        "palette-of-one": _png(ihdr(8, 8, 8, 3, 0, 0, 0), _chunk(b"PLTE", b"abc"), data, end),
        "palette-not-by-three": _png(ihdr(8, 8, 8, 3, 0, 0, 0), _chunk(b"PLTE", b"abcd"), data, end),
        "palette-too-long": _png(ihdr(8, 8, 8, 3, 0, 0, 0), _chunk(b"PLTE", bytes(3000)), data, end),
        "transparency-too-long": _png(head, _chunk(b"tRNS", bytes(5000)), data, end),
        "gamma-zero": _png(head, _chunk(b"gAMA", bytes(4)), data, end),
        "resolution-odd": _png(head, _chunk(b"pHYs", b"\xff" * 9), data, end),
        "compression-9": _png(ihdr(8, 8, 8, 2, 9, 0, 0), data, end),
        "filter-9": _png(ihdr(8, 8, 8, 2, 0, 9, 0), data, end),
        "interlace-9": _png(ihdr(8, 8, 8, 2, 0, 0, 9), data, end),
        "interlaced": _png(ihdr(8, 8, 8, 2, 0, 0, 1), data, end),
        "row-filter-9": _png(head, _chunk(b"IDAT", zlib.compress(rows.replace(b"\0\0", b"\x09\0"))), end),
        "frames-2-31": _png(head, _chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), data, end),
        "frames-none": _png(head, _chunk(b"acTL", struct.pack(">II", 0, 0)), data, end),
        "frame-outside": _png(
            head, _chunk(b"acTL", struct.pack(">II", 2, 0)),
            _chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 9999, 9999, 5, 5, 1, 1, 0, 0)), data, end,
        ),
        "frame-data-short": _png(head, _chunk(b"acTL", struct.pack(">II", 2, 0)), data, _chunk(b"fdAT", b"x"), end),
        "header-short": _png(_chunk(b"IHDR", b"\0\0\0\x08"), data, end),
        "header-long": _png(_chunk(b"IHDR", head[8:21] + bytes(100)), data, end),
    }  # fmt: skip
    return {f"png-{name}.png": data for name, data in made.items()}


def _tiff(tags: dict[int, tuple[int, int, bytes]], body: bytes = b"", big: bool = False, following: int = 0) -> bytes:
    """A little-endian TIFF of one directory: tag → (type, count, four bytes of value or offset)."""
    entries = b"".join(struct.pack("<HHI", t, k, c) + v.ljust(4, b"\0")[:4] for t, (k, c, v) in sorted(tags.items()))
    start = 8 + len(body)
    first = b"II+\0\x08\0\0\0" + struct.pack("<Q", start) if big else b"II*\0" + struct.pack("<I", start)
    return first + body + struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)


def _tiffs() -> dict[str, bytes]:
    def short(value: int) -> tuple[int, int, bytes]:
        return 3, 1, struct.pack("<H", value & 0xFFFF)

    def long(value: int) -> tuple[int, int, bytes]:
        return 4, 1, struct.pack("<I", value & 0xFFFFFFFF)

    rows = bytes(64)
    plain = {
        256: short(8), 257: short(8), 258: short(8), 259: short(1), 262: short(1), 273: long(8), 277: short(1),
        278: short(8), 279: long(64),
    }  # fmt: skip
    made = {"plain": _tiff(plain, rows), "big": _tiff(plain, rows, big=True)}
    for tag, values in {
        256: (0, 65535), 257: (0, 65535), 258: (0, 3, 64, 255), 277: (0, 2, 255), 278: (0, 65535),
        262: (9, 8, 99), 284: (2, 9), 266: (2, 9), 317: (2, 9), 339: (2, 3, 9), 274: (0, 9, 65535),
    }.items():  # fmt: skip
        for value in values:
            made[f"tag-{tag}-is-{value}"] = _tiff({**plain, tag: short(value)}, rows)
    for number in (2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34712, 34887, 34925, 50000, 50001, 65000):
        made[f"compression-{number}"] = _tiff({**plain, 259: short(number)}, rows)
    deflated = zlib.compress(bytes(50_000_000), 9)
    made |= {
        "strip-beyond": _tiff({**plain, 273: long(2**31)}, rows),
        "strip-length-2-32": _tiff({**plain, 279: long(2**32 - 1)}, rows),
        "strips-2-31": _tiff({**plain, 273: (4, 2**31 - 1, struct.pack("<I", 8))}, rows),
        "deflate-bomb": _tiff({**plain, 259: short(8), 279: long(len(deflated))}, deflated),
        "packbits-bomb": _tiff({**plain, 259: short(32773), 279: long(60_000)}, b"\x81\0" * 30_000),
        "says-90-megapixels": _tiff({**plain, 256: long(9500), 257: long(9500), 278: long(9500)}, rows),
        "says-4-gigapixels": _tiff({**plain, 256: long(65000), 257: long(65000), 278: long(65000)}, rows),
        "directory-loop": _tiff(plain, rows, following=8 + len(rows)),
        "directory-beyond": b"II*\0\xff\xff\xff\x7f",
        "directory-65535": b"II*\0\x08\0\0\0\xff\xff" + bytes(600),
        "tag-type-99": _tiff({**plain, 700: (99, 5, b"\0\0\0\0")}, rows),
        "tag-count-2-32": _tiff({**plain, 700: (1, 2**32 - 1, struct.pack("<I", 8))}, rows),
        "profile-beyond": _tiff({**plain, 34675: (7, 2**30, struct.pack("<I", 8))}, rows),
        "tiles-zero": _tiff({**plain, 322: short(0), 323: short(0), 324: long(8), 325: long(64)}, rows),
        "tiles-one-pixel": _tiff({**plain, 322: short(1), 323: short(1), 324: long(8), 325: long(1)}, rows),
        "pages-300": saved(picture(1), "TIFF", save_all=True, append_images=[picture(i) for i in range(299)]),
        "motorola": b"MM\0*\0\0\0\x08\0\0",
        "empty-directory": b"II*\0\x08\0\0\0\0\0\0\0\0\0",
    }
    return {f"tiff-{name}.tif": data for name, data in made.items()}


def _jpegs() -> dict[str, bytes]:
    whole = saved(picture(1, 48), "JPEG")
    start, rest = whole[:2], whole[2:]

    def segment(marker: int, data: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data

    def frame(kind: int, width: int, height: int, precision: int = 8, parts: int = 3) -> bytes:
        at = whole.index(b"\xff\xc0")
        length = struct.unpack(">H", whole[at + 2 : at + 4])[0]
        body = bytearray(whole[at + 4 : at + 2 + length])
        body[0:6] = struct.pack(">BHHB", precision, height, width, parts)
        return whole[:at] + segment(kind, bytes(body)) + whole[at + 2 + length :]

    def exif(data: bytes) -> bytes:
        return start + segment(0xE1, b"Exif\0\0" + data) + rest

    progressive = saved(picture(2, 256), "JPEG", progressive=True)
    last = progressive.rindex(b"\xff\xda")
    ifd = struct.pack("<HHHII", 1, 0x8769, 4, 1, 8)
    made = {
        "frame-0x0": frame(0xC0, 0, 0), "frame-65535x65535": frame(0xC0, 65535, 65535),
        "frame-9900x9900": frame(0xC0, 9900, 9900), "frame-1x65535": frame(0xC0, 1, 65535),
        "precision-12": frame(0xC1, 48, 48, 12), "precision-0": frame(0xC0, 48, 48, 0),
        "parts-0": frame(0xC0, 48, 48, parts=0), "parts-255": frame(0xC0, 48, 48, parts=255),
        "lossless": frame(0xC3, 48, 48), "arithmetic": frame(0xC9, 48, 48), "hierarchical": frame(0xC5, 48, 48),
        "progressive-scans": progressive[:last] + (progressive[last:-2] * 3000) + b"\xff\xd9",
        "comments": start + segment(0xFE, b"c" * 65_000) * 200 + rest,
        "profile-parts": start + b"".join(
            segment(0xE2, b"ICC_PROFILE\0" + bytes([i, 255]) + b"p" * 65_000) for i in range(1, 255)
        ) + rest,
        "profile-part-0-of-0": start + segment(0xE2, b"ICC_PROFILE\0\0\0x") + rest,
        "markers": start + b"\xff" * 2_000_000 + rest,
        "segment-length-0": start + b"\xff\xe1\0\0" + rest,
        "no-end": whole[:-2], "only-start": b"\xff\xd8\xff", "two-starts": start + whole,
        "adobe-odd": start + segment(0xEE, b"Adobe\0\x64\0\0\0\0\x09") + rest,
        "mpf": start + segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff") + rest,
        "photoshop": start + segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\xff\xff\xff\xff") + rest,
        "restart": start + segment(0xDD, b"\0\1") + rest,
        "exif-loop": exif(b"II*\0\x08\0\0\0" + ifd + struct.pack("<I", 8)),
        "exif-beyond": exif(b"II*\0\xff\xff\xff\xff"),
        "exif-count-2-32": exif(b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 2**32 - 1, 8) + bytes(4)),
        "exif-orientation-text": exif(b"II*\0\x08\0\0\0" + struct.pack("<HHHI", 1, 0x0112, 2, 4) + b"abc\0" + bytes(4)),
        "exif-orientation-rational": exif(
            b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 5, 1, 8) + bytes(12)
        ),
        "exif-thumbnail-beyond": exif(
            b"II*\0\x08\0\0\0\0\0\x0e\0\0\0\x01\0" + struct.pack("<HHII", 0x0201, 4, 1, 2**31) + bytes(4)
        ),
        "exif-65535-entries": exif(b"II*\0\x08\0\0\0\xff\xff" + bytes(50_000)),
        "xmp-entities": start + segment(
            0xE1, b'http://ns.adobe.com/xap/1.0/\0<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
        ) + rest,
        "xmp-deep": start + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<a>" * 20_000) + rest,
    }  # fmt: skip
    return {f"jpeg-{name}.jpg": data for name, data in made.items()}


def _others() -> dict[str, bytes]:
    gif = saved(picture(1), "GIF")
    webp = saved(picture(1), "WEBP", lossless=True)
    made: dict[str, bytes] = {}

    def riff(*chunks: tuple[bytes, bytes]) -> bytes:
        body = b"WEBP" + b"".join(k + struct.pack("<I", len(d)) + d + b"\0" * (len(d) % 2) for k, d in chunks)
        return b"RIFF" + struct.pack("<I", len(body)) + body

    image = (webp[12:16], webp[20:])
    for name, data in {
        "size-0": webp[:4] + bytes(4) + webp[8:],
        "size-2-32": webp[:4] + b"\xff" * 4 + webp[8:],
        "canvas-2-24": riff((b"VP8X", b"\0\0\0\0" + b"\xff" * 6), image),
        "canvas-other": riff((b"VP8X", b"\0\0\0\0" + b"\x63\0\0\x63\0\0"), image),
        "animation-of-none": riff((b"VP8X", b"\x02\0\0\0\x17\0\0\x17\0\0"), (b"ANIM", bytes(6))),
        "alpha-alone": riff((b"VP8X", b"\x10\0\0\0\x17\0\0\x17\0\0"), (b"ALPH", b"\0" * 100)),
        "exif-megabytes": riff((b"VP8X", b"\x08\0\0\0\x17\0\0\x17\0\0"), image, (b"EXIF", b"x" * 3_000_000)),
        "profile-megabytes": riff((b"VP8X", b"\x20\0\0\0\x17\0\0\x17\0\0"), (b"ICCP", b"x" * 3_000_000), image),
        "thousands-of-chunks": riff(*[(b"JUNK", b"") for _ in range(50_000)], image),
        "nothing-inside": riff(),
        "dimension-lies": webp[:21] + b"\xff\xff\xff\xff" + webp[25:],
    }.items():
        made[f"webp-{name}.webp"] = data
    frame = gif[gif.index(b",", 13 + 3 * 2 ** ((gif[10] & 7) + 1)) : -1]
    for name, data in {
        "five-thousand-frames": gif[:-1] + frame * 5000 + b";",
        "no-frames": gif[:13] + b";",
        "no-end": gif[:-1],
        "outside": gif.replace(frame[:9], b"," + struct.pack("<HHHH", 60_000, 60_000, 5000, 5000)),
        "code-size-255": gif.replace(frame[9:11], frame[9:10] + b"\xff"),
        "comment-megabytes": gif[:-1] + b"!\xfe" + (b"\xff" + b"c" * 255) * 8000 + b"\0;",
        "screen-0x0": gif[:6] + bytes(4) + gif[10:],
        "unknown-extension": gif[:-1] + b"!\x99\x04abcd\0;",
        "endless-loop-extension": gif[:13] + b"!\xff\x0bNETSCAPE2.0\x03\x01\xff\xff\0" + gif[13:],
        "transparent-beyond": gif[:-1] + b"!\xf9\x04\x01\0\0\xff\0" + frame + b";",
    }.items():
        made[f"gif-{name}.gif"] = data

    def bmp(size: int = 40, width: int = 8, height: int = 8, planes: int = 1, bits: int = 24, packing: int = 0,
            colours: int = 0, offset: int = 54, body: bytes = bytes(300)) -> bytes:  # fmt: skip
        info = struct.pack("<IiiHHIIiiII", size, width, height, planes, bits, packing, 0, 0, 0, colours, 0)
        return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, offset) + info + body

    for size in (0, 12, 16, 40, 52, 56, 64, 108, 124, 255):
        made[f"bmp-header-{size}.bmp"] = bmp(size)
    for bits in (0, 1, 2, 4, 8, 15, 16, 24, 32, 48, 64, 65535):
        made[f"bmp-bits-{bits}.bmp"] = bmp(bits=bits)
    for packing in (1, 2, 3, 4, 5, 6, 11, 99):
        made[f"bmp-packing-{packing}.bmp"] = bmp(bits=8, packing=packing, colours=4)
    made |= {
        "bmp-rle-bomb.bmp": bmp(width=9900, height=9900, bits=8, packing=1, colours=2, body=b"\xff\0" * 400_000),
        "bmp-rle-jumps.bmp": bmp(width=64, height=64, bits=8, packing=1, colours=2, body=b"\0\2\xff\xff" * 5000),
        "bmp-colours-2-32.bmp": bmp(bits=8, colours=2**32 - 1),
        "bmp-offset-2-32.bmp": bmp(offset=2**32 - 1),
        "bmp-offset-0.bmp": bmp(offset=0),
        "bmp-width-0.bmp": bmp(width=0),
        "bmp-width-negative.bmp": bmp(width=-8),
        "bmp-upside-down.bmp": bmp(height=-8),
        "bmp-says-9900.bmp": bmp(width=9900, height=9900),
    }
    for magic in range(1, 8):
        made[f"ppm-P{magic}.ppm"] = b"P%d\n4 4\n255\n" % magic + b"1 " * 60
        made[f"ppm-P{magic}-huge.ppm"] = b"P%d\n9999 9999\n255\n" % magic + b"1 " * 60
    for name, data in {
        "max-0": b"P6\n4 4\n0\n" + bytes(48), "max-65536": b"P6\n4 4\n65536\n" + bytes(96),
        "max-1": b"P6\n4 4\n1\n" + bytes(48), "comments": b"P6\n" + b"# comment\n" * 500_000 + b"4 4\n255\n" + bytes(48),
        "digits": b"P6\n" + b"9" * 100_000 + b" 4\n255\n", "letters": b"P6\nab cd\n255\n", "float": b"Pf\n4 4\n-1.0\n" + bytes(64),
        "float-nan": b"Pf\n4 4\nnan\n" + b"\xff" * 64, "cut-head": b"P6\n4", "plain-bomb": b"P3\n3000 3000\n255\n" + b"9 " * 500_000,
    }.items():  # fmt: skip
        made[f"ppm-{name}.ppm"] = data

    def ico(*entries: tuple[int, int, int, int], body: bytes = b"", count: int | None = None) -> bytes:
        listed = b"".join(struct.pack("<BBBBHHII", w, h, 0, 0, 1, 32, size, at) for w, h, size, at in entries)
        return struct.pack("<HHH", 0, 1, len(entries) if count is None else count) + listed + body

    small = saved(picture(1), "PNG")
    huge = saved(Image.new("RGB", (3000, 3000)), "PNG")
    made |= {
        "ico-none.ico": ico(),
        "ico-itself.ico": ico((16, 16, 22, 0)),
        "ico-beyond.ico": ico((16, 16, 99, 2**31)),
        "ico-png-of-another-size.ico": ico((16, 16, len(huge), 22), body=huge),
        "ico-count-lies.ico": ico((16, 16, len(small), 22), body=small, count=65535),
        "ico-many.ico": ico(*[(16, 16, len(small), 6 + 16 * 2000)] * 2000, body=small),
        "ico-garbage.ico": ico((0, 0, 100, 22), body=bytes(100)),
        "ico-bitmap-huge.ico": ico((0, 0, 40, 22), body=struct.pack("<IiiHHIIiiII", 40, 2**30, 2**30, 1, 32, *[0] * 6)),
        "cur.ico": b"\0\0\2\0" + ico((16, 16, len(small), 22), body=small)[4:],
    }
    for kind in (0, 1, 2, 3, 9, 10, 11, 32, 255):
        made[f"tga-kind-{kind}.tga"] = struct.pack("<BBBHHBHHHHBB", 0, 0, kind, 0, 0, 0, 0, 0, 8, 8, 24, 0) + bytes(300)
    made["tga-rle-bomb.tga"] = (
        struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 9900, 9900, 24, 0) + b"\xff\0\0\0" * 300_000
    )
    made["tga-colour-map-huge.tga"] = struct.pack(
        "<BBBHHBHHHHBB", 255, 1, 1, 65535, 65535, 32, 0, 0, 8, 8, 8, 0
    ) + bytes(300)
    for name, data in {
        "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 30_000, 30_000, 8, 3) + bytes(40),
        "psd-bomb": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 300, 300, 8, 3) + b"\xff" * 4000,
        "dds": b"DDS \x7c\0\0\0" + b"\xff" * 200, "pcx": b"\x0a\x05\1\x08" + b"\xff" * 200,
        "sgi": b"\x01\xda\1\1\0\3" + b"\xff" * 600, "icns": b"icns\0\0\0\x20ic10" + b"\xff" * 20,
        "fits": b"SIMPLE  =                    T" + b" " * 2850, "xbm": b"#define x_width 99999\n#define x_height 99999\n",
        "xpm": b'/* XPM */\nstatic char *x[]={"99999 99999 2 1",', "fli": b"\0\0\0\0\x11\xaf" + b"\xff" * 200,
        "im": b"Image type: RGB\r\n" + b" " * 500, "wmf": b"\xd7\xcd\xc6\x9a" + b"\xff" * 40,
        "emf": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60), "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(60),
        "grib": b"GRIB" + bytes(60), "blp": b"BLP2" + b"\xff" * 200, "qoi": b"qoif\xff\xff\xff\xff\xff\xff\xff\xff\3\0",
        "jxl": b"\xff\x0a" + b"\xff" * 60, "mpeg": b"\0\0\1\xb3" + b"\xff" * 60, "mcidas": b"\0\0\0\0\0\0\0\4" + bytes(260),
        "pixar": b"\200\350\000\000" + bytes(600), "sun": b"\x59\xa6\x6a\x95" + b"\xff" * 60, "gbr": b"\0\0\0\x1c\0\0\0\2" + b"\xff" * 30,
        "gif-in-ps": b"%!PS\n" + gif, "postscript-inside-tiff": b"II*\0%!PS-Adobe-3.0\n", "html-after-png": small + b"<script>",
    }.items():  # fmt: skip
        made[f"other-{name}.png"] = data
    avif = saved(picture(1, 64), "AVIF")
    for brand in (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1", b"avif", b"avis", b"crx ", b"isom", b"jxl "):
        made[f"brand-{brand.decode().strip()}.heic"] = avif[:8] + brand + avif[12:]
        made[f"brand-{brand.decode().strip()}-cut.heic"] = (avif[:8] + brand + avif[12:])[:200]
    at = avif.index(b"ispe")
    for name, size in {
        "0": (0, 0),
        "2-32": (2**32 - 1, 2**32 - 1),
        "20000": (20_000, 20_000),
        "9900": (9900, 9900),
    }.items():
        made[f"avif-says-{name}.avif"] = avif[: at + 8] + struct.pack(">II", *size) + avif[at + 16 :]
    jp2 = saved(picture(1, 64), "JPEG2000")
    at = jp2.index(b"\xff\x51")
    for name, (place, data) in {
        "size-2-32": (6, b"\xff" * 8), "size-0": (6, bytes(8)), "tiles-1x1": (22, struct.pack(">II", 1, 1)),
        "tiles-0": (22, bytes(8)), "parts-65535": (38, b"\xff\xff"), "origin-beyond": (14, b"\x7f" * 8),
    }.items():  # fmt: skip
        made[f"jp2-{name}.jp2"] = jp2[: at + place] + data + jp2[at + place + len(data) :]
    at = jp2.index(b"\xff\x52")
    made["jp2-levels-33.jp2"] = jp2[: at + 9] + b"\x21" + jp2[at + 10 :]
    made["jp2-layers-65535.jp2"] = jp2[: at + 6] + b"\xff\xff" + jp2[at + 8 :]
    made["jp2-box-length-1.jp2"] = jp2[:12] + b"\0\0\0\1" + jp2[16:]
    return made


def _damaged() -> dict[str, bytes]:
    made = {}
    for number, (suffix, kind) in enumerate(RARE.items()):
        whole = saved(picture(number, 48), kind)
        rng = np.random.default_rng(100 + number)
        for i, at in enumerate(np.linspace(4, len(whole) - 1, 8).astype(int)):
            made[f"rare-cut-{i}.{suffix}"] = whole[:at]
        for i in range(12):
            data = bytearray(whole)
            for bit in rng.integers(0, 8 * (len(data) if i % 2 else min(len(data), 200)), 1 + i % 5):
                data[bit // 8] ^= 1 << bit % 8
            made[f"rare-flip-{i}.{suffix}"] = bytes(data)
    return made


def pictures() -> dict[str, bytes]:
    """File name → bytes."""
    return _pngs() | _tiffs() | _jpegs() | _others() | _damaged()


TYPES: dict[str, Callable[[], Any]] = {
    "int8": lambda: pa.array([1, -1, None, 127], pa.int8()),
    "uint64": lambda: pa.array([2**64 - 1, 0, None, 1], pa.uint64()),
    "int64-extreme": lambda: pa.array([-(2**63), 2**63 - 1, None, 0]),
    "float16": lambda: pa.array(np.array([1, np.nan, np.inf, -0.0], np.float16)),
    "float32-nan": lambda: pa.array([float("nan")] * 4, pa.float32()),
    "float64": lambda: pa.array([1e308, -1e-320, float("inf"), None]),
    "bool": lambda: pa.array([True, False, None, True]),
    "text": lambda: pa.array(["a", "", None, "\0"]),
    "large-text": lambda: pa.array(["a", "b", None, "c"], pa.large_string()),
    "text-view": lambda: pa.array(["a", "b" * 40, None, "c"], pa.string_view()),
    "bytes": lambda: pa.array([b"\xff\xfe", b"", None, b"a"], pa.binary()),
    "bytes-of-text": lambda: pa.array([b"some words", b"", None, b"more words"], pa.binary()),
    "large-bytes": lambda: pa.array([b"\xff", b"", None, b"a"], pa.large_binary()),
    "fixed-bytes": lambda: pa.array([b"abcd", b"\0\0\0\0", None, b"\xff\xff\xff\xff"], pa.binary(4)),
    "dictionary": lambda: pa.array(["a", "b", None, "a"]).dictionary_encode(),
    "dictionary-of-ints": lambda: pa.array([1, 2, None, 1]).dictionary_encode(),
    "null": lambda: pa.nulls(4),
    "date32": lambda: pa.array([datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None, None]),
    "date32-beyond": lambda: pa.array([2**31 - 1, -(2**31), None, 0], pa.int32()).cast(pa.date32()),
    "timestamp-ns": lambda: pa.array([2**63 - 1, -(2**63) + 1, None, 0]).cast(pa.timestamp("ns")),
    "timestamp-beyond": lambda: pa.array([2**62, -(2**62), None, 0]).cast(pa.timestamp("us")),
    "timestamp-zone": lambda: pa.array([0, 1, None, 2]).cast(pa.timestamp("ms", "Pacific/Kiritimati")),
    "timestamp-no-such-zone": lambda: pa.array([0, 1, None, 2]).cast(pa.timestamp("ms", "Nowhere/Bad")),
    "struct-of-date-beyond": lambda: pa.StructArray.from_arrays([pa.array([2**31 - 1] * 4, pa.int32()).cast(pa.date32())], ["a"]),
    "list-of-date-beyond": lambda: pa.ListArray.from_arrays([0, 1, 2, 3, 4], pa.array([2**31 - 1] * 4, pa.int32()).cast(pa.date32())),
    "duration-beyond": lambda: pa.array([2**62, -1, None, 0], pa.duration("s")),
    "time": lambda: pa.array([datetime.time(23, 59), datetime.time(0), None, None]),
    "duration": lambda: pa.array([2**62, -1, None, 0], pa.duration("us")),
    "decimal128": lambda: pa.array([decimal.Decimal("9" * 38), decimal.Decimal(0), None, None], pa.decimal128(38, 0)),
    "decimal256": lambda: pa.array([decimal.Decimal("1." + "1" * 70), None, None, None], pa.decimal256(76, 70)),
    "list-of-text": lambda: pa.array([["a"], [], None, ["b", None]]),
    "list-of-floats": lambda: pa.array([[1.0, 2.0], [float("nan"), 0.0], None, [3.0]]),
    "fixed-list": lambda: pa.array([[1.0, 2.0], [3.0, 4.0], None, [5.0, 6.0]], pa.list_(pa.float32(), 2)),
    "large-list": lambda: pa.array([[1.0], [2.0], None, [3.0]], pa.large_list(pa.float64())),
    "list-of-nothing": lambda: pa.array([[], [], None, []], pa.list_(pa.float32())),
    "list-of-lists": lambda: pa.array([[[1.0]], [[]], None, [None]]),
    "struct": lambda: pa.array([{"a": 1}, {"a": None}, None, {"a": 2}]),
    "image-struct": lambda: pa.array(
        [{"bytes": saved(picture(1), "PNG"), "path": "a.png"}, {"bytes": b"", "path": ""}, None,
         {"bytes": None, "path": "/proc/self/environ"}],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    ),
    "struct-of-struct": lambda: pa.array([{"a": {"b": {"c": [1]}}}, None, {"a": None}, {"a": {"b": None}}]),
    "map": lambda: pa.array([[("a", 1)], [], None, [("b", None)]], pa.map_(pa.string(), pa.int64())),
}  # fmt: skip
ROLES = ("id", "image", "text", "label", "split", "embedding")


def typed_table(kind: str, role: str) -> pa.Table:
    """Four rows in which one role has a column of one type."""
    columns: dict[str, Any] = {"id": ["a", "b", "c", "d"], "text": ["some words", "other words", "third", "fourth one"]}
    return pa.table({**columns, "label": ["x", "y", "x", "y"], role: TYPES[kind]()})


def _deep(levels: int) -> pa.Array:
    kind: pa.DataType = pa.int64()
    value: Any = 1
    for _ in range(levels):
        kind, value = pa.list_(kind), [value]
    return pa.array([value, None, value, value], kind)


def _parquets() -> dict[str, Callable[[Path], None]]:
    base = {"id": ["a", "b", "c", "d"], "text": ["some words", "other words", "third", "fourth one"]}

    def write(table: pa.Table, **options: Any) -> Callable[[Path], None]:
        return lambda path: pq.write_table(table, path, **options)

    many = pa.table({"text": [f"words number {i}" for i in range(300)], "label": [f"c{i % 7}" for i in range(300)]})
    made = {f"type-{k}-as-{r}": write(typed_table(k, r)) for k in TYPES for r in ROLES}
    for codec in ("none", "snappy", "gzip", "brotli", "zstd", "lz4"):
        for version in ("1.0", "2.0"):
            made[f"codec-{codec}-{version}"] = write(many, compression=codec, data_page_version=version)
    for name, encoding in {"delta": "DELTA_BYTE_ARRAY", "length": "DELTA_LENGTH_BYTE_ARRAY", "plain": "PLAIN"}.items():
        made[f"encoding-{name}"] = write(
            many, use_dictionary=False, column_encoding={"text": encoding, "label": encoding}
        )
    image = saved(picture(1), "PNG")
    made |= {
        "groups-of-one": write(many, row_group_size=1),
        "page-of-few": write(many, data_page_size=1),
        "deep-lists": write(pa.table({**base, "deep": _deep(60)})),
        "names-empty": write(pa.table({"": ["a", "b"], "text": ["words a", "words b"]})),
        "names-odd": write(pa.table({"a.b": ["x"], "c d": ["y"], "\n": ["z"], "text": ["some words"], "💥": [1]})),
        "name-of-a-megabyte": write(pa.table({"n" * 1_000_000: ["a"], "text": ["some words"]})),
        "names-by-case": write(pa.table({"Text": ["a b c"], "TEXT": ["d e f"], "text": ["g h i"]})),
        "one-cell": write(pa.table({"text": ["x"]})),
        "every-label-its-own": write(pa.table({"text": [f"w {i}" for i in range(1500)], "label": list(map(str, range(1500)))})),
        "label-of-a-megabyte": write(pa.table({**base, "label": ["x" * 1_000_000, "y", "x", "y"]})),
        "id-of-a-megabyte": write(pa.table({**base, "id": ["x" * 1_000_000, "b", "c", "d"]})),
        "ids-equal": write(pa.table({**base, "id": ["a"] * 4})),
        "ids-null": write(pa.table({**base, "id": pa.nulls(4, pa.string())})),
        "texts-equal": write(pa.table({"text": ["same words"] * 300, "label": ["a", "b", "c"] * 100})),
        "texts-empty": write(pa.table({"text": [""] * 300, "label": ["a", "b", "c"] * 100})),
        "images-equal": write(pa.table({"image": [image] * 500, "label": ["a", "b"] * 250})),
        "images-as-lists": write(pa.table({"image": [list(image[:50])] * 3})),
        "embedding-of-100000": write(pa.table({"embedding": [np.ones(100_000, np.float32)] * 3})),
        "embedding-of-one": write(pa.table({"embedding": [[1.0], [2.0], [3.0]]})),
        "embeddings-zero": write(pa.table({"embedding": [[0.0] * 8] * 50, "label": ["a", "b"] * 25})),
        "embeddings-infinite": write(pa.table({"embedding": [[float("inf")] * 8] * 50})),
        "embeddings-huge": write(pa.table({"embedding": [[1e300, -1e300]] * 50})),
        "bomb-dictionary": write(pa.table({"text": pa.DictionaryArray.from_arrays(pa.array(np.zeros(3000, np.int32)), ["w" * 90_000])}), compression="zstd"),
        "bomb-bytes": write(pa.table({"image": pa.DictionaryArray.from_arrays(pa.array(np.zeros(300, np.int32)), pa.array([b"\x89PNG\r\n" + bytes(900_000)]))}), compression="zstd"),
        "bomb-zeros": write(pa.table({"id": np.arange(3), "label": ["a", "b", "c"], "text": ["0" * 5_000_000] * 3}), compression="zstd"),
        "bomb-lists": write(pa.table({"embedding": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(8_000_000, np.float32)), 8)}), compression="zstd"),
        "bomb-struct": write(pa.table({"image": pa.array([{"bytes": bytes(20_000_000), "path": "x"}] * 3)}), compression="zstd"),
        "schema-metadata": write(pa.table({"text": ["some words"]}).replace_schema_metadata({"pandas": "{not json", "huggingface": '{"info": []}'})),
    }  # fmt: skip
    return made


def _texts() -> dict[str, bytes]:
    head = "id,text,label\n"
    words = "1,café naïve,ä\n2,Straße,ö\n3,plain,ä\n"
    east = "1,日本語,猫\n2,東京,犬\n3,plain,猫\n"
    made: dict[str, bytes] = {}
    for encoding in ENCODINGS:
        for newline, name in (("\n", "lf"), ("\r\n", "crlf"), ("\r", "cr")):
            body = (head + (east if encoding in ("shift_jis", "gb18030", "big5", "iso2022_jp") else words)).replace(
                "\n", newline
            )
            made[f"csv-{encoding}-{name}.csv"] = body.encode(encoding, "replace")
        lines = "".join(json.dumps({"text": t, "label": "ä"}, ensure_ascii=False) + "\n" for t in ("café", "naïve one"))
        made[f"jsonl-{encoding}.jsonl"] = lines.encode(encoding, "replace")
    rows = b"".join(b"%d,some words %d,c%d\n" % (i, i, i % 3) for i in range(30))
    made |= {
        "quotes-only.csv": b'""' * 50_000, "quotes-odd.csv": b'id,text\n1,"a""b"c"d"\n2,e\n', "commas.csv": b"," * 19_000 + b"\n",
        "newlines.csv": b"\n" * 500_000, "spaces.csv": b" " * 500_000, "one-quote.csv": b'"', "backslashes.csv": b"id,text\n1,a\\,b\\\"\n",
        "bom-alone.csv": b"\xef\xbb\xbf", "bom-twice.csv": b"\xef\xbb\xbf\xef\xbb\xbfid,text\n1,some words\n", "nul-head.csv": b"i\0d,text\n1,a\n",
        "control.csv": b"id,text\n" + bytes(range(1, 10)) + b",a\n", "vertical.csv": b"id,text\n1,a\x0bb\x0cc\x1c\x85d\n",
        "line-separators.csv": "id,text\n1,a\u2028b\u2029c\n2,d\n".encode(), "same-heads-case.csv": b"ID,id,Id,text\n1,2,3,some words\n",
        "numbers.csv": b"a,b\n1,2\n3,4\n", "huge-numbers.csv": b"id,text,label\n1,a b c,1e999\n2,b c d,-1e999\n", "dates.csv": b"id,text,label\n1,a b c,9999-99-99\n2,b c,0000-00-00\n",
        "label-long.csv": b"id,text,label\n1,a b c," + b"l" * 2_000_000 + b"\n2,b c d,m\n", "many-rows-empty.csv": b"id,text,label\n" + b",,\n" * 100_000,
        "wide-row.csv": b"id,text\n1," + b"x," * 100_000 + b"\n", "gz-of-gz.csv.gz": gzip.compress(gzip.compress(rows)), "gz-two-members.csv.gz": gzip.compress(b"id,text,label\n") + gzip.compress(rows),
        "gz-garbage-after.csv.gz": gzip.compress(b"id,text,label\n" + rows) + b"garbage", "gz-bomb-of-rows.csv.gz": gzip.compress(b"id,text\n" + b"1,aaaaaaaaaa\n" * 12_000_000, 1),
        "coco.json": json.dumps({"images": [{"id": 1, "file_name": "../../etc/passwd"}], "annotations": [{"id": 1, "image_id": 9, "bbox": [0, 0, -5, 1e300]}], "categories": []}).encode(),
        "object.json": b"{}", "null.json": b"null", "text.json": b'"x"', "lists.json": b"[[]]", "nulls.json": b"[null]", "open.json": b'[{"text":"a"},', "number.json": b"1e999",
        "keys-many.jsonl": json.dumps({f"k{i}": i for i in range(19_000)}).encode(), "keys-too-many.jsonl": json.dumps({f"k{i}": i for i in range(60_000)}).encode(),
        "keys-differ.jsonl": b"".join(b'{"k%d":1,"text":"some words"}\n' % i for i in range(300)), "key-empty.jsonl": b'{"":1,"text":"some words"}\n',
        "key-surrogate.jsonl": b'{"\\ud83d":1,"text":"some words"}\n', "key-nul.jsonl": b'{"a\\u0000":1,"text":"some words"}\n', "numbers.jsonl": b'{"text":"some words","label":1}\n{"text":"b c","label":1.5}\n{"text":"c d","label":"1"}\n',
        "exponent.jsonl": b'{"text":"some words","label":1e400}\n{"text":"b c","label":-1e400}\n', "digits-4300.jsonl": b'{"text":"some words","label":' + b"1" * 5000 + b"}\n", "deep-lists.jsonl": b'{"text":"some words","x":' + b"[" * 900 + b"]" * 900 + b"}\n",
        "deep-cells.jsonl": b'{"text":"some words","x":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}\n", "vectors-ragged.jsonl": b'{"embedding":[1.0,2.0]}\n{"embedding":[1.0]}\n{"embedding":null}\n',
        "vectors-mixed.jsonl": b'{"embedding":[1.0,2.0]}\n{"embedding":["a",2.0]}\n', "bools.jsonl": b'{"text":true}\n{"text":false}\n', "comments.jsonl": b'// comment\n{"text":"a"}\n', "trailing-comma.jsonl": b'{"text":"a",}\n',
        "single-quotes.jsonl": b"{'text':'a'}\n", "two-on-a-line.jsonl": b'{"text":"a"}{"text":"b"}\n', "crlf.jsonl": b'{"text":"some words"}\r\n{"text":"b c"}\r\n', "separators.jsonl": '{"text":"a\u2028b\u0085c"}\n'.encode(),
        "text-megabytes.jsonl": b'{"text":"' + b"x" * 5_000_000 + b'"}\n', "escape-bomb.jsonl": b'{"text":"' + b"\\u0041" * 500_000 + b'"}\n', "pickle.parquet": b"\x80\x04\x95\x1b\0\0\0", "html.parquet": b"<html>", "par1.parquet": b"PAR1PAR1",
        "encrypted.parquet": b"PARE" + bytes(100) + b"PARE", "footer-2-32.parquet": b"PAR1" + bytes(50) + b"\xff\xff\xff\xffPAR1", "footer-0.parquet": b"PAR1" + bytes(50) + b"\0\0\0\0PAR1", "orc.parquet": b"ORC" + bytes(100),
        "arrow.parquet": b"ARROW1\0\0" + bytes(100), "avro.parquet": b"Obj\x01" + bytes(100),
    }  # fmt: skip
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.csv", "id,text\n1,a\n")
        archive.writestr("zeros.csv", bytes(30_000_000))
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    for suffix in ("csv", "csv.gz", "parquet", "jsonl", "json", "npy"):
        made[f"zip-inside.{suffix}"], made[f"tar-inside.{suffix}"] = zipped.getvalue(), tarred.getvalue()
    return made


def _arrays() -> dict[str, bytes]:
    made = {}

    def npy(array: Any, **options: Any) -> bytes:
        out = io.BytesIO()
        np.save(out, array, **options)
        return out.getvalue()

    for kind in ("f2", "f4", "f8", "i1", "i8", "u8", "?", "c8", "S5", "U5", "M8[s]", "m8[s]", ">f4", "V8"):
        for shape in ((0, 4), (5,), (5, 4), (5, 2, 2), (1, 1)):
            made[f"npy-{kind.strip('<>?[]') or 'bool'}-{'x'.join(map(str, shape))}.npy".replace("[", "")] = npy(
                np.zeros(shape, kind)
            )
    whole = npy(np.ones((5, 4), np.float32))
    for name, data in {
        "fortran": npy(np.asfortranarray(np.ones((5, 4), np.float32))), "negative": whole.replace(b"(5, 4)", b"(-5,4)"),
        "code": whole.replace(b"'descr'", b"__import"), "version-9": whole[:6] + b"\x09\0" + whole[8:],
        "header-65535": whole[:8] + b"\xff\xff" + whole[10:], "extra": whole + bytes(100),
        "scalar": npy(np.float32(1)), "structured": npy(np.zeros(3, [("a", "f4"), ("b", "O")]), allow_pickle=True),
        "wide": npy(np.zeros((2, 200_000), np.float32)), "infinite": npy(np.full((9, 4), np.inf, np.float32)),
        "huge-values": npy(np.full((9, 4), 1e300)), "equal": npy(np.ones((300, 8), np.float32)),
    }.items():  # fmt: skip
        made[f"npy-{name}.npy"] = data
    return made


def tables(root: Path) -> list[Path]:
    """Write every table below ``root`` and return their paths."""
    for name, data in (_texts() | _arrays()).items():
        (root / name).write_bytes(data)
    for name, write in _parquets().items():
        write(root / f"{name}.parquet")
    return sorted(root.iterdir())
