"""A scan at work: its stage, rate and time left, with cancel. Read from the job's files, so a reload loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app.components.actions import NEXT_PAGE, dispatch
from winnow.app.components.html import render
from winnow.app.components.html_component import live
from winnow.app.server.state import server_state
from winnow.app.session.state import session
from winnow.core import STAGE_TITLES, WinnowError, cancel_scan, scan_status, stage_title

EVERY = 1.0

SOMETIMES = frozenset({"pooled_graphs", "views", "payoff", "export"})
"""Stages that few scans have, or none: they are listed when they begin."""


def _stages(status: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Every stage: (name, "done", "now" or "todo", seconds spent on it)."""
    spent: dict[str, float] = {}
    for stage in status.get("stages", []):
        spent[stage["name"]] = spent.get(stage["name"], 0.0) + float(stage["seconds"])
    current = status.get("stage", "")
    seen = [*spent, *([current] if current and current != "start" else [])]
    names = dict.fromkeys([*(s for s in STAGE_TITLES if s not in SOMETIMES or s in seen), *seen])
    states = ((name, "now" if name == current else "done" if name in spent else "todo") for name in names)
    return [(stage_title(name), state, spent.get(name, 0.0)) for name, state in states]


def panel_html(status: dict[str, Any], compact: bool = False) -> str:
    """The state of a job."""
    done, total = int(status.get("done") or 0), int(status.get("total") or 0)
    share = 100 * done / total if total else None
    return render("progress", "panel", stage_title(status.get("stage", "")), status, share, compact, _stages(status))


def _ended(status: dict[str, Any], key: str) -> str:
    state = status["state"]
    if state == "done":
        return render("progress", "finished", key)
    endings = {
        "cancelled": "The scan was cancelled. Finished stages are kept: scan again to go on from here.",
        "failed": "The scan could not finish.",
    }
    text = status.get("message") or endings.get(state, "The scan is not running.")
    return render("progress", "stopped", text, "warn" if state in ("cancelled", "lost") else "bad")


def _has_results(key: str) -> bool:
    """Whether a scan at work has come far enough to be looked at."""
    try:
        server_state().workspace(key).info()
    except WinnowError:
        return False
    return True


@st.fragment(run_every=EVERY)
def job_panel(path: Path, key: str, compact: bool = False) -> None:
    """Follow the scan of a workspace; when it has first results or ends, the whole page is drawn again."""
    status = scan_status(path)
    watched = f"w-watched-{key}"

    def handle(value: dict[str, Any]) -> None:
        if value.get("do") == "cancel":
            try:
                server_state().require_scan(session().actor, session().proven)
                cancel_scan(path, session().actor)
            except WinnowError as error:
                session().notice = str(error)
        elif value.get("do") == "rescan":
            st.session_state["w-rescan"] = key
        else:
            dispatch(value)

    if status["state"] == "running":
        if not compact and _has_results(key):
            st.rerun(scope="app")
        st.session_state[watched] = True
        live(panel_html(status, compact), f"w-job-{key}", handle)
        return
    if st.session_state.pop(watched, False):
        server_state().forget(key)
        st.rerun(scope="app")
    if not compact:
        live(_ended(status, key), f"w-job-{key}", handle)
    if st.session_state.get("w-rescan") or st.session_state.get(NEXT_PAGE):
        st.rerun(scope="app")
