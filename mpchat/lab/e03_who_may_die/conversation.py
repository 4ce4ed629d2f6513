"""People who talk all the time in numbered lines, and what each of them hears: one loop, so that nothing waits."""

import re
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

from mpchat.lab.private_server import PrivateServer

SPEAKERS, LISTENERS = ("ana", "beto"), ("ana", "beto", "carla")
_TICK_SECONDS = 0.01  # between two lines of each speaker
_CATCH_UP_SECONDS = 10.0
_LINE = re.compile(r"<(\w+)> n (\d+)$")
_ENTERED, _ASKED = "* in #lobby: ", "Type your nickname"
_QUIT = re.compile(r"\* (\w+) quit")


class Heard(NamedTuple):
    """Of one part of the conversation. Times are in ms since it began."""

    said: int  # lines
    wanted: int  # lines that somebody should hear: each is for two people
    lost: int
    doubled: int
    closed: int  # connections that have ended
    killed_at: float
    since_kill: float
    stall: float  # the longest time in which one of them heard nothing
    newcomer: float | None  # how long after the kill one who then connected was in the room; None: never
    quits: dict[str, float]  # when it was read that somebody has left
    arrivals: list[float]  # of lines, at carla


class Person:
    """A connection to the plain port, that is read and written without waiting."""

    def __init__(self, port: int, nick: str) -> None:
        self.nick = nick
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(("127.0.0.1", port))
        self.is_open = True
        self.entered_at: float | None = None  # monotonic
        self._unread = bytearray()

    def say(self, text: str) -> None:
        with suppress(OSError):  # it has ended, which hear() will find
            self.sock.send(text.encode() + b"\n")

    def hear(self) -> list[str]:
        """The lines that have come."""
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self.is_open = bool(data)
        *lines, self._unread = (self._unread + data).split(b"\n")
        found = [line.decode(errors="replace").rstrip("\r") for line in lines]
        for line in found:
            if _ASKED in line:
                self.say(self.nick)
            if _ENTERED in line:
                self.entered_at = time.monotonic()
        return found


class Conversation:
    """Of three people, two of whom talk. close() ends their connections."""

    def __init__(self, server: PrivateServer) -> None:
        self._server = server
        self._people = [Person(server.plain_port, nick) for nick in LISTENERS]
        self._newcomers = 0
        self._number = 0
        deadline = time.monotonic() + _CATCH_UP_SECONDS
        while not all(person.entered_at for person in self._people) and time.monotonic() < deadline:
            _wait(self._people)

    def talk(self, before: float, after: float, kill: Callable[[], None]) -> Heard:
        """Talk for so many seconds, kill, talk on, and let everybody hear what is under way."""
        part = _Part(self._number + 1)
        began = time.monotonic()
        last_word, deadline = began + before + after, began + before + after + _CATCH_UP_SECONDS
        killed = 0.0
        newcomer: Person | None = None
        next_line = began
        while (now := time.monotonic()) < last_word or not (
            now > deadline or (part.is_whole(self._number) and (newcomer is None or _has_arrived(newcomer)))
        ):
            if newcomer is None and now >= began + before:
                kill()
                killed = time.monotonic()
                self._newcomers += 1
                newcomer = Person(self._server.plain_port, f"new{self._newcomers}")
            if next_line <= now < last_word:
                next_line = max(next_line + _TICK_SECONDS, now)
                self._number += 1
                for person in self._people:
                    if person.nick in SPEAKERS and person.is_open:
                        person.say(f"n {self._number}")
            for listener, line in _wait([*self._people, *([newcomer] if newcomer else [])]):
                part.hear(listener, line)
            if newcomer and not any(person.is_open for person in self._people):
                break
        assert newcomer is not None
        newcomer.sock.close()
        entered = newcomer.entered_at
        return Heard(
            said=len(SPEAKERS) * (self._number + 1 - part.first),
            wanted=part.wanted(self._number),
            lost=part.lost(self._number),
            doubled=part.doubled(),
            closed=sum(not person.is_open for person in self._people),
            killed_at=_ms(killed - began),
            since_kill=_ms(time.monotonic() - killed),
            stall=part.stall(began),
            newcomer=None if entered is None else _ms(entered - killed),
            quits={nick: _ms(at - began) for nick, at in part.quits.items()},
            arrivals=[_ms(at - began) for at in part.arrivals("carla")],
        )

    def close(self) -> None:
        for person in self._people:
            person.sock.close()


class _Part:
    """What was heard in a part of the conversation, that begins with the line number `first`."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.quits: dict[str, float] = {}
        # By who said it and who heard it: the lines' numbers, and when they came.
        self._heard: dict[tuple[str, str], list[tuple[int, float]]] = {
            (speaker, listener): [] for speaker in SPEAKERS for listener in LISTENERS if speaker != listener
        }

    def hear(self, listener: str, line: str) -> None:
        now = time.monotonic()
        if (found := _LINE.search(line)) and (found[1], listener) in self._heard:
            self._heard[found[1], listener].append((int(found[2]), now))
        elif found := _QUIT.search(line):
            self.quits.setdefault(found[1], now)

    def is_whole(self, last: int) -> bool:
        return self.lost(last) == 0

    def wanted(self, last: int) -> int:
        return len(self._heard) * (last + 1 - self.first)

    def lost(self, last: int) -> int:
        wanted = set(range(self.first, last + 1))
        return sum(len(wanted - {number for number, _ in of}) for of in self._heard.values())

    def doubled(self) -> int:
        return sum(len(of) - len({number for number, _ in of}) for of in self._heard.values())

    def stall(self, began: float) -> float:
        """The longest time in which somebody heard nothing of somebody, in ms."""
        return max(
            _ms(max((after - before for before, after in pairwise([began, *(at for _, at in of)])), default=0.0))
            for of in self._heard.values()
        )

    def arrivals(self, listener: str) -> list[float]:
        return sorted(at for (_, hearer), of in self._heard.items() if hearer == listener for _, at in of)


def _has_arrived(newcomer: Person) -> bool:
    return newcomer.entered_at is not None or not newcomer.is_open


def _wait(people: list[Person]) -> list[tuple[str, str]]:
    """What each has heard, if anything comes soon."""
    is_open = [person for person in people if person.is_open]
    readable, _, _ = select.select([person.sock for person in is_open], [], [], _TICK_SECONDS / 2)
    return [(person.nick, line) for person in is_open if person.sock in readable for line in person.hear()]


def _ms(seconds: float) -> float:
    return seconds * 1000
