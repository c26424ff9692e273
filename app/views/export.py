"""Export: the curated dataset as a file, with its manifest and a patch that replays the decisions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app import cache, state
from winnow.app.widgets.acts import dispatch
from winnow.app.widgets.frame import Page, page_frame
from winnow.app.widgets.html import action_chip, count, esc, facts, notice, percent, plural, verdict_chip
from winnow.app.widgets.live import live
from winnow.core.errors import WinnowError
from winnow.core.query import Filter

FORMATS = {"CSV": ".csv", "Parquet": ".parquet", "JSON Lines": ".jsonl"}
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


def _download(page: Page, suffix: str, include_excluded: bool) -> Callable[[], bytes]:
    """Make the file when it is asked for, not before."""

    def make() -> bytes:
        with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
            made = page.workspace.export(Path(folder) / f"curated{suffix}", include_excluded=include_excluded)
            return Path(made.path).read_bytes()

    return make


def _written(made: Any) -> str:
    manifest = dict(made.manifest)
    items = [
        ("File", f"<code>{esc(made.path)}</code>"),
        ("Manifest", f"<code>{esc(made.manifest_path)}</code>"),
        ("Patch", f"<code>{esc(made.patch_path)}</code>"),
        ("Rows", count(int(made.rows))),
        ("Excluded", count(int(made.excluded))),
    ]
    text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str)
    return (
        notice(
            f"Wrote {plural(int(made.rows), 'row')}. `winnow decide WS --patch {made.patch_path.name}` replays these decisions on a fresh scan.",
            "good",
        )
        + f"<section class='w-card' style='margin-top:10px'>{facts(items)}<details data-k='manifest'><summary data-k='manifest-sum'>The manifest: counts, versions, fingerprints</summary>"
        f"<pre class='w-pre'>{esc(text)}</pre></details></section>"
    )


def _form(page: Page) -> bool:
    with st.container(border=True, key="w-export"):
        chosen = (
            st.segmented_control(
                "Format", list(FORMATS), default="Parquet", key="w-format", label_visibility="collapsed"
            )
            or "Parquet"
        )
        suffix = FORMATS[chosen]
        include = st.toggle(
            "Keep excluded samples, marked as such", key="w-include", help="Otherwise they are left out of the file."
        )
        name = f"{Path(page.info.path).stem}.curated{suffix}"
        path = st.text_input("Write to", value=str(Path(page.info.path).parent / name), key=f"w-out-{suffix}")
        left, right = st.columns(2)
        if left.button("Write the file", type="primary", width="stretch", icon=":material/save:"):
            try:
                with st.spinner("Writing the file, its manifest and the patch…"):
                    made = page.workspace.export(Path(path).expanduser(), include_excluded=include)
                st.session_state["w-written"] = made
            except WinnowError as error:
                st.session_state.pop("w-written", None)
                state.session().notice = str(error)
                st.rerun()
        right.download_button(
            "Download",
            data=_download(page, suffix, include),
            file_name=name,
            width="stretch",
            icon=":material/download:",
            on_click="ignore",
        )
        live(
            f"<p class='w-muted w-fine'>Added columns: <code>{ADDED}</code>. A manifest and a patch are written beside the file.</p>",
            "w-added",
        )
    return include


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
    live(preview(page, include), "w-body", dispatch)
