"""The first minute of every child, and its last: what all of them do before and after their own work.

A child is spawned, not forked: it gets what it is given and nothing else, neither the parent's memory nor its file
descriptors nor, worst of all, its locks in whatever state they were. It begins as a spare, and waits to be told what it
is to be. Whatever it does not expect ends it, and the supervisor sees that: it is the one handler of unexpected errors.
"""

import contextlib
import errno
import gc
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from mpchat.ipc import mailing, standard
from mpchat.ipc.board import SPARE_ROW, Board
from mpchat.ipc.frame import UnknownMessage
from mpchat.ipc.handoff import Link
from mpchat.processes.log import Log
from mpchat.settings import Settings
from mpchat.store.journal import Damaged

# Exit statuses, as sysexits(3) names them.
CRASHED = 70  # an unexpected error (EX_SOFTWARE)
LACKING = 71  # the system has not what any process needs that starts (EX_OSERR)
DAMAGED = 65  # a file is not as it was written (EX_DATAERR): nobody who comes after us would find it otherwise

_WANTS = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # no process or thread, no memory, no descriptor

SPARE = "spare"  # the role of one that has none yet
# So often at least each process turns its loop, and says on the board that it does: four times in the shortest
# --hang-limit, 1 s, so that nobody is taken for hanging who has only just been woken with everybody else (Ctrl-Z, fg).
BEAT_SECONDS = 0.25
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the parent holds them while it starts its children

# Objects, beyond which Python looks for cycles among them, of which the product makes hardly any. 700, its own number,
# costs a broker under load 9 % of its time.
_GARBAGE = 20_000

Main = Callable[..., None]


class Death(Enum):
    """What a death counts as: policy/supervision.py."""

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

    def hear(self, message: tuple[Any, ...]) -> None:
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

    def be(self, role: str, settings: Settings, *args: Any) -> None:
        """Let it do this work: main(link, log, settings, board, *args)."""
        letter, fds = mailing.letter((settings, args))
        self.role = role
        self.link.post(role, letter, fds=fds)

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


def spawn(context: SpawnContext, settings: Settings, board: Board) -> Child:
    """Start a process that waits for work. Raises OSError and MemoryError where the system has none to give.

    It gets the settings with its work. Process.start() writes what it is given into a pipe before the other side reads:
    a long message of the day would not fit, and then a child that is stopped there (SIGSTOP) would stop us.
    """
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as undo:
        undo.callback(ours.close)
        args = theirs, settings.log_level, settings.log_json, board
        process = context.Process(target=_run, name=SPARE, args=args, daemon=True)
        process.start()
        undo.pop_all()
    return Child(process, Link(ours))


def _run(control: socket.socket, log_level: str, log_json: bool, board: Board) -> None:
    # Ctrl-C and a closing terminal reach the whole foreground group, and systemd's SIGTERM all of a service: only the
    # supervisor decides what they mean. Did they end us, nobody would be left to tell the clients.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    standard.take_over()
    take_name(f"mpchat:{SPARE}")
    log = Log(SPARE, log_level, log_json)
    try:
        from mpchat.processes import acceptor, broker, recorder, worker  # here, not above: they know this file
    except Exception as error:  # the code on the disk is not what it was when the server started
        _log_error(log, "cannot be started", error)
        os._exit(LACKING)
    mains: dict[str, Main] = {"acceptor": acceptor.main, "broker": broker.main, "recorder": recorder.main}
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(_GARBAGE)
    link = Link(control)
    link.post("here")
    role, settings, args = _wait_for_work(link, board)
    take_name(f"mpchat:{role}")
    log = Log(role, log_level, log_json)
    status = 0
    try:
        mains.get(role, worker.main)(link, log, settings, board, *args)
    except Damaged as error:
        link.post("damaged", str(error))
        status = DAMAGED
    except Exception as error:
        _log_error(log, "crashed", error)
        status = LACKING if isinstance(error, MemoryError) or getattr(error, "errno", 0) in _WANTS else CRASHED
    log.catch_up()
    # Not sys.exit(): no atexit handlers, no finalizers. What a feeder thread has not written is given up on purpose.
    os._exit(status)


def _log_error(log: Log, event: str, error: Exception) -> None:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (last.filename, last.lineno)
    log.error(event, error=repr(error), at=f"{os.path.basename(place[0] or '')}:{place[1]}")
    log.debug("traceback", text="".join(traceback.format_exception(error)))


def _wait_for_work(link: Link, board: Board) -> tuple[str, Settings, tuple[Any, ...]]:
    """What we are to be: the first message. What has come behind it is left for whoever we become."""
    while True:
        while not select.select([link], [], [], BEAT_SECONDS)[0]:
            board.beat(SPARE_ROW)
        first = link.take_one()
        if first is not None:
            (role, letter), fds = first
            settings, args = mailing.opened(letter, fds)
            return role, settings, args
        if link.ended:
            os._exit(0)  # the supervisor is gone


def take_name(name: str) -> None:
    """Be called `name` in ps, top and pstree. The kernel's own name for a process has 15 bytes (proc_pid_comm(5))."""
    try:
        import setproctitle
    except ImportError:
        with contextlib.suppress(OSError), open("/proc/self/comm", "w") as comm:
            comm.write(name[:15])
    else:
        setproctitle.setproctitle(name)
