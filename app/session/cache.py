"""Every Streamlit cache in one place, keyed by fingerprint strings (workspace, generation, log head, filter).

Arrays and workspaces are passed with a leading underscore: Streamlit must not hash them. Results live here only for
speed; whatever was computed stays in the workspace's own files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from winnow.core import Filter, WorkspaceError, comparison_mark, seconds_per_decision
from winnow.core.types import Kind

ENTRIES = 64


def stamp(workspace: Any, *, decisions: bool = True) -> str:
    """What a cached answer depends on: the scan's generation, the classes, and (``decisions``) the head of the log."""
    info = workspace.info()
    made = f"{info.generation}.{info.n_class_changes}"
    return f"{made}.{info.n_decisions}" if decisions else made


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _counts(key: str, stamp: str, flt: str, _workspace: Any, _filter: Filter) -> Any:
    return _workspace.counts(_filter)


def counts(key: str, workspace: Any, flt: Filter) -> Any:
    """``Workspace.counts`` of a filter."""
    return _counts(key, stamp(workspace), flt.fingerprint, workspace, flt)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _matching(key: str, stamp: str, flt: str, _workspace: Any, _filter: Filter) -> int:
    found: int = _workspace.query.matching(_filter)
    return found


def matching(key: str, workspace: Any, flt: Filter) -> int:
    """How many samples match a filter: ``counts(…).matching`` at a fifth of its time, where nothing else is shown."""
    return _matching(key, stamp(workspace), flt.fingerprint, workspace, flt)


def by_verdict(key: str, workspace: Any, flt: Filter, attribute: str) -> dict[Any, dict[str, int]]:
    """Group → verdict → count, for ``by_class``, ``by_split``, ``by_source`` or ``by_cluster``: one question per
    verdict, however many groups there are. Groups without a name are left out; the largest come first.
    """
    found: dict[Any, dict[str, int]] = {}
    for kind in counts(key, workspace, flt).by_verdict:
        part = counts(key, workspace, replace(flt, verdicts=(kind,)))
        for group, n in getattr(part, attribute).items():
            if group not in ("", None, -1):
                found.setdefault(group, {})[kind] = n
    return dict(sorted(found.items(), key=lambda kv: (-sum(kv[1].values()), str(kv[0]))))


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _strict_counts(key: str, stamp: str, flt: str, rates: tuple[float, ...], _workspace: Any, _filter: Filter) -> Any:
    return _workspace.strict_counts(_filter, rates)


def strict_counts(key: str, workspace: Any, flt: Filter, rates: tuple[float, ...]) -> dict[float, int]:
    """``Workspace.strict_counts``: how many a filter would list at each false-flag rate."""
    flt = replace(flt, strict=None)
    found: dict[float, int] = _strict_counts(key, stamp(workspace), flt.fingerprint, rates, workspace, flt)
    return found


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _pace(key: str, stamp: str, actor: str, _workspace: Any) -> float:
    return seconds_per_decision(_workspace.history(actor=actor, limit=400))


def pace(key: str, workspace: Any, actor: str) -> float:
    """Seconds that this person takes for one decision, from their last 400 rows of the log."""
    return _pace(key, stamp(workspace), actor, workspace)


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _confusion(key: str, stamp: str, flt: str, _workspace: Any, _filter: Filter) -> Any:
    return _workspace.confusion(_filter)


def confusion(key: str, workspace: Any, flt: Filter) -> Any:
    """``Workspace.confusion`` of a filter: given × suggested counts."""
    return _confusion(key, stamp(workspace), flt.fingerprint, workspace, flt)


@st.cache_data(max_entries=4 * ENTRIES, show_spinner=False)
def _rows(key: str, stamp: str, flt: str, sort: str, limit: int, _workspace: Any, _filter: Filter) -> Any:
    return _workspace.rows(_filter, sort, 0, limit)


def rows(key: str, workspace: Any, flt: Filter, sort: str, limit: int) -> list[dict[str, Any]]:
    """The first ``Workspace.rows`` of a filter."""
    found: list[dict[str, Any]] = _rows(key, stamp(workspace), flt.fingerprint, sort, limit, workspace, flt)
    return found


@st.cache_data(max_entries=16, show_spinner=False)
def _noise(key: str, stamp: str, _workspace: Any) -> tuple[int, float, Any] | None:
    rounds = _workspace.queue_ranker
    judged = next((p.decided for p in rounds.precision() if p.kind == Kind.NOISY_LABEL), 0)
    return (judged, rounds.scanned_noise_rate(), rounds.noise_rate()) if judged else None


def noise(key: str, workspace: Any) -> tuple[int, float, Any] | None:
    """How many flags of wrong labels were judged, the scan's estimate of the share of wrong labels, and the one that the
    decisions correct (value, low, high); None before the first judgement.
    """
    found: tuple[int, float, Any] | None = _noise(key, stamp(workspace), workspace)
    return found


