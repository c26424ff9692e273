"""Audit: samples drawn at random, judged without a hint; what they say stands on Overview."""

from __future__ import annotations

from winnow.app.components.audit_card import audit_start, handle_audit
from winnow.app.components.js_mount import class_key_data, mount_surface
from winnow.app.components.page_frame import draw_body, page_frame


def draw() -> None:
    """Draw the page."""
    page = page_frame("audit")
    plan = page.workspace.audit.plan()
    if plan is None:
        draw_body(page, lambda: audit_start(page), lambda value: handle_audit(page, value))
        return
    data = {**page.data(), "queue": "sort=audit", "holds": "to judge", "open": [], "audit": plan.audit_id}
    data["class_keys"] = class_key_data(page.workspace)
    mount_surface("review", data, key="w-audit")
