"""Embed every sample, or keep the embeddings that were given (embeddings/)."""

from __future__ import annotations

import numpy as np

from ... import fingerprint as fp
from ...data.sources import content_fingerprint
from ...data.sources.precomputed import PrecomputedEmbeddings
from ...features import encoders, incremental
from ...features.encoders import EncoderChoice
from ...features.neighbor_graphs import RowMatch
from ...storage.artifacts import load_array, load_json, plain, save_array, save_json
from ...storage.atomic import checksum_of
from ...storage.decision_log.location import log_of
from ...types import Dataset, EmbeddingSet, EncoderSpec, MediaFeatures, Strings
from ..run import Outputs, Run
from .dataset import content_keys
from .source import OpenedSource


def run(run: Run, source: OpenedSource, media: MediaFeatures | None) -> tuple[EmbeddingSet, RowMatch | None]:
    """The embeddings, and how their rows relate to those that lay there before (None where none did)."""
    if source.embeddings is not None:
        return _keep_precomputed(run, source.dataset, source.embeddings)
    assert source.encoder is not None  # the source chose one where no embeddings were given
    return _encode(run, source.dataset, media, source.encoder)


def _encode(
    run: Run, dataset: Dataset, media: MediaFeatures | None, choice: EncoderChoice
) -> tuple[EmbeddingSet, RowMatch | None]:
    folder = run.layout.embeddings
    run.notices.extend(choice.notices)
    key = fp.of(encoders.encoder_key(choice.spec), content_fingerprint(dataset))
    then = None if run.store.fresh("embed", key) else incremental.earlier(folder)
    keys = content_keys(dataset, media)

    def make() -> Outputs:
        encoders.embed(dataset, choice, folder, progress=run.report, keys=keys)
        return sorted(p for p in folder.rglob("*") if p.is_file()), {}

    run.stage("embed", key, make)
    found = encoders.embed(dataset, choice, folder)  # finished: read back
    return found, _grown(run, dataset, then, keys, encoders.encoder_key(choice.spec))


def _keep_precomputed(run: Run, dataset: Dataset, given: PrecomputedEmbeddings) -> tuple[EmbeddingSet, RowMatch | None]:
    folder = run.layout.embeddings
    spec = EncoderSpec("brought", given.checksum, "none", given.dim, dataset.modality)
    vectors, ok = folder / "vectors.npy", folder / "ok.npy"
    key = fp.of("brought", spec, fp.of_strings(dataset.sample_ids), 2)
    then = None if run.store.fresh("embed", key) else incremental.earlier(folder)
    keys = np.zeros(0, object)

    def make() -> Outputs:
        nonlocal keys
        (folder / "spec.json").unlink(missing_ok=True)
        good = encoders.write_precomputed(given, vectors, run.report)
        # by what is written, so that a file written anew with the same vectors changes nothing downstream
        written = fp.of("brought", checksum_of(vectors), save_array(ok, good))
        keys = incremental.row_keys(load_array(vectors), good)
        rows = incremental.save_rows(folder, dataset.sample_ids, keys, "brought", written)
        save_json(folder / "spec.json", {**plain(spec), "key": written})
        return [vectors, ok, rows, folder / "spec.json"], {"notices": list(given.notices(good, dataset))}

    run.stage("embed", key, make)
    written = str(load_json(folder / "spec.json")["key"])
    found = EmbeddingSet(load_array(vectors), load_array(ok), spec, dataset.fingerprint, written)
    return found, _grown(run, dataset, then, keys, "brought")


def _grown(
    run: Run, dataset: Dataset, then: incremental.PreviousEmbeddings | None, keys: Strings, encoder: str
) -> RowMatch | None:
    """Say what changed since the embeddings that lay there, and match their rows with those of now."""
    if then is None:
        return None
    change = incremental.compare(then, dataset.sample_ids, keys)
    same = then.encoder == encoder
    if change.any:
        run.notices.append(change.notice(int((change.source >= 0).sum()) if same else 0))
        stale = incremental.stale_decisions_notice(log_of(run.layout), dataset.sample_ids[change.changed])
        run.notices.extend(filter(None, [stale]))
    return RowMatch(change.before, then.key) if same else None
