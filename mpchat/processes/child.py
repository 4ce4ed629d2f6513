"""The first minute of every child, and its last: what all of them do before and after their own work.

A child is spawned, not forked: it gets what it is given and nothing else, neither the parent's memory nor its file
descriptors nor, worst of all, its locks in whatever state they were. It begins as a spare, and waits to be told what it
is to be. Whatever it does not expect ends it, and the supervisor sees that: it is the one handler of unexpected errors.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from mpchat.ipc import mailing
from mpchat.ipc.board import SPARE_ROW, Board
from mpchat.ipc.handoff import Link
from mpchat.processes.log import Log
from mpchat.settings import Settings
from mpchat.store.journal import Damaged

CRASHED = 70  # exit status of an unexpected error (EX_SOFTWARE, sysexits(3))
DAMAGED = 65  # a file is not as it was written (EX_DATAERR): nobody who comes after us would find it otherwise

SPARE = "spare"  # the role of one that has none yet
# So often at least each process turns its loop, and says on the board that it does: four times in the shortest
# --hang-limit, 1 s, so that nobody is taken for hanging who has only just been woken with everybody else (Ctrl-Z, fg).
BEAT_SECONDS = 0.25
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the parent holds them while it starts its children

# Objects, beyond which Python looks for cycles among them, of which the product makes hardly any. 700, its own number,
# costs a broker under load 9 % of its time.
_GARBAGE = 20_000

Main = Callable[..., None]


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

    def hear(self, word: str, *about: str) -> None:
        """What it says of itself."""
        self.here = True
        self.ready |= word == "ready"
        if word == "damaged":
            (self.complaint,) = about

    def be(self, role: str, *args: Any) -> None:
        """Let it do this work: main(link, log, settings, board, *args)."""
        letter, fds = mailing.letter(args)
        self.role = role
        self.link.post(role, letter, fds=fds)

    @property
    def how_it_ended(self) -> str:
        code = self.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return self.complaint or f"the {self.role} process (pid {self.process.pid}) {how}"


def spawn(context: SpawnContext, settings: Settings, board: Board) -> Child:
    """Start a process that waits for work."""
    ours, theirs = socket.socketpair()
    process = context.Process(target=_run, name=SPARE, args=(theirs, settings, board), daemon=True)
    process.start()
    theirs.close()
    return Child(process, Link(ours))


def _run(control: socket.socket, settings: Settings, board: Board) -> None:
    # Ctrl-C and a closing terminal reach the whole foreground group, and systemd's SIGTERM all of a service: only the
    # supervisor decides what they mean. Did they end us, nobody would be left to tell the clients.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    take_name(f"mpchat:{SPARE}")
    # Here, not above: they know this file.
    from mpchat.processes import acceptor, broker, recorder, worker

    mains: dict[str, Main] = {"acceptor": acceptor.main, "broker": broker.main, "recorder": recorder.main}
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(_GARBAGE)
    link = Link(control)
    link.post("here")
    role, args = _wait_for_work(link, board)
    take_name(f"mpchat:{role}")
    log = Log(role, settings.log_level, settings.log_json)
    status = 0
    try:
        mains.get(role, worker.main)(link, log, settings, board, *args)
    except Damaged as error:
        link.post("damaged", str(error))
        status = DAMAGED
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        log.error("crashed", error=repr(error), at=f"{os.path.basename(last.filename)}:{last.lineno}")
        log.debug("traceback", text=traceback.format_exc())
        status = CRASHED
    # Not sys.exit(): no atexit handlers, no finalizers. What a feeder thread has not written is given up on purpose.
    os._exit(status)


def _wait_for_work(link: Link, board: Board) -> tuple[str, tuple[Any, ...]]:
    """What we are to be: the first message. What has come behind it is left for whoever we become."""
    while True:
        while not select.select([link], [], [], BEAT_SECONDS)[0]:
            board.beat(SPARE_ROW)
        for (role, letter), fds in link.take(link.next_size()):
            return role, mailing.opened(letter, fds)
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
