"""The layout that Ultralytics' YOLO classifiers train on."""

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
    Source: Ultralytics documentation, "Image classification datasets overview".
    """

    name: ClassVar[str] = "yolo"
    title: ClassVar[str] = "YOLO classification"
    explain: ClassVar[str] = "train/val/test with a subfolder per class, for Ultralytics."
    needs: ClassVar[frozenset[str]] = frozenset({"images", "labels"})

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        need_images(supplies, self.title)
        drawn = 0

        def place(item: Item) -> str:
            nonlocal drawn
            found = split_of(item)
            if found in ("train", "val", "test"):
                return found
            drawn += 1
            return drawn_split(item)

        said = dict(by_class(folder, items, supplies, place))
        return {**said, "split_drawn_for": drawn, "splits": sorted(p.name for p in folder.iterdir() if p.is_dir())}


FOLDERS.register(Yolo.name)(Yolo())
