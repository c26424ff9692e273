"""A scan at work: its stage, rate and time left, with cancel. Read from the job's files, so that a reload loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app.components.html import button, count, esc, go, icon, notice, seconds
from winnow.app.components.html_component import live
from winnow.app.server.state import hub
from winnow.app.session.state import session
from winnow.core import STAGE_TITLES, WinnowError, cancel_scan, scan_status

EVERY = 1.0


def stage_name(stage: str) -> str:
    """A stage in words."""
    return STAGE_TITLES.get(stage, stage.replace("_", " ").capitalize() if stage else "Starting")


def _stages(status: dict[str, Any]) -> str:
    """Every stage: done with its seconds, at work, still to come."""
    spent: dict[str, float] = {}
    for stage in status.get("stages", []):
        spent[stage["name"]] = spent.get(stage["name"], 0.0) + float(stage["seconds"])
    now, items = status.get("stage", ""), []
    for name in dict.fromkeys([*STAGE_TITLES, *spent, *([now] if now and now != "start" else [])]):
        if name == now:
            items.append(f"<li class='w-now'>{icon('play_circle')}<span>{esc(stage_name(name))}</span></li>")
        elif name in spent:
            took = f"<span class='w-muted'>{seconds(spent[name])}</span>"
            items.append(f"<li>{icon('check_circle')}<span>{esc(stage_name(name))}</span>{took}</li>")
        else:
            items.append(f"<li class='w-todo'>{icon('circle')}<span>{esc(stage_name(name))}</span></li>")
    return "".join(items)


def panel_html(status: dict[str, Any], compact: bool = False) -> str:
    """The state of a job as HTML."""
    done, total = int(status.get("done") or 0), int(status.get("total") or 0)
    share = done / total if total else None
    now = (
        f"{count(done)} of {count(total)} {esc(status.get('unit', ''))}" if total else esc(status.get("message") or "")
    )
    rate = f" · {status['rate']:,.0f} a second" if status.get("rate") and status["rate"] >= 1 else ""
    left = f" · about {seconds(status['eta_s'])} left in this stage" if status.get("eta_s") else ""
    bar = f'<div class="w-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-label="{esc(stage_name(status.get("stage", "")))}"'
    bar += (
        f' aria-valuenow="{100 * share:.0f}"><i style="width:{100 * share:.1f}%"></i></div>'
        if share is not None
        else " data-open><i></i></div>"
    )
    stop = button("Cancel", go("cancel"), "close", extra="w-small")
    line = f'<div class="w-row"><b>{esc(stage_name(status.get("stage", "")))}</b><span class="w-muted w-grow">{now}{rate}{left}</span>{stop}</div>'
    if compact:
        return f'<div class="w-job w-compact">{line}{bar}</div>'
    return (
        f'<div class="w-job w-card"><header><h2>The scan is running</h2><span class="w-muted">It runs in its own process: '
        f'this page can be closed or reloaded.</span></header>{line}{bar}<ul class="w-stages">{_stages(status)}</ul></div>'
    )


def _ended(status: dict[str, Any], key: str) -> str:
    state = status["state"]
    if state == "done":
        return notice("The scan is finished.", "good") + button(
            "Open the Overview", go("workspace", key=key), "arrow_forward", primary=True
        )
    said = status.get("message") or {
        "cancelled": "The scan was cancelled. Finished stages are kept: scan again to go on from here.",
        "failed": "The scan could not finish.",
    }.get(state, "The scan is not running.")
    tone = "warn" if state in ("cancelled", "lost") else "bad"
    return (
        notice(said, tone)
        + '<div class="w-row" style="margin-top:10px">'
        + button("Scan again", go("rescan"), "refresh", primary=True)
        + "</div>"
    )


@st.fragment(run_every=EVERY)
def job_panel(path: Path, key: str, compact: bool = False) -> None:
    """Follow the scan of a workspace; when it ends the whole page is drawn anew."""
    status = scan_status(path)
    watched = f"w-watched-{key}"

    def handle(value: dict[str, Any]) -> None:
        if value.get("do") == "cancel":
            try:
                hub().require_scan(session().actor, session().proven)
                cancel_scan(path, session().actor)
            except WinnowError as error:
                session().notice = str(error)
        elif value.get("do") == "rescan":
            st.session_state["w-rescan"] = key
        else:
            from winnow.app.components.actions import dispatch

            dispatch(value)

    if status["state"] == "running":
        st.session_state[watched] = True
        live(panel_html(status, compact), f"w-job-{key}", handle)
        return
    if st.session_state.pop(watched, False):
        hub().forget(key)
        st.rerun(scope="app")
    if not compact:
        live(_ended(status, key), f"w-job-{key}", handle)
    if st.session_state.get("w-rescan") or st.session_state.get("w-goto"):
        st.rerun(scope="app")
