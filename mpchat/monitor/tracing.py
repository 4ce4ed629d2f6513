"""mpchat trace: follow messages through the processes of a running server, from outside.

It asks the server to trace, and is given the scoreboard to read: while somebody traces, each process notes its hops
there. It looks at them LOOKS times a second, and joins them (trip.py). It costs the server that, and nothing else.
"""

import errno
import json
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from mpchat.ipc.control_socket import Follower
from mpchat.ipc.scoreboard import Scoreboard
from mpchat.ipc.trace_ring import Entry, TraceRing
from mpchat.monitor.chart import chart
from mpchat.monitor.following import Refused
from mpchat.monitor.mermaid import mermaid
from mpchat.monitor.perfetto import perfetto
from mpchat.monitor.trip import Death, Server, Trip, join, lying, marked, window
from mpchat.monitor.trip_json import as_json
from mpchat.monitor.waiting import Waiting
from mpchat.monitor.words import Words, lack, lies
from mpchat.texts import t

LOOKS = 50  # a second, at most
STILL_SECONDS = 5.0  # after which nothing more is expected of a message, if every role has a process at work
_SILENT_SECONDS = 1.0  # a loop turns four times a second
_TURNS = 2  # of the broker, after which it knows what is to be traced: the first may have begun before
_ANSWER_SECONDS = 5.0
_KEPT_HOPS = 1 << 16  # of each ring: what comes before a message that is traced. As much as four rings have at once
_SHARE = 4  # to join may take one part in so many of the time, however much a busy server notes


class Wanted(NamedTuple):
    """Which messages: of this nickname, with this text ("": any), how many, and private ones too."""

    nick: str = ""
    text: str = ""
    most: int = 1
    private: bool = False


class Form(NamedTuple):
    """How they are shown: `name` is "chart", "json", "mermaid" or "perfetto". The rest is of a chart."""

    name: str
    columns: int
    encoding: str


@dataclass
class _Followed:
    """A message that is being followed."""

    connection: int
    place: int
    rings: dict[str, list[Entry]]
    moved_at: float
    trip: Trip | None = None
    has_told: bool = False  # where it waits


class Channels(NamedTuple):
    """Where to put it: `show` is given what was asked for, `tell` what there is to say besides.

    `output`: the descriptor behind `show`, if that is a pipe, whose reader may leave.
    """

    show: Callable[[str], None]
    tell: Callable[[str], None]
    output: int | None


def trace(path: Path, wanted: Wanted, form: Form, channels: Channels) -> tuple[bool, list[Trip]]:
    """Follow messages until all are whole, or still, or until Ctrl-C; whether all wanted ones were seen; their trips.

    Raises OSError, and Refused.
    """
    options = {"from": wanted.nick, "text": wanted.text, "count": wanted.most, "private": wanted.private}
    with (
        closing(Follower(path, {"command": "trace", **options})) as follower,
        closing(Waiting(follower, channels.output)) as waiting,
    ):
        head = _head(follower, waiting, path)
        try:
            board = Scoreboard(follower.fds[0], int(head["rows"]), is_read_only=True)
        finally:
            os.close(follower.fds.pop(0))
        tracer = Tracer(head, board, follower, waiting, wanted, form, channels)
        return tracer.run(), tracer.trips


def _head(follower: Follower, waiting: Waiting, path: Path) -> dict[str, Any]:
    """The first line of the answer, which comes with the descriptor."""
    until = time.monotonic() + _ANSWER_SECONDS
    while (left := until - time.monotonic()) > 0 and not (follower.ended or waiting.is_over):
        waiting.wait(left)
        for each in follower.take():
            if each.get("kind") == "trace" and follower.fds:
                return each
            if each.get("ok") is False:
                raise Refused(str(each.get("said", "")))
    raise TimeoutError(errno.ETIMEDOUT, t("trace.no_answer"), str(path))


