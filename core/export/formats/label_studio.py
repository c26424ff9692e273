"""Label Studio: tasks with people's decisions as annotations and all other labels as predictions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from ._media import Names, put_image
from .base import FOLDERS, Item, Supplies


class LabelStudio:
    """``tasks.json`` to be imported, ``labeling_config.xml`` to be pasted, and ``images/`` for local file storage.

    A label that a person gave or confirmed is an annotation; any other is a prediction with the sample's weight as its
    score, so that it is shown and can be changed. Images are named ``/data/local-files/?d=images/…``: start Label
    Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and the export as its document root.

    References
    ----------
    Label Studio documentation, "Basic Label Studio JSON format".
    """

    name: ClassVar[str] = "label_studio"
    title: ClassVar[str] = "Label Studio"
    explain: ClassVar[str] = "Tasks to import: decisions as annotations, all else as predictions."
    needs: ClassVar[frozenset[str]] = frozenset()

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write tasks, labelling config and images."""
        files: dict[str, str] = {}
        if supplies.image is not None:
            (folder / "images").mkdir()
        names = Names()
        kind = "image" if supplies.image is not None else "text"
        with (folder / "tasks.json").open("w", encoding="utf-8") as stream:
            stream.write("[")
            number = 0
            for item in items:
                data: dict[str, Any] = {"sample_id": item.sample_id, "label_given": item.given, "verdict": item.verdict}
                if item.text is not None:
                    data["text"] = item.text
                if supplies.image is not None:
                    name = put_image(item, folder / "images", supplies, names)
                    if name is None:
                        continue
                    data["image"] = f"/data/local-files/?d={quote(f'images/{name}')}"
                    files[item.sample_id] = f"images/{name}"
                elif item.text is None:
                    data["text"] = item.sample_id
                number += 1
                task: dict[str, Any] = {"id": number, "data": data}
                if item.label is not None:
                    result = {
                        "id": f"w{number}",
                        "from_name": "label",
                        "to_name": kind,
                        "type": "choices",
                        "value": {"choices": [item.label]},
                    }
                    if item.source == "person":
                        task["annotations"] = [{"result": [result], "was_cancelled": False}]
                    else:
                        task["predictions"] = [
                            {"result": [result], "score": round(item.weight, 6), "model_version": "winnow"}
                        ]
                stream.write(("\n" if number == 1 else ",\n") + json.dumps(task, ensure_ascii=False))
            stream.write("\n]\n")
        (folder / "labeling_config.xml").write_text(_config(kind, supplies.classes), encoding="utf-8")
        return {"files": files, "left_out": {}}


def _config(kind: str, classes: tuple[str, ...]) -> str:
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in classes)
    tag = '<Image name="image" value="$image"/>' if kind == "image" else '<Text name="text" value="$text"/>'
    control = f'<Choices name="label" toName="{kind}" choice="single">\n{choices}\n  </Choices>'
    return f"<View>\n  {tag}\n  {control}\n</View>\n"


FOLDERS.register(LabelStudio.name)(LabelStudio())
