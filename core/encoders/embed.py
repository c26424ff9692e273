"""Embedding a whole dataset: in shards that survive a kill, assembled when all are there.

    out_dir/shards/key.json          what is being embedded with what; another key empties the folder
    out_dir/fit/                     what a fitted encoder learned (kept: queries need it)
    out_dir/shards/000012.npy .ok.npy .json   2,048 rows, unit norm, float16; the .json, written last, has the checksums
    out_dir/vectors.npy ok.npy spec.json      the result; spec.json is written last, then shards/ is removed

Shards start at fixed rows and batches start at shards, so an interrupted run goes on with the same batches and gives
the same bytes as one that was never cut.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import fingerprint as fp
from ..errors import EncoderError, WorkspaceError
from ..media.workers import decode_stream
from ..sources.build import content_fingerprint
from ..store.artifacts import atomic_file, checksum_of, load_array, load_json, save_array, save_json
from ..types import Bool, Dataset, EmbeddingSet, EncoderSpec, Modality, Progress, ProgressFn, quiet
from .base import BaseEncoder, Choice, unit_rows

SHARD_ROWS = 2048
EMBED_VERSION = 1
_STAGE = "embed"


def embed(
    dataset: Dataset,
    choice: Choice,
    out_dir: Path | str,
    progress: ProgressFn = quiet,
    batch_size: int | None = None,
    workers: int | None = None,
) -> EmbeddingSet:
    """Encode every sample; go on where an earlier call with the same dataset and encoder was cut.

    Parameters
    ----------
    dataset : with images or texts, as the encoder needs. choice : from :func:`~.choose.choose`.
    out_dir : receives the files named in the module's docstring.
    batch_size : rows per call of the encoder; None = what suits the device. When CUDA runs out of memory it is halved
        until the batch fits.
    workers : decoding processes; None = one per core, 0 = in this process.

    Returns
    -------
    EmbeddingSet with memory-mapped float16 unit rows; ``ok`` False and zeros where a sample is unreadable or blank.

    Raises
    ------
    EncoderError : not even one row fits into memory, or the dataset has not what the encoder needs.
    DiskFull, Cancelled : finished shards are kept.
    """
    folder = Path(out_dir)
    key = fp.of(EMBED_VERSION, SHARD_ROWS, content_fingerprint(dataset), choice.spec)
    found = _finished(folder, key, dataset)
    if found is not None:
        return found
    if dataset.texts is None and choice.spec.modality is Modality.TEXT:
        raise EncoderError(f"{choice.name} encodes text, and this dataset has none.")
    progress(Progress(_STAGE, 0, dataset.n, "samples", f"loading {choice.name}"))
    shards = _Shards(folder / "shards", folder / "fit", key, dataset.n)
    encoder = choice.build()
    if encoder.fitted:
        _fit(encoder, dataset, folder / "fit", key, progress)
    runner = _Runner(encoder, batch_size or encoder.batch, shards, dataset, progress)
    if _by_text(dataset, choice.spec):
        runner.texts()
    else:
        runner.images(workers)
    return _assemble(folder, shards, encoder.spec, dataset, key)


def load_fitted(choice: Choice, out_dir: Path | str) -> BaseEncoder:
    """The encoder that made the embeddings in ``out_dir``, ready for queries (with what was fitted on the dataset)."""
    encoder = choice.build()
    if encoder.fitted:
        encoder.load(Path(out_dir) / "fit")
    return encoder


def _by_text(dataset: Dataset, spec: EncoderSpec) -> bool:
    return dataset.modality is Modality.TEXT or spec.modality is Modality.TEXT


def _finished(folder: Path, key: str, dataset: Dataset) -> EmbeddingSet | None:
    """The result of an earlier call, if it is of the same key and whole."""
    try:
        saved = load_json(folder / "spec.json")
        if saved.get("key") != key:
            return None
        vectors, ok = load_array(folder / "vectors.npy"), load_array(folder / "ok.npy", mmap=False)
    except WorkspaceError:
        return None
    if vectors.shape[0] != dataset.n or len(ok) != dataset.n:
        return None
    fields = {k: saved[k] for k in EncoderSpec.__dataclass_fields__}
    spec = EncoderSpec(**{**fields, "modality": Modality(fields["modality"])})
    return EmbeddingSet(vectors, ok, spec, dataset.fingerprint, key)


def _fit(encoder: BaseEncoder, dataset: Dataset, folder: Path, key: str, progress: ProgressFn) -> None:
    """Fit once; an earlier fit of the same key is read back, so that a resumed run goes on with the same features."""
    mark = folder / "fit.json"
    with contextlib.suppress(WorkspaceError):
        if load_json(mark).get("key") == key:
            encoder.load(folder)
            return
    folder.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)
    encoder.fit(dataset, progress)
    encoder.save(folder)
    save_json(mark, {"key": key})
    encoder.load(folder)


class _Shards:
    """The shards of one embedding run on disk."""

    def __init__(self, folder: Path, fit: Path, key: str, n: int) -> None:
        self.folder = folder
        self.n = n
        self.count = -(-n // SHARD_ROWS)
        known = None
        with contextlib.suppress(WorkspaceError):
            known = load_json(folder / "key.json").get("key")
        if known != key:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(fit, ignore_errors=True)
            folder.mkdir(parents=True)
            save_json(folder / "key.json", {"key": key})

    def rows(self, shard: int) -> range:
        return range(shard * SHARD_ROWS, min(self.n, (shard + 1) * SHARD_ROWS))

    def path(self, shard: int, kind: str) -> Path:
        return self.folder / f"{shard:06d}{kind}"

    def done(self, shard: int) -> bool:
        """Whether a shard was written whole and is still what was written."""
        try:
            record = load_json(self.path(shard, ".json"))
            return bool(
                record["rows"] == len(self.rows(shard))
                and checksum_of(self.path(shard, ".npy")) == record["vectors"]
                and checksum_of(self.path(shard, ".ok.npy")) == record["ok"]
            )
        except (WorkspaceError, OSError, KeyError, TypeError):
            return False

    def write(self, shard: int, vectors: NDArray[np.float16], ok: Bool) -> None:
        record = {
            "rows": len(ok),
            "vectors": save_array(self.path(shard, ".npy"), vectors),
            "ok": save_array(self.path(shard, ".ok.npy"), ok),
        }
        save_json(self.path(shard, ".json"), record)


class _Rows:
    """The vectors of one shard, zeros until they are put; the width is known with the first batch."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.vectors: NDArray[np.float16] | None = None

    def put(self, rows: NDArray[np.intp], vectors: NDArray[Any]) -> None:
        if self.vectors is None:
            self.vectors = np.zeros((self.size, vectors.shape[1]), np.float16)
        self.vectors[rows] = vectors


