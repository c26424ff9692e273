"""The first pictures of a source are shown before the scan; what cannot be decoded is left out."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
from PIL import Image

from winnow.core.data.preview_pictures import SIDE, preview_pictures


def png(colour: str, size: tuple[int, int] = (300, 200)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def test_a_folder_gives_its_first_pictures_with_their_classes(tmp_path: Path) -> None:
    for label, colour in (("cat", "red"), ("dog", "blue")):
        (tmp_path / label).mkdir()
        for i in range(3):
            (tmp_path / label / f"{i}.png").write_bytes(png(colour))
    (tmp_path / "cat" / "1.png").write_bytes(b"\x89PNG broken")
    pictures = preview_pictures(tmp_path, rows=6)
    assert [label for label, _ in pictures] == ["cat", "cat", "dog", "dog", "dog"]
    sizes = {Image.open(io.BytesIO(data)).size for _, data in pictures}
    assert sizes == {(SIDE, 64)}


def test_a_table_of_texts_has_no_pictures_and_one_of_bytes_has(tmp_path: Path) -> None:
    pd.DataFrame({"text": ["one", "two"], "label": ["a", "b"]}).to_csv(tmp_path / "texts.csv", index=False)
    assert preview_pictures(tmp_path / "texts.csv") == []
    pd.DataFrame({"image": [png("red"), png("blue")] * 20}).to_parquet(tmp_path / "images.parquet")
    assert [label for label, _ in preview_pictures(tmp_path / "images.parquet", rows=3)] == ["", "", ""]
