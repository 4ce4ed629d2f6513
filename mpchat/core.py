"""The broker's mind, a deterministic state machine: apply(record) -> items. The same records give the same items.

A record is what happened, as a tuple; an item is what a worker must do about it. All the core knows of time is what
records told it. It puts the chat's events into each dialect's words, once for every wire profile, and says which
group of connections gets them. It has never heard of sockets, queues or processes.

    record                                              from
    ("start", wording, workers, utc_offset, wall, mono) broker  the first of a run; wording as settings.pack() gives it
    ("clock", wall, mono)                               broker  before each batch: ms; due deadlines fire here
    ("open", worker, connection, is_plain, host)        worker  a connection was handed to this worker
    ("line", connection, end, bytes)                    worker  a line, or what follows its parts, without the LF;
                                                                end: its end as an offset in the input stream
    ("part", connection, end, bytes)                    worker  the beginning of a line, or more of it
    ("overlong", connection, end)                       worker  a line was longer than anybody can take
    ("rest", connection, end)                           worker  more of the same line
    ("gone", connection, reason)                        worker  the client left, or does not read
    ("silent", connection)                              worker  answers "probe": nothing of it lies unread
    ("answer", connection, right)                       broker  answers "ask"
    ("stop", reason)                                    broker  the server ends

    item                                                to
    ("send", connection, bytes)                         worker  append to this connection's output
    ("cast", groups, bytes, except)                     worker  the same for each member of these groups, but one
    ("join", group, connection)  ("leave", …)           worker  group membership
    ("ack", connection, end)                            worker  take the input up to `end` from the kernel
    ("probe", connection)                               worker  is anything of it unread?
    ("close", connection)                               worker  flush and close
    ("end",)                                            worker  the last item of all
    ("ask", connection, end, kind, name)                broker  a question to the world outside
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any

from mpchat.chat.channels import Channel
from mpchat.chat.events import Event, Invited, Joined, Kicked, Left, Parted, Renamed, Said, Wallops
from mpchat.chat.hub import Hub
from mpchat.chat.refusals import Refusal
from mpchat.chat.sessions import Session
from mpchat.protocol import irc, plain
from mpchat.protocol.capabilities import ECHO_MESSAGE, PLAIN, SERVER_TIME
from mpchat.protocol.clock import time_tag
from mpchat.protocol.desk import Desk, Goodbye, Outcome, Peer, Question
from mpchat.settings import unpack

Record = tuple[Any, ...]
Item = tuple[Any, ...]

BROKER = -1  # stands where a worker's number would: the item is for the broker itself


class Attachment:
    """A connection as the core sees it: where it hangs, and how much of its input has been accepted."""

    __slots__ = (
        "accepted",
        "asked",
        "capabilities",
        "connection",
        "heard_at",
        "held",
        "part",
        "peer",
        "pinged",
        "profile",
        "taken",
        "worker",
    )

    def __init__(self, connection: int, worker: int, peer: Peer, mono: int) -> None:
        self.connection = connection
        self.worker = worker
        self.peer = peer
        self.capabilities = 0
        self.profile = peer.profile
        self.accepted = 0  # offset in the input stream: what was forwarded before it is a repeat
        self.taken = 0  # the end of the line that is being dealt with; it trails while one waits for an answer
        self.heard_at = mono
        self.pinged = False
        self.asked: Question | None = None  # while this is open, later lines wait in `held`
        self.held: list[tuple[str, int, bytes]] = []
        self.part = b""  # the beginning of a line that has not ended yet


class Core:
    """One instance, one server run."""

    def __init__(self) -> None:
        self._desk: Desk
        self._workers = 0
        self._stopped = False
        self._attached: dict[int, Attachment] = {}
        self._groups: dict[Channel, dict[tuple[int, int], list[int]]] = {}  # (worker, profile): [group, members]
        self._last_group = 0
        self._deadlines: list[tuple[int, int]] = []  # heap of (mono ms, connection)
        self._acks: dict[int, int] = {}
        self._items: list[tuple[int, Item]] = []
        self._apply: dict[str, Callable[..., None]] = {
            "start": self._start,
            "clock": self._clock,
            "open": self._open,
            "line": self._line,
            "part": self._part,
            "overlong": self._overlong,
            "rest": self._rest,
            "gone": self._gone,
            "silent": self._silent,
            "answer": self._answer,
            "stop": self._stop,
        }

    def apply(self, record: Record) -> list[tuple[int, Item]]:
        """What follows from one record: items, each with the number of its worker (or BROKER), in order."""
        if self._stopped and record[0] != "start":
            return []  # everybody has been told; what was still on its way comes too late
        self._apply[record[0]](*record[1:])
        items, self._items = self._items, []
        return items

    def acknowledge(self) -> list[tuple[int, Item]]:
        """To be called after each batch: one acknowledgement for each connection that the batch heard of."""
        items = [
            (self._attached[connection].worker, ("ack", connection, end))
            for connection, end in self._acks.items()
            if connection in self._attached
        ]
        self._acks.clear()
        return items

    @property
    def next_deadline(self) -> int | None:
        """Monotonic ms at which a clock record is due, if none comes before."""
        return self._deadlines[0][0] if self._deadlines else None

    # Records

    def _start(self, wording: Any, workers: int, utc_offset: int, wall: int, mono: int) -> None:
        words = unpack(wording)
        self._attached, self._groups, self._deadlines = {}, {}, []  # whatever an earlier run knew is over
        self._stopped = False
        self._workers = workers
        self._desk = Desk(Hub(words, wall // 1000), words, wall // 1000, utc_offset, wall, mono)

    def _clock(self, wall: int, mono: int) -> None:
        desk = self._desk
        desk.wall, desk.mono = max(wall, desk.wall), max(mono, desk.mono)  # neither ever goes back
        while self._deadlines and self._deadlines[0][0] <= desk.mono:
            attachment = self._attached.get(heappop(self._deadlines)[1])
            if attachment is not None:
                self._due(attachment)

    def _open(self, worker: int, connection: int, is_plain: bool, host: str) -> None:
        peer = Peer(self._desk.hub.connect(connection, host), is_plain)
        self._desk.peers[connection] = peer
        attachment = self._attached[connection] = Attachment(connection, worker, peer, self._desk.mono)
        self._wait(attachment, self._desk.wording.registration_seconds)
        self._run(attachment, _dialect(peer).greet(self._desk, peer))

    def _line(self, connection: int, end: int, data: bytes) -> None:
        self._input("line", connection, end, data)

    def _part(self, connection: int, end: int, data: bytes) -> None:
        self._input("part", connection, end, data)

    def _overlong(self, connection: int, end: int) -> None:
        self._input("overlong", connection, end, b"")

    def _rest(self, connection: int, end: int) -> None:
        self._input("rest", connection, end, b"")

    def _input(self, kind: str, connection: int, end: int, data: bytes) -> None:
        """Accept input once: a repeat is known by its offset. While a question is open it waits."""
        attachment = self._attached.get(connection)
        if attachment is None or end <= attachment.accepted:
            return  # closed meanwhile, or forwarded twice
        attachment.accepted = end
        if attachment.asked is not None:
            attachment.held.append((kind, end, data))
        else:
            self._take(attachment, kind, end, data)

    def _take(self, attachment: Attachment, kind: str, end: int, data: bytes) -> None:
        if kind == "gone":
            self._gone(attachment.connection, data.decode())
            return
        self._acks[attachment.connection] = attachment.taken = end
        attachment.heard_at = self._desk.mono
        attachment.pinged = False
        peer = attachment.peer
        if kind == "line":
            if attachment.part:
                data, attachment.part = attachment.part + data, b""
            line = data[:-1] if data.endswith(b"\r") else data  # CR LF, or LF alone
            self._run(attachment, _dialect(peer).handle(self._desk, peer, line))
        elif kind == "part":
            attachment.part += data
        elif kind == "overlong":
            attachment.part = b""
            self._send(attachment, [_dialect(peer).overlong(self._desk, peer)])

    def _gone(self, connection: int, reason: str) -> None:
        attachment = self._attached.get(connection)
        if attachment is None:
            return
        if attachment.asked is not None:  # lines that came before the end still wait
            attachment.held.append(("gone", attachment.accepted, reason.encode()))
        else:
            self._close(Goodbye(attachment.peer.session, reason))

    def _silent(self, connection: int) -> None:
        attachment = self._attached.get(connection)
        if attachment is not None and attachment.pinged:  # else a line overtook the question
            seconds = (self._desk.mono - attachment.heard_at) // 1000
            self._gone(connection, f"Ping timeout: {seconds} seconds")

    def _answer(self, connection: int, right: bool) -> None:
        attachment = self._attached.get(connection)
        if attachment is None or attachment.asked is None:
            return
        question, attachment.asked = attachment.asked, None
        peer = attachment.peer
        self._run(attachment, _dialect(peer).answered(self._desk, peer, question.kind, right))
        while attachment.held and attachment.asked is None and connection in self._attached:
            self._take(attachment, *attachment.held.pop(0))

    def _stop(self, reason: str) -> None:
        """Everybody is told, nobody is told about the others."""
        for attachment in list(self._attached.values()):
            self._hang_up(attachment, reason)
        for worker in range(self._workers):
            self._items.append((worker, ("end",)))
        self._stopped = True

    # Deadlines

    def _wait(self, attachment: Attachment, seconds: int, since: int | None = None) -> None:
        start = self._desk.mono if since is None else since
        heappush(self._deadlines, (start + seconds * 1000, attachment.connection))

    def _due(self, attachment: Attachment) -> None:
        peer, words = attachment.peer, self._desk.wording
        if peer.registration is not None:
            self._gone(attachment.connection, "Registration timed out")
        elif peer.is_plain:
            return  # nc answers no question; TCP itself looks after these
        elif self._desk.mono - attachment.heard_at < words.ping_seconds * 1000:
            self._wait(attachment, words.ping_seconds, attachment.heard_at)
        else:
            if attachment.pinged:
                self._items.append((attachment.worker, ("probe", attachment.connection)))
            else:
                attachment.pinged = True
                self._send(attachment, [irc.probe(self._desk, peer)])
            self._wait(attachment, words.ping_grace_seconds)

    # Outcomes

    def _run(self, attachment: Attachment, outcomes: Iterable[Outcome]) -> None:
        """Let a dialect answer, and do what it yields in the order in which it yields it."""
        try:
            self._follow(attachment, outcomes)
        except Refusal as refusal:
            peer = attachment.peer
            self._send(attachment, [_dialect(peer).refuse(self._desk, peer, refusal)])
        if attachment.peer.capabilities != attachment.capabilities:
            self._regroup(attachment)

    def _follow(self, attachment: Attachment, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, bytes):
                self._send(attachment, [outcome])
            elif isinstance(outcome, Question):
                attachment.asked = outcome
                self._items.append(
                    (BROKER, ("ask", attachment.connection, attachment.taken, outcome.kind, outcome.name))
                )
            elif isinstance(outcome, Goodbye):
                self._close(outcome)
            else:
                self._publish(outcome)

    def _close(self, goodbye: Goodbye) -> None:
        attachment = self._attached[goodbye.session.id]
        self._publish(self._desk.hub.leave(goodbye.session, goodbye.reason, self._desk.seconds))
        self._hang_up(attachment, goodbye.reason)

    def _hang_up(self, attachment: Attachment, reason: str) -> None:
        self._send(attachment, [_dialect(attachment.peer).farewell(attachment.peer, reason)])
        self._items.append((attachment.worker, ("close", attachment.connection)))
        del self._attached[attachment.connection]
        del self._desk.peers[attachment.connection]

    # Events

    def _publish(self, event: Event) -> None:
        """Deliver an event to its audience: each wire profile's bytes are made once."""
        match event:
            case Said():
                self._publish_said(event)
            case Joined():
                self._join(self._attached[event.by.id], event.channel)
                self._cast([event.channel], event)
            case Parted():
                self._cast([event.channel], event)
                self._leave(self._attached[event.by.id], event.channel)
            case Kicked():
                whom = self._attached[event.whom.id]
                self._cast([event.channel], event)
                self._leave(whom, event.channel)
                if whom.peer.is_plain:
                    self._run(whom, plain.kicked(self._desk, whom.peer))
            case Renamed():
                if event.channels:
                    self._cast(event.channels, event)
                else:
                    self._tell(event.by, event, {})
            case Left():
                self._cast(event.channels, event, event.by)
                for channel in event.channels:
                    self._leave(self._attached[event.by.id], channel)
            case Invited():
                self._tell(event.whom, event, {})
            case Wallops():
                rendered: dict[int, bytes] = {}
                for session in [who for who in self._desk.hub.people() if who.wallops]:
                    self._tell(session, event, rendered)
            case _:
                self._cast([event.channel], event)

    def _publish_said(self, event: Said) -> None:
        """The sender is not in its own message's delivery: who asked for an echo gets it as an item of its own."""
        rendered: dict[int, bytes] = {}
        if isinstance(event.to, Session):
            self._tell(event.to, event, rendered)
        else:
            self._cast_one(event.to, event, event.by.id, rendered)
        if self._attached[event.by.id].capabilities & ECHO_MESSAGE:
            self._tell(event.by, event, rendered)

    def _cast(self, channels: list[Channel], event: Event, but: Session | None = None) -> None:
        """To everybody on any of these channels once: one item for each worker and wire profile."""
        except_id = but.id if but is not None else 0
        rendered: dict[int, bytes] = {}
        if len(channels) == 1:
            self._cast_one(channels[0], event, except_id, rendered)
            return
        ports: dict[tuple[int, int], tuple[int, ...]] = {}
        for channel in channels:
            for port, (group, _) in self._groups.get(channel, {}).items():
                ports[port] = (*ports.get(port, ()), group)
        for (worker, profile), groups in ports.items():
            self._items.append((worker, ("cast", groups, self._once(event, profile, rendered), except_id)))

    def _cast_one(self, channel: Channel, event: Event, except_id: int, rendered: dict[int, bytes]) -> None:
        ports = self._groups.get(channel)
        if ports is not None:  # a room may be empty: the lobby, or one that its last member is leaving
            for (worker, profile), (group, _) in ports.items():
                self._items.append((worker, ("cast", (group,), self._once(event, profile, rendered), except_id)))

    def _tell(self, session: Session, event: Event, rendered: dict[int, bytes]) -> None:
        attachment = self._attached[session.id]
        data = self._once(event, attachment.profile, rendered)
        self._items.append((attachment.worker, ("send", attachment.connection, data)))

    def _once(self, event: Event, profile: int, rendered: dict[int, bytes]) -> bytes:
        """An event's bytes for a wire profile: made for the first who wants them, and kept for the others."""
        data = rendered.get(profile)
        if data is None:
            data = rendered[profile] = self._render(event, profile)
        return data

    def _render(self, event: Event, profile: int) -> bytes:
        if profile == PLAIN:
            return b"".join(plain.render(event, self._desk.wall, self._desk.utc_offset))
        return self._tagged(irc.render(event), profile)

    def _send(self, attachment: Attachment, lines: list[bytes]) -> None:
        data = self._tagged(lines, attachment.profile)
        self._items.append((attachment.worker, ("send", attachment.connection, data)))

    def _tagged(self, lines: list[bytes], profile: int) -> bytes:
        if profile > 0 and profile & SERVER_TIME:
            tag = time_tag(self._desk.wall)
            lines = [tag + line for line in lines]
        return lines[0] if len(lines) == 1 else b"".join(lines)

    # Groups: a channel's members on one worker who want the same bytes

    def _join(self, attachment: Attachment, channel: Channel) -> None:
        ports = self._groups.setdefault(channel, {})
        port = ports.get((attachment.worker, attachment.profile))
        if port is None:
            self._last_group += 1
            port = ports[attachment.worker, attachment.profile] = [self._last_group, 0]
        port[1] += 1
        self._items.append((attachment.worker, ("join", port[0], attachment.connection)))

    def _leave(self, attachment: Attachment, channel: Channel) -> None:
        ports = self._groups[channel]
        port = ports[attachment.worker, attachment.profile]
        port[1] -= 1
        self._items.append((attachment.worker, ("leave", port[0], attachment.connection)))
        if not port[1]:
            del ports[attachment.worker, attachment.profile]
            if not ports:
                del self._groups[channel]

    def _regroup(self, attachment: Attachment) -> None:
        """CAP REQ changed what the connection wants: it moves between groups, in the stream like everything else."""
        attachment.capabilities = attachment.peer.capabilities
        if attachment.peer.profile == attachment.profile:
            return
        channels = list(attachment.peer.session.channels.values())
        for channel in channels:
            self._leave(attachment, channel)
        attachment.profile = attachment.peer.profile
        for channel in channels:
            self._join(attachment, channel)


def _dialect(peer: Peer) -> Any:
    return plain if peer.is_plain else irc