class Tracer:
    """Of one command. `head`: the first line of the server's answer."""

    def __init__(
        self,
        head: dict[str, Any],
        board: Scoreboard,
        follower: Follower,
        waiting: Waiting,
        wanted: Wanted,
        form: Form,
        channels: Channels,
    ) -> None:
        self._board, self._follower, self._waiting = board, follower, waiting
        self._wanted, self._form, self._show, self._tell = wanted, form, channels.show, channels.tell
        self._number, self._rows = int(head["number"]), dict(head["roles"])
        ipc = PurePath(str(head["ipc"])).name
        self._server = Server(ipc, has_history=bool(head["journal"] and head["history"]))
        # The broker's first: what led to its hops is then in the others.
        roles = sorted(self._rows, key=lambda role: role != "broker")
        self._rings: dict[str, TraceRing] = {role: self._board.ring(self._rows[role]) for role in roles}
        self._hops: dict[str, deque[Entry]] = {role: deque(maxlen=_KEPT_HOPS) for role in self._rows}
        self._deaths: list[Death] = []
        self._vacant: set[str] = set()
        self._seen: set[tuple[int, int]] = set()
        self._followed: list[_Followed] = []
        self._join_at = 0.0
        self._has_told = False  # where lines lie while the broker does not turn
        self._overwritten = 0
        self._look()
        self._overwritten = 0  # those were of others
        self.trips: list[Trip] = []

    def run(self) -> bool:
        """Follow them until all are whole, or still, or Ctrl-C; returns whether all that were wanted were seen."""
        knows_at, knows_by = self._board.turns(self._rows["broker"]) + _TURNS, time.monotonic() + _SILENT_SECONDS
        has_said = False
        while not (self._waiting.is_over or self._follower.ended or self._is_done):
            self._waiting.wait(1 / LOOKS)
            if not has_said and (self._board.turns(self._rows["broker"]) >= knows_at or time.monotonic() >= knows_by):
                has_said = True
                self._tell(t("trace.waits"))
            self._hear()
            self._look()
            self._join()
            self._see_to_broker()
        for each in self._followed:
            self._finish(each)
        if self._follower.ended and not self._is_done:
            self._tell(t("trace.server_ended"))
        if len(self._seen) < self._wanted.most:
            self._tell_lying()
        if not self._seen:
            self._tell(t("trace.nothing"))
        if self._overwritten:
            self._tell(t("trace.overwritten", number=self._overwritten))
        return len(self._seen) >= self._wanted.most

    @property
    def _is_done(self) -> bool:
        return len(self._seen) >= self._wanted.most and not self._followed

    def _hear(self) -> None:
        """Of deaths, and of who is at work again."""
        for event in self._follower.take():
            role, at = str(event.get("role", "")), int(event.get("mono_ms", 0)) * 1_000_000
            match event.get("what"):
                case "died":
                    self._deaths.append(Death(role, int(event["pid"]), at, str(event.get("how", ""))))
                    self._vacant.add(role)
                case "replaced":
                    self._vacant.discard(role)
                    self._deaths = [
                        each._replace(until=at) if each.role == role and each.until is None else each
                        for each in self._deaths
                    ]

    def _look(self) -> None:
        """Read what is new, and begin to follow what the broker has marked."""
        news: dict[str, list[Entry]] = {}
        for role, ring in self._rings.items():
            entries, missing = ring.read()
            news[role] = entries
            self._overwritten += missing
            self._hops[role] += news[role]
        for each in self._followed:
            for role, entries in news.items():
                each.rings[role] += entries
        for connection, place in marked(news.get("broker", ()), self._number):
            if (connection, place) not in self._seen and len(self._seen) < self._wanted.most:
                self._seen.add((connection, place))
                rings = window(self._hops, connection, place)
                self._followed.append(_Followed(connection, place, rings, time.monotonic()))

    def _join(self) -> None:
        now = time.monotonic()
        if not self._followed or now < self._join_at:
            return
        works = self._all_work(now)
        for each in list(self._followed):
            before, trip = each.trip, self._trip(each)
            each.trip = trip
            has_moved = before is None or trip is None or (before.points, before.lacks) != (trip.points, trip.lacks)
            if has_moved or not works:
                each.moved_at = now
            if trip is not None and trip.lacks and not works and not each.has_told:
                each.has_told = True
                self._tell_lacks(trip)
            is_still = now - each.moved_at >= STILL_SECONDS
            if is_still or (trip is not None and trip.is_whole):
                self._followed.remove(each)
                self._finish(each)
                if is_still:
                    self._tell(t("trace.incomplete", seconds=f"{STILL_SECONDS:g}"))
        self._join_at = now + (_SHARE - 1) * (time.monotonic() - now)

    def _tell_lacks(self, trip: Trip) -> None:
        """Of a message that waits for a process that does not turn its loop, or is not there."""
        words = Words(self._server.ipc)
        for each in trip.lacks:
            under_way = self._board.under_way("broker", each.role)[1] if each.role in self._workers else 0
            self._tell(lack(each, words, under_way))

    def _trip(self, each: _Followed) -> Trip | None:
        return join(self._number, each.connection, each.place, each.rings, self._server, self._deaths)

    def _finish(self, each: _Followed) -> None:
        """Show what there is of it."""
        trip = self._trip(each)
        if trip is None:
            return
        if self.trips and self._form.name in ("chart", "mermaid"):
            self._show("")
        self.trips.append(trip)
        match self._form.name:
            case "json":
                self._show(as_json(trip, self._overwritten))
            case "mermaid":
                self._show(mermaid(trip))
            case "chart":
                under_way = {role: self._board.under_way("broker", role)[1] for role in self._workers}
                lines = chart(trip, self._form.columns, self._form.encoding, under_way, self._wanted.nick)
                self._show("\n".join(lines))

    @property
    def _workers(self) -> list[str]:
        return [role for role in self._rows if role.startswith("worker")]

    def _is_silent(self, role: str, now: float) -> bool:
        row = self._rows[role]
        return now - self._board.last_beat(row) > _SILENT_SECONDS and not self._board.waits_for_the_disk(row)

    def _all_work(self, now: float) -> bool:
        """Whether each role has a process, and that turns its loop."""
        needed = [role for role in self._rows if role != "spare"]
        return not any(role in self._vacant or self._is_silent(role, now) for role in needed)

    def _see_to_broker(self) -> None:
        """While it does not turn nothing is marked: say once where lines lie, as soon as there are any."""
        if not self._is_silent("broker", time.monotonic()):
            self._has_told = False
        elif not self._has_told and lying(self._hops):
            self._has_told = True
            self._tell(t("trace.silent", role="broker"))
            self._tell_lying()

    def _tell_lying(self) -> None:
        words = Words(self._server.ipc)
        for each in lying(self._hops):
            self._tell(lies(each, words, self._board.under_way(each.role, "broker")[1]))


def check_file(path: Path) -> None:
    """Raises OSError if write_file() could not write it, before anybody has waited for what is to be in it."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    place = path.resolve()
    if not os.access(place if place.exists() and not place.is_file() else place.parent, os.W_OK):
        number = errno.EACCES if place.parent.exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), str(path))


def write_file(path: Path, trips: Sequence[Trip]) -> None:
    """For Perfetto. A file of that name is replaced when this one is whole; what is no file (a pipe) is written into.

    Raises OSError; then the file is as it was.
    """
    data = json.dumps(perfetto(trips)).encode()
    place = path.resolve()
    if place.exists() and not place.is_file():
        place.write_bytes(data)
        return
    new = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        new.write_bytes(data)
        if place.exists():
            new.chmod(stat.S_IMODE(place.stat().st_mode))
        new.replace(place)
    except OSError:
        new.unlink(missing_ok=True)
        raise
