"""COCO: images and JSON annotations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ...storage.artifacts import plain
from ._media import Names, need_images, put_image, split_of
from .base import FOLDERS, Item, Supplies


class Coco:
    """``images/file`` and ``annotations/instances_<split>.json`` with one box per image: the whole image.

    Of a sample with tags each tag is such a box too, marked ``"tag": true``, and its image lists them under ``tags``.
    Category ids begin at 1. Each image carries ``sample_id``, each annotation ``weight`` beside COCO's own fields.

    References
    ----------
    "COCO data format", object detection; read by pycocotools.
    """

    name: ClassVar[str] = "coco"
    title: ClassVar[str] = "COCO"
    explain: ClassVar[str] = "Images and instances.json; the label is one box around the whole image."
    needs: ClassVar[frozenset[str]] = frozenset({"images", "labels or tags"})

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write images and annotations."""
        need_images(supplies, self.title)
        (folder / "images").mkdir()
        (folder / "annotations").mkdir()
        both = dict.fromkeys([*supplies.classes, *(supplies.tags or ())])
        category = {name: i + 1 for i, name in enumerate(both)}
        parts: dict[str, dict[str, list[dict[str, Any]]]] = {}
        files: dict[str, str] = {}
        left: Counter[str] = Counter()
        names, splits = Names(), Names()
        without, annotations = splits.new("all"), 0
        for item in items:
            if item.label is None and item.tags is None:
                left["no label"] += 1
                continue
            name = put_image(item, folder / "images", supplies, names)
            if name is None:
                continue
            part = parts.setdefault(split_of(item), {"images": [], "annotations": []})
            number = len(files) + 1
            files[item.sample_id] = f"images/{name}"
            image = {"id": number, "file_name": name, "width": item.width, "height": item.height}
            tags = {} if item.tags is None else {"tags": list(item.tags)}
            part["images"].append({**image, "sample_id": item.sample_id, **tags})
            marks: list[tuple[str, dict[str, Any]]] = (
                [] if item.label is None else [(item.label, {"weight": round(item.weight, 6)})]
            )
            for category_name, more in [*marks, *((tag, {"tag": True}) for tag in item.tags or ())]:
                annotations += 1
                part["annotations"].append(
                    {
                        "id": annotations,
                        "image_id": number,
                        "category_id": category[category_name],
                        "iscrowd": 0,
                        "bbox": [0, 0, item.width, item.height],
                        "area": item.width * item.height,
                        **more,
                    }
                )
        categories = [{"id": i, "name": name, "supercategory": ""} for name, i in category.items()]
        for split, part in (parts or {"": {"images": [], "annotations": []}}).items():
            whole = {"info": {"description": "Exported by Winnow"}, "licenses": [], "categories": categories, **part}
            text = json.dumps(plain(whole), ensure_ascii=False)
            name = splits.of(split) if split else without
            (folder / "annotations" / f"instances_{name}.json").write_text(text, encoding="utf-8")
        return {"files": files, "left_out": dict(left), "renamed_splits": splits.changed()}


FOLDERS.register(Coco.name)(Coco())
