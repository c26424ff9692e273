"""The measured halves of speed.py. Each runs in a process of its own and writes one JSON object.

python -m benchmarks.speed_parts PART OUT.json ARGUMENTS…
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import synthetic

DATA = f"made-up embeddings, {synthetic.NAME}"


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock seconds of a call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_turns(ours: Callable[[], Any], peer: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Median seconds of both sides, which take turns."""
    taken: tuple[list[float], list[float]] = ([], [])
    for i in range(rounds):
        for side in (0, 1) if i % 2 == 0 else (1, 0):
            taken[side].append(seconds((ours, peer)[side]))
    return statistics.median(taken[0]), statistics.median(taken[1])


def exponents(stages: dict[int, dict[str, float]], least: float = 1.0) -> dict[str, float]:
    """α of seconds ~ nᵅ per stage, by least squares on logarithms, for stages that took ``least`` seconds."""
    sizes = sorted(stages)
    names = [s for s in stages[sizes[-1]] if all(s in stages[n] for n in sizes) and stages[sizes[-1]][s] >= least]
    logs = np.log(sizes)
    return {s: float(np.polyfit(logs, np.log([max(stages[n][s], 1e-3) for n in sizes]), 1)[0]) for s in names}


def embed(images: str) -> dict[str, Any]:
    """Images a second of the whole pipeline (files, decoding, resizing, model, shards) and of the model alone."""
    import open_clip
    import torch

    from winnow.core.data.sources import open_source
    from winnow.core.features import encoders
    from winnow.core.types import Modality

    count = int(images)
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(scratch) / "jpegs" / "one"
        _photographs(folder, count)
        weights = Path(scratch) / "random.pt"
        torch.manual_seed(0)
        model = open_clip.create_model("ViT-B-32").eval()
        torch.save(model.state_dict(), weights)
        dataset = open_source(folder.parent)
        choice = encoders.choose(f"open_clip:ViT-B-32/{weights}", Modality.IMAGE, device="auto", allow_network=False)
        encoder = choice.build()  # loaded once: neither side pays for it
        choice = encoders.SubsetChoice(choice.spec, choice.device, lambda: encoder)
        batch = encoder.batch
        device = torch.device(choice.device)
        pixels = torch.randn(batch, 3, 224, 224).to(device)
        model = model.to(device)
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(
            "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
        )
        steps = max(1, count // batch)

        def bare() -> None:
            with torch.inference_mode(), torch.autocast(device.type, dtype=half, enabled=half is not None):
                for _ in range(steps):
                    out = model.encode_image(pixels)
                out.float().cpu()

        runs = iter(range(1000))

        def pipeline() -> None:
            encoders.embed(dataset, choice, Path(scratch) / f"out{next(runs)}")

        bare()
        ours, peer = in_turns(pipeline, bare, 3)
        rate, limit = count / ours, steps * batch / peer
        return {"ours": rate, "peer": limit, "ratio": rate / limit, "batch": batch, "device": choice.device}


def _photographs(folder: Path, count: int) -> None:
    """JPEGs of 500 × 375 with the file size of photographs (about 60 kB): smooth shapes under fine texture."""
    from PIL import Image

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((500, 375), Image.Resampling.BICUBIC)
        fine = np.asarray(coarse, np.float32) + rng.normal(0, 12, (375, 500, 1)).astype(np.float32)
        Image.fromarray(np.clip(fine, 0, 255).astype(np.uint8)).save(folder / f"{i:05d}.jpg", quality=88)


def knn(n: str) -> dict[str, Any]:
    """Seconds of the neighbour search and of exact search, and the recall of the first."""
    import faiss

    from winnow.core.features import neighbors

    x, _ = synthetic.rows(int(n), 512, 10)
    ok = np.ones(len(x), bool)
    found: dict[str, NDArray[Any]] = {}

    def ours() -> None:
        graph = neighbors.build(x, ok, 15)
        found["ours"], found["method"] = graph.indices, np.array(graph.method)

    def peer() -> None:
        index = faiss.IndexFlatIP(x.shape[1])
        index.add(x)
        found["peer"] = index.search(x, 16)[1]

    taken = in_turns(ours, peer, 3)
    own = found["peer"] == np.arange(len(x))[:, None]
    own[~own.any(axis=1), -1] = True  # a copy came first
    truth = found["peer"][~own].reshape(len(x), 15)
    recall = float((truth[:, :, None] == found["ours"][:, None, :]).any(axis=2).mean())
    return {"ours": taken[0], "peer": taken[1], "recall": recall, "method": str(found["method"])}


def umap(n: str, seed: str) -> dict[str, Any]:
    """Seconds of the map from neighbours that are there already, and of umap-learn on the same rows."""
    import umap as umap_learn

    from winnow.core.features import neighbors
    from winnow.core.features.projection import project

    x, _ = synthetic.rows(int(n), 512, 10)
    ok = np.ones(len(x), bool)
    rows = neighbors.whitening(x, ok)(x, ok)
    graph = neighbors.build(rows, ok, 50)
    fixed = 0 if seed == "seeded" else None
    small = slice(0, 2000)
    part = neighbors.build(rows[small], ok[small], 15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        project(rows[small], part, ok[small], seed=fixed)  # compiled before the clock starts, for both
        umap_learn.UMAP(metric="cosine", random_state=fixed).fit_transform(rows[small])
        ours, peer = in_turns(
            lambda: project(rows, graph, ok, seed=fixed),
            lambda: umap_learn.UMAP(metric="cosine", random_state=fixed).fit_transform(rows),
            1,
        )
    return {"ours": ours, "peer": peer}


def scan(n: str, classes: str, projection: str = "") -> dict[str, Any]:
    """Seconds per stage, in all after embedding, and peak resident memory of a scan of brought embeddings."""
    # libraries are loaded before the clock starts, as they are for the peer
    import faiss  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401

    from winnow.core.pipeline.config import ScanConfig
    from winnow.core.pipeline.scan import scan as run
    from winnow.core.storage.artifacts import load_json

    with tempfile.TemporaryDirectory() as scratch:
        table, array = synthetic.write(Path(scratch) / "data", int(n), 512, int(classes))
        made = _peak()
        config = ScanConfig.of(table, embeddings=array, projection=projection == "map", network=False)
        last = [""]

        def say(progress: Any) -> None:
            if progress.stage != last[0]:
                last[0] = progress.stage
                print(f"  {n} {progress.stage:<10} peak {_peak():.1f} GiB", file=sys.stderr, flush=True)

        started = time.perf_counter()
        root = run(config, Path(scratch) / "ws", say)
        whole = time.perf_counter() - started
        manifest = load_json(root / "manifest.json")
        signals = len(load_json(root / "signals.json"))
    stages = {k: v for k, v in manifest["seconds"].items() if v is not None}
    before = sum(stages.get(k, 0.0) for k in ("source", "embed", "dataset"))
    return {
        "total": whole - before,
        "whole": whole,
        "stages": stages,
        "signals": signals,
        "peak_gib": _peak(),
        "peak_gib_before": made,
        "failures": manifest["failures"],
        "notices": manifest["notices"],
    }


def peer(n: str, classes: str) -> dict[str, Any]:
    """Seconds of the libraries that a person would otherwise string together, each with its own defaults."""
    from cleanlab import Datalab
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    x, y = synthetic.rows(int(n), 512, int(classes))
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        p = cross_val_predict(LogisticRegression(max_iter=300), x, y, cv=5, method="predict_proba")
        probe = time.perf_counter() - started
        Datalab(data={"y": y}, label_name="y").find_issues(features=x, pred_probs=p)
        total = time.perf_counter() - started
    return {"total": total, "stages": {"cross_val_predict": probe, "find_issues": total - probe}, "peak_gib": _peak()}


def _peak() -> float:
    """Peak resident memory of this process so far, GiB."""
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


SIDES: dict[str, Callable[..., dict[str, Any]]] = {
    "embed": embed,
    "knn": knn,
    "map": umap,
    "scan": scan,
    "peer": peer,
}


if __name__ == "__main__":
    part, out, *arguments = sys.argv[1:]
    Path(out).write_text(json.dumps(SIDES[part](*arguments)))
