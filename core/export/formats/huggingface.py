"""A Hugging Face dataset: Parquet files that `datasets.load_dataset` reads with classes and images as such."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from ._media import Names, read_image, safe_name, split_of, suffix_of
from .base import FOLDERS, Item, Supplies

_ROWS = 256
_PLAIN = {"train": "train", "val": "validation", "test": "test"}


class HuggingFace:
    """``data/<split>-00000-of-00001.parquet``, with the features in the schema of the files.

    Columns: sample_id, image and text (where the dataset has them), label (a ClassLabel, −1 = none), tags
    (a Sequence of ClassLabel, null = nobody looked), label_given, weight and verdict.

    References
    ----------
    Hugging Face datasets documentation, "Repository structure"; `datasets.Features.arrow_schema`.
    """

    name: ClassVar[str] = "huggingface"
    title: ClassVar[str] = "Hugging Face dataset"
    explain: ClassVar[str] = "Parquet files that datasets.load_dataset opens, images and classes included."
    needs: ClassVar[frozenset[str]] = frozenset()

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write one Parquet file per split."""
        from datasets import ClassLabel, Features, Image, Sequence, Value

        columns: dict[str, Any] = {"sample_id": Value("string")}
        if supplies.image is not None:
            columns["image"] = Image()
        if supplies.modality in ("text", "pair"):
            columns["text"] = Value("string")
        if supplies.classes:
            columns["label"] = ClassLabel(names=list(supplies.classes))
        if supplies.tags:
            columns["tags"] = Sequence(ClassLabel(names=list(supplies.tags)))
        columns |= {"label_given": Value("string"), "weight": Value("float32"), "verdict": Value("string")}
        schema: pa.Schema = Features(columns).arrow_schema
        code = {name: i for i, name in enumerate(supplies.classes)}
        tag_code = {name: i for i, name in enumerate(supplies.tags or ())}
        data = folder / "data"
        data.mkdir()
        writers: dict[str, pq.ParquetWriter] = {}
        waiting: dict[str, list[dict[str, Any]]] = {}
        names, files = Names(), dict[str, str]()

        def flush(split: str) -> None:
            if split not in writers:
                files[split] = names.new(_file(split), joint="_")
                writers[split] = pq.ParquetWriter(data / f"{files[split]}-00000-of-00001.parquet", schema)
            writers[split].write_table(pa.Table.from_pylist(waiting.pop(split, []), schema=schema))

        try:
            for item in items:
                row: dict[str, Any] = {
                    "sample_id": item.sample_id,
                    "text": item.text,
                    "label": code.get(item.label or "", -1),
                    "tags": None if item.tags is None else [tag_code[tag] for tag in item.tags],
                    "label_given": item.given,
                    "weight": item.weight,
                    "verdict": item.verdict,
                }
                if supplies.image is not None:
                    image = read_image(item, supplies)
                    path = safe_name(item.sample_id) + suffix_of(image or b"")
                    row["image"] = None if image is None else {"bytes": image, "path": path}
                split = split_of(item) or ("unsplit" if supplies.has_splits else "train")
                waiting.setdefault(split, []).append({name: row[name] for name in columns})
                if len(waiting[split]) >= _ROWS:
                    flush(split)
            for split in list(waiting) or ([] if writers else ["train"]):
                flush(split)
        finally:
            for writer in writers.values():
                writer.close()
        return {
            "files": {},
            "left_out": {},
            "images_unreadable": len(supplies.left_out),
            "splits": sorted(files.values()),
            "renamed_splits": {name: split for split, name in files.items() if name != _PLAIN.get(split, split)},
        }


def _file(split: str) -> str:
    """A name that `datasets` allows for a split: letters, digits, underscores; not "all", which means every split."""
    name = _PLAIN.get(split) or "".join(c if c.isalnum() else "_" for c in split)
    return f"{name}_" if name.casefold() == "all" else name


FOLDERS.register(HuggingFace.name)(HuggingFace())
