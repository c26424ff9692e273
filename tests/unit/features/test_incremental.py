"""A dataset with new rows: only those are computed, decisions stand, and the result is that of a fresh scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.core.data.sources import open_source
from winnow.core.explore.search import Searcher
from winnow.core.features import incremental, neighbors
from winnow.core.features.encoders import embed, encoder_key
from winnow.core.features.encoders.base import BaseEncoder, EncoderChoice
from winnow.core.features.neighbor_graphs import RowMatch, make_graphs
from winnow.core.features.vector_index import SearchIndex, probes_for, write_index
from winnow.core.storage.artifacts import load_json
from winnow.core.storage.layout import Layout
from winnow.core.types import Action, Bool, Dataset, EmbeddingSet, EncoderSpec, Float32, Modality, quiet
from winnow.core.workspace import Workspace


def unit(x: np.ndarray) -> Float32:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


class Counting(BaseEncoder):
    """Letters of a text; remembers which texts it was asked for."""

    def __init__(self) -> None:
        self.spec = EncoderSpec("letters", "1", "none", 26, Modality.TEXT)
        self.seen: list[str] = []

    def encode_texts(self, texts: list[str]) -> Float32:  # type: ignore[override]
        self.seen.extend(texts)
        return np.array([np.bincount([ord(c) % 26 for c in t], minlength=26) for t in texts], np.float32)


def table(path: Path, rows: list[tuple[str, str]]) -> Dataset:
    pq.write_table(pa.table({"id": [i for i, _ in rows], "text": [t for _, t in rows]}), path)
    return open_source(path)


def test_only_new_and_changed_contents_are_encoded(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    rows = [(f"s{i}", f"the text of number {i}") for i in range(50)]
    choice = EncoderChoice(first.spec, "cpu", lambda: first)
    embed(table(tmp_path / "a.parquet", rows), choice, tmp_path / "e")
    previous = incremental.load_previous(tmp_path / "e")
    assert previous is not None
    assert len(first.seen) == 50
    now = [("s7", "quite another text"), *rows[10:], ("s50", "a new one"), ("moved", rows[3][1])]
    dataset = table(tmp_path / "b.parquet", now)
    found = embed(dataset, EncoderChoice(second.spec, "cpu", lambda: second), tmp_path / "e")
    assert sorted(second.seen) == ["a new one", "quite another text"]
    fresh = embed(dataset, EncoderChoice(first.spec, "cpu", lambda: first), tmp_path / "fresh")
    np.testing.assert_array_equal(found.vectors, fresh.vectors)
    change = incremental.compare(previous, dataset.sample_ids, dataset.content_hash)
    assert (change.new, change.removed, dataset.sample_ids[change.changed].tolist()) == (2, 9, ["s7"])
    assert change.before[1] == 10
    assert change.source[-1] == 3
    assert change.before[-1] == -1
    assert change.notice(41) == "2 new, 1 changed, 9 removed; 41 reused."


def test_another_encoder_takes_nothing_over(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    second.spec = EncoderSpec("letters", "2", "none", 26, Modality.TEXT)
    rows = [(f"s{i}", f"the text of number {i}") for i in range(9)]
    embed(table(tmp_path / "a.parquet", rows), EncoderChoice(first.spec, "cpu", lambda: first), tmp_path / "e")
    embed(table(tmp_path / "a.parquet", rows), EncoderChoice(second.spec, "cpu", lambda: second), tmp_path / "e")
    assert len(second.seen) == 9
    assert encoder_key(first.spec) != encoder_key(second.spec)


def test_an_encoder_takes_its_vectors_along_to_another_folder(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    rows = [(f"s{i}", f"the text of number {i}") for i in range(9)]
    dataset = table(tmp_path / "a.parquet", rows)
    made = embed(dataset, EncoderChoice(first.spec, "cpu", lambda: first), tmp_path / "e")
    previous = incremental.load_previous(tmp_path / "e")
    assert previous is not None
    choice = EncoderChoice(second.spec, "cpu", lambda: second)
    moved = embed(dataset, choice, tmp_path / "other", elsewhere=[previous])
    assert second.seen == []
    np.testing.assert_array_equal(moved.vectors, made.vectors)
    again = EncoderChoice(replace(second.spec, revision="2"), "cpu", lambda: second)
    embed(dataset, again, tmp_path / "third", elsewhere=[previous])
    assert len(second.seen) == 9, "of another encoder nothing is taken"


def clustered(n: int, d: int = 24, seed: int = 0) -> tuple[Float32, Bool]:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(12, d))
    x = unit(centres[random.integers(0, 12, n)] + 0.4 * random.normal(size=(n, d)))
    ok = random.random(n) > 0.02
    return np.where(ok[:, None], x, 0).astype(np.float32), ok


def test_an_extended_graph_lists_what_a_new_search_lists() -> None:
    x, ok = clustered(1500)
    old = neighbors.build(x[:1400], ok[:1400], 10)
    # the first 30 rows are gone, 5 others have changed, 100 are new, and the rest comes in another order
    before = np.r_[np.random.default_rng(1).permutation(np.arange(30, 1400)), np.full(100, -1)]
    vectors, good = np.vstack([x[before[:1370]], x[1400:]]), np.r_[ok[before[:1370]], ok[1400:]]
    before[:5] = -1
    vectors[:5], good[:5] = clustered(5, seed=7)
    found = neighbors.extend(old, before, vectors, good)
    fresh = neighbors.build(vectors, good, 10)
    np.testing.assert_array_equal(found.indices, fresh.indices)
    np.testing.assert_allclose(found.distances, fresh.distances, atol=1e-6)


def test_graphs_are_extended_for_a_few_rows_and_built_for_many(tmp_path: Path) -> None:
    x, ok = clustered(1000)

    def graphs(n: int, key: str, row_match: RowMatch | None) -> dict[str, object]:
        spec = EncoderSpec("t", "1", "none", 24, Modality.VECTOR)
        make_graphs(tmp_path, EmbeddingSet(x[:n], ok[:n], spec, "d", key), (8, 9), "cpu", 0, row_match, quiet)
        return dict(load_json(tmp_path / "graphs.json"))

    graphs(900, "a", None)
    assert graphs(900, "a2", None)["raw"]["method"] == "exact"  # type: ignore[index]
    grew = graphs(930, "b", RowMatch(np.r_[np.arange(900), np.full(30, -1)], "a2"))
    assert grew["raw"]["method"] == "exact, extended"  # type: ignore[index]
    assert grew["drift"] == pytest.approx(30 / 930)
    assert SearchIndex(tmp_path / "index.faiss").n == int(ok[:930].sum())
    # another 30: more than a twentieth since the graphs were built
    assert graphs(960, "c", RowMatch(np.r_[np.arange(930), np.full(30, -1)], "b"))["raw"]["method"] == "exact"  # type: ignore[index]
    # not the embeddings that the graphs are of
    assert graphs(961, "d", RowMatch(np.r_[np.arange(960), -1], "b"))["raw"]["method"] == "exact"  # type: ignore[index]


@pytest.mark.parametrize("cells", [0, 20])
def test_the_search_index_finds_what_looking_at_every_row_finds(tmp_path: Path, cells: int) -> None:
    x, ok = clustered(2000)
    centres = unit(np.random.default_rng(3).normal(size=(cells, 24))) if cells else None
    write_index(tmp_path / "i.faiss", x, ok, centres)
    index = SearchIndex(tmp_path / "i.faiss")
    assert (index.n, index.cells) == (int(ok.sum()), cells)
    rows, cosines = index.search(x[:5], 10)
    truth = np.where(ok, x[:5] @ x.T, -np.inf)
    np.testing.assert_allclose(cosines, -np.sort(-truth, axis=1)[:, :10], atol=2e-3)
    assert ok[rows].all()
    probes, recall = probes_for(index, x, ok, 0)
    assert recall >= 0.95
    assert probes <= cells
    if centres is not None:
        np.testing.assert_allclose(index.centres(), centres, atol=1e-6)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Workspace]:
    """A workspace scanned on 600 rows, decided upon and scanned again on 610; and a fresh scan of the 610."""
    folder = tmp_path_factory.mktemp("grown")
    x, _ = clustered(620)
    side = np.argmax(x @ np.random.default_rng(99).normal(size=(12, 24)).T, axis=1) % 3
    labels = [f"c{(v + (r % 25 == 0)) % 3}" for r, v in enumerate(side)]  # every 25th is wrong
    rows = np.arange(600)

    def write(rows: np.ndarray, x: Float32) -> None:
        columns = {"id": [f"s{r}" for r in rows], "label": [labels[r] for r in rows], "embedding": list(x[rows])}
        pq.write_table(pa.table(columns), folder / "t.parquet")

    write(rows, x)
    ws = Workspace.scan(folder / "t.parquet", folder / "ws")
    ws.decide("s3", Action.ACCEPT)
    ws.decide("s4", Action.EXCLUDE)
    x[4] = clustered(1, seed=11)[0][0]
    write(np.r_[rows[2:], np.arange(600, 612)], x)
    again = Workspace.scan(folder / "t.parquet", folder / "ws")
    (folder / "fresh").mkdir()
    pq.write_table(pq.read_table(folder / "t.parquet"), folder / "fresh" / "t.parquet")
    return again, Workspace.scan(folder / "fresh" / "t.parquet", folder / "fresh" / "ws")


def test_a_second_scan_says_what_changed_and_decisions_stand(grown: tuple[Workspace, Workspace]) -> None:
    again, _ = grown
    notices = again.info().notices
    assert any(n.startswith("12 new, 1 changed, 2 removed; 597 reused") for n in notices)
    assert any("The content of 1 decided sample has changed ('s4')" in n for n in notices)
    in_force = {i: [d.action for d in people.values()] for i, people in again.current().items()}
    assert in_force == {"s3": [Action.ACCEPT], "s4": [Action.EXCLUDE]}


def test_a_second_scan_answers_as_a_fresh_one(grown: tuple[Workspace, Workspace]) -> None:
    """Tolerance: the half-whitened space is the one fitted before, so scores may differ a little."""
    again, fresh = grown
    one, two = (w.scores().set_index("id").sort_index() for w in (again, fresh))
    assert one.index.tolist() == two.index.tolist()
    undecided = ~one.index.isin(["s3", "s4"])
    assert (one.verdict == two.verdict)[undecided].mean() >= 0.97
    assert (one.noisy_label - two.noisy_label)[undecided].abs().mean() <= 0.02


def test_beyond_two_hundred_thousand_rows_the_index_is_asked(
    grown: tuple[Workspace, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    from winnow.core.explore import search

    again, _ = grown
    fifth = search.Search(like="the fifth")
    whole = Searcher(Layout(again.path), {}, "", lambda _: 5).find(fifth, 8)
    monkeypatch.setattr(search, "INDEXED", 10)
    asked = Searcher(Layout(again.path), {}, "", lambda _: 5)
    found = asked.find(fifth, 8)
    assert "_index" in vars(asked)
    np.testing.assert_array_equal(found.rows, whole.rows)
    np.testing.assert_allclose(found.scores, whole.scores, atol=1e-6)
