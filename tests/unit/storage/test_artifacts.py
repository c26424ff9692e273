"""Artifacts are whole or absent; stage records know when something is missing or damaged."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from winnow.core.errors import DiskFull, ReadOnly, WorkspaceError
from winnow.core.storage import atomic
from winnow.core.storage.artifacts import (
    StageStore,
    load_array,
    load_json,
    load_table,
    plain,
    save_array,
    save_json,
    save_table,
)
from winnow.core.storage.atomic import atomic_write, checksum_of, remove_leftovers
from winnow.core.types import Kind


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float16).reshape(3, 4),
        np.zeros((0, 5), np.float32),
        np.array(3, np.int64),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array([True, False]),
    ],
)
@pytest.mark.parametrize("mmap", [True, False])
def test_arrays_come_back_as_they_were(tmp_path: Path, array: np.ndarray, mmap: bool) -> None:
    checksum = save_array(tmp_path / "deep" / "a.npy", array)
    back = load_array(tmp_path / "deep" / "a.npy", mmap=mmap)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert checksum == checksum_of(tmp_path / "deep" / "a.npy")


def test_a_mapped_array_cannot_be_written_to(tmp_path: Path) -> None:
    save_array(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        load_array(tmp_path / "a.npy")[0] = 1


def test_objects_are_never_stored(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="object arrays"):
        save_array(tmp_path / "a.npy", np.array(["x", None], object))
    assert names(tmp_path) == []


def test_an_array_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], object), allow_pickle=True)
    with pytest.raises(WorkspaceError, match="damaged"):
        load_array(tmp_path / "a.npy")


def test_tables_come_back_as_they_were(tmp_path: Path) -> None:
    table = pa.table({"text": ["a\nb", None, "ü"], "many": [[1], [], None]})
    checksum = save_table(tmp_path / "t.parquet", table)
    assert load_table(tmp_path / "t.parquet").equals(table)
    assert load_table(tmp_path / "t.parquet", columns=["many"]).column_names == ["many"]
    assert checksum == checksum_of(tmp_path / "t.parquet")


@dataclass(frozen=True)
class _Thing:
    kind: Kind
    where: Path
    score: float


def test_json_holds_what_a_manifest_holds(tmp_path: Path) -> None:
    value = {
        "thing": _Thing(Kind.OOD, Path("a/b"), float("nan")),
        "array": np.arange(3, dtype=np.int32),
        "number": np.float32(0.5),
        "set": {2, 1},
        "text": "ü\ud800",
        "when": None,
    }
    save_json(tmp_path / "x.json", value)
    assert load_json(tmp_path / "x.json") == {
        "thing": {"kind": "ood", "where": "a/b", "score": None},
        "array": [0, 1, 2],
        "number": 0.5,
        "set": [1, 2],
        "text": "ü\ud800",
        "when": None,
    }
    with pytest.raises(TypeError, match="cannot write a object"):
        plain(object())


@pytest.mark.parametrize("load", [load_array, load_table, load_json])
def test_missing_and_damaged_files_are_named(tmp_path: Path, load: object) -> None:
    with pytest.raises(WorkspaceError, match=r"nothing.bin.*is missing"):
        load(tmp_path / "nothing.bin")  # type: ignore[operator]
    (tmp_path / "half.bin").write_bytes(b"\x93NUMPY half of a file")
    with pytest.raises(WorkspaceError, match=r"half.bin.*is damaged.*run the scan again"):
        load(tmp_path / "half.bin")  # type: ignore[operator]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "x.bin"
    target.write_bytes(b"old")

    def write(stream: object) -> None:
        stream.write(b"half of the new")  # type: ignore[attr-defined]
        raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        atomic_write(target, write)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["x.bin"]


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (errno.ENOSPC, DiskFull, "Free some room"),
        (errno.EDQUOT, DiskFull, "Free some room"),
        (errno.EROFS, ReadOnly, "Make the folder writable"),
        (errno.EACCES, ReadOnly, "Make the folder writable"),
        (errno.EIO, WorkspaceError, "Check the path and the disk"),
    ],
)
@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_the_disk_s_errors_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], says: str, step: str
) -> None:
    (tmp_path / "x.bin").write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    if step != "write":
        monkeypatch.setattr(atomic.os, step, fail)
    with pytest.raises(error, match=says):
        atomic_write(tmp_path / "x.bin", fail if step == "write" else lambda f: f.write(b"new"))
    monkeypatch.undo()
    assert (tmp_path / "x.bin").read_bytes() == b"old"
    assert names(tmp_path) == ["x.bin"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_really_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open
    monkeypatch.setattr(atomic.os, "open", lambda path, flags, *mode: real("/dev/full", os.O_RDWR, *mode))
    with pytest.raises(DiskFull):
        save_array(tmp_path / "x.npy", np.zeros(1 << 20))


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    os.chmod(tmp_path / "real.json", 0o640)
    (tmp_path / "link.json").symlink_to("real.json")
    save_json(tmp_path / "link.json", [1])
    assert (tmp_path / "link.json").is_symlink()
    assert load_json(tmp_path / "real.json") == [1]
    assert (tmp_path / "real.json").stat().st_mode & 0o777 == 0o640


def test_a_writer_that_seeks_still_gets_the_right_checksum(tmp_path: Path) -> None:
    def write(stream: object) -> None:
        stream.write(b"....body")  # type: ignore[attr-defined]
        stream.seek(0)  # type: ignore[attr-defined]
        stream.write(b"HEAD")  # type: ignore[attr-defined]

    checksum = atomic_write(tmp_path / "x", write)
    assert (tmp_path / "x").read_bytes() == b"HEADbody"
    assert checksum == checksum_of(tmp_path / "x")


def test_kill_in_the_middle_of_writing_leaves_whole_files(tmp_path: Path) -> None:
    """A process that overwrites one array again and again is killed; what lies there is one whole version."""
    script = (
        "import sys, numpy as np\n"
        "from winnow.core.storage.artifacts import save_array\n"
        "i = 0\n"
        "while True:\n"
        "    save_array(sys.argv[1], np.full(400_000, i)); i += 1\n"
        "    print(i, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "a.npy")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    time.sleep(0.013)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    array = load_array(tmp_path / "a.npy")
    assert len(array) == 400_000
    assert (array == array[0]).all()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["a.npy"]


# --- stages -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stages(tmp_path: Path) -> StageStore:
    save_array(tmp_path / "sub" / "a.npy", np.arange(100))
    save_json(tmp_path / "b.json", {"x": 1})
    store = StageStore(tmp_path)
    store.commit("embed", "f1", ["sub/a.npy", tmp_path / "b.json"], seconds=1.5, info={"rate": np.float32(2)})
    return store


def test_a_finished_stage_is_fresh_for_its_inputs_only(stages: StageStore) -> None:
    record = stages.fresh("embed", "f1", verify=True)
    assert record is not None
    assert set(record.outputs) == {"sub/a.npy", "b.json"}
    assert (record.seconds, record.info) == (1.5, {"rate": 2.0})
    assert stages.fresh("embed", "f2") is None
    assert stages.fresh("other", "f1") is None


def test_a_workspace_can_be_moved(stages: StageStore, tmp_path: Path) -> None:
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    assert StageStore(moved).fresh("embed", "f1", verify=True) is not None
    moved.rename(tmp_path)


def test_a_missing_output_makes_a_stage_stale(stages: StageStore) -> None:
    (stages.root / "b.json").unlink()
    assert stages.fresh("embed", "f1") is None


def test_a_cut_output_is_found_by_its_size(stages: StageStore) -> None:
    path = stages.root / "sub" / "a.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert stages.fresh("embed", "f1") is None


def test_a_flipped_bit_is_found_by_its_checksum(stages: StageStore) -> None:
    path = stages.root / "sub" / "a.npy"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    assert stages.fresh("embed", "f1") is not None
    assert stages.fresh("embed", "f1", verify=True) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"version": 99}', '{"version": 1, "name": "embed", "outputs": {"../x": {}}}']
)
def test_a_damaged_record_makes_the_stage_run_again(stages: StageStore, text: str) -> None:
    stages.path("embed").write_text(text)
    assert stages.fresh("embed", "f1") is None
    assert stages.read("embed") is None


def test_a_record_that_points_outside_is_not_believed(stages: StageStore) -> None:
    record = load_json(stages.path("embed"))
    record["outputs"] = {"../../etc/passwd": {"bytes": 1, "checksum": "x"}}
    save_json(stages.path("embed"), record)
    assert stages.read("embed") is None


def test_outputs_outside_the_workspace_are_refused(stages: StageStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside the workspace"):
        stages.commit("x", "f", ["../elsewhere"])
    with pytest.raises(ValueError, match="a stage name"):
        stages.commit("../x", "f", [])
    with pytest.raises(WorkspaceError, match="missing"):
        stages.commit("x", "f", ["not-there"])


def test_checksums_from_writing_are_taken_over(tmp_path: Path) -> None:
    checksum = save_array(tmp_path / "a.npy", np.arange(5))
    record = StageStore(tmp_path).commit("s", "f", {"a.npy": checksum})
    assert record.outputs["a.npy"].checksum == checksum_of(tmp_path / "a.npy")
