"""Export: the curated dataset as a file, with its manifest and a patch that replays the decisions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app.components.actions import dispatch
from winnow.app.components.html import render
from winnow.app.components.html_component import live
from winnow.app.components.page_frame import Page, page_frame
from winnow.app.session import cache, state
from winnow.app.session.exports import ExportJob
from winnow.core import ExportResult, Filter, Right

SHOWN = 40

ADDED = "label_original, label_final, verdict, confidence, reasons, sample_weight, decision, actor, decided_at"
_STATES = {
    "relabel": ("Relabelled", "carry the new label", "var(--w-accent)"),
    "exclude": ("Excluded", "left out", "var(--v-noisy_label)"),
    "accept": ("Kept as labelled", "confirmed by a person", "var(--v-clean)"),
    "disputed": ("People disagree", "keep the given label, marked as disputed", "var(--v-hard)"),
    "undecided": ("Not decided", "keep the given label", "var(--w-line-strong)"),
}


def summary(by_state: dict[str, int], total: int, include_excluded: bool) -> str:
    """How many samples the file has, by decision."""
    rows = total - (0 if include_excluded else by_state.get("exclude", 0))
    return render("export", "summary", rows, total, _STATES, by_state, include_excluded)


def preview(page: Page, include_excluded: bool) -> str:
    """The rows that decisions change, the most telling kinds first; else the first rows."""
    rows: list[dict[str, Any]] = []
    for s in ("relabel", "exclude", "disputed", "accept", "undecided"):
        if len(rows) < SHOWN and (s != "exclude" or include_excluded):
            rows += cache.rows(page.key, page.workspace, Filter(state=s), "row", SHOWN - len(rows))
    return render("export", "preview", rows)


EVERYTHING = "Everything"
CURRENT = "The current filter"
LINKED = ("image_folder", "yolo", "coco", "fiftyone", "label_studio")
"""Folder formats whose images can be links."""


def _download(page: Page, suffix: str, include_excluded: bool, only: list[str] | None) -> Callable[[], bytes]:
    """Make the file when it is asked for, not before."""

    def read() -> bytes:
        with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
            path = Path(folder) / f"curated{suffix}"
            result = page.workspace.exports.export(path, include_excluded=include_excluded, only=only)
            return Path(result.path).read_bytes()

    return read


def _written(result: ExportResult) -> str:
    left = result.manifest.get("left_out")
    left_out = ", ".join(f"{why}: {n:,}" for why, n in left.items()) if isinstance(left, dict) else ""
    manifest = json.dumps(dict(result.manifest), indent=2, ensure_ascii=False, default=str)
    return render("export", "written", result, left_out, manifest)


def _part(page: Page) -> tuple[list[str] | None, dict[str, Any], str]:
    """What to export: its ids (None = all), what the manifest records about it, and a word for the file's name."""
    kept = {s.name: s for s in page.workspace.saved_selections.all()}
    filtered = page.counts.matching != page.counts.total
    options = [EVERYTHING, *([CURRENT] if filtered else []), *kept]
    asked_for = st.session_state.pop("w-export-what", None)
    if asked_for in options:
        st.session_state["w-what"] = asked_for
    if st.session_state.get("w-what") not in options:
        st.session_state["w-what"] = EVERYTHING
    chosen = st.selectbox(
        "What", options, key="w-what", help="Samples that people excluded are left out of any of them."
    )
    if chosen in kept:
        s = kept[chosen]
        about = {"selection": s.name, "method": s.method, "params": dict(s.params), "fingerprint": s.fingerprint}
        return page.workspace.saved_selections.ids(s.handle), about, s.name
    if chosen == CURRENT:
        return page.workspace.ids(page.filter), {"filter": page.query}, "filter"
    return None, {}, "curated"


