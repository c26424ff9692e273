"""A workspace that may only be read: every verb that writes is refused in words, by a user without rights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ATTEMPTS = """
import json, os, sys
from pathlib import Path
from winnow.core import Comparisons, Workspace, cancel_payoff, payoff_status, start_export, start_payoff, start_scan
from winnow.core import ScanConfig, SubsetRequest
from winnow.core.errors import ReadOnly
from winnow.core.subsets.evaluation import HoldoutGuard, payoff
import winnow.core.pipeline.scan  # the interpreter itself may be out of the other user's reach
folder, source, embeddings = map(Path, sys.argv[1:])
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
ws = Workspace.open(folder, actor="eve")
choice = ws.subsets.choose(SubsetRequest())
verbs = {
    "decide": lambda: ws.decide("s001", "accept"),
    "save a selection": lambda: ws.saved_selections.save("mine", ["s001"], actor="eve"),
    "save a subset": lambda: ws.subsets.save(choice, "mine", "eve"),
    "delete a selection": lambda: ws.saved_selections.delete(ws.saved_selections.all()[0].handle, "eve"),
    "give a role": lambda: ws.roles.set("eve", "owner", by="eve"),
    "scan": lambda: Workspace.scan(source, folder, embeddings=embeddings, actor="eve"),
    "scan into a new folder": lambda: Workspace.scan(source, folder.parent / "new", embeddings=embeddings, actor="eve"),
    "start a scan": lambda: start_scan(ScanConfig.of(source), folder, "eve"),
    "look at the held-out set": lambda: HoldoutGuard(ws.saved_selections.folder).note("x", "random", "eve"),
    "measure": lambda: payoff(ws.subsets, choice, actor="eve"),
    "start a payoff": lambda: start_payoff(folder, choice, "eve"),
    "keep a comparison": lambda: Comparisons(ws.saved_selections.folder).keep({"fingerprint": "x"}),
}
said = {"looked": [len(ws.rows(limit=3)), payoff_status(folder, choice.fingerprint)["state"]]}
for name, verb in verbs.items():
    try:
        verb()
        said[name] = "went through"
    except ReadOnly as error:
        said[name] = "refused: " + str(error)
    except BaseException as error:
        said[name] = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""


@pytest.fixture
def locked(tiny_ws: Path, tiny_data: Path) -> Iterator[Path]:
    """A copy of a workspace and its source that another user reaches and may not write to."""
    from winnow.core import Workspace

    with Workspace.open(tiny_ws, actor="ada") as ws:
        ws.saved_selections.save("hers", ["s002"], actor="ada")
    home = Path(tempfile.mkdtemp(prefix="winnow-locked-"))
    shutil.copytree(tiny_ws, home / "ws")
    for name in ("samples.parquet", "embeddings.parquet"):
        shutil.copy(tiny_data / name, home / name)
    set_modes(home, 0o555, 0o444)
    yield home
    set_modes(home, 0o755, 0o644)
    shutil.rmtree(home)


def set_modes(home: Path, folders: int, files: int) -> None:
    for folder, _, names in os.walk(home):
        os.chmod(folder, folders)
        for name in names:
            os.chmod(Path(folder, name), files)


def test_every_verb_that_writes_is_refused_in_words(locked: Path) -> None:
    arguments = [str(locked / name) for name in ("ws", "samples.parquet", "embeddings.parquet")]
    done = subprocess.run([sys.executable, "-c", ATTEMPTS, *arguments], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.pop("looked") == [3, "none"]
    assert {name: text for name, text in said.items() if not text.startswith("refused:")} == {}
    assert all("writable" in text for text in said.values()), said
