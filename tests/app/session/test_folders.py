"""Sources are chosen below the roots, and nothing outside of them is listed, by no way."""

from __future__ import annotations

from pathlib import Path

import pytest

from winnow.app.session import folders
from winnow.core import WinnowError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    inside = tmp_path / "data"
    for folder in ("photos/cat", "photos/photos.winnow", ".hidden", "empty"):
        (inside / folder).mkdir(parents=True)
    for name in ("photos/a.JPG", "photos/b.png", "table.parquet", "notes.txt"):
        (inside / name).touch()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "passwords.csv").touch()
    (inside / "way out").symlink_to(tmp_path / "secret")
    (inside / "way in").symlink_to(inside / "photos")
    monkeypatch.setenv("WINNOW_ROOTS", str(inside))
    return inside


def test_folders_and_tables_are_listed_without_hidden_ones_and_workspaces(root: Path) -> None:
    here = folders.listing(root)
    assert (here.folders, here.tables, here.parent) == (("empty", "photos", "way in"), ("table.parquet",), None)
    photos = folders.listing(root / "photos")
    assert (photos.folders, photos.pictures, photos.parent) == (("cat",), 2, root.resolve())


@pytest.mark.parametrize("path", ["..", "photos/../../secret", "way out", "/", "/etc", "../data-too"])
def test_nothing_outside_of_the_roots_is_listed(root: Path, path: str) -> None:
    with pytest.raises(WinnowError, match="lies outside of what may be browsed here"):
        folders.listing(root / path)
    with pytest.raises(WinnowError, match="lies outside"):
        folders.allowed(root / path)


def test_a_folder_that_is_not_there_is_said(root: Path) -> None:
    with pytest.raises(WinnowError, match="cannot be read: No such file"):
        folders.listing(root / "gone")
