"""The state of the server: its secret, the workspaces that people may open, and the default actor.

One :class:`ServerState` per server process, shared by the pages (Streamlit's threads) and the routes beside them. A
workspace is named by a **key** (a digest of its path), never by a path from the browser.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from winnow.app.server.security import LOOPBACK, Refused
from winnow.app.server.token_auth import TokenAuthenticator, parse_tokens
from winnow.core import PREFIX, IdSet, NotAllowed, Right, Role, WinnowError, WorkspaceError, default_actor

if TYPE_CHECKING:
    from winnow.core import Workspace

MAX_RECENT = 20
MAX_SELECTIONS = 64
MAX_BYTES = 512 * 1024**2
"""Bytes of all selections and queues together: about twenty of a million samples each."""

SYNC_SECONDS = 1.0
"""Seconds between two looks at the disk for new decisions of others or a new scan."""

Opener = Callable[[Path, str], "Workspace"]


def state_dir() -> Path:
    """The folder of the recent list and the secret: WINNOW_STATE, else ~/.winnow."""
    return Path(os.environ.get("WINNOW_STATE") or Path.home() / ".winnow")


def key_of(path: Path) -> str:
    """The key of a workspace in URLs: stable across restarts, and it does not reveal the path."""
    return hashlib.blake2b(str(path.resolve()).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _open(path: Path, actor: str) -> Workspace:
    from winnow.core import Workspace  # the pages before a workspace is opened do without

    return Workspace.open(path, actor=actor)


def _write(path: Path, text: str) -> bool:
    """Write a small state file that only its owner can read. False where the folder cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError:
        return False
    return True


def load_secret(directory: Path) -> bytes:
    """The server's secret, kept in ``directory`` so that the tokens of open tabs outlive a restart.

    A new one is drawn where there is none, and each time where it cannot be stored.
    """
    path = directory / "secret"
    try:
        stored = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        stored = b""
    if len(stored) >= 32:
        return stored
    fresh = secrets.token_bytes(32)
    _write(path, fresh.hex())
    return fresh


