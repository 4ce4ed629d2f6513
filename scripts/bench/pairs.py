"""Pairs of clients that answer one another by private messages."""

from __future__ import annotations

import select
import time
from collections import deque

from scripts.bench.clients import PATIENCE, Member, connect_many
from scripts.bench.loads import READ_BYTES, Run, gather
from scripts.bench.subject import Subject, fail

_NOTHING = b"\r\n", False  # no line ends so


class Player:
    """One of a pair: what it is due to read, line by line."""

    def __init__(self, member: Member) -> None:
        self.member, self.sock = member, member.sock
        self.other = self  # Pairs says who that is
        self.command = b"PRIVMSG %s :ball " % member.nick.encode()  # what the other says to it
        self.due: deque[tuple[bytes, bool]] = deque()  # how its next lines end, and which of them are the other's
        self.served_at = 0.0
        self._piece = b""

    def hear(self, data: bytes) -> int:
        """Each line must be the one that is due; returns how many of them were the other's."""
        *lines, self._piece = (self._piece + data).split(b"\r\n")
        balls = 0
        for line in lines:
            end, is_ball = self.due.popleft() if self.due else _NOTHING
            if not line.endswith(end):
                fail(f"{self.member.nick} reads {line!r}; due was {end!r}")
            balls += is_ball
        return balls

    @property
    def idle(self) -> bool:
        return not self.due and not self._piece


class Pairs:
    """In each pair one private message is in flight, and the next is the answer to it."""

    def __init__(self, server: Subject, pairs: int, capabilities: str = "") -> None:
        self._echo = "echo-message" in capabilities.split()
        self._members = connect_many(server, pairs * 2, "p", capabilities)
        players = [Player(member) for member in self._members]
        for ana, beto in zip(players[::2], players[1::2], strict=True):
            ana.other, beto.other = beto, ana
        self._players = {player.member.fileno(): player for player in players}
        self._servers = players[::2]  # who has the ball first
        self._poller = select.epoll()
        for fd in self._players:
            self._poller.register(fd, select.EPOLLIN)
        self._count = 0

    def assemble(self) -> None:
        gather(self._members)

    def _serve(self, player: Player, now: float) -> None:
        self._count += 1
        other = player.other
        ball = b"%s%d" % (other.command, self._count)
        other.due.append((b" " + ball, True))
        if self._echo:
            player.due.append((b" " + ball, False))
        player.served_at = now
        player.sock.send(ball + b"\r\n")

    def run(self, seconds: float) -> Run:
        """Counts messages: a round trip is two of them."""
        players, before, view = self._players, self._count, memoryview(bytearray(READ_BYTES))
        latencies: list[float] = []
        started = now = time.monotonic()
        stop = started + seconds
        for player in self._servers:
            self._serve(player, now)
        under_way = len(self._servers)
        while under_way or not all(player.idle for player in players.values()):
            events = self._poller.poll(PATIENCE)
            if not events:
                fail(f"something is lost: {[p.member.nick for p in players.values() if not p.idle]}")
            for fd, _ in events:
                player = players[fd]
                size = player.sock.recv_into(view)
                if not size:
                    fail(f"{player.member.nick}: the server closed the connection")
                if player.hear(bytes(view[:size])):
                    now = time.monotonic()
                    latencies.append(now - player.other.served_at)
                    if now < stop:
                        self._serve(player, now)
                    else:
                        under_way -= 1
        return Run(self._count - before, time.monotonic() - started, latencies)

    def close(self) -> None:
        self._poller.close()
        for member in self._members:
            member.sock.close()
