"""The words that a person reads: the field's terms, and none of the phrases that they replaced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

OLD = {
    r"\bAccept(s|ed|ing)?\b(?!-Encoding)(?!.*propagated label)": "Keep label",
    r"how strict": "Max. false-discovery rate",
    r"\bneeds? a look\b|\bsuspects?\b": "flagged",
    r"\b30 clicks\b|\bhave \{?CLICKS\}? clicks\b": "Top 30",
    r"\bin doubt\b": "Uncertain",
    r"\bmix-?ups?\b|\bmixed[ -]up\b": "confusion",
    r"\bnever believed\b|\blikelier\b": "out-of-sample p(…)",
    r"\.\d×\)|× =|\bninth decile's\b": "a percentile per signal",
    r"\blikeness(es)?\b": "similarity",
    r"\bof equal size\b": "effective number of classes",
    r"\bgiv(e|es|ing|eaway)s? the label away\b|\bgiveaways?\b": "spurious correlations",
    r"\btroubled\b": "under-performing slices",
    r"\bwithout a place\b": "not embedded",
    r"\b(was|were) brought\b|\bbrought (probabilities|embeddings)\b": "precomputed",
    r"\bwrite it\b(?! as)": "Export",
    r"\btak(e|es|en|ing) (\w+ )?out\b": "Subtract, remove",
    r"\b(take|takes|took|taken|taking) ((it|all|one|\w+ all) )?(all )?back\b|\btaking back\b": "Revert, undo",
    r"\blooking anew\b|\bweighing\b|\bsumming up\b": "Augmented views, Computing verdicts, Summary",
    r"\bon screen\b": "You already decided this in another tab",
    r"\b1 (samples|decisions|copies|classes|rows|files|texts|images)\b": "a singular",
    r"\blook(s|ed)? wrong\b|\bexclude what\b": "noisy label; exclude …",
    r"^(What|Which|Where|Who|How|Are) .*\?$": "a page is called by its name",
}
"""A phrase → what stands in its place."""


def python_texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.lineno, node.value


COMMAND_HELP = re.compile(r"^core/cli/(?!worker)")


def command_texts(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings of commands, which ``--help`` prints."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.decorator_list and (text := ast.get_docstring(node)):
            yield node.lineno, text


def template_texts(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a template without its comments."""
    text = re.sub(r"\{#.*?#\}", lambda m: "\n" * m[0].count("\n"), path.read_text(encoding="utf-8"), flags=re.DOTALL)
    yield from enumerate(text.splitlines(), 1)


def script_texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a JavaScript module."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for number, line in enumerate(text.splitlines(), 1):
        for match in re.finditer(r'"(?:[^"\\]|\\.)*"|`[^`]*`', re.sub(r"(?<!:)//.*", "", line)):
            yield number, match[0][1:-1]


def user_texts() -> Iterator[tuple[str, int, str]]:
    """(file, line, text) of everything that a person may read."""
    for path in sorted([*ROOT.glob("app/**/*.py"), *ROOT.glob("core/**/*.py")]):
        name = path.relative_to(ROOT).as_posix()
        yield from ((name, line, text) for line, text in python_texts(path))
        if COMMAND_HELP.match(name):
            yield from ((name, line, text) for line, text in command_texts(path))
    for pattern, read in (("app/**/*.html", template_texts), ("app/frontend/**/*.js", script_texts)):
        for path in sorted(ROOT.glob(pattern)):
            if "vendor" not in path.parts:
                yield from ((path.relative_to(ROOT).as_posix(), line, text) for line, text in read(path))
    for path in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")]):
        lines = path.read_text(encoding="utf-8").splitlines()
        yield from ((path.relative_to(ROOT).as_posix(), line, text) for line, text in enumerate(lines, 1))


TEXTS = list(user_texts())


def test_texts_of_all_sources_are_read() -> None:
    files = {name for name, _, _ in TEXTS}
    assert {"README.md", "docs/glossary.md", "app/frontend/map/map.js", "core/cli/log.py"} <= files
    assert "app/components/templates/queues.html" in files


@pytest.mark.parametrize("pattern", OLD, ids=OLD.values())
def test_no_replaced_phrase_is_shown(pattern: str) -> None:
    phrase = re.compile(pattern, re.IGNORECASE if pattern != next(iter(OLD)) else 0)
    found = [f"{name}:{line}: {text.strip()[:120]}" for name, line, text in TEXTS if phrase.search(text)]
    assert not found, f"say {OLD[pattern]!r}:\n" + "\n".join(found)


NOUNS = (
    "samples|rows|decisions|copies|classes|images|files|texts|groups|bytes|labels|columns|subsets|slices|steps|points"
)
COUNTED = re.compile(rf"^ (?:{NOUNS})\b")


def test_a_count_with_its_noun_is_written_by_plural() -> None:
    """So that no sentence says "1 samples"."""
    found = []
    for path in sorted([*ROOT.glob("app/**/*.py"), *ROOT.glob("core/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else []
            for number, noun in pairwise(parts):
                grouped = isinstance(number, ast.FormattedValue) and ast.unparse(number).endswith(":,}'")
                if grouped and isinstance(noun, ast.Constant) and COUNTED.match(str(noun.value)):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:100]}")
    patterns = {
        "app/**/*.html": rf"count\([^{{}}]*\) }}}} (?:{NOUNS})\b",
        "app/frontend/**/*.js": rf"\$\{{count\([^`]*?\)}} (?:{NOUNS})\b",
    }
    for pattern, phrase in patterns.items():
        for path in sorted(p for p in ROOT.glob(pattern) if "vendor" not in p.parts):
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in re.finditer(phrase, path.read_text("utf-8"))]
    assert not found, "use plural():\n" + "\n".join(found)
