"""Measuring a payoff in its own process: progress, cancel, and a result that survives the page.

Files under ``<workspace>/payoff/<key>/``: ``request.json``, ``progress.json`` (its ``beat`` is the heartbeat), ``cancel`` (its
presence asks for a stop), ``lock`` (held while it runs) and ``log.txt``. The result is kept by :class:`winnow.core.payoff.Payoffs`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from . import fingerprint as fp
from .chooser import Choice, Chooser, Wish
from .errors import Cancelled, WinnowError
from .jobs import BEAT_S, CANCELLED, DONE, FAILED, LOST, NONE, RUNNING, share_cores
from .store.artifacts import load_json, save_json
from .types import Progress

_GRACE_S = 20.0
"""A process that has not written for so long, and holds no lock, is gone."""


def _folder(root: str | Path, mark: str) -> Path:
    return Path(root) / "payoff" / fp.of(mark)


def start(root: str | Path, choice: Choice, actor: str, among: Sequence[str] | None = None,
          target: Sequence[str] | None = None, seeds: int = 5) -> None:  # fmt: skip
    """Start measuring a subset in its own process and return at once; nothing happens where it runs already.

    Follow it with :func:`status`, under the subset's fingerprint.
    """
    exactly = {"ids": choice.ids, "weights": None if choice.weights is None else choice.weights.tolist()}
    asked = {"what": "subset", **_asked(choice.wish, actor, among, target, seeds), **exactly}
    _launch(root, choice.fingerprint, asked)


def start_comparison(root: str | Path, mark: str, wish: Wish, actor: str, among: Sequence[str] | None = None,
                     target: Sequence[str] | None = None, seeds: int = 5) -> None:  # fmt: skip
    """Start comparing all methods in a process, as :func:`start` does. ``mark`` : :func:`winnow.core.payoff_compare.comparison_mark`."""
    _launch(root, mark, {"what": "comparison", **_asked(wish, actor, among, target, seeds)})


def _asked(
    wish: Wish, actor: str, among: Sequence[str] | None, target: Sequence[str] | None, seeds: int
) -> dict[str, Any]:
    return {
        "wish": wish.to_json(), "actor": actor, "seeds": seeds,
        "among": None if among is None else list(among), "target": None if target is None else list(target),
    }  # fmt: skip


def _exactly(chooser: Chooser, wish: Wish, asked: dict[str, Any]) -> Choice:
    """The very subset that was asked about."""
    ids: list[str] = asked["ids"]
    weights = None if asked["weights"] is None else np.asarray(asked["weights"], np.float32)
    return Choice(wish, chooser.rows(ids), ids, weights, len(ids), 0, (), asked["fingerprint"])


def _launch(root: str | Path, mark: str, request: dict[str, Any]) -> None:
    folder = _folder(root, mark)
    if status(root, mark)["state"] == RUNNING:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cancel").unlink(missing_ok=True)
    save_json(folder / "request.json", {**request, "fingerprint": mark})
    _write(folder, RUNNING, message="starting")
    with open(folder / "log.txt", "ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "winnow.core.payoff_job", str(Path(root).absolute()), str(folder)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def status(root: str | Path, mark: str) -> dict[str, Any]:
    """state (running, done, failed, cancelled, lost, none), done, total, message of the job for this fingerprint."""
    folder = _folder(root, mark)
    nothing = {"state": NONE, "done": 0, "total": 0, "message": ""}
    try:
        found: dict[str, Any] = load_json(folder / "progress.json")
    except (FileNotFoundError, WinnowError):
        return nothing
    if found["state"] == RUNNING and time.time() - found["beat"] > _GRACE_S and not _held(folder):
        return {**found, "state": LOST, "message": "The measurement stopped without a word. Start it again."}
    return found


def cancel(root: str | Path, mark: str) -> None:
    """Ask the job to stop at its next step."""
    folder = _folder(root, mark)
    if folder.exists():
        (folder / "cancel").touch()


def _held(folder: Path) -> bool:
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def _write(folder: Path, state: str, done: int = 0, total: int = 0, message: str = "") -> None:
    save_json(
        folder / "progress.json",
        {"state": state, "done": done, "total": total, "message": message, "beat": time.time(), "pid": os.getpid()},
    )


def main(argv: list[str]) -> int:
    """Entry point of the process: ``python -m winnow.core.payoff_job WORKSPACE FOLDER``."""
    share_cores()
    if hasattr(os, "nice"):
        os.nice(10)  # whoever moves a slider meanwhile comes first
    root, folder = Path(argv[0]), Path(argv[1])
    asked = load_json(folder / "request.json")
    last = 0.0

    def report(p: Progress) -> None:
        nonlocal last
        if (folder / "cancel").exists():
            raise Cancelled("The measurement was cancelled. Nothing was kept of it.")
        if time.monotonic() - last > BEAT_S or p.done == p.total:
            last = time.monotonic()
            _write(folder, RUNNING, p.done, p.total, p.message)

    lock = FileLock(folder / "lock", timeout=0)
    try:
        with lock:
            from .payoff import Payoffs, payoff
            from .payoff_compare import Comparisons, compare
            from .workspace import Workspace

            with Workspace.open(root, actor=asked["actor"]) as ws:
                chooser, wish, kept = ws.selection, Wish(**asked["wish"]), root / "selections"
                material = chooser.material(asked["among"], asked["target"])
                how: dict[str, Any] = {"seeds": asked["seeds"], "actor": asked["actor"], "progress": report}
                # kept under the fingerprint that was asked for: decisions may have been made meanwhile
                if asked["what"] == "comparison":
                    found = compare(chooser, wish, material, **how)
                    Comparisons(kept).keep({**found, "fingerprint": asked["fingerprint"]})
                else:
                    found = payoff(chooser, _exactly(chooser, wish, asked), material, **how)
                    Payoffs(kept).keep({**found, "fingerprint": asked["fingerprint"]})
            _write(folder, DONE, 1, 1, found["verdict"])
    except Timeout:
        return 0
    except WinnowError as error:
        _write(folder, CANCELLED if isinstance(error, Cancelled) else FAILED, message=str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
