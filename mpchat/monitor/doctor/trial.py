"""mpchat doctor's proof: a server that really runs for a moment. Somebody comes in by plain text, and says a line.

It is a child in a session of its own, and keeps all its files in a folder of its own. Whatever happens, it is ended and
the folder removed.
"""

import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mpchat
from mpchat.monitor.doctor import judging, stops
from mpchat.monitor.doctor.asked import Asked
from mpchat.monitor.doctor.judging import Finding
from mpchat.store.journal import RESERVE_BYTES
from mpchat.texts import t

_READY = re.compile(rb"mpchat ready: irc \S+, plain \S+:(\d+), pid \d+\n")
_READY_SECONDS = 20.0  # a cold disk and 128 workers
_LINE_SECONDS = 5.0
_STOP_SECONDS = 20.0  # a server gives its clients 10
_PIECE_BYTES = 4096
_PATH_BYTES = 103  # of a Unix socket's: 108 with its end (unix(7)), on the BSDs and macOS 104


class Failed(Exception):
    """The text says what the server did not do."""


def run(asked: Asked) -> list[Finding]:
    """Raises OSError where there is no folder to be had for it, or no room in it: that says nothing about the server.

    Which may have its data elsewhere.
    """
    prefix = "mpchat-doctor-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_place(prefix), ignore_cleanup_errors=True) as name:
        about = os.statvfs(name)
        if about.f_bavail * about.f_frsize < 2 * RESERVE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        try:
            return [_try(asked, Path(name))]
        except OSError as error:
            return [judging.failed_trial(asked.explain(error))]


def _place(prefix: str) -> str:
    """TMPDIR; or /tmp where a control socket in a folder of it would have too long a path."""
    place = tempfile.gettempdir()
    longest = Path(place, prefix + "12345678", "mpchat", "65535.sock")
    return place if len(os.fsencode(longest)) <= _PATH_BYTES else "/tmp"


def _try(asked: Asked, folder: Path) -> Finding:
    begun = time.monotonic()
    process = _start(asked, folder)
    try:
        port = _plain_port(process, begun + _READY_SECONDS)
        ready_seconds = time.monotonic() - begun
        line_ms = _say_a_line(port)
    except (Failed, OSError) as error:
        why = asked.explain(error) if isinstance(error, OSError) else str(error)
        return judging.failed_trial(_with_last_line(why, folder / "log"))
    finally:
        status = _end(process)
    if status != 0:
        return judging.failed_trial(_with_last_line(t("doctor.trial.status", status=status), folder / "log"))
    return judging.trial(ready_seconds, line_ms)


def _start(asked: Asked, folder: Path) -> "subprocess.Popen[bytes]":
    """Raises OSError. TMPDIR and XDG_RUNTIME_DIR: what it makes is in our folder, even if it must be killed."""
    paths = (str(Path(mpchat.__file__).parent.parent), asked.environment.get("PYTHONPATH", ""))
    places = {"TMPDIR": str(folder), "XDG_RUNTIME_DIR": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "mpchat", "server", "127.0.0.1", "0", "--ephemeral", "--lang", "en", "--log-json"]
    with open(folder / "log", "wb") as log:
        return subprocess.Popen(
            [*command, "--workers", str(asked.settings.workers)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**asked.environment, **places},
            start_new_session=True,
        )


def _plain_port(process: "subprocess.Popen[bytes]", deadline: float) -> int:
    """From its ready line. Raises Failed."""
    assert process.stdout is not None
    said = b""
    while not (found := _READY.search(said)):
        if not stops.wait(process.stdout, deadline - time.monotonic()):
            raise Failed(t("doctor.trial.not_ready", seconds=f"{_READY_SECONDS:g}"))
        piece = os.read(process.stdout.fileno(), _PIECE_BYTES)
        if not piece:
            raise Failed(t("doctor.trial.ended"))
        said += piece
    return int(found[1])


def _say_a_line(port: int) -> float:
    """Say a line to oneself, by way of worker, broker and worker; returns how many ms it took. Raises Failed."""
    deadline = time.monotonic() + _LINE_SECONDS
    with socket.create_connection(("127.0.0.1", port), _LINE_SECONDS) as sock:
        sock.sendall(b"doctor\n")
        _hear(sock, b"in #lobby: ", deadline)
        said_at = time.perf_counter()
        sock.sendall(b"/msg doctor 1, 2, 3\n")
        _hear(sock, b"1, 2, 3", deadline)
        return (time.perf_counter() - said_at) * 1000


def _hear(sock: socket.socket, words: bytes, deadline: float) -> None:
    heard = b""
    while words not in heard:
        if not stops.wait(sock, deadline - time.monotonic()):
            raise Failed(t("doctor.trial.silent", seconds=f"{_LINE_SECONDS:g}"))
        piece = sock.recv(_PIECE_BYTES)
        if not piece:
            raise Failed(t("doctor.trial.cut_off"))
        heard += piece


def _end(process: "subprocess.Popen[bytes]") -> int:
    """As Ctrl-C does, or else kill all its processes; returns its exit status."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
    return process.returncode


def _with_last_line(why: str, log: Path) -> str:
    """What it said last: a line of JSON, or a complaint about its arguments."""
    lines = log.read_text(errors="replace").splitlines()
    if not lines:
        return why
    last = lines[-1]
    with contextlib.suppress(ValueError, AttributeError):
        last = " ".join(str(value) for key, value in json.loads(last).items() if key in ("event", "why", "error"))
    return f"{why}: {last}"
