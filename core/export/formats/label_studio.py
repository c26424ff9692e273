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
                chosen = {
                    **({"label": [item.label]} if item.label is not None else {}),
                    **({"tags": list(item.tags)} if item.tags is not None else {}),
                }
                results = [
                    {"id": f"w{number}{name[0]}" if name == "tags" else f"w{number}", "from_name": name}
                    | {"to_name": kind, "type": "choices", "value": {"choices": choices}}
                    for name, choices in chosen.items()
                ]
                if results and (item.source == "person" or item.decision in ("accept", "relabel")):
                    task["annotations"] = [{"result": results, "was_cancelled": False}]
                elif results:
                    score = {"score": round(item.weight, 6), "model_version": "winnow"}
                    task["predictions"] = [{"result": results, **score}]
                stream.write(("\n" if number == 1 else ",\n") + json.dumps(task, ensure_ascii=False))
            stream.write("\n]\n")
        (folder / "labeling_config.xml").write_text(_config(kind, supplies.classes, supplies.tags), encoding="utf-8")
        return {"files": files, "left_out": {}}


def _config(kind: str, classes: tuple[str, ...], tags: tuple[str, ...] | None) -> str:
    tag = '<Image name="image" value="$image"/>' if kind == "image" else '<Text name="text" value="$text"/>'
    controls = [_choices("label", kind, "single", classes)] if classes or tags is None else []
    controls += [_choices("tags", kind, "multiple", tags)] if tags is not None else []
    return "<View>\n" + "".join(f"  {part}\n" for part in [tag, *controls]) + "</View>\n"


def _choices(name: str, kind: str, choice: str, values: tuple[str, ...]) -> str:
    lines = "\n".join(f"    <Choice value={quoteattr(value)}/>" for value in values)
    return f'<Choices name="{name}" toName="{kind}" choice="{choice}">\n{lines}\n  </Choices>'


FOLDERS.register(LabelStudio.name)(LabelStudio())
