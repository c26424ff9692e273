"""Keys that stay with a class, chosen once for a dataset: digits and letters that Review and Label relabel by.

A class keeps its key when it is renamed; a class that has none yet gets the next free one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase, digits

from ..errors import QueryError, WorkspaceError, choices
from ..storage.artifacts import load_json, save_json
from ..storage.effective_labels import Renames
from .roles import Right, Roles

POSSIBLE = frozenset(digits + ascii_lowercase)
"""Keys that a class can have, unless they are commands of the page."""

_FORMAT = 1
_ONE_DIGIT = re.compile(r"^\D*(\d)\D*$")


def assign(classes: Sequence[str], chosen: Mapping[str, str], commands: Iterable[str] = ()) -> dict[str, str]:
    """The key of every class that has one, in the order of the classes.

    Parameters
    ----------
    classes
        Their names.
    chosen
        Class → key, as a person chose; what is not possible (any more) is passed over.
    commands
        Keys that the page needs itself.

    Returns
    -------
    dict
        Class → key. Chosen keys come first, then a digit for a class that is called by it ("7", "digit 7"), then 1 to 9
        and the letters in alphabetical order. Classes beyond those have no key.

    Examples
    --------
    >>> assign(["cat", "dog", "7"], {"dog": "d"})
    {'cat': '1', 'dog': 'd', '7': '7'}
    """
    free = POSSIBLE - set(commands)
    keys: dict[str, str] = {}

    def give(name: str, key: str) -> None:
        if name not in keys and key in free - set(keys.values()):
            keys[name] = key

    for name in classes:
        give(name, chosen.get(name, ""))
    for name in classes:
        if own := _ONE_DIGIT.match(name):
            give(name, own[1])
    rest = iter([key for key in digits[1:] + ascii_lowercase if key in free - set(keys.values())])
    for name in classes:
        if name not in keys and (key := next(rest, None)):
            keys[name] = key
    return {name: keys[name] for name in classes if name in keys}


class ClassKeys:
    """The class keys of one workspace.

    Parameters
    ----------
    path
        The file that keeps them.
    roles
        Of the workspace.
    classes, renames
        Called for each question: the classes of today, and every former name → the class that it means now.
    """

    def __init__(
        self, path: Path, roles: Roles, classes: Callable[[], list[str]], renames: Callable[[], Renames]
    ) -> None:
        self._path, self._roles, self._classes, self._renames = path, roles, classes, renames

    @property
    def fixed(self) -> bool:
        """Whether the reviewers chose these keys; otherwise 1 to 9 mean each sample's likeliest labels."""
        return self._read()[0]

    def of_classes(self, commands: Iterable[str] = ()) -> dict[str, str]:
        """Class → key of the classes of today (see :func:`assign`)."""
        renames = self._renames()
        chosen = {renames.get(name, name) or "": key for name, key in self._read()[1].items()}
        return assign(self._classes(), chosen, commands)

    def save(self, fixed: bool, keys: Mapping[str, str], *, actor: str, commands: Iterable[str] = ()) -> None:
        """Keep the choice.

        Parameters
        ----------
        fixed
            Whether Review uses them.
        keys
            Class → key; classes that are left out get a free one.
        actor
            Who chooses.
        commands
            Keys that the page needs itself.

        Raises
        ------
        QueryError
            An unknown class, a key that is no free digit or letter, or one key for two classes.
        NotAllowed
            The actor is no reviewer.
        """
        self._roles.require(actor, Right.DECIDE)
        classes, commands = set(self._classes()), set(commands)
        taken: dict[str, str] = {}
        for name, key in keys.items():
            if name not in classes:
                raise QueryError(f"There is no class {name!r}. There are: {choices(sorted(classes))}.")
            if key in commands:
                raise QueryError(f"{key.upper()} is a command of the page and cannot be the key of {name!r}.")
            if key not in POSSIBLE:
                raise QueryError(f"The key of a class is a digit or a letter from A to Z, not {key!r} ({name}).")
            if (other := taken.setdefault(key, name)) != name:
                raise QueryError(f"{key.upper()} cannot be the key of both {other!r} and {name!r}.")
        save_json(self._path, {"format": _FORMAT, "fixed": fixed, "keys": assign(self._classes(), keys, commands)})

    def _read(self) -> tuple[bool, dict[str, str]]:
        if not self._path.exists():
            return False, {}
        choice = load_json(self._path)
        if choice["format"] != _FORMAT:
            raise WorkspaceError(f"{str(self._path)!r} was written by a newer Winnow. Update Winnow to open it.")
        return bool(choice["fixed"]), dict(choice["keys"])
