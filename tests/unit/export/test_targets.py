"""Where exports may go: who may write them, and what they never replace."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from winnow.core.cli import app
from winnow.core.errors import ExportError, NotAllowed
from winnow.core.export.job import start_export
from winnow.core.export.target import CONTENTS, plain_name, what_is_there
from winnow.core.storage import job_files
from winnow.core.workspace import Workspace


@pytest.fixture
def ws(tiny_ws: Path):
    with Workspace.open(tiny_ws, actor="ada") as opened:
        yield opened


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# ── who ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

WAYS: dict[str, Callable[[Workspace, Path, str], Any]] = {
    "export": lambda ws, to, who: ws.export(to / "a.csv", actor=who),
    "exports.export": lambda ws, to, who: ws.exports.export(to / "b.parquet", actor=who),
    "a folder": lambda ws, to, who: ws.exports.export(to / "c", format="split_ids", actor=who),
    "a job": lambda ws, to, who: start_export(ws.path, who, to / "d.csv"),
    "a datasheet": lambda ws, to, who: ws.exports.datasheet(to / "e", actor=who),
    "the log": lambda ws, to, who: ws.write_log(to / "f.csv", by=who),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_out_asks_for_the_right_to_export(
    ws: Workspace, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_files.subprocess, "Popen", lambda *a, **k: type("P", (), {"pid": 1})())
    ws.roles.set("olga", "owner", by="ada")
    ws.roles.set("vera", "viewer", by="olga")
    ws.roles.set("rita", "reviewer", by="olga")
    ws.roles.set_default("none", by="olga")
    (tmp_path / "out").mkdir()
    for who in ("vera", "stranger"):
        with pytest.raises(NotAllowed, match=f"'{who}'.*only a reviewer may export"):
            WAYS[way](ws, tmp_path / "out", who)
    assert not list((tmp_path / "out").iterdir())
    WAYS[way](ws, tmp_path / "out", "rita")


def test_nobody_named_is_who_opened_the_workspace(ws: Workspace, tmp_path: Path) -> None:
    ws.roles.set("olga", "owner", by="ada")
    ws.roles.set("ada", "viewer", by="olga")
    for way in (ws.export, ws.exports.export, ws.exports.datasheet, ws.write_log):
        with pytest.raises(NotAllowed, match="'ada' is viewer here"):
            way(tmp_path / "x.csv")


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("beside", [False, True])
def test_a_file_that_winnow_did_not_write_is_replaced_only_when_asked(
    ws: Workspace, tmp_path: Path, beside: bool
) -> None:
    target = tmp_path / "precious.csv"
    target.write_text("the,only,copy\n")
    if beside:  # a manifest says nothing about a file that it does not fit
        (tmp_path / "other").mkdir()
        made = ws.export(tmp_path / "other" / "precious.csv").manifest_path
        target.with_name("precious.csv.manifest.json").write_bytes(made.read_bytes())
    with pytest.raises(ExportError, match=r"precious.csv' is there already: a file of 14 bytes.*overwrite"):
        ws.export(target)
    assert target.read_text() == "the,only,copy\n"
    assert ws.exports.export(target, overwrite=True).rows
    assert ws.export(target).rows, "an earlier export is replaced without a question"


@pytest.mark.parametrize("name", ["x.csv.manifest.json", "x.csv.patch.jsonl"])
def test_the_files_beside_are_looked_at_too(ws: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"mine": 1}\n')
    with pytest.raises(ExportError, match=f"{name}' is there already"):
        ws.export(tmp_path / "x.csv")
    assert (tmp_path / name).read_text() == '{"mine": 1}\n'
    assert not (tmp_path / "x.csv").exists()


def test_an_edited_export_is_a_persons_own_file(ws: Workspace, tmp_path: Path) -> None:
    ws.export(tmp_path / "x.csv")
    with (tmp_path / "x.csv").open("a") as stream:
        stream.write("by hand\n")
    with pytest.raises(ExportError, match="is there already"):
        ws.export(tmp_path / "x.csv")


def test_logs_and_datasheets_replace_only_their_like(ws: Workspace, tmp_path: Path) -> None:
    ws.exports.datasheet(tmp_path / "sheet")
    ws.exports.datasheet(tmp_path / "sheet")
    for name in ("mine.html", "log.csv"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(ExportError, match="is there already"):
        ws.exports.datasheet(tmp_path / "mine")
    with pytest.raises(ExportError, match="is there already"):
        ws.write_log(tmp_path / "log.csv")
    assert (tmp_path / "mine.html").read_text() == (tmp_path / "log.csv").read_text() == "mine"
    assert not (tmp_path / "mine.md").exists()
    ws.write_log(tmp_path / "log.csv", overwrite=True)
    ws.exports.datasheet(tmp_path / "mine", overwrite=True)


OWN = ("verdicts.parquet", "dataset.parquet", "clusters.parquet", "new.parquet", "job/x.csv", "selections/x.parquet")


@pytest.mark.parametrize("name", [*OWN, "exports", "roles.json", "job"])
@pytest.mark.parametrize("whose", ["own", "another"])
def test_a_workspaces_files_are_never_a_target(ws: Workspace, tmp_path: Path, name: str, whose: str) -> None:
    root = ws.path
    if whose == "another":
        root = tmp_path / "elsewhere" / "photos.winnow"
        root.mkdir(parents=True)
        for own in ("workspace.json", "verdicts.parquet", "dataset.parquet"):
            (root / own).write_bytes((ws.path / own).read_bytes())
    before = tree(root)
    format = None if "." in name and not name.endswith(".json") else "split_ids"
    (tmp_path / "link").symlink_to(root)
    for target in (root / name, tmp_path / "link" / name):
        with pytest.raises(ExportError, match="belongs to the workspace"):
            ws.exports.export(target, format=format, overwrite=True)
        if name == "exports":  # files in it are allowed
            continue
        with pytest.raises(ExportError, match="belongs to the workspace"):
            ws.write_log(target if target.suffix == ".csv" else target / "x.csv", overwrite=True)
    assert tree(root) == before


def test_exports_may_lie_in_the_workspaces_own_folder_for_them(ws: Workspace) -> None:
    assert ws.exports.export(ws.exports.place("a/../b c.csv")).path == ws.path / "exports" / "a_.._b c.csv"
    assert ws.exports.export(ws.exports.place("ids"), format="split_ids").path.is_dir()


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("photos.csv", "photos.csv"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("..", "export"),
        ("", "export"),
        (".bashrc", "bashrc"),
        ("a\\b:c\x00d\ne", "a_b_c_d_e"),
        ("CON.csv", "_CON.csv"),
        ("Übung 7.csv ", "Übung 7.csv"),
    ],
)
def test_a_name_from_a_browser_becomes_a_plain_file_name(name: str, plain: str) -> None:
    assert plain_name(name) == plain
    assert len(plain_name("x" * 500 + ".csv")) <= 150
    assert plain_name("x" * 500 + ".csv").endswith(".csv")


# ── folders ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_name_of_a_manifest_does_not_give_a_folder_away(ws: Workspace, tmp_path: Path) -> None:
    """Split files of ids written first to photos.manifest.json and then to photos."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "only copy.jpg").write_bytes(b"\xff\xd8")
    ws.exports.export(tmp_path / "photos.manifest.json", format="split_ids")
    for overwrite in (False, True):
        with pytest.raises(ExportError, match="no export of Winnow"):
            ws.exports.export(photos, format="split_ids", overwrite=overwrite)
    assert tree(photos) == {"only copy.jpg": b"\xff\xd8"}


