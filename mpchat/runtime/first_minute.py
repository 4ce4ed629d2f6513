"""The first minute of every child, and its last: what all roles do before and after their own work.

A child is spawned, not forked: it inherits neither the parent's memory nor its file descriptors nor its locks, which
may be held. It begins as a spare, and waits on its control link for a role. An unexpected error ends the process, with
one of the exit statuses below; the supervisor handles it.
"""

import contextlib
import errno
import gc
import os
import select
import signal
import socket
import traceback
from collections.abc import Callable

from mpchat.ipc import queue_passing
from mpchat.ipc.descriptors import unusable
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import SPARE_ROW, Scoreboard
from mpchat.messages import ChildToSupervisor
from mpchat.runtime import pure_source, standard_streams
from mpchat.runtime.log import Log
from mpchat.settings import Settings
from mpchat.store.journal import Damaged

# Exit statuses, as sysexits(3) names them.
CRASHED = 70  # an unexpected error (EX_SOFTWARE)
LACKING = 71  # the system lacks what every process needs to start (EX_OSERR)
DAMAGED = 65  # a file is not as it was written (EX_DATAERR): a successor would fail in the same way

_WANTS = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # no process or thread, no memory, no descriptor

_SHORT = {"authenticator": "auth"}  # in a process's name, of which the kernel keeps 15 bytes
SPARE = "spare"  # the role of a child that has no other yet
# Each process turns its loop, and beats, at least so often: four times in the shortest --hang-limit, 1 s, so that no
# process is taken for hanging that has just been woken together with the others (Ctrl-Z, fg).
BEAT_SECONDS = 0.25
# What is not urgent is tended to so often at most: a busy loop turns ten thousand times a second.
TEND_SECONDS = 0.02
# The parent blocks them while it spawns a child.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

# New objects before Python looks for reference cycles, of which this program makes hardly any. Python's default, 700,
# takes 9 % of the time of a broker under load.
_GARBAGE = 20_000
_SHOWN = 500  # characters of an error, for the supervisor: a message that surely has room in the link

Main = Callable[..., None]
LoadMains = Callable[[], dict[str, Main]]  # the main of each role; it imports them, so it is called in the child


def run(control: socket.socket, log_level: str, log_json: bool, scoreboard: Scoreboard, load_mains: LoadMains) -> None:
    """All that a spawned process does. It never returns."""
    # Ctrl-C and a closing terminal signal the whole foreground process group, and systemd's SIGTERM all processes of a
    # service. The supervisor decides what they mean: the children are still needed, to tell the clients.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    standard_streams.take_over()
    take_name(f"mpchat:{SPARE}")
    log = Log(SPARE, log_level, log_json)
    link = Link[ChildToSupervisor](control)
    try:
        before = pure_source.digest()
        mains = load_mains()
        if pure_source.as_imported() != before:
            raise ImportError("the code was being changed")
    except Exception as error:  # the code on the disk is not what it was when the server started
        link.post(("crashed", _log_error(log, "cannot be started", error)))
        os._exit(LACKING)
    _yield_to_wakers()
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(_GARBAGE)
    scoreboard.beat(SPARE_ROW)  # from then on it is judged by that, and its start may have taken long
    link.post(("here",))
    role, settings, args = _wait_for_work(link, scoreboard)
    take_name(f"mpchat:{_SHORT.get(role, role)}")
    log = Log(role, log_level, log_json)
    status = 0
    try:
        mains[role.rstrip("0123456789")](link, log, settings, scoreboard, *args)
    except Damaged as error:
        link.post(("damaged", str(error)))
        status = DAMAGED
    except Exception as error:
        link.post(("crashed", _log_error(log, "crashed", error)))
        status = LACKING if isinstance(error, MemoryError) or getattr(error, "errno", 0) in _WANTS else CRASHED
    log.catch_up()
    # Not sys.exit(), which would wait for a queue's feeder thread: what that has not written is given up on purpose.
    os._exit(status)


def _yield_to_wakers() -> None:
    """Let the process that wakes this one go on: it has more to send, to others too (SCHED_BATCH, sched(7)).

    A write to a pipe lets the kernel put the reader on the writer's processor, and take the writer off it at once, even
    where another is about to be idle: a worker spent a third of its time in that. The share of the processor stays.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _log_error(log: Log, event: str, error: Exception) -> str:
    """Log it; returns what the error is, and where."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (last.filename, last.lineno)
    at = f"{os.path.basename(place[0] or '')}:{place[1]}"
    log.error(event, error=repr(error), at=at)
    log.debug("traceback", text="".join(traceback.format_exception(error)))
    return f"{error!r} at {at}"[:_SHOWN]


def _wait_for_work(link: Link[ChildToSupervisor], scoreboard: Scoreboard) -> tuple[str, Settings, tuple[object, ...]]:
    """Wait for AssignRole: role, settings, arguments. The messages behind it are left to the role's main."""
    while True:
        while not select.select([link], [], [], BEAT_SECONDS)[0]:
            scoreboard.beat(SPARE_ROW)
        first = link.take_one()
        if first is not None:
            match first:
                case (str() as role, bytes() as pickled), fds:
                    settings, args = queue_passing.load(pickled, fds)
                    return role, settings, args
                case message, _:
                    raise unusable(link, message)
        if link.ended:
            os._exit(0)  # the supervisor is dead


def take_name(name: str) -> None:
    """Set this process's name in ps, top and pstree. The kernel keeps 15 bytes of it (proc_pid_comm(5))."""
    try:
        import setproctitle
    except ImportError:
        with contextlib.suppress(OSError), open("/proc/self/comm", "w") as comm:
            comm.write(name[:15])
    else:
        setproctitle.setproctitle(name)
