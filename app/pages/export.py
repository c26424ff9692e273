"""Export: the curated dataset as a file, with its manifest and a patch that replays the decisions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from winnow.app.components import theme
from winnow.app.components.actions import dispatch
from winnow.app.components.html import notice, render
from winnow.app.components.html_component import live
from winnow.app.components.page_frame import Page, page_frame
from winnow.app.server.signin import paths_from_browser
from winnow.app.session import cache, state
from winnow.core import Filter, Right, WinnowError, export_job, plural, start_export, what_is_there

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


def _written(status: dict[str, Any]) -> str:
    """What a finished export wrote."""
    manifest = json.loads(Path(status["manifest_path"]).read_text(encoding="utf-8", errors="surrogatepass"))
    left = manifest.get("left_out")
    left_out = ", ".join(f"{why}: {n:,}" for why, n in left.items()) if isinstance(left, dict) else ""
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    return render("export", "written", status, Path(status["patch_path"]).name, left_out, text)


def _part(page: Page) -> tuple[list[str] | None, str, dict[str, Any], str]:
    """What to export.

    Its ids (None = all) and its filter as a query string, what the manifest records about it, and a word for the name
    of the file.
    """
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
        return page.workspace.saved_selections.ids(s.handle), urlencode({"selection": s.handle}), about, s.name
    if chosen == CURRENT:
        return page.workspace.ids(page.filter), page.query, {"filter": page.query}, "filter"
    return None, "", {}, "curated"


def _target(page: Page, name: str) -> Path:
    """Where to write: a path on one's own computer, a name among the workspace's exports on a server for many."""
    if paths_from_browser():
        written = st.text_input("Write to", value=str(Path(page.info.path).parent / name), key=f"w-out-{name}")
        return Path(written).expanduser()
    return page.workspace.exports.place(st.text_input("Name", value=name, key=f"w-name-{name}"))


def _confirm(path: Path) -> tuple[bool, bool]:
    """Say what an export would replace. Returns whether there is something, and whether it may be written."""
    present = what_is_there(path)
    if not present:
        return False, True
    live(notice(f"{path.name} is there already: {present}."), "w-there")
    return True, st.checkbox("Replace it", key=f"w-replace-{path}-{present}")


NOISY = {"keep": "Keep them", "exclude": "Leave them out", "relabel": "Take the suggested label"}


TAGS_AS = {
    "": "As they came in",
    "list": "A list",
    "delimited": "A text with a separator",
    "columns": "A column of 1 and 0 a tag",
}
"""How the final tags are written → in words."""


def _auto_curation(page: Page) -> dict[str, Any]:
    """What is done with flagged samples that nobody has decided about, with how many each rule is about."""
    with st.expander("Auto-curate what nobody has reviewed", icon=":material/auto_fix_high:"):
        by_verdict = cache.counts(page.key, page.workspace, Filter()).by_verdict
        exclude = []
        for kind in ("broken", "duplicate", "ood"):
            if n := by_verdict.get(kind, 0):
                words = f"Leave out {n:,} {theme.verdict_name(kind).lower()}"
                help = "The keeper of each group stays." if kind == "duplicate" else None
                exclude += [kind] if st.toggle(words, key=f"w-auto-{kind}", help=help) else []
        noisy, least = "keep", 0.5
        if by_verdict.get("noisy_label"):
            noisy = st.selectbox("Noisy labels", list(NOISY), format_func=NOISY.__getitem__, key="w-auto-noisy")
        if noisy != "keep":
            least = st.slider("of at least this probability", 0.0, 1.0, 0.5, 0.05, key="w-auto-at")
            flt = Filter(verdicts=("noisy_label",), scores={"noisy_label": (least, None)})
            st.caption(f"{plural(cache.matching(page.key, page.workspace, flt), 'noisy label')} of them.")
        if not exclude and noisy == "keep":
            st.caption("Nothing is changed. Decisions of people always count first.")
        else:
            st.caption(
                "Decisions of people count first, and nothing is written to History. Select measures what leaving out "
                "flagged samples gains (method “Drop what is flagged”)."
            )
    return {"exclude": exclude, "noisy": noisy, "noisy_at": least}


def _form(page: Page) -> bool:
    if not page.may(Right.EXPORT):
        live(notice("Only a reviewer or an owner may export. Ask an owner for that role."), "w-export-refused")
        return False
    with st.container(border=True, key="w-export"):
        only, query, about, word = _part(page)
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
        if chosen in LINKED and paths_from_browser() and page.info.results.get("media", {}).get("kind") == "files":
            links = st.toggle("Link to the original images instead of copying them", key="w-links")
        auto = _auto_curation(page)
        columns = page.info.results.get("columns", {})
        replace, tags_as = False, ""
        if suffix and (columns.get("label") or columns.get("tags")):
            replace = st.toggle(
                "Put the final labels and tags into the original columns"
                if columns.get("tags")
                else "Put the final label into the original column",
                key="w-replace-label",
                help="Otherwise they stay as they were, and the final ones are in label_final and tags_final.",
            )
        if suffix and page.workspace.has_tags:
            tags_as = st.selectbox("Final tags", list(TAGS_AS), format_func=TAGS_AS.__getitem__, key="w-tags-as")
        plain = chosen == "csv" and st.toggle(
            "Write texts as they stand",
            key="w-csv-plain",
            help="Otherwise a text that a spreadsheet would run as a formula begins with an added apostrophe.",
        )
        options: dict[str, Any] = {"format": chosen, "include_excluded": include, "csv_plain": plain}
        options |= {"auto": auto, "replace_label": replace, **({"tags_as": tags_as} if tags_as else {})}
        safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in word).strip("-") or "selection"
        name = f"{Path(page.info.path).stem}.{safe}{suffix or '.' + chosen}"
        path = _target(page, name)
        if st.session_state.get("w-written", {}).get("path", str(path)) != str(path):
            del st.session_state["w-written"]  # it is about another file than the form
        overwrite, confirmed = _confirm(path)
        left, right = st.columns(2)
        busy = export_job(page.info.path, page.actor).status()["state"] == "running"
        if left.button(
            "Export",
            type="primary",
            width="stretch",
            icon=":material/save:",
            key="w-write",
            disabled=busy or not confirmed,
        ):
            try:
                more = {"only": only, "about": about, "links": links, "overwrite": overwrite and confirmed}
                start_export(page.info.path, page.actor, path, **options, **more)
                st.session_state["w-exporting"] = True
            except (WinnowError, OSError) as error:
                state.session().notice = str(error)
                st.rerun()
        right.link_button(
            "Download",
            page.export_link(name, ("data", query, options)),
            width="stretch",
            icon=":material/download:",
            help="It is made when you ask for it, then sent to your browser"
            + ("." if suffix else " as a ZIP archive."),
        )
        _working(page.info.path, page.actor)
        live(render("export", "added", ADDED), "w-added")
        if st.toggle("Show the datasheet", key="w-sheet"):
            _sheet_files(page, about)
    return include


@st.fragment(run_every=1.0)
def _working(root: str, actor: str) -> None:
    """Progress of the person's export, a button to cancel it, and its outcome; also after a reload."""
    job = export_job(root, actor)
    status = job.status()
    if status["state"] == "running":
        st.session_state["w-exporting"] = True
        done, total = status["done"], status["total"]
        text = f"{done:,} of {total:,} written" if total else f"{done:,} written"
        st.progress(done / total if total else 0.0, text=text)
        if st.button("Cancel the export", key="w-export-cancel"):
            job.cancel()
        return
    if not st.session_state.pop("w-exporting", False):
        return
    if status["state"] == "done":
        st.session_state["w-written"] = status
    else:
        st.session_state.pop("w-written", None)
        state.session().notice = status["message"]
    st.rerun(scope="app")


