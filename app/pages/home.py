"""New dataset: choose one, check its columns, start the scan; or open one that was scanned before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app.components.actions import dispatch, open_page
from winnow.app.components.html import notice, render, seconds
from winnow.app.components.html_component import live
from winnow.app.components.page_frame import bare_frame
from winnow.app.server.state import server_state
from winnow.app.session import folders, scans, state
from winnow.core import NotAllowed, Preview, ScanConfig, WinnowError, dataset_name, plural, scan_status
from winnow.core.types import ColumnMap

ROLES: dict[str, tuple[str, str]] = {
    "id": ("Id", "Names each sample; must be unique. Without one, the content names it."),
    "image": ("Image", "Paths relative to the table, or image bytes."),
    "text": ("Text", "The text to look at."),
    "label": (
        "Label",
        "The given class. Without one, only duplicates, broken samples and those out of distribution can be found.",
    ),
    "tags": ("Tags", "Several labels a sample: a column of lists, of JSON, or of text with a separator."),
    "split": ("Split", "Train, test, … to find leaks between them."),
    "source": ("Source", "Where a sample comes from, to compare the health of sources."),
}
AUTO = "none"
BROWSE = "Browse this computer"


HINTS = (
    ("folder", "A folder of images", "one subfolder per class, or flat without labels"),
    ("table", "A table", "CSV, Parquet or JSON Lines with image paths, image bytes or text"),
    ("deployed_code", "A Hugging Face dataset", "saved on disk with save_to_disk"),
    ("scatter_plot", "Embeddings", "Parquet or .npy, with predicted probabilities if you have them"),
)
"""What can be scanned: (icon, title, words)."""


def _summary(path: Path) -> dict[str, Any]:
    try:
        results: dict[str, Any] = json.loads((path / "results.json").read_text(encoding="utf-8"))
        head = json.loads((path / "workspace.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {**results, "name": head.get("name", path.name), "created": head.get("created")}


def recent_html() -> str:
    """Datasets opened lately, each with its health."""
    items = []
    for key, path in server_state().recent():
        summary, job = _summary(path), scan_status(path)["state"]
        items.append(
            {"key": key, "path": path, "summary": summary, "job": job, "name": summary.get("name") or path.stem}
        )
    return render("home", "recent", items)


def _open_by_path() -> None:
    with st.form("w-open", border=False):
        left, right = st.columns([5, 1], vertical_alignment="bottom")
        typed = left.text_input("Or the path of a workspace that `winnow scan` wrote", placeholder="photos.winnow")
        if right.form_submit_button("Open", width="stretch") and typed:
            path = Path(typed).expanduser()
            if (path / "workspace.json").is_file() or (path / "job").is_dir():
                state.open_workspace(server_state().add(path))
                open_page("overview")
                st.rerun()
            live(notice(f"There is no Winnow workspace at {path}. Scan a source into it first.", "bad"), "w-open-error")


def _source() -> str | None:
    how = st.segmented_control(
        "Source",
        [BROWSE, "Path on this computer", "Upload a file"],
        default="Path on this computer",
        key="w-how",
        label_visibility="collapsed",
    )
    if how == BROWSE:
        return _browse()
    if how == "Upload a file":
        upload = st.file_uploader(
            "A table (CSV, Parquet, JSON Lines)",
            type=["csv", "tsv", "parquet", "jsonl", "ndjson", "npy"],
            label_visibility="collapsed",
        )
        if upload is None:
            return None
        if st.session_state.get("w-upload") != upload.file_id:
            st.session_state["w-upload-path"] = str(scans.keep_upload(upload.name, upload))
            st.session_state["w-upload"] = upload.file_id
        return str(st.session_state["w-upload-path"])
    typed = st.text_input(
        "Path",
        key="w-path",
        placeholder="A folder of images, a table (CSV, Parquet, JSON Lines), a Hugging Face dataset, or embeddings",
        label_visibility="collapsed",
    )
    return typed.strip() or None


def _browse() -> str | None:
    """A source that is chosen by going through folders."""
    if chosen := st.session_state.get("w-picked"):
        live(render("home", "picked", chosen), "w-picked-source", _choose)
        return str(chosen)
    try:
        here = folders.listing(st.session_state.get("w-browse") or folders.roots()[0])
    except WinnowError as error:
        live(notice(str(error), "bad"), "w-browse-error")
        here = folders.listing(folders.roots()[0])
    live(render("home", "browser", here, folders.roots()), "w-browser", _choose)
    return None


def _choose(value: dict[str, Any]) -> None:
    """Open a folder, choose what is scanned, or go back to choosing."""
    path = str(value.get("path", ""))
    if value.get("do") == "browse":
        st.session_state["w-browse"] = path
    elif value.get("do") == "pick":
        try:
            st.session_state["w-picked"] = str(folders.allowed(path))
        except WinnowError as error:
            state.session().notice = str(error)
    elif value.get("do") == "unpick":
        st.session_state.pop("w-picked", None)


def _map_columns(preview: Preview) -> ColumnMap:
    names = [c.name for c in preview.columns]
    chosen: dict[str, str | None] = {}
    for column, (role, (title, tip)) in zip(st.columns(len(ROLES)), ROLES.items(), strict=True):
        guess = getattr(preview.guessed, role)
        options = [f"{guess} ✓" if guess else AUTO, *[n for n in names if n != guess]]
        name = column.selectbox(title, options, key=f"w-col-{preview.path}-{role}", help=tip)
        chosen[role] = None if name == options[0] else name
    return ColumnMap(**chosen)


def _options(preview: Preview) -> tuple[list[str], str, str]:
    modality = str(preview.modality or "image")
    listed = [] if modality == "vector" else scans.encoders(modality)
    names = [e.name for e in listed]
    about = {
        e.name: (" · " + e.note if e.note else "") + ("" if e.cached else " · downloads its weights") for e in listed
    }
    left, middle, right = st.columns([5, 2, 4])
    chosen = left.multiselect(
        "Encoders",
        names,
        placeholder="The best that can be had here",
        format_func=lambda n: n + about.get(n, ""),
        help="An encoder turns each sample into a vector. CLIP sees the most; the built-in encoders need no download. "
        "Two that were trained differently find more than one, and take twice as long: the first answers searches, "
        "both judge.",
        disabled=not names,
    )
    device = middle.selectbox("Device", scans.devices(), help="auto takes a GPU where there is one.")
    name = right.text_input("Name", value=dataset_name(preview.path), max_chars=120)
    return chosen, device, name


def _estimate_line(preview: Preview, encoders: list[str], device: str) -> str:
    n, exact = scans.rows_in(preview)
    if n is None:
        return "The number of rows is not known before the scan."
    if str(preview.modality) == "vector":
        encoders = ["vector"]
    elif not encoders:
        encoders = [next((e.name for e in scans.encoders(str(preview.modality)) if e.cached), "patches")]
    guess = scans.estimate(server_state(), n, encoders, device)
    basis = "from earlier scans here" if guess.measured else "a rough guess"
    return f"{'' if exact else 'About '}{plural(n, 'row')}: about {seconds(guess.seconds)} ({basis})."


def _has_labels(preview: Preview, columns: ColumnMap) -> bool:
    """Whether a row that is shown has a label, or there are tags: a flat folder has a column of labels all the same."""
    if columns.tags or preview.guessed.tags:
        return True
    name = columns.label or preview.guessed.label
    return name is not None and any(row.get(name) not in (None, "") for row in preview.rows)


def _new_scan() -> None:
    source = _source()
    if source is None:
        live(render("home", "hints", HINTS), "w-hints")
        return
    try:
        preview = scans.look(source, ColumnMap())
    except WinnowError as error:
        live(notice(str(error), "bad"), "w-source-error")
        return
    columns = _map_columns(preview)
    if columns != ColumnMap():
        try:
            preview = replace(scans.look(source, columns), guessed=preview.guessed)
        except WinnowError as error:
            live(notice(str(error), "bad"), "w-column-error")
            return
    if pictures := scans.pictures_of(source, columns):
        live(render("home", "pictures", pictures), "w-preview-pictures")
    st.dataframe(scans.table_of(preview), height=196, hide_index=True, width="stretch")
    if preview.notices:
        live("".join(notice(n) for n in preview.notices[:3]), "w-preview-notes")
    encoders, device, name = _options(preview)
    with st.expander("Precomputed embeddings or probabilities; output folder"):
        left, right = st.columns(2)
        embeddings = left.text_area(
            "Embeddings (Parquet or .npy), a file on each line",
            key="w-emb",
            height=68,
            help="Each file counts as an encoder, beside those chosen above.",
        )
        probabilities = right.text_input("Predicted probabilities (Parquet or .npy)", key="w-prob")
        out = st.text_input("Results", value=str(scans.default_out(source)))
    start, estimate = st.columns([1, 3], vertical_alignment="center")
    if start.button("Start the scan", type="primary", width="stretch", icon=":material/play_arrow:"):
        config = ScanConfig.of(
            source,
            columns=columns,
            encoders=encoders,
            device=device,
            name=name.strip() or None,
            embeddings=[line.strip() for line in embeddings.splitlines() if line.strip()],
            probabilities=(probabilities.strip(),) if probabilities.strip() else None,
        )
        key = scans.begin(server_state(), config, Path(out).expanduser(), state.session().actor, state.session().proven)
        state.open_workspace(key)
        open_page("overview" if _has_labels(preview, columns) else "label")
        st.rerun()
    estimate.html(render("home", "fine", _estimate_line(preview, encoders, device)))


def draw() -> None:
    """Draw the page."""
    bare_frame("new")
    try:
        server_state().require_scan(state.session().actor, state.session().proven)
    except NotAllowed as error:
        live(notice(str(error)), "w-new-title")
        live(recent_html(), "w-recent", dispatch)
        return
    left, right = st.columns([7, 5], gap="medium")
    with left, st.container(border=True, key="w-new"):
        live(render("home", "title"), "w-new-title")
        _new_scan()
    with right:
        live(recent_html(), "w-recent", dispatch)
        _open_by_path()
