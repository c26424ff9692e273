"""The example plug-in passes the battery of Winnow's own signals; plug-ins and score columns reach the scan."""

from __future__ import annotations

import csv
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.contract.test_signals import (
    Bad,
    assert_documented,
    assert_equivariant,
    assert_pure,
    assert_sound,
    full_inputs,
    missing,
)
from winnow.core.detection.plugins import gather, guarded, parse_score, to_score
from winnow.core.errors import QueryError, WinnowError
from winnow.core.explore.filter import Filter
from winnow.core.types import Kind
from winnow.core.workspace import Workspace

EXAMPLE = Path(__file__).resolve().parent.parent / "plugin_example"


def install(folder: Path, points: dict[str, str], name: str) -> None:
    """What pip leaves behind of a package: enough for importlib.metadata to find its entry points."""
    info = folder / f"{name}-1.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
    lines = "\n".join(f"{k} = {v}" for k, v in points.items())
    (info / "entry_points.txt").write_text(f"[winnow.signals]\n{lines}\n")


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example as pip would install it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(tmp_path / "site", project["entry-points"]["winnow.signals"], "winnow_surprise")
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield
    sys.modules.pop("winnow_surprise", None)


def texts(path: Path, n: int = 60) -> Path:
    """A small table of texts with two classes and two score columns."""
    random = np.random.default_rng(0)
    words = {"ham": ["tea", "milk", "bread", "butter", "jam"], "spam": ["win", "cash", "prize", "now", "free"]}
    with (path / "texts.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "label", "perplexity", "reward", "remark"])
        for i in range(n):
            label = ("ham", "spam")[i % 2]
            text = (
                "zyzzyva quokka xylem"
                if i == 7
                else " ".join(random.choice(words[label], 6)) + f" {words[label][i % 5]}"
            )
            table.writerow([f"t{i}", text, label, 10.0 + i, i / n, f"r{i}"])
    return path / "texts.csv"


def test_the_example_passes_the_battery(example: None) -> None:
    from winnow_surprise import TextSurprise

    signal, inputs = guarded(TextSurprise), full_inputs()
    assert_documented(signal)
    assert missing(signal, inputs) == []
    for n in (1, 2, 5, 90):
        assert_sound(signal, full_inputs(n), signal(full_inputs(n)))
    assert_sound(signal, full_inputs(40, identical=True), signal(full_inputs(40, identical=True)))
    assert_pure(signal, inputs)
    assert_equivariant(signal, inputs)


def test_plugins_and_score_columns_are_shown_sorted_and_filtered_like_other_signals(
    example: None, tmp_path: Path
) -> None:
    install(tmp_path / "site", {"absent": "no_such_module:Nothing"}, "broken_plugin")
    with Workspace.scan(
        texts(tmp_path), tmp_path / "ws", encoder="tfidf", scores=["perplexity:hard", "reward:low"], projection=False
    ) as ws:
        shown = {s.name: s for s in ws.signals()}
        assert shown["text_surprise"].ran
        assert shown["text_surprise"].title == "Surprising words"
        assert shown["score_perplexity"].kind == "hard"
        strange = ws.ids(sort="-text_surprise")[0]
        assert strange == "t7"
        assert ws.ids(sort="-score_perplexity")[0] == "t59"
        assert ws.ids(sort="-score_reward")[0] == "t0", "low rewards are the suspicious ones"
        assert ws.ids(Filter(scores={"score_perplexity": (0.9, None)})) == [f"t{i}" for i in range(54, 60)]
        tile = ws.rows(sort="-text_surprise")[0]
        assert ws.cards(["t7"])[0]["scores"]["text_surprise"] == pytest.approx(
            tile["scores"]["text_surprise"], abs=1e-3
        )
        failures = ws.info().failures
        assert any("absent" in name and "no_such_module" in why for name, why in failures.items()), failures


class Plain:
    """Formula: 0. Source: none."""

    name: ClassVar[str] = "ood_plain"
    version, kind, title, explain = 1, Kind.OOD, "Plain", "Nothing."
    requires: ClassVar[frozenset[Any]] = frozenset()

    def __call__(self, inputs: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Bad name"}, "snake case"),
        ({"name": "ood_knn"}, "taken"),
        ({"kind": "clean"}, "none of"),
        ({"requires": {"money"}}, "money"),
    ],
)
def test_an_ill_formed_plugin_is_refused_with_the_reason(change: dict[str, Any], message: str) -> None:
    assert guarded(Plain).name == "ood_plain"
    with pytest.raises((QueryError, ValueError), match=message):
        guarded(type("Wrong", (Plain,), change), taken=["ood_knn"])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda i: np.zeros(3), "shape"),
        (lambda i: np.full(i.n, 7.0), "from 7 to 7"),
        (lambda i: np.full(i.n, -1), "-1"),
    ],
)
def test_a_malformed_result_of_a_plugin_is_caught(answer: Any, message: str) -> None:
    from winnow.core.types import SignalResult

    signal = guarded(Bad(lambda i: SignalResult(answer(i))))
    with pytest.raises(QueryError, match=message):
        signal(full_inputs())


def test_a_column_that_cannot_be_a_score_is_refused_with_the_reason(tmp_path: Path) -> None:
    from winnow.core.data.sources import open_source
    from winnow.core.types import ColumnMap

    dataset = open_source(texts(tmp_path), ColumnMap())
    with pytest.raises(WinnowError, match=r"no column 'perplexit'.*'perplexity', 'reward'"):
        gather(dataset, ["perplexit"])
    with pytest.raises(WinnowError, match="holds other things than numbers"):
        gather(dataset, ["remark"])
    with pytest.raises(WinnowError, match="Kinds are"):
        gather(dataset, ["reward:bad"])
    with pytest.raises(WinnowError, match="rename one"):
        gather(dataset, ["reward", "reward:low"])


def test_column_specs_and_their_scores_by_hand() -> None:
    assert parse_score("a:b:ood:low") == ("a:b", Kind.OOD, True)
    score, scale = to_score(np.array([10.0, 20.0, 20.0, np.nan, 40.0]), low=False)
    np.testing.assert_allclose(score, [0.125, 0.5, 0.5, np.nan, 0.875])
    assert scale == "by rank"
    score, scale = to_score(np.array([0.0, 0.25, 1.0]), low=True)
    np.testing.assert_allclose(score, [1.0, 0.75, 0.0])
    assert scale == "as it is"
    assert np.isnan(to_score(np.array([np.inf]), low=True)[0]).all()
