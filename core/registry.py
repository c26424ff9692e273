"""A small decorator registry, used for sources, encoders, signals, subset methods and export formats.

A member is one file that registers itself at the bottom; its package's ``__init__`` imports every sibling with
:func:`load_siblings`, so there is no central list to forget.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from .errors import WinnowError, choices

T = TypeVar("T")


class Registry(Generic[T]):
    """Named objects of one kind, in order of registration."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate an object to register it under ``name``. Raises ValueError for a name that is taken."""

        def add(item: T) -> T:
            if name in self._items:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._items[name] = item
            return item

        return add

    def get(self, name: str) -> T:
        """Look up the object called ``name``. Raises WinnowError, listing the names there are, for an unknown one."""
        try:
            return self._items[name]
        except KeyError:
            raise WinnowError(f"No {self.kind} is called {name!r}. There are: {choices(self._items)}.") from None

    def names(self) -> list[str]:
        """List the names, in order of registration."""
        return list(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __len__(self) -> int:
        return len(self._items)


def load_siblings(package: str, path: Any) -> list[str]:
    """Import every public module of a package so that each registers itself. Returns their names, sorted."""
    names = sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_") and m.name != "base")
    for name in names:
        importlib.import_module(f"{package}.{name}")
    return names
