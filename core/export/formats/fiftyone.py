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
        code = {name: i for i, name in enumerate(supplies.classes)}
        files: dict[str, str] = {}
        labels: dict[str, int | None] = {}
        names = Names(by_stem=True)
        for item in items:
            name = put_image(item, folder / "data", supplies, names)
            if name is None:
                continue
            files[item.sample_id] = f"data/{name}"
            labels[Path(name).stem] = None if item.label is None else code[item.label]
        whole = {"classes": list(supplies.classes), "labels": labels}
        (folder / "labels.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
        return {"files": files, "left_out": {}}


FOLDERS.register(FiftyOne.name)(FiftyOne())
