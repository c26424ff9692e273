"""Choosing, falling back, resuming after a kill, running out of memory, zero-shot."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from winnow.core.data.sources import open_source
from winnow.core.errors import Cancelled, EncoderError, WeightsUnavailable
from winnow.core.features.encoders import (
    BaseEncoder,
    EncoderChoice,
    catalogue,
    choose,
    embed,
    resolve_device,
    unit_rows,
)
from winnow.core.features.encoders import hub_cache as hub
from winnow.core.features.encoders.choose import DEFAULTS
from winnow.core.features.encoders.embed import SHARD_ROWS
from winnow.core.types import Dataset, EncoderSpec, Float32, Modality, Progress


def image_table(path: Path, n: int) -> Path:
    cells = []
    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 256, (4, 4, 3)).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).resize((16, 16)).save(out, "PNG")
        cells.append(out.getvalue())
    cells[3] = b""
    pq.write_table(pa.table({"id": [f"i{i}" for i in range(n)], "image": pa.array(cells, pa.binary())}), path)
    return path


def text_dataset(folder: Path, n: int) -> Dataset:
    rows = [f"sample number {i} of group {i % 7}" for i in range(n)]
    pq.write_table(pa.table({"id": [f"t{i}" for i in range(n)], "text": rows}), folder / "t.parquet")
    return open_source(folder / "t.parquet")


class CountingEncoder(BaseEncoder):
    """Deterministic vectors of a text's length and letters; counts its calls."""

    batch = 64

    def __init__(self, memory: int = 10**9) -> None:
        self.spec = EncoderSpec("counting", "1", "none", 8, Modality.TEXT)
        self.memory = memory
        self.seen: list[int] = []

    def encode_texts(self, texts: list[str]) -> Float32:  # type: ignore[override]
        import torch

        if len(texts) > self.memory:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        self.seen.append(len(texts))
        return np.array([[len(t), *np.bincount([ord(c) % 7 for c in t], minlength=7)] for t in texts], np.float32)


