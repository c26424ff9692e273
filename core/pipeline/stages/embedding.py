"""Embed every sample, or store precomputed embeddings (embeddings/)."""

from __future__ import annotations

import numpy as np

from ... import fingerprint as fp
from ...data.sources import content_fingerprint
from ...data.sources.precomputed import PrecomputedEmbeddings
from ...features import encoders, incremental
from ...features.encoders import PRECOMPUTED, EncoderChoice
from ...features.incremental import PreviousEmbeddings
from ...features.neighbor_graphs import RowMatch
from ...storage.artifacts import load_array, load_json, plain, save_array, save_json
from ...storage.atomic import checksum_of
from ...storage.decision_log.location import log_of
from ...types import Dataset, EmbeddingSet, EncoderSpec, MediaFeatures, Strings
from ..run import Outputs, Run
from .dataset import content_keys
from .source import OpenedSource


def run(scan: Run, source: OpenedSource, media: MediaFeatures | None) -> tuple[EmbeddingSet, RowMatch | None]:
    """Embed the samples, and match their rows with those of the previous embeddings (None = there were none)."""
    if source.embeddings is not None:
        return _store_precomputed(scan, source.dataset, source.embeddings)
    assert source.encoder is not None  # the source stage chose one where no embeddings were given
    return _encode(scan, source.dataset, media, source.encoder)


def _encode(
    scan: Run, dataset: Dataset, media: MediaFeatures | None, choice: EncoderChoice
) -> tuple[EmbeddingSet, RowMatch | None]:
    folder = scan.layout.embeddings
    scan.notices.extend(choice.notices)
    made_by = encoders.encoder_key(choice.spec)
    key = fp.of(made_by, content_fingerprint(dataset))
    previous = None if scan.store.fresh("embed", key) else incremental.load_previous(folder)
    keys = content_keys(dataset, media)

    def make() -> Outputs:
        encoders.embed(dataset, choice, folder, progress=scan.report, keys=keys)
        return sorted(p for p in folder.rglob("*") if p.is_file()), {}

    scan.stage("embed", key, make)
    embedding = encoders.embed(dataset, choice, folder)  # finished: read back
    return embedding, _match_rows(scan, dataset, previous, keys, made_by)


def _store_precomputed(
    scan: Run, dataset: Dataset, given: PrecomputedEmbeddings
) -> tuple[EmbeddingSet, RowMatch | None]:
    folder = scan.layout.embeddings
    spec = EncoderSpec(PRECOMPUTED, given.checksum, "none", given.dim, dataset.modality)
    vectors, ok = folder / "vectors.npy", folder / "ok.npy"
    key = fp.of(PRECOMPUTED, spec, fp.of_strings(dataset.sample_ids), 2)
    previous = None if scan.store.fresh("embed", key) else incremental.load_previous(folder)
    keys = np.zeros(0, object)

    def make() -> Outputs:
        nonlocal keys
        (folder / "spec.json").unlink(missing_ok=True)
        good = encoders.write_precomputed(given, vectors, scan.report)
        # keyed by the vectors as written, so that another file with the same vectors changes nothing downstream
        written = fp.of(PRECOMPUTED, checksum_of(vectors), save_array(ok, good))
        keys = incremental.row_keys(load_array(vectors), good)
        rows = incremental.save_rows(folder, dataset.sample_ids, keys, PRECOMPUTED, written)
        save_json(folder / "spec.json", {**plain(spec), "key": written})
        return [vectors, ok, rows, folder / "spec.json"], {"notices": list(given.notices(good, dataset))}

    scan.stage("embed", key, make)
    written = str(load_json(folder / "spec.json")["key"])
    embedding = EmbeddingSet(load_array(vectors), load_array(ok), spec, dataset.fingerprint, written)
    return embedding, _match_rows(scan, dataset, previous, keys, PRECOMPUTED)


def _match_rows(
    scan: Run, dataset: Dataset, previous: PreviousEmbeddings | None, keys: Strings, made_by: str
) -> RowMatch | None:
    """Match the rows with those of the previous embeddings, and tell the person what changed."""
    if previous is None:
        return None
    change = incremental.compare(previous, dataset.sample_ids, keys)
    same_encoder = previous.encoder == made_by
    if change.any:
        scan.notices.append(change.notice(int((change.source >= 0).sum()) if same_encoder else 0))
        stale = incremental.stale_decisions_notice(log_of(scan.layout), dataset.sample_ids[change.changed])
        scan.notices.extend(filter(None, [stale]))
    return RowMatch(change.before, previous.key) if same_encoder else None
