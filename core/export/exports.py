"""Exports of a workspace: files and folders of all formats, parts of the data, and the datasheet."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..data.media.boxes import BOXES
from ..data.media.reader import MediaReader, find_file
from ..errors import ExportError, SourceError, choices
from ..storage.artifacts import load_json, load_table
from ..storage.atomic import atomic_file
from ..storage.scan_context import ScanContext
from ..types import ProgressFn, quiet
from . import curated_file as exporters
from .auto_curation import AutoCuration
from .curated_file import EXPORTERS, FOLDERS, ExportResult, Supplies
from .curated_rows import ImageColumn
from .datasheet import DatasheetFacts, as_html, as_markdown, is_datasheet
from .download import Download, open_download
from .tag_columns import TagColumns
from .target import EXPORTS, check_file, check_place, plain_name, reason_of


@dataclass(frozen=True)
class ExportFormat:
    """A format of an export.

    Attributes
    ----------
    name
        As registered.
    title, explain
        Shown to people.
    suffix
        Of a file, "" = a folder.
    why_not
        Why it cannot be used for this dataset, "" = it can.
    """

    name: str
    title: str
    explain: str
    suffix: str
    why_not: str = ""


_FILES = {
    "csv": (
        "CSV",
        "For spreadsheets and every tool, without image bytes; texts that a spreadsheet would run get an apostrophe.",
    ),
    "parquet": ("Parquet", "Typed and compact, images included, for pandas, DuckDB, Spark."),
    "jsonl": ("JSON Lines", "One object a line."),
}


class DatasetExports:
    """Exports of one workspace.

    Parameters
    ----------
    scan
        The scan and its log.
    media
        Called for the reader of original images.
    facts
        Called for the content of the datasheet.
    allow
        Called with who exports, None = who opened the workspace; raises NotAllowed.
    """

    def __init__(
        self,
        scan: ScanContext,
        media: Callable[[], MediaReader],
        facts: Callable[[], DatasheetFacts],
        allow: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self._scan, self._media, self._facts, self._allow = scan, media, facts, allow
        self._layout, self._store, self._results = scan.layout, scan.store, scan.results

    def formats(self) -> list[ExportFormat]:
        """List every format, files first, and why it cannot be used for this dataset."""
        out = [ExportFormat(e.name, *_FILES.get(e.name, (e.name, "")), e.suffixes[0]) for e in EXPORTERS]
        has = {
            "images": self._results["media"]["kind"] != "none",
            "labels": self._results["n_labelled"] > 0,
            "labels or tags": self._results["n_labelled"] > 0 or self._scan.tags is not None,
            "texts": True,
            "boxes": self._results["media"]["kind"] == BOXES,
        }
        for f in FOLDERS:
            missing = sorted(need for need in f.needs if not has[need])
            why = f"This dataset has no {' and no '.join(missing)}." if missing else ""
            out.append(ExportFormat(f.name, f.title, f.explain, "", why))
        return out

    def place(self, name: str) -> Path:
        """Where an export of this name lies among the workspace's own; the name becomes a plain file name."""
        return self._layout.root / EXPORTS / plain_name(name)

    def download(self, name: str, *, actor: str | None = None) -> Download:
        """Read an export among the workspace's own, to be sent over the network.

        Parameters
        ----------
        name
            Of its file or folder.
        actor
            Who gets it, None = who opened the workspace.

        Raises
        ------
        NotAllowed
            The person may not export.
        ExportError
            There is no such export, or it cannot be read.
        """
        self._allow(actor)
        try:
            return open_download(self.place(name))
        except OSError as error:
            raise ExportError(f"The export {name!r} cannot be read: {reason_of(error)}. Export it again.") from error

    @property
    def _manifest(self) -> dict[str, Any]:
        return load_json(self._layout.manifest) if self._layout.manifest.exists() else {}

    @property
    def source(self) -> str:
        """What was scanned, "" = unknown."""
        return str(self._manifest.get("params", {}).get("source") or "")

    def export(
        self,
        path: str | Path,
        *,
        actor: str | None = None,
        format: str | None = None,
        only: Collection[str] | None = None,
        links: bool = False,
        allow_outside: bool = False,
        keep_broken: bool = False,
        images: bool = True,
        csv_plain: bool = False,
        include_excluded: bool = False,
        auto: Mapping[str, Any] | None = None,
        replace_label: bool = False,
        tags_as: str | None = None,
        overwrite: bool = False,
        about: Mapping[str, Any] | None = None,
        progress: ProgressFn = quiet,
    ) -> ExportResult:
        """Write the curated dataset, or a part of it: all of it, or nothing.

        Parameters
        ----------
        path
            The file or folder.
        actor
            Who exports, None = who opened the workspace.
        format
            One of :meth:`formats`; None = by the suffix of ``path``.
        only
            Ids to write, None = all.
        links
            Whether to link to the original images instead of copying them, where they are files.
        allow_outside
            Whether images are exported that lie outside the folder of the source.
        keep_broken
            Whether images are exported that begin like one and cannot be decoded.
        images
            Whether a Parquet file holds the bytes of images that lay in a table. Other files never do.
        csv_plain
            Whether texts that a spreadsheet would run as formulas are written to CSV as they stand. Otherwise they
            begin with an apostrophe, which Winnow takes away again where the manifest lies beside the file.
        include_excluded
            Whether excluded samples are kept, marked as such.
        auto
            What is done with flagged samples that nobody has decided about: the fields of
            :class:`~winnow.core.export.auto_curation.AutoCuration`; None = nothing. The log does not change.
        replace_label
            Whether the original columns of labels and tags take over the final ones; otherwise they stay as given.
        tags_as
            How a file writes the final tags: "list", "delimited" or "columns" (of 1 and 0); None = as they came in.
        overwrite
            Whether a file is replaced that is no earlier export of Winnow's. A folder that holds anything else than an
            earlier export is never replaced.
        about
            Where ``only`` comes from, for the manifest.
        progress
            Called while samples are written.

        Raises
        ------
        NotAllowed
            The person may not export.
        ExportError
            An unknown format, a place that cannot be written to, or one that holds what Winnow did not write.
        DiskFull
            An earlier export is intact.
        Cancelled
            As ``progress`` raises it.
        """
        self._allow(actor)
        path = Path(path).expanduser()
        if format in EXPORTERS and path.suffix.lower() not in EXPORTERS.get(str(format)).suffixes:
            raise ExportError(f"{path.name!r} does not end in {choices(EXPORTERS.get(str(format)).suffixes)}.")
        folder = str(format) if format in FOLDERS else None
        if format is not None and folder is None and format not in EXPORTERS:
            raise ExportError(f"No format is called {format!r}. There are: {choices(f.name for f in self.formats())}.")
        column = self._image_column(allow_outside) if folder is None else None
        with_images = images and exporters.exporter_for(path).name == "parquet" if column else False
        if column is not None and not with_images:
            why = "the bytes of images are left out; Parquet holds them unless --no-images is given"
            about = {**(about or {}), "left_out_columns": {column.name: why}}
        return exporters.export_workspace(
            path,
            layout=self._layout,
            store=self._store,
            columns=self._results["columns"],
            manifest=self._manifest,
            include_excluded=include_excluded,
            only=only,
            about=about,
            folder=folder,
            supplies=self._supplies(links, allow_outside, keep_broken) if folder else None,
            overwrite=overwrite,
            images=column if with_images else None,
            auto=AutoCuration.of(auto),
            replace_label=replace_label,
            tags=self._tag_columns(tags_as, replace_label),
            csv_plain=csv_plain,
            progress=progress,
        )

    def _tag_columns(self, written_as: str | None, replace_tags: bool) -> TagColumns | None:
        """How the tags are written; None where samples have none. Raises ExportError."""
        tags = self._scan.tags
        if tags is None:
            if written_as is not None:
                raise ExportError("Samples have no tags here: leave the form of the tags out.")
            return None
        return TagColumns(tags.tables, tags.names(), written_as, replace_tags)

    def _image(self, row: int, allow_outside: bool) -> bytes:
        """Read the image of a row. Raises OSError, also where its file lies outside the source."""
        reader = self._media()
        file = None if allow_outside else reader.path(row)
        if file is not None:
            root = Path(self._results["media"]["root"])
            folder = root.parent if self._results["media"]["kind"] == "parquet" and root.is_file() else root
            if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder)):
                raise OSError("the file lies outside the source (--allow-outside exports it)")
        return reader.read(row)

    def _image_column(self, allow_outside: bool) -> ImageColumn | None:
        """The column of images of a table; None where images are files, or there are none."""
        from ..data.sources.huggingface import load_splits  # opening a workspace does without the sources
        from ..data.sources.parquet import parquet_files

        media = self._results["media"]
        if media["kind"] not in ("parquet", "arrow"):
            return None
        root, name = Path(media["root"]), str(media["column"])
        original = pq.read_schema(self._layout.meta).names[1:] if self._layout.meta.exists() else []
        try:
            parquet = media["kind"] == "parquet"
            names = pq.read_schema(parquet_files(root)[0]).names if parquet else load_splits(root)[0][1].column_names
            before = set(names[: names.index(name)])
        except (OSError, ValueError, IndexError, SourceError, pa.ArrowException):
            before = set()
        return ImageColumn(name, sum(n in before for n in original), lambda row: self._image(row, allow_outside))

    def _supplies(self, links: bool, allow_outside: bool, keep_broken: bool) -> Supplies:
        media = self._results["media"]
        has_images = media["kind"] != "none"
        if links and media["kind"] != "files":
            raise ExportError(
                "The images lie in a table, not in files: there is nothing to link to. Export copies instead."
            )
        files = media["kind"] == "files"
        uris = load_table(self._layout.dataset, columns=["uri"]).column(0).to_pylist() if files else []

        def path(row: int) -> Path | None:
            return find_file(Path(media["root"]), uris[row]) if files and uris[row] else None

        probs = self._scan.files.probs
        return Supplies(
            classes=tuple(self._scan.classes()),
            modality=str(self._results["modality"]),
            image=(lambda row: self._image(row, allow_outside)) if has_images else None,
            path=path,
            probs=None if probs is None else np.asarray(probs, np.float32),
            own=tuple(self._results["class_names"]),
            links=links,
            keep_broken=keep_broken,
            annotations=Path(self.source) if media["kind"] == BOXES else None,
            tags=tuple(self._scan.tags.names()) if self._scan.tags is not None else None,
            has_splits=any(load_table(self._layout.dataset, columns=["split"]).column(0).unique().to_pylist()),
        )

    def facts(self) -> DatasheetFacts:
        """Current content of the datasheet."""
        events = [e for e in self._store.registry().events if e.event != "add"]
        changes = [(e.event, e.name, e.target or "", e.actor, e.at[:19]) for e in events]
        return replace(self._facts(), class_changes=changes)

    def sheet(self, about: Mapping[str, Any] | None = None) -> str:
        """Render the datasheet as HTML to be shown in a page."""
        return as_html(self.facts(), about or {}, page=False)

    def datasheet(
        self,
        path: str | Path,
        *,
        about: Mapping[str, Any] | None = None,
        actor: str | None = None,
        overwrite: bool = False,
    ) -> tuple[Path, Path]:
        """Write a datasheet as PATH.html and PATH.md.

        Parameters
        ----------
        path
            Its suffix, if .html or .md, is replaced.
        about
            Further entries (the selection that was exported, its payoff).
        actor
            Who exports, None = who opened the workspace.
        overwrite
            Whether files are replaced that are no earlier datasheets.

        Returns
        -------
        tuple of Path
            Both files.

        Raises
        ------
        NotAllowed
            The person may not export.
        ExportError
            There are such files, and Winnow did not write them.
        """
        self._allow(actor)
        path = Path(path).expanduser()
        stem = path.with_suffix("") if path.suffix.lower() in (".html", ".md") else path
        facts = self.facts()
        paths = stem.with_name(stem.name + ".html"), stem.with_name(stem.name + ".md")
        for path in paths:
            check_place(path, self.source)
            check_file(path, ours=is_datasheet(path), overwrite=overwrite)
        for path, render in zip(paths, (as_html, as_markdown), strict=True):
            with atomic_file(path, "the datasheet") as stream:
                stream.write(render(facts, about or {}).encode("utf-8", "replace"))
        return paths
