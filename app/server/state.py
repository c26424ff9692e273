"""What the server knows: its secret, the workspaces that people may open, and who they are by default.

One :class:`ServerState` per server process, shared by the pages (Streamlit's threads) and the routes beside them. A
workspace is named by a **key** (a digest of its path), never by a path from the browser.
"""

from __future__ import annotations

import getpass
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
from typing import Any

from winnow.app.server.security import LOOPBACK
from winnow.app.server.token_auth import TokenAuthenticator, parse_tokens
from winnow.core import PREFIX, IdSet, NotAllowed, Right, Role, WinnowError, WorkspaceError

MAX_RECENT = 20
MAX_SELECTIONS = 64
MAX_BYTES = 512 * 1024**2
"""Of all selections and queues together: about twenty of a million samples each."""
SYNC_SECONDS = 1.0
"""How long a look at the disk (new decisions of others, a new scan) stays good."""

Opener = Callable[[Path, str], Any]


def state_dir() -> Path:
    """Where this person's Winnow keeps its recent list and secret: WINNOW_STATE, else ~/.winnow."""
    if home := os.environ.get("WINNOW_STATE"):
        return Path(home)
    return Path.home() / ".winnow"


def default_actor() -> str:
    """WINNOW_ACTOR, else the name that this person is logged in with, else "you"."""
    try:
        return os.environ.get("WINNOW_ACTOR") or getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container whose user id has no name
        return "you"


def key_of(path: Path) -> str:
    """The name of a workspace in URLs: stable across restarts, says nothing about the path."""
    return hashlib.blake2b(str(path.resolve()).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _open(path: Path, actor: str) -> Any:
    from winnow.core import Workspace

    return Workspace.open(path, actor=actor)


def _write(path: Path, text: str) -> bool:
    """Write a small state file readable by its owner only. False where the directory cannot be written."""
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
    """The server's secret, kept so that a tab's unsent decisions outlive a restart; fresh where it cannot be kept."""
    path = directory / "secret"
    try:
        kept = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        kept = b""
    if len(kept) >= 32:
        return kept
    fresh = secrets.token_bytes(32)
    _write(path, fresh.hex())
    return fresh


@dataclass
class ServerState:
    """The server's registry. ``opener`` opens a workspace; tests pass a fake."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    actor: str = "you"
    hosts: frozenset[str] = frozenset(LOOPBACK)
    any_address: bool = False
    shared: bool = False
    """Whether other computers reach this server: then only what it was started on is opened, and names are only said."""
    authenticator: TokenAuthenticator | None = None
    """Asks for a token before anything is shown; None = no token is needed."""
    opener: Opener = _open
    directory: Path | None = None
    first: str | None = None
    _paths: dict[str, Path] = field(default_factory=dict)
    _open: dict[str, Any] = field(default_factory=dict)
    _synced: dict[str, float] = field(default_factory=dict)
    _selections: OrderedDict[tuple[str, str], IdSet] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    heavy: threading.Lock = field(default_factory=threading.Lock)
    """Held by work on all samples that nobody waits for, as a new order of a queue: one at a time, so that with many
    people at once a decision shares the processor with one of them, not with all."""

    def add(self, path: Path) -> str:
        """Let people open this workspace. Returns its key."""
        path = path.resolve()
        key = key_of(path)
        with self._lock:
            self._paths[key] = path
            self.first = self.first or key
        return key

    def path(self, key: str) -> Path:
        """Where a workspace is; raises WorkspaceError for a key that nobody has opened here."""
        with self._lock:
            if key not in self._paths and not self.shared:
                self._paths |= {key_of(p): p for p in map(Path, self._remembered())}
            if key in self._paths:
                return self._paths[key]
        raise WorkspaceError(
            "This link names a dataset that has not been opened on this computer. Open it by its path."
        )

    def workspace(self, key: str) -> Any:
        """The opened workspace, in step with the disk; raises WorkspaceError."""
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
        """Close a workspace, so that the next look opens it afresh."""
        with self._lock:
            self._open.pop(key, None)

    # -- who ------------------------------------------------------------------------------------------------------

    def admit(self, workspace: Any, actor: str, proven: bool) -> None:
        """Let a person look at a workspace. ``proven``: they signed in by that name.

        Raises NotAllowed for somebody without a role, and on a shared server for a name that has a role and was only
        said: it is kept for who signs in as that person.
        """
        if self.shared and not proven and workspace.roles.table().names(actor):
            raise NotAllowed(
                f"The name {actor!r} has a role here and is kept for that person, who comes in by signing in or by a token of "
                "their own. Choose another name."
            )
        workspace.roles.require(actor, Right.LOOK)

    def may_scan(self, actor: str, proven: bool) -> bool:
        """Whether a person may open paths of this computer: everybody where nobody else reaches it; on a shared server
        only who signed in and is named as owner of the workspace that it was started on.
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
        """Workspaces opened lately that are still there: (key, path), the latest first."""
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
        """Keep the ids of a selection here and return a handle, so that they need not travel."""
        handle, kept = secrets.token_urlsafe(9), IdSet.of(ids)
        with self._lock:
            self._selections[key, handle] = kept
            held = sum(s.nbytes for s in self._selections.values())
            while len(self._selections) > MAX_SELECTIONS or (held > MAX_BYTES and len(self._selections) > 1):
                held -= self._selections.popitem(last=False)[1].nbytes
        return handle

    def selection(self, key: str, handle: str) -> Sequence[str]:
        """The ids behind a handle, that of a saved selection too; raises WinnowError where it is gone."""
        if handle.startswith(PREFIX):
            kept: list[str] = self.workspace(key).saved_selections.ids(handle)
            return kept
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
