"""Run the probe: out-of-sample beliefs about every label (probe/)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ... import fingerprint as fp
from ...detection.probe import PROBE_VERSION, ProbeConfig, run_probe
from ...detection.probe.insample import in_sample_notice, memorised_share
from ...features import encoders
from ...features.label_views import VIEWS_VERSION, label_views
from ...storage import scan_tables
from ...storage.artifacts import load_array
from ...types import Beliefs, Dataset, EmbeddingSet, Float32, Int64, MediaFeatures, Progress
from ..run import Outputs, Run


def run(
    run: Run,
    dataset: Dataset,
    embedding: EmbeddingSet,
    media: MediaFeatures | None,
    probabilities: Mapping[str, Float32],
    augmented: Sequence[Float32],
) -> Beliefs | None:
    """The beliefs; None, with a notice, where there are fewer than two classes to believe in.

    ``dataset`` has the labels to learn from. ``probabilities`` : precomputed ones, name → (n, C), which take the place of the
    probe's. ``augmented`` : views of augmented images.
    """
    ok = np.asarray(embedding.ok, bool)
    usable = ok & (dataset.labels >= 0)
    if dataset.n_classes < 2 or not usable.any():
        why = "has a single class" if usable.any() else "has no labels"
        run.notices.append(
            f"The dataset {why}: label, hard and naive signals need at least two classes and are left out."
        )
        return None
    folder, seed = run.layout.probe, run.config.seed
    settings = ProbeConfig(seed=seed, device=encoders.resolve_device(run.config.device))

    def make() -> Outputs:
        features = load_array(run.layout.neighbors / "whitened.npy")
        notices: list[str] = []

        def report(p: Progress) -> None:
            notices.extend([p.message] if p.stage == "probe" and p.message.endswith(".") else [])
            run.report(p)

        views = label_views(dataset.modality, ok, media, dataset.texts, report, seed)
        beliefs = run_probe(
            features,
            dataset.labels,
            ok,
            dataset.n_classes,
            settings,
            report,
            views=views,
            groups=_copies(dataset, media),
            strong=augmented,
        )
        return scan_tables.save_beliefs(folder, beliefs), {"notices": notices, "views": sorted(views)}

    key = fp.of(
        embedding.fingerprint,
        run.keys.get("media"),
        fp.of_array(dataset.labels),
        settings,
        dataset.n_classes,
        PROBE_VERSION,
        VIEWS_VERSION,
        len(augmented),
    )
    run.stage("probe", key, make)
    beliefs = scan_tables.load_beliefs(folder)
    if not probabilities:
        return beliefs
    for name, p in probabilities.items():
        share = memorised_share(p, beliefs.probs, dataset.labels, usable)
        run.notices.extend(filter(None, [in_sample_notice(name, share)]))
    mean = np.mean(np.stack(list(probabilities.values())), axis=0).astype(np.float32)
    extra = {**beliefs.extra_probs, "probe": beliefs.probs, **(probabilities if len(probabilities) > 1 else {})}
    run.keys["probe"] = fp.of(key, {name: fp.of_array(p) for name, p in probabilities.items()})
    return Beliefs(mean, beliefs.dynamics, beliefs.targets, extra, source="brought")


def _copies(dataset: Dataset, media: MediaFeatures | None) -> Int64:
    """(n,) int64 numbers that equal contents share, −1 = unknown: copies must not sit on both sides of a fold."""
    content = media.pixel_hash if media is not None else dataset.content_hash.astype(str)
    _, number = np.unique(content, return_inverse=True)
    return np.where(content == (0 if media is not None else ""), -1, number).astype(np.int64)
