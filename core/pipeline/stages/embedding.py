"""Embed every sample with every encoder, or store precomputed embeddings (embeddings/, encoders/2/embeddings/ …)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from ...types import Bool, Dataset, EmbeddingSet, EncoderSpec, MediaFeatures, Strings
from ..run import Outputs, Run
from .dataset import content_keys
from .source import OpenedSource


@dataclass(frozen=True)
class Embedded:
    """What one encoder of a scan made.

    Attributes
    ----------
    number
        Of the encoder, from 0.
    source
        The file of precomputed embeddings; "" where the encoder was run.
    embedding
        The vectors.
    row_match
        How the rows relate to those of the encoder's previous embeddings; None = there were none.
    """

    number: int
    source: str
    embedding: EmbeddingSet
    row_match: RowMatch | None

    @property
    def ok(self) -> Bool:
        """(n,) bool, which samples are embedded."""
        return np.asarray(self.embedding.ok, bool)


def any_ok(embedded: Sequence[Embedded]) -> Bool:
    """(n,) bool, which samples are embedded by any encoder."""
    return np.asarray(np.any([e.ok for e in embedded], axis=0), bool)


def stage_of(name: str, number: int) -> str:
    """The name of an encoder's stage: the first encoder's has no number, as in workspaces of earlier releases."""
    return name if number == 0 else f"{name}_{number + 1}"


def run(scan: Run, source: OpenedSource, media: MediaFeatures | None) -> list[Embedded]:
    """Embed the samples with every encoder, and match their rows with those of its previous embeddings.

    An encoder whose place among the others has changed takes its vectors along: they are opened before the first folder
    is written to.
    """
    out = []
    folders = [files.embeddings for files in scan.layout.encoders]
    every = (
        [incremental.load_previous(folder) for folder in folders] if max(len(folders), len(source.encoders)) > 1 else []
    )
    elsewhere = [previous for previous in every if previous is not None and previous.encoder != PRECOMPUTED]
    for number, encoder in enumerate(source.encoders):
        if isinstance(encoder, EncoderChoice):
            out.append(_encode(scan, number, source.dataset, media, encoder, elsewhere))
        else:
            out.append(_store_precomputed(scan, number, source.dataset, encoder, alone=len(source.encoders) == 1))
    return out


def _encode(
    scan: Run,
    number: int,
    dataset: Dataset,
    media: MediaFeatures | None,
    choice: EncoderChoice,
    elsewhere: Sequence[PreviousEmbeddings],
) -> Embedded:
    folder, stage = scan.layout.encoder(number).embeddings, stage_of("embed", number)
    scan.notices.extend(choice.notices)
    made_by = encoders.encoder_key(choice.spec)
    key = fp.of(made_by, content_fingerprint(dataset))
    previous = None if scan.store.fresh(stage, key) else incremental.load_previous(folder)
    keys = content_keys(dataset, media)

    def make() -> Outputs:
        encoders.embed(dataset, choice, folder, progress=scan.reporting(stage), keys=keys, elsewhere=elsewhere)
        return sorted(p for p in folder.rglob("*") if p.is_file()), {}

    scan.stage(stage, key, make)
    embedding = encoders.embed(dataset, choice, folder)  # finished: read back
    return Embedded(number, "", embedding, _match_rows(scan, number, dataset, previous, keys, made_by))


def _store_precomputed(scan: Run, number: int, dataset: Dataset, given: PrecomputedEmbeddings, alone: bool) -> Embedded:
    folder, stage = scan.layout.encoder(number).embeddings, stage_of("embed", number)
    spec = EncoderSpec(PRECOMPUTED, given.checksum, "none", given.dim, dataset.modality)
    vectors, ok = folder / "vectors.npy", folder / "ok.npy"
    key = fp.of(PRECOMPUTED, spec, fp.of_strings(dataset.sample_ids), 2)
    previous = None if scan.store.fresh(stage, key) else incremental.load_previous(folder)
    keys = np.zeros(0, object)

    def make() -> Outputs:
        nonlocal keys
        (folder / "spec.json").unlink(missing_ok=True)
        good = encoders.write_precomputed(given, vectors, scan.reporting(stage))
        # keyed by the vectors as written, so that another file with the same vectors changes nothing downstream
        written = fp.of(PRECOMPUTED, checksum_of(vectors), save_array(ok, good))
        keys = incremental.row_keys(load_array(vectors), good)
        rows = incremental.save_rows(folder, dataset.sample_ids, keys, PRECOMPUTED, written)
        save_json(folder / "spec.json", {**plain(spec), "key": written})
        return [vectors, ok, rows, folder / "spec.json"], {"notices": list(given.notices(good, dataset, alone))}

    scan.stage(stage, key, make)
    written = str(load_json(folder / "spec.json")["key"])
    embedding = EmbeddingSet(load_array(vectors), load_array(ok), spec, dataset.fingerprint, written)
    match = _match_rows(scan, number, dataset, previous, keys, PRECOMPUTED)
    return Embedded(number, given.file, embedding, match)


def _match_rows(
    scan: Run, number: int, dataset: Dataset, previous: PreviousEmbeddings | None, keys: Strings, made_by: str
) -> RowMatch | None:
    """Match the rows with those of the previous embeddings; for the first encoder, tell the person what changed."""
    if previous is None:
        return None
    change = incremental.compare(previous, dataset.sample_ids, keys)
    same_encoder = previous.encoder == made_by
    if change.any and number == 0:
        scan.notices.append(change.notice(int((change.source >= 0).sum()) if same_encoder else 0))
        stale = incremental.stale_decisions_notice(log_of(scan.layout), dataset.sample_ids[change.changed])
        scan.notices.extend(filter(None, [stale]))
    return RowMatch(change.before, previous.key) if same_encoder else None
