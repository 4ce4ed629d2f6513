"""A child as the supervisor sees it: how it is spawned, what it reports of itself, and what its death counts as."""

import contextlib
import signal
import socket
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from multiprocessing.context import SpawnContext, SpawnProcess

from mpchat.ipc import queue_passing
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import Scoreboard
from mpchat.messages import SupervisorToChild, UnknownMessage
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
    """A child process, and the control link to it."""

    process: SpawnProcess
    link: Link[SupervisorToChild]
    role: str = SPARE
    started: float = field(default_factory=time.monotonic)  # when its limit for a start began, monotonic
    born: float = field(default_factory=time.monotonic)
    here: bool = False  # it has imported everything, and can be given a role
    ready: bool = False  # it is at work
    has_other_code: bool = False  # than the broker with which this run of the server began, though it is its successor
    disk_error: str = ""  # why a broker cannot write its journal, and accepts nothing meanwhile
    complaint: str = ""  # the damage that it has reported, which a successor would find too
    error: str = ""  # that ended it, as it has said itself
    told_to_end: bool = False
    condemned: Death | None = None  # the supervisor has killed it, and its death counts as this
    hung_for: float = 0.0  # seconds, if it was killed for hanging

    def on_message(self, message: tuple[object, ...]) -> None:
        """What the child reports of itself. Raises UnknownMessage."""
        match message:
            case ("here",):
                self.here = True
            case ("ready",):
                self.ready = True
            case ("changed",) if self.role == "broker":
                self.has_other_code = True
            case ("disk full", str() as error) if self.role == "broker":
                self.disk_error = error
            case ("damaged", str() as complaint) if self.role in ("broker", "recorder", "acceptor"):
                self.complaint = complaint
            case ("crashed", str() as error):
                self.error = error
            case _:
                raise UnknownMessage(message)

    def assign_role(self, role: str, settings: Settings, *args: object) -> None:
        """Have the child run main(link, log, settings, scoreboard, *args) of this role. Raises OSError."""
        pickled, fds = queue_passing.dump((settings, args))
        self.role = role
        self.link.post((role, pickled), fds=fds)

    @property
    def how(self) -> str:
        """Of its end, in as few words as can be: "SIGKILL", or "status 70 (ValueError at hub.py:12)"."""
        code = self.process.exitcode or 0
        how = _name(-code) if code < 0 else f"status {code}"
        return how + (f" ({self.error})" if self.error else "")

    @property
    def how_it_died(self) -> str:
        what = "was killed by" if (self.process.exitcode or 0) < 0 else "ended with"
        return f"the {self.role} process (pid {self.process.pid}) {what} {self.how}"

    @property
    def how_it_ended(self) -> str:
        return self.complaint or self.how_it_died

    @property
    def death(self) -> Death:
        """What the child's death counts as. The process must have been reaped."""
        if self.condemned is not None:
            return self.condemned
        if self.process.exitcode == -signal.SIGKILL:
            return Death.KILLED
        return Death.CRASHED if self.here and self.process.exitcode != LACKING else Death.COULD_NOT_START


def _name(number: int) -> str:
    """Of a signal; the real-time ones have none (signal(7))."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def spawn(context: SpawnContext, settings: Settings, scoreboard: Scoreboard, load_mains: LoadMains) -> Child:
    """Start a process that waits for a role. Raises OSError and MemoryError where the system lacks what that takes.

    The settings come with the role: Process.start() writes its arguments into a pipe before the child reads, and a
    message of the day that does not fit would block the supervisor on a child that is stopped (SIGSTOP).
    """
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as undo:
        undo.callback(ours.close)
        args = theirs, settings.log_level, settings.log_json, scoreboard, load_mains
        process = context.Process(target=first_minute.run, name=SPARE, args=args, daemon=True)
        process.start()
        undo.pop_all()
    return Child(process, Link(ours))
