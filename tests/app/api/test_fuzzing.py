"""Requests made from the description of the routes, sound and unsound ones: none is answered with a problem of ours."""

from __future__ import annotations

import ast
import inspect
import json
import logging
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from winnow.app.api.endpoint import media_links
from winnow.app.api.exports import export_link
from winnow.app.api.openapi import OPEN, OPERATIONS, describe
from winnow.app.server.routes import build_routes
from winnow.app.server.security import HostMiddleware, encode_id, mint_token
from winnow.app.server.security_headers import SecurityHeadersMiddleware
from winnow.app.server.state import ServerState
from winnow.core import Workspace

EACH_IN_SHORT, EACH_IN_ATTACK = 8, 400
"""Requests to each route in the ordinary tests, and in `pytest -m attack`."""

ODD = [
    "",
    " ",
    "\x00",
    "\ud800",
    "é",
    "🦉",
    "'; DROP TABLE decisions --",
    "../../etc/passwd",
    "-1",
    "9" * 400,
    "NaN",
    "x" * 5000,
]
"""Texts that trip programs up: nothing, a NUL, half a character, SQL, paths, numbers out of bounds."""

RAW_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b"{" + b'"a":{' * 5000,
    b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"expect": ' + b"9" * 5000 + b"}",
    b'{"expect": 1e999, "target": {"filter": ""}, "action": "accept"}',
    b'{"polygons": [[[NaN, 1], [1, 1], [0, Infinity]]]}',
    b'{"decisions": [{"sample_id": "\\ud800", "action": "accept", "decision_id": "\\u0000"}]}',
]


# -- the description is that of the routes ----------------------------------------------------------------------------


def test_every_route_is_described_and_nothing_else() -> None:
    described = describe(build_routes())["paths"]
    assert {r.path_format for r in build_routes()} == OPERATIONS.keys() == described.keys()
    for route in build_routes():
        methods = {m.upper() for m in described[route.path_format]}
        assert methods == (route.methods or set()) - {"HEAD"}
        operation = next(iter(described[route.path_format].values()))
        assert operation["summary"], route.path
        assert ("POST" in methods) == ("requestBody" in operation)


def test_the_description_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(describe(build_routes())).validate()


def names_read(function: Callable[..., Any], seen: frozenset[str] = frozenset()) -> tuple[set[str], set[str]]:
    """The parameters of the query and the entries of the body that a route's function and its helpers read."""
    query, body = set[str](), set[str]()
    module = inspect.getmodule(function)
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            of, name, first = node.func.value, node.func.attr, node.args[0]
            text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
            if text and ast.unparse(of) == "call" and name in ("get", "number"):
                query.add(text)
            elif text and name == "get" and ast.unparse(of) in ("body", "(call.body or {})"):
                body.add(text)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "call.filter":
            query.add("selection")
        if isinstance(node, ast.Compare) and ast.unparse(node.left) in ("key", "name"):
            query |= {c.value for c in node.comparators if isinstance(c, ast.Constant)}
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and any(isinstance(a, ast.Name) and a.id == "call" for a in node.args)
        ):
            helper = getattr(module, node.func.id, None)
            if inspect.isfunction(helper) and helper.__module__ == module.__name__ and helper.__name__ not in seen:  # type: ignore[union-attr]
                more = names_read(helper, seen | {function.__name__})
                query |= more[0]
                body |= more[1]
    return query, body


@pytest.mark.parametrize("path", [p for p in OPERATIONS if p not in OPEN])
def test_what_a_route_reads_is_described(path: str) -> None:
    route = next(r for r in build_routes() if r.path_format == path)
    query, body = names_read(inspect.unwrap(route.endpoint))
    said = OPERATIONS[path]
    assert query <= said.query.keys()
    assert body <= (said.body or {"properties": {}})["properties"].keys()


# -- fuzzing ----------------------------------------------------------------------------------------------------------


