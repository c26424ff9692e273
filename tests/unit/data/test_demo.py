"""The demo dataset: what is planted is what is written down."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from winnow.core.data.demo import BROKEN, COPIES, FOREIGN, make_demo
from winnow.core.data.media import Undecodable, decode
from winnow.core.data.sources import open_source
from winnow.core.types import Modality


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame, Path]:
    path = make_demo(tmp_path_factory.mktemp("demo"))
    return pd.read_parquet(path), pd.read_parquet(path.parent / "planted.parquet"), path


def test_it_opens_as_a_labelled_image_dataset(made: tuple[pd.DataFrame, pd.DataFrame, Path]) -> None:
    dataset = open_source(made[2])
    assert dataset.modality is Modality.IMAGE
    assert dataset.n == 1797 + FOREIGN + COPIES + BROKEN
    assert dataset.class_names == tuple("0123456789")
    assert dataset.columns.split == "split"
    assert dataset.columns.source == "source"
    assert (dataset.labels >= 0).all()


def test_the_truth_matches_what_is_there(made: tuple[pd.DataFrame, pd.DataFrame, Path]) -> None:
    samples, truth, _ = made
    assert list(samples.id) == list(truth.id)
    assert truth.kind.value_counts().to_dict() == {
        "clean": 1707,
        "noisy_label": 90,
        "ood": FOREIGN,
        "duplicate": COPIES,
        "broken": BROKEN,
    }
    noisy, clean = truth.kind == "noisy_label", truth.kind == "clean"
    assert (samples.label[noisy] != truth.true_label[noisy]).all()
    assert (samples.label[clean] == truth.true_label[clean]).all()
    assert truth.true_label[truth.kind.isin(["ood", "broken"])].isna().all()


def test_copies_are_of_three_kinds_and_look_like_their_originals(made: tuple[pd.DataFrame, pd.DataFrame, Path]) -> None:
    samples, truth, _ = made
    image = dict(zip(samples.id, samples.image, strict=True))
    kind = dict(zip(truth.id, truth.kind, strict=True))
    exact = reencoded = shifted = 0
    for copy, original in truth.loc[truth.kind == "duplicate", ["id", "dup_of"]].itertuples(index=False):
        assert kind[original] == "clean"
        a, b = (np.asarray(Image.open(io.BytesIO(image[k])).convert("L"), float) for k in (copy, original))
        if image[copy] == image[original]:
            exact += 1
        elif image[copy][:2] == b"\xff\xd8":
            reencoded += 1
            assert np.abs(a - b).mean() < 6
        else:
            shifted += 1
            assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.5
    assert (exact, reencoded, shifted) == (COPIES // 3,) * 3


def test_only_broken_files_cannot_be_used(made: tuple[pd.DataFrame, pd.DataFrame, Path]) -> None:
    samples, truth, _ = made
    for data, kind in zip(samples.image, truth.kind, strict=True):
        try:
            usable = np.asarray(decode(data)).std() > 0
        except Undecodable:
            usable = False
        assert usable == (kind != "broken")


def test_it_is_the_same_every_time(made: tuple[pd.DataFrame, pd.DataFrame, Path], tmp_path: Path) -> None:
    again = make_demo(tmp_path)
    for name in ("samples.parquet", "planted.parquet"):
        assert (again.parent / name).read_bytes() == (made[2].parent / name).read_bytes()
