"""Every write acts as the person who asks: each verb × each role, the list taken from the door itself."""

from __future__ import annotations

import inspect
import os
import uuid
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

import winnow.core
from tests.app.pages.test_pages import open_page
from tests.helpers.team import ROLES, allowed, files, give_roles
from winnow.app.server import state as states
from winnow.app.server.routes import build_routes
from winnow.app.server.security import mint_token
from winnow.core import Filter, ScanConfig, SubsetRequest, Workspace
from winnow.core.errors import NotAllowed, WinnowError
from winnow.core.storage import job_files
from winnow.core.subsets.selector import CurriculumConfig

READS = {
    "open": "opens, and looks",
    "groups": "`by` is a column",
    "export_job": "names the files of an export",
    "roles.of": "tells a role",
    "roles.may": "tells a right",
    "roles.require": "tells a right",
    "saved_selections.require": "tells a right",
    "decision_history.revertible": "finds what could be taken back",
    "HoldoutGuard.note": "counts a look within a measurement, which asks for the right",
    "decision_history.class_changes_of_others": "counts what others changed",
    "decision_history.last_was_undo": "looks at this person's last row",
}
"""What has an actor and writes nothing by itself."""

NO_DATA_OF_A_PERSON = {
    "exports.place": "names a file",
    "audit.answers_of": "reads a file",
}
"""What has a path and needs no actor."""


def new() -> str:
    return uuid.uuid4().hex[:8]


def subset(ws: Workspace) -> Any:
    return ws.subsets.choose(SubsetRequest(budget="20"))


def handle(ws: Workspace) -> str:
    return ws.saved_selections.save(new(), ["s001"], actor="olga").handle


def view(ws: Workspace) -> str:
    return ws.saved_views.save(new(), "gallery", "verdicts=ood", actor="olga").handle


def dispute(ws: Workspace) -> None:
    ws.decide("s005", "exclude", actor="olga")
    ws.decide("s005", "accept", actor="rita")


def new_class(ws: Workspace) -> str:
    ids = [i for i in ws.class_editor.members("digit 3") if i not in ("s001", "s005")][:1]
    name = f"class {new()}"
    ws.class_editor.split("digit 3", name, ids, actor="olga")
    return name


def labels(ws: Workspace) -> Path:
    path = out(ws, "csv")
    path.write_text("id,label,annotator\ns001,digit 2,eve\n", encoding="utf-8")
    return path


def undoable(ws: Workspace) -> str:
    return ws.class_editor.rename(new_class(ws), f"class {new()}", actor="olga").event_id


def patch(ws: Workspace) -> Path:
    out = ws.path.parent / f"{new()}.csv"
    ws.export(out, actor="olga")
    return next(out.parent.glob(f"{out.stem}*patch*"))


def exported(ws: Workspace) -> str:
    ws.exports.export(made := ws.exports.place(f"{new()}.csv"), actor="olga")
    return made.name


Act = Callable[[Workspace, str], Any]
Case = tuple[str, Callable[[Workspace], Any], Callable[[Workspace, str, Any], Any]]