@st.cache_data(max_entries=16, show_spinner=False)
def _cluster_names(key: str, stamp: str, _workspace: Any) -> dict[int, str]:
    try:
        found = _workspace.points().clusters
    except WorkspaceError:  # no map was drawn: clusters keep their numbers
        return {}
    return {int(c["cluster"]): f"{c['cluster']} · {c['name']}" for c in found}


def cluster_names(key: str, workspace: Any) -> dict[int, str]:
    """Number → name of the clusters on the map."""
    return _cluster_names(key, stamp(workspace, decisions=False), workspace)


@st.cache_data(max_entries=16, show_spinner=False)
def _people(key: str, stamp: str, _workspace: Any) -> list[str]:
    found: list[str] = _workspace.decision_history.actors()
    return found


def people(key: str, workspace: Any) -> list[str]:
    """Everybody who is in the log."""
    return _people(key, stamp(workspace), workspace)


@st.cache_resource(max_entries=4, show_spinner=False)
def _methods(key: str, stamp: str, _workspace: Any) -> Any:
    return _workspace.subsets.methods()


def methods(key: str, workspace: Any) -> list[dict[str, Any]]:
    """Every subset method, and why it cannot be used on this dataset where it cannot."""
    found: list[dict[str, Any]] = _methods(key, stamp(workspace, decisions=False), workspace)
    return found


@st.cache_resource(max_entries=ENTRIES, show_spinner="Choosing…")
def _choice(key: str, stamp: str, wish: str, _workspace: Any, _wish: Any, _among: Any, _target: Any) -> Any:
    chooser = _workspace.subsets
    material = chooser.material(_among, _target)
    made = chooser.choose(_wish, material=material)
    return made, chooser.report(made, material)


def choice(
    key: str, workspace: Any, wish: Any, among: tuple[str, ...] | None = None, target: tuple[str, ...] | None = None
) -> tuple[Any, Any]:
    """A subset and its report (see :class:`winnow.core.subsets.selector.SubsetSelector`). Not to be changed."""
    found: tuple[Any, Any] = _choice(
        key, stamp(workspace), wish.fingerprint(among, target), workspace, wish, among, target
    )
    return found


@st.cache_data(max_entries=16, show_spinner="Reading the words…")
def _sensitivity(key: str, stamp: str, prompts: str, _workspace: Any, _prompts: Any) -> Any:
    return _workspace.zero_shot.sensitivity(_prompts)


def sensitivity(key: str, workspace: Any, prompts: Any) -> tuple[list[Any], list[Any]]:
    """How much classes in words depend on each template, by prompts that may only be tried."""
    mark = prompts.fingerprint
    found: tuple[list[Any], list[Any]] = _sensitivity(key, stamp(workspace, decisions=False), mark, workspace, prompts)
    return found


@st.cache_data(max_entries=16, show_spinner="Comparing…")
def _caught(key: str, stamp: str, words: tuple[str, ...], prompts: str, _workspace: Any) -> Any:
    return _workspace.zero_shot.outliers(words)


def caught(key: str, workspace: Any, words: tuple[str, ...]) -> list[tuple[str, float, str]]:
    """What words of "not this" catch: (id, share, word)."""
    now = workspace.zero_shot.prompts
    mark = now.fingerprint
    found: list[tuple[str, float, str]] = _caught(key, stamp(workspace, decisions=False), words, mark, workspace)
    return found


@st.cache_data(max_entries=16, show_spinner="Comparing…")
def _new_class(key: str, stamp: str, words: str, prompts: str, _workspace: Any) -> Any:
    return _workspace.zero_shot.new_class(words)


def new_class(key: str, workspace: Any, words: str) -> Any:
    """What a class that a person types would hold."""
    now = workspace.zero_shot.prompts
    mark = now.fingerprint
    return _new_class(key, stamp(workspace, decisions=False), words, mark, workspace)


@st.cache_data(max_entries=4, show_spinner="Reading the captions…")
def _candidates(key: str, stamp: str, _workspace: Any) -> Any:
    return _workspace.zero_shot.candidates(_workspace.image_text_pairs.texts)


def candidates(key: str, workspace: Any) -> list[tuple[str, float, int]]:
    """Words of the captions that would do as classes."""
    found: list[tuple[str, float, int]] = _candidates(key, stamp(workspace, decisions=False), workspace)
    return found


@st.cache_data(max_entries=ENTRIES, show_spinner=False)
def _comparison(
    key: str, stamp: str, wish: str, _workspace: Any, _wish: Any, _among: Any, _target: Any
) -> tuple[str, str]:
    chooser = _workspace.subsets
    material = chooser.material(_among, _target)
    return comparison_mark(chooser, material, _wish), chooser.state_mark(material)


def comparison_marks(
    key: str, workspace: Any, wish: Any, among: tuple[str, ...] | None = None, target: tuple[str, ...] | None = None
) -> tuple[str, str]:
    """The fingerprints of a comparison of all methods under a wish, and of the data that it would be about."""
    wish = replace(wish, method="random", options={})
    return _comparison(key, stamp(workspace), wish.fingerprint(among, target), workspace, wish, among, target)