def test_a_manifest_beside_does_not_give_a_folder_away(ws: Workspace, tmp_path: Path) -> None:
    ws.exports.export(tmp_path / "photos", format="split_ids")
    (tmp_path / "photos").rename(tmp_path / "moved")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "thesis.txt").write_text("x")
    with pytest.raises(ExportError, match="no export of Winnow"):
        ws.exports.export(tmp_path / "photos", format="split_ids")
    assert tree(tmp_path / "photos") == {"thesis.txt": b"x"}


def add_file(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")


def add_folder(folder: Path) -> None:
    (folder / "mine").mkdir()


def change_file(folder: Path) -> None:
    with (folder / "train.txt").open("a") as stream:
        stream.write("mine\n")


def remove_contents(folder: Path) -> None:
    (folder / CONTENTS).unlink()


def damage_contents(folder: Path) -> None:
    (folder / CONTENTS).write_text("[]")


def replace_by_link(folder: Path) -> None:
    (folder / "train.txt").rename(folder.parent / "elsewhere.txt")
    (folder / "train.txt").symlink_to(folder.parent / "elsewhere.txt")


@pytest.mark.parametrize(
    "change", [add_file, add_folder, change_file, remove_contents, damage_contents, replace_by_link]
)
def test_a_folder_in_which_anything_else_lies_is_not_replaced(
    ws: Workspace, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    target = tmp_path / "out"
    ws.exports.export(target, format="split_ids")
    change(target)
    before = tree(tmp_path)
    with pytest.raises(ExportError, match=r"no export of Winnow|changed since Winnow wrote it"):
        ws.exports.export(target, format="split_ids", overwrite=True)
    assert tree(tmp_path) == before


def test_a_file_that_appears_while_the_new_folder_is_written_is_kept(ws: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "out"
    ws.exports.export(target, format="split_ids")

    def meanwhile(_: object) -> None:
        add_file(target)

    with pytest.raises(ExportError, match="changed since Winnow wrote it"):
        ws.exports.export(target, format="split_ids", progress=meanwhile)
    assert (target / "notes.txt").read_text() == "mine"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("format", ["split_ids", "image_folder", "huggingface"])
def test_the_manifest_inside_names_every_file_with_its_size(ws: Workspace, tmp_path: Path, format: str) -> None:
    target = ws.exports.export(tmp_path / "out", format=format, only=ws.ids()[:9]).path
    contents = json.loads((target / CONTENTS).read_text())["contents"]
    sizes = {name: len(data) for name, data in tree(target).items() if name != CONTENTS}
    assert contents == sizes
    assert "9 files" in what_is_there(target) or format != "image_folder"


KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow as pa
from winnow.core.export.curated_file import export
from winnow.core.export.folders import export_folder
from winnow.core.export.formats.base import Item, Supplies

class Rows:
    schema = pa.schema([("n", pa.int64())])
    def __init__(self, n): self.n = n
    def __iter__(self):
        for _ in range(20): yield pa.table({"n": [self.n] * 1000})
    def items(self):
        for i in range(200):
            yield Item(i, f"{self.n}-{i}", None, None, 1.0, "", None, None, f"s{i % 20}", None, 0, 0)
    def summary(self): return {}

def write(path, n):
    if path.suffix: export(path, Rows(n), {}, [b"{}\\n"], overwrite=True)
    else: export_folder(path, "split_ids", Rows(n), Supplies((), ""), {})

FILES = ("open", "os.", "shutil.", "ctypes.dlsym")
done = renamed = 0
def hook(event, _):
    global done, renamed
    if event.startswith(FILES):
        done += 1
        if event == "os.rename" and not renamed: renamed = done
        if done == limit: os.kill(os.getpid(), signal.SIGKILL)

print("ready", flush=True)
for line in sys.stdin:
    path, n, events, seconds = line.rsplit(maxsplit=3)
    read, out = os.pipe()
    if not (child := os.fork()):
        limit = int(events)
        sys.addaudithook(hook)
        signal.setitimer(signal.ITIMER_REAL, float(seconds))  # ends the process at once, as nothing handles its signal
        write(Path(path), int(n))
        os.write(out, f"{renamed} {done}".encode())
        os._exit(0)
    os.close(out)
    status = os.waitpid(child, 0)[1]
    killed_by = os.WIFSIGNALED(status) and os.WTERMSIG(status)
    print(f"0 {-killed_by}" if killed_by else os.read(read, 40).decode(), flush=True)
    os.close(read)
"""


class Exporting:
    """A process that exports in children of its own, which are killed."""

    def __init__(self, path: Path) -> None:
        self.path, self.n = path, 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(self, events: int = 0, seconds: float = 0) -> tuple[int, int]:
        """Export the next version, killed before its ``events``-th call about files, or after ``seconds`` (0 = not).

        Returns which of these calls is the first that renames, and their number; negative, the signal that ended it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.n += 1
        self._process.stdin.write(f"{self.path} {self.n} {events} {seconds}\n")
        self._process.stdin.flush()
        first, calls = self._process.stdout.readline().split()
        return int(first), int(calls)

    def version(self) -> int:
        """The version that lies there; every file must be of it, and every file must be there."""
        if self.path.suffix:
            found = {*json.loads(f"[{','.join(self.path.read_text().split()[1:])}]")}
            assert len(self.path.read_text().splitlines()) == 20_001
        else:
            contents = json.loads((self.path / CONTENTS).read_text())["contents"]
            assert contents == {name: len(data) for name, data in tree(self.path).items() if name != CONTENTS}
            texts = [p.read_text() for p in self.path.glob("*.txt")]
            assert len(texts) == 20
            found = {int(line.partition("-")[0]) for text in texts for line in text.splitlines()}
        (version,) = found
        return version

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no os.fork here: kills of exports were not tried")
@pytest.mark.parametrize("name", ["out", "out.csv"])
@pytest.mark.parametrize("way", ["between two calls", "at any time"])
def test_kills_while_an_export_is_replaced_leave_the_old_or_the_new(tmp_path: Path, name: str, way: str) -> None:
    (tmp_path / "mine.txt").write_text("x")
    chance = random.Random(5)
    exporting = Exporting(tmp_path / name)
    try:
        exporting.run()
        start = time.monotonic()
        first, calls = exporting.run()
        took = time.monotonic() - start
        assert 0 < first < calls
        # from the first renaming on, the new export is put in the place of the old one
        at = [*range(first, min(first + 10, calls)), *chance.choices(range(1, calls), k=20)][:20]
        outcomes, killed = set(), 0
        for moment in at:
            before = exporting.version()
            if way == "between two calls":
                _, ended = exporting.run(events=moment)
                assert ended == -signal.SIGKILL
            else:
                _, ended = exporting.run(seconds=chance.uniform(0.01, 1) * took)
            killed += ended < 0
            assert exporting.version() in (before, exporting.n)
            outcomes.add(exporting.version() - before > 0)
        assert killed >= 5
        assert way == "at any time" or outcomes == {False, True}
        exporting.run()
        assert exporting.version() == exporting.n, "the next export goes through"
    finally:
        exporting.close()
    assert (tmp_path / "mine.txt").read_text() == "x"
    left = {p.name for p in tmp_path.iterdir() if not p.name.startswith((".", name))}
    assert left == {"mine.txt"}


# ── the command line ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_line_asks_for_overwrite(ws: Workspace, tmp_path: Path) -> None:
    run = CliRunner()
    for verb in ("export", "log"):
        target = tmp_path / f"{verb}.csv"
        target.write_text("mine")
        refused = run.invoke(app, [verb, str(ws.path), str(target)])
        assert isinstance(refused.exception, ExportError)
        assert "--overwrite" in str(refused.exception)
        assert target.read_text() == "mine"
        assert run.invoke(app, [verb, str(ws.path), str(target), "--overwrite"]).exit_code == 0
