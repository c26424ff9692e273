"""Sample ids, one per line, one file per split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, TextIO

from ...errors import ExportError
from ._media import Names
from .base import FOLDERS, Item, Supplies


class SplitIds:
    """``<split>.txt`` with one sample id per line, UTF-8; ``all.txt`` for samples without a split."""

    name: ClassVar[str] = "split_ids"
    title: ClassVar[str] = "Split files of ids"
    explain: ClassVar[str] = "One id a line, a file per split: the smallest thing that says what is in."
    needs: ClassVar[frozenset[str]] = frozenset()

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write one file per split."""
        counts: dict[str, int] = {}
        with ExitStack() as stack:
            streams: dict[str, TextIO] = {}
            names = Names()
            without = names.new("all")
            for item in items:
                if "\n" in item.sample_id or "\r" in item.sample_id:
                    raise ExportError(f"The id {item.sample_id!r} has a line break: it fits no file of one id a line.")
                name = names.of(item.split) if item.split else without
                if name not in streams:
                    path = folder / f"{name}.txt"
                    streams[name] = stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
                streams[name].write(item.sample_id + "\n")
                counts[name] = counts.get(name, 0) + 1
        return {"files": {}, "left_out": {}, "splits": counts, "renamed_splits": names.changed()}


FOLDERS.register(SplitIds.name)(SplitIds())