VERBS: dict[str, Case] = {
    "decide": ("reviewer", lambda ws: None, lambda ws, who, _: ws.decide("s001", "accept", actor=who)),
    "decide_many": ("reviewer", lambda ws: None, lambda ws, who, _: ws.decide_many(["s001"], "accept", actor=who)),
    "edit_tags": ("reviewer", lambda ws: None, lambda ws, who, _: ws.edit_tags(["s001"], add=["x"], actor=who)),
    "record": (
        "reviewer",
        lambda ws: None,
        lambda ws, who, _: ws.record([{"sample_id": "s001", "action": "exclude"}], actor=who),
    ),
    "import_labels": ("reviewer", labels, lambda ws, who, path: ws.import_labels(path, actor=who)),
    "labeller.accept": ("reviewer", lambda ws: None, lambda ws, who, _: ws.labeller.accept(0.9, who)),
    "audit.draw": ("reviewer", lambda ws: None, lambda ws, who, _: ws.audit.draw(20, actor=who)),
    "class_editor.add": ("reviewer", lambda ws: None, lambda ws, who, _: ws.class_editor.add(f"x{new()}", actor=who)),
    "suggested_decisions.take": (
        "reviewer",
        lambda ws: ws.suggested_decisions.of(ws.ids())[:1],
        lambda ws, who, proposals: ws.suggested_decisions.take(proposals, who),
    ),
    "class_keys.save": ("reviewer", lambda ws: None, lambda ws, who, _: ws.class_keys.save(True, {}, actor=who)),
    "undo": ("reviewer", lambda ws: None, lambda ws, who, _: ws.undo(who)),
    "redo": ("reviewer", lambda ws: None, lambda ws, who, _: ws.redo(who)),
    "replay": ("reviewer", patch, lambda ws, who, file: ws.replay(file, actor=who)),
    "export": ("reviewer", lambda ws: out(ws, "csv"), lambda ws, who, path: ws.export(path, actor=who)),
    "write_log": ("reviewer", lambda ws: out(ws, "csv"), lambda ws, who, path: ws.write_log(path, by=who)),
    "write_scores": ("reviewer", lambda ws: out(ws, "parquet"), lambda ws, who, path: ws.write_scores(path, actor=who)),
    "backup": ("reviewer", lambda ws: out(ws, "db"), lambda ws, who, path: ws.backup(path, actor=who)),
    "scan": ("owner", lambda ws: None, lambda ws, who, _: Workspace.scan("nowhere", ws.path, actor=who)),
    "roles.set": ("owner", lambda ws: None, lambda ws, who, _: ws.roles.set("newcomer", "viewer", by=who)),
    "roles.set_default": ("owner", lambda ws: None, lambda ws, who, _: ws.roles.set_default("none", by=who)),
    "class_editor.merge": ("owner", new_class, lambda ws, who, c: ws.class_editor.merge(c, "digit 3", actor=who)),
    "class_editor.rename": ("owner", new_class, lambda ws, who, c: ws.class_editor.rename(c, f"x{new()}", actor=who)),
    "class_editor.delete": ("owner", new_class, lambda ws, who, c: ws.class_editor.delete(c, actor=who)),
    "class_editor.split": (
        "owner",
        lambda ws: ws.class_editor.members("digit 2")[:1],
        lambda ws, who, ids: ws.class_editor.split("digit 2", f"x{new()}", ids, actor=who),
    ),
    "class_editor.undo": ("owner", undoable, lambda ws, who, event: ws.class_editor.undo(event, who)),
    "annotators.settle": (
        "reviewer",
        dispute,
        lambda ws, who, _: ws.annotators.settle(["s005"], who, answer=("accept", None)),
    ),
    "decision_history.revert": (
        "reviewer",
        lambda ws: None,
        lambda ws, who, _: ws.decision_history.revert(["x"], actor=who),
    ),
    "saved_selections.save": (
        "reviewer",
        lambda ws: None,
        lambda ws, who, _: ws.saved_selections.save(new(), ["s001"], actor=who),
    ),
    "saved_selections.delete": ("reviewer", handle, lambda ws, who, h: ws.saved_selections.delete(h, who)),
    "saved_views.save": (
        "reviewer",
        lambda ws: None,
        lambda ws, who, _: ws.saved_views.save(new(), "gallery", "", actor=who),
    ),
    "saved_views.delete": ("reviewer", view, lambda ws, who, handle: ws.saved_views.delete(handle, who)),
    "subsets.save": ("reviewer", subset, lambda ws, who, choice: ws.subsets.save(choice, new(), who)),
    "subsets.write_curriculum": (
        "reviewer",
        lambda ws: out(ws, "parquet"),
        lambda ws, who, path: ws.subsets.write_curriculum(path, CurriculumConfig(), actor=who),
    ),
    "exports.export": ("reviewer", lambda ws: out(ws, "csv"), lambda ws, who, path: ws.exports.export(path, actor=who)),
    "exports.datasheet": (
        "reviewer",
        lambda ws: out(ws, "md"),
        lambda ws, who, path: ws.exports.datasheet(path, actor=who),
    ),
    "exports.download": ("reviewer", exported, lambda ws, who, name: ws.exports.download(name, actor=who)),
    "zero_shot.write": ("owner", lambda ws: None, lambda ws, who, _: ws.zero_shot.write(negatives=["x"], actor=who)),
    "start_payoff": ("reviewer", subset, lambda ws, who, choice: winnow.core.start_payoff(ws.path, choice, who)),
    "start_comparison": (
        "reviewer",
        lambda ws: None,
        lambda ws, who, _: winnow.core.start_comparison(ws.path, new(), SubsetRequest(), who),
    ),
    "cancel_payoff": ("reviewer", lambda ws: None, lambda ws, who, _: winnow.core.cancel_payoff(ws.path, "x", who)),
    "start_export": (
        "reviewer",
        lambda ws: out(ws, "csv"),
        lambda ws, who, path: winnow.core.start_export(ws.path, who, path),
    ),
    "start_scan": (
        "owner",
        lambda ws: None,
        lambda ws, who, _: winnow.core.start_scan(ScanConfig.of("nowhere"), ws.path, who),
    ),
    "cancel_scan": ("owner", lambda ws: None, lambda ws, who, _: winnow.core.cancel_scan(ws.path, who)),
}
"""Verb → the least role, what is made ready for it (by the owner), and the verb itself."""


