"""New dataset: bring one, see what Winnow makes of its columns, start the scan; or open one that was scanned before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app.components.actions import dispatch, goto
from winnow.app.components.html import ago, count, empty, esc, go, icon, notice, plural, seconds, stack
from winnow.app.components.html_component import live
from winnow.app.components.page_frame import bare_frame
from winnow.app.server.state import hub
from winnow.app.session import scans, state
from winnow.core import NotAllowed, Preview, ScanConfig, WinnowError, scan_status
from winnow.core.types import ColumnMap

ROLES: dict[str, tuple[str, str]] = {
    "id": ("Id", "Names each sample; must be unique. Without one, the content names it."),
    "image": ("Image", "Paths relative to the table, or image bytes."),
    "text": ("Text", "The text to look at."),
    "label": ("Label", "The given class. Without one, only duplicates, outsiders and broken samples can be found."),
    "split": ("Split", "Train, test, … to find leaks between them."),
    "source": ("Source", "Where a sample comes from, to compare the health of sources."),
}
AUTO = "none"


def _summary(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((path / "results.json").read_text(encoding="utf-8"))
        head = json.loads((path / "workspace.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {**found, "name": head.get("name", path.name), "created": head.get("created")}


def recent_html() -> str:
    """Datasets opened lately, each with its health."""
    items = []
    for key, path in hub().recent():
        found, job = _summary(path), scan_status(path)["state"]
        name = found.get("name") or path.stem
        if found.get("n"):
            line = f"{count(found['n'])} {esc(found.get('modality', 'sample'))}s · {ago(found.get('created'))}"
            bar = stack(found.get("verdict_counts", {}), found["n"], name)
        else:
            line = {
                "running": "being scanned now",
                "failed": "the scan failed",
                "cancelled": "the scan was cancelled",
            }.get(job, "not scanned to the end")
            bar = ""
        busy = "<span class='w-badge'>scanning</span>" if job == "running" else ""
        items.append(
            f"<li><a href='/overview?ws={key}' {go('workspace', key=key)}><span class='w-row'><b class='w-cut'>{esc(name)}</b>{busy}"
            f"<span class='w-muted w-push'>{line}</span></span><span class='w-muted w-cut w-path' title='{esc(path)}'>{esc(path)}</span>{bar}</a></li>"
        )
    if not items:
        return (
            "<section class='w-card'><header><h2>Open a dataset</h2></header>"
            + empty(
                "Nothing scanned yet",
                "Scan a dataset on the left, or run `winnow demo` in a terminal to try Winnow on planted problems.",
                glyph="dataset",
            )
            + "</section>"
        )
    return f"<section class='w-card'><header><h2>Open a dataset</h2><span class='w-muted'>{plural(len(items), 'dataset')} on this computer</span></header><ul class='w-recent'>{''.join(items)}</ul></section>"


def _open_by_path() -> None:
    with st.form("w-open", border=False):
        left, right = st.columns([5, 1], vertical_alignment="bottom")
        typed = left.text_input("Or the path of a workspace that `winnow scan` wrote", placeholder="photos.winnow")
        if right.form_submit_button("Open", width="stretch") and typed:
            path = Path(typed).expanduser()
            if (path / "workspace.json").is_file() or (path / "job").is_dir():
                state.open_workspace(hub().add(path))
                goto("overview")
                st.rerun()
            live(notice(f"There is no Winnow workspace at {path}. Scan a source into it first.", "bad"), "w-open-error")


def _source() -> str | None:
    how = st.segmented_control(
        "Where is it?",
        ["Path on this computer", "Upload a file"],
        default="Path on this computer",
        key="w-how",
        label_visibility="collapsed",
    )
    if how == "Upload a file":
        given = st.file_uploader(
            "A table (CSV, Parquet, JSON Lines)",
            type=["csv", "tsv", "parquet", "jsonl", "ndjson", "npy"],
            label_visibility="collapsed",
        )
        if given is None:
            return None
        if st.session_state.get("w-upload") != given.file_id:
            st.session_state["w-upload-path"] = str(scans.keep_upload(given.name, given))
            st.session_state["w-upload"] = given.file_id
        return str(st.session_state["w-upload-path"])
    typed = st.text_input(
        "Path",
        key="w-path",
        placeholder="A folder of images, a CSV, Parquet or JSON Lines table, a saved Hugging Face dataset, or embeddings",
        label_visibility="collapsed",
    )
    return typed.strip() or None


def _map_columns(found: Preview) -> ColumnMap:
    names = [c.name for c in found.columns]
    chosen: dict[str, str | None] = {}
    for column, (role, (title, tip)) in zip(st.columns(len(ROLES)), ROLES.items(), strict=True):
        guess = getattr(found.guessed, role)
        options = [f"{guess} ✓" if guess else AUTO, *[n for n in names if n != guess]]
        picked = column.selectbox(title, options, key=f"w-col-{found.path}-{role}", help=tip)
        chosen[role] = None if picked == options[0] else picked
    return ColumnMap(**chosen)


def _preview_table(found: Preview) -> None:
    st.dataframe(scans.table_of(found), height=196, hide_index=True, width="stretch")


def _options(found: Preview) -> tuple[str | None, str, str]:
    modality = str(found.modality or "image")
    listed = [] if modality == "vector" else scans.encoders(modality)
    names = [e.name for e in listed]
    about = {
        e.name: (" · " + e.note if e.note else "") + ("" if e.cached else " · downloads its weights") for e in listed
    }
    left, middle, right = st.columns([5, 2, 4])
    encoder = left.selectbox(
        "Encoder",
        ["Best that can be had here", *names],
        format_func=lambda n: n + about.get(n, ""),
        help="Turns each sample into a vector. CLIP sees the most; the built-in encoders need no download.",
        disabled=not names,
    )
    device = middle.selectbox("Device", scans.devices(), help="auto takes a GPU where there is one.")
    name = right.text_input("Name", value=Path(found.path).stem, max_chars=120)
    return (None if encoder not in names else encoder), device, name


def _estimate_line(found: Preview, encoder: str | None, device: str) -> str:
    n, exact = scans.rows_in(found)
    if n is None:
        return "The number of rows is not known before the scan."
    best = (
        encoder or next((e.name for e in scans.encoders(str(found.modality)) if e.cached), "patches")
        if str(found.modality) != "vector"
        else "vector"
    )
    guess = scans.estimate(hub(), n, best, device)
    said = "from earlier scans here" if guess.measured else "a rough guess"
    return f"{'' if exact else 'About '}{plural(n, 'row')}: about {seconds(guess.seconds)} ({said})."


def _new_scan() -> None:
    source = _source()
    if source is None:
        live(
            "<div class='w-hints'>"
            + "".join(
                f"<div>{icon(glyph)}<b>{title}</b><span class='w-muted'>{text}</span></div>"
                for glyph, title, text in (
                    ("folder", "A folder of images", "one subfolder per class, or flat without labels"),
                    ("table", "A table", "CSV, Parquet or JSON Lines with image paths, image bytes or text"),
                    ("deployed_code", "A Hugging Face dataset", "saved on disk with save_to_disk"),
                    ("scatter_plot", "Embeddings", "Parquet or .npy, with predicted probabilities if you have them"),
                )
            )
            + "</div>",
            "w-hints",
        )
        return
    try:
        found = scans.look(source, ColumnMap())
    except WinnowError as error:
        live(notice(str(error), "bad"), "w-source-error")
        return
    columns = _map_columns(found)
    if columns != ColumnMap():
        try:
            found = replace(scans.look(source, columns), guessed=found.guessed)
        except WinnowError as error:
            live(notice(str(error), "bad"), "w-column-error")
            return
    _preview_table(found)
    if found.notices:
        live("".join(notice(n) for n in found.notices[:3]), "w-preview-notes")
    encoder, device, name = _options(found)
    with st.expander("Bring your own embeddings or probabilities; where the results go"):
        left, right = st.columns(2)
        embeddings = left.text_input("Embeddings (Parquet or .npy)", key="w-emb")
        probabilities = right.text_input("Predicted probabilities (Parquet or .npy)", key="w-prob")
        out = st.text_input("Results", value=str(scans.default_out(source)))
    go_on, said = st.columns([1, 3], vertical_alignment="center")
    if go_on.button("Start the scan", type="primary", width="stretch", icon=":material/play_arrow:"):
        config = ScanConfig.of(
            source,
            columns=columns,
            encoder=encoder,
            device=device,
            name=name.strip() or None,
            embeddings=embeddings.strip() or None,
            probabilities=(probabilities.strip(),) if probabilities.strip() else None,
        )
        key = scans.begin(hub(), config, Path(out).expanduser(), state.session().actor, state.session().proven)
        state.open_workspace(key)
        goto("overview")
        st.rerun()
    said.html(f"<span class='w-muted w-fine'>{_estimate_line(found, encoder, device)}</span>")


def draw() -> None:
    """Draw the page."""
    bare_frame("new", "Which dataset do you want to look at?")
    try:
        hub().require_scan(state.session().actor, state.session().proven)
    except NotAllowed as error:
        live(notice(str(error)), "w-new-title")
        live(recent_html(), "w-recent", dispatch)
        return
    left, right = st.columns([7, 5], gap="medium")
    with left, st.container(border=True, key="w-new"):
        live("<h2>Scan a new dataset</h2>", "w-new-title")
        _new_scan()
    with right:
        live(recent_html(), "w-recent", dispatch)
        _open_by_path()


__all__ = ["draw"]
