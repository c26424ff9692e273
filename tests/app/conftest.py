"""A hub with the fake workspace, for pages and routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from tests.helpers.fake_workspace import FakeWorkspace
from winnow.app.server import state as hubs


@pytest.fixture
def fake(tmp_path: Path) -> FakeWorkspace:
    return FakeWorkspace(tmp_path / "pictures.winnow")


@pytest.fixture
def hub(fake: FakeWorkspace, tmp_path: Path) -> Iterator[hubs.ServerState]:
    """A server that knows the fake workspace (``hub.first``)."""
    fake.path.mkdir()
    (fake.path / "workspace.json").write_text("{}")
    made = hubs.configure(
        hubs.ServerState(
            secret=b"0" * 32,
            actor="ada",
            hosts=frozenset([*hubs.LOOPBACK, "testserver"]),
            opener=lambda path, actor: fake,
            directory=tmp_path / "state",
        )
    )
    made.add(fake.path)
    st.cache_data.clear()
    yield made
    st.cache_data.clear()


@pytest.fixture
def empty_hub(tmp_path: Path) -> hubs.ServerState:
    """A server on which nothing was ever opened."""
    st.cache_data.clear()
    return hubs.configure(hubs.ServerState(actor="ada", directory=tmp_path / "state"))
