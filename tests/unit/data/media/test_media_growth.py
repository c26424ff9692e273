"""A media pass over a dataset that grew: only new bytes are decoded, and every array is that of a fresh pass."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from winnow.core.data.media import load_media_features, reuse, scan_media
from winnow.core.data.media.store import ARRAYS, Thumbnails
from winnow.core.data.sources import open_source
from winnow.core.storage.artifacts import load_json
from winnow.core.types import Dataset
from winnow.core.workspace import Workspace


def picture(seed: int, side: int = 24) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


BROKEN = b"\x89PNG and nothing else"
FIRST: list[bytes | None] = [*(picture(i) for i in range(30)), BROKEN, None, picture(3), picture(99, 300)]
THEN: list[bytes | None] = [picture(200), *FIRST[5:], picture(3), BROKEN, picture(201)]
NEW = 2


def dataset(folder: Path, cells: list[bytes | None]) -> Dataset:
    folder.mkdir(parents=True, exist_ok=True)
    ids, vectors = [f"s{i}" for i in range(len(cells))], np.random.default_rng(0).normal(size=(len(cells), 8))
    labels = ["ab"[i % 2] for i in range(len(cells))]
    pq.write_table(pa.table({"id": ids, "image": cells, "label": labels}), folder / "t.parquet")
    pq.write_table(pa.table({"id": ids, "embedding": list(vectors)}), folder / "e.parquet")
    return open_source(folder / "t.parquet")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Whatever is decoded from here on."""
    seen: list[bytes] = []
    real = reuse.measure

    def listen(data: bytes) -> reuse.Measured:
        seen.append(data)
        return real(data)

    monkeypatch.setattr(reuse, "measure", listen)
    return seen


def same(one: Path, other: Path) -> None:
    a, b = load_media_features(one), load_media_features(other)
    assert a.error.tolist() == b.error.tolist()
    for name in ARRAYS:
        if name != "thumbs_index":
            np.testing.assert_array_equal(np.load(one / f"{name}.npy"), np.load(other / f"{name}.npy"))
    mine, fresh = Thumbnails(one), Thumbnails(other)
    assert [mine.get(i) for i in range(len(mine))] == [fresh.get(i) for i in range(len(fresh))]


@pytest.mark.parametrize("workers", [0, 2])
def test_only_new_bytes_are_decoded_and_nothing_else_differs(
    tmp_path: Path, decoded: list[bytes], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winnow.core.data.media.workers._SMALL", 1)
    scan_media(dataset(tmp_path, FIRST), tmp_path / "m", workers=workers)
    grown = dataset(tmp_path, THEN)
    decoded.clear()
    scan_media(grown, tmp_path / "m", workers=workers, reuse=True)
    if workers == 0:
        assert decoded == [THEN[0], THEN[-1]]
    readable = sum(bool(cell) for cell in THEN)
    assert load_json(tmp_path / "m" / "media.json")["kept"] == readable - NEW
    scan_media(grown, tmp_path / "fresh", workers=0)
    same(tmp_path / "m", tmp_path / "fresh")
    assert not [p for p in (tmp_path / "m").iterdir() if p.name.startswith(".")]


def test_without_reuse_everything_is_decoded(tmp_path: Path, decoded: list[bytes]) -> None:
    for _ in range(2):
        decoded.clear()
        scan_media(dataset(tmp_path, FIRST), tmp_path / "m", workers=0)
        assert len(decoded) == sum(bool(cell) for cell in FIRST)
    assert load_json(tmp_path / "m" / "media.json")["kept"] == 0


@pytest.mark.parametrize("name", ["thumbs.bin", "width.npy", "media.json"])
def test_a_pass_that_is_not_whole_is_not_taken_over(tmp_path: Path, decoded: list[bytes], name: str) -> None:
    scan_media(dataset(tmp_path, FIRST), tmp_path / "m", workers=0)
    path = tmp_path / "m" / name
    path.write_bytes(path.read_bytes()[:-8])
    decoded.clear()
    scan_media(dataset(tmp_path, FIRST), tmp_path / "m", workers=0, reuse=True)
    assert len(decoded) == sum(bool(cell) for cell in FIRST)


def test_a_second_scan_measures_what_is_new_and_trusts_no_flipped_bit(tmp_path: Path, decoded: list[bytes]) -> None:
    def scan(cells: list[bytes | None]) -> int:
        dataset(tmp_path, cells)
        decoded.clear()
        Workspace.scan(
            tmp_path / "t.parquet", tmp_path / "ws", embeddings=tmp_path / "e.parquet", projection=False
        ).close()
        return len(decoded)

    assert scan(FIRST) == sum(bool(cell) for cell in FIRST)
    assert scan(THEN) == NEW
    path = tmp_path / "ws" / "media" / "tiny.npy"
    damaged = bytearray(path.read_bytes())
    damaged[-100] ^= 1
    path.write_bytes(damaged)
    assert scan(FIRST) == sum(bool(cell) for cell in FIRST)
