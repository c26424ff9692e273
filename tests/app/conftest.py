"""A server on a small real workspace, for pages and routes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from tests.helpers.pictures import scan_pictures
from winnow.app.server import state as states
from winnow.app.server.security import LOOPBACK
from winnow.core import Workspace


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scanned workspace. Look, do not touch: use ``workspace`` to decide."""
    return scan_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def workspace(pictures: Path, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of the scanned workspace, opened by ada."""
    with Workspace.open(shutil.copytree(pictures, tmp_path / "pictures.winnow"), actor="ada") as opened:
        yield opened


@pytest.fixture
def app_state(workspace: Workspace, tmp_path: Path) -> Iterator[states.ServerState]:
    """A server that shows ``workspace`` (``app_state.first``)."""
    state = states.configure(
        states.ServerState(
            secret=b"0" * 32,
            actor="ada",
            hosts=frozenset([*LOOPBACK, "testserver"]),
            opener=lambda path, actor: workspace,
            directory=tmp_path / "state",
        )
    )
    state.add(workspace.path)
    st.cache_data.clear()
    yield state
    st.cache_data.clear()


@pytest.fixture
def empty_state(tmp_path: Path) -> states.ServerState:
    """A server on which nothing was ever opened."""
    st.cache_data.clear()
    return states.configure(states.ServerState(actor="ada", directory=tmp_path / "state"))
