"""What an experiment's run gets: processes, servers and files that are gone behind it, and a place for what it finds.

One run, one process: it becomes a subreaper, so that nothing that it starts can get away. A run that takes longer than
its limit is ended by SIGALRM.
"""

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from mpchat.ipc import resource_tracker
from mpchat.lab import processes
from mpchat.lab.experiment import Measured, Reason, Run
from mpchat.lab.noise import Noise
from mpchat.lab.private_server import PrivateServer

MOST_SECONDS = 60  # of a run; each is made for ten or so
HAS_PROC = os.path.exists("/proc/self/fd")


class OutOfTime(Exception):
    """The run has taken longer than MOST_SECONDS."""


class Lab:
    """A context: behind it every process that was started in it is gone, and so are its files; none that was before.

    `tell` is called with the key of a sentence (progress.KEY) when something begins that takes seconds.
    """

    def __init__(self, seed: int, tell: Callable[[str], None]) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.tell = tell
        self.measured: Measured = {}
        self.skipped: dict[str, Reason] = {}
        self.context = multiprocessing.get_context("spawn")  # queues, locks and pipes for process() come from here
        self.at_end = contextlib.ExitStack()  # what else must be closed
        self._servers: list[PrivateServer] = []
        self._programs: list[subprocess.Popen[str]] = []
        self._children: list[BaseProcess] = []

    def __enter__(self) -> "Lab":
        processes.become_subreaper()
        self._earlier = processes.descendants(os.getpid())
        self._noise = Noise()
        self._others: float | None = None
        self._alarm = signal.signal(signal.SIGALRM, _out_of_time)
        signal.alarm(MOST_SECONDS)
        self._folder = tempfile.TemporaryDirectory(prefix="mpchat-lab-")
        self.folder = Path(self._folder.name)
        # What is started makes its temporary files in there, too. (This process knows its folder for them by now.)
        self._former = os.environ.get("TMPDIR")
        os.environ["TMPDIR"] = str(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, self._alarm)
        for server in self._servers:
            server.process.kill()
        self.end_processes()
        for server in self._servers:
            server.close()
        self.at_end.close()
        if self._former is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = self._former
        self._folder.cleanup()
        self._others = self._noise.others()

    def end_processes(self) -> None:
        """Kill every process that was started in this run, and all that these have started."""
        for child in self._children:
            child.kill()
            child.join()
        for program in self._programs:
            program.kill()
            program.wait()
        processes.end_descendants(spared={*self._earlier, resource_tracker.pid() or 0})

    def run(self) -> Run:
        """What was found. To be called behind the context: only then is it known what other programs did."""
        return Run(self.measured, self.skipped, self._others)

    def skip(self, *names: str, why: str, **values: object) -> None:
        """These values cannot be measured, for the reason skip.WHY; `values` are for its placeholders."""
        for name in names:
            self.skipped[name] = Reason(why, values)

    def server(self, *arguments: str) -> PrivateServer:
        """A server of its own. Raises NoServer."""
        server = PrivateServer(self.folder / f"server{len(self._servers)}", *arguments)
        self._servers.append(server)
        return server

    def process(self, target: Callable[..., None], *arguments: Any) -> BaseProcess:
        """A process that calls this function of a module; it dies with this one. SIGINT is left to this one.

        What it is given must be picklable, as always with spawn; what it says goes to standard error.
        """
        started = self.context.Process(target=_begin, args=(os.getpid(), target, *arguments))
        started.start()
        self._children.append(started)
        return started

    def popen(self, arguments: list[str], **options: Any) -> "subprocess.Popen[str]":
        """Another program, without standard input; it dies with this process."""
        program = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, text=True, preexec_fn=processes.end_with_parent, **options
        )
        self._programs.append(program)
        return program


def _begin(parent: int, target: Callable[..., None], *arguments: Any) -> None:
    processes.end_with_parent()
    if os.getppid() != parent:  # it has died before the kernel was told
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError, EOFError, ConnectionError):  # this run has ended
        target(*arguments)


def _out_of_time(_number: int, _frame: FrameType | None) -> None:
    raise OutOfTime
