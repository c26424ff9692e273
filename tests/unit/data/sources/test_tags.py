"""Several labels a sample: every form they come in, and what people's tables do to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from winnow.core.data.sources import open_source, preview
from winnow.core.data.sources.tags import join_cell, split_cell
from winnow.core.errors import ColumnError
from winnow.core.types import ColumnMap, Dataset, Modality


def written(path: Path, **columns: list[Any]) -> Path:
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({"id": [f"s{i}" for i in range(n)], "text": [f"sentence {i}" for i in range(n)], **columns})
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")), encoding="utf-8")
    return path


def tags_of(dataset: Dataset) -> list[list[str] | None]:
    """The tags of each row, None where nobody looked at any."""
    assert dataset.tags is not None
    t = dataset.tags
    looked = np.ones(dataset.n, bool) if t.annotated is None else np.diff(t.annotated.indptr) > 0
    rows = [[t.names[c] for c in t.given[[i], :].indices] for i in range(dataset.n)]
    return [row if seen else None for row, seen in zip(rows, looked, strict=True)]


LISTS = [["joy", "love"], [], None, ["love"], ["anger"]]
READ = [["joy", "love"], [], None, ["love"], ["anger"]]


@pytest.mark.parametrize("name", ["t.parquet", "t.jsonl"])
def test_a_column_of_lists_is_recognised_and_said(tmp_path: Path, name: str) -> None:
    dataset = open_source(written(tmp_path / name, tags=LISTS))
    assert tags_of(dataset) == READ
    assert dataset.columns.tags == "tags"
    assert dataset.tags is not None
    assert dataset.tags.form.kind == "list"
    assert dataset.tags.names == ("anger", "joy", "love")
    assert any("tags = 'tags'" in s for s in dataset.notices)
    assert any("3 tags" in s and "not annotated" in s and "1 sample without a tag" not in s for s in dataset.notices)
    assert preview(tmp_path / name).guessed.tags == "tags"
    assert not any("There are no labels" in s for s in dataset.notices), "it has: several each"


def test_a_label_and_tags_stand_side_by_side(tmp_path: Path) -> None:
    dataset = open_source(written(tmp_path / "t.parquet", label=list("abaab"), tags=LISTS))
    assert dataset.class_names == ("a", "b")
    assert tags_of(dataset) == READ


def test_delimited_texts_with_a_separator_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", tags=["joy|love", "", "joy", "love | anger", "joy"])
    assert tags_of(open_source(path)) == [["joy", "love"], [], ["joy"], ["anger", "love"], ["joy"]]
    path = written(tmp_path / "u.csv", moods=["joy~love", "joy", "", "x, y", "joy"])
    dataset = open_source(path, ColumnMap(tags="moods:~"))
    assert tags_of(dataset) == [["joy", "love"], ["joy"], [], ["x, y"], ["joy"]]
    assert dataset.columns.tags == "moods:~"


def test_a_column_of_json_in_a_table_without_types(tmp_path: Path) -> None:
    cells = ['["joy", "love"]', "[]", "", '["love"]', "[oops"]
    dataset = open_source(written(tmp_path / "t.csv", tags=cells), ColumnMap(tags="tags"))
    assert dataset.tags is not None
    assert dataset.tags.form.kind == "delimited", "one cell in doubt: not JSON throughout"
    dataset = open_source(written(tmp_path / "t.csv", tags=[*cells[:4], '{"anger": 1}']))
    assert tags_of(dataset) == [["joy", "love"], [], None, ["love"], ["anger"]]


def test_json_objects_have_three_values(tmp_path: Path) -> None:
    cells = ['{"cat": true, "dog": false}', '{"cat": 0, "dog": null}', '{"dog": 1, "cat": 0}', "{}", '{"cat": 1}']
    tags = open_source(written(tmp_path / "t.csv", tags=cells)).tags
    assert tags is not None
    assert tags.names == ("cat", "dog")
    assert tags.given.toarray().tolist() == [[1, 0], [0, 0], [0, 1], [0, 0], [1, 0]]
    assert tags.annotated.toarray().tolist() == [[1, 1], [1, 0], [1, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("spec", ["is_*", "is_", "is_cat,is_dog", "IS_CAT, is_dog"])
def test_columns_of_yes_and_no_with_gaps(tmp_path: Path, name: str, spec: str) -> None:
    path = written(tmp_path / name, is_cat=[1, 0, None, 1, 0], is_dog=[0, 0, 1, 1, 0], other=list("abcde"))
    tags = open_source(path, ColumnMap(tags=spec)).tags
    assert tags is not None
    assert tags.form.columns == ("is_cat", "is_dog")
    assert tags.names == (("cat", "dog") if "," not in spec else ("is_cat", "is_dog"))
    assert tags.given.toarray().tolist() == [[1, 0], [0, 0], [0, 1], [1, 1], [0, 0]]
    assert tags.annotated.toarray().tolist() == [[1, 1], [1, 1], [0, 1], [1, 1], [1, 1]]


def test_minus_one_is_no_beside_one_and_unknown_beside_zero(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", a=[1, -1, 1], b=[-1, -1, 1])
    tags = open_source(path, ColumnMap(tags="a,b")).tags
    assert tags is not None
    assert tags.annotated is None
    path = written(tmp_path / "u.csv", a=[1.0, -1.0, 0.0], b=[0.0, 0.0, 1.0])
    dataset = open_source(path, ColumnMap(tags="a,b"))
    assert dataset.tags is not None
    assert dataset.tags.annotated.toarray().tolist() == [[1, 1], [0, 1], [1, 1]]
    assert any("−1" in s and "not annotated" in s for s in dataset.notices)


def test_many_columns_of_yes_and_no_are_no_embedding(tmp_path: Path) -> None:
    columns = {f"tag_{j}": [float(i % (j + 2) == 0) for i in range(6)] for j in range(9)}
    dataset = open_source(written(tmp_path / "t.parquet", **columns), ColumnMap(tags="tag_*"))
    assert dataset.modality is Modality.TEXT
    assert dataset.tags is not None
    assert dataset.tags.names == tuple(map(str, range(9)))
    assert dataset.tags.given[[0], :].nnz == 9


def test_a_list_of_class_labels_has_their_names(tmp_path: Path) -> None:
    label = datasets.ClassLabel(names=["cat", "dog", "owl"])
    features = datasets.Features({"text": datasets.Value("string"), "labels": datasets.Sequence(label)})
    rows = {"text": ["one sentence", "another one", "a third"], "labels": [[0, 1], [], [1]]}
    datasets.Dataset.from_dict(rows, features).save_to_disk(str(tmp_path / "d"))
    dataset = open_source(tmp_path / "d")
    assert dataset.tags is not None
    assert dataset.tags.names == ("cat", "dog", "owl"), "also one that nobody carries"
    assert tags_of(dataset) == [["cat", "dog"], [], ["dog"]]


def test_labels_of_tokens_are_not_taken_for_tags(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", tags=[[0, 0, 3, 0], [1, 1, 0], [0, 0, 0], [2, 0, 0], [0, 5, 0]])
    assert open_source(path).tags is None


def test_what_is_odd_is_read_and_said(tmp_path: Path) -> None:
    lists = [["joy", "joy", " love "], ["Joy", ""], ["joy", "a,b"], ["joy", None], ["joy"], ["joy"]]
    dataset = open_source(written(tmp_path / "t.parquet", tags=lists))
    assert tags_of(dataset) == [["joy", "love"], ["Joy"], ["a,b", "joy"], ["joy"], ["joy"], ["joy"]]
    said = " ".join(dataset.notices)
    for part in ("twice in 1 row", "Empty tags", "2 rows", "Spaces around", "'Joy' / 'joy'", "at one sample only"):
        assert part in said, part


def test_every_sample_with_every_tag_and_no_sample_with_any(tmp_path: Path) -> None:
    dataset = open_source(written(tmp_path / "t.parquet", tags=[["a", "b"]] * 4))
    assert any("2 tags at every sample" in s for s in dataset.notices)
    dataset = open_source(written(tmp_path / "u.parquet", tags=[["a"], [], []]), ColumnMap(tags="tags"))
    assert dataset.tags is not None
    assert dataset.tags.given.nnz == 1
    dataset = open_source(written(tmp_path / "v.jsonl", tags=[[], [], []]), ColumnMap(tags="tags"))
    assert any("No sample carries a tag" in s for s in dataset.notices)


def test_five_thousand_tags_are_read_and_doubted(tmp_path: Path) -> None:
    lists = [[f"tag {i * 5 + j}" for j in range(5)] for i in range(1_000)]
    dataset = open_source(written(tmp_path / "t.parquet", tags=lists))
    assert dataset.tags is not None
    assert dataset.tags.given.shape == (1_000, 5_000)
    assert any("nearly as many as rows" in s for s in dataset.notices)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("nothing", "no column 'nothing'"),
        ("a,nothing", "no column 'nothing'"),
        ("a,a", "twice"),
        ("a,text", "'sentence 0'"),
        ("id,a", "another role"),
        ("scores", "lists of texts or whole numbers"),
    ],
)
def test_a_wrong_choice_is_answered_with_the_rule(tmp_path: Path, spec: str, part: str) -> None:
    path = written(tmp_path / "t.parquet", a=[1, 0], b=[0, 1], scores=[[0.5], [0.25]])
    with pytest.raises(ColumnError, match=part):
        open_source(path, ColumnMap(id="id", tags=spec))


def test_a_quoted_tag_may_hold_the_separator() -> None:
    for tags in (["a,b", "c"], ['say "x"', "y"], ["plain"]):
        assert split_cell(join_cell(tags, ","), ",") == tags


def test_the_fingerprint_follows_the_tags_and_only_where_there_are_some(tmp_path: Path) -> None:
    def fingerprint(**columns: list[Any]) -> str:
        return open_source(written(tmp_path / "t.parquet", **columns)).fingerprint

    plain = fingerprint(a=[1, 2, 3])
    assert fingerprint(a=[4, 5, 6]) == plain
    assert len({plain, fingerprint(tags=[["x"], [], ["y"]]), fingerprint(tags=[["x"], None, ["y"]])}) == 3
