"""What the browser and the data could smuggle in: SQL, paths, formulas, pickles, foreign sites, telemetry."""

from __future__ import annotations

import ast
import asyncio
import csv
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from winnow.app.server import serve as server
from winnow.app.server.security import HostMiddleware
from winnow.app.session import filters
from winnow.core import Workspace
from winnow.core.errors import QueryError, SourceError, WinnowError
from winnow.core.explore.filter import Filter

ROOT = Path(__file__).resolve().parents[2]
SQL = (
    "'; DROP TABLE samples; --",
    "row; DELETE FROM decisions",
    "1 OR 1=1",
    "confidence) FROM read_csv('/etc/passwd') --",
    "(SELECT 1)",
    "\"; ATTACH '/tmp/x' AS x; --",
    "confidence, (SELECT count(*) FROM decisions)",
    "\x00",
    "../../etc/passwd",
)


@pytest.fixture(scope="module")
def ws(scanned: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Workspace.open(shutil.copytree(scanned, tmp_path_factory.mktemp("attacked") / "ws")) as opened:
        yield opened


@pytest.mark.parametrize("text", SQL)
def test_sql_is_never_run_from_a_query_string(ws: Workspace, text: str) -> None:
    n = ws.counts().total
    for sort in (text, f"-{text}"):
        with pytest.raises(QueryError):
            ws.ids(Filter(), sort)
    with pytest.raises(WinnowError):
        ws.groups(Filter(), text)
    with pytest.raises(WinnowError):
        ws.colours(text)
    for name in ("classes", "suggested", "splits", "sources", "text", "verdicts", "kinds"):
        try:
            flt = filters.from_pairs([(name, text)])
        except WinnowError:
            continue
        try:
            assert ws.counts(flt).matching == 0, (name, text)
        except QueryError:
            continue
    with pytest.raises(WinnowError):
        ws.counts(Filter(scores={text: (0.1, 0.2)}))
    assert ws.counts(Filter(ids=(text,))).matching == 0
    assert ws.counts().total == n


@pytest.mark.parametrize(
    "sample", ["../../../etc/passwd", "/etc/passwd", "s000/../s001", "file:///etc/passwd", "s000\x00", ""]
)
def test_an_id_is_looked_up_and_never_a_path(ws: Workspace, sample: str) -> None:
    for ask in (ws.thumbnail, ws.image, lambda i: ws.cards([i]), lambda i: ws.decide(i, "accept")):
        with pytest.raises(WinnowError, match="No sample is called"):
            ask(sample)
    with pytest.raises(QueryError, match="not the handle"):
        ws.saved_selections.ids(f"s-{sample}" if sample else "../x")


def test_formulas_leave_a_csv_as_text(tmp_path: Path) -> None:
    bad = ["=1+1", "+cmd|'/C calc'!A0", "-x", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")']
    table = pd.DataFrame(
        {"id": bad, "text": [f"{b} and words" for b in bad], "label": (["a", "b"] * 4)[: len(bad)], "=head": bad}
    )
    table.to_parquet(tmp_path / "t.parquet")
    with Workspace.scan(
        tmp_path / "t.parquet", tmp_path / "ws", encoder="tfidf", projection=False, network=False
    ) as made:
        made.decide(made.ids()[0], "relabel", label="=cmd|' /C calc'!A0", reason="=2+2", actor="=eve")
        made.export(tmp_path / "out.csv")
        made.write_log(tmp_path / "log.csv")
    for name in ("out.csv", "log.csv"):
        with (tmp_path / name).open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                live = [c for c in row if c.startswith(("=", "+", "@", "\t", "\r")) and not c[1:].isdigit()]
                assert not live, (name, live)  # a number with its sign is a number


def test_decisions_outlive_their_source(tmp_path: Path) -> None:
    source = tmp_path / "pictures"
    for i in range(24):
        folder = source / f"c{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
    with Workspace.scan(source, tmp_path / "ws", encoder="patches", projection=False, network=False) as ws:
        first, second = ws.ids()[:2]
        ws.decide(first, "exclude")
        (source / second).write_bytes(b"something else")
        assert ws.image(second) == b"something else"
    shutil.rmtree(source)
    with Workspace.open(tmp_path / "ws") as ws:
        assert ws.current()[first]
        assert ws.thumbnail(first)
        with pytest.raises((SourceError, OSError), match="not there"):
            ws.image(first)
        ws.decide(second, "accept")
        assert ws.export(tmp_path / "out.csv").rows == 23


def calls(name: str) -> list[tuple[str, ast.Call]]:
    """Every call of something called ``name`` in the product, with its file."""
    found = []
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(name):
                found.append((path.name, node))
    return found


def keyword(call: ast.Call, name: str) -> object:
    return next((k.value.value for k in call.keywords if k.arg == name and isinstance(k.value, ast.Constant)), None)


def test_nothing_is_ever_unpickled() -> None:
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [str(node.module)]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib.load"} & set(names), (
                path
            )
    assert calls("np.load")
    assert not [file for file, call in calls("np.load") if keyword(call, "allow_pickle") is not False]
    assert not [file for file, call in calls("torch.load") if keyword(call, "weights_only") is not True]
    assert not [
        f
        for name in ("read_pickle", "eval", "exec")
        for f, c in calls(name)
        if ast.unparse(c.func) in (name, f"pd.{name}")
    ]
    assert not [file for file, call in calls("subprocess.Popen") + calls("subprocess.run") if keyword(call, "shell")]


def test_a_pickle_in_a_data_file_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path(tmp_path / "ran").touch, ())

    from winnow.core.data.sources import open_source

    np.save(tmp_path / "x.npy", np.array([[Evil()]], object), allow_pickle=True)
    with pytest.raises(SourceError):
        open_source(tmp_path / "x.npy")
    assert not (tmp_path / "ran").exists()


def test_no_telemetry() -> None:
    options = server.options(8501, "127.0.0.1", True)
    assert options["browser.gatherUsageStats"] is False
    assert options["server.enableStaticServing"] is False
    assert options["client.showErrorDetails"] == "none"
    assert options["server.address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("kind", "host", "origin", "through"),
    [
        ("websocket", "localhost:1", None, True),
        ("websocket", "localhost:1", "http://localhost:1", True),
        ("websocket", "localhost:1", "http://evil.example", False),
        ("websocket", "evil.example", "http://evil.example", False),
        ("PUT", "localhost:1", "http://evil.example", False),
        ("POST", "localhost:1", "null", False),
        ("PUT", "localhost:1", "http://localhost:1", True),
        ("GET", "rebound.example:1", None, False),
        ("GET", "localhost:1", None, True),
    ],
)
def test_other_sites_and_rebound_names_reach_nothing(kind: str, host: str, origin: str | None, through: bool) -> None:
    reached: list[Any] = []

    async def inner(scope: Any, *_: Any) -> None:
        reached.append(scope)

    async def send(_: Any) -> None:
        pass

    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    scope = {
        "type": "websocket" if kind == "websocket" else "http",
        "method": kind,
        "headers": headers,
        "path": "/_stcore/stream",
    }
    asyncio.run(HostMiddleware(inner, lambda: (("localhost",), False))(scope, None, send))
    assert bool(reached) is through


def test_scripts_are_never_served_as_pictures() -> None:
    from winnow.app.api.media import PICTURES, sniff

    for data in (b"<svg onload=alert(1)>", b"<html>", b"%PDF-", b"\x00", b"", b"GIF", b"<?xml"):
        assert sniff(data) not in PICTURES
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "PNG")
    assert sniff(buffer.getvalue()) in PICTURES
