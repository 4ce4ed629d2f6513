"""The house: which rooms are pure, and who may know whom. It reads the source; it imports nothing of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "mpchat"
SYSTEM = {"os", "io", "socket", "selectors", "signal", "time", "random", "threading", "multiprocessing"}
SYSTEM |= {"subprocess", "logging", "asyncio"}
PURE = ("chat", "protocol", "policy", "core", "settings")
ROOMS = {"chat", "protocol", "policy", "ipc", "net", "store", "processes", "client", "monitor", "core", "cli"}
# Rooms of this house that a room may know; settings is everybody's, and so is the version in __init__.
FLOORS = {
    "settings": set[str](),
    "chat": {"chat"},
    "protocol": {"protocol", "chat"},
    "core": {"protocol", "chat"},
    "policy": {"policy"},
    "ipc": {"ipc"},
    "net": {"net", "policy"},
    "store": {"store", "ipc.frame"},
    "client": {"client", "protocol", "chat"},
    "monitor": {"monitor", "ipc"},
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
    """What a file of the house imports and may not. `path` is relative to the house: "chat/hub.py"."""
    room = path.split("/")[0].removesuffix(".py")
    found = []
    for name in sorted(imported(source)):
        top, _, inside = name.partition(".")
        known = FLOORS.get(room)
        if (
            not top  # a relative import would hide its room
            or (room in PURE and top in SYSTEM)
            or (top == "prompt_toolkit" and room != "client")
            or (known is not None and top == "mpchat" and inside.split(".")[0] in ROOMS and not _within(inside, known))
        ):
            found.append(f"{path} imports {name}")
    return found


def _within(name: str, known: set[str]) -> bool:
    return any(name == room or name.startswith(room + ".") for room in known)


FILES = {str(path.relative_to(HOUSE)): path.read_text() for path in sorted(HOUSE.rglob("*.py"))}


def test_every_room_keeps_to_its_floor() -> None:
    assert [line for path, source in FILES.items() for line in wrong(path, source)] == []


def test_every_room_has_a_floor() -> None:
    """But those that may know anybody."""
    rooms = {path.split("/")[0].removesuffix(".py") for path in FILES}

    assert rooms - set(FLOORS) == {"processes", "cli", "__init__", "__main__"}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chat/hub.py", "import os"),
        ("chat/hub.py", "import os.path as p"),
        ("core.py", "from time import monotonic"),
        ("settings.py", "def f():\n    import random"),
        ("policy/pacing.py", "if x:\n    from threading import Lock"),
        ("protocol/irc/people.py", "import json, socket"),
        ("chat/hub.py", "from mpchat.protocol import plain"),
        ("chat/hub.py", "from mpchat import core"),
        ("chat/hub.py", "from ..protocol import plain"),
        ("protocol/plain.py", "from mpchat.core import Core"),
        ("core.py", "import mpchat.net.connection"),
        ("net/poller.py", "from mpchat.chat.hub import Hub"),
        ("store/journal.py", "from mpchat.ipc import lane"),
        ("client/app.py", "from mpchat.core import Core"),
        ("client/app.py", "from mpchat.ipc.frame import load"),
        ("processes/worker.py", "import prompt_toolkit.application"),
    ],
)
def test_the_check_finds(path: str, source: str) -> None:
    assert wrong(path, source) != []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chat/hub.py", "from collections import deque\nfrom mpchat.settings import Wording"),
        ("chat/hub.py", "from mpchat.chat import names"),
        ("core.py", "from mpchat.protocol import irc"),
        ("store/journal.py", "import os\nfrom mpchat.ipc.frame import load"),
        ("net/throttle.py", "import time\nfrom mpchat.policy.pacing import Bucket"),
        ("client/app.py", "import prompt_toolkit\nimport socket"),
        ("processes/broker.py", "import mpchat.core"),
        ("protocol/server.py", "def time() -> None: ..."),
    ],
)
def test_the_check_lets_pass(path: str, source: str) -> None:
    assert wrong(path, source) == []
