"""What many tests share: a small real dataset with known faults, and a workspace scanned from it once per run."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.helpers.postgres_server import Server, binaries, user
from tests.helpers.tagged import make_tagged

N, CLASSES = 180, 4
WRONG = (3, 40, 77, 120)
COPY_OF = {N: 10, N + 1: 11}
BROKEN = N + 2


def make_tiny(folder: Path) -> Path:
    """Digits 0–3 as PNG bytes with four wrong labels, two copies and a broken file; embeddings beside them."""
    digits = load_digits(n_class=CLASSES)
    pick = np.random.default_rng(7).permutation(len(digits.images))[:N]
    pictures = digits.images[pick]
    labels = [f"digit {d}" for d in digits.target[pick]]
    truth = list(labels)
    for row in WRONG:
        labels[row] = f"digit {(digits.target[pick][row] + 1) % CLASSES}"
    rows = []
    for i, picture in enumerate(pictures):
        image = Image.fromarray((picture * 15.9).astype(np.uint8)).resize((32, 32), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        image.save(out, "PNG")
        split = "test" if i % 5 == 0 else "train"
        rows.append({"id": f"s{i:03d}", "image": out.getvalue(), "label": labels[i], "split": split, "note": f"=n{i}"})
    for copy, of in COPY_OF.items():
        rows.append({**rows[of], "id": f"s{copy:03d}"})
    rows.append({"id": f"s{BROKEN}", "image": b"\x89PNG broken", "label": "digit 0", "split": "train", "note": ""})
    vectors = pictures.reshape(N, -1) / 16
    vectors = np.vstack([vectors, vectors[list(COPY_OF.values())], np.full((1, 64), np.nan)]).astype(np.float32)
    pd.DataFrame(rows).to_parquet(folder / "samples.parquet")
    pd.DataFrame({"id": [r["id"] for r in rows], "embedding": list(vectors)}).to_parquet(folder / "embeddings.parquet")
    pd.DataFrame({"id": [f"s{i:03d}" for i in range(N)], "true_label": truth}).to_parquet(folder / "truth.parquet")
    return folder


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with samples.parquet, embeddings.parquet and truth.parquet. Look, do not touch."""
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def scanned(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace scanned from ``tiny_data`` once. Look, do not touch: use ``tiny_ws`` to decide."""
    from winnow.core import Workspace

    out = tmp_path_factory.mktemp("scanned") / "ws"
    Workspace.scan(tiny_data / "samples.parquet", out, embeddings=tiny_data / "embeddings.parquet").close()
    return out


@pytest.fixture
def tiny_ws(scanned: Path, tmp_path: Path) -> Path:
    """A copy of the scanned workspace that a test may decide in."""
    return Path(shutil.copytree(scanned, tmp_path / "ws"))


@pytest.fixture(scope="session")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scanned workspace of texts with several tags each. Look, do not touch: use ``tagged_ws`` to decide."""
    from winnow.core import Workspace

    folder = tmp_path_factory.mktemp("tagged")
    make_tagged(folder)
    Workspace.scan(folder / "samples.parquet", folder / "ws", encoder="tfidf", projection=False, network=False).close()
    return folder / "ws"


@pytest.fixture
def tagged_ws(tagged: Path, tmp_path: Path) -> Path:
    """A copy of the scanned workspace with tags that a test may decide in."""
    return Path(shutil.copytree(tagged, tmp_path / "tagged"))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running PostgreSQL server; the test is skipped with a notice where there is none."""
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed")
    found = binaries()
    if found is None:
        pytest.skip(
            "there is no PostgreSQL here (`apt-get install postgresql`, or up to Python 3.12 `pip install pgserver`): "
            "its half of the tests did not run"
        )
    try:
        made = Server(found, user())
    except LookupError as error:
        pytest.skip(str(error))
    made.start()
    yield made
    made.stop()
    made.remove()


@pytest.fixture
def postgres(server: Server) -> str:
    """The address of an empty database."""
    import psycopg

    with psycopg.connect(server.address, autocommit=True) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
    return server.address
