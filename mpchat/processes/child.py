"""The first minute of every child, and its last: what all of them do before and after their own work.

A child is spawned, not forked: it gets what it is given and nothing else, neither the parent's memory nor its file
descriptors nor, worst of all, its locks in whatever state they were. Whatever a child did not expect ends it, and the
supervisor sees that: it is the one handler of unexpected errors.
"""

import contextlib
import os
import signal
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from mpchat.ipc.handoff import Link
from mpchat.processes.log import Log
from mpchat.settings import Settings

CRASHED = 70  # exit status of an unexpected error (EX_SOFTWARE, sysexits(3))

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the parent holds them while it starts its children

Main = Callable[..., None]


@dataclass
class Child:
    """As its parent sees it: the process, and the control link to it."""

    role: str
    process: SpawnProcess
    link: Link
    ready: bool = False

    @property
    def how_it_ended(self) -> str:
        code = self.process.exitcode or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


def spawn(context: SpawnContext, role: str, main: Main, settings: Settings, *args: Any) -> Child:
    """Start a process that runs main(link, log, settings, *args)."""
    ours, theirs = socket.socketpair()
    process = context.Process(target=_run, name=role, args=(role, main, theirs, settings, args), daemon=True)
    process.start()
    theirs.close()
    return Child(role, process, Link(ours))


def _run(role: str, main: Main, control: socket.socket, settings: Settings, args: tuple[Any, ...]) -> None:
    # Ctrl-C and a closing terminal reach the whole foreground group; only the supervisor decides what they mean.
    # SIGTERM is sent to one process by somebody who means it, and ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    take_name(f"mpchat:{role}")
    log = Log(role, settings.log_level, settings.log_json)
    status = 0
    try:
        main(Link(control), log, settings, *args)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        log.error("crashed", error=repr(error), at=f"{os.path.basename(last.filename)}:{last.lineno}")
        log.debug("traceback", text=traceback.format_exc())
        status = CRASHED
    # Not sys.exit(): no atexit handlers, no finalizers. What a feeder thread has not written is given up on purpose.
    os._exit(status)


def take_name(name: str) -> None:
    """Be called `name` in ps, top and pstree. The kernel's own name for a process has 15 bytes (proc_pid_comm(5))."""
    try:
        import setproctitle
    except ImportError:
        with contextlib.suppress(OSError), open("/proc/self/comm", "w") as comm:
            comm.write(name[:15])
    else:
        setproctitle.setproctitle(name)
