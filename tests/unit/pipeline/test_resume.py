"""A scan that was killed goes on where it was cut, and ends with the same result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnow.core import Workspace
from winnow.core.pipeline.job import scan_status
from winnow.core.storage.artifacts import load_json
from winnow.core.storage.job_files import LOST, RUNNING

ROWS = 6000
"""Three shards, so that a kill can fall between the first and the last."""


def texts(path: Path) -> Path:
    """A table of short texts in four classes, large enough that embedding takes a few shards."""
    rng = np.random.default_rng(3)
    topics = ["rain sun cloud wind storm", "loan bank card debt rate", "dog cat fox owl hen", "tea rice soup cake pie"]
    words = [t.split() for t in topics]
    label = rng.integers(0, 4, ROWS)
    text = [" ".join([*rng.choice(words[c], 4), f"w{i % 977}"]) for i, c in enumerate(label)]
    pd.DataFrame({"id": [f"t{i}" for i in range(ROWS)], "text": text, "label": label}).to_csv(path, index=False)
    return path


def command(source: Path, out: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "winnow.core.cli",
        "scan",
        str(source),
        "--out",
        str(out),
        "--encoder",
        "tfidf",
        "--no-map",
        "--quiet",
    ]


@pytest.mark.slow
def test_kill_nine_while_embedding_then_the_same_command(tmp_path: Path) -> None:
    source = texts(tmp_path / "texts.csv")
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run(command(source, whole), check=True, env=env, timeout=200)

    process = subprocess.Popen(command(source, cut), env=env)
    shards = cut / "embeddings" / "shards"
    deadline = time.monotonic() + 120
    while not list(shards.glob("*.ok.npy")):
        assert process.poll() is None, "the scan ended before it could be cut"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (cut / "embeddings" / "vectors.npy").exists(), "the kill fell in the middle of embedding"
    assert scan_status(cut)["state"] in (RUNNING, LOST)

    subprocess.run(command(source, cut), check=True, env=env, timeout=200)
    assert (cut / "embeddings" / "vectors.npy").read_bytes() == (whole / "embeddings" / "vectors.npy").read_bytes()
    with Workspace.open(cut) as a, Workspace.open(whole) as b:
        pd.testing.assert_frame_equal(a.scores(), b.scores())
    assert load_json(cut / "manifest.json")["failures"] == {}