class _Runner:
    """Feeds an encoder shard by shard."""

    def __init__(
        self, encoder: BaseEncoder, batch: int, shards: _Shards, dataset: Dataset, progress: ProgressFn
    ) -> None:
        self.encoder = encoder
        self.batch = max(1, batch)
        self.shards = shards
        self.dataset = dataset
        self.progress = progress
        self.todo = [s for s in range(shards.count) if not shards.done(s)]
        self._finished = sum(len(shards.rows(s)) for s in range(shards.count)) - sum(
            len(shards.rows(s)) for s in self.todo
        )

    def texts(self) -> None:
        texts = self.dataset.texts
        if texts is None:
            raise EncoderError(f"{self.encoder.spec.name} encodes text, and this dataset has none.")
        for shard in self.todo:
            chosen = [str(texts[r]) for r in self.shards.rows(shard)]
            good = np.array([bool(t.strip()) for t in chosen], bool)
            # Texts of like length together waste no padding.
            order = np.argsort([len(t) for t in chosen], kind="stable")
            out = _Rows(len(good))
            self._encode(
                out, order[good[order]], lambda rows, t=chosen: self.encoder.encode_texts([t[i] for i in rows])
            )
            self._write(shard, out)

    def images(self, workers: int | None) -> None:
        rows = [r for s in self.todo for r in self.shards.rows(s)]
        stream = decode_stream(self.dataset, rows, self.encoder.image_work(), workers)
        step = self.batch  # pieces keep this size when batches are halved
        try:
            pieces = _pieces(stream, [min(step, len(self.shards.rows(s)) - at) for s in self.todo
                                      for at in range(0, len(self.shards.rows(s)), step)])  # fmt: skip
            for shard in self.todo:
                out = _Rows(len(self.shards.rows(shard)))
                for at in range(0, out.size, step):
                    pixels, good = next(pieces)
                    order = np.flatnonzero(good)
                    self._encode(out, order, lambda rows, p=pixels: self.encoder.encode_pixels(p[rows]), at)
                self._write(shard, out)
        finally:
            stream.close()

    def _encode(self, out: _Rows, order: NDArray[np.intp], encode: Any, offset: int = 0) -> None:
        """Encode rows in ``order``, a batch at a time, into ``out`` from ``offset`` on."""
        at = 0
        while at < len(order):
            rows = order[at : at + self.batch]
            try:
                out.put(rows + offset, unit_rows(encode(rows)))
            except RuntimeError as error:
                self._halve(error)
                continue
            at += len(rows)
            self.progress(Progress(_STAGE, self._finished + offset + at, self.dataset.n, "samples"))

    def _write(self, shard: int, out: _Rows) -> None:
        vectors = out.vectors if out.vectors is not None else np.zeros((out.size, self.encoder.spec.dim), np.float16)
        self.shards.write(shard, vectors, (vectors != 0).any(axis=1))
        self._finished += out.size
        self.progress(Progress(_STAGE, self._finished, self.dataset.n, "samples"))

    def _halve(self, error: RuntimeError) -> None:
        """Half the batch after CUDA ran out of memory; anything else is raised again."""
        import torch

        if not isinstance(error, torch.cuda.OutOfMemoryError):
            raise error
        if self.batch == 1:
            raise EncoderError(
                f"{self.encoder.spec.name} does not fit into the GPU's memory even one sample at a time. Free the GPU, choose a "
                "smaller model, or use --device cpu."
            ) from error
        torch.cuda.empty_cache()
        self.batch //= 2
        self.progress(
            Progress(
                _STAGE, self._finished, self.dataset.n, "samples", f"out of GPU memory: batches of {self.batch} now"
            )
        )


