"""Search: exact on vectors whose geometry is known, by full text where words are unknown, within any filter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.core.errors import QueryError
from winnow.core.explore import search as module
from winnow.core.explore.filter import Filter
from winnow.core.explore.fulltext import FullText, words_of
from winnow.core.explore.search import Search, Searcher
from winnow.core.features.encoders.base import BaseEncoder, EncoderChoice
from winnow.core.features.vector_index import write_index
from winnow.core.storage.layout import Layout
from winnow.core.types import EncoderSpec, Modality
from winnow.core.workspace import Workspace

AXES = {"red": 0, "car": 1, "night": 2}


class Axes(BaseEncoder):
    """A text tower in which every word is an axis, and a picture's first byte names its axis."""

    spec = EncoderSpec("axes", "1", "none", 8, Modality.IMAGE, has_text_tower=True)

    def encode_texts(self, texts: Any) -> Any:
        out = np.zeros((len(texts), 8), np.float32)
        for i, text in enumerate(texts):
            for word in text.split():
                out[i, AXES.get(word, 7)] += 1
        return out

    def encode_images(self, images: Any) -> Any:
        return (
            np.eye(8, dtype=np.float32)[[i[0] for i in images]] if images[0] != b"bad" else np.zeros((1, 8), np.float32)
        )


def layout_of(folder: Path, vectors: np.ndarray[Any, Any], ok: np.ndarray[Any, Any] | None = None) -> Layout:
    layout, n = Layout(folder), len(vectors)
    layout.embeddings.mkdir(parents=True)
    np.save(layout.embeddings / "vectors.npy", vectors.astype(np.float16))
    np.save(layout.embeddings / "ok.npy", np.ones(n, bool) if ok is None else ok)
    names = [f"s{i}" for i in range(n)]
    texts = ["a red car", "Red Äpfel", "blue car", "night train", None] + [None] * (n - 5)
    pq.write_table(pa.table({"sample_id": names, "text": texts[:n], "label": [None] * n}), layout.dataset)
    pq.write_table(pa.table({"__sample_id": names, "place": ["Ulm"] + [None] * (n - 1)}), layout.meta)
    return layout


def searcher(layout: Layout, monkeypatch: pytest.MonkeyPatch | None = None, name: str = "axes") -> Searcher:
    if monkeypatch is not None:
        monkeypatch.setattr(module.encoders, "choose", lambda *a, **k: EncoderChoice(Axes.spec, "cpu", Axes))
    spec = {"name": name, "modality": "image", "has_text_tower": name == "axes"}

    def row_of(sample: str) -> int:
        if not sample.startswith("s"):
            raise QueryError(f"No sample is called {sample!r}.")
        return int(sample[1:])

    return Searcher(layout, spec, "stamp", row_of)


@pytest.fixture
def axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Searcher:
    e = np.eye(8)
    rows = np.stack([e[0], e[1], (e[0] + e[1]) / 2**0.5, (e[1] + e[2]) / 2**0.5, e[2], e[5]])
    return searcher(layout_of(tmp_path, rows, np.array([True] * 5 + [False])), monkeypatch)


def test_words_find_what_lies_nearest_in_the_joint_space(axes: Searcher) -> None:
    found = axes.find(Search(text="red car"), limit=2)
    assert found.rows.tolist() == [2, 0]
    np.testing.assert_allclose(found.scores, [1.0, 0.5**0.5], atol=1e-3)
    assert not found.by_words
    assert axes.notice() == ""
    assert 5 not in axes.find(Search(text="red"), limit=99).rows, "an unreadable sample is never found"


def test_but_not_removes_a_meaning(axes: Searcher) -> None:
    """q = a − (a·b) b with a = (red + car)/√2, b = car leaves red/√2, of unit length again: red."""
    found = axes.find(Search(text="red car", without="car"), limit=3)
    assert found.rows[:2].tolist() == [0, 2]
    np.testing.assert_allclose(found.scores[:2], [1.0, 0.5**0.5], atol=1e-3)
    away = axes.find(Search(without="car"), limit=5)
    assert away.rows[-1] == 1, "what is not wanted comes last"


def test_samples_files_and_words_add_up(axes: Searcher) -> None:
    assert axes.find(Search(like="s0"), limit=9).rows.tolist()[0] == 2
    assert 0 not in axes.find(Search(like="s0"), limit=9).rows, "the sample itself is not an answer"
    handle = axes.keep(bytes([2]))
    assert axes.keep(bytes([2])) == handle
    assert axes.find(Search(file=handle), limit=1).rows.tolist() == [4]
    assert axes.find(Search(file=handle, text="car"), limit=1).rows.tolist() == [3]
    with pytest.raises(QueryError, match="no longer kept"):
        axes.find(Search(file="0123456789abcdef"))
    with pytest.raises(QueryError, match="no longer kept"):
        axes.find(Search(file="../../secret"))
    with pytest.raises(QueryError, match="no picture"):
        axes.keep(b"bad")


def test_only_some_rows_may_be_found(axes: Searcher) -> None:
    assert axes.find(Search(text="red"), 9, np.array([1, 3, 5])).rows.tolist() == [1, 3]
    assert axes.find(Search(text="red"), 9, np.array([], np.int64)).rows.tolist() == []


