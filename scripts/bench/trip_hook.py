"""What scripts/trip.py puts into a server's processes, as their sitecustomize: a profiler that begins switched off.

SIGUSR1 switches it on, and the next one off; then it writes what it has seen of the main thread to PID.json in the
folder of this file. The environment's TRIP_ROOT is the checkout whose functions count. It imports nothing of mpchat.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_FOLDER = Path(__file__).parent
_ROOT = os.path.join(os.environ.get("TRIP_ROOT", ""), "mpchat", "")
_WAITS = tuple(getattr(select, name) for name in ("epoll", "kqueue") if hasattr(select, name))
_WAIT_NAMES = ("poll", "control", "select")
_WITHIN = ("<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")  # parts of a function: some versions enter them

_events: list[tuple[int, str, str | int, str]] = []  # when, what, where or whose port, called by whom


def _name(code: CodeType, frame: FrameType) -> str:
    """The function's name with its class, which code knows from Python 3.11 on."""
    if hasattr(code, "co_qualname"):
        return str(code.co_qualname)
    own = frame.f_locals.get("self")
    return code.co_name if own is None else f"{type(own).__name__}.{code.co_name}"


def _place(frame: FrameType | None) -> str:
    """FILE:FUNCTION of this checkout's mpchat, or nothing."""
    if frame is None or not frame.f_code.co_filename.startswith(_ROOT) or frame.f_code.co_name in _WITHIN:
        return ""
    return f"{frame.f_code.co_filename[len(_ROOT) :]}:{_name(frame.f_code, frame)}"


def _profile(frame: FrameType, event: str, what: Any) -> None:
    now = time.monotonic_ns()
    if event in ("call", "return"):
        place = _place(frame)
        if place:
            caller = frame.f_back
            while caller is not None and not _place(caller):
                caller = caller.f_back
            _events.append((now, event, place, _place(caller)))
        return
    owner = getattr(what, "__self__", None)
    if event == "c_return" and (isinstance(owner, _WAITS) or owner is select) and what.__name__ in _WAIT_NAMES:
        _events.append((now, "awake", what.__name__, ""))
    elif event == "c_call" and isinstance(owner, socket.SocketType):
        try:
            peer = owner.getpeername()
        except OSError:
            return
        _events.append((now, what.__name__, peer[1] if isinstance(peer, tuple) else 0, _place(frame)))


def _switch(_: int, frame: FrameType | None) -> None:
    """Between two instructions of the main thread."""
    if sys.getprofile() is None:
        _events.clear()
        sys.setprofile(_profile)
        (_FOLDER / f"{os.getpid()}.on").touch()
        return
    sys.setprofile(None)
    role = ""
    while frame is not None:
        if frame.f_code.co_name == "main" and _place(frame):
            role = Path(frame.f_code.co_filename).stem
        frame = frame.f_back
    part = _FOLDER / f"{os.getpid()}.part"
    part.write_text(json.dumps({"role": role, "events": _events}))
    part.rename(part.with_suffix(".json"))


if "TRIP_ROOT" in os.environ:
    signal.signal(signal.SIGUSR1, _switch)
    (_FOLDER / f"{os.getpid()}.here").touch()
