"""Measuring a payoff in its own process (``<workspace>/payoff/<key>/``, see :mod:`winnow.core.storage.job_files`).

The result is kept by :class:`winnow.core.subsets.evaluation.Payoffs` and
:class:`winnow.core.subsets.comparison.Comparisons`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import fingerprint as fp
from ..errors import WorkspaceBusy
from ..review.roles import Right, Roles
from ..storage.job_files import DONE, RUNNING, JobFiles, JobReporter
from ..storage.layout import Layout
from .comparison import Comparisons, compare
from .evaluation import Payoffs, payoff
from .selector import SubsetChoice, SubsetRequest, SubsetSelector


def _files(root: str | Path, fingerprint: str) -> JobFiles:
    return JobFiles(Path(root).absolute() / "payoff" / fp.of(fingerprint), "measurement")


def _allow(root: str | Path, actor: str) -> None:
    Roles(Layout(Path(root).absolute()).roles).require(actor, Right.DECIDE)


def start_payoff(
    root: str | Path,
    choice: SubsetChoice,
    actor: str,
    among: Sequence[str] | None = None,
    target: Sequence[str] | None = None,
    seeds: int = 5,
) -> None:
    """Start measuring a subset in its own process and return at once; nothing happens where it runs already.

    Follow it with :func:`payoff_status` under the subset's fingerprint.

    Raises
    ------
    NotAllowed
        The actor may not decide.
    ReadOnly
        The workspace cannot be written to.
    """
    _allow(root, actor)
    subset = {"ids": choice.ids, "weights": None if choice.weights is None else choice.weights.tolist()}
    job = {"what": "subset", **_request(choice.request, actor, among, target, seeds), **subset}
    _launch(root, choice.fingerprint, job)


def start_comparison(
    root: str | Path,
    fingerprint: str,
    request: SubsetRequest,
    actor: str,
    among: Sequence[str] | None = None,
    target: Sequence[str] | None = None,
    seeds: int = 5,
) -> None:
    """Start comparing all methods in a process, as :func:`start_payoff` does.

    ``fingerprint`` is that of :func:`winnow.core.subsets.comparison.comparison_fingerprint`.
    """
    _allow(root, actor)
    _launch(root, fingerprint, {"what": "comparison", **_request(request, actor, among, target, seeds)})


def _request(
    request: SubsetRequest, actor: str, among: Sequence[str] | None, target: Sequence[str] | None, seeds: int
) -> dict[str, Any]:
    return {
        "wish": request.to_json(),
        "actor": actor,
        "seeds": seeds,
        "among": None if among is None else list(among),
        "target": None if target is None else list(target),
    }


def _launch(root: str | Path, fingerprint: str, job: dict[str, Any]) -> None:
    files = _files(root, fingerprint)
    if files.status()["state"] == RUNNING:
        return
    with contextlib.suppress(WorkspaceBusy):  # another process has just started it
        files.start(["payoff", str(Path(root).absolute()), fingerprint], {**job, "fingerprint": fingerprint})


def payoff_status(root: str | Path, fingerprint: str) -> dict[str, Any]:
    """Status of the job for this fingerprint, see :meth:`winnow.core.storage.job_files.JobFiles.status`."""
    return _files(root, fingerprint).status()


def cancel_payoff(root: str | Path, fingerprint: str, actor: str) -> None:
    """Ask the job to stop at its next step. Raises NotAllowed where the actor may not decide."""
    _allow(root, actor)
    _files(root, fingerprint).cancel()


def requested(root: Path, fingerprint: str) -> dict[str, Any]:
    """What :func:`start_payoff` or :func:`start_comparison` asked for."""
    return _files(root, fingerprint).request()


def measure(root: Path, fingerprint: str, selector: SubsetSelector) -> None:
    """Run the job for ``fingerprint`` and save its result; progress and failure are reported in the job's files.

    Raises
    ------
    WorkspaceBusy
        Another process measures the same.
    Cancelled
        Nothing is saved then.
    """
    files = _files(root, fingerprint)
    job, folder = files.request(), root / "selections"
    with files.lock():
        reporter = JobReporter(files, "The measurement was cancelled. Nothing was kept of it.")
        with reporter.reporting():
            request = SubsetRequest(**job["wish"])
            context = selector.context(job["among"], job["target"])
            how: dict[str, Any] = {"seeds": job["seeds"], "actor": job["actor"], "progress": reporter}
            # saved under the fingerprint that was asked for: decisions may have been made meanwhile
            if job["what"] == "comparison":
                result = compare(selector, request, context, **how)
                Comparisons(folder).keep({**result, "fingerprint": fingerprint})
            else:
                result = payoff(selector, _requested_subset(selector, request, job), context, **how)
                Payoffs(folder).keep({**result, "fingerprint": fingerprint})
            reporter.finish(DONE, result["verdict"])


def _requested_subset(selector: SubsetSelector, request: SubsetRequest, job: dict[str, Any]) -> SubsetChoice:
    """The subset itself, not a new selection: decisions may have been made meanwhile."""
    ids: list[str] = job["ids"]
    weights = None if job["weights"] is None else np.asarray(job["weights"], np.float32)
    return SubsetChoice(request, selector.rows(ids), ids, weights, len(ids), 0, (), job["fingerprint"])
