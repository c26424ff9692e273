"""Judge the tags of every sample: which are one too many, which are missing (tags/)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import fingerprint as fp
from ...data.sources.tags import tags_fingerprint
from ...detection.evidence import TagFindings
from ...detection.tags import TAGS_VERSION, TagEvidence, TagInputs, judge_tags, tag_reasons
from ...features.label_views import VIEWS_VERSION, label_views
from ...storage.tag_tables import TagTables, save_tags
from ...types import Dataset, MediaFeatures, Strings, Tags
from ..run import Outputs, Run
from .beliefs import copies
from .embedding import Embedded, any_ok
from .pooled_graphs import PooledGraphs, graph_key


def run(
    scan: Run,
    dataset: Dataset,
    tags: Tags,
    embedded: Sequence[Embedded],
    pooled: PooledGraphs,
    media: MediaFeatures | None,
) -> TagFindings:
    """Judge every pair of sample and tag, and sum up each sample.

    Parameters
    ----------
    scan
        The run.
    dataset
        The samples.
    tags
        To learn from: as given, or as corrected by people.
    embedded, pooled
        What each encoder made, and the graphs of all together.
    media
        Measurements of the images, if there are any.
    """
    ok = any_ok(embedded)

    def make() -> Outputs:
        report = scan.reporting("tags")
        vectors = {f"vectors {e.number + 1}": np.asarray(e.embedding.vectors, np.float32) for e in embedded}
        inputs = TagInputs(
            tags=tags.given,
            tag_names=tags.names,
            ok=ok,
            views=vectors | label_views(dataset.modality, ok, media, dataset.texts, report, scan.config.seed),
            annotated=tags.annotated,
            neighbors=pooled.label,
            groups=copies(dataset, media),
            seed=scan.config.seed,
        )
        found = judge_tags(inputs, report)
        pairs = zip(*(places.tolist() for places in np.nonzero(found.flag)), strict=True)
        reasons = {(row, tag): tag_reasons(inputs, found, row, tag) for row, tag in pairs}
        outputs = save_tags(
            scan.layout, dataset.sample_ids, tags, found.belief, found.wrong, found.flag, reasons, _info(found, tags)
        )
        return outputs, {}

    key = fp.of(
        tags_fingerprint(tags),
        *(e.embedding.fingerprint for e in embedded),
        graph_key(scan),
        tuple(pooled.shares),
        scan.keys.get("media"),
        scan.config.seed,
        TAGS_VERSION,
        VIEWS_VERSION,
    )
    scan.stage("tags", key, make)
    return _findings(TagTables(scan.layout))


def _info(found: TagEvidence, tags: Tags) -> dict[str, object]:
    given = tags.given.toarray()
    return {
        "n_given": np.bincount(tags.given.indices, minlength=len(tags.names)).tolist(),
        "n_extra": (found.flag & given).sum(0).tolist(),
        "n_missing": (found.flag & ~given).sum(0).tolist(),
        "rate_extra": [round(float(v), 5) for v in found.rate_extra],
        "rate_missing": [round(float(v), 5) for v in found.rate_missing],
        "engine": dict(found.info),
    }


def _findings(tables: TagTables) -> TagFindings:
    """Each sample's likeliest wrong pair, and the reasons of the flagged ones in a sentence each."""
    table = tables.samples
    wrong = np.nan_to_num(np.asarray(tables.wrong, np.float32))
    reasons: Strings = np.full(len(wrong), "", object)
    flagged = np.diff(tables.flag.indptr) > 0
    for row in (
        table.filter(flagged).select(["row", "missing", "missing_reasons", "extra", "extra_reasons"]).to_pylist()
    ):
        edits = [
            *(f"+*{tag}*: {why}" for tag, why in zip(row["missing"], row["missing_reasons"], strict=True)),
            *(f"−*{tag}*: {why}" for tag, why in zip(row["extra"], row["extra_reasons"], strict=True)),
        ]
        reasons[row["row"]] = " ".join(edits)
    info = tables.info
    totals = {f"{kind}_tags": int(sum(info[f"n_{kind}"])) for kind in ("missing", "extra")}
    highest = wrong.max(axis=1) if wrong.shape[1] else np.zeros(len(wrong), np.float32)
    return TagFindings(tables.tags(), highest.astype(np.float32), flagged, reasons, totals)
