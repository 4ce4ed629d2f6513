"""kill -9 of one process after another, each in the middle of a conversation; the last is the supervisor."""

import os
import signal
import socket
import time
from functools import partial
from typing import Any

from mpchat.lab.e03_who_may_die.conversation import Conversation, Heard
from mpchat.lab.lab import Lab
from mpchat.lab.private_server import PrivateServer, Talker

_ROLES = {"worker": "worker0", "broker": "broker", "acceptor": "acceptor", "recorder": "recorder"}
_BEFORE_SECONDS, _AFTER_SECONDS = 0.3, 0.9
_REPLACED_SECONDS = 10.0
_ENDED_SECONDS = 10.0
_LOOK_SECONDS = 0.01
_STALL_MS = 50.0  # a pause of a line's hearer that is longer is drawn
_FOREVER_SECONDS = 600.0


def run(lab: Lab) -> None:
    lab.tell("server")
    server = lab.server("--workers", "2", "--unlimited")
    conversation = Conversation(server)
    lab.at_end.callback(conversation.close)
    replaced = 0
    for name, role in _ROLES.items():
        lab.tell(name)
        pid = _all_there(server)[role]
        heard = conversation.talk(_BEFORE_SECONDS, _AFTER_SECONDS, partial(os.kill, pid, signal.SIGKILL))
        successor = _replaced(server, role, pid)
        lab.measured[name] = {"pid": pid, "successor": successor, **_told(heard)}
        lab.measured[f"{name}_spans"] = _spans(heard)
        replaced += successor is not None
        if heard.newcomer is None:
            lab.skip(f"{name}_newcomer_ms", why="not_seen", times=1)
        else:
            lab.measured[f"{name}_newcomer_ms"] = heard.newcomer
    lab.measured["replaced_count"] = replaced
    _sum_up(lab)
    lab.tell("client")
    _kill_client(lab, server, conversation)
    lab.tell("supervisor")
    _kill_supervisor(lab, server, conversation)


def _sum_up(lab: Lab) -> None:
    """Of the deaths of all four roles together."""
    told = [lab.measured[name] for name in _ROLES]
    for key in ("wanted", "lost", "doubled", "closed"):
        lab.measured[f"{key}_count"] = sum(each[key] for each in told)
    lab.measured["newcomer_count"] = sum(each["came_in"] for each in told)
    lab.measured["longest_stall_ms"] = max(each["stall_ms"] for each in told)


def _told(heard: Heard) -> dict[str, Any]:
    return {
        "said": heard.said,
        "wanted": heard.wanted,
        "lost": heard.lost,
        "doubled": heard.doubled,
        "closed": heard.closed,
        "stall_ms": heard.stall,
        "came_in": heard.newcomer is not None,
    }


def _all_there(server: PrivateServer) -> dict[str, int]:
    """The process of each role, once there is a spare again: the next successor needs no start then."""
    deadline = time.monotonic() + _REPLACED_SECONDS
    while not {"spare", *_ROLES.values()} <= (pids := server.pids()).keys() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return pids


def _replaced(server: PrivateServer, role: str, pid: int) -> int | None:
    """Who has the role now."""
    deadline = time.monotonic() + _REPLACED_SECONDS
    while (successor := server.pids().get(role)) in (None, pid) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return None if successor == pid else successor


def _kill_client(lab: Lab, server: PrivateServer, conversation: Conversation) -> None:
    """A client is a process like any other: the kernel closes what it had open."""
    ours, theirs = lab.context.Pipe()
    client = lab.process(_be_client, server.plain_port, theirs)
    ours.recv()
    assert client.pid is not None
    heard = conversation.talk(_BEFORE_SECONDS, _AFTER_SECONDS, partial(os.kill, client.pid, signal.SIGKILL))
    client.join()
    ours.close()
    theirs.close()
    quit_at = heard.quits.get("dora")
    lab.measured["client"] = {"pid": client.pid, **_told(heard)}
    lab.measured["client_spans"] = _spans(heard)
    lab.measured["quit_heard"] = quit_at is not None
    if quit_at is None:
        lab.skip("quit_ms", why="not_seen", times=1)
    else:
        lab.measured["quit_ms"] = quit_at - heard.killed_at


def _be_client(port: int, ready: Any) -> None:
    talker = Talker(port, "dora")
    ready.send("in")
    while True:
        talker.read(_FOREVER_SECONDS)


def _kill_supervisor(lab: Lab, server: PrivateServer, conversation: Conversation) -> None:
    """Its death is the end of all. This process is a subreaper: the orphans become its children, and it reaps them."""
    left = set(_all_there(server).values()) - {server.pid}
    count = len(left)
    heard = conversation.talk(_BEFORE_SECONDS, _AFTER_SECONDS, server.process.kill)
    killed_at = time.monotonic() - heard.since_kill / 1000
    lab.measured["exit_status"] = server.process.wait()
    deadline = killed_at + _ENDED_SECONDS
    while (left := {pid for pid in left if _is_there(pid)}) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    # Who connects at the moment of the kill may still be let in, by an acceptor that has not yet read of it.
    lab.measured["supervisor"] = {"pid": server.pid, **_told(heard), "came_in": _is_accepted(server.plain_port)}
    lab.measured["supervisor_spans"] = _spans(heard)
    lab.measured["process_count"], lab.measured["orphans"] = count, len(left)
    lab.measured["ended_ms"] = (time.monotonic() - killed_at) * 1000


def _is_accepted(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _is_there(pid: int) -> bool:
    """Whether it is still a process; one that has ended is reaped, if it has become this one's child."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != pid
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _spans(heard: Heard) -> list[list[float]]:
    """The way carla heard it: talk (0) without a pause, pauses (1), and the kill (2); times in ms."""
    spans: list[list[float]] = []
    start = before = 0.0
    for at in heard.arrivals:
        if at - before > _STALL_MS:
            spans += [[start, before, 0], [before, at, 1]]
            start = at
        before = at
    return [*spans, [start, before, 0], [heard.killed_at, heard.killed_at, 2]]