def counting(encoder: CountingEncoder) -> EncoderChoice:
    return EncoderChoice(encoder.spec, "cpu", lambda: encoder)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cached weights, and a hub that does not answer."""
    monkeypatch.setattr(hub, "cached_file", lambda *_: None)
    monkeypatch.setattr(hub, "download_obstacle", lambda *_: "offline")
    for family in ("open_clip", "sentence_transformers"):
        monkeypatch.setattr(f"winnow.core.features.encoders.{family}.cached_file", lambda *_: None)
    monkeypatch.setattr("winnow.core.features.encoders.sentence_transformers._packaged", lambda _: None)


# ── choosing ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("modality", "built_in"), [(Modality.IMAGE, "patches"), (Modality.TEXT, "tfidf"), (Modality.PAIR, "patches")]
)
def test_without_weights_the_built_in_is_used_and_one_notice_says_so(modality: Modality, built_in: str) -> None:
    choice = choose(None, modality, device="cpu")
    assert choice.name == built_in
    assert len(choice.notices) == 1
    assert "could not be downloaded (offline)" in choice.notices[0]
    assert f"--encoder {DEFAULTS[modality]}" in choice.notices[0]


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("open_clip:ViT-B-32/openai", Modality.IMAGE),
        ("open_clip:ViT-B-32/gone.safetensors", Modality.IMAGE),
        ("sentence-transformers:all-mpnet-base-v2", Modality.TEXT),
        ("sentence-transformers:/no/such/model", Modality.TEXT),
    ],
)
def test_a_named_encoder_never_falls_back(name: str, modality: Modality) -> None:
    with pytest.raises(WeightsUnavailable) as caught:
        choose(name, modality, device="cpu")
    assert name.split("/")[-1] in str(caught.value)


@pytest.mark.parametrize(
    ("name", "modality", "said"),
    [
        ("nope", Modality.IMAGE, "Families: 'open_clip'"),
        ("tfidf", Modality.IMAGE, "holds images"),
        ("patches", Modality.TEXT, "holds texts"),
        ("patches:x", Modality.IMAGE, "'patches'"),
        ("open_clip:Nope/x", Modality.IMAGE, "no model 'Nope'"),
        ("open_clip:ViT-B-32/nope", Modality.IMAGE, "laion2b_s34b_b79k"),
        (None, Modality.VECTOR, "embeddings only"),
    ],
)
def test_wrong_names_are_answered_with_the_right_ones(name: str | None, modality: Modality, said: str) -> None:
    with pytest.raises(EncoderError) as caught:
        choose(name, modality, device="cpu", allow_network=False)
    assert said in str(caught.value)


def test_devices() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda")
    with pytest.raises(EncoderError, match="'auto', 'cpu' or 'cuda'"):
        resolve_device("tpu")
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(EncoderError, match="no CUDA"):
            resolve_device("cuda")


def test_the_catalogue_lists_every_family_and_every_open_clip_tag() -> None:
    infos = {i.name: i for i in catalogue()}
    assert {"patches", "tfidf", *DEFAULTS.values()} <= set(infos)
    assert infos["patches"].cached
    assert not infos["patches"].downloadable
    import open_clip

    assert {f"open_clip:{m}/{t}" for m, t in open_clip.list_pretrained()} <= set(infos)
    assert infos["open_clip:ViT-B-32/laion2b_s34b_b79k"].dim == 512


def test_the_default_is_answered_without_loading_open_clip() -> None:
    import open_clip

    from winnow.core.features.encoders import open_clip as family

    repo, names = family.repository(open_clip.get_pretrained_cfg(*family.DEFAULT.split("/")))
    assert (repo, names) == (family.DEFAULT_REPO, family.DEFAULT_FILES)


def test_a_network_that_never_answers_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(hub, "_SECONDS", 0.2)
    monkeypatch.setattr(hub, "offline_by_choice", lambda: False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: time.sleep(30))
    started = time.perf_counter()
    assert hub.download_obstacle("some/repo", ["x"]) == "offline"
    assert time.perf_counter() - started < 5


def test_what_is_cached_is_loaded_without_asking_the_network() -> None:
    from huggingface_hub import constants

    asked: list[bool] = []

    def load() -> str:
        asked.append(not constants.HF_HUB_OFFLINE)
        if len(asked) == 1:
            raise OSError("not cached")
        return "weights"

    assert hub.offline_first(load, allow_network=True) == "weights"
    assert asked == [False, not constants.HF_HUB_OFFLINE]
    asked.clear()
    with pytest.raises(OSError, match="not cached"):
        hub.offline_first(load, allow_network=False)
    assert asked == [False]


def test_offline_by_environment_does_not_even_try(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: pytest.fail("tried"))
    assert "HF_HUB_OFFLINE" in (hub.download_obstacle("some/repo", ["x"]) or "")


# ── embedding ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    dataset = text_dataset(tmp_path, 2 * SHARD_ROWS + 100)
    whole = embed(dataset, counting(CountingEncoder()), tmp_path / "whole")

    def stop(progress: Progress) -> None:
        if progress.done > SHARD_ROWS + 200:
            raise Cancelled

    with pytest.raises(Cancelled):
        embed(dataset, counting(CountingEncoder()), tmp_path / "cut", progress=stop)
    rest = CountingEncoder()
    done: list[int] = []
    resumed = embed(dataset, counting(rest), tmp_path / "cut", progress=lambda p: done.append(p.done))
    assert sum(rest.seen) == SHARD_ROWS + 100
    assert done[-1] == dataset.n
    assert (tmp_path / "cut/vectors.npy").read_bytes() == (tmp_path / "whole/vectors.npy").read_bytes()
    assert resumed.fingerprint == whole.fingerprint


def test_a_damaged_shard_is_made_again(tmp_path: Path) -> None:
    dataset = text_dataset(tmp_path, 2 * SHARD_ROWS)
    embed(dataset, counting(CountingEncoder()), tmp_path / "whole")

    def stop(progress: Progress) -> None:
        if progress.done > SHARD_ROWS + 64:
            raise Cancelled

    with pytest.raises(Cancelled):
        embed(dataset, counting(CountingEncoder()), tmp_path / "cut", progress=stop)
    shard = tmp_path / "cut/shards/000000.npy"
    data = bytearray(shard.read_bytes())
    data[-5] ^= 0xFF
    shard.write_bytes(data)
    rest = CountingEncoder()
    embed(dataset, counting(rest), tmp_path / "cut")
    assert sum(rest.seen) == 2 * SHARD_ROWS
    assert (tmp_path / "cut/vectors.npy").read_bytes() == (tmp_path / "whole/vectors.npy").read_bytes()


def test_shards_of_another_dataset_are_not_used(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = text_dataset(tmp_path / "a", 50), text_dataset(tmp_path / "b", 51)
    embed(first, counting(CountingEncoder()), tmp_path / "e")
    assert embed(second, counting(CountingEncoder()), tmp_path / "e").vectors.shape[0] == 51


def test_labels_do_not_matter_to_embeddings(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["one day", "two days"], "label": ["a", "b"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["one day", "two days"], "label": ["b", "a"]}), tmp_path / "b.parquet")
    embed(open_source(tmp_path / "a.parquet"), counting(CountingEncoder()), tmp_path / "e")
    again = CountingEncoder()
    embed(open_source(tmp_path / "b.parquet"), counting(again), tmp_path / "e")
    assert again.seen == []


def test_running_out_of_memory_halves_the_batch_and_says_so(tmp_path: Path) -> None:
    dataset = text_dataset(tmp_path, 100)
    plain = embed(dataset, counting(CountingEncoder()), tmp_path / "a")
    small = CountingEncoder(memory=20)
    said: list[str] = []
    halved = embed(dataset, counting(small), tmp_path / "b", progress=lambda p: said.append(p.message))
    assert max(small.seen) == 16
    assert any("batches of 16" in s for s in said)
    np.testing.assert_array_equal(plain.vectors, halved.vectors)
    with pytest.raises(EncoderError, match="one sample at a time"):
        embed(dataset, counting(CountingEncoder(memory=0)), tmp_path / "c")


_SMALL_SHARD = 128

_CHILD = """
import sys
from pathlib import Path
import torch
from winnow.core.features.encoders import choose, embed
from winnow.core.data.sources import open_source

