"""Who may do what in a workspace: viewer, reviewer or owner, kept in ``roles.json`` beside the decisions.

| right | viewer | reviewer | owner |
|---|---|---|---|
| look, search | yes | yes | yes |
| decide, take back one's own decisions, save selections, export | | yes | yes |
| change classes, take back another person's change of them | | | yes |
| scan again, give roles, move the log of decisions | | | yes |

Without the file everybody is owner: a workspace of one's own needs no roles. With ``none`` as the default role, only
people who are named are let in. Where the file cannot be read, nobody may do anything. Names are compared without case
and outer space, so that "ada" cannot pass for "Ada". The rights hold for all access through Winnow; they do not protect
the files themselves from somebody who can write to them.
"""

from __future__ import annotations

import getpass
import os
import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..errors import NotAllowed, QueryError, WorkspaceError, choices
from ..storage.artifacts import load_json, save_json

_FORMAT = 1
LONGEST_NAME = 200


class Role(StrEnum):
    """What a person is in a workspace, the least first."""

    NONE = "none"
    VIEWER = "viewer"
    REVIEWER = "reviewer"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """0 for none … 3 for owner."""
        return list(Role).index(self)


class Right(StrEnum):
    """What a person may want to do; the value is its name in messages."""

    LOOK = "look at this dataset"
    DECIDE = "decide"
    EXPORT = "export"
    CLASSES = "change classes"
    SCAN = "start a scan"
    ROLES = "give roles"
    LOG = "move or replace the log of decisions"


_NEEDS = {
    Right.LOOK: Role.VIEWER,
    Right.DECIDE: Role.REVIEWER,
    Right.EXPORT: Role.REVIEWER,
    Right.CLASSES: Role.OWNER,
    Right.SCAN: Role.OWNER,
    Right.ROLES: Role.OWNER,
    Right.LOG: Role.OWNER,
}


def default_actor() -> str:
    """Who acts where nobody is named: WINNOW_ACTOR, else the login name, else "me"."""
    try:
        return os.environ.get("WINNOW_ACTOR") or getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container whose user id has no name
        return "me"


def same(name: str) -> str:
    """A name as it is compared: NFKC, without case and outer space."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


@dataclass(frozen=True)
class RoleTable:
    """Everybody's role.

    Attributes
    ----------
    people
        Name as it was written → role, in order.
    default
        The role of everybody else.
    """

    people: Mapping[str, Role] = field(default_factory=dict)
    default: Role = Role.OWNER

    def of(self, name: str) -> Role:
        """The role of a person."""
        wanted = same(name)
        return next((role for person, role in self.people.items() if same(person) == wanted), self.default)

    def names(self, name: str) -> bool:
        """Whether this person is named, so that nobody else may go by that name."""
        return same(name) in map(same, self.people)


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise QueryError(f"{text!r} is not a role. There are: {choices(Role)}.") from None


class Roles:
    """The roles of one workspace. Safe to share between threads and processes: the file is checked at every call.

    Parameters
    ----------
    path
        Of ``roles.json``, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._cached: tuple[tuple[int, int, int], RoleTable] | None = None

    def table(self) -> RoleTable:
        """Everybody's role now.

        Raises
        ------
        WorkspaceError
            The file cannot be read: then nobody has a role.
        """
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return RoleTable()
        except OSError as error:
            raise self._unreadable(error) from error
        version = stat.st_mtime_ns, stat.st_size, stat.st_ino
        with self._lock:
            if self._cached is None or self._cached[0] != version:
                self._cached = version, self._read()
            return self._cached[1]

    def _read(self) -> RoleTable:
        try:
            raw = load_json(self._path)
            if raw["format"] != _FORMAT:
                raise ValueError(f"it has format {raw['format']!r}, this release knows {_FORMAT}")
            return RoleTable({str(name): Role(role) for name, role in raw["people"].items()}, Role(raw["default"]))
        except (WorkspaceError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> WorkspaceError:
        return WorkspaceError(
            f"The roles in {str(self._path)!r} cannot be read ({error}), so nobody is let in. Remove the file, then "
            "write them again: `winnow roles WS set NAME owner`."
        )

    def of(self, actor: str) -> Role:
        """The role of a person."""
        return self.table().of(actor)

    def may(self, actor: str, right: Right) -> bool:
        """Whether a person has a right."""
        return self.of(actor).rank >= _NEEDS[right].rank

    def require(self, actor: str, right: Right) -> None:
        """Check that a person has a right.

        Raises
        ------
        NotAllowed
            They lack it.
        """
        role = self.of(actor)
        if role.rank < _NEEDS[right].rank:
            needed = f"only {'an' if _NEEDS[right] is Role.OWNER else 'a'} {_NEEDS[right]} may {right}"
            is_ = "has no role in this dataset" if role is Role.NONE else f"is {role} here"
            command = f"`winnow roles WS set {actor!r} {_NEEDS[right]}`"
            raise NotAllowed(f"{actor!r} {is_}, and {needed}. An owner changes that with {command}.")

    def set(self, name: str, role: str, by: str) -> RoleTable:
        """Give a person a role.

        Raises
        ------
        NotAllowed
            ``by`` is no owner.
        QueryError
            An unknown role, a bad name, or nobody would be owner any more.
        """
        wanted, name = _role(role), " ".join(name.split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise QueryError(f"A person's name has 1 to {LONGEST_NAME} printable characters, not {name[:40]!r}.")
        table = self.table()
        others = {person: role for person, role in table.people.items() if same(person) != same(name)}
        return self._write(RoleTable(others | {name: wanted}, table.default), by)

    def set_default(self, role: str, by: str) -> RoleTable:
        """Give everybody who is not named a role. Raises like :meth:`set`."""
        return self._write(RoleTable(self.table().people, _role(role)), by)

    def _write(self, table: RoleTable, by: str) -> RoleTable:
        self.require(by, Right.ROLES)
        if table.default is not Role.OWNER and Role.OWNER not in table.people.values():
            raise QueryError(
                "Nobody would be owner any more. First give somebody that role: `winnow roles WS set NAME owner`."
            )
        save_json(
            self._path,
            {
                "format": _FORMAT,
                "default": table.default.value,
                "people": {name: role.value for name, role in table.people.items()},
            },
        )
        return table
