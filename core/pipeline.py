"""The scan: which stages run, in what order, from what, and what is kept.

    source ─ media ─ embed ─ graphs ─ probe ─ signals ─ verdicts ─ map ─ clusters ─ assemble ─ sets

A stage is a function of arrays and a config. Its key is the fingerprint of everything it looked at and of its own
version; when the key and the outputs on disk are unchanged it is not run again. A stage that may fail without
spoiling the rest (media, map, clusters, a single signal) is recorded in the manifest and shown in the app.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import encoders, growth, tables
from . import fingerprint as fp
from .clusters import CLUSTERS_VERSION, Clusters, cluster
from .combine import CONSENSUS_VERSION, with_consensus
from .config import ScanConfig
from .errors import Cancelled, DiskFull, WinnowError
from .graphs import NAMES, Grown, load_graph, make_graphs
from .jobs import CANCELLED, DONE, FAILED, JobReporter, scan_lock
from .language import understand
from .layout import FORMAT_VERSION, Layout, check_format
from .lessons import lessons
from .log_place import log_of
from .media import MEDIA_VERSION, content_hashes, load_media_features, scan_media
from .memory import give_back
from .names import name_clusters
from .neighbors import NEIGHBORS_VERSION
from .plugins import Plugins, gather
from .probe import PROBE_VERSION, ProbeConfig, run_probe
from .probe.insample import in_sample_notice, memorised_share
from .projection import PROJECTION_VERSION, project
from .set_tables import sets_of
from .signals import SIGNALS
from .sources import content_fingerprint, open_source
from .sources.brought import BroughtEmbeddings, open_embeddings
from .sources.join import load_probabilities_with_notices
from .store.artifacts import StageStore, checksum_of, load_array, load_json, plain, save_array, save_json, save_table
from .strong_views import strong_views
from .threads import in_order, one_core_each
from .types import (
    Beliefs,
    Dataset,
    EmbeddingSet,
    EncoderSpec,
    Kind,
    MediaFeatures,
    Modality,
    Neighbors,
    Progress,
    ProgressFn,
    Signal,
    SignalInputs,
    SignalResult,
    Strings,
    Verdicts,
    quiet,
)
from .verdicts import VERDICTS_VERSION, decide
from .views import VIEWS_VERSION, label_views

_SIDE_BY_SIDE = 200_000
"""Rows up to which signals run on every core at once, each on one."""

UPSTREAM = ("dataset", "media", "embed", "graphs", "probe")
"""Stages that every signal may look at; a few look at words too."""

FATAL = (Cancelled, DiskFull, KeyboardInterrupt, MemoryError)


@dataclass
class Run:
    """The bookkeeping of one scan: seconds and failures per stage, notices for the person."""

    layout: Layout
    store: StageStore
    report: ProgressFn
    seconds: dict[str, float] = field(default_factory=dict)
    reused: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)

    def stage(self, name: str, key: str, make: Callable[[], tuple[list[Path], Mapping[str, Any]]]) -> bool:
        """Run ``make`` unless its outputs for ``key`` are there. Returns whether it ran."""
        self.keys[name] = key
        self.report(Progress(name))
        record = self.store.fresh(name, key)
        if record is not None:
            self.reused.append(name)
            self.seconds[name] = record.seconds
            self.notices.extend(record.info.get("notices", ()))
            return False
        started = time.perf_counter()
        outputs, info = make()
        self.seconds[name] = time.perf_counter() - started
        self.store.commit(name, key, outputs, self.seconds[name], dict(info))
        self.notices.extend(info.get("notices", ()))
        return True

    def attempt(self, name: str, work: Callable[[], Any]) -> Any:
        """Run a stage that the rest can do without; a failure is kept in words and answered with None."""
        try:
            return work()
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - one stage's fault must not cost the person the others
            self.failures[name] = f"{type(error).__name__}: {error}"
            return None


def scan(config: ScanConfig, out: str | Path, progress: ProgressFn = quiet) -> Path:
    """Run every stage that is not up to date and write the workspace at ``out``.

    Raises
    ------
    WinnowError : the source, columns, embeddings or encoder cannot be used (nothing is left behind when the
        workspace was new), the disk is full, another scan is running, or the person cancelled.
    """
    root = Path(out).expanduser().absolute()
    layout = Layout(root)
    check_format(layout)
    is_new = not root.exists()
    try:
        with scan_lock(root):
            reporter = JobReporter(root, progress)
            try:
                _scan(config, layout, reporter)
            except Cancelled as error:
                reporter.finish(CANCELLED, str(error))
                raise
            except BaseException as error:
                reporter.finish(FAILED, str(error) or type(error).__name__)
                raise
            reporter.finish(DONE)
    except DiskFull as error:
        if is_new and not layout.verdicts.exists():
            shutil.rmtree(root, ignore_errors=True)
            raise DiskFull(
                f"The disk that holds {root.parent} is full: the scan was stopped and what it had written was removed. "
                "Free some room, or give an --out on another disk, and run the same command again."
            ) from error
        raise
    except WinnowError:
        if is_new and not layout.header.exists():
            shutil.rmtree(root, ignore_errors=True)
        raise
    return root


def _scan(config: ScanConfig, layout: Layout, report: ProgressFn) -> None:
    report(Progress("source"))
    started = time.perf_counter()
    dataset = open_source(config.source, config.columns, report, vectors_apart=config.embeddings is not None)
    brought = open_embeddings(config.embeddings, dataset) if config.embeddings else None
    probabilities, said = _brought_probabilities(config, dataset)
    plugins = gather(dataset, config.scores)
    choice = None
    if brought is None and dataset.modality is not Modality.VECTOR:
        choice = encoders.choose(config.encoder, dataset.modality, device=config.device, allow_network=config.network)

    if not layout.header.exists():
        save_json(
            layout.header,
            {
                "format": FORMAT_VERSION,
                "name": config.name or dataset.name,
                "created": tables.now(),
                "source": config.source,
            },
        )
    run = Run(layout, StageStore(layout.root), report)
    run.seconds["source"] = time.perf_counter() - started
    run.notices.extend((*dataset.notices, *said, *plugins.notices))
    media = _media(run, dataset)
    run.stage(
        "dataset", fp.of(dataset.fingerprint, run.keys.get("media"), 1), lambda: _write_dataset(layout, dataset, media)
    )
    give_back(dataset.n)
    embedding, grown = _embed(run, config, dataset, media, brought, choice)
    graphs = _graphs(run, config, embedding, grown)
    give_back(dataset.n)
    taught = lessons(log_of(layout), dataset, config.learn)
    run.notices.extend(filter(None, [taught.notice]))
    learning = replace(dataset, labels=taught.labels)
    strong = strong_views(run, config, dataset, choice, embedding)
    beliefs = _beliefs(run, config, learning, embedding, media, probabilities, strong)
    inputs = SignalInputs(
        n=dataset.n,
        ok=np.asarray(embedding.ok, bool),
        labels=taught.labels,
        class_names=dataset.class_names,
        modality=dataset.modality,
        vectors=np.asarray(embedding.vectors, np.float32) if embedding.ok.any() else None,
        whitened=load_array(layout.neighbors / "whitened.npy"),
        neighbors=graphs["raw"],
        label_neighbors=graphs["label"],
        beliefs=beliefs,
        media=media,
        texts=dataset.texts,
        **_codes(dataset),
        **understand(run, config, dataset, choice, embedding),
        config={
            "errors": tables.errors(dataset, media, embedding.ok),
            "seed": config.seed,
            "confirmed_ood": taught.outliers,
            "confirmed_in": taught.members,
        },
    )
    inputs, _ = with_consensus(inputs)
    results = _signals(run, inputs, taught.fingerprint, plugins)
    if inputs.vectors is not None and dataset.n > _SIDE_BY_SIDE:
        # two gigabytes less: what comes needs single rows only
        inputs = replace(inputs, vectors=embedding.vectors)
    give_back(dataset.n)
    verdicts = _verdicts(run, inputs, results)
    _assemble(run, dataset, verdicts, None, None)
    _manifest(run, config, dataset, embedding, verdicts, results)
    xy = run.attempt("map", lambda: _map(run, config, embedding, graphs["label"])) if config.projection else None
    clusters = run.attempt("clusters", lambda: _clusters(run, config, inputs.ok, graphs["label"]))
    _assemble(run, dataset, verdicts, xy, clusters)
    if clusters is not None:
        run.attempt("names", lambda: name_clusters(run, dataset, choice, embedding.vectors, clusters))
    report(Progress("sets"))
    started = time.perf_counter()
    run.attempt("sets", lambda: sets_of(layout, run.keys["assemble"], dataset.sample_ids))
    run.seconds["sets"] = time.perf_counter() - started
    _manifest(run, config, dataset, embedding, verdicts, results)


# ── stages ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _media(run: Run, dataset: Dataset) -> MediaFeatures | None:
    if dataset.media.kind == "none":
        return None
    folder = run.layout.media
    key = fp.of(MEDIA_VERSION, content_fingerprint(dataset))

    def make() -> tuple[list[Path], Mapping[str, Any]]:
        before = run.store.read("media")
        whole = before is not None and run.store.fresh("media", before.fingerprint, verify=True) is not None
        scan_media(dataset, folder, progress=run.report, reuse=whole)
        return sorted(p for p in folder.iterdir() if p.is_file()), {}

    def work() -> MediaFeatures:
        run.stage("media", key, make)
        return load_media_features(folder)

    features: MediaFeatures | None = run.attempt("media", work)
    return features


def _write_dataset(
    layout: Layout, dataset: Dataset, media: MediaFeatures | None
) -> tuple[list[Path], Mapping[str, Any]]:
    save_table(layout.dataset, tables.dataset_table(dataset, media))
    save_table(layout.meta, tables.meta_table(dataset))
    return [layout.dataset, layout.meta], {}


def _brought_probabilities(config: ScanConfig, dataset: Dataset) -> tuple[dict[str, Any], list[str]]:
    found: dict[str, Any] = {}
    said: list[str] = []
    for path in config.probabilities:
        models, notices = load_probabilities_with_notices(path, dataset)
        for name, matrix in models.items():
            found[name if name not in found else f"{name} ({Path(path).stem})"] = matrix
        said.extend(notices)
    return found, said


def _embed(
    run: Run,
    config: ScanConfig,
    dataset: Dataset,
    media: MediaFeatures | None,
    brought: BroughtEmbeddings | None,
    choice: Any,
) -> tuple[EmbeddingSet, Grown | None]:
    """The embeddings, and how their rows relate to those that lay there before (None where none did)."""
    folder = run.layout.embeddings
    if brought is None and choice is None:
        brought = open_embeddings(config.source, dataset)
    if brought is not None:
        return _keep_brought(run, dataset, brought)
    run.notices.extend(choice.notices)
    key = fp.of(encoders.encoder_key(choice.spec), content_fingerprint(dataset))
    then = None if run.store.fresh("embed", key) else growth.earlier(folder)
    keys = dataset.content_hash if media is None or any(dataset.content_hash) else content_hashes(media)

    def embed() -> tuple[list[Path], Mapping[str, Any]]:
        encoders.embed(dataset, choice, folder, progress=run.report, keys=keys)
        return sorted(p for p in folder.rglob("*") if p.is_file()), {}

    run.stage("embed", key, embed)
    found = encoders.embed(dataset, choice, folder)  # finished: read back
    return found, _grown(run, dataset, then, keys, encoders.encoder_key(choice.spec))


def _keep_brought(run: Run, dataset: Dataset, brought: BroughtEmbeddings) -> tuple[EmbeddingSet, Grown | None]:
    folder = run.layout.embeddings
    spec = EncoderSpec("brought", brought.checksum, "none", brought.dim, dataset.modality)
    vectors, ok = folder / "vectors.npy", folder / "ok.npy"
    key = fp.of("brought", spec, fp.of_strings(dataset.sample_ids), 2)
    then = None if run.store.fresh("embed", key) else growth.earlier(folder)
    keys = np.zeros(0, object)

    def keep() -> tuple[list[Path], Mapping[str, Any]]:
        nonlocal keys
        (folder / "spec.json").unlink(missing_ok=True)
        good = encoders.write_brought(brought, vectors, run.report)
        # by what is written, so that a file written anew with the same vectors changes nothing downstream
        made = fp.of("brought", checksum_of(vectors), save_array(ok, good))
        keys = growth.row_keys(load_array(vectors), good)
        rows = growth.save_rows(folder, dataset.sample_ids, keys, "brought", made)
        save_json(folder / "spec.json", {**plain(spec), "key": made})
        return [vectors, ok, rows, folder / "spec.json"], {"notices": list(brought.notices(good, dataset))}

    run.stage("embed", key, keep)
    made = str(load_json(folder / "spec.json")["key"])
    found = EmbeddingSet(load_array(vectors), load_array(ok), spec, dataset.fingerprint, made)
    return found, _grown(run, dataset, then, keys, "brought")


def _grown(run: Run, dataset: Dataset, then: growth.Earlier | None, keys: Strings, encoder: str) -> Grown | None:
    """Say what changed since the embeddings that lay there, and match their rows with those of now."""
    if then is None:
        return None
    change = growth.compare(then, dataset.sample_ids, keys)
    same = then.encoder == encoder
    if change.any:
        run.notices.append(change.notice(int((change.source >= 0).sum()) if same else 0))
        run.notices.extend(filter(None, [growth.overtaken(log_of(run.layout), dataset.sample_ids[change.changed])]))
    return Grown(change.before, then.key) if same else None


def _graphs(run: Run, config: ScanConfig, embedding: EmbeddingSet, grown: Grown | None) -> dict[str, Neighbors]:
    folder = run.layout.neighbors
    ks = (config.neighbors, config.label_neighbors)
    key = fp.of(embedding.fingerprint, *ks, config.seed, NEIGHBORS_VERSION)
    device = encoders.resolve_device(config.device)
    run.stage("graphs", key, lambda: make_graphs(folder, embedding, ks, device, config.seed, grown, run.report))
    return {name: load_graph(folder, name) for name in NAMES}


def _copies(dataset: Dataset, media: MediaFeatures | None) -> Any:
    """(n,) int64 numbers that equal contents share: copies must not sit on both sides of a fold."""
    content = media.pixel_hash if media is not None else dataset.content_hash.astype(str)
    _, number = np.unique(content, return_inverse=True)
    return np.where(content == (0 if media is not None else ""), -1, number).astype(np.int64)


def _beliefs(
    run: Run,
    config: ScanConfig,
    dataset: Dataset,
    embedding: EmbeddingSet,
    media: MediaFeatures | None,
    brought: dict[str, Any],
    strong: list[Any],
) -> Beliefs | None:
    ok = np.asarray(embedding.ok, bool)
    usable = ok & (dataset.labels >= 0)
    if dataset.n_classes < 2 or not usable.any():
        why = "has a single class" if usable.any() else "has no labels"
        run.notices.append(
            f"The dataset {why}: label, hard and naive signals need at least two classes and are left out."
        )
        return None
    folder = run.layout.probe
    settings = ProbeConfig(seed=config.seed, device=encoders.resolve_device(config.device))

    def make() -> tuple[list[Path], Mapping[str, Any]]:
        features = load_array(run.layout.neighbors / "whitened.npy")
        said: list[str] = []

        def report(p: Progress) -> None:
            said.extend([p.message] if p.stage == "probe" and p.message.endswith(".") else [])
            run.report(p)

        views = label_views(dataset.modality, ok, media, dataset.texts, report, config.seed)
        beliefs = run_probe(
            features,
            dataset.labels,
            ok,
            dataset.n_classes,
            settings,
            report,
            views=views,
            groups=_copies(dataset, media),
            strong=strong,
        )
        return tables.save_beliefs(folder, beliefs), {"notices": said, "views": sorted(views)}

    key = fp.of(
        embedding.fingerprint, run.keys.get("media"), fp.of_array(dataset.labels), settings, dataset.n_classes,
        PROBE_VERSION, VIEWS_VERSION, len(strong),
    )  # fmt: skip
    run.stage("probe", key, make)
    beliefs = tables.load_beliefs(folder)
    if not brought:
        return beliefs
    for name, p in brought.items():
        share = memorised_share(p, beliefs.probs, dataset.labels, usable)
        run.notices.extend(filter(None, [in_sample_notice(name, share)]))
    mean = np.mean(np.stack(list(brought.values())), axis=0).astype(np.float32)
    extra = {**beliefs.extra_probs, "probe": beliefs.probs, **(brought if len(brought) > 1 else {})}
    run.keys["probe"] = fp.of(key, {name: fp.of_array(p) for name, p in brought.items()})
    return Beliefs(mean, beliefs.dynamics, beliefs.targets, extra, source="brought")


def _codes(dataset: Dataset) -> dict[str, Any]:
    if dataset.split is None:
        return {}
    names = sorted({s for s in dataset.split if s})
    code = {name: i for i, name in enumerate(names)}
    return {"split": np.array([code.get(s, -1) for s in dataset.split], np.int32), "split_names": tuple(names)}


def _signals(run: Run, inputs: SignalInputs, taught: str, plugins: Plugins) -> dict[str, SignalResult]:
    layout, signals = run.layout, [*SIGNALS, *plugins.signals]
    versions = {s.name: s.version for s in signals}
    upstream = {k: run.keys.get(k) for k in (*UPSTREAM, "zero-shot", "captions", "second-encoder")}
    key = fp.of(
        versions, upstream, CONSENSUS_VERSION, inputs.class_names, taught,
        plugins.fingerprint,
    )  # fmt: skip
    results: dict[str, SignalResult] = {}

    def make() -> tuple[list[Path], Mapping[str, Any]]:
        skipped: dict[str, str] = {}
        failed: dict[str, str] = dict(plugins.failed)
        seconds: dict[str, float] = {}

        def judge(signal: Signal) -> tuple[SignalResult | None, str, float]:
            missing = [need.value for need in sorted(signal.requires) if not inputs.has(need)]
            if missing:
                return None, f"needs {', '.join(missing)}", -1.0
            began = time.perf_counter()
            try:
                return signal(inputs), "", time.perf_counter() - began
            except FATAL:
                raise
            except Exception as error:  # noqa: BLE001 - one signal's fault must not cost the others
                return None, f"{type(error).__name__}: {error}", time.perf_counter() - began

        # two signals at a time share a core each; what they hold while they work is too much of a million rows
        at_once = 2 if inputs.n <= _SIDE_BY_SIDE else 1
        # what others wait for, then what waits for nothing, then those others
        order = sorted(signals, key=lambda s: 0 if getattr(s, "leads", False) else 1 + (s.kind == Kind.OOD))
        with one_core_each() if at_once > 1 else ThreadPoolExecutor(1) as pool:
            for i, (signal, (found, why, taken)) in enumerate(
                zip(order, in_order(pool, judge, order, len(order) if at_once > 1 else 1), strict=True)
            ):
                run.report(Progress("signals", i, len(signals), "signals", signal.title))
                if found is not None:
                    results[signal.name] = found
                else:
                    (skipped if taken < 0 else failed)[signal.name] = why
                if taken >= 0:
                    seconds[signal.name] = round(taken, 4)
        for name in [s.name for s in signals if s.name in results]:  # in their own order again
            results[name] = results.pop(name)
        outputs = tables.save_signals(layout, results)
        return outputs, {"skipped": skipped, "failed": failed, "seconds": seconds, "brought": plugins.described()}

    run.stage("signals", key, make)
    record = run.store.fresh("signals", key)
    if record is not None:
        for name, why in record.info["failed"].items():
            run.failures[name] = why
    return results or tables.load_signals(layout)


def _verdicts(run: Run, inputs: SignalInputs, results: Mapping[str, SignalResult]) -> Verdicts:
    run.report(Progress("verdicts"))
    started = time.perf_counter()
    verdicts = decide(inputs, results)
    run.seconds["verdicts"] = time.perf_counter() - started
    run.keys["verdicts"] = fp.of(run.keys["signals"], VERDICTS_VERSION)
    return verdicts


def _map(run: Run, config: ScanConfig, embedding: EmbeddingSet, graph: Neighbors) -> Any:
    path = run.layout.projection
    ok = np.asarray(embedding.ok, bool)

    def make() -> tuple[list[Path], Mapping[str, Any]]:
        whitened = load_array(run.layout.neighbors / "whitened.npy")
        save_array(path, project(whitened, graph, ok, seed=config.seed, progress=run.report))
        return [path], {}

    run.stage("map", fp.of(run.keys["graphs"], config.seed, PROJECTION_VERSION), make)
    return load_array(path)


def _clusters(run: Run, config: ScanConfig, ok: Any, graph: Neighbors) -> Clusters:
    path = run.layout.clusters

    def make() -> tuple[list[Path], Mapping[str, Any]]:
        tables.save_clusters(path, cluster(graph, ok, seed=config.seed))
        return [path], {}

    run.stage("clusters", fp.of(run.keys["graphs"], config.seed, CLUSTERS_VERSION), make)
    return tables.load_clusters(path)


def _assemble(run: Run, dataset: Dataset, verdicts: Verdicts, xy: Any, clusters: Clusters | None) -> None:
    """Join verdicts, map and clusters into the one table that the queries read."""
    key = fp.of(
        run.keys["verdicts"], run.keys["dataset"], run.keys.get("map") if xy is not None else None,
        run.keys.get("clusters") if clusters is not None else None, 1,
    )  # fmt: skip
    path = run.layout.verdicts

    def make() -> tuple[list[Path], Mapping[str, Any]]:
        save_table(path, tables.verdict_table(dataset, verdicts, xy, clusters))
        return [path], {}

    run.stage("assemble", key, make)


def _manifest(
    run: Run,
    config: ScanConfig,
    dataset: Dataset,
    embedding: EmbeddingSet,
    verdicts: Verdicts,
    results: Mapping[str, Any],
) -> None:
    save_json(run.layout.results, tables.results_summary(dataset, embedding.spec, verdicts, results))
    save_json(run.layout.manifest, tables.manifest(run, config, dataset, embedding.spec))
