"""Export: the curated dataset as a file, with its manifest and a patch that replays the decisions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app.components.actions import dispatch
from winnow.app.components.html import action_chip, count, esc, facts, notice, percent, plural, verdict_chip
from winnow.app.components.html_component import live
from winnow.app.components.page_frame import Page, page_frame
from winnow.app.session import cache, state
from winnow.app.session.exports import ExportJob
from winnow.core import Filter, Right

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
    bar = "".join(
        f'<i style="flex:{by_state[s]} 0 0;background:{colour}" title="{name}: {by_state[s]:,}"></i>'
        for s, (name, _, colour) in _STATES.items()
        if by_state.get(s)
    )
    lines = "".join(
        f"<tr><th scope='row'><i class='w-key' style='background:{colour}'></i>{name}</th><td class='w-r'>{count(by_state.get(s, 0))}</td>"
        f"<td class='w-r w-muted'>{percent(by_state.get(s, 0), total)}</td><td class='w-muted'>{'kept, and marked' if s == 'exclude' and include_excluded else what}</td></tr>"
        for s, (name, what, colour) in _STATES.items()
    )
    said = ", ".join(f"{name} {by_state.get(s, 0):,}" for s, (name, _, _) in _STATES.items())
    return (
        f"<section class='w-card'><header><h2>{count(rows)} rows</h2><span class='w-muted'>of {plural(total, 'sample')}</span></header>"
        f"<div class='w-stack' role='img' aria-label='{esc(said)}'>{bar}</div><table class='w-table w-states'><tbody>{lines}</tbody></table></section>"
    )


def preview(page: Page, include_excluded: bool) -> str:
    """The rows that decisions change, the latest kinds first; else the first rows."""
    found: list[dict[str, Any]] = []
    for s in ("relabel", "exclude", "disputed", "accept", "undecided"):
        if s != "exclude" or include_excluded:
            found += (
                cache.rows(page.key, page.workspace, Filter(state=s), "row", SHOWN - len(found))
                if len(found) < SHOWN
                else []
            )
    body = []
    for row in found:
        decision = row.get("decision") or {}
        final = decision.get("label") if decision.get("action") == "relabel" else row.get("label")
        changed = " class='w-changed'" if final != row.get("label") else ""
        body.append(
            f"<tr><td class='w-cut' title='{esc(row['sample_id'])}'>{esc(row['sample_id'])}</td><td>{esc(row.get('label') or '')}</td><td{changed}>{esc(final or '')}</td>"
            f"<td>{verdict_chip(row.get('verdict'))}</td><td class='w-r'>{row.get('confidence') or 0:.2f}</td>"
            f"<td>{action_chip(decision['action'], decision.get('label')) if decision.get('action') else ''}</td><td class='w-muted'>{esc(decision.get('actor') or '')}</td></tr>"
        )
    return (
        f"<section class='w-card'><header><h2>What Winnow adds to each row</h2><span class='w-muted'>rows with decisions first; your own columns come before these, unchanged and in their order</span></header>"
        f"<div class='w-scroll w-half' tabindex='0' aria-label='Preview'><table class='w-table w-preview'><thead><tr><th>id</th><th>label_original</th><th>label_final</th><th>verdict</th>"
        f"<th class='w-r'>confidence</th><th>decision</th><th>actor</th></tr></thead><tbody>{''.join(body)}</tbody></table></div></section>"
    )


EVERYTHING = "Everything"
CURRENT = "The current filter"
LINKED = ("image_folder", "yolo", "coco", "fiftyone", "label_studio")
"""Folder formats whose images can be links."""


def _download(page: Page, suffix: str, include_excluded: bool, only: list[str] | None) -> Callable[[], bytes]:
    """Make the file when it is asked for, not before."""

    def make() -> bytes:
        with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
            made = page.workspace.exports.export(
                Path(folder) / f"curated{suffix}", include_excluded=include_excluded, only=only
            )
            return Path(made.path).read_bytes()

    return make


def _written(made: Any) -> str:
    manifest = dict(made.manifest)
    items = [
        ("Written to", f"<code>{esc(made.path)}</code>"),
        ("Manifest", f"<code>{esc(made.manifest_path)}</code>"),
        ("Patch", f"<code>{esc(made.patch_path)}</code>"),
        ("Rows", count(int(made.rows))),
        ("Excluded", count(int(made.excluded))),
    ]
    left = manifest.get("left_out")
    if isinstance(left, dict) and left:
        items.append(("Left out", esc(", ".join(f"{why}: {n:,}" for why, n in left.items()))))
    text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str)
    return (
        notice(
            f"Wrote {plural(int(made.rows), 'row')}. `winnow apply {made.patch_path.name} WS` replays these decisions on a new scan.",
            "good",
        )
        + f"<section class='w-card' style='margin-top:10px'>{facts(items)}<details data-k='manifest'><summary data-k='manifest-sum'>The manifest: counts, versions, fingerprints</summary>"
        f"<pre class='w-pre'>{esc(text)}</pre></details></section>"
    )


def _part(page: Page) -> tuple[list[str] | None, dict[str, Any], str]:
    """What to export: its ids (None = all), what the manifest says of it, and a word for the file's name."""
    kept = {s.name: s for s in page.workspace.saved_selections.all()}
    filtered = page.counts.matching != page.counts.total
    what = [EVERYTHING, *([CURRENT] if filtered else []), *kept]
    wanted = st.session_state.pop("w-export-what", None)
    if wanted in what:
        st.session_state["w-what"] = wanted
    if st.session_state.get("w-what") not in what:
        st.session_state["w-what"] = EVERYTHING
    chosen = st.selectbox("What", what, key="w-what", help="Samples that people excluded are left out of any of them.")
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
            outlets = page.workspace.exports
            st.session_state["w-exporting"] = ExportJob(
                lambda tell: outlets.export(
                    path, format=chosen, only=only, links=links, include_excluded=include, about=about, progress=tell
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
        live(
            f"<p class='w-muted w-fine'>Added columns: <code>{ADDED}</code>. A manifest and a patch are written beside it.</p>",
            "w-added",
        )
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
        done = f"{job.done:,} of {job.total:,} written" if job.total else f"{job.done:,} written"
        st.progress(job.done / job.total if job.total else 0.0, text=done)
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

    one, two = st.columns(2)
    stem = Path(page.info.path).stem
    one.download_button(
        "HTML", make(".html"), f"{stem}.datasheet.html", "text/html", width="stretch", on_click="ignore"
    )
    two.download_button(
        "Markdown", make(".md"), f"{stem}.datasheet.md", "text/markdown", width="stretch", on_click="ignore"
    )


def draw() -> None:
    """Draw the page."""
    page = page_frame("export", "What goes into the curated dataset?")
    left, right = st.columns([5, 6], gap="small")
    with left:
        include = _form(page)
    by_state = dict(cache.counts(page.key, page.workspace, Filter()).by_state)
    with right:
        live(summary(by_state, page.info.n, include), "w-summary", dispatch)
    if (made := st.session_state.get("w-written")) is not None and Path(made.path).exists():
        live(_written(made), "w-written-card", dispatch)
    if st.session_state.get("w-sheet"):
        live(f"<section class='w-card w-sheet'>{page.workspace.exports.sheet()}</section>", "w-sheet-body", dispatch)
        return
    live(preview(page, include), "w-body", dispatch)
