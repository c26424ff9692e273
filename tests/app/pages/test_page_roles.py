"""What a page writes, it writes as the person who asks; a visit writes nothing. The code itself tells the calls."""

from __future__ import annotations

import ast
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest
import streamlit

import winnow.app
from tests.app.pages.test_pages import open_page
from tests.helpers.team import ROLES, allowed, files, give_roles
from tests.unit.review.test_writing_verbs import VERBS
from winnow.app.components import audit_card, js_mount, progress
from winnow.app.components.page_frame import Page
from winnow.app.components.sidebar import PAGES
from winnow.app.pages import class_dialogs, classes, duplicates, export, history, people, select, word_dialog
from winnow.app.server import state as states
from winnow.app.session import scans, state, views
from winnow.core import Filter, ScanConfig, SubsetRequest, Workspace
from winnow.core.errors import NotAllowed, WinnowError
from winnow.core.storage import job_files

Site = tuple[str, str, str]
"""A call that writes: file, function of the module, verb."""

APP = Path(winnow.app.__file__).resolve().parent
PARTS = {n for n, member in vars(Workspace).items() if isinstance(member, cached_property)} | {"editor", "workspace"}
FUNCTIONS = {verb for verb in VERBS if "." not in verb and not hasattr(Workspace, verb)}

WRITES_NOTHING = {
    "Page",
    "Session",
    "actors",
    "admit",
    "export_job",
    "export_link",
    "class_changes_of_others",
    "head",
    "last_was_undo",
    "may",
    "may_scan",
    "of",
    "opener",
    "pace",
    "require_scan",
    "revertible",
    "roles.may",
    "seconds_per_decision",
}
"""What takes a person and writes nothing."""

PASSED_ON = {"again", "begin", "_working", "get", "fromkeys", "text_input", "restrict_to_role", "render"}
"""Functions of the app, or of Python, to which a person's name is passed; the calls in them count."""


def _receiver(call: ast.Call) -> str:
    """The last name before the method: "exports" in ``page.workspace.exports.export(…)``."""
    of = call.func.value if isinstance(call.func, ast.Attribute) else None
    of = of.func if isinstance(of, ast.Call) else of
    return of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else ""


