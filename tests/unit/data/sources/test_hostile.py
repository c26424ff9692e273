"""Every hostile file and table: no crash, no hang, bounded memory, and every bad sample has a row with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers import hostile_structures as structures
from tests.helpers.hostile import NAMES, folder, picture, pictures, saved, tables

MEMORY = 2 << 30
SECONDS = 10
"""Of processor time; what waits and does nothing is stopped after twelve times as long."""

WATCHED = f"""
import json, resource, signal, sys, time, warnings
warnings.simplefilter("ignore")
def own_peak():  # ru_maxrss would be that of the process which this one was forked from, if larger
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
def run(name, work):
    def late(*_):
        raise BaseException("hung")
    signal.signal(signal.SIGALRM, late)
    signal.signal(signal.SIGPROF, late)
    signal.alarm({12 * SECONDS})
    signal.setitimer(signal.ITIMER_PROF, {SECONDS})
    start = time.process_time()
    try:
        said = work()
    except BaseException as error:
        said = "CRASH " + repr(error)[:300]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    peak = own_peak()
    print(json.dumps([name, said, round(time.process_time() - start, 2), peak]), flush=True)
"""

TABLES = (
    WATCHED
    + """
from pathlib import Path
from winnow.core.errors import WinnowError
from winnow.core.data.sources import open_source, preview
def look(path):
    said = []
    for how in (lambda: preview(path, rows=20), lambda: open_source(path)):
        try:
            found = how()
            said.append(f"{found.n} rows")
        except WinnowError as error:
            said.append(f"{type(error).__name__}: {error}"[:300])
    return said
for line in sys.stdin:
    run(Path(line.strip()).name, lambda: look(Path(line.strip())))
"""
)

PICTURES = (
    WATCHED
    + """
from pathlib import Path
from winnow.core.data.media.decode import Undecodable, decode
def look(path):
    try:
        image = decode(path.read_bytes())
        assert image.mode == "RGB" and min(image.size) > 0, image
        image.resize((32, 32))
        return "fine"
    except Undecodable as error:
        return str(error)
for line in sys.stdin:
    path = Path(json.loads(line))
    run(path.name, lambda: look(path))
"""
)

SCAN = (
    WATCHED
    + """
from winnow.core import Workspace
signal.alarm(0)
with Workspace.scan(sys.argv[1], sys.argv[2], encoder="patches", projection=False, network=False) as ws:
    n = ws.info().n
    cards = ws.cards(ws.ids())
    exported = ws.export(sys.argv[2] + ".csv")
peak = max(own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
print(json.dumps({"n": n, "rows": exported.rows, "peak": peak,
                  "said": {c["id"]: [c["verdict"], c["reason"], c["kinds"]["broken"]["flag"]] for c in cards}}))
"""
)


SCANS = (
    WATCHED
    + """
import shutil
from pathlib import Path
from winnow.core import Workspace
from winnow.core.errors import WinnowError
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))
highest = own_peak
def own_peak():  # as if this scan were the first of the process
    return highest() - before + base
def forget_peak():
    global before
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = resident()
def look(source, out, encoder, embeddings, watched):
    try:
        with Workspace.scan(
            source, out, encoder=None if embeddings else encoder, embeddings=embeddings, projection=False, network=False
        ) as ws:
            cards = ws.cards(ws.ids()[:50])
            exported = ws.export(out + ".csv")
            failures = json.loads(Path(out, "manifest.json").read_text())["failures"]
            assert not failures, failures
            said = f"{exported.rows} rows"
            if watched:
                (card,) = [c for c in cards if Path(c["id"]).name == watched]
                bad = card["kinds"]["broken"]["flag"]
                assert not bad or card["reason"], card
                said += f": {card['reason']}" if bad else ": decoded"
            return said
    except WinnowError as error:
        assert str(error), error
        return f"{type(error).__name__}: {error}"[:300]
    finally:
        shutil.rmtree(out, ignore_errors=True)
for warm, encoder in zip(sys.argv[2:], ("tfidf", "patches")):
    Workspace.scan(warm, sys.argv[1] + "/warm" + encoder, encoder=encoder, projection=False, network=False).close()
base = resident()
for i, line in enumerate(sys.stdin):
    name, *how = json.loads(line)
    forget_peak()
    run(name, lambda: look(how[0], f"{sys.argv[1]}/{i}", *how[1:]))
