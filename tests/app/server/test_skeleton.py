"""What the first moment shows: a skeleton of the page, from a server that has not loaded what it does not need yet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from winnow.app.components.theme import DARK, LIGHT
from winnow.app.server.skeleton import ROOT, TITLE, SkeletonMiddleware, skeleton, with_skeleton

INDEX = Path(streamlit.__file__).parent / "static" / "index.html"
PAGE = {"accept": "text/html,*/*;q=0.8"}


def serve(answer: Callable[[Request], Response], path: str = "/") -> TestClient:
    return TestClient(
        Starlette(routes=[Route(path, answer)], middleware=[Middleware(SkeletonMiddleware), Middleware(GZipMiddleware)])
    )


def test_streamlits_own_page_gets_the_outline_behind_its_root() -> None:
    page = INDEX.read_bytes()
    assert page.count(ROOT) == page.count(TITLE) == 1
    answer = serve(lambda _: FileResponse(INDEX)).get("/", headers=PAGE)
    assert answer.content == with_skeleton(page)
    assert answer.content.count(ROOT + skeleton()) == 1
    assert b"<title>Winnow</title>" in answer.content
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "etag" not in answer.headers


def test_a_page_that_the_browser_kept_is_sent_anew() -> None:
    client = serve(lambda _: FileResponse(INDEX))
    kept = client.get("/", headers={"accept": "*/*"}).headers["etag"]
    again = client.get("/", headers=PAGE | {"if-none-match": kept})
    assert again.status_code == 200
    assert skeleton() in again.content


def test_the_outline_runs_nothing_and_knows_both_themes() -> None:
    html = skeleton().decode()
    assert "<script" not in html
    assert "http" not in html
    assert all(f"light-dark({LIGHT[name]},{DARK[name]})" in html for name in ("bg", "side", "fill", "line"))


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("text/html", lambda _: HTMLResponse("<p>Which token?</p>", 401)),
        ("text/html", lambda _: JSONResponse({"page": ROOT.decode()})),
        ("application/json", lambda _: HTMLResponse(ROOT)),
    ],
)
def test_everything_else_passes_as_it_is(accept: str, answer: Callable[[Request], Response]) -> None:
    plain = TestClient(Starlette(routes=[Route("/", answer)])).get("/")
    found = serve(answer).get("/", headers={"accept": accept})
    assert (found.status_code, found.content) == (plain.status_code, plain.content)


LIGHT_APP = """
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
from winnow.app import main
from winnow.app.server import state as states
from winnow.core import Filter

app_state = states.configure(states.ServerState(actor="ada", directory=Path(sys.argv[2])))
key = app_state.add(Path(sys.argv[1]))
main._warm_up()
test = AppTest.from_file(str(Path(main.__file__).parent / "pages" / "script.py"), default_timeout=60).run()
assert not test.exception, test.exception
rows = app_state.workspace(key).rows(Filter(), "-confidence", 0, 20)
assert len(rows) == 20
assert app_state.workspace(key).thumbnail(rows[0]["sample_id"])
assert app_state.workspace(key).cards([rows[0]["sample_id"]])
heavy = "torch faiss sklearn scipy.stats umap numba cleanvision matplotlib open_clip transformers datasets"
print("loaded:", *[name for name in heavy.split() if name in sys.modules])
"""


def test_the_first_pages_load_nothing_that_computes(scanned: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT_APP, str(scanned), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # scipy.cluster, for the order of the matrix, is a tenth of a second and is allowed
    assert done.stdout.splitlines()[-1] == "loaded:"
