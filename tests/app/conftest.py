"""A app_state with the fake workspace, for pages and routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from tests.helpers.fake_workspace import FakeWorkspace
from winnow.app.server import state as states
from winnow.app.server.security import LOOPBACK


@pytest.fixture
def fake(tmp_path: Path) -> FakeWorkspace:
    return FakeWorkspace(tmp_path / "pictures.winnow")


@pytest.fixture
def app_state(fake: FakeWorkspace, tmp_path: Path) -> Iterator[states.ServerState]:
    """A server that knows the fake workspace (``app_state.first``)."""
    fake.path.mkdir()
    (fake.path / "workspace.json").write_text("{}")
    made = states.configure(
        states.ServerState(
            secret=b"0" * 32,
            actor="ada",
            hosts=frozenset([*LOOPBACK, "testserver"]),
            opener=lambda path, actor: fake,
            directory=tmp_path / "state",
        )
    )
    made.add(fake.path)
    st.cache_data.clear()
    yield made
    st.cache_data.clear()


@pytest.fixture
def empty_state(tmp_path: Path) -> states.ServerState:
    """A server on which nothing was ever opened."""
    st.cache_data.clear()
    return states.configure(states.ServerState(actor="ada", directory=tmp_path / "state"))
