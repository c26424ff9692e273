"""What README, the documentation and the decision records name is there, and the example of a signal works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("assets/**/*.md")])
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"""\]\(\s*<?([^)\s>]+)|(?:src|href)="([^"]+)\"""")


def links(text: str) -> Iterator[str]:
    """Targets of Markdown links and pictures and of HTML's src and href; not those in code."""
    for markdown, html in _LINK.findall(_CODE.sub("", text)):
        yield markdown or html


def anchors(text: str) -> set[str]:
    """The names that headings get, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+\s+(.*?)\s*$", _CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def broken(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere."""
    bad = []
    for link in links(text):
        if re.match(r"[a-z][a-z0-9+.-]*:|//", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            bad.append(link)
    return bad


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_relative_links_lead_to_files_that_exist(page: Path) -> None:
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A b, c\n")
    text = "[a](there.md) [b](there.md#a-b-c) [c](https://x.org) `[d](no.md)` [e](no.md) [f](there.md#no) "
    text += '<img src="x.png">'
    assert broken(tmp_path / "page.md", text) == ["no.md", "there.md#no", "x.png"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_tests_and_benchmarks_named_in_text_exist(page: Path) -> None:
    named = re.findall(r"\b(?:tests|benchmarks)/[\w/]+\.py\b", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_fault_in_the_promises_has_tests_that_the_attack_runs() -> None:
    attacks = (ROOT / "Makefile").read_text(encoding="utf-8").partition("ATTACKS :=")[2].partition("\n\n")[0]
    folders = tuple(re.findall(r"tests/[\w/.]+", attacks))
    text = (ROOT / "assets" / "promises.md").read_text(encoding="utf-8").partition("## Faults")[2]
    faults = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and "`" in line]
    assert len(faults) >= 12 + 4
    for fault, tests in faults:
        file = ""
        for named, name in re.findall(r"`([\w/.]*)::(\w+)`", tests):
            file = named or file
            assert file.startswith(folders), f"make attack leaves out {file}: {fault}"
            assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8"), (
                f"{file}::{name} is not there: {fault}"
            )
        assert file, fault


def test_the_signal_of_the_how_to_works(monkeypatch: pytest.MonkeyPatch) -> None:
    from winnow.core.detection.signals import SIGNALS
    from winnow.core.types import Beliefs, SignalInputs

    text = (ROOT / "docs/how-to/own-signal.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    monkeypatch.setattr(SIGNALS, "_items", dict(SIGNALS._items))
    package = "winnow.core.detection.signals"
    exec(compile(code, "label_margin.py", "exec"), {"__package__": package, "__name__": f"{package}.label_margin"})

    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.2, 0.3, 0.5]], np.float32)
    labels = np.array([0, 2, 2, -1], np.int32)
    inputs = SignalInputs(4, np.ones(4, bool), labels, ("a", "b", "c"), beliefs=Beliefs(probs))
    result = SIGNALS.get("label_margin")(inputs)
    np.testing.assert_allclose(result.score, [0.25, 0.65, 0.4, np.nan], atol=1e-6)
    assert result.suggestion is not None
    assert result.suggestion.tolist() == [1, 1, 1, -1]
