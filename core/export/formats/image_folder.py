"""A folder of images with a subfolder per class, as torchvision's ImageFolder reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ._media import Names, need_images, put_image, split_of
from .base import FOLDERS, Item, Supplies


class ImageFolder:
    """``class/file``, or ``split/class/file`` where the dataset has splits. Copies, or links to the original files.

    Samples without a split are then in ``unsplit/``. Characters that a folder's name cannot have are written as
    ``%XX``, and a name that differs from another only by upper and lower case gets a digest. The manifest lists every
    change.

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
        without = "unsplit" if supplies.has_splits else ""
        return by_class(folder, items, supplies, lambda item: split_of(item) or without)


def by_class(folder: Path, items: Iterator[Item], supplies: Supplies, place: Callable[[Item], str]) -> dict[str, Any]:
    """Write ``place(item)/class/file`` for every item; without the first level where the place is empty."""
    files: dict[str, str] = {}
    left: Counter[str] = Counter()
    places, classes = Names(), Names()
    inside: dict[Path, Names] = {}
    for name in supplies.classes:
        classes.of(name)
    used: dict[str, str] = {}
    for item in items:
        if item.label is None:
            left["no label"] += 1
            continue
        used[item.label] = classes.of(item.label)
        part = place(item)
        target = Path(*([places.of(part)] if part else []), used[item.label])
        if target not in inside:
            (folder / target).mkdir(parents=True)
            inside[target] = Names()
        file = put_image(item, folder / target, supplies, inside[target])
        if file is not None:
            files[item.sample_id] = (target / file).as_posix()
    return {
        "files": files,
        "left_out": dict(left),
        "class_folders": dict(sorted(used.items())),
        "renamed_folders": {name: text for name, text in classes.changed().items() if text in used},
        "renamed_splits": places.changed(),
    }


FOLDERS.register(ImageFolder.name)(ImageFolder())
