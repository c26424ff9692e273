"""Measuring a payoff in its own process (``<workspace>/payoff/<key>/``, see :mod:`winnow.core.storage.job_files`).

The result is kept by :class:`winnow.core.subsets.evaluation.Payoffs` and :class:`winnow.core.subsets.comparison.Comparisons`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import fingerprint as fp
from ..errors import WorkspaceBusy
from ..storage.job_files import DONE, RUNNING, JobFiles, JobReporter
from .comparison import Comparisons, compare
from .evaluation import Payoffs, payoff
from .selector import SubsetChoice, SubsetRequest, SubsetSelector


def _files(root: str | Path, mark: str) -> JobFiles:
    return JobFiles(Path(root).absolute() / "payoff" / fp.of(mark), "measurement")


def start_payoff(
    root: str | Path,
    choice: SubsetChoice,
    actor: str,
    among: Sequence[str] | None = None,
    target: Sequence[str] | None = None,
    seeds: int = 5,
) -> None:
    """Start measuring a subset in its own process and return at once; nothing happens where it runs already.

    Follow it with :func:`payoff_status`, under the subset's fingerprint.
    """
    exactly = {"ids": choice.ids, "weights": None if choice.weights is None else choice.weights.tolist()}
    request = {"what": "subset", **_request(choice.wish, actor, among, target, seeds), **exactly}
    _launch(root, choice.fingerprint, request)


def start_comparison(
    root: str | Path,
    mark: str,
    wish: SubsetRequest,
    actor: str,
    among: Sequence[str] | None = None,
    target: Sequence[str] | None = None,
    seeds: int = 5,
) -> None:
    """Start comparing all methods in a process, as :func:`start_payoff` does. ``mark`` :
    :func:`winnow.core.subsets.comparison.comparison_mark`.
    """
    _launch(root, mark, {"what": "comparison", **_request(wish, actor, among, target, seeds)})


def _request(
    wish: SubsetRequest, actor: str, among: Sequence[str] | None, target: Sequence[str] | None, seeds: int
) -> dict[str, Any]:
    return {
        "wish": wish.to_json(),
        "actor": actor,
        "seeds": seeds,
        "among": None if among is None else list(among),
        "target": None if target is None else list(target),
    }


def _launch(root: str | Path, mark: str, request: dict[str, Any]) -> None:
    files = _files(root, mark)
    if files.status()["state"] == RUNNING:
        return
    try:
        files.start(["payoff", str(Path(root).absolute()), mark], {**request, "fingerprint": mark})
    except WorkspaceBusy:  # it began in this moment
        return


def payoff_status(root: str | Path, mark: str) -> dict[str, Any]:
    """What the job for this fingerprint is doing: see :meth:`winnow.core.storage.job_files.JobFiles.payoff_status`."""
    return _files(root, mark).status()


def cancel_payoff(root: str | Path, mark: str) -> None:
    """Ask the job to stop at its next step."""
    _files(root, mark).cancel()


def requested(root: Path, mark: str) -> dict[str, Any]:
    """What :func:`start_payoff` or :func:`start_comparison` asked for."""
    return _files(root, mark).request()


def measure(root: Path, mark: str, chooser: SubsetSelector) -> None:
    """Do what was asked under ``mark`` and keep the result; progress and failure are told in the job's files.

    Raises
    ------
    WorkspaceBusy
        Another process measures the same.
    Cancelled
        Nothing is kept then.
    """
    files = _files(root, mark)
    asked, folder = files.request(), root / "selections"
    with files.lock():
        reporter = JobReporter(files, "The measurement was cancelled. Nothing was kept of it.")
        with reporter.reporting():
            wish = SubsetRequest(**asked["wish"])
            material = chooser.material(asked["among"], asked["target"])
            how: dict[str, Any] = {"seeds": asked["seeds"], "actor": asked["actor"], "progress": reporter}
            # kept under the fingerprint that was asked for: decisions may have been made meanwhile
            if asked["what"] == "comparison":
                found = compare(chooser, wish, material, **how)
                Comparisons(folder).keep({**found, "fingerprint": mark})
            else:
                found = payoff(chooser, _exactly(chooser, wish, asked), material, **how)
                Payoffs(folder).keep({**found, "fingerprint": mark})
            reporter.finish(DONE, found["verdict"])


def _exactly(chooser: SubsetSelector, wish: SubsetRequest, asked: dict[str, Any]) -> SubsetChoice:
    """The very subset that was asked about."""
    ids: list[str] = asked["ids"]
    weights = None if asked["weights"] is None else np.asarray(asked["weights"], np.float32)
    return SubsetChoice(wish, chooser.rows(ids), ids, weights, len(ids), 0, (), asked["fingerprint"])
