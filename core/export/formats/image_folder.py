"""A folder of images with a subfolder per class, as torchvision's ImageFolder reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ._media import need_images, put_image, safe_name, split_of
from .base import FOLDERS, Item, Supplies


class ImageFolder:
    """``class/file``, or ``split/class/file`` where the dataset has splits. Copies, or links to the original files.

    Characters that a folder's name cannot have are written as ``%XX``.

    References
    ----------
    torchvision.datasets.ImageFolder.
    """

    name: ClassVar[str] = "image_folder"
    title: ClassVar[str] = "Image folder"
    explain: ClassVar[str] = "A subfolder per class, for torchvision's ImageFolder and most training scripts."
    needs: ClassVar[frozenset[str]] = frozenset({"images", "labels"})

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write images by split and class."""
        need_images(supplies, self.title)
        return by_class(folder, items, supplies, split_of)


def by_class(folder: Path, items: Iterator[Item], supplies: Supplies, place: Any) -> Mapping[str, Any]:
    """Write ``place(item)/class/file`` for every item; without the first level where the place is empty."""
    files: dict[str, str] = {}
    left: Counter[str] = Counter()
    names: dict[str, str] = {}
    for item in items:
        if item.label is None:
            left["no label"] += 1
            continue
        names[item.label] = safe_name(item.label)
        part = place(item)
        inside = Path(*([safe_name(part)] if part else []), names[item.label])
        (folder / inside).mkdir(parents=True, exist_ok=True)
        file = put_image(item, folder / inside, supplies)
        if file is None:
            continue
        files[item.sample_id] = (inside / file).as_posix()
    renamed = {folder: name for name, folder in sorted(names.items()) if folder != name}
    return {
        "files": files,
        "left_out": dict(left),
        "class_folders": dict(sorted(names.items())),
        "renamed_folders": renamed,
    }


FOLDERS.register(ImageFolder.name)(ImageFolder())
