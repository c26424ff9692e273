"""The files of the surfaces: what is served, for how long, and nothing else."""

from __future__ import annotations

import gzip

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from winnow.app.components import assets
from winnow.app.pages.review import queue_of
from winnow.core import Filter
from winnow.core.types import PROBLEMS


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=assets.asset_routes()))


@pytest.mark.parametrize(
    "name", ["review/review.js", "gallery/gallery.js", "map/map.js", "lib/common.css", "vendor/plotly-strict.min.js"]
)
def test_files_are_served_for_ever_under_their_digest(client: TestClient, name: str) -> None:
    answer = client.get("/" + assets.asset_path(name), headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    stored = assets.files()[name]
    assert answer.content == (gzip.decompress(stored.read_bytes()) if stored.suffix == ".gz" else stored.read_bytes())
    expected = "text/css" if name.endswith(".css") else "text/javascript"
    assert answer.headers["content-type"].startswith(expected)


def test_an_old_digest_is_answered_but_not_kept(client: TestClient) -> None:
    answer = client.get("/api/assets/000000000000/review/review.js", headers={"accept-encoding": "identity"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "name", ["../surfaces.py", "surfaces.py", "review/", "..%2F..%2Fpyproject.toml", "live.py", ""]
)
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/api/assets/{assets.digest()}/{name}").status_code == 404


def test_every_import_of_a_module_is_there() -> None:
    import re

    for name, path in assets.files().items():
        if name == assets.PLOTLY or path.suffix != ".js":
            continue
        for target in re.findall(r'from "(\.[^"]+)"', path.read_text(encoding="utf-8")):
            assert (path.parent / target).resolve() in assets.files().values(), f"{name} imports {target}"


def test_packing_is_the_same_every_time() -> None:
    content, packed = assets._packed("lib/dom.js")
    assert gzip.decompress(packed) == content


def test_who_asks_for_nothing_gets_the_undecided_flagged_samples() -> None:
    queue, words = queue_of(Filter(), None, None)
    assert words == "flagged"
    assert f"verdicts={'%2C'.join(PROBLEMS)}" in queue
    assert "state=undecided" in queue
    assert "sort=-confidence" in queue


def test_one_verdict_is_ordered_by_its_own_score() -> None:
    queue, words = queue_of(Filter(verdicts=("ood",)), None, None)
    assert (words, "sort=-ood" in queue, "verdicts=ood" in queue) == ("", True, True)


def test_a_selection_and_a_state_are_kept() -> None:
    queue, _ = queue_of(Filter(state="relabel"), "row", "handle")
    assert "selection=handle" in queue
    assert "state=relabel" in queue
    assert "sort=row" in queue
    assert "verdicts" not in queue