@dataclass
class ServerState:
    """What one server process knows.

    Attributes
    ----------
    secret
        Signs tokens, passes and media links.
    actor
        Who decides where nobody said a name.
    hosts
        Host names, in lower case, that the server answers to.
    any_address
        Whether the server listens on every interface, and so answers to any literal IP address.
    shared
        Whether other computers reach this server. Then it opens only the workspace it was started on, and a name that
        somebody merely types proves nothing.
    authenticator
        Asks for a token before anything is shown; None = no token is needed.
    opener
        Opens the workspace at a path for an actor.
    directory
        Where the recent list is kept; None = nowhere.
    first
        Key of the workspace that is shown first.
    heavy
        Held by work on all samples that nobody waits for, such as a new order of a queue: one at a time, so that a
        decision shares the processor with one such task at most.
    """

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    actor: str = "you"
    hosts: frozenset[str] = frozenset(LOOPBACK)
    any_address: bool = False
    shared: bool = False
    authenticator: TokenAuthenticator | None = None
    opener: Opener = _open
    directory: Path | None = None
    first: str | None = None
    heavy: threading.Lock = field(default_factory=threading.Lock)
    _paths: dict[str, Path] = field(default_factory=dict)
    _open: dict[str, Workspace] = field(default_factory=dict)
    _synced: dict[str, float] = field(default_factory=dict)
    _selections: OrderedDict[tuple[str, str], IdSet] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def check_source(self, source: str) -> None:
        """Refuse a bearer whose own token was withdrawn. ``source``: see :class:`winnow.app.server.security.Claims`."""
        if not (self.authenticator.knows(source) if self.authenticator is not None else source == ""):
            raise Refused(401, "The token under which this page was opened is no longer valid. Reload the page.")

    def add(self, path: Path) -> str:
        """Let people open this workspace. Returns its key."""
        path = path.resolve()
        key = key_of(path)
        with self._lock:
            self._paths[key] = path
            self.first = self.first or key
        return key

    def path(self, key: str) -> Path:
        """The folder of a workspace. Raises WorkspaceError for a key that nobody has opened here."""
        with self._lock:
            if key not in self._paths and not self.shared:
                self._paths |= {key_of(p): p for p in map(Path, self._remembered())}
            if key in self._paths:
                return self._paths[key]
        raise WorkspaceError(
            "This link names a dataset that has not been opened on this computer. Open it by its path."
        )

    def workspace(self, key: str) -> Workspace:
        """The opened workspace, at most :data:`SYNC_SECONDS` behind the disk. Raises WorkspaceError."""
        path = self.path(key)
        with self._lock:
            workspace = self._open.get(key)
            if workspace is None:
                workspace = self._open[key] = self.opener(path, self.actor)
                self._synced[key] = time.monotonic()
            elif time.monotonic() - self._synced[key] > SYNC_SECONDS:
                self._synced[key] = time.monotonic()
                workspace.sync()
        return workspace

    def forget(self, key: str) -> None:
        """Drop an opened workspace, so that the next request opens it again."""
        with self._lock:
            self._open.pop(key, None)

    # -- who ------------------------------------------------------------------------------------------------------

    def admit(self, workspace: Workspace, actor: str, proven: bool) -> None:
        """Check that a person may look at a workspace.

        Parameters
        ----------
        workspace
            The opened workspace.
        actor
            Name of the person.
        proven
            Whether they signed in by that name.

        Raises
        ------
        NotAllowed
            The person has no role; or the server is shared, the name has a role, and the person did not sign in by it.
        """
        if self.shared and not proven and workspace.roles.table().names(actor):
            raise NotAllowed(
                f"The name {actor!r} has a role here and is kept for that person, who comes in by signing in or by a "
                "token of their own. Choose another name."
            )
        workspace.roles.require(actor, Right.LOOK)

    def may_scan(self, actor: str, proven: bool) -> bool:
        """Whether a person may open paths of this computer.

        Everybody may where no other computer reaches it. On a shared server only somebody who signed in and is a named
        owner of the workspace that it was started on.
        """
        if not self.shared:
            return True
        if not proven or self.first is None:
            return False
        table = self.workspace(self.first).roles.table()
        return bool(table.names(actor) and table.of(actor) is Role.OWNER)

    def require_scan(self, actor: str, proven: bool) -> None:
        """Raise NotAllowed where :meth:`may_scan` says no."""
        if not self.may_scan(actor, proven):
            raise NotAllowed(
                "On a server that others reach, only a named owner who signed in opens files of this computer: start "
                "scans where the server runs, with `winnow scan`, or ask an owner."
            )

    # -- recent workspaces ------------------------------------------------------------------------------------

    def _remembered(self) -> list[str]:
        if self.directory is None or self.shared:
            return []
        try:
            kept = json.loads((self.directory / "recent.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [str(p) for p in kept if isinstance(p, str)]

    def recent(self) -> list[tuple[str, Path]]:
        """Workspaces that were opened and still exist: (key, path), the latest first."""
        with self._lock:
            known = [*map(str, reversed(self._paths.values())), *self._remembered()]
        paths = [Path(p) for p in dict.fromkeys(known)]
        return [(key_of(p), p) for p in paths if (p / "workspace.json").is_file() or (p / "job").is_dir()]

    def remember(self, key: str) -> None:
        """Put a workspace at the top of the recent list."""
        if self.directory is None or self.shared:
            return
        path = str(self.path(key))
        with self._lock:
            kept = [path, *(p for p in self._remembered() if p != path)][:MAX_RECENT]
            _write(self.directory / "recent.json", json.dumps(kept, indent=1))

    # -- selections -------------------------------------------------------------------------------------------

    def keep_selection(self, key: str, ids: Iterable[str]) -> str:
        """Keep the ids of a selection on the server. Returns a handle that stands for them in requests."""
        handle = secrets.token_urlsafe(9)
        with self._lock:
            self._selections[key, handle] = IdSet.of(ids)
            size = sum(s.nbytes for s in self._selections.values())
            while len(self._selections) > MAX_SELECTIONS or (size > MAX_BYTES and len(self._selections) > 1):
                size -= self._selections.popitem(last=False)[1].nbytes
        return handle

    def selection(self, key: str, handle: str) -> Sequence[str]:
        """The ids behind a handle, also that of a saved selection. Raises WinnowError where it is gone."""
        if handle.startswith(PREFIX):
            return self.workspace(key).saved_selections.ids(handle)
        with self._lock:
            ids = self._selections.get((key, handle))
            if ids is not None:
                self._selections.move_to_end((key, handle))
        if ids is None:
            raise WinnowError("This selection is no longer kept (the server was restarted). Draw it again on the map.")
        return ids


_state: ServerState | None = None
_state_lock = threading.Lock()


def configure(state: ServerState) -> ServerState:
    """Make this the state of the process (at the server's start, and in tests)."""
    global _state
    with _state_lock:
        _state = state
    return state


def server_state() -> ServerState:
    """The state of the process, built from the environment when ``streamlit run`` started the app without one."""
    global _state
    with _state_lock:
        if _state is None:
            _state = from_environment()
        return _state


def from_environment() -> ServerState:
    """A state from WINNOW_WORKSPACE, WINNOW_ACTOR, WINNOW_ALLOWED_HOSTS, WINNOW_ADDRESS and WINNOW_TOKEN."""
    directory = state_dir()
    address = os.environ.get("WINNOW_ADDRESS", "127.0.0.1")
    any_address = address in ("0.0.0.0", "::", "")
    extra = [h.strip().lower() for h in os.environ.get("WINNOW_ALLOWED_HOSTS", "").split(",") if h.strip()]
    own = [socket.gethostname().lower()] if any_address else [address.lower()]
    secret = load_secret(directory)
    tokens = parse_tokens(os.environ.get("WINNOW_TOKEN", "").split())
    state = ServerState(
        secret=secret,
        shared=address.lower() not in LOOPBACK,
        authenticator=TokenAuthenticator(secret, tokens) if tokens else None,
        actor=default_actor(),
        hosts=frozenset([*LOOPBACK, *own, *extra]),
        any_address=any_address,
        directory=directory,
    )
    if workspace := os.environ.get("WINNOW_WORKSPACE"):
        state.add(Path(workspace))
    return state
