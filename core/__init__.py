"""Winnow's engine: find what is wrong in a labelled dataset. See ``assets/architecture.md``.

>>> from winnow.core import Workspace                               # doctest: +SKIP
>>> ws = Workspace.scan("photos/", "photos.winnow")                 # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import WinnowError

if TYPE_CHECKING:
    from .query import Filter
    from .types import ColumnMap
    from .workspace import Workspace

__version__ = "0.1.0"
__all__ = ["ColumnMap", "Filter", "WinnowError", "Workspace", "__version__"]

_HOMES = {"ColumnMap": "types", "Filter": "query", "Workspace": "workspace"}


def __getattr__(name: str) -> Any:
    """Import the heavy parts (torch, DuckDB, pyarrow) when they are first asked for."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
