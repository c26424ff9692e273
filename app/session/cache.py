"""Every Streamlit cache in one place, keyed by fingerprint strings (workspace, generation, log head, filter).

Arguments with a leading underscore are not part of the key: Streamlit would try to hash them. Results are kept here
only for speed; the workspace's own files hold everything that was computed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from winnow.core import Filter, WorkspaceError, comparison_fingerprint, seconds_per_decision
from winnow.core.types import ISSUE_KINDS, Kind

if TYPE_CHECKING:
    import pandas as pd

    from winnow.core import (
        ColumnSpread,
        Counts,
        NewClass,
        Prompts,
        SubsetChoice,
        SubsetReport,
        SubsetRequest,
        Workspace,
    )

    Ids = tuple[str, ...] | None

ENTRIES = 64


def stamp(workspace: Workspace, *, decisions: bool = True) -> str:
    """What a cached answer depends on: the scan's generation, the classes, and (``decisions``) the head of the log."""
    info = workspace.info()
    scanned = f"{info.generation}.{info.n_class_changes}"
    return f"{scanned}.{info.n_decisions}" if decisions else scanned


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _counts(key: str, stamp: str, flt: str, _workspace: Workspace, _filter: Filter) -> Counts:
    return _workspace.counts(_filter)


def counts(key: str, workspace: Workspace, flt: Filter) -> Counts:
    """``Workspace.counts`` of a filter."""
    return _counts(key, stamp(workspace), flt.fingerprint, workspace, flt)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _spread(key: str, stamp: str, flt: str, name: str, _workspace: Workspace, _filter: Filter) -> ColumnSpread:
    return _workspace.query.spread(name, _filter)


def spread(key: str, workspace: Workspace, flt: Filter, name: str) -> ColumnSpread:
    """How the values of a column of the metadata spread under all *other* conditions of a filter."""
    others = replace(flt, metadata={column: c for column, c in flt.metadata.items() if column != name})
    return _spread(key, stamp(workspace), others.fingerprint, name, workspace, others)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _matching(key: str, stamp: str, flt: str, _workspace: Workspace, _filter: Filter) -> int:
    return _workspace.query.matching(_filter)


def matching(key: str, workspace: Workspace, flt: Filter) -> int:
    """How many samples match a filter: ``counts(…).matching`` in a fifth of its time."""
    return _matching(key, stamp(workspace), flt.fingerprint, workspace, flt)


def by_verdict(key: str, workspace: Workspace, flt: Filter, attribute: str) -> dict[Any, dict[str, int]]:
    """Group → verdict → count, the largest groups first; groups without a name are left out.

    Parameters
    ----------
    key, workspace, flt
        The workspace and a filter.
    attribute
        "by_class", "by_split", "by_source" or "by_cluster".

    Notes
    -----
    One query per verdict, however many groups there are.
    """
    groups: dict[Any, dict[str, int]] = {}
    for kind in counts(key, workspace, flt).by_verdict:
        part = counts(key, workspace, replace(flt, verdicts=(kind,)))
        for group, n in getattr(part, attribute).items():
            if group not in ("", None, -1):
                groups.setdefault(group, {})[kind] = n
    return dict(sorted(groups.items(), key=lambda kv: (-sum(kv[1].values()), str(kv[0]))))


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _strict_counts(
    key: str, stamp: str, flt: str, rates: tuple[float, ...], _workspace: Workspace, _filter: Filter
) -> dict[float, int]:
    return _workspace.strict_counts(_filter, rates)


def strict_counts(key: str, workspace: Workspace, flt: Filter, rates: tuple[float, ...]) -> dict[float, int]:
    """``Workspace.strict_counts``: how many a filter would list at each false-flag rate."""
    flt = replace(flt, strict=None)
    return _strict_counts(key, stamp(workspace), flt.fingerprint, rates, workspace, flt)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _pace(key: str, stamp: str, actor: str, _workspace: Workspace) -> float:
    return seconds_per_decision(_workspace.history(actor=actor, limit=400))


