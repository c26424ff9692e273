"""Further views of a sample: pixels and words, without a download."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from winnow.core.features.label_views import label_views, pixel_features, word_features
from winnow.core.types import Modality


@pytest.fixture(scope="module")
def pictures():
    data = load_digits(n_class=6)
    images = np.kron(data.images[:600] * 15, np.ones((1, 4, 4))).astype(np.uint8)
    return np.repeat(images[..., None], 3, 3).reshape(600, -1), data.target[:600]


def test_pixel_features_tell_digits_apart(pictures):
    tiny, target = pictures
    ok = np.ones(600, bool)
    ok[7] = False
    z = pixel_features(tiny, ok)
    assert z.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(z[ok], axis=1), 1, atol=1e-4)
    assert (z[7] == 0).all()
    model = KNeighborsClassifier(5).fit(z[:400], target[:400])
    assert model.score(z[400:], target[400:]) > 0.9


def test_pixel_features_are_deterministic_and_take_read_only_memory(pictures):
    tiny, _ = pictures
    locked = tiny.copy()
    locked.flags.writeable = False
    ok = np.ones(600, bool)
    np.testing.assert_array_equal(pixel_features(tiny, ok), pixel_features(locked, ok))


def test_blank_images_do_not_break_the_code():
    z = pixel_features(np.full((60, 3072), 128, np.uint8), np.ones(60, bool))
    assert np.isfinite(z).all()


def test_word_features_bring_like_texts_together():
    texts = np.array(
        [f"please book a flight to city {i % 7}" for i in range(60)]
        + [f"what is the weather on day {i % 7}" for i in range(60)],
        object,
    )
    z = word_features(texts, np.ones(120, bool))
    assert z is not None
    assert (z[:60] @ z[:60].T).mean() > (z[:60] @ z[60:].T).mean() + 0.3


def test_texts_without_a_common_term_have_no_word_view():
    assert word_features(np.array(["", " ", ""], object), np.ones(3, bool)) is None


def test_views_are_offered_only_where_there_is_something_to_see():
    ok = np.ones(100, bool)
    assert label_views(Modality.VECTOR, ok) == {}
    texts = np.array([f"one two three {i % 5}" for i in range(100)], object)
    assert set(label_views(Modality.TEXT, ok, texts=texts)) == {"words"}
    assert label_views(Modality.TEXT, np.zeros(100, bool), texts=texts) == {}


def test_words_of_a_very_long_text_are_read_from_its_start() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(f"word{i}" for i in rng.integers(0, 40, 12)) for _ in range(60)]
    start = " ".join(f"word{i}" for i in rng.integers(0, 40, 15_000))
    assert len(start) > 90_000
    start = start.ljust(100_000)
    one, two = (
        word_features(np.array([*texts, start + end], object), np.ones(61, bool), 0)
        for end in ("", " word1 rest" * 10_000)
    )
    assert one is not None
    np.testing.assert_array_equal(one, two)
