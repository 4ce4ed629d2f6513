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
import traceback
from collections.abc import Callable
from typing import Any

from mpchat.ipc import queue_passing
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import SPARE_ROW, Scoreboard
from mpchat.runtime import standard_streams
from mpchat.runtime.log import Log
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
LoadMains = Callable[[], dict[str, Main]]  # the main of each role; it imports them, so it is called in the child


def run(control: socket.socket, log_level: str, log_json: bool, scoreboard: Scoreboard, load_mains: LoadMains) -> None:
    """All that a spawned process does. It never returns."""
    # Ctrl-C and a closing terminal reach the whole foreground group, and systemd's SIGTERM all of a service: only the
    # supervisor decides what they mean. Did they end us, nobody would be left to tell the clients.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    standard_streams.take_over()
    take_name(f"mpchat:{SPARE}")
    log = Log(SPARE, log_level, log_json)
    try:
        mains = load_mains()
    except Exception as error:  # the code on the disk is not what it was when the server started
        _log_error(log, "cannot be started", error)
        os._exit(LACKING)
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(_GARBAGE)
    link = Link(control)
    link.post("here")
    role, settings, args = _wait_for_work(link, scoreboard)
    take_name(f"mpchat:{role}")
    log = Log(role, log_level, log_json)
    status = 0
    try:
        mains[role.rstrip("0123456789")](link, log, settings, scoreboard, *args)
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


def _wait_for_work(link: Link, scoreboard: Scoreboard) -> tuple[str, Settings, tuple[Any, ...]]:
    """What we are to be: the first message. What has come behind it is left for whoever we become."""
    while True:
        while not select.select([link], [], [], BEAT_SECONDS)[0]:
            scoreboard.beat(SPARE_ROW)
        first = link.take_one()
        if first is not None:
            (role, pickled), fds = first
            settings, args = queue_passing.load(pickled, fds)
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
