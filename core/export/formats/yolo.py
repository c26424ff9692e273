"""The folder layout of Ultralytics' YOLO classifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ._media import drawn_split, need_images, split_of
from .base import FOLDERS, Item, Supplies
from .image_folder import by_class


class Yolo:
    """``train/class/file``, ``val/class/file`` and ``test/class/file``.

    Training needs train and val: where the dataset has no splits of these names, a fixed fifth of the ids becomes val.

    References
    ----------
    Ultralytics documentation, "Image classification datasets overview".
    """

    name: ClassVar[str] = "yolo"
    title: ClassVar[str] = "YOLO classification"
    explain: ClassVar[str] = "train/val/test with a subfolder per class, for Ultralytics."
    needs: ClassVar[frozenset[str]] = frozenset({"images", "labels"})

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write images by split and class."""
        need_images(supplies, self.title)
        drawn = 0

        def place(item: Item) -> str:
            nonlocal drawn
            split = split_of(item)
            if split in ("train", "val", "test"):
                return split
            drawn += 1
            return drawn_split(item)

        entries = by_class(folder, items, supplies, place)
        return {**entries, "split_drawn_for": drawn, "splits": sorted(p.name for p in folder.iterdir() if p.is_dir())}


FOLDERS.register(Yolo.name)(Yolo())
