"""Overview says how many labels are wrong in all, once decisions about wrong labels correct the scan's estimate."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from winnow.app.pages import overview
from winnow.app.session import cache
from winnow.core import Filter, Workspace


def line(ws: Workspace, **info: Any) -> str:
    cache._noise.clear()
    return overview.noise_line(SimpleNamespace(key="k", workspace=ws, info=SimpleNamespace(n=ws.info().n, **info)))


def test_the_line_comes_with_decisions_about_labels_and_says_their_number(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws, actor="ada") as ws:
        flagged = ws.ids(Filter(verdicts=("noisy_label",)), "-noisy_label")
        assert line(ws) == ""
        for sample in flagged[:2]:
            ws.decide(sample, "accept")
        said = line(ws)
        assert "By 2 decisions about noisy labels" in said
        now, low, high, scanned = (float(x) for x in re.findall(r"([\d.]+)%", said))
        assert low <= now <= high
        assert now < scanned, "two flags were wrong: fewer labels are wrong than the scan thought"


def test_a_large_dataset_does_not_wait_for_it(tiny_ws: Path, monkeypatch: Any) -> None:
    with Workspace.open(tiny_ws, actor="ada") as ws:
        ws.decide(ws.ids(Filter(verdicts=("noisy_label",)))[0], "accept")
        assert line(ws)
        monkeypatch.setattr(overview, "AUDITED", 10)
        assert line(ws) == ""
