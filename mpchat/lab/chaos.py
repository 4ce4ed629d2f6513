"""The project's own judge of a transport: scripts/chaos.py, which kills a server's processes under load."""

import os
import runpy
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import mpchat
from mpchat.lab.student import Judge
from mpchat.lab.trying import Skipped

_CHAOS = ("--seconds", "8", "--clients", "10")
_CHAOS_SECONDS = 35.0
_LOOK_SECONDS = 0.05


def chaos_is_good(judge: Judge) -> bool:
    """The project's own judge: it kills workers, brokers, acceptors and recorders under load, and reads every byte."""
    root = Path(mpchat.__file__).parent.parent
    script = root / "scripts" / "chaos.py"
    if not script.exists():
        raise Skipped("no_scripts")
    chaos = os.fork()  # no exec: a judge that has hidden itself stays hidden, so that no student's process can touch it
    if chaos == 0:
        _run_script(script, judge)
    deadline = time.monotonic() + _CHAOS_SECONDS
    while (ended := os.waitpid(chaos, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(chaos, signal.SIGKILL)
            os.waitpid(chaos, 0)
            return False
        time.sleep(_LOOK_SECONDS)
    return os.waitstatus_to_exitcode(ended[1]) == 0


def _run_script(script: Path, judge: Judge) -> NoReturn:
    """As a program of its own; its status is the process's."""
    status = 1
    try:
        os.chdir(script.parent.parent)
        tempfile.tempdir = str(judge.lab.folder)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        sys.argv = [str(script), "--ipc", str(judge.path), *_CHAOS]
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        os._exit(status)