sys.modules["winnow.core.features.encoders.embed"].SHARD_ROWS = int(sys.argv[3])
torch.set_num_threads(1)  # sums depend on the number of threads
dataset = open_source(sys.argv[1])
choice = choose("patches", dataset.modality, device="cpu", allow_network=False)
embed(dataset, choice, Path(sys.argv[2]), progress=lambda p: print(p.done, flush=True), batch_size=32, workers=0)
"""


def test_kill_nine_in_the_middle_then_the_same_command_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child is killed after its first shard. Fitted features must not be fitted again on the way back."""
    import torch

    source = image_table(tmp_path / "images.parquet", 2 * _SMALL_SHARD + 50)
    command = [sys.executable, "-c", _CHILD, str(source), str(tmp_path / "cut"), str(_SMALL_SHARD)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) > _SMALL_SHARD + 32:
                child.send_signal(signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut/spec.json").exists()
    assert (tmp_path / "cut/shards/000000.json").exists()
    fitted = (tmp_path / "cut/fit/patches.safetensors").stat().st_mtime_ns

    monkeypatch.setattr(sys.modules["winnow.core.features.encoders.embed"], "SHARD_ROWS", _SMALL_SHARD)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    dataset, choice = open_source(source), choose("patches", Modality.IMAGE, device="cpu")
    done: list[int] = []
    embed(dataset, choice, tmp_path / "cut", progress=lambda p: done.append(p.done), batch_size=32, workers=0)
    assert next(d for d in done if d) > _SMALL_SHARD
    assert (tmp_path / "cut/fit/patches.safetensors").stat().st_mtime_ns == fitted
    embed(dataset, choice, tmp_path / "whole", batch_size=32, workers=0)
    torch.set_num_threads(threads)
    for name in ("vectors.npy", "ok.npy", "spec.json", "fit/patches.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert np.flatnonzero(~np.load(tmp_path / "cut/ok.npy")).tolist() == [3]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_datasets_are_embedded_by_the_built_ins(tmp_path: Path, n: int) -> None:
    texts = text_dataset(tmp_path, n)
    assert embed(texts, choose("tfidf", Modality.TEXT), tmp_path / "t").ok.all()
    cells = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (9, 9, 3)).astype(np.uint8)) for i in range(n)]
    folder = tmp_path / "images"
    folder.mkdir()
    for i, picture in enumerate(cells):
        picture.save(folder / f"{i}.png")
    images = open_source(folder)
    assert embed(images, choose("patches", Modality.IMAGE, device="cpu"), tmp_path / "p").ok.all()


