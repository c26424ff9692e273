"""Labels made elsewhere: id → label from a table, a Label Studio export, COCO or CVAT.

In: a file. Out: (key, label, person) of every labelled sample, where a key is a sample's id or the name of its file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.parsers import expat

from ..errors import SourceError

MOST_BYTES = 1 << 30
_IDS = ("id", "sample_id", "image", "file", "file_name", "filename", "path", "name")
_LABELS = ("label", "label_final", "class", "category", "target")
_PEOPLE = ("annotator", "actor", "user")


@dataclass(frozen=True)
class BroughtLabel:
    """A label from a file.

    Attributes
    ----------
    key
        The sample's id, or the path or name of its file.
    label
        The class.
    person
        Who gave it, "" = the file does not say.
    """

    key: str
    label: str
    person: str = ""


def read_label_file(path: str | Path) -> list[BroughtLabel]:
    """Read the labels of a file; the ending says what it is, and a JSON file by what it holds.

    Parameters
    ----------
    path
        A table (.csv, .tsv: a column for the id or file and one for the label), Label Studio's JSON export, COCO JSON
        (one category an image) or CVAT for images 1.1 (.xml).

    Raises
    ------
    SourceError
        The file cannot be read, or holds no labels; the message says what was expected.
    """
    path = Path(path).expanduser()
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    if size > MOST_BYTES:
        raise SourceError(f"{path.name} has {size:,} bytes; a file of labels may have {MOST_BYTES:,}. Split it.")
    readers = {".csv": _table, ".tsv": _table, ".json": _json, ".xml": _cvat}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise SourceError(
            f"{path.name!r} is no file of labels. There are: .csv or .tsv (id, label), "
            "Label Studio or COCO .json, CVAT .xml."
        )
    try:
        labels = list(reader(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path.name} cannot be read: {error}.") from error
    if not labels:
        raise SourceError(f"{path.name} holds no labels: nothing was labelled there, or all of it was left empty.")
    return labels


def _table(path: Path) -> Iterator[BroughtLabel]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        head = stream.readline()
        stream.seek(0)
        delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=head.count)
        rows = csv.reader(stream, delimiter=delimiter)
        names = [name.strip().lower() for name in next(rows, [])]
        places = [_column(names, wanted) for wanted in (_IDS, _LABELS, _PEOPLE)]
        if places[0] is None or places[1] is None:
            raise SourceError(
                f"{path.name} has the columns {', '.join(names) or '(none)'}. Name one {_IDS[0]!r} (or "
                f"{', '.join(_IDS[1:4])} …) and one {_LABELS[0]!r}."
            )
        for row in rows:
            cells = [row[place].strip() if place is not None and place < len(row) else "" for place in places]
            if cells[0] and cells[1]:
                yield BroughtLabel(*cells)


def _column(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _json(path: Path) -> Iterator[BroughtLabel]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path.name} is not JSON: {error}.") from error
    if isinstance(data, dict) and isinstance(data.get("annotations"), list) and isinstance(data.get("images"), list):
        return _coco(data, path.name)
    if isinstance(data, list):
        return _label_studio(data)
    raise SourceError(
        f"{path.name} is neither a list of Label Studio tasks nor COCO (an object with images, "
        "annotations, categories)."
    )


def _coco(data: dict[str, Any], name: str) -> Iterator[BroughtLabel]:
    categories = {c.get("id"): c.get("name") for c in data.get("categories") or () if isinstance(c, dict)}
    keys = {
        i.get("id"): str(i.get("sample_id") or i.get("file_name") or "") for i in data["images"] if isinstance(i, dict)
    }
    seen: dict[str, str] = {}
    for annotation in data["annotations"]:
        if not isinstance(annotation, dict):
            continue
        key, label = keys.get(annotation.get("image_id"), ""), categories.get(annotation.get("category_id"))
        if not key or not isinstance(label, str) or not label.strip():
            continue
        if seen.setdefault(key, label) != label:
            raise SourceError(
                f"{name} gives {key!r} two categories ({seen[key]!r} and {label!r}). Labels of whole images need "
                "one each; boxes are scanned as a dataset of their own."
            )
    yield from (BroughtLabel(key, label.strip()) for key, label in seen.items())


def _label_studio(tasks: list[Any]) -> Iterator[BroughtLabel]:
    for task in tasks:
        if not isinstance(task, dict):
            continue
        inner = task.get("data")
        data: dict[str, Any] = inner if isinstance(inner, dict) else task  # JSON-MIN has no "data"
        key = str(data.get("sample_id") or data.get("id") or "")
        link = next((str(data[k]) for k in ("image", "file", "text") if isinstance(data.get(k), str)), "")
        key = key if "sample_id" in data else (unquote(link).split("?d=")[-1] or key)
        annotations = task.get("annotations") or task.get("completions")
        if annotations is None and isinstance(task.get("choice"), str):
            annotations = [{"result": [{"value": {"choices": [task["choice"]]}}]}]
        for annotation in annotations or ():
            if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
                continue
            person = annotation.get("completed_by")
            person = person.get("email", "") if isinstance(person, dict) else str(person or "")
            chosen = [
                choice
                for result in annotation.get("result") or ()
                if isinstance(result, dict) and isinstance(result.get("value"), dict)
                for choice in result["value"].get("choices") or ()
            ]
            if key and len(chosen) == 1 and str(chosen[0]).strip():
                yield BroughtLabel(key, str(chosen[0]).strip(), person)


def _cvat(path: Path) -> Iterator[BroughtLabel]:
    """Tags of CVAT for images 1.1: <image name="…"><tag label="…"/></image>. Entities are refused."""
    labels: list[BroughtLabel] = []
    image: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "image":
            image[:] = [attributes.get("name", "")]
        elif tag == "tag" and image and attributes.get("label", "").strip():
            labels.append(BroughtLabel(image[0], attributes["label"].strip()))

    def refuse(*_: object) -> None:
        raise SourceError(f"{path.name} declares XML entities, which no labelling tool writes. It is not read.")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EntityDeclHandler = start, refuse
    try:
        with path.open("rb") as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise SourceError(f"{path.name} is not XML: {error}.") from error
    yield from labels