def pace(key: str, workspace: Workspace, actor: str) -> float:
    """Seconds that this person takes for one decision, from their last 400 rows of the log."""
    return _pace(key, stamp(workspace), actor, workspace)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _confusion(key: str, stamp: str, flt: str, _workspace: Workspace, _filter: Filter) -> pd.DataFrame:
    return _workspace.confusion(_filter)


def confusion(key: str, workspace: Workspace, flt: Filter) -> pd.DataFrame:
    """``Workspace.confusion`` of a filter: given × suggested counts."""
    return _confusion(key, stamp(workspace), flt.fingerprint, workspace, flt)


@st.cache_data(max_entries=4 * ENTRIES, show_spinner=False)
def _rows(
    key: str, stamp: str, flt: str, sort: str, limit: int, _workspace: Workspace, _filter: Filter
) -> list[dict[str, Any]]:
    return _workspace.rows(_filter, sort, 0, limit)


def rows(key: str, workspace: Workspace, flt: Filter, sort: str, limit: int) -> list[dict[str, Any]]:
    """The first ``Workspace.rows`` of a filter."""
    return _rows(key, stamp(workspace), flt.fingerprint, sort, limit, workspace, flt)


@st.cache_data(max_entries=16, show_spinner=False)
def _noise(key: str, stamp: str, _workspace: Workspace) -> tuple[int, float, Any] | None:
    ranker = _workspace.queue_ranker
    decided = next((p.decided for p in ranker.precision() if p.kind == Kind.NOISY_LABEL), 0)
    return (decided, ranker.scanned_noise_rate(), ranker.noise_rate()) if decided else None


def noise(key: str, workspace: Workspace) -> tuple[int, float, Any] | None:
    """What the decisions say about the share of wrong labels; None before the first one about a flagged label.

    Returns
    -------
    tuple or None
        How many flagged labels were decided, the scan's estimate of the share, and the estimate that the decisions
        correct (value, low, high).
    """
    return _noise(key, stamp(workspace), workspace)


@st.cache_data(max_entries=16, show_spinner=False)
def _cluster_names(key: str, stamp: str, _workspace: Workspace) -> dict[int, str]:
    try:
        return {int(c["cluster"]): f"{c['cluster']} · {c['name']}" for c in _workspace.points().clusters}
    except WorkspaceError:  # without a map clusters have no names
        return {}


def cluster_names(key: str, workspace: Workspace) -> dict[int, str]:
    """Number → name of the clusters on the map."""
    return _cluster_names(key, stamp(workspace, decisions=False), workspace)


SCORE_BARS = 24
"""Bars of the histogram of a kind's probability, over [0, 1]."""


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _score_spreads(key: str, stamp: str, _workspace: Workspace) -> dict[str, tuple[list[int], float | None]]:
    spreads = {}
    for kind in (str(k) for k in ISSUE_KINDS):
        values = np.asarray(_workspace.colours(kind).values, float)
        bars = np.histogram(values[np.isfinite(values)], SCORE_BARS, (0.0, 1.0))[0].tolist()
        lowest = _workspace.rows(Filter(kinds=(kind,)), kind, 0, 1)
        spreads[kind] = (bars, lowest[0]["scores"].get(kind) if lowest else None)
    return spreads


def score_spreads(key: str, workspace: Workspace) -> dict[str, tuple[list[int], float | None]]:
    """Kind → how many samples have its probability in each of equal parts of [0, 1], and the least that is flagged."""
    return _score_spreads(key, stamp(workspace, decisions=False), workspace)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _steps(key: str, stamp: str, where: tuple[tuple[str, str], ...], _workspace: Workspace) -> int:
    return _workspace.decision_history.count(steps=True, **dict(where))


def steps(key: str, workspace: Workspace, **where: str) -> int:
    """How many steps the log has: decisions, bulk verdicts, undos and changes of classes, each once.

    ``where``: conditions of :class:`winnow.core.DecisionHistory`.
    """
    return _steps(key, stamp(workspace), tuple(sorted(where.items())), workspace)


@st.cache_data(max_entries=16, show_spinner=False)
def _people(key: str, stamp: str, _workspace: Workspace) -> list[str]:
    return _workspace.decision_history.actors()


def people(key: str, workspace: Workspace) -> list[str]:
    """Everybody who has decided."""
    return _people(key, stamp(workspace), workspace)


