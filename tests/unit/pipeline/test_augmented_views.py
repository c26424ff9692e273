"""Strongly augmented views: deterministic, in the same space, resumable, and what the naive verdict looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.factories import half_whiten, signal_inputs, world
from winnow.core import Workspace
from winnow.core.detection.probe import run_probe
from winnow.core.errors import WinnowError
from winnow.core.features.encoders.augmented import distort
from winnow.core.storage.artifacts import StageStore, load_array


def test_a_distortion_depends_on_the_picture_and_the_view_alone() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
    first, again, other = distort(picture, 0), distort(picture.copy(), 0), distort(picture, 1)
    np.testing.assert_array_equal(first, again)
    assert first.shape == picture.shape
    assert first.dtype == np.uint8
    assert (first != other).any()
    assert (first != picture).any()


def test_the_loss_history_is_taken_on_the_views() -> None:
    made = world(n=600, classes=4, noise=0.0, separation=6, seed=1)
    features = half_whiten(made.vectors, made.ok)
    strange = features[np.random.default_rng(0).permutation(made.n)]
    same = run_probe(features, made.labels, made.ok, 4, strong=[features]).dynamics["loss_strong"]
    lost = run_probe(features, made.labels, made.ok, 4, strong=[strange]).dynamics["loss_strong"]
    distorted = signal_inputs(made).beliefs.dynamics["loss_strong"]  # type: ignore[union-attr]
    assert np.median(same) < np.median(distorted) < np.median(lost)


def test_a_scan_with_views_embeds_each_once(tiny_data: Path, tmp_path: Path) -> None:
    source, out = tiny_data / "samples.parquet", tmp_path / "ws"
    options = {"encoder": "patches", "projection": False}
    Workspace.scan(source, out, views=1, **options).close()  # type: ignore[arg-type]
    first = load_array(out / "neighbors" / "view_0.npy")
    whitened = load_array(out / "neighbors" / "whitened.npy")
    assert first.shape == whitened.shape
    good = np.linalg.norm(whitened, axis=1) > 0
    likeness = (first * whitened).sum(1)[good]
    strangers = (first * np.roll(whitened, 1, axis=0)).sum(1)[good]
    assert np.median(likeness) > np.median(strangers) + 0.1, "a view looks like its own sample"
    stamp = (out / "neighbors" / "view_0.npy").stat().st_mtime_ns
    with Workspace.scan(source, out, views=2, **options) as ws:  # type: ignore[arg-type]
        assert (out / "neighbors" / "view_0.npy").stat().st_mtime_ns == stamp
        assert StageStore(out).read("view_1") is not None
        assert next(s for s in ws.signals() if s.name == "naive_loss_history").ran
    assert not (out / "embeddings" / "view_0").exists()


def test_precomputed_embeddings_have_no_views_and_a_notice_says_so(tiny_data: Path, tmp_path: Path) -> None:
    with Workspace.scan(
        tiny_data / "samples.parquet", tmp_path / "ws", embeddings=tiny_data / "embeddings.parquet", views=2
    ) as ws:
        assert any("--views" in notice for notice in ws.info().notices)
    with pytest.raises(WinnowError, match="views is 99"):
        Workspace.scan(tiny_data / "samples.parquet", tmp_path / "other", views=99)