class Fuzzer:
    """Sends requests to the app on a workspace and counts the answers."""

    def __init__(self, client: TestClient, server: ServerState, workspace: Workspace) -> None:
        self.client, self.server, self.workspace = client, server, workspace
        self.key = str(server.first)
        self.answers: Counter[int] = Counter()
        self.exports: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.token = mint_token(server.secret, self.key, "ada")
        ids = workspace.ids()[:5]
        workspace.exports.export(workspace.exports.place("photos"), format="image_folder", only=ids, actor="ada")
        workspace.exports.export(workspace.exports.place("table.csv"), actor="ada")
        handle = server.keep_selection(self.key, ids)
        generation = str(workspace.info().generation)
        saved = workspace.saved_selections.save("kept", ids, actor="ada").handle
        sorts = ["-confidence", "row", "pick", "match", "-ood", "noisy_label", "-suspicion"]
        labels = [*workspace.classes(), "new class"]
        self.known: dict[str, list[Any]] = {
            **{name: [*ids, "nobody"] for name in ("id", "sample_id", "ids", "like", "last")},
            **{name: [handle, saved, "gone"] for name in ("selection", "queue", "base", "handle", "file")},
            "label": labels,
            "classes": labels,
            "suggested": labels,
            "pair": [",".join(labels[:2])],
            "sort": sorts,
            "g": [generation],
            "state": ["undecided", "accept", "disputed"],
            "verdicts": ["ood", "duplicate,hard"],
            "splits": ["train", "test"],
            "clusters": ["0", "-1", "0,1"],
            "score.ood": ["0.5..", "..0.5", "0.1..0.9"],
            "polygon": ["0,0,9,0,9,9", "0 0,9 0,9 9"],
            "strict": ["0.1"],
            "filter": ["", "verdicts=ood", f"selection={handle}", "strict=0.1&sort=-ood", "find=x&like=y"],
            "expect": [0, 1, 5, len(workspace.ids())],
            "name": ["verdict", "label", "ood", "a selection"],
            "since": ["0"],
            "decision_id": ["d1", "d2"],
            "batch_id": ["b1"],
            "undo_id": ["u1"],
        }

    def plausible(self, rnd: Random, name: str, value: Any) -> Any:
        """The value, or one that the workspace knows, or an odd one."""
        choice = rnd.randrange(10)
        if isinstance(value, list) and name in self.known:
            return [self.plausible(rnd, name, one) for one in value] or self.known[name][:1]
        if choice < 6 and name in self.known:
            return rnd.choice(self.known[name])
        if choice == 9:
            return rnd.choice(ODD)
        return value

    def enrich(self, rnd: Random, value: Any) -> Any:
        """An object of a body with plausible entries."""
        if isinstance(value, dict):
            return {k: self.plausible(rnd, k, self.enrich(rnd, v)) for k, v in value.items()}
        return [self.enrich(rnd, one) for one in value] if isinstance(value, list) else value

    def exporter(self, rnd: Random) -> tuple[str, bool, str]:
        """Who follows a link to an export, whether proven, and the key of a token."""
        actor = "ada" if rnd.random() < 0.9 else rnd.choice(ODD)
        return actor, rnd.random() < 0.5, "" if rnd.random() < 0.9 else "withdrawn"

    def new_export(self, rnd: Random) -> Any:
        """What a link to an export makes; None = nothing, it names one that is there."""
        query = rnd.choice([*self.known["filter"], *(f"find={_quoted(odd[:500])}" for odd in ODD)])
        options = {"include_excluded": rnd.random() < 0.5, "csv_plain": rnd.random() < 0.5}
        auto = {"auto": {"exclude": ["ood"], "noisy": rnd.choice(["keep", "relabel"]), "noisy_at": rnd.random()}}
        made = ("data", query, options | (auto if rnd.random() < 0.3 else {}))
        log = ("log", "", {"actor": rnd.choice(["ada", *ODD]), "action": rnd.choice(["exclude", "classes", *ODD])})
        return rnd.choice([None, made, log])

    def send(self, rnd: Random, case: schemathesis.Case) -> None:
        path = {k: str(v) for k, v in case.path_parameters.items()}
        if "ws" in path and rnd.random() < 0.97:
            path["ws"] = self.key
        signed: dict[str, str] = {}
        if case.operation.path in ("/api/thumb/{ws}/{id}", "/api/image/{ws}/{id}") and rnd.random() < 0.8:
            sample = rnd.choice([*self.known["id"], *ODD])
            path |= {"ws": self.key, "id": encode_id(sample)}
            link = media_links(self.server, self.key, self.known["g"][0], sample)[case.operation.path.split("/")[2]]
            signed = dict(pair.partition("=")[::2] for pair in link.partition("?")[2].split("&"))
        if case.operation.path == "/api/export/{ws}/{id}" and rnd.random() < 0.9:
            new = self.new_export(rnd)
            name = "table.csv" if new or rnd.random() < 0.3 else rnd.choice(["photos", "gone", "../workspace.json"])
            name = name if rnd.random() < 0.8 else rnd.choice(ODD)
            link = export_link(self.server, self.key, name, *self.exporter(rnd), new)
            path |= {"ws": self.key, "id": encode_id(name)}
            signed = dict(pair.partition("=")[::2] for pair in link.partition("?")[2].split("&"))
        path |= {k: str(self.plausible(rnd, k, v)) for k, v in path.items() if k == "name"}
        url = case.operation.path
        for name, value in path.items():
            url = url.replace(f"{{{name}}}", "".join(f"%{b:02X}" for b in value.encode("utf-8", "surrogatepass")))
        query = {k: self.plausible(rnd, k, v) for k, v in {**(case.query or {}), **signed}.items()}
        pairs = [(k, one) for k, v in query.items() for one in (v if isinstance(v, list) else [v])]
        headers = {"Origin": "http://testserver", "Authorization": f"Bearer {self.token}"}
        if rnd.random() < 0.05:
            headers["Authorization"] = f"Bearer {rnd.choice(['', 'x', 'x.y', '..', 'e30.AA', 'é.é'])}"
        content = None
        if case.method == "POST":
            headers["Content-Type"] = "application/json"
            body = case.body if isinstance(case.body, (dict, list, str, int, float, bool, type(None))) else {}
            if rnd.random() < 0.05:
                content = rnd.choice(RAW_BODIES)
            else:
                content = json.dumps(self.enrich(rnd, body)).encode()
        text = "&".join(f"{_quoted(k)}={_quoted(v)}" for k, v in pairs)
        raw_headers = [(k.encode(), v.encode()) for k, v in headers.items()]
        answer = self.client.request(case.method, f"{url}?{text}", headers=raw_headers, content=content)
        self.answers[answer.status_code] += 1
        self.exports[answer.status_code] += case.operation.path == "/api/export/{ws}/{id}"
        if wrong := unlike_the_description(answer, case.operation.definition.raw["responses"]):
            self.wrong.append(f"{wrong}: {case.method} {url}?{text[:300]} {(content or b'')[:300]!r}")


