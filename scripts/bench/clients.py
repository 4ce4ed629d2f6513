"""Clients that load a server: they connect, register, and read what comes. What they say is in loads.py."""

from __future__ import annotations

import re
import select
import socket
import time
from contextlib import suppress

from scripts.bench.subject import Subject, fail

# The last line of a greeting (376, 422) or a refusal (RFC 2812 section 5), and whom it is told; tags may be in front.
GREETED = re.compile(rb"^(?:@\S+ )?:\S+ (?:(422|376)|4\d\d) (\S+) .*\n", re.MULTILINE)
PATIENCE = 60.0  # seconds without any progress: then the server has lost something


class Member:
    """One connected client."""

    def __init__(self, address: tuple[str, int], nick: str) -> None:
        self.nick = nick
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def wait_for(self, wanted: bytes) -> bytes:
        """Read up to the end of the line that has `wanted` in it; returns all up to there."""
        searched = 0
        while True:
            at = self.unread.find(wanted, searched)
            end = self.unread.find(b"\n", at + len(wanted) - 1) if at >= 0 else -1
            if end >= 0:
                text, self.unread = self.unread[: end + 1], self.unread[end + 1 :]
                return text
            searched = at if at >= 0 else max(0, len(self.unread) - len(wanted) + 1)
            self._read()

    def await_registration(self) -> None:
        """Read up to the end of the greeting."""
        while (found := GREETED.search(self.unread)) is None:
            self._read()
        if found[1] is None:
            fail(f"{self.nick} cannot register: {found[0].decode(errors='replace').strip()}")
        self.unread = self.unread[found.end() :]

    def drop_unread(self) -> None:
        """Take what has come, and forget it: whole lines of no interest, and the beginning of one."""
        self.unread = b""
        with suppress(BlockingIOError):
            while self.sock.recv(1 << 18, socket.MSG_DONTWAIT):
                pass

    def _read(self) -> None:
        data = self.sock.recv(1 << 18)
        if not data:
            fail(f"{self.nick}: the server closed the connection: {self.unread[-200:]!r}")
        self.unread += data

    @staticmethod
    def wait_all(members: list[Member], wanted: bytes) -> None:
        for member in members:
            member.wait_for(wanted)


def registration(nick: str, capabilities: str = "") -> bytes:
    """What a client sends to come in (RFC 2812 section 3.1), with these capabilities, if any."""
    request, end = (f"CAP REQ :{capabilities}\r\n", "CAP END\r\n") if capabilities else ("", "")
    return f"{request}NICK {nick}\r\nUSER {nick} 0 * :a member\r\n{end}".encode()


def connect_many(server: Subject, count: int, prefix: str, capabilities: str = "", at_once: int = 0) -> list[Member]:
    """Registered clients; so many at a time, 0: as many as the server takes."""
    members = []
    at_once = at_once or server.at_once
    for start in range(0, count, at_once):
        some = [Member(server.address, f"{prefix}{n}") for n in range(start, min(start + at_once, count))]
        for member in some:
            member.send(registration(member.nick, capabilities))
        for member in some:
            member.await_registration()
        members += some
    return members


def probe(server: Subject, capabilities: str) -> str:
    """Clients with these capabilities can come in; returns the version that the server says it is (351)."""
    member = Member(server.address, "probe")
    if capabilities:
        member.send(f"CAP REQ :{capabilities}\r\n".encode())
        answer = member.wait_for(b" CAP ").decode(errors="replace").splitlines()[-1]
        if " ACK " not in answer:
            fail(f"{server.name} refuses CAP REQ :{capabilities} (it says {answer})")
    member.send(registration(member.nick) + (b"CAP END\r\n" if capabilities else b""))
    member.await_registration()
    member.send(b"VERSION\r\nPING :told\r\n")
    version = re.search(r" 351 \S+ (\S+)", member.wait_for(b":told\r\n").decode(errors="replace"))
    member.sock.close()
    return version[1].rstrip(".") if version else "unknown version"


def crowd_joins(members: list[Member]) -> None:
    """All join #crowd at once. Who came k-th of n must read n - k + 1 arrivals, their own first: the counts are
    1..n."""
    poller = select.epoll()
    by_fd = {member.fileno(): member for member in members}
    pieces = dict.fromkeys(by_fd, b"")
    for member in members:
        poller.register(member, select.EPOLLIN)
        member.send(b"JOIN #crowd\r\n")
    seen = dict.fromkeys(by_fd, 0)
    missing = len(members) * (len(members) + 1) // 2
    while missing:
        events = poller.poll(PATIENCE)
        if not events:
            fail(f"{missing} arrivals were never told")
        for fd, _ in events:
            data = pieces[fd] + by_fd[fd].sock.recv(1 << 18)
            whole, _, pieces[fd] = data.rpartition(b"\n")
            joins = whole.count(b" JOIN #crowd")
            seen[fd] += joins
            missing -= joins
    if sorted(seen.values()) != list(range(1, len(members) + 1)):
        fail("somebody was told of an arrival twice, or not at all")


def open_idle(server: Subject, count: int) -> list[socket.socket]:
    """Registered connections that keep as little as possible on our side."""
    return [member.sock for member in connect_many(server, count, prefix="i")]


def rally(server: Subject, seconds: float) -> int:
    """Two clients send each other numbered private messages, each an answer to the last; returns how many."""
    ana, beto = connect_many(server, 2, prefix="p")
    stop = time.monotonic() + seconds
    count = 0
    while time.monotonic() < stop:
        for sender, receiver in ((ana, beto), (beto, ana)):
            count += 1
            sender.send(b"PRIVMSG %s :ball %d\r\n" % (receiver.nick.encode(), count))
            receiver.wait_for(b" :ball %d\r\n" % count)
    return count
