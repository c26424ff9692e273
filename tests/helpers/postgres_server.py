"""A PostgreSQL server of this test run: the one that is installed, else the one that the pgserver package carries."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl, or None where there is no PostgreSQL."""
    found = shutil.which("pg_ctl")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders = [Path(found).resolve().parent] if found else debian
    carried = importlib.util.find_spec("pgserver")
    if carried is not None and carried.origin:
        folders.append(Path(carried.origin).parent / "pginstall" / "bin")
    return next((f for f in folders if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


def user() -> str | None:
    """The user to run it as, None = this one; the server refuses root. Raises LookupError where there is nobody."""
    if os.getuid() != 0:
        return None
    known = {p.pw_name for p in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise LookupError("PostgreSQL cannot run as root, and there is no other user")


class Server:
    """A PostgreSQL server on a socket only, with data that need not survive."""

    def __init__(self, folder_of_binaries: Path, as_user: str | None) -> None:
        self.folder = tempfile.mkdtemp(prefix="wpg")  # short: the path of a socket has at most 107 bytes
        self.address = f"postgresql://winnow@/postgres?host={self.folder}"
        self._binaries, self._user = folder_of_binaries, as_user
        if as_user:
            shutil.chown(self.folder, as_user)
            if not self._reachable():
                self._binaries = self._copied()
        self._run("initdb", "-A", "trust", "-U", "winnow", "-N")

    def start(self, *settings: str) -> None:
        """Start it, with these settings (``name=value``), and wait until it answers."""
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off " + " ".join(f"-c {s}" for s in settings)
        self._run("pg_ctl", "-o", options, "-l", f"{self.folder}/log", "-w", "start")

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def standby(self) -> Server:
        """A streaming replica of this server, started; it may be promoted."""
        made = Server.__new__(Server)
        made.folder = tempfile.mkdtemp(prefix="wpg")
        made.address = f"postgresql://winnow@/postgres?host={made.folder}"
        made._binaries, made._user = self._binaries, self._user
        if self._user:
            shutil.chown(made.folder, self._user)
        made._run("pg_basebackup", "-h", self.folder, "-U", "winnow", "-R", "-X", "stream", "-c", "fast")
        made.start()
        return made

    def promote(self) -> None:
        """Make a replica the server that is written to, and wait until it is."""
        self._run("pg_ctl", "-w", "promote")

    def remove(self) -> None:
        """Delete its data."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _reachable(self) -> bool:
        try:
            done = subprocess.run(
                [self._binaries / "postgres", "--version"], user=self._user, capture_output=True, cwd="/"
            )
        except OSError:
            return False
        return done.returncode == 0

    def _copied(self) -> Path:
        """The whole installation in the server's own folder, where its user may read it."""
        home = Path(self.folder) / "pginstall"
        shutil.copytree(self._binaries.parent, home, symlinks=True)
        for path in [home, *home.rglob("*")]:
            shutil.chown(path, self._user)  # type: ignore[arg-type]  # only called where there is a user
        return home / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", f"{self.folder}/data", *arguments]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, stdout=quiet, stderr=quiet, cwd=self.folder, user=self._user, timeout=60)