@st.cache_resource(max_entries=4, show_spinner=False)
def _methods(key: str, stamp: str, _workspace: Workspace) -> list[dict[str, Any]]:
    return _workspace.subsets.methods()


def methods(key: str, workspace: Workspace) -> list[dict[str, Any]]:
    """Every subset method, with the reason where this dataset does not allow it."""
    return _methods(key, stamp(workspace, decisions=False), workspace)


@st.cache_resource(max_entries=ENTRIES, show_spinner="Choosing…")
def _choice(
    key: str, stamp: str, request: str, _workspace: Workspace, _request: SubsetRequest, _among: Ids, _target: Ids
) -> tuple[SubsetChoice, SubsetReport]:
    selector = _workspace.subsets
    context = selector.context(_among, _target)
    subset = selector.choose(_request, context=context)
    return subset, selector.report(subset, context)


def choice(
    key: str, workspace: Workspace, request: SubsetRequest, among: Ids = None, target: Ids = None
) -> tuple[SubsetChoice, SubsetReport]:
    """A subset and its report, shared by all sessions: not to be changed."""
    return _choice(key, stamp(workspace), request.fingerprint(among, target), workspace, request, among, target)


@st.cache_data(max_entries=16, show_spinner="Reading the words…")
def _sensitivity(
    key: str, stamp: str, prompts: str, _workspace: Workspace, _prompts: Prompts
) -> tuple[list[Any], list[Any]]:
    return _workspace.zero_shot.sensitivity(_prompts)


def sensitivity(key: str, workspace: Workspace, prompts: Prompts) -> tuple[list[Any], list[Any]]:
    """How much each template changes the answer, and how sure each class is, under prompts that need not be saved."""
    return _sensitivity(key, stamp(workspace, decisions=False), prompts.fingerprint, workspace, prompts)


@st.cache_data(max_entries=16, show_spinner="Comparing…")
def _caught(
    key: str, stamp: str, words: tuple[str, ...], prompts: str, _workspace: Workspace
) -> list[tuple[str, float, str]]:
    return _workspace.zero_shot.outliers(words)


def caught(key: str, workspace: Workspace, words: tuple[str, ...]) -> list[tuple[str, float, str]]:
    """Samples that fit a word of "not this" better than their class: (id, share, word)."""
    prompts = workspace.zero_shot.prompts.fingerprint
    return _caught(key, stamp(workspace, decisions=False), words, prompts, workspace)


@st.cache_data(max_entries=16, show_spinner="Comparing…")
def _new_class(key: str, stamp: str, words: str, prompts: str, _workspace: Workspace) -> NewClass:
    return _workspace.zero_shot.new_class(words)


def new_class(key: str, workspace: Workspace, words: str) -> NewClass:
    """What a class that a person types would hold."""
    prompts = workspace.zero_shot.prompts.fingerprint
    return _new_class(key, stamp(workspace, decisions=False), words, prompts, workspace)


@st.cache_data(max_entries=4, show_spinner="Reading the captions…")
def _candidates(key: str, stamp: str, _workspace: Workspace) -> list[tuple[str, float, int]]:
    return _workspace.zero_shot.candidates(_workspace.image_text_pairs.texts)


def candidates(key: str, workspace: Workspace) -> list[tuple[str, float, int]]:
    """Words of the captions that could be classes: (word, fit, number of captions)."""
    return _candidates(key, stamp(workspace, decisions=False), workspace)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _comparison(
    key: str, stamp: str, request: str, _workspace: Workspace, _request: SubsetRequest, _among: Ids, _target: Ids
) -> tuple[str, str]:
    selector = _workspace.subsets
    context = selector.context(_among, _target)
    return comparison_fingerprint(selector, context, _request), selector.state_fingerprint(context)


def comparison_marks(
    key: str, workspace: Workspace, request: SubsetRequest, among: Ids = None, target: Ids = None
) -> tuple[str, str]:
    """The fingerprints of a comparison of all methods for a request, and of the data that it would use."""
    request = replace(request, method="random", options={})
    return _comparison(key, stamp(workspace), request.fingerprint(among, target), workspace, request, among, target)
