"""Four people with the four roles, and what tests of roles ask."""

from __future__ import annotations

from pathlib import Path

from winnow.core import Workspace

ROLES = {"olga": "owner", "rita": "reviewer", "vera": "viewer", "stranger": "none"}
"""Person → role."""

RANK = ["none", "viewer", "reviewer", "owner"]


def give_roles(ws: Workspace) -> None:
    """Give everybody of :data:`ROLES` that role; who is not named has none."""
    for person in ("olga", "rita", "vera"):
        ws.roles.set(person, ROLES[person], by="olga")
    ws.roles.set_default("none", by="olga")


def allowed(least: str, role: str) -> bool:
    """Whether a role is enough where ``least`` is asked for."""
    return RANK.index(role) >= RANK.index(least)


def files(folder: Path) -> dict[str, int]:
    """Every file with its time of change, but for what a query or a lock touches."""
    return {
        str(p.relative_to(folder)): p.stat().st_mtime_ns
        for p in folder.rglob("*")
        if p.is_file() and not p.name.startswith(("decisions.db", "log_head", "lock", ".")) and p.suffix != ".lock"
    }
