"""Embedding a whole dataset, in shards that survive a kill.

    out_dir/shards/key.json          fingerprint of dataset and encoder; another key empties the folder
    out_dir/fit/                     what a fitted encoder learned (kept, because queries need it)
    out_dir/shards/000012.npy .ok.npy .json   2,048 rows, unit norm, float16; the .json, written last, has the checksums
    out_dir/vectors.npy ok.npy rows.parquet spec.json   the result; spec.json is written last, then shards/ is removed

Vectors of contents that a previous run with the same encoder has embedded are copied, not computed again. Shards start
at fixed rows and batches start at shards, so an interrupted run continues with the same batches and gives the same
bytes as one that was never interrupted.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ... import fingerprint as fp
from ...data.sources.build import content_fingerprint
from ...errors import EncoderError, WorkspaceError
from ...parallel import prefetch
from ...storage.artifacts import load_array, load_json, save_array, save_json
from ...storage.atomic import atomic_file, checksum_of
from ...types import Bool, Dataset, EmbeddingSet, EncoderSpec, Int64, Modality, Progress, ProgressFn, Strings, quiet
from ..incremental import PreviousEmbeddings, compare, load_previous, save_rows
from .base import BaseEncoder, EncoderChoice, unit_rows
from .replicas import build_on_all_devices

SHARD_ROWS = 2048
EMBED_VERSION = 2
_STAGE = "embed"
_KEEP_FIT = 0.8
"""An encoder fitted on the dataset keeps its fit while at least this share of the rows is unchanged."""


def embed(
    dataset: Dataset,
    choice: EncoderChoice,
    out_dir: Path | str,
    progress: ProgressFn = quiet,
    batch_size: int | None = None,
    workers: int | None = None,
    keys: Strings | None = None,
    elsewhere: Sequence[PreviousEmbeddings] = (),
) -> EmbeddingSet:
    """Encode every sample; continue where an earlier call with the same dataset and encoder was interrupted.

    Parameters
    ----------
    dataset
        With images or texts, as the encoder needs.
    choice
        From :func:`~.choose.choose`.
    out_dir
        Receives the files named in the module's docstring.
    progress
        Called after each batch as the stage "embed"; may raise ``Cancelled``.
    batch_size
        Rows per call of the encoder; None = what suits the device. When CUDA runs out of memory it is halved until
        the batch fits.
    workers
        Decoding processes; None = one per core, 0 = in this process.
    keys
        (n,) str, content keys ("" = unknown); None = ``dataset.content_hash``. Vectors in ``out_dir`` of the same key
        and encoder are reused. An encoder that is fitted on the dataset keeps its fit while at least four fifths of
        the rows are unchanged.
    elsewhere
        Embeddings of other folders, whose vectors by the same encoder are reused where ``out_dir`` has none (those of
        an encoder that is fitted on the dataset are not: its fit lies in its own folder).

    Returns
    -------
    EmbeddingSet
        Memory-mapped float16 unit rows; ``ok`` False and zeros where a sample is unreadable or blank.

    Raises
    ------
    EncoderError
        Not even one row fits into memory, or the dataset does not have what the encoder needs.
    DiskFull
        There is no room; finished shards are kept.
    Cancelled
        The person cancelled; finished shards are kept.
    """
    folder = Path(out_dir)
    key = fp.of(EMBED_VERSION, SHARD_ROWS, content_fingerprint(dataset), choice.spec)
    finished = _load_finished(folder, key, dataset)
    if finished is not None:
        return finished
    if dataset.texts is None and choice.spec.modality is Modality.TEXT:
        raise EncoderError(f"{choice.name} encodes text, and this dataset has none.")
    progress(Progress(_STAGE, 0, dataset.n, "samples", f"loading {choice.name}"))
    keys = dataset.content_hash if keys is None else keys
    made_by = encoder_key(choice.spec)
    encoder = build_on_all_devices(choice)
    reusable = _find_reusable(folder, dataset, keys, made_by, encoder.fitted, elsewhere)
    shards = _Shards(folder / "shards", key, dataset.n)
    if encoder.fitted:
        _fit(encoder, dataset, folder / "fit", key, progress, keep=reusable is not None)
    runner = _Runner(encoder, batch_size or encoder.batch, shards, dataset, progress, reusable)
    if Modality.TEXT in (dataset.modality, choice.spec.modality):
        runner.texts()
    else:
        runner.images(workers)
    return _assemble(folder, shards, encoder.spec, dataset, key, keys, made_by)


def encoder_key(spec: EncoderSpec) -> str:
    """Fingerprint of an encoder: vectors of two runs can be mixed where it is the same."""
    return fp.of(EMBED_VERSION, spec)


@dataclass(frozen=True)
class _Reusable:
    """Vectors of the previous run. ``source`` is (n,) int64 rows of ``previous``, −1 = to be computed."""

    previous: PreviousEmbeddings
    source: Int64

    def at(self, rows: range) -> Int64:
        return self.source[rows.start : rows.stop]


def _find_reusable(
    folder: Path,
    dataset: Dataset,
    keys: Strings,
    made_by: str,
    fitted: bool,
    elsewhere: Sequence[PreviousEmbeddings],
) -> _Reusable | None:
    """Vectors that a previous run of the same encoder left in ``folder`` or elsewhere; None where there are none."""
    candidates = [load_previous(folder), *(elsewhere if not fitted else ())]
    previous = next((p for p in candidates if p is not None and p.encoder == made_by), None)
    if previous is None:
        return None
    source = compare(previous, dataset.sample_ids, keys).source
    kept = int((source >= 0).sum())
    if fitted:
        with contextlib.suppress(WorkspaceError):
            fit = load_json(folder / "fit" / "fit.json")
            if kept >= _KEEP_FIT * max(dataset.n, int(fit.get("n", 0))):
                return _Reusable(previous, source)
        return None
    return _Reusable(previous, source) if kept else None


def load_fitted(
    choice: EncoderChoice, out_dir: Path | str, build: Callable[[EncoderChoice], BaseEncoder] | None = None
) -> BaseEncoder:
    """Load the encoder of the embeddings in ``out_dir``, with what was fitted on the dataset.

    ``build`` loads the choice; None = on its own device, which is enough for queries.
    """
    encoder = choice.build() if build is None else build(choice)
    if encoder.fitted:
        encoder.load(Path(out_dir) / "fit")
    return encoder


def _load_finished(folder: Path, key: str, dataset: Dataset) -> EmbeddingSet | None:
    """The result of an earlier call, if it has the same key and is complete."""
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


def _fit(encoder: BaseEncoder, dataset: Dataset, folder: Path, key: str, progress: ProgressFn, keep: bool) -> None:
    """Fit once.

    A stored fit is used if it has the same key (so that a resumed run continues with the same features), or if ``keep``
    says that vectors made with it are reused.
    """
    record = folder / "fit.json"
    with contextlib.suppress(WorkspaceError):
        if load_json(record).get("key") == key or keep:
            encoder.load(folder)
            return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    encoder.fit(dataset, progress)
    encoder.save(folder)
    save_json(record, {"key": key, "n": dataset.n})
    encoder.load(folder)


class _Shards:
    """The shards of one embedding run on disk."""

    def __init__(self, folder: Path, key: str, n: int) -> None:
        self.folder = folder
        self.n = n
        self.count = -(-n // SHARD_ROWS)
        stored_key = None
        with contextlib.suppress(WorkspaceError):
            stored_key = load_json(folder / "key.json").get("key")
        if stored_key != key:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            save_json(folder / "key.json", {"key": key})

    def rows(self, shard: int) -> range:
        return range(shard * SHARD_ROWS, min(self.n, (shard + 1) * SHARD_ROWS))

    def path(self, shard: int, kind: str) -> Path:
        return self.folder / f"{shard:06d}{kind}"

    def done(self, shard: int) -> bool:
        """Whether a shard was written completely and is unchanged since."""
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
    """The vectors of one shard, zeros until they are set; the width is known with the first batch."""

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
        self,
        encoder: BaseEncoder,
        batch: int,
        shards: _Shards,
        dataset: Dataset,
        progress: ProgressFn,
        reusable: _Reusable | None,
    ) -> None:
        self.encoder = encoder
        self.reusable = reusable
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
        assert texts is not None
        for shard in self.todo:
            in_shard = [str(texts[r]) for r in self.shards.rows(shard)]
            out = self._begin(shard)
            good = np.zeros(len(in_shard), bool)
            for i in self._missing(shard):
                good[i] = bool(in_shard[i].strip())
            # texts of similar length in one batch need little padding
            order = np.argsort([len(t) for t in in_shard], kind="stable")
            self._encode(
                out, order[good[order]], lambda rows, t=in_shard: self.encoder.encode_texts([t[i] for i in rows])
            )
            self._write(shard, out)

    def images(self, workers: int | None) -> None:
        from ...data.media.workers import decode_stream

        missing = {s: self._missing(s) for s in self.todo}
        rows = [int(r) for s in self.todo for r in self.shards.rows(s).start + missing[s]]
        step = self.batch  # pieces keep this size when batches are halved
        sizes = [min(step, len(missing[s]) - at) for s in self.todo for at in range(0, len(missing[s]), step)]
        on_cpu = not str(getattr(self.encoder, "device", "cpu")).startswith("cuda")
        stream = decode_stream(self.dataset, rows, self.encoder.image_work(), workers, polite=on_cpu)
        with prefetch(_pieces(stream, sizes)) as pieces:
            for shard in self.todo:
                out = self._begin(shard)
                for at in range(0, len(missing[shard]), step):
                    pixels, good = next(pieces)
                    place = missing[shard][at : at + len(good)]
                    order = np.flatnonzero(good)
                    self._encode(out, order, lambda rows, p=pixels: self.encoder.encode_pixels(p[rows]), place)
                self._write(shard, out)

    def _missing(self, shard: int) -> NDArray[np.intp]:
        """The rows of a shard, counted from its start, that must be computed."""
        rows = self.shards.rows(shard)
        return np.arange(len(rows)) if self.reusable is None else np.flatnonzero(self.reusable.at(rows) < 0)

    def _begin(self, shard: int) -> _Rows:
        """The vectors of a shard, with those that are reused."""
        rows = self.shards.rows(shard)
        out = _Rows(len(rows))
        if self.reusable is not None:
            source = self.reusable.at(rows)
            reused = np.flatnonzero(source >= 0)
            if len(reused):
                out.put(reused, self.reusable.previous.vectors[source[reused]])
        return out

    def _encode(self, out: _Rows, order: NDArray[np.intp], encode: Any, place: NDArray[np.intp] | None = None) -> None:
        """Encode rows in ``order``, a batch at a time, into ``out``: at ``place[row]``, or at the row itself."""
        at = 0
        while at < len(order):
            rows = order[at : at + self.batch]
            try:
                out.put(rows if place is None else place[rows], unit_rows(encode(rows)))
            except RuntimeError as error:
                self._halve(error)
                continue
            at += len(rows)
            begun = 0 if place is None or not len(place) else int(place[0])
            self.progress(Progress(_STAGE, self._finished + begun + at, self.dataset.n, "samples"))

    def _write(self, shard: int, out: _Rows) -> None:
        vectors = out.vectors if out.vectors is not None else np.zeros((out.size, self.encoder.spec.dim), np.float16)
        self.shards.write(shard, vectors, (vectors != 0).any(axis=1))
        self._finished += out.size
        self.progress(Progress(_STAGE, self._finished, self.dataset.n, "samples"))

    def _halve(self, error: RuntimeError) -> None:
        """Halve the batch after CUDA ran out of memory; raise any other error again."""
        import torch

        if not isinstance(error, torch.cuda.OutOfMemoryError):
            raise error
        if self.batch == 1:
            raise EncoderError(
                f"{self.encoder.spec.name} does not fit into the GPU's memory even one sample at a time. Free the GPU, "
                "choose a smaller model, or use --device cpu."
            ) from error
        torch.cuda.empty_cache()
        self.batch //= 2
        message = f"out of GPU memory: batches of {self.batch} now"
        self.progress(Progress(_STAGE, self._finished, self.dataset.n, "samples", message))


def _pieces(
    stream: Generator[tuple[list[int], tuple[NDArray[np.uint8], Bool]], None, None], sizes: list[int]
) -> Generator[tuple[NDArray[np.uint8], Bool], None, None]:
    """Cut a stream of chunks into pieces of the given sizes."""
    pixels: list[NDArray[np.uint8]] = []
    good: list[Bool] = []
    buffered = 0
    try:
        for size in sizes:
            while buffered < size:
                _, (more, fine) = next(stream)
                pixels.append(more)
                good.append(fine)
                buffered += len(fine)
            p, g = (pixels[0], good[0]) if len(pixels) == 1 else (np.concatenate(pixels), np.concatenate(good))
            yield p[:size], g[:size]
            buffered -= size
            pixels, good = ([p[size:]], [g[size:]]) if buffered else ([], [])
    finally:
        stream.close()


def _assemble(
    folder: Path, shards: _Shards, spec: EncoderSpec, dataset: Dataset, key: str, keys: Strings, made_by: str
) -> EmbeddingSet:
    """Join the shards into one file, write spec.json last, and remove the shards."""
    parts = [load_array(shards.path(s, ".npy")) for s in range(shards.count)]
    dim = max((p.shape[1] for p in parts if np.any(p)), default=parts[0].shape[1])
    (folder / "spec.json").unlink(missing_ok=True)
    with atomic_file(folder / "vectors.npy", "the embeddings") as stream:
        header = {"descr": "<f2", "fortran_order": False, "shape": (dataset.n, dim)}
        np.lib.format.write_array_header_1_0(cast(Any, stream), header)
        for part in parts:
            if part.shape[1] != dim:  # a shard without a good row
                part = np.zeros((len(part), dim), "<f2")
            stream.write(np.ascontiguousarray(part, "<f2").data)
    save_array(folder / "ok.npy", np.concatenate([load_array(shards.path(s, ".ok.npy")) for s in range(shards.count)]))
    save_rows(folder, dataset.sample_ids, keys, made_by, key)
    spec = replace(spec, dim=dim, precision="float16")
    fields = {name: getattr(spec, name) for name in EncoderSpec.__dataclass_fields__}
    save_json(folder / "spec.json", {**fields, "key": key})
    del parts
    shutil.rmtree(shards.folder, ignore_errors=True)
    return EmbeddingSet(
        load_array(folder / "vectors.npy"), load_array(folder / "ok.npy", mmap=False), spec, dataset.fingerprint, key
    )
