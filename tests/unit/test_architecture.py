"""The rooms of the engine: imports go down the list of rooms or stay inside one, and never in a circle.

import-linter holds the layers; here the same graph (imports inside functions and for type checking included) is
searched for circles, and the app is held to the one door.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("storage", "data", "features", "detection", "explore", "review", "pipeline", "subsets", "export", "cli")
LAYERS = (
    ("cli",),
    ("workspace",),
    ("export",),
    ("subsets",),
    ("pipeline",),
    ("review",),
    ("explore",),
    ("features", "detection"),
    ("data",),
    ("storage",),
    ("registry", "fingerprint", "parallel"),
    ("errors", "types", "version"),
)
"""From the top; the rooms of one layer do not know each other."""


def modules(root: Path, base: str) -> dict[str, Path]:
    """Every module below ``root/base`` by its name, without the ``winnow.`` in front."""
    found = {}
    for path in sorted((root / base).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of ``known`` that a module imports anywhere: at its top, in a function, or for type checking."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("winnow.") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])]).removeprefix("winnow.")
            for alias in node.names:
                found.add(f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base)
    return (found & known.keys()) - {name}


def graph(root: Path, *bases: str) -> dict[str, set[str]]:
    """Module → the modules it imports."""
    known = {name: path for base in bases for name, path in modules(root, base).items()}
    return {name: imports(name, path, known) for name, path in known.items()}


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, [] = there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def upward(edges: dict[str, set[str]]) -> list[str]:
    """Imports of core that go up, or across between two rooms of one layer."""
    level = {room: i for i, layer in enumerate(LAYERS) for room in layer}
    wrong = []
    for name, targets in edges.items():
        for target in targets:
            mine, theirs = (m.split(".")[1] if "." in m else "" for m in (name, target))
            if not mine or mine == theirs:
                continue
            if not theirs or level[theirs] <= level[mine]:
                wrong.append(f"{name} → {target}")
    return sorted(wrong)


def test_no_module_imports_itself_by_a_detour() -> None:
    assert circle(graph(ROOT, "core", "app")) == []


def test_imports_of_the_engine_go_down() -> None:
    assert upward(graph(ROOT, "core")) == []


def test_the_app_knows_the_door_and_the_types_only() -> None:
    edges = graph(ROOT, "core", "app")
    through = {t for name, targets in edges.items() if name.startswith("app") for t in targets if t.startswith("core")}
    assert through <= {"core", "core.types"}


def test_the_checks_see_a_circle_and_an_upward_import(tmp_path: Path) -> None:
    for room in ("storage", "data"):
        (tmp_path / "core" / room).mkdir(parents=True)
    (tmp_path / "core/data/rows.py").write_text("from ..storage import files\n")
    (tmp_path / "core/storage/files.py").write_text("def late():\n    from ..data import rows\n")
    edges = graph(tmp_path, "core")
    assert set(circle(edges)) == {"core.data.rows", "core.storage.files"}
    assert upward(edges) == ["core.storage.files → core.data.rows"]


def test_the_first_look_at_the_folders_shows_the_rooms() -> None:
    packages = sorted(p.name for p in (ROOT / "core").iterdir() if (p / "__init__.py").exists())
    assert packages == sorted(ROOMS)
    assert len(list((ROOT / "core").glob("*.py"))) <= 8
    assert len(list((ROOT / "app").glob("*.py"))) <= 8


@pytest.mark.parametrize("path", sorted((ROOT / "core").rglob("__init__.py")), ids=str)
def test_each_room_says_what_comes_in_and_what_goes_out(path: Path) -> None:
    if path == ROOT / "core" / "__init__.py":
        return
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert "In: " in said, f"{path.parent.name} does not say what comes in"
    assert "Out: " in said, f"{path.parent.name} does not say what goes out"