def test_a_dataset_without_a_usable_sample_is_all_not_ok(tmp_path: Path) -> None:
    from winnow.core.types import ColumnMap

    pq.write_table(pa.table({"image": pa.array([b"", b"\xffx"], pa.binary())}), tmp_path / "i.parquet")
    images = open_source(tmp_path / "i.parquet", ColumnMap(image="image"))
    found = embed(images, choose("patches", Modality.IMAGE, device="cpu"), tmp_path / "p")
    assert not found.ok.any()
    pq.write_table(pa.table({"text": [" ", "", "!!!"]}), tmp_path / "t.parquet")
    texts = open_source(tmp_path / "t.parquet", ColumnMap(text="text"))
    assert not embed(texts, choose("tfidf", Modality.TEXT), tmp_path / "t").ok[:2].any()


def test_like_images_are_nearer_than_unlike_ones_under_patches(tmp_path: Path) -> None:
    """Gratings of two directions: neighbours share the direction."""
    y, x = np.mgrid[0:32, 0:32]
    cells = []
    for i in range(60):
        rng = np.random.default_rng(i)
        wave = np.sin((x if i % 2 else y) / rng.uniform(1.5, 2.5) + rng.uniform(0, 6))
        noisy = np.clip(128 + 90 * wave + rng.normal(0, 10, wave.shape), 0, 255)
        out = io.BytesIO()
        Image.fromarray(noisy.astype(np.uint8)).save(out, "PNG")
        cells.append(out.getvalue())
    pq.write_table(pa.table({"image": pa.array(cells, pa.binary())}), tmp_path / "i.parquet")
    made = embed(open_source(tmp_path / "i.parquet"), choose("patches", Modality.IMAGE, device="cpu"), tmp_path / "p")
    cosine = np.asarray(made.vectors, np.float32) @ np.asarray(made.vectors, np.float32).T
    np.fill_diagonal(cosine, -1)
    nearest = cosine.argmax(1)
    assert (nearest % 2 == np.arange(60) % 2).mean() > 0.95


def test_unit_rows_never_divide_by_zero() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [0, 0], [0, 0]])


def test_several_devices_share_a_batch_and_keep_its_order() -> None:
    from winnow.core.features.encoders.replicas import Replicas

    copies = [CountingEncoder(), CountingEncoder(), CountingEncoder()]
    texts = [f"{'x' * i} number {i}" for i in range(10)]
    shared = Replicas(copies)
    np.testing.assert_array_equal(shared.encode_texts(texts), CountingEncoder().encode_texts(texts))
    assert [c.seen for c in copies] == [[3], [3], [4]]
    np.testing.assert_array_equal(shared.encode_texts(texts[:1]), CountingEncoder().encode_texts(texts[:1]))
    assert shared.batch == 3 * copies[0].batch
