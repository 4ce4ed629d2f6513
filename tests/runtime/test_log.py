"""The log: it never waits, says what is missing, and each of its lines is one that a program can read."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import socket
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from mpchat.runtime.log import Log
from mpchat.runtime.standard_streams import LINE_BYTES, Output

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"


class Reader:
    """A pipe's reading end, and a log that writes to the other."""

    def __init__(self, *, as_json: bool = False, role: str = "supervisor", level: str = "info") -> None:
        self.fd, self.writable = os.pipe()
        os.set_blocking(self.fd, False)
        self.log = Log(role, level, as_json, Output(self.writable))

    def lines(self) -> list[bytes]:
        """All that has been written since the last call."""
        return drained(self.fd).splitlines(keepends=True)

    def line(self) -> bytes:
        (line,) = self.lines()
        return line

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.writable)


def drained(fd: int) -> bytes:
    """What there is to read now; `fd` does not block."""
    data = b""
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(fd, 1 << 20):
            data += piece
    return data


@pytest.fixture
def text() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


@pytest.fixture
def as_json() -> Iterator[Reader]:
    reader = Reader(as_json=True)
    yield reader
    reader.close()


def fill(fd: int) -> None:
    """Until a pipe or socket takes not a byte more."""
    os.set_blocking(fd, False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(fd, b"." * size)
    os.set_blocking(fd, True)


# A line


def test_a_line_has_the_date_the_level_the_role_and_the_process(text: Reader) -> None:
    text.log.warning("process died", how="the worker0 process was killed by SIGKILL", times=3)

    assert re.fullmatch(
        rf"{STAMP} warning supervisor {os.getpid()} process died "
        r"how='the worker0 process was killed by SIGKILL' times=3\n",
        text.line().decode(),
    )


def test_the_same_as_json(as_json: Reader) -> None:
    as_json.log.error("process died", how="señor", times=3, ready=True, seconds=0.5, reason=None)

    line = json.loads(as_json.line())
    assert re.fullmatch(STAMP, line.pop("time"))
    assert line == {
        "level": "error",
        "role": "supervisor",
        "pid": os.getpid(),
        "event": "process died",
        "how": "señor",
        "times": 3,
        "ready": True,
        "seconds": 0.5,
        "reason": None,
    }


def test_a_fact_does_not_take_the_place_of_who_says_it(as_json: Reader) -> None:
    as_json.log.info("process replaced", role="worker0", pid=7)

    line = json.loads(as_json.line())
    assert (line["role"], line["pid"]) == ("supervisor", os.getpid())
    assert (line["its_role"], line["its_pid"]) == ("worker0", 7)


def test_lines_below_its_level_are_not_written() -> None:
    reader = Reader(level="warning")
    reader.log.info("too little")
    reader.log.debug("too little")
    reader.log.warning("enough")
    assert [line.split()[4] for line in reader.lines()] == [b"enough"]
    reader.close()


STRANGE = [
    "\ud800",
    "caf\udce9",
    "\x1b[31m\n\r\x00",
    "\u202e\u2028",
    float("nan"),
    float("-inf"),
    10**6000,
    b"\xff",
    {"a": {1, 2}},
    ["x", object],
    OSError(28, "No space left on device", "/tmp/\udcff"),
]


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: type(value).__name__)
def test_no_value_is_too_strange(text: Reader, as_json: Reader, value: Any) -> None:
    for reader in (text, as_json):
        reader.log.warning("strange", value=value)
        line = reader.line()
        assert line.endswith(b"\n")
        assert len(line) <= LINE_BYTES
        assert line[:-1].decode("ascii").isprintable()

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is not JSON")

    as_json.log.warning("strange", value=value)
    assert json.loads(as_json.line(), parse_constant=refuse)["value"] is not None


# What is too long for one write()

LONG = ["x" * 10_000, "é" * 5_000, "\U0001f600" * 3_000, "'\"\\" * 4_000, "\udcff" * 3_000, "\n" * 5_000]


@pytest.mark.parametrize("value", LONG, ids=lambda value: ascii(value[:1]))
def test_a_long_value_is_cut_and_the_line_stays_one(text: Reader, as_json: Reader, value: str) -> None:
    for reader in (text, as_json):
        reader.log.error("crashed", at="worker.py:12", error=value, number=7)
        line = reader.line()
        assert LINE_BYTES - 16 < len(line) <= LINE_BYTES
        assert line.endswith(b"\n")
    read = json.loads(line)
    assert (read["at"], read["number"]) == ("worker.py:12", 7)
    assert read["error"].endswith("...")
    assert len(read["error"]) > LINE_BYTES // 16


def test_only_what_is_long_is_cut(as_json: Reader) -> None:
    as_json.log.error("crashed", short="s" * 200, long="l" * 5000, longer="L" * 50_000)
    read = json.loads(as_json.line())
    assert read["short"] == "s" * 200
    assert len(read["long"]) == len(read["longer"]) > 1000