def _pieces(
    stream: Iterator[tuple[list[int], tuple[NDArray[np.uint8], Bool]]], sizes: list[int]
) -> Iterator[tuple[NDArray[np.uint8], Bool]]:
    """Cut a stream of chunks into pieces of the given sizes."""
    pixels: list[NDArray[np.uint8]] = []
    good: list[Bool] = []
    have = 0
    for size in sizes:
        while have < size:
            _, (more, fine) = next(stream)
            pixels.append(more)
            good.append(fine)
            have += len(fine)
        p, g = (pixels[0], good[0]) if len(pixels) == 1 else (np.concatenate(pixels), np.concatenate(good))
        yield p[:size], g[:size]
        have -= size
        pixels, good = ([p[size:]], [g[size:]]) if have else ([], [])


def _assemble(folder: Path, shards: _Shards, spec: EncoderSpec, dataset: Dataset, key: str) -> EmbeddingSet:
    """Join the shards into one file, write spec.json last, and remove the shards."""
    parts = [load_array(shards.path(s, ".npy")) for s in range(shards.count)]
    dim = max((p.shape[1] for p in parts if np.any(p)), default=parts[0].shape[1])
    (folder / "spec.json").unlink(missing_ok=True)
    with atomic_file(folder / "vectors.npy", "the embeddings") as stream:
        header = {"descr": "<f2", "fortran_order": False, "shape": (dataset.n, dim)}
        np.lib.format.write_array_header_1_0(cast(Any, stream), header)
        for part in parts:
            whole = part if part.shape[1] == dim else np.zeros((len(part), dim), "<f2")  # a shard without a good row
            stream.write(np.ascontiguousarray(whole, "<f2").data)
    save_array(folder / "ok.npy", np.concatenate([load_array(shards.path(s, ".ok.npy")) for s in range(shards.count)]))
    spec = replace(spec, dim=dim, precision="float16")
    fields = {name: getattr(spec, name) for name in EncoderSpec.__dataclass_fields__}
    save_json(folder / "spec.json", {**fields, "key": key})
    del parts
    shutil.rmtree(shards.folder, ignore_errors=True)
    return EmbeddingSet(
        load_array(folder / "vectors.npy"), load_array(folder / "ok.npy", mmap=False), spec, dataset.fingerprint, key
    )