def _form(page: Page) -> bool:
    with st.container(border=True, key="w-export"):
        only, about, word = _part(page)
        formats = {f.name: f for f in page.workspace.exports.formats() if not f.why_not}
        chosen = st.selectbox(
            "Format",
            list(formats),
            index=list(formats).index("parquet"),
            format_func=lambda n: formats[n].title,
            key="w-format",
        )
        st.caption(formats[chosen].explain)
        suffix = formats[chosen].suffix
        include = st.toggle(
            "Keep excluded samples, marked as such",
            key="w-include",
            help="Otherwise they are left out.",
            disabled=not suffix,
        ) and bool(suffix)
        links = False
        if chosen in LINKED and page.info.results.get("media", {}).get("kind") == "files":
            links = st.toggle("Link to the original images instead of copying them", key="w-links")
        safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in word).strip("-") or "selection"
        name = f"{Path(page.info.path).stem}.{safe}{suffix or '.' + chosen}"
        path = st.text_input("Write to", value=str(Path(page.info.path).parent / name), key=f"w-out-{name}")
        left, right = st.columns(2)
        if left.button(
            "Write it", type="primary", width="stretch", icon=":material/save:", key="w-write", disabled=_busy()
        ):
            exports = page.workspace.exports
            st.session_state["w-exporting"] = ExportJob(
                lambda progress: exports.export(
                    path,
                    format=chosen,
                    only=only,
                    links=links,
                    include_excluded=include,
                    about=about,
                    progress=progress,
                )
            ).start()
        if suffix:
            right.download_button(
                "Download",
                data=_download(page, suffix, include, only),
                file_name=name,
                width="stretch",
                icon=":material/download:",
                on_click="ignore",
            )
        elif page.may(Right.DECIDE):
            right.caption("A folder is written where the server runs.")
        _working()
        live(render("export", "added", ADDED), "w-added")
        if st.toggle("Show the datasheet", key="w-sheet"):
            _sheet_files(page, about)
    return include


def _busy() -> bool:
    job = st.session_state.get("w-exporting")
    return job is not None and bool(job.running())


@st.fragment(run_every=1.0)
def _working() -> None:
    """The export at work: its progress, a way to stop it, and what came of it."""
    job = st.session_state.get("w-exporting")
    if job is None:
        return
    if job.running(0.3):
        text = f"{job.done:,} of {job.total:,} written" if job.total else f"{job.done:,} written"
        st.progress(job.done / job.total if job.total else 0.0, text=text)
        if st.button("Cancel the export", key="w-export-cancel"):
            job.cancel()
        return
    del st.session_state["w-exporting"]
    st.session_state.pop("w-written", None)
    if job.result is not None:
        st.session_state["w-written"] = job.result
    else:
        state.session().notice = job.error or "The export was cancelled. Nothing was written."
    st.rerun(scope="app")


def _sheet_files(page: Page, about: dict[str, Any]) -> None:
    """The datasheet's two files."""

    def make(suffix: str) -> Callable[[], bytes]:
        def read() -> bytes:
            with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
                html, markdown = page.workspace.exports.datasheet(Path(folder) / "datasheet", about=about)
                return (html if suffix == ".html" else markdown).read_bytes()

        return read

    for column, title, suffix in zip(st.columns(2), ("HTML", "Markdown"), (".html", ".md"), strict=True):
        name = f"{Path(page.info.path).stem}.datasheet{suffix}"
        column.download_button(title, make(suffix), name, f"text/{title.lower()}", width="stretch", on_click="ignore")


def draw() -> None:
    """Draw the page."""
    page = page_frame("export", "What goes into the curated dataset?")
    left, right = st.columns([5, 6], gap="small")
    with left:
        include = _form(page)
    by_state = dict(cache.counts(page.key, page.workspace, Filter()).by_state)
    with right:
        live(summary(by_state, page.info.n, include), "w-summary", dispatch)
    if (result := st.session_state.get("w-written")) is not None and Path(result.path).exists():
        live(_written(result), "w-written-card", dispatch)
    if st.session_state.get("w-sheet"):
        live(render("export", "sheet", page.workspace.exports.sheet()), "w-sheet-body", dispatch)
        return
    live(preview(page, include), "w-body", dispatch)