@pytest.mark.parametrize("length", range(LINE_BYTES - 200, LINE_BYTES + 8))
def test_at_every_length_around_the_limit(text: Reader, as_json: Reader, length: int) -> None:
    for reader in (text, as_json):
        reader.log.error("crashed", error="e" * length)
        line = reader.line()
        assert len(line) <= LINE_BYTES
        assert line.endswith(b"\n")
    json.loads(line)


def test_a_line_that_is_long_by_its_number_of_facts_or_its_event(text: Reader, as_json: Reader) -> None:
    for reader in (text, as_json):
        reader.log.error("crashed", **{f"fact{number}": number for number in range(1000)})
        assert len(reader.line()) <= LINE_BYTES
        reader.log.error("é" * 9000 if reader is as_json else "e" * 9000)
        line = reader.line()
        assert len(line) <= LINE_BYTES
        assert line.endswith(b"\n")
    json.loads(line)


# Nobody reads


def test_what_a_full_pipe_does_not_take_is_counted(text: Reader) -> None:
    fill(text.writable)
    for number in range(1000):
        text.log.warning("wrong password", number=number)
    assert text.log.dropped == 1000
    text.lines()
    text.log.info("stopping")
    first, second = text.lines()
    assert re.fullmatch(rf"{STAMP} warning supervisor \d+ 1000 log lines dropped\n", first.decode())
    assert second.endswith(b" stopping\n")
    assert text.log.dropped == 0


def test_the_count_in_json(as_json: Reader) -> None:
    fill(as_json.writable)
    for _ in range(37):
        as_json.log.warning("wrong password")
    as_json.lines()
    as_json.log.catch_up()
    assert json.loads(as_json.line())["event"] == "37 log lines dropped"
    as_json.log.catch_up()
    assert as_json.lines() == []  # it is said once


def test_a_pipe_that_takes_the_count_but_no_more_counts_on(text: Reader) -> None:
    fill(text.writable)
    text.log.warning("one")
    os.read(text.fd, 4096)  # a page is free: the count fits, a line of all its bytes does not
    text.log.warning("two", text="x" * LINE_BYTES)
    assert text.log.dropped == 1
    text.lines()
    text.log.catch_up()
    assert text.lines()[-1].endswith(b" 1 log lines dropped\n")


def test_a_reader_that_has_gone_is_no_error() -> None:
    reader = Reader()
    os.close(reader.fd)
    reader.log.error("crashed")
    assert reader.log.dropped == 1
    os.close(reader.writable)


def test_a_full_disk_is_no_error() -> None:
    with open("/dev/full", "wb") as full:
        log = Log("broker", "info", False, Output(full.fileno()))
        log.error("crashed")
        log.error("crashed")
        assert log.dropped == 2


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_without_a_reader(kind: int) -> None:
    """systemd gives a service a stream socket of its journal's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        flags = fcntl.fcntl(ours.fileno(), fcntl.F_GETFL)
        log = Log("broker", "info", False, Output(ours.fileno()))
        for number in range(3000):
            log.info("event", number=number)
        assert 0 < log.dropped < 3000
        assert fcntl.fcntl(ours.fileno(), fcntl.F_GETFL) == flags
        theirs.setblocking(False)
        data = b""
        while log.dropped:
            with contextlib.suppress(BlockingIOError):
                while True:
                    data += theirs.recv(1 << 20)
            log.catch_up()
        with contextlib.suppress(BlockingIOError):
            data += theirs.recv(1 << 20)
        lines = data.decode().splitlines()
        numbers = [int(line.rpartition("=")[2]) for line in lines[:-1]]
        assert numbers == list(range(len(numbers)))  # whole lines, and in order
        assert lines[-1].endswith(f" {3000 - len(numbers)} log lines dropped")


def test_a_terminal_that_is_stopped_in_the_middle_of_a_line() -> None:
    """It may have taken a part of a line: the rest comes before the next."""
    master, slave = os.openpty()
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    os.set_blocking(master, False)
    output = os.open(f"/proc/self/fd/{slave}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    log = Log("broker", "info", False, Output(output))
    for number in range(3000):
        log.info("event", text="x" * 500, number=number)
    assert 0 < log.dropped < 3000
    data = b""
    while log.dropped:
        data += drained(master)
        log.catch_up()
    while not data.endswith(b"dropped\n"):
        data += drained(master)
    # A worker of the kernel's takes from a terminal when it likes, so there may be room again between two events.
    number = 0
    for line in data.decode().splitlines():
        if line.endswith(" log lines dropped"):
            number += int(line.split()[-4])
        else:
            assert line.endswith(f" number={number}")
            number += 1
    assert number == 3000
    for fd in (master, slave, output):
        os.close(fd)
