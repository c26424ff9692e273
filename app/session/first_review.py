"""The first review: five cards, one for each kind of problem that the scan found, with a word of help on each."""

from __future__ import annotations

from winnow.app.server.state import server_state
from winnow.app.session import state
from winnow.core import Filter, Workspace
from winnow.core.types import PROBLEMS, Kind

CARDS = 5

SHOWN = (Kind.NOISY_LABEL, Kind.OOD, Kind.DUPLICATE, Kind.BROKEN, Kind.HARD)
"""Verdicts of which the surest open sample is shown, as far as there is one."""


def pick(workspace: Workspace) -> list[str]:
    """Ids of the surest open sample of each verdict; where verdicts are missing, more of the surest problems."""

    def surest(verdict: Kind, n: int) -> list[str]:
        rows = workspace.rows(Filter(verdicts=(verdict,), state="undecided"), f"-{verdict}", 0, n)
        return [str(row["sample_id"]) for row in rows]

    ids = [sample for verdict in SHOWN for sample in surest(verdict, 1)]
    more = (sample for verdict in PROBLEMS for sample in surest(Kind(verdict), CARDS))
    return list(dict.fromkeys([*ids, *more]))[:CARDS]


def offered(workspace: Workspace) -> bool:
    """Whether to offer it: nobody has decided anything, and this tab did not say no."""
    return not state.session().guide_refused and not workspace.info().n_decisions


def begin() -> None:
    """Show the five cards in Review."""
    s = state.session()
    ids = pick(server_state().workspace(s.key or ""))
    state.only(Filter())
    s.guide = s.selection = server_state().keep_selection(s.key or "", ids)
