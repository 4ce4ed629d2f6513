"""What the points of a trip are called: in one wording for programs, or in the language of this process. Pure."""

from typing import NamedTuple

from mpchat.ipc.trace_ring import Hop
from mpchat.monitor.trip import DIED, Lack, Lying, Point, Trip
from mpchat.texts import t

_BUILT_IN = ("queue", "pipe")  # transports; another one is a file, and its name says what it calls
_RECORDS = (Hop.PUT_RECORDS.name, Hop.TOOK_RECORDS.name)
_ITEMS = (Hop.PUT_ITEMS.name, Hop.TOOK_ITEMS.name)
_CALLS = {
    Hop.SAW.name: "recv(MSG_PEEK)",
    Hop.TOOK_RECORDS.name: "readv()",
    Hop.JOURNALED.name: "write()",
    Hop.TOOK_ITEMS.name: "readv()",
    Hop.ACKNOWLEDGED.name: "recv()",
    Hop.SENT.name: "send()",
    Hop.FACTS.name: "write()",
}
_SOCKET = (Hop.SAW.name, Hop.SENT.name, Hop.SENT_BEFORE.name, Hop.ACKNOWLEDGED.name)
# Where the depth says something; of what, a sentence says.
_DEPTHS = (Hop.SAW.name, *_RECORDS, Hop.DECIDED.name, Hop.PUT_ITEMS.name, Hop.APPENDED.name, Hop.SENT.name)


class Words(NamedTuple):
    """How a server's points are told. `is_for_people`: in the language of this process."""

    ipc: str
    is_for_people: bool = True

    def call(self, point: Point) -> str:
        """The system call; "" where Python is alone, or the process has only noticed something."""
        if point.what in (*_RECORDS, *_ITEMS) and self.ipc not in _BUILT_IN:
            return self.ipc
        if point.what in (Hop.PUT_RECORDS.name, Hop.PUT_ITEMS.name):
            if self.ipc != "queue":
                return "write()"
            return t("trace.feeder") if self.is_for_people else "put(), write() by the feeder thread"
        if point.what == Hop.RECORDED.name:
            return t("trace.commit") if self.is_for_people else "SQLite commit"
        return _CALLS.get(point.what, "")

    def through(self, point: Point) -> str:
        """The socket, the transport with its ends, or the file."""
        if point.what in _SOCKET:
            if self.is_for_people:
                return t("trace.socket", connection=point.connection)
            return f"socket of connection {point.connection}"
        if point.what in _RECORDS:
            return self.transport(f"worker{point.worker}", "broker")
        if point.what in _ITEMS:
            return self.transport("broker", f"worker{point.worker}")
        if point.what in (Hop.JOURNALED.name, Hop.FACTS.name):
            return t("trace.journal") if self.is_for_people else "journal"
        return "history.db" if point.what == Hop.RECORDED.name else ""

    def transport(self, one: str, other: str) -> str:
        if self.is_for_people and self.ipc in _BUILT_IN:
            return t(f"trace.transport.{self.ipc}", one=one, other=other)
        return f"{self.ipc} {one} -> {other}"


def what(point: Point) -> str:
    """What the process does there."""
    return t(f"trace.hop.{point.what.lower()}")


def process(point: Point) -> str:
    return f"{point.role} {point.pid}"


def detail(point: Point, words: Words) -> str:
    """Where it waited, the call, through what, and how much waits there."""
    if point.what == DIED:
        return point.how
    depth = t(f"trace.depth.{point.what.lower()}", number=point.depth) if point.what in _DEPTHS else ""
    waited = t(f"trace.waited.{point.waited}") if point.waited else ""
    failed = t("trace.failed") if point.has_failed else ""
    return ", ".join(part for part in (waited, words.call(point), words.through(point), depth, failed) if part)


def clients(number: int) -> str:
    return t(f"trace.clients.{'one' if number == 1 else 'many'}", number=number)


def header(trip: Trip, sender: str) -> str:
    """Whose message, to how many, how large. `sender`: a nickname, if it is known."""
    who = (
        t("trace.sender", nick=sender, connection=trip.connection)
        if sender
        else t("trace.unnamed_sender", connection=trip.connection)
    )
    kind = "private" if trip.is_private else "room"
    return t(f"trace.header.{kind}", who=who, clients=clients(trip.clients), bytes=trip.size or "?")


def lack(each: Lack, words: Words, under_way: int) -> str:
    """What a trip lacks, and where the message waits for whom. `under_way`: bytes in the transport to the role."""
    where = words.transport("broker", each.role)
    return t(f"trace.lack.{each.what}", role=each.role, where=where, bytes=under_way, done=each.done, of=each.of)


def lies(each: Lying, words: Words, under_way: int) -> str:
    """Where lines of its clients lie. `under_way`: bytes in the transport from this worker."""
    where = words.transport(each.role, "broker")
    key = "put" if each.put else "seen"
    return t(
        f"trace.lies.{key}", role=each.role, pid=each.pid, seen=each.seen, put=each.put, where=where, bytes=under_way
    )


def microseconds(ns: int) -> str:
    """To the nanosecond, so that what adds up exactly is seen to."""
    return f"{ns // 1000}.{ns % 1000:03d}" if ns >= 0 else f"-{microseconds(-ns)}"
