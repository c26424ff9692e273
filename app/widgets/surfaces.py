"""The three JavaScript surfaces as Streamlit components: Review, Gallery and Map.

Each is a plain ES module in a folder of its own, loaded from the asset route; Streamlit only mounts it and carries
its data (which workspace, which filter, a bearer token) and one event back (``go``: the person wants another page).
Everything else travels between the browser and the routes under ``/api``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import streamlit as st

from .assets import asset_path, text

LOADER = """
export default async function (component) {
  const url = new URL(component.data.module, document.baseURI);
  const { default: mount } = await import(url.href);
  return mount(component);
}
"""
"""Streamlit turns a component's script into a blob, from which nothing relative can be imported."""


@lru_cache(maxsize=8)
def _component(name: str) -> Callable[..., Any]:
    return st.components.v2.component(
        f"winnow_{name}", js=LOADER, css=text("lib/common.css") + text(f"{name}/{name}.css"), html=""
    )


def base_path() -> str:
    """The path under which the app is served: "/" or "/prefix/"."""
    prefix = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{prefix}/" if prefix else "/"


def surface(name: str, data: dict[str, Any], *, key: str) -> dict[str, Any] | None:
    """Mount a surface.

    Parameters
    ----------
    name : "review", "gallery" or "map".
    data : plain values for the browser: ``ws``, ``token``, ``actor``, ``verdicts`` and what the surface needs.
    key : the element's key; the surface lives as long as it stays the same.

    Returns what the person asked for, once: ``{"page": ..., ...}``, or None.
    """
    payload = {"module": base_path() + asset_path(f"{name}/{name}.js"), "api": base_path() + "api/", **data}
    if name == "map":
        payload["plotly"] = base_path() + asset_path("plotly.min.js")
    result = _component(name)(key=key, data=payload, on_go_change=lambda: None)
    went: dict[str, Any] | None = result.go
    return went