def unlike_the_description(answer: Any, described: dict[str, Any]) -> str:
    """What is wrong with an answer; "" = it is as described."""
    if str(answer.status_code) not in described:
        return f"status {answer.status_code}"
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if answer.status_code == 200:
        if kind not in described["200"]["content"]:
            return f"content of type {kind}"
        wanted = described["200"]["content"][kind].get("schema", {}).get("required", ())
        return f"no {missing}" if (missing := [name for name in wanted if name not in answer.json()]) else ""
    return "no sentence" if kind == "application/json" and not answer.json().get("error") else ""


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return "".join(f"%{b:02X}" for b in text.encode("utf-8", "surrogatepass"))


@pytest.fixture
def fuzzer(app_state: ServerState, workspace: Workspace) -> Iterator[Fuzzer]:
    hosts = Middleware(HostMiddleware, allowed=lambda: (app_state.hosts, app_state.any_address))
    app = Starlette(routes=build_routes(), middleware=[Middleware(SecurityHeadersMiddleware), hosts])
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Fuzzer(client, app_state, workspace)


def fuzz(fuzzer: Fuzzer, each: int) -> None:
    """``each`` requests to every route, half of them as described."""
    schema = schemathesis.openapi.from_dict(describe(build_routes()))
    for result in schema.get_all_operations():
        operation = result.ok()
        sound = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        unsound = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

        @settings(
            max_examples=each,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(seed=st.integers(0, 2**32), case=st.one_of(sound, unsound))
        def one(seed: int, case: schemathesis.Case) -> None:
            fuzzer.send(Random(seed), case)

        one()


def test_a_few_hundred_requests_without_a_problem_of_ours(fuzzer: Fuzzer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "winnow.app")
    fuzz(fuzzer, EACH_IN_SHORT)
    assert sum(fuzzer.answers.values()) >= EACH_IN_SHORT * len(OPERATIONS) * 0.8
    assert fuzzer.wrong == []
    assert not caplog.records
    assert fuzzer.answers[200] > 20, "the requests reach what the routes do"
    sound = fuzzer.client.get(export_link(fuzzer.server, fuzzer.key, "table.csv", "ada", False, ""))
    assert sound.status_code == 200, "and the exports that they ask for are there"
    assert sound.content == fuzzer.workspace.exports.place("table.csv").read_bytes()


@pytest.mark.attack
@pytest.mark.timeout(3600)
def test_ten_thousand_requests_without_a_problem_of_ours(
    fuzzer: Fuzzer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.ERROR, "winnow.app")
    fuzz(fuzzer, EACH_IN_ATTACK)
    with capsys.disabled():
        print(f"\n{sum(fuzzer.answers.values()):,} requests: {dict(sorted(fuzzer.answers.items()))}")
        print(f"of which for exports: {dict(sorted(fuzzer.exports.items()))}")
    assert sum(fuzzer.answers.values()) >= 10_000
    assert fuzzer.exports[200] > 50
    assert fuzzer.wrong == []
    assert not caplog.records