def test_the_index_answers_like_looking_at_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(3000, 8)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    plain = searcher(layout_of(tmp_path / "plain", x), monkeypatch)
    for name, centres in (("flat", None), ("cells", x[:20])):
        layout = layout_of(tmp_path / name, x)
        layout.neighbors.mkdir()
        write_index(layout.neighbors / "index.faiss", x.astype(np.float16), np.ones(3000, bool), centres)
        indexed = searcher(layout, monkeypatch)
        monkeypatch.setattr(module, "INDEXED", 100)
        only = np.sort(random.choice(3000, 1000, replace=False))
        for mine in (None, only):
            asked = Search(text="red car", without="night")
            there = indexed.find(asked, 20, mine).rows
            monkeypatch.setattr(module, "INDEXED", 10**9)
            np.testing.assert_array_equal(there, plain.find(asked, 20, mine).rows)
            monkeypatch.setattr(module, "INDEXED", 100)
        assert indexed._index is not None


# ── by full text ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_encoder_without_words_is_searched_by_full_text(tmp_path: Path) -> None:
    asks = searcher(layout_of(tmp_path, np.eye(8)), name="patches")
    assert "full text" in asks.notice()
    assert asks.find(Search(text="red")).rows.tolist() in ([0, 1], [1, 0])
    assert asks.find(Search(text="RED apfel")).rows.tolist() == [1]
    assert asks.find(Search(text="ulm")).rows.tolist() == [0]
    assert asks.find(Search(text="car", without="red")).rows.tolist() == [2]
    assert asks.find(Search(text="ca")).by_words
    assert asks.find(Search(text='") OR rank --')).rows.tolist() == []
    assert set(asks.find(Search(text="night car")).rows.tolist()) == {0, 2, 3}, "none holds both: any of them"
    assert asks.find(Search(text="car"), only=np.array([2])).rows.tolist() == [2]
    assert asks.find(Search(like="s0", text="car")).rows.tolist() == [2], "words narrow what is near"
    assert 0 not in asks.find(Search(like="s5", without="red")).rows
    assert (tmp_path / "words.db").exists()
    assert not list(tmp_path.glob(".words.db*")), "nothing half-written stays"


def test_the_index_is_made_once_and_anew_when_its_words_change(tmp_path: Path) -> None:
    made: list[int] = []

    def rows(text: str) -> Any:
        made.append(1)
        return [(0, text)]

    first = FullText(tmp_path / "words.db", "a", lambda: rows("tea"))
    assert first.search("tea")[0].tolist() == [0]
    assert FullText(tmp_path / "words.db", "a", lambda: rows("milk")).search("tea")[0].tolist() == [0]
    assert len(made) == 1
    assert FullText(tmp_path / "words.db", "b", lambda: rows("milk")).search("tea")[0].tolist() == []
    (tmp_path / "words.db").write_bytes(b"damaged")
    assert FullText(tmp_path / "words.db", "b", lambda: rows("milk")).search("milk")[0].tolist() == [0]


def test_all_that_is_written_about_a_sample_is_read(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, np.eye(8))
    assert dict(words_of(layout.dataset, layout.meta))[0] == "s0 \na red car \nUlm"
    assert len(list(words_of(layout.dataset, None))) == 8


# ── in a workspace ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("search")
    words = {"tea": ["hot tea", "green tea", "cup of tea"], "car": ["fast car", "red car", "old car"]}
    lines = [{"id": f"t{i}", "text": f"{words[k][i % 3]} {i}", "label": k} for i, k in enumerate(["tea", "car"] * 20)]
    (folder / "data.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return Workspace.scan(folder / "data.jsonl", folder / "ws", encoder="tfidf", projection=False)


def test_a_search_is_a_filter_with_an_order_of_its_own(ws: Workspace) -> None:
    flt = Filter(find="red car")
    ids = ws.ids(flt, "match")
    texts = dict(zip(ws.ids(), [r["text"] for r in ws.rows(limit=40)], strict=True))
    assert all("red car" in texts[i] for i in ids[:6])
    tiles = ws.rows(flt, "match", limit=5)
    assert [t["sample_id"] for t in tiles] == ids[:5]
    match = [t["scores"]["match"] for t in tiles]
    assert match == sorted(match, reverse=True)
    assert ws.ids(flt, "-match") == ids[::-1]
    assert ws.counts(Filter(find="red car", classes=("tea",))).matching == 20, (
        "the nearest among the rest of the filter"
    )
    assert ws.ids(Filter(like=ids[0]), "match")[0] in {i for i in texts if "red car" in texts[i]}
    assert Filter.from_query(Filter(find="a, b", like="x y", file="f", without="c").to_query()) == Filter(
        find="a, b", like="x y", file="f", without="c"
    )
    with pytest.raises(QueryError, match="needs a filter with a search"):
        ws.ids(sort="match")
    with pytest.raises(QueryError, match="No sample is called"):
        ws.ids(Filter(like="nobody"))
    assert ws.search(text="green tea", limit=2)[0][1] > 0.5