def calls_of(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a file with the function of the module in which it stands."""
    for function in ast.parse(path.read_text(encoding="utf-8")).body:
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                yield getattr(function, "name", ""), node


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def verb_of(call: ast.Call) -> str | None:
    """The verb of the door that a call is; None where it is none that writes."""
    name = name_of(call)
    if not isinstance(call.func, ast.Attribute):
        return name if name in FUNCTIONS else None
    of = {"editor": "class_editor", "workspace": ""}.get(_receiver(call), _receiver(call))
    verb = f"{of}.{name}" if of else name
    return verb if verb in VERBS and _receiver(call) in PARTS else None


def pages() -> list[Path]:
    return [p for room in ("pages", "components", "session") for p in sorted((APP / room).glob("*.py"))]


def sites() -> set[Site]:
    """Every call in the pages that writes."""
    return {(p.stem, where, verb) for p in pages() for where, call in calls_of(p) if (verb := verb_of(call))}


# -- what a person does on a page ------------------------------------------------------------------------------------


class Rerun(Exception):
    """The page is drawn again: what was asked for is done."""


class Widgets:
    """Stands in for Streamlit: every button is pressed, also a disabled one, as a browser under attack would do."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.downloads, self.session_state = answers, [], {}  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *a, **k: nullcontext(self)

    def __enter__(self) -> Widgets:
        return self

    def __exit__(self, *_: object) -> None: ...

    def rerun(self, **_: Any) -> None:
        raise Rerun

    def sensitivity(self, *_: Any) -> tuple[list[Any], list[Any]]:
        return [], []

    def columns(self, spec: Any, **_: Any) -> list[Widgets]:
        return [self] * (spec if isinstance(spec, int) else len(spec))

    def button(self, *_: Any, **__: Any) -> bool:
        return True

    def toggle(self, label: str, **_: Any) -> bool:
        return label == "Show the datasheet"

    def checkbox(self, *_: Any, **__: Any) -> bool:
        return True

    def selectbox(self, label: str, options: Any, index: int | None = 0, **_: Any) -> Any:
        return self.answers.get(label) or list(options)[index or 0]

    def text_input(self, label: str, value: str = "", **_: Any) -> str:
        return str(self.answers.get(label, value))

    text_area = text_input

    def download_button(self, label: str, data: Any = None, *_: Any, **__: Any) -> bool:
        self.downloads.append(data)
        return False

    link_button = download_button


@dataclass
class Visit:
    """One person on one page."""

    person: str
    page: Page
    workspace: Workspace
    monkeypatch: pytest.MonkeyPatch
    handlers: list[Any] = field(default_factory=list)

    def widgets(self, module: Any, **answers: Any) -> Widgets:
        """Replace Streamlit in a module, and note the handlers of what is drawn."""
        made = Widgets(**answers)
        self.monkeypatch.setattr(module, "st", made)
        for name in ("live", "draw_body"):
            if hasattr(module, name):
                self.monkeypatch.setattr(module, name, self._drawn)
        if hasattr(module, "page_frame"):
            self.monkeypatch.setattr(module, "page_frame", lambda *a: self.page)
        return made

    def _drawn(self, *given: Any, **_: Any) -> None:
        if callable(given[-1]):
            self.handlers.append(given[-1])

    def click(self, **value: Any) -> None:
        """Send what a click sends to every handler that was drawn."""
        for handler in self.handlers:
            handler(value)


def new() -> str:
    return uuid.uuid4().hex[:8]


def _dialog(v: Visit, name: str, **answers: Any) -> None:
    v.widgets(class_dialogs, **answers)
    v.monkeypatch.setattr(class_dialogs, "notice", _refusal)
    class_dialogs.__dict__[f"_{name}"](v.page, fresh_class(v.workspace))


def fresh_class(ws: Workspace) -> str:
    ids = ws.class_editor.members("digit 3")[-1:]
    name = f"class {new()}"
    ws.class_editor.split("digit 3", name, ids, actor="olga")
    return name


def _split(v: Visit) -> None:
    part = next(iter(class_dialogs.parts_of(v.page, "digit 2")))
    v.widgets(class_dialogs, **{"Part of digit 2": part, "Name of the new class": f"class {new()}"})
    v.monkeypatch.setattr(class_dialogs, "notice", _refusal)
    class_dialogs._split(v.page, "digit 2")


def _class_undo(v: Visit, module: Any) -> None:
    event = v.workspace.class_editor.rename(fresh_class(v.workspace), f"class {new()}", actor="olga").event_id
    v.widgets(module)
    module.draw()
    v.click(do="class-undo", event=event)


def _own(v: Visit, *ids: str) -> None:
    """Decisions of this person, made while they might decide."""
    before = v.workspace.roles.table().people.get(v.person, "none")
    v.workspace.roles.set(v.person, "owner", by="olga")
    for i in ids:
        v.workspace.decide(i, "accept", actor=v.person)
    if before != "owner":
        v.workspace.roles.set(v.person, str(before), by="olga")


def _undone(v: Visit) -> None:
    """What this person decided is undone, made while they might decide."""
    before = v.workspace.roles.table().people.get(v.person, "none")
    v.workspace.roles.set(v.person, "owner", by="olga")
    v.workspace.undo(v.person)
    if before != "owner":
        v.workspace.roles.set(v.person, str(before), by="olga")


def _history(v: Visit, **value: Any) -> None:
    _own(v, "s020", "s021")
    v.widgets(history)
    history.draw()
    if value["do"] == "revert":
        value["picked"] = [f"one:{d.decision_id}" for d in v.workspace.history(actor=v.person, limit=1)]
    if value["do"] == "redo":
        _undone(v)
    if value["do"] == "revert-all":
        value["expect"] = len(history.undoable(v.page, {}))
    v.click(**value)


def _settle(v: Visit, **value: Any) -> None:
    v.workspace.decide("s030", "exclude", actor="olga")
    v.workspace.decide("s030", "accept", actor="rita")
    v.workspace.decide("s030", "exclude", actor="olga")
    expect = sum(d.consensus is not None for d in v.workspace.annotators.report().disputes)
    people.handle(v.page, {**value, "expect": expect, "sample": "s030"})


def _select(v: Visit, part: str, **value: Any) -> None:
    v.widgets(select)
    if part == "payoff":
        choice = v.workspace.subsets.choose(SubsetRequest(budget="20", seed=int(new(), 16) % 1000))
        select._payoff(v.page, choice, None, None)
    else:
        select._comparison(v.page, SubsetRequest(seed=int(new(), 16) % 1000), None, None)
    v.click(**value)


def _save(v: Visit) -> None:
    v.widgets(select)
    v.monkeypatch.setattr(select, "notice", _refusal)
    select._save(v.page, v.workspace.subsets.choose(SubsetRequest(budget="20")), new())


def _export(v: Visit) -> Widgets:
    made = v.widgets(export, **{"Write to": str(v.workspace.path.parent / f"{new()}.parquet")})
    v.monkeypatch.setattr(export, "_working", lambda *a: None)
    if not export._form(v.page) and not made.downloads:
        raise NotAllowed(_FORM_REFUSED)
    return made


_FORM_REFUSED = "the form is not drawn: An owner changes that with"


def _datasheet(v: Visit) -> None:
    made = v.widgets(export)
    export._sheet_files(v.page, {})
    made.downloads[0]()


def _cancel_scan(v: Visit) -> None:
    v.widgets(progress)
    v.monkeypatch.setattr(progress, "session", state.session)
    v.monkeypatch.setattr(progress, "scan_status", lambda path: {"state": "running", "stage": "embed"})
    progress.job_panel.__wrapped__(v.workspace.path, v.page.key, compact=True)
    v.click(do="cancel")


def _words(v: Visit, draw: Callable[[Page], None], **answers: Any) -> None:
    v.widgets(word_dialog, **answers)
    v.monkeypatch.setattr(word_dialog, "cache", Widgets())
    draw(v.page)


def _begin(v: Visit) -> None:
    config = ScanConfig.of(v.workspace.path.parent / "nowhere.csv")
    scans.begin(states.server_state(), config, v.workspace.path, v.person, False)


def _class_keys(v: Visit) -> None:
    js_mount._keep_class_keys(state.session(), {"fixed": True, "keys": {"digit 3": "q"}})


CASES: dict[Site, Callable[[Visit], Any]] = {
    ("audit_card", "handle_audit", "audit.draw"): lambda v: audit_card.handle_audit(
        v.page, {"do": "audit-draw", "size": 100}
    ),
    ("class_dialogs", "_merge", "class_editor.merge"): lambda v: _dialog(v, "merge"),
    ("class_dialogs", "_rename", "class_editor.rename"): lambda v: _rename(v),
    ("class_dialogs", "_split", "class_editor.split"): _split,
    ("class_dialogs", "_delete", "class_editor.delete"): lambda v: _dialog(v, "delete"),
    ("classes", "draw", "class_editor.undo"): lambda v: _class_undo(v, classes),
    ("history", "draw", "class_editor.undo"): lambda v: _class_undo(v, history),
    ("duplicates", "decide", "undo"): lambda v: (_own(v, "s020"), duplicates.decide(v.page, {"do": "undo"})),
    ("duplicates", "_keep_one", "record"): lambda v: duplicates._keep_one(v.page, ["s010", "s180"], "s010"),
    ("duplicates", "_decide", "decide_many"): lambda v: duplicates._decide(v.page, ["s180"], "exclude"),
    ("js_mount", "_keep_class_keys", "class_keys.save"): _class_keys,
    ("export", "_form", "start_export"): _export,
    ("export", "_sheet_files", "exports.datasheet"): _datasheet,
    ("history", "undo", "undo"): partial(_history, do="undo"),
    ("history", "redo", "redo"): partial(_history, do="redo"),
    ("history", "undo_picked", "decision_history.revert"): partial(_history, do="revert"),
    ("history", "undo_all", "decision_history.revert"): partial(_history, do="revert-all"),
    ("people", "handle", "annotators.settle"): partial(_settle, do="settle-all"),
    ("select", "_comparison", "start_comparison"): partial(_select, part="comparison", do="compare-start"),
    ("select", "_comparison", "cancel_payoff"): partial(_select, part="comparison", do="compare-cancel"),
    ("select", "_payoff", "start_payoff"): partial(_select, part="payoff", do="payoff-start"),
    ("select", "_payoff", "cancel_payoff"): partial(_select, part="payoff", do="payoff-cancel"),
    ("select", "_save", "subsets.save"): _save,
    ("word_dialog", "_prompts", "zero_shot.write"): lambda v: _words(v, word_dialog._prompts),
    ("word_dialog", "_negatives", "zero_shot.write"): lambda v: _words(v, word_dialog._negatives),
    ("views", "save", "saved_views.save"): lambda v: views.save(new(), "/gallery?verdicts=ood&sort=-ood"),
    ("views", "delete", "saved_views.delete"): lambda v: views.delete(saved_view(v.workspace)),
    ("progress", "job_panel", "cancel_scan"): _cancel_scan,
    ("scans", "begin", "start_scan"): _begin,
    ("scans", "again", "start_scan"): lambda v: scans.again(states.server_state(), v.page.key, v.person, False),
}
"""Call → what a person does that leads to it."""


def saved_view(ws: Workspace) -> str:
    return ws.saved_views.save(new(), "gallery", "", actor="olga").handle


def _rename(v: Visit) -> None:
    name = fresh_class(v.workspace)
    v.widgets(class_dialogs, **{f"New name of {name}": f"class {new()}"})
    v.monkeypatch.setattr(class_dialogs, "notice", _refusal)
    class_dialogs._rename(v.page, name)


def _refusal(text: str, tone: str = "") -> str:
    """Stands in for a notice in a page: a refusal is raised, to be seen."""
    if tone == "bad":
        raise NotAllowed(text)
    return text


# -- the tests ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def team(tiny_ws: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    started: list[Any] = []
    monkeypatch.setattr(job_files.subprocess, "Popen", lambda *a, **k: started.append(a) or type("P", (), {"pid": 1})())
    with Workspace.open(tiny_ws, actor="the server") as ws:
        monkeypatch.setattr(ws, "started", started, raising=False)
        ws.roles.set("olga", "owner", by="olga")
        give_roles(ws)
        made = states.ServerState(
            secret=b"0" * 32, actor="the server", opener=lambda path, actor: ws, directory=tmp_path / "state"
        )
        states.configure(made).add(tiny_ws)
        streamlit.cache_data.clear()
        streamlit.cache_resource.clear()
        yield ws
        streamlit.cache_data.clear()
        streamlit.cache_resource.clear()


def test_every_call_that_writes_has_a_case() -> None:
    assert sites() == CASES.keys()


def test_a_person_is_passed_to_nothing_else() -> None:
    """An alias of a part of the workspace would hide a verb from the search above; whoever is passed would not."""
    for path in pages():
        for where, call in calls_of(path):
            given = [ast.unparse(a) for a in (*call.args, *(k.value for k in call.keywords))]
            if any(text.endswith((".actor", "session().actor")) and " " not in text for text in given):
                known = {name_of(call)} & (
                    WRITES_NOTHING | PASSED_ON | {"mint_token", "export_link", "set_actor", "remember"}
                )
                assert verb_of(call) or known, f"{path.name}, {where}: {ast.unparse(call)[:120]}"


def state_of(ws: Workspace) -> tuple[Any, ...]:
    return files(ws.path), ws.history(limit=10**6), ws.class_editor.events(), len(ws.started)  # type: ignore[attr-defined]


def outcome(act: Callable[[Visit], Any], visit: Visit, session: state.Session) -> str:
    session.notice = None
    try:
        act(visit)
    except Rerun:
        return "done"
    except NotAllowed as error:
        session.notice = str(error)
    except WinnowError as error:
        return f"failed: {error}"
    return "refused" if "An owner changes that with" in (session.notice or "") else "done"


def test_every_action_of_a_page_asks_for_the_role_of_the_person(
    team: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = str(states.server_state().first)
    table = {}
    for site, act in CASES.items():
        for person, role in ROLES.items():
            session = state.Session(key=key, actor=person)
            page = Page("x", key, team, team.info(), Filter(), team.counts(), "", person)
            with monkeypatch.context() as patched:
                patched.setattr(state, "session", lambda session=session: session)
                visit = Visit(person, page, team, patched)
                before, by_server = state_of(team), len(team.history(actor="the server"))
                table[site, role] = outcome(act, visit, session)
                if table[site, role] == "refused" and site[1] not in PREPARES:
                    assert state_of(team) == before, f"{site} wrote for {role}"
            assert len(team.history(actor="the server")) == by_server, "nothing is done in the server's name"
    with capsys.disabled():
        print(f"\n{'action of a page':<58}" + "".join(f"{role:>10}" for role in ROLES.values()))
        for site in CASES:
            print(f"{' '.join(site):<58}" + "".join(f"{table[site, role]:>10}" for role in ROLES.values()))
    assert table == {
        (site, role): "done" if allowed(VERBS[site[2]][0], role) else "refused"
        for site in CASES
        for role in ROLES.values()
    }


PREPARES = {
    "delete",
    "_merge",
    "_rename",
    "_delete",
    "_split",
    "draw",
    "decide",
    "undo",
    "redo",
    "undo_picked",
    "undo_all",
    "handle",
}
"""Functions whose case makes something ready in the log first; what they write is told by their outcome."""


def test_a_visit_of_any_page_by_anybody_writes_nothing(team: Workspace) -> None:
    for person in ROLES:
        states.server_state().actor = person
        for name in PAGES:
            before = state_of(team)
            open_page(name)
            assert state_of(team) == before, f"a visit of {name} by {person}"
