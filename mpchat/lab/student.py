"""A student's file runs in processes of its own; this one calls its functions from outside, and judges what they do.

Nothing that the file does in its process can change a verdict: a call goes there as a line of JSON over a socket, and
its result comes back so (no pickle: that would run the student's code here). Who judges a claim about processes,
descriptors or pipes looks at these themselves.

What JSON has not travels with a tag: bytes, dicts with other keys than text, and what a call has made that is none of
these stays where it is, and a Reference to it comes back.
"""

import base64
import contextlib
import importlib.util
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing import reduction
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from mpchat.lab.lab import Lab

CALL_SECONDS = 5.0
_START_SECONDS = 20.0
_MODULE = "exercise"
_ANY = -1  # in place of a call's number: what was raised by none of them
_MOST_BYTES = 1 << 26  # of an answer


class StudentFailed(Exception):
    """The student's code did not do what it was asked to, as the sentence failed.KIND says; `text` is part of it."""

    def __init__(self, kind: str, text: str = "") -> None:
        super().__init__(kind, text)
        self.kind, self.text = kind, text


class Reference(NamedTuple):
    """Something that a call has made, and that stays in the student's process: an object with methods."""

    number: int


class StudentProcess:
    """A process with the student's file. Raises StudentFailed where the file cannot be loaded.

    `fds` are descriptors of this process that it gets: `self.fds` are their numbers there.
    """

    def __init__(self, lab: Lab, path: Path, fds: Sequence[int] = ()) -> None:
        self._sock, theirs = socket.socketpair()
        self.process: BaseProcess = lab.process(_serve, theirs, str(path), [reduction.DupFd(fd) for fd in fds])
        theirs.close()
        lab.at_end.callback(self._sock.close)
        assert self.process.pid is not None
        self.pid: int = self.process.pid
        self._unread = bytearray()
        self._answers: dict[int, Any] = {}
        self._calls = 0
        self.fds: list[int] = self.result(0, _START_SECONDS)

    def call(self, function: "str | tuple[Reference, str]", *arguments: Any, seconds: float = CALL_SECONDS) -> Any:
        """What a function of the file, or a method (a reference and its name), returns. Raises StudentFailed."""
        return self.result(self._send(function, arguments, False), seconds)

    def begin(self, function: "str | tuple[Reference, str]", *arguments: Any, in_thread: bool = True) -> int:
        """A call that is not waited for, in a thread of its own or in the main one; its number is for result()."""
        return self._send(function, arguments, in_thread)

    def result(self, number: int, seconds: float = CALL_SECONDS) -> Any:
        """What a call returned. Raises StudentFailed: "silent" if it has not returned in time."""
        deadline = time.monotonic() + seconds
        while number not in self._answers:
            self._read(deadline)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise StudentFailed(*answer["error"])
        return load(answer["value"])

    def is_done(self, number: int, seconds: float = 0.0) -> bool:
        """Whether a call returns within so many seconds."""
        try:
            deadline = time.monotonic() + seconds
            while number not in self._answers:
                self._read(deadline)
        except StudentFailed as failed:
            if failed.kind == "silent":
                return False
            raise
        return True

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.process.kill()
        self.process.join()

    def _send(self, function: "str | tuple[Reference, str]", arguments: Sequence[Any], in_thread: bool) -> int:
        self._calls += 1
        name = function if isinstance(function, str) else [function[0].number, function[1]]
        line = json.dumps([self._calls, name, [dump(each) for each in arguments], in_thread]) + "\n"
        self._sock.settimeout(CALL_SECONDS)
        try:
            self._sock.sendall(line.encode())
        except OSError as error:
            raise StudentFailed("gone") from error
        return self._calls

    def _read(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        self._sock.settimeout(max(0.001, left))
        try:
            data = self._sock.recv(1 << 16)
        except TimeoutError:
            raise StudentFailed("silent") from None
        except OSError:
            data = b""
        if not data or len(self._unread) > _MOST_BYTES:
            raise StudentFailed("gone")
        self._unread += data
        while b"\n" in self._unread:
            line, _, self._unread = self._unread.partition(b"\n")
            try:
                number, answer = json.loads(line)
                self._answers[int(number)] = dict(answer)
            except (ValueError, TypeError):
                raise StudentFailed("gone") from None
            if number == _ANY:
                self.result(_ANY)


class Judge:
    """What a trial gets: the student's file, and the lab in which processes run."""

    def __init__(self, lab: Lab, path: Path) -> None:
        self.lab, self.path = lab, path

    def process(self, fds: Sequence[int] = ()) -> StudentProcess:
        return StudentProcess(self.lab, self.path, fds)


def dump(value: Any) -> Any:
    """As JSON can hold it. Raises TypeError for what neither JSON nor a tag has."""
    match value:
        case bytes() | bytearray():
            return {"bytes": base64.b64encode(value).decode()}
        case Reference(number):
            return {"reference": number}
        case dict():
            return {"dict": [[dump(key), dump(each)] for key, each in value.items()]}
        case set() | frozenset():
            return [dump(each) for each in sorted(value)]
        case list() | tuple():
            return [dump(each) for each in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"{type(value).__name__} is neither JSON nor bytes")


def load(value: Any) -> Any:
    """The inverse of dump(), but for tuples and sets: these are lists. Raises StudentFailed for any other value."""
    try:
        match value:
            case {"bytes": str(text)}:
                return base64.b64decode(text)
            case {"reference": int(number)}:
                return Reference(number)
            case {"dict": list(pairs)}:
                return {load(key): load(each) for key, each in pairs}
            case list():
                return [load(each) for each in value]
            case None | bool() | int() | float() | str():
                return value
    except (ValueError, TypeError):
        pass
    raise StudentFailed("gone")


# The student's process


def _serve(sock: socket.socket, path: str, handles: Sequence[Any]) -> None:
    """Calls that come are answered, until there are no more."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what it prints is for its author
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fds = [handle.detach() for handle in handles]
    objects: list[Any] = []
    lock = threading.Lock()  # answers may come from several threads

    def answer(number: int, **what: Any) -> None:
        with lock, contextlib.suppress(OSError):
            sock.sendall(json.dumps([number, what]).encode() + b"\n")

    def run(number: int, name: Any, arguments: list[Any]) -> None:
        try:
            owner, function = (module, name) if isinstance(name, str) else (objects[name[0]], name[1])
            value = getattr(owner, function)(*[_given(each, objects) for each in map(load, arguments)])
            try:
                dumped = dump(value)
            except TypeError:
                objects.append(value)
                dumped = dump(Reference(len(objects) - 1))
            answer(number, value=dumped)
        except BaseException as error:
            answer(number, error=_told(error, path))

    try:
        module = _module(path)
    except BaseException as error:
        answer(0, error=_told(error, path))
        return
    answer(0, value=dump(fds))
    try:
        with sock.makefile("r") as calls:
            for line in calls:
                number, name, arguments, in_thread = json.loads(line)
                if in_thread:
                    threading.Thread(target=run, args=(number, name, arguments), daemon=True).start()
                else:
                    run(number, name, arguments)
    except BaseException as error:  # raised by a handler of signals, between two calls
        answer(_ANY, error=_told(error, path))
    os._exit(0)  # whatever its threads wait for


def _given(value: Any, objects: Sequence[Any]) -> Any:
    return objects[value.number] if isinstance(value, Reference) else value


def _module(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    sys.dont_write_bytecode = True  # beside the file, in a folder that is handed in
    spec.loader.exec_module(module)
    return module


def _told(error: BaseException, path: str) -> tuple[str, str]:
    """What went wrong, and in which line of the student's file."""
    if isinstance(error, NotImplementedError):
        return "todo", str(error)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    place = f" ({Path(path).name}:{lines[-1]})" if lines else ""
    kind = type(error)
    name = f"{kind.__module__}.error" if kind.__name__ == "error" else kind.__name__  # struct.error says more
    return "raised", f"{name}: {error}{place}"
