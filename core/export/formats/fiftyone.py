"""FiftyOne's layout of an image classification dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ._media import Names, need_images, put_image
from .base import FOLDERS, Item, Supplies


class FiftyOne:
    """``data/file`` and ``labels.json``: {"classes": [name, …], "labels": {file without suffix: index, …}}.

    ``fo.Dataset.from_dir(folder, fo.types.FiftyOneImageClassificationDataset)`` opens it. A missing label is null.
    Where samples have tags, each has a list of indices (Classifications) instead: this layout has one field, so that
    labels beside the tags are left out.

    References
    ----------
    FiftyOne documentation, "FiftyOneImageClassificationDataset".
    """

    name: ClassVar[str] = "fiftyone"
    title: ClassVar[str] = "FiftyOne"
    explain: ClassVar[str] = "data/ and labels.json, for fo.Dataset.from_dir."
    needs: ClassVar[frozenset[str]] = frozenset({"images"})

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write images and labels."""
        need_images(supplies, self.title)
        (folder / "data").mkdir()
        classes, without = list(supplies.classes if supplies.tags is None else supplies.tags), 0
        code = {name: i for i, name in enumerate(classes)}
        files: dict[str, str] = {}
        labels: dict[str, int | list[int] | None] = {}
        names = Names(by_stem=True)
        for item in items:
            name = put_image(item, folder / "data", supplies, names)
            if name is None:
                continue
            files[item.sample_id] = f"data/{name}"
            if supplies.tags is None:
                labels[Path(name).stem] = None if item.label is None else code[item.label]
            else:
                labels[Path(name).stem] = None if item.tags is None else [code[tag] for tag in item.tags]
                without += item.label is not None
        whole = {"classes": classes, "labels": labels}
        (folder / "labels.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
        return {"files": files, "left_out": {}, **({"labels_left_out": without} if without else {})}


FOLDERS.register(FiftyOne.name)(FiftyOne())