def out(ws: Workspace, suffix: str) -> Path:
    return ws.path.parent / f"{new()}.{suffix}"


def names_of(function: Any) -> set[str]:
    try:
        return set(inspect.signature(getattr(function, "__func__", function)).parameters)
    except (TypeError, ValueError):
        return set()


def verbs_of_the_door(ws: Workspace) -> Iterator[tuple[str, set[str]]]:
    """Every public method of the workspace and of its parts, and every public function, with its parameters."""
    for name, member in inspect.getmembers_static(Workspace):
        if name.startswith("_"):
            continue
        if isinstance(member, cached_property):
            part = type(getattr(ws, name))
            for method, function in inspect.getmembers_static(part):
                if not method.startswith("_") and names_of(function):
                    yield f"{name}.{method}", names_of(function)
        elif names_of(member):
            yield name, names_of(member)
    for name in dir(winnow.core):
        thing = getattr(winnow.core, name)
        if inspect.isfunction(thing):
            yield name, names_of(thing)


@pytest.fixture
def team(tiny_ws: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(job_files.subprocess, "Popen", lambda *a, **k: type("P", (), {"pid": 1})())
    with Workspace.open(tiny_ws, actor="olga") as ws:
        give_roles(ws)
        yield ws


def test_no_verb_that_writes_is_missing_here(team: Workspace) -> None:
    asks = {name for name, parameters in verbs_of_the_door(team) if parameters & {"actor", "by"}}
    assert asks - READS.keys() - VERBS.keys() == set(), "say here what these need, or that they only read"
    writes = {n for n, parameters in verbs_of_the_door(team) if n[0].islower() and "path" in parameters}
    writes = {n for n in writes if "." in n or hasattr(Workspace, n)} - {"open"}
    assert writes - asks - NO_DATA_OF_A_PERSON.keys() == set(), "a verb that writes a file names who asks"


def outcome(act: Callable[[], Any]) -> str:
    try:
        act()
    except NotAllowed:
        return "refused"
    except WinnowError as error:
        # a scan is let in, and told that there is no such source; tags, that there are none here
        if "nowhere" not in str(error) and "no tags" not in str(error):
            raise
    return "done"


def test_every_verb_asks_for_the_role_of_the_person(team: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    table = {}
    for verb, (_, prepare, act) in VERBS.items():
        for who, role in ROLES.items():
            ready = prepare(team)
            before = files(team.path.parent), team.history()
            table[verb, role] = outcome(lambda act=act, who=who, ready=ready: act(team, who, ready))
            if table[verb, role] == "refused":
                assert (files(team.path.parent), team.history()) == before, f"{verb} wrote for {role}"
    wanted = {
        (verb, role): "done" if allowed(least, role) else "refused"
        for verb, (least, _, _) in VERBS.items()
        for role in ROLES.values()
    }
    with capsys.disabled():
        print(f"\n{'verb':<28}" + "".join(f"{role:>10}" for role in ROLES.values()))
        for verb in VERBS:
            print(f"{verb:<28}" + "".join(f"{table[verb, role]:>10}" for role in ROLES.values()))
    assert table == wanted


# -- through the routes -----------------------------------------------------------------------------------------------

ROUTES: dict[str, Callable[[Workspace], dict[str, Any]]] = {
    "decisions/{ws}": lambda ws: {"decisions": [{"sample_id": "s001", "action": "accept", "decision_id": new() * 4}]},
    "bulk/{ws}": lambda ws: {"action": "accept", "target": {"ids": ["s002"]}, "expect": 1},
    "undo/{ws}": lambda ws: {},
    "redo/{ws}": lambda ws: {},
    "propagate/{ws}": lambda ws: {"threshold": 0.9, "expect": ws.labeller.estimate(0.9).count},
    "label-group/{ws}": lambda ws: {
        "label": f"x{new()}",
        "filter": "clusters=0",
        "expect": len(ws.labeller.alike(ws.ids(Filter(clusters=(0,))))[0]),
    },
    "classes/{ws}": lambda ws: {"names": [f"x{new()}"]},
    "selections/{ws}/save": lambda ws: {"name": new(), "selection": handle(ws)},
    "selections/{ws}/delete": lambda ws: {"handle": handle(ws)},
}
READING_POSTS = {"suggested/{ws}", "bring/{ws}", "inside/{ws}", "sprite/{ws}"}


@pytest.fixture
def http(team: Workspace, tmp_path: Path) -> Iterator[TestClient]:
    made = states.configure(
        states.ServerState(
            secret=b"0" * 32,
            actor="olga",
            hosts=frozenset(["testserver"]),
            opener=lambda path, actor: team,
            directory=tmp_path / "state",
        )
    )
    made.add(team.path)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield TestClient(Starlette(routes=build_routes()))
    st.cache_data.clear()
    st.cache_resource.clear()


def test_every_route_that_writes_asks_for_the_role_of_the_person(team: Workspace, http: TestClient) -> None:
    posts = {r.path.removeprefix("/api/") for r in build_routes() if "POST" in (r.methods or ())}
    assert posts == ROUTES.keys() | READING_POSTS
    key = str(states.server_state().first)
    table = {}
    for route, body in ROUTES.items():
        for who, role in ROLES.items():
            sent = body(team)
            before = files(team.path), team.history()
            token = mint_token(b"0" * 32, key, who)
            answer = http.post(
                f"/api/{route.format(ws=key)}",
                json=sent,
                headers={"Authorization": f"Bearer {token}", "Origin": "http://testserver"},
            )
            table[route, role] = "refused" if answer.status_code == 403 else "let in"
            assert answer.status_code < 500, answer.text
            if answer.status_code == 403:
                assert (files(team.path), team.history()) == before
    wanted = {
        (r, role): "refused" if role in ("viewer", "none") else "let in" for r in ROUTES for role in ROLES.values()
    }
    assert table == wanted


# -- through the page -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["olga", "vera"])
def test_a_visit_of_select_writes_nothing_and_starts_nothing(
    team: Workspace, http: TestClient, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    states.server_state().actor = who
    begun: list[Any] = []
    handlers: dict[str, Any] = {}
    monkeypatch.setattr("winnow.app.pages.select.SETTLED_S", -1.0, raising=False)
    monkeypatch.setattr("winnow.app.pages.select.start_payoff", lambda *a, **k: begun.append(a))
    from winnow.app.pages import select

    live = select.live

    def watched(html: str, key: str, handler: Any = None, **more: Any) -> None:
        handlers[key] = handler, html
        live(html, key, handler, **more)

    monkeypatch.setattr(select, "live", watched)
    before = files(team.path)
    at = open_page("select")
    at.run()
    assert not at.exception
    assert files(team.path) == before
    assert not (team.path / "payoff").exists()
    assert not begun, "only a person starts it"
    handler, html = handlers["w-select-payoff"]
    assert ("payoff-start" in html) == (who == "olga")
    handler({"do": "payoff-start"})
    assert [call[2] for call in begun] == [who], "the engine is asked in the name of the person"
    assert at.button(key="w-keep-save").disabled == (who == "vera")


def test_select_says_in_words_that_it_cannot_measure(
    team: Workspace, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from winnow.app.pages import select
    from winnow.core.errors import ReadOnly

    def refuse(*_: Any) -> None:
        raise ReadOnly("This workspace can be looked at, not changed.")

    handlers: dict[str, Any] = {}
    monkeypatch.setattr(select, "start_payoff", refuse)
    monkeypatch.setattr(select, "start_comparison", refuse)
    live = select.live

    def watched(html: str, key: str, handler: Any = None, **more: Any) -> None:
        handlers[key] = handler
        live(html, key, handler, **more)

    monkeypatch.setattr(select, "live", watched)
    notices: list[str] = []
    monkeypatch.setattr(select, "say", notices.append)
    assert not open_page("select").exception
    handlers["w-select-payoff"]({"do": "payoff-start"})
    handlers["w-select-compare"]({"do": "compare-start"})
    assert notices == ["This workspace can be looked at, not changed."] * 2
    assert not os.path.exists(team.path / "payoff")
