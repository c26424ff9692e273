"""Train the probe: out-of-sample beliefs about every label (probe/)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

import numpy as np

from ... import fingerprint as fp
from ...data.media.boxes import box_features, picture_numbers
from ...detection.probe import PROBE_VERSION, ProbeConfig, models_left_out, run_probe
from ...detection.probe.insample import in_sample_notice, memorised_share
from ...features import encoders
from ...features.label_views import VIEWS_VERSION, label_views
from ...storage import scan_tables
from ...types import Beliefs, Dataset, Float32, Int64, MediaFeatures, Progress
from ..run import Outputs, Run
from .embedding import Embedded, any_ok
from .neighbors import EncoderGraphs


def run(
    scan: Run,
    dataset: Dataset,
    embedded: Sequence[Embedded],
    graphs: Sequence[EncoderGraphs],
    shares: Sequence[float],
    media: MediaFeatures | None,
    probabilities: Mapping[str, Float32],
    augmented: Sequence[Sequence[Float32]],
) -> Beliefs | None:
    """Train the probe and read its beliefs; None, with a notice, without labels or with too few or too many classes.

    Parameters
    ----------
    scan
        The run.
    dataset
        With the labels to learn from.
    embedded, graphs, shares
        What each encoder made, the half-whitened rows of it, and how much it counts.
    media
        Measurements of the images, if there are any.
    probabilities
        Precomputed ones, name → (n, C) float32; their mean replaces the probe's.
    augmented
        Views of augmented images, of each (n, r) float32 for every encoder.
    """
    ok = any_ok(embedded)
    usable = ok & (dataset.labels >= 0)
    if dataset.n_classes < 2 or not usable.any():
        lack = "has a single class" if usable.any() else "has no labels"
        scan.notices.append(
            f"The dataset {lack}: label, hard and naive signals need at least two classes and are left out."
        )
        return None
    left_out = models_left_out(int(usable.sum()), dataset.n_classes)
    if left_out and not probabilities:
        scan.notices.append(left_out)
        shutil.rmtree(scan.layout.probe, ignore_errors=True)  # of an earlier scan, with fewer classes
        return None
    folder, seed = scan.layout.probe, scan.config.seed
    settings = ProbeConfig(seed=seed, device=encoders.resolve_device(scan.config.device))

    def make() -> Outputs:
        features = [g.whitened for g in graphs]
        notices: list[str] = []

        def report(p: Progress) -> None:
            notices.extend([p.message] if p.stage == "probe" and p.message.endswith(".") else [])
            scan.report(p)

        views = label_views(dataset.modality, ok, media, dataset.texts, report, seed)
        if (places := box_features(dataset)) is not None:
            views["box"] = places
        beliefs = run_probe(
            features,
            dataset.labels,
            ok,
            dataset.n_classes,
            settings,
            report,
            views=views,
            groups=copies(dataset, media),
            strong=augmented,
            shares=shares,
        )
        return scan_tables.save_beliefs(folder, beliefs), {"notices": notices, "views": sorted(views)}

    key = fp.of(
        *(e.embedding.fingerprint for e in embedded),
        scan.keys.get("media"),
        fp.of_array(dataset.labels),
        settings,
        dataset.n_classes,
        PROBE_VERSION,
        VIEWS_VERSION,
        len(augmented),
        *([tuple(shares)] if len(shares) > 1 else []),
    )
    scan.stage("probe", key, make)
    beliefs = scan_tables.load_beliefs(folder)
    if not probabilities:
        return beliefs
    for name, p in probabilities.items():
        share = memorised_share(p, beliefs.probs, dataset.labels, usable)
        scan.notices.extend(filter(None, [in_sample_notice(name, share)]))
    mean = np.mean(np.stack(list(probabilities.values())), axis=0).astype(np.float32)
    extra = {**beliefs.extra_probs, "probe": beliefs.probs, **(probabilities if len(probabilities) > 1 else {})}
    scan.keys["probe"] = fp.of(key, {name: fp.of_array(p) for name, p in probabilities.items()})
    return Beliefs(mean, beliefs.dynamics, beliefs.targets, extra, source=encoders.PRECOMPUTED)


def copies(dataset: Dataset, media: MediaFeatures | None) -> Int64:
    """(n,) int64, the same number for equal contents, −1 = unknown: all copies of a sample go into one fold.

    So do all objects of one picture.
    """
    if (pictures := picture_numbers(dataset)) is not None:
        return pictures
    content = media.pixel_hash if media is not None else dataset.content_hash.astype(str)
    _, number = np.unique(content, return_inverse=True)
    return np.where(content == (0 if media is not None else ""), -1, number).astype(np.int64)