def _sheet_files(page: Page, about: dict[str, Any]) -> None:
    """The datasheet's two files."""

    def make(suffix: str) -> Callable[[], bytes]:
        def read() -> bytes:
            with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
                html, markdown = page.workspace.exports.datasheet(
                    Path(folder) / "datasheet", about=about, actor=page.actor
                )
                return (html if suffix == ".html" else markdown).read_bytes()

        return read

    for column, title, suffix in zip(st.columns(2), ("HTML", "Markdown"), (".html", ".md"), strict=True):
        name = f"{Path(page.info.path).stem}.datasheet{suffix}"
        column.download_button(title, make(suffix), name, f"text/{title.lower()}", width="stretch", on_click="ignore")


def _fetch(page: Page, status: dict[str, Any]) -> None:
    """A link to download what was written, where the browser is on another computer."""
    path = Path(status["path"])
    if paths_from_browser() or not page.may(Right.EXPORT) or page.workspace.exports.place(path.name) != path:
        return
    link = page.export_link(path.name)
    live(render("export", "fetch", link, path.name + (".zip" if path.is_dir() else "")), "w-fetch")


def draw() -> None:
    """Draw the page."""
    page = page_frame("export")
    left, right = st.columns([5, 6], gap="small")
    with left:
        include = _form(page)
    by_state = dict(cache.counts(page.key, page.workspace, Filter()).by_state)
    with right:
        live(summary(by_state, page.info.n, include), "w-summary", dispatch)
    if (status := st.session_state.get("w-written")) is not None and Path(status["manifest_path"]).exists():
        live(_written(status), "w-written-card", dispatch)
        _fetch(page, status)
    if st.session_state.get("w-sheet"):
        live(render("export", "sheet", page.workspace.exports.sheet()), "w-sheet-body", dispatch)
        return
    live(preview(page, include), "w-body", dispatch)
