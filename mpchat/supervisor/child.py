"""A child as its parent sees it: how it is spawned, what it says of itself, and what its death counts as."""

import contextlib
import signal
import socket
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from mpchat.ipc import queue_passing
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import Scoreboard
from mpchat.messages import UnknownMessage
from mpchat.runtime import first_minute
from mpchat.runtime.first_minute import LACKING, SPARE, LoadMains
from mpchat.settings import Settings


class Death(Enum):
    """What a death counts as: flow/restart_intensity.py."""

    KILLED = auto()
    COULD_NOT_START = auto()
    CRASHED = auto()
    HUNG = auto()


@dataclass(eq=False)
class Child:
    """As its parent sees it: the process, and the control link to it."""

    process: SpawnProcess
    link: Link
    role: str = SPARE
    started: float = field(default_factory=time.monotonic)
    here: bool = False  # it has all its imports behind it
    ready: bool = False  # it is at work
    complaint: str = ""  # what it has found that nobody else could do better with
    told_to_end: bool = False
    condemned: Death | None = None  # we have killed it, and its death counts as this
    hung_for: float = 0.0  # seconds, of one that was killed for hanging

    def on_message(self, message: tuple[Any, ...]) -> None:
        """What it says of itself. Raises UnknownMessage at what none of ours says."""
        match message:
            case ("here",):
                self.here = True
            case ("ready",):
                self.ready = True
            case ("damaged", str() as complaint) if self.role in ("broker", "recorder", "acceptor"):
                self.complaint = complaint
            case _:
                raise UnknownMessage(message)

    def assign_role(self, role: str, settings: Settings, *args: Any) -> None:
        """Let it do this work: main(link, log, settings, board, *args)."""
        pickled, fds = queue_passing.dump((settings, args))
        self.role = role
        self.link.post(role, pickled, fds=fds)

    @property
    def how_it_ended(self) -> str:
        code = self.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return self.complaint or f"the {self.role} process (pid {self.process.pid}) {how}"

    @property
    def death(self) -> Death:
        """What it counts as, once it has come."""
        if self.condemned is not None:
            return self.condemned
        if self.process.exitcode == -signal.SIGKILL:
            return Death.KILLED
        return Death.CRASHED if self.here and self.process.exitcode != LACKING else Death.COULD_NOT_START


def spawn(context: SpawnContext, settings: Settings, scoreboard: Scoreboard, load_mains: LoadMains) -> Child:
    """Start a process that waits for work. Raises OSError and MemoryError where the system has none to give.

    It gets the settings with its work. Process.start() writes what it is given into a pipe before the other side reads:
    a long message of the day would not fit, and then a child that is stopped there (SIGSTOP) would stop us.
    """
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as undo:
        undo.callback(ours.close)
        args = theirs, settings.log_level, settings.log_json, scoreboard, load_mains
        process = context.Process(target=first_minute.run, name=SPARE, args=args, daemon=True)
        process.start()
        undo.pop_all()
    return Child(process, Link(ours))
