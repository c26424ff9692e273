"""Time of a whole scan beside the libraries that a person would otherwise string together, on the same input.

    python -m benchmarks.scan FOLDER        a folder with samples.parquet and embeddings.parquet (id, image, label)

The peer: cleanvision on the images, cleanlab's Datalab with cross-validated logistic regression on the embeddings, and
umap-learn's map of the same embeddings, each with its own defaults. Both sides run in fresh processes, one after the
other, in the same run; the ratio is what counts. Prints a table, and JSON with --json.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 1.2
"""The scan may take at most so many times as long as the peer."""


def peer(folder: Path, images: Path) -> dict[str, float]:
    """Run the peer and return its seconds per step."""
    import numpy as np
    import pandas as pd

    frame = pd.read_parquet(folder / "samples.parquet", columns=["id", "label"])
    frame = frame.merge(pd.read_parquet(folder / "embeddings.parquet"), on="id")
    x = np.stack(frame.embedding.to_numpy()).astype(np.float32)
    ok = np.isfinite(x).all(1)
    x, y = x[ok], frame.label[ok].astype("category").cat.codes.to_numpy()
    seconds = {}
    silence = io.StringIO()
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        started = time.perf_counter()
        from cleanvision import Imagelab

        Imagelab(data_path=str(images)).find_issues()
        seconds["cleanvision"] = time.perf_counter() - started
        started = time.perf_counter()
        from cleanlab import Datalab
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300))
        p = cross_val_predict(probe, x, y, cv=5, method="predict_proba")
        Datalab(data={"y": y}, label_name="y").find_issues(features=x, pred_probs=p)
        seconds["probe and Datalab"] = time.perf_counter() - started
        started = time.perf_counter()
        import umap

        umap.UMAP(metric="cosine").fit_transform(x)
        seconds["umap-learn"] = time.perf_counter() - started
    return seconds


def unpack(folder: Path, images: Path) -> None:
    """Write the readable images as files: cleanvision takes files and stops at the first broken one. Not timed."""
    import pandas as pd
    from PIL import Image

    frame = pd.read_parquet(folder / "samples.parquet", columns=["id", "image"])
    images.mkdir()
    for sample_id, data in zip(frame.id, frame.image, strict=True):
        with contextlib.suppress(OSError, SyntaxError):
            Image.open(io.BytesIO(data or b"")).load()
            (images / f"{sample_id}.png").write_bytes(data)


def main() -> None:
    """Time both and print the ratio; exit status 1 when the scan took longer than LIMIT × the peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer-only", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer_only:
        print(json.dumps(peer(options.folder, options.peer_only)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        images, workspace = Path(scratch) / "images", Path(scratch) / "ws"
        unpack(options.folder, images)
        command = [
            shutil.which("winnow", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "winnow",
            "scan",
            str(options.folder / "samples.parquet"),
            "--out",
            str(workspace),
            "--quiet",
            "--embeddings",
            str(options.folder / "embeddings.parquet"),
        ]
        started = time.perf_counter()
        subprocess.run(command, check=True)
        ours = time.perf_counter() - started
        stages = json.loads((workspace / "manifest.json").read_text())["seconds"]
        started = time.perf_counter()
        alone = [sys.executable, "-m", "benchmarks.scan", str(options.folder), "--peer-only", str(images)]
        theirs = json.loads(subprocess.run(alone, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        peer_total = time.perf_counter() - started
    ratio = ours / peer_total
    if options.json:
        print(json.dumps({"winnow": ours, "stages": stages, "peer": peer_total, "steps": theirs, "ratio": ratio}))
    else:
        for name, seconds in stages.items():
            print(f"  winnow {name:<20}{seconds:8.1f} s")
        for name, seconds in theirs.items():
            print(f"  peer   {name:<20}{seconds:8.1f} s")
        print(f"winnow {ours:.1f} s, peer {peer_total:.1f} s, ratio {ratio:.2f} (limit {LIMIT})")
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()
