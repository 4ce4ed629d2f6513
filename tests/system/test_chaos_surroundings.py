"""The tools of a chaos run that make things go wrong around a server, each by itself."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest

from scripts.chaos_run.load import Load, on_their_way
from scripts.chaos_run.surroundings import LogPipe, Starts, Surroundings
from tests.system.servers import needs_linux, until

pytestmark = needs_linux


def test_a_log_that_is_full_takes_nothing_until_it_is_read_again(tmp_path: Path) -> None:
    log = LogPipe(tmp_path / "log")
    writer = os.open(f"/proc/self/fd/{log.end}", os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, b"one\n")
    until(lambda: (tmp_path / "log").read_bytes() == b"one\n")
    log.begin()
    with pytest.raises(BlockingIOError):
        os.write(writer, b"two\n")
    log.finish()
    until(lambda: _takes(writer, b"warning 37 log lines dropped\n"))
    os.write(writer, b"warning 1 log lines dropped\nfour\n")
    os.close(writer)
    log.let_go()
    log.close()
    expected = b"one\nwarning 37 log lines dropped\nwarning 1 log lines dropped\nfour\n"
    assert (tmp_path / "log").read_bytes() == expected
    assert (log.full, log.dropped) == (1, 38)


def _takes(writer: int, line: bytes) -> bool:
    try:
        return os.write(writer, line) == len(line)
    except BlockingIOError:
        return False


def test_bytes_that_nobody_has_read_are_on_their_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server = listener.accept()[0]
            assert on_their_way({port}) == 0
            server.sendall(b"x" * 1000)
            assert until(lambda: on_their_way({port})) == 1000
            assert on_their_way({port + 1}) == 0
            assert len(client.recv(1000, socket.MSG_WAITALL)) == 1000
            assert on_their_way({port}) == 0
            server.close()


def test_so_are_bytes_for_a_server_whose_window_is_shut() -> None:
    """What lies unread at its end is not: a server looks at it, and takes it when it is dealt with."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0] as server:
            client.sendall(b"x")
            until(lambda: server.recv(1, socket.MSG_PEEK))
            assert on_their_way({port}) == 0
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    client.send(b"x" * 65536)
            assert on_their_way({port}) > 0


@pytest.mark.parametrize(("seen", "settled", "waited"), [([7, 7, 0, 0, 7, 0], True, 6), ([0, 0, 0], False, 2)])
def test_a_run_waits_for_them_and_says_so(
    monkeypatch: pytest.MonkeyPatch, seen: list[int], settled: bool, waited: int
) -> None:
    """And no longer than a moment when there are none: then the server has lost something."""
    said: list[str] = []
    left = iter(seen)
    load = Load({(False, False): ("127.0.0.1", 1), (True, False): ("127.0.0.1", 2)}, None, 0, 1)
    monkeypatch.setattr("scripts.chaos_run.load.PATIENCE", 0.0)
    monkeypatch.setattr("scripts.chaos_run.load.on_their_way", lambda ports: next(left, 0))
    monkeypatch.setattr(load, "run_until", lambda done, deadline: load.waited == len(seen))

    assert load.drain(said.append) is settled
    assert load.waited == waited
    assert said == (["the kernel still has 7 bytes on their way: waiting for them, 0 s so far"] if settled else [])
    load.close()


def test_what_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    around = Surroundings(["starts", "tmp"], tmp_path, tmp_path, 1)
    around.started(os.getpid())
    around.begin(os.getpid(), lambda: None)
    around.finish()
    around.close()
    assert around.rows() == [("starts", "skipped: strace is not here"), ("/tmp", "skipped: unshare is not here")]
    assert around.complaints() == []
    assert around.command == []


def test_who_cannot_be_traced_is_left_alone() -> None:
    """One that has gone, here; elsewhere because the system forbids it."""
    starts = Starts(2**22 + 1, lambda: None)  # no process has such a number (PID_MAX_LIMIT)
    if starts.why_not:
        pytest.skip(starts.why_not)
    starts.begin()
    starts.finish()
    assert "No such process" in starts.why_not
    assert (starts.failed, starts.stretches) == (0, 0)