"""
)


def watched(code: str, stdin: str = "", *args: str, timeout: float = 900) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", code, *args], input=stdin, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"{done.stdout[-300:]}\n{done.stderr[-3000:]}"
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for what, key, unit in (("slowest", 2, 1), ("largest", 3, 1 << 20)):
        most = sorted((one for one in found if isinstance(one, list)), key=lambda one: -one[key])[:10]
        print(f"{what}: " + ", ".join(f"{one[0]} {one[key] / unit:.1f}" for one in most))
    crashes = [one for one in found if "CRASH" in str(one)]
    assert not crashes, "\n".join(map(str, crashes))
    return found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    (root / "pictures").mkdir()
    (root / "tables").mkdir()
    folder(root / "pictures", bombs=False)
    tables(root / "tables")
    (root / "structures").mkdir()
    structures.tables(root / "structures")
    return root


def test_the_corpus_holds_more_than_a_thousand_different_inputs(corpus: Path) -> None:
    images = [*pictures(bombs=False).values(), *structures.pictures().values()]
    written = [p for name in ("tables", "structures") for p in (corpus / name).iterdir()]
    tabular = {(p.suffix, p.read_bytes()) for p in written if p.is_file() and not p.is_symlink()}
    assert len(set(images)) + len(NAMES) + len(tabular) >= 1000


def test_no_table_crashes_hangs_or_fills_the_memory(corpus: Path) -> None:
    paths = sorted([*(corpus / "tables").iterdir(), *(corpus / "structures").iterdir()])
    found = watched(TABLES, "\n".join(map(str, paths)))
    assert [name for name, *_ in found] == [p.name for p in paths]
    slow = [(name, seconds) for name, _, seconds, _ in found if seconds > SECONDS]
    assert not slow
    assert max(peak for *_, peak in found) < MEMORY, [(n, p >> 20) for n, _, _, p in found if p >= MEMORY]
    said = {name: words for name, words, *_ in found}
    assert said["bom.csv"] == ["20 rows", "30 rows"] or said["bom.csv"][1] == "30 rows"
    for name in (
        "empty.csv",
        "only-head.csv",
        "objects.npy",
        "pipe.csv",
        "endless.csv",
        "gzip-bomb.csv.gz",
        "bomb-text.parquet",
    ):
        assert "Error" in said[name][1], (name, said[name])


def test_no_picture_crashes_hangs_or_fills_the_memory(tmp_path: Path) -> None:
    every = pictures() | structures.pictures()
    for name, data in every.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in every]
    found = {
        name: (said, seconds, peak)
        for name, said, seconds, peak in watched(PICTURES, "\n".join(map(json.dumps, paths)))
    }
    assert len(found) == len(paths)
    assert max(peak for *_, peak in found.values()) < MEMORY
    assert not [name for name, (_, seconds, _) in found.items() if seconds > SECONDS]
    assert found["bomb-16-bit.png"][0] == "fine"
    assert "megapixels" in found["says-20000x20000.png"][0]
    assert "0 bytes" in found["zero.jpg"][0]
    for name in ("svg.jpg", "html.jpg", "pickle.png", "elf.png"):
        assert "not an image" in found[name][0]


def test_every_bad_file_of_a_folder_has_a_row_with_the_reason(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "ws"
    (found,) = watched(SCAN, "", str(corpus / "pictures"), str(out))
    assert found["peak"] < MEMORY
    assert found["n"] == found["rows"] == len(found["said"])
    files = [p for p in (corpus / "pictures").rglob("*.*") if p.parent != corpus / "pictures" and "loop" not in p.parts]
    assert found["n"] >= len(files)
    for sample, (_, reason, flagged) in found["said"].items():
        bad = any(
            word in sample
            for word in ("zero.jpg", "svg.jpg", "html.jpg", "says-", "pipe.png", "endless.png", "gone.png", "self.png")
        )
        if bad:
            assert flagged, sample
            assert reason, sample


@dataclass(frozen=True)
class Input:
    """What is scanned: a source with its encoder or embeddings, and the sample that is hostile, "" = all of it."""

    name: str
    source: Path
    encoder: str = "tfidf"
    embeddings: Path | None = None
    sample: str = ""

    def line(self) -> str:
        embeddings = self.embeddings and str(self.embeddings)
        return json.dumps([self.name, str(self.source), self.encoder, embeddings, self.sample])


def scanned(inputs: list[Input], warm: list[Path], out: Path) -> dict[str, str]:
    """Scan, open and export each input in one process. Returns what was said, by name."""
    found = watched(SCANS, "\n".join(i.line() for i in inputs), str(out), *map(str, warm), timeout=3 * 3600)
    assert [name for name, *_ in found] == [i.name for i in inputs]
    assert not [(name, seconds) for name, _, seconds, _ in found if seconds > SECONDS]
    assert max(peak for *_, peak in found) < MEMORY, [(n, p >> 20) for n, _, _, p in found if p >= MEMORY]
    return {name: said for name, said, *_ in found}


def _encoder(path: Path) -> str:
    return "patches" if "as-image" in path.name or path.name.startswith(("images", "image")) else "tfidf"


FEW = (
    "type-bool-as-label",
    "type-date32-beyond-as-split",
    "type-struct-as-label",
    "type-bytes-as-text",
    "type-text-view-as-label",
    "deep-cells",
    "jsonl-utf-32",
)


def test_tables_of_odd_types_are_scanned_or_refused_in_words(corpus: Path, tmp_path: Path) -> None:
    paths = [p for p in sorted((corpus / "structures").iterdir()) if p.stem in FEW]
    inputs = [Input(p.name, p, _encoder(p)) for p in paths]
    said = scanned(inputs, [corpus / "tables" / "bom.csv"], tmp_path)
    assert len(said) == len(FEW)
    assert said["type-date32-beyond-as-split.parquet"] == said["type-text-view-as-label.parquet"] == "4 rows"
    assert said["deep-cells.jsonl"] == "1 rows"
    assert "Error" in said["jsonl-utf-32.jsonl"]


APART = ("pipe.csv", "endless.csv", "many-rows-empty.csv", "newlines.csv")
"""Never ending, or of so many rows that an ordinary scan takes longer. They are read above."""


def tables_and_arrays(corpus: Path) -> list[Input]:
    """Every table as a source, every array as the embeddings of a small one."""
    few = corpus / "nine.csv"
    few.write_text("id,text,label\n" + "".join(f"{i},some words {i},{'ab'[i % 2]}\n" for i in range(9)))
    paths = sorted(p for room in ("tables", "structures") for p in (corpus / room).iterdir() if p.name not in APART)
    arrays = [Input(f"{p.parent.name}/{p.name}", few, embeddings=p) for p in paths if p.suffix == ".npy"]
    return arrays + [Input(f"{p.parent.name}/{p.name}", p, _encoder(p)) for p in paths if p.suffix != ".npy"]


def beside_seven(root: Path) -> list[Input]:
    """Each hostile picture beside seven ordinary ones, in a folder or in a table, by turns."""
    good = [saved(picture(seed), "PNG") for seed in range(7)]
    made = []
    for i, (name, data) in enumerate((pictures() | structures.pictures()).items()):
        home = root / str(i)
        home.mkdir(parents=True)
        files = {f"good-{j}.png": one for j, one in enumerate(good)} | {name: data}
        if i % 2:
            source = home / "table.parquet"
            columns = {"id": list(files), "image": list(files.values()), "label": ["a", "b"] * 4}
            pq.write_table(pa.table(columns), source)
        else:
            source = home
            for j, (file, content) in enumerate(files.items()):
                (home / "ab"[j % 2]).mkdir(exist_ok=True)
                (home / "ab"[j % 2] / file).write_bytes(content)
        made.append(Input(name, source, "patches", sample=name))
    return made


@pytest.mark.attack
@pytest.mark.timeout(4 * 3600)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="there is no peak of memory to be measured here")
def test_more_than_a_thousand_hostile_inputs_are_scanned_or_refused_in_words(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = [*tables_and_arrays(corpus), *beside_seven(tmp_path / "pictures")]
    assert len({i.name for i in inputs}) == len(inputs) > 1000
    warm = [corpus / "tables" / "bom.csv", next(i.source for i in inputs if i.sample)]
    with capsys.disabled():
        said = scanned(inputs, warm, tmp_path)
        rows, refused = (sum(word in words for words in said.values()) for word in ("rows", "Error: "))
        print(f"{len(said):,} hostile inputs: {rows:,} scanned, {refused:,} refused")
    assert rows + refused == len(said)
    assert all("8 rows: " in said[i.name] for i in inputs if i.sample), "one bad picture never ends a scan"
    assert rows > 800
