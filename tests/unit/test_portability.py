"""Nothing in the package calls what only POSIX systems have, unless it asks first (Winnow runs on Windows too)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {
    "crypt",
    "fcntl",
    "grp",
    "nis",
    "ossaudiodev",
    "posix",
    "pty",
    "pwd",
    "resource",
    "spwd",
    "syslog",
    "termios",
    "tty",
}
_POSIX_ONLY = {
    "os": """chflags chown chroot confstr ctermid eventfd fchdir fchmod fchown fork forkpty fpathconf fstatvfs getegid
        geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getresgid getresuid getsid getuid initgroups
        killpg lchown lockf mkfifo mknod nice pathconf pipe2 posix_fadvise posix_fallocate posix_spawn pread pwrite
        register_at_fork sched_getaffinity sched_setaffinity sched_yield sendfile setegid seteuid setgid setpgid
        setpriority setsid setuid sync sysconf tcgetpgrp ttyname uname wait wait3 wait4 WNOHANG
        O_CLOEXEC O_DIRECTORY O_DSYNC O_NOFOLLOW O_NONBLOCK O_SYNC""",
    "signal": """SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 alarm pause
        pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigwait""",
    "time": "tzset clock_gettime",
    "socket": "AF_UNIX",
    "select": "poll epoll kqueue",
}
NAMES = {module: set(names.split()) for module, names in _POSIX_ONLY.items()}
ASKS = (
    "hasattr",
    "platform",
    "os.name",
    "ImportError",
    "ModuleNotFoundError",
    "AttributeError",
    "suppress",
    "TYPE_CHECKING",
)
"""What the condition, or the handler, of a guard mentions."""


def _guard(node: ast.AST, child: ast.AST) -> bool:
    """Whether ``node`` asks about the platform before it reaches ``child``."""
    if isinstance(node, (ast.If, ast.IfExp)):
        return child is not node.test and any(word in ast.unparse(node.test) for word in ASKS)
    if isinstance(node, ast.BoolOp):
        return any(word in ast.unparse(before) for before in node.values[: node.values.index(child)] for word in ASKS)  # type: ignore[arg-type]
    if isinstance(node, ast.Try):
        handled = "".join(ast.unparse(h.type) for h in node.handlers if h.type is not None)
        return child in node.body and any(word in handled for word in ASKS)
    if isinstance(node, ast.With):
        return any("suppress" in ast.unparse(i) and "AttributeError" in ast.unparse(i) for i in node.items)
    return False


def unguarded(source: str) -> Iterator[str]:
    """``line: name`` of every POSIX-only name that is used without asking for it."""
    tree = ast.parse(source)
    parent = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            used = [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = NAMES.get(node.module or "", set())
            used = [f"{node.module}.{a.name}" for a in node.names if node.module in MODULES or a.name in names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used = [f"{node.value.id}.{node.attr}"] if node.attr in NAMES.get(node.value.id, set()) else []
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("get_context"):
            used = [a.value for a in node.args if isinstance(a, ast.Constant) and "fork" in str(a.value)]
        else:
            continue
        at: ast.AST = node
        while used and at in parent:
            if _guard(parent[at], at):
                used = []
            at = parent[at]
        yield from (f"{node.lineno}: {name}" for name in used)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os\nos.fork()", ["2: os.fork"]),
        ("import fcntl", ["1: fcntl"]),
        ("from resource import getrusage", ["1: resource.getrusage"]),
        ("from os import geteuid", ["1: os.geteuid"]),
        ("import os, signal\nos.kill(1, signal.SIGKILL)", ["2: signal.SIGKILL"]),
        ("import os\nn = len(os.sched_getaffinity(0)) or 1", ["2: os.sched_getaffinity"]),
        ("import os\nif hasattr(os, 'nice'):\n    os.nice(10)", []),
        ("import os\nif ready:\n    os.nice(10)", ["3: os.nice"]),
        ("import os\nroot = hasattr(os, 'geteuid') and os.geteuid() == 0", []),
        ("import sys\nif sys.platform != 'win32':\n    import resource", []),
        ("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None", []),
        ("import os\ntry:\n    os.fork()\nexcept OSError:\n    pass", ["3: os.fork"]),
        ("import multiprocessing as mp\nmp.get_context('fork')", ["2: fork"]),
    ],
)
def test_an_unguarded_call_is_found_and_a_guarded_one_is_not(source: str, expected: list[str]) -> None:
    assert list(unguarded(source)) == expected


def test_core_and_app_ask_before_they_use_what_only_posix_has() -> None:
    findings = [
        f"{path.relative_to(ROOT)}:{found}"
        for folder in ("core", "app")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for found in unguarded(path.read_text(encoding="utf-8"))
    ]
    assert not findings, "guard it by hasattr() or sys.platform: " + ", ".join(findings)
