"""The architecture: which packages are pure, and which may import which. It reads the source; it imports none of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "mpchat"
SYSTEM = {"os", "io", "socket", "selectors", "signal", "time", "random", "threading", "multiprocessing"}
SYSTEM |= {"subprocess", "logging", "asyncio"}
PURE = ("chat", "protocol", "flow", "core", "settings", "messages")
PROCESSES = ("supervisor", "acceptor", "worker", "broker", "recorder")
PACKAGES = {
    "chat",
    "protocol",
    "core",
    "flow",
    "ipc",
    "store",
    "runtime",
    *PROCESSES,
    "client",
    "monitor",
    "cli",
    "roles",
}
# What a package may import of the others; settings and messages are everybody's, and so is the version in __init__.
SHARED = {"chat", "protocol", "core", "flow", "ipc", "store", "runtime"}
LAYERS = {
    "settings": set[str](),
    "messages": set[str](),
    "chat": {"chat"},
    "protocol": {"protocol", "chat"},
    "core": {"core", "protocol", "chat"},
    "flow": {"flow"},
    "ipc": {"ipc"},
    "store": {"store", "ipc.frames"},
    "runtime": {"runtime", "ipc", "store"},
    **{process: SHARED | {process} for process in PROCESSES},
    "client": {"client", "protocol", "chat"},
    "monitor": {"monitor", "ipc"},
    "roles": set(PROCESSES),
}


def imported(source: str) -> set[str]:
    """Every module that a file imports, wherever in it; `from a import b` may import the module a.b."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names |= {"." * node.level + (node.module or ""), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def wrong(path: str, source: str) -> list[str]:
    """What a file of mpchat imports and may not. `path` is relative to it: "chat/hub.py"."""
    package = path.split("/")[0].removesuffix(".py")
    found = []
    for name in sorted(imported(source)):
        top, _, inside = name.partition(".")
        known = LAYERS.get(package)
        if (
            not top  # a relative import would hide its package
            or (package in PURE and top in SYSTEM)
            or (top == "prompt_toolkit" and package != "client")
            or (
                known is not None
                and top == "mpchat"
                and inside.split(".")[0] in PACKAGES
                and not _within(inside, known)
            )
        ):
            found.append(f"{path} imports {name}")
    return found


def _within(name: str, known: set[str]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in known)


FILES = {str(path.relative_to(ROOT)): path.read_text() for path in sorted(ROOT.rglob("*.py"))}


def test_every_package_keeps_to_its_layer() -> None:
    assert [line for path, source in FILES.items() for line in wrong(path, source)] == []


def test_every_package_has_a_layer() -> None:
    """But those that may know anybody."""
    packages = {path.split("/")[0].removesuffix(".py") for path in FILES}

    assert packages - set(LAYERS) == {"cli", "__init__", "__main__"}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chat/hub.py", "import os"),
        ("chat/hub.py", "import os.path as p"),
        ("core/machine.py", "from time import monotonic"),
        ("settings.py", "def f():\n    import random"),
        ("flow/token_bucket.py", "if x:\n    from threading import Lock"),
        ("protocol/irc/people.py", "import json, socket"),
        ("chat/hub.py", "from mpchat.protocol import plain"),
        ("chat/hub.py", "from mpchat import core"),
        ("chat/hub.py", "from ..protocol import plain"),
        ("protocol/plain/commands.py", "from mpchat.core.machine import Core"),
        ("core/machine.py", "import mpchat.worker.connection"),
        ("runtime/poller.py", "from mpchat.chat.hub import Hub"),
        ("store/journal.py", "from mpchat.ipc import transport"),
        ("client/app.py", "from mpchat.core.machine import Core"),
        ("client/app.py", "from mpchat.ipc.frames import load"),
        ("worker/worker.py", "import prompt_toolkit.application"),
        ("worker/worker.py", "from mpchat.broker import streams"),
        ("runtime/first_minute.py", "from mpchat.worker import worker"),
    ],
)
def test_the_check_finds(path: str, source: str) -> None:
    assert wrong(path, source) != []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chat/hub.py", "from collections import deque\nfrom mpchat.settings import ChatSettings"),
        ("chat/hub.py", "from mpchat.chat import names"),
        ("core/machine.py", "from mpchat.protocol import irc"),
        ("store/journal.py", "import os\nfrom mpchat.ipc.frames import load"),
        ("worker/throttle.py", "import time\nfrom mpchat.flow.token_bucket import TokenBucket"),
        ("client/app.py", "import prompt_toolkit\nimport socket"),
        ("broker/broker.py", "import mpchat.core.machine"),
        ("protocol/server.py", "def time() -> None: ..."),
    ],
)
def test_the_check_lets_pass(path: str, source: str) -> None:
    assert wrong(path, source) == []
