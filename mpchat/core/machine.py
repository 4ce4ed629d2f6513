"""The broker's mind, a deterministic state machine: apply(record) -> items. The same records give the same items.

A record is what happened, as a tuple; an item is what a worker must do about it. All the core knows of time is what
records told it. It puts the chat's events into each dialect's words, once for every wire profile, and says which
group of connections gets them. It has never heard of sockets, queues or processes.

    record                                              from
    ("start", chat, workers, utc_offset, wall, mono[, said])  broker  the first of a run; chat as settings.pack()
                                                                gives it; messages get numbers above `said`
    ("clock", wall, mono, utc_offset)                   broker  before each batch: ms, and minutes; due deadlines fire
                                                                here (an old journal has none with an offset)
    ("open", worker, connection, dialect, host)         worker  a connection was handed to this worker
    ("line", connection, end, bytes)                    worker  a line, or what follows its parts, without the LF;
                                                                end: its end as an offset in the input stream
    ("part", connection, end, bytes)                    worker  the beginning of a line, or more of it
    ("overlong", connection, end, is_over)              worker  a line was longer than anybody can take; is_over: its
                                                                end has come
    ("rest", connection, end, is_over)                  worker  more of the same line
    ("gone", connection, reason)                        worker  the client left, or does not read
    ("silent", connection)                              worker  answers "probe": nothing of it lies unread
    ("answer", connection, answer)                      broker  answers "ask"; to a password: was it right? about the
                                                                past: rows, the oldest first, or None for no answer
    ("again", connection)                               broker  the answer to "ask" died with a broker: the line that
                                                                asked, and those after it, will be forwarded again
    ("drained", connection, number)                     worker  answers "drain": the client's kernel has taken it all
    ("skip", place, connection)                         broker  a record of this connection cannot be dealt with, and
                                                                is left out; where it stood is the broker's affair
    ("full", connections)                               broker  the disk is: what these have sent waits unaccepted
    ("stop", reason)                                    broker  the server ends

    item                                                to
    ("open", connection)                                worker  it has a session: everything of it follows this
    ("send", connection, bytes)                         worker  append to this connection's output
    ("cast", groups, bytes, except)                     worker  the same for each member of these groups, but one
    ("join", group, connection)  ("leave", …)           worker  group membership
    ("ack", connection, end)                            worker  take the input up to `end` from the kernel
    ("probe", connection)                               worker  is anything of it unread?
    ("drain", connection, number)                       worker  say when all that was sent to it before this is out;
                                                                the last number counts
    ("close", connection)                               worker  flush and close
    ("end",)                                            worker  the last item of all
    ("ask", connection, end, kind, about)               broker  a question to the world outside; the line that asks it
                                                                is acknowledged when it is answered

Questions are "password"; "oper", about an operator's name; and "history", about (channel casefolded, number, limit,
is_latest): of the messages behind that number the first ones, or the last. A row of its answer is what a fact is, or
(number, wall ms, "", "", "GAP", "", None) where something is missing behind that number.

A fact is a message to a channel, for whoever keeps its history: (number, wall ms, channel casefolded, nick!user@host,
"PRIVMSG" or "NOTICE", text, utc_offset). Private messages are no facts. Facts and rows of an old journal end in text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from typing import Any

from mpchat.chat.channels import Channel
from mpchat.chat.events import Event, Invited, Joined, Kicked, Left, Parted, Renamed, Said, TagsSent, Wallops
from mpchat.chat.hub import Hub
from mpchat.chat.refusals import Refusal
from mpchat.chat.sessions import Session
from mpchat.chat.state import hub_of, hub_values
from mpchat.core import encoding
from mpchat.core.state import dump_connection, load_connection
from mpchat.core.upgrading import UPGRADES, dialect_name, upgraded
from mpchat.messages import UnknownMessage
from mpchat.protocol.capabilities import ECHO_MESSAGE
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.dialect import DIALECTS, OF_PROFILE
from mpchat.protocol.length_limit import VERBS
from mpchat.protocol.outcomes import DRAIN, Goodbye, Outcome, Question, Regroup
from mpchat.settings import ChatSettings, pack, unpack

Record = tuple[Any, ...]
Item = tuple[Any, ...]
Fact = tuple[int, int, str, str, str, str, int]

BROKER = -1  # stands where a worker's number would: the item is for the broker itself
STATE_VERSION = 5  # to be raised whenever dump() holds anything else, with an upgrade in core/upgrading.py
_FULL = "The server's disk is full: what you send waits, and is dealt with when there is room"
_ANSWER_SECONDS = 1  # how long a deadline is put off that falls due while the server itself owes an answer
_CLOSED = "Connection closed"  # why somebody is gone who has ended their input, and may still read (RFC 9293 3.6)
_LATE_MS = 1000  # the server itself has stood still (a full disk, Ctrl-Z): what came meanwhile is about to be heard


class Core:
    """All that the chat is, from one run of the server to the next."""

    def __init__(self) -> None:
        self._context = Context(Hub(ChatSettings(), 0), ChatSettings(), 0, 0)  # until the first "start"
        self._workers = 0
        self._stopped = False
        self._connections: dict[int, Connection] = {}
        self._groups: dict[Channel, dict[tuple[int, int], list[int]]] = {}  # (worker, profile): [group, members]
        self._last_group = 0
        self._deadlines: list[tuple[int, int]] = []  # heap of (mono ms, connection)
        self._acks: dict[int, int] = {}
        self._facts: list[Fact] = []
        self._items: list[tuple[int, Item]] = []
        self._apply: dict[str, Callable[..., None]] = {
            "start": self._start,
            "clock": self._clock,
            "open": self._open,
            **{kind: partial(self._input, kind) for kind in ("line", "part", "overlong", "rest")},
            "gone": self._gone,
            "silent": self._silent,
            "answer": self._answer,
            "again": self._again,
            "drained": self._drained,
            "skip": self._skip,
            "full": self._full,
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
        """To be called after each batch: one acknowledgement for each connection whose input it dealt with."""
        items = [
            (self._connections[id].worker, ("ack", id, end))
            for id, end in self._acks.items()
            if id in self._connections
        ]
        self._acks.clear()
        return items

    def facts(self) -> list[Fact]:
        """To be called after each batch too: what was said in it, on channels."""
        facts, self._facts = self._facts, []
        return facts

    def inputs(self, worker: int) -> list[tuple[int, int, int, bool]]:
        """How far the input of this worker's connections has been accepted: where a worker must go on.

        Each is connection, offset, how many bytes up to there begin a line that has not ended, and whether that line
        was too long and what is still to come of it is discarded.
        """
        return [
            (connection.id, connection.accepted, connection.begun, connection.discarding)
            for connection in self._connections.values()
            if connection.worker == worker
        ]

    def drains(self, worker: int) -> list[tuple[int, int]]:
        """This worker's connections of which it must say when their output is out, each with the question's number."""
        return [
            (connection.id, connection.drains)
            for connection in self._connections.values()
            if connection.worker == worker and connection.waits_for_client
        ]

    def parts(self) -> list[tuple[int, str, int, bytes]]:
        """Each connection, its dialect, how far its input has been taken, and the beginning of a line that ends there.

        For a new broker, which tells whoever withholds secrets.
        """
        parts = []
        for connection in self._connections.values():
            taken, part = connection.taken, connection.part
            if connection.asked is not None:
                taken, _, part = connection.before  # the line that asked will come again
            parts.append((connection.id, connection.dialect.name, taken, part))
        return parts

    def dealt_with(self, id: int) -> int:
        """Up to where its input has been dealt with, and every question in it answered; 0 for one that is not here."""
        connection = self._connections.get(id)
        if connection is None:
            return 0
        return connection.taken if connection.asked is None else connection.before[0]

    def questions(self) -> list[int]:
        """The connections with an open question. If the broker has died, nobody is looking for the answers.

        What is held behind it may lack its secrets: it is forwarded again, even where the client still has to answer.
        """
        return [connection.id for connection in self._connections.values() if connection.asked is not None]

    def dump(self) -> bytes:
        """The whole state: whoever loads it, and applies the records that come later, gets the same items."""
        context = self._context
        values = (
            (context.started, context.utc_offset, context.wall, context.mono),
            pack(context.settings),
            hub_values(context.hub),
            [dump_connection(connection) for connection in self._connections.values()],
            {channel.folded: ports for channel, ports in self._groups.items()},
            (self._workers, self._stopped, self._last_group, self._deadlines, self._acks, self._facts),
        )
        return encoding.to_bytes(STATE_VERSION, values)

    @classmethod
    def load(cls, data: bytes) -> Core:
        """The core that dump() was asked of, perhaps in an older program. Raises ValueError if that is another's."""
        core = cls()
        version, values = encoding.from_bytes((STATE_VERSION, *UPGRADES), data)
        times, packed, hub, connections, groups, rest = upgraded(version, values)
        settings = unpack(packed)
        core._context = Context(hub_of(settings, hub), settings, *times)
        loaded = [load_connection(core._context.hub.sessions, values) for values in connections]
        core._connections = {connection.id: connection for connection in loaded}
        core._groups = {core._context.hub.channels[name]: ports for name, ports in groups.items()}
        core._workers, core._stopped, core._last_group, core._deadlines, core._acks, core._facts = rest
        return core

    @property
    def next_deadline(self) -> int | None:
        """Monotonic ms at which a clock record is due, if none comes before."""
        return self._deadlines[0][0] if self._deadlines and not self._stopped else None

    # Records

    def _start(self, packed: Any, workers: int, utc_offset: int, wall: int, mono: int, said: int = 0) -> None:
        """Whoever was here is not any more, and there is no worker left to be told."""
        settings, former = unpack(packed), self._context
        hub = Hub(settings, wall // 1000)
        # Between two runs there is but the wall clock. If it has been set back meanwhile, no time has passed.
        shift = mono - former.mono - max(0, wall - former.wall)
        hub.inherit(former.hub, former.seconds, shift, mono)
        hub.born = hub.born or wall
        hub.said = max(hub.said, said)  # the history may have messages of which a power cut has taken the records
        self._context = Context(hub, settings, wall // 1000, utc_offset, wall, mono)
        self._connections, self._groups, self._deadlines, self._acks = {}, {}, [], {}
        self._last_group = 0
        self._workers, self._stopped = workers, False

    def _clock(self, wall: int, mono: int, utc_offset: int | None = None) -> None:
        context = self._context
        context.wall, context.mono = wall, max(mono, context.mono)
        if utc_offset is not None:
            context.utc_offset = utc_offset
        while self._deadlines and self._deadlines[0][0] <= context.mono:
            due, id = heappop(self._deadlines)
            connection = self._connections.get(id)
            if connection is not None and context.mono - due > _LATE_MS:
                self._wait(connection, _ANSWER_SECONDS)
            elif connection is not None:
                self._due(connection)
        context.hub.expire(context.mono)

    def _open(self, worker: int, id: int, dialect: str | bool, host: str) -> None:
        """Raises UnknownMessage if this program does not know the dialect."""
        if id in self._connections:
            return  # announced twice
        name, context = dialect_name(dialect), self._context
        if name not in DIALECTS:
            raise UnknownMessage(("open", worker, id, dialect, host))
        connection = Connection(context.hub.connect(id, host), DIALECTS[name], worker, context.mono)
        self._connections[id] = connection
        self._items.append((worker, ("open", id)))
        self._wait(connection, context.settings.registration_seconds)
        self._run(connection, connection.dialect.greet(context, connection))

    def _input(self, kind: str, id: int, end: int, what: Any) -> None:
        """Accept input once: a repeat is known by its offset. While a question is open it waits.

        `what` is the bytes of a line, or of a part of one; of a line too long, whether its end has come.
        """
        connection = self._connections.get(id)
        if connection is None or end <= connection.accepted:
            return  # closed meanwhile, or forwarded twice
        line_start = connection.line_start
        connection.accepted = end
        if kind != "part":
            connection.line_start = end
            connection.discarding = what is False
        if connection.asked is None:
            self._take(connection, kind, end, what, line_start)
        else:
            connection.heard_at, connection.pinged = self._context.mono, False  # a slow reader is not silent
            connection.held.append((kind, end, what, line_start))

    def _take(self, connection: Connection, kind: str, end: int, what: Any, line_start: int) -> None:
        taken, part = connection.taken, connection.part
        connection.taken = end
        connection.heard_at = self._context.mono
        connection.pinged = False
        if kind == "line":
            if part:
                what, connection.part = part + what, b""
            line = what[:-1] if what.endswith(b"\r") else what  # CR LF, or LF alone
            if connection.dialect.is_unfinished(what):
                connection.part = what + b"\n"
            else:
                self._run(connection, connection.dialect.handle(self._context, connection, line))
            if connection.asked is not None and connection.asked.kind != DRAIN:  # it is acknowledged with its answer
                connection.before = taken, line_start, part
                return
        elif kind == "part":
            connection.part = part + what
        elif kind == "overlong":
            connection.part = b""
            self._send(connection, [connection.dialect.too_long(self._context, connection)])
        self._acks[connection.id] = end

    def _gone(self, id: int, reason: str) -> None:
        connection = self._connections.get(id)
        if connection is None:
            return
        if connection.waits_for_client:  # nobody waits for one who leaves: who ends in order gets all at once
            connection.leaving = reason
            self._go_on(connection)
        if connection.asked is not None:  # lines that came before the end still wait
            connection.held.append(("gone", connection.accepted, reason, connection.line_start))
        elif id in self._connections:
            self._quit(connection, reason, reason)

    def _silent(self, id: int) -> None:
        connection = self._connections.get(id)
        if connection is not None and connection.pinged:  # else a line overtook the question
            seconds = (self._context.mono - connection.heard_at) // 1000
            self._gone(id, f"Ping timeout: {seconds} seconds")

    def _answer(self, id: int, answer: Any) -> None:
        connection = self._connections.get(id)
        if connection is None or connection.asked is None or connection.asked.kind == DRAIN:
            return
        question, connection.asked = connection.asked, None
        self._run(connection, connection.dialect.answered(self._context, connection, question, answer))
        self._acks[id] = connection.taken
        self._take_held(connection)

    def _take_held(self, connection: Connection) -> None:
        """What has waited for an answer, up to the next question."""
        while connection.held and connection.asked is None and connection.id in self._connections:
            kind, *held = connection.held.pop(0)
            if kind == "gone":
                self._gone(connection.id, held[1])
            else:
                self._take(connection, kind, *held)
        if connection.waits_for_client and (gone := [each for each in connection.held if each[0] == "gone"]):
            connection.held.remove(gone[0])  # nobody waits for one who leaves
            self._gone(connection.id, gone[0][2])

    def _drained(self, id: int, number: int) -> None:
        connection = self._connections.get(id)
        if connection is not None and connection.waits_for_client and connection.drains == number:
            self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        """The client has taken what it was told, or has left: now the rest of the answer, and what came behind it."""
        assert connection.asked is not None
        cursor, connection.asked, connection.given = connection.asked.about, None, 0
        if cursor and connection.leaving in ("", _CLOSED):
            self._run(connection, connection.dialect.go_on(self._context, connection, *cursor))
        self._take_held(connection)

    def _again(self, id: int) -> None:
        connection = self._connections.get(id)
        if connection is not None and connection.asked is not None:
            connection.ask_again()

    def _skip(self, place: int, id: int) -> None:
        connection = self._connections.get(id)
        if connection is not None:
            self._quit(
                connection, "Server error", "The server failed at something you sent, and has left it out. Sorry"
            )

    def _full(self, connections: tuple[int, ...]) -> None:
        for id in connections:
            connection = self._connections.get(id)
            if connection is not None:
                self._send(connection, [connection.dialect.notice(self._context, connection, _FULL)])

    def _stop(self, reason: str) -> None:
        """Everybody is told, nobody is told about the others."""
        for connection in list(self._connections.values()):
            self._hang_up(connection, reason)
        for worker in range(self._workers):
            self._items.append((worker, ("end",)))
        self._stopped = True

    # Deadlines

    def _wait(self, connection: Connection, seconds: int, since: int | None = None) -> None:
        start = self._context.mono if since is None else since
        heappush(self._deadlines, (start + seconds * 1000, connection.id))

    def _due(self, connection: Connection) -> None:
        settings = self._context.settings
        if connection.registration is not None:
            if connection.asked is not None and connection.asked.kind != DRAIN:
                self._wait(connection, _ANSWER_SECONDS)
            else:
                self._gone(connection.id, "Registration timed out")
        elif connection.dialect.probe is None:
            return  # TCP itself looks after these
        elif self._context.mono - connection.heard_at < settings.ping_seconds * 1000:
            self._wait(connection, settings.ping_seconds, connection.heard_at)
        else:
            if connection.pinged:
                self._items.append((connection.worker, ("probe", connection.id)))
            else:
                connection.pinged = True
                self._send(connection, [connection.dialect.probe(self._context, connection)])
            self._wait(connection, settings.ping_grace_seconds)

    # Outcomes

    def _run(self, connection: Connection, outcomes: Iterable[Outcome], whole: bool = False) -> None:
        """Let a dialect answer, and do what it yields in the order in which it yields it.

        A long answer waits now and then until the client has taken what there is of it, unless it must be `whole`: who
        asks for much does not lag behind.
        """
        long, given, most = False, connection.given, self._context.settings.answer_bytes
        lines: list[bytes] = []  # that follow one another: they are one item
        try:
            for outcome in outcomes:
                if isinstance(outcome, bytes):
                    lines.append(outcome)
                    given += len(outcome)
                    if given >= most:
                        long = not whole and connection.leaving != _CLOSED
                    continue
                if lines:
                    self._send(connection, lines)
                    lines = []
                if isinstance(outcome, Question):
                    if outcome.kind == DRAIN:
                        if long and connection.asked is None:
                            self._drain(connection, outcome)
                            break
                        continue
                    connection.asked = outcome
                    question = ("ask", connection.id, connection.taken, outcome.kind, outcome.about)
                    self._items.append((BROKER, question))
                elif isinstance(outcome, Goodbye):
                    self._quit(self._connections[outcome.session.id], outcome.reason, outcome.reason)
                elif isinstance(outcome, Regroup):
                    self._regroup(connection)
                else:
                    self._publish(outcome)
        except Refusal as refusal:
            lines.append(connection.dialect.refuse(self._context, connection, refusal))
        if lines:
            self._send(connection, lines)
        connection.given = given
        if long and connection.asked is None:
            self._drain(connection, Question(DRAIN))

    def _drain(self, connection: Connection, question: Question) -> None:
        """The client must take what it was told; only then the rest of the answer follows, if `question` has one."""
        if connection.leaving or connection.id not in self._connections:
            return
        connection.asked = question
        connection.before = connection.taken, connection.taken, b""
        connection.drains += 1
        self._items.append((connection.worker, (DRAIN, connection.id, connection.drains)))

    def _quit(self, connection: Connection, reason: str, farewell: str) -> None:
        """Others are told the reason, the one who leaves the farewell."""
        self._publish(self._context.hub.leave(connection.session, reason, self._context.seconds))
        self._hang_up(connection, farewell)

    def _hang_up(self, connection: Connection, reason: str) -> None:
        self._send(connection, [connection.dialect.farewell(connection, reason)])
        self._items.append((connection.worker, ("close", connection.id)))
        del self._connections[connection.id]

    # Events

    def _publish(self, event: Event | TagsSent) -> None:
        """Deliver an event to its audience: each wire profile's bytes are made once."""
        match event:
            case Said():
                self._publish_said(event)
            case TagsSent():
                self._publish_tags(event)
            case Joined():
                self._join(self._connections[event.by.id], event.channel)
                self._cast([event.channel], event)
            case Parted():
                self._cast([event.channel], event)
                self._leave(self._connections[event.by.id], event.channel)
            case Kicked():
                whom = self._connections[event.whom.id]
                self._cast([event.channel], event)
                self._leave(whom, event.channel)
                self._run(whom, whom.dialect.removed(self._context, whom), whole=True)  # perhaps amid a line of theirs
            case Renamed():
                if event.channels:
                    self._cast(event.channels, event)
                else:
                    self._tell(event.by, event, {})
            case Left():
                self._cast(event.channels, event, event.by)
                for channel in event.channels:
                    self._leave(self._connections[event.by.id], channel)
            case Invited():
                self._tell(event.whom, event, {})
            case Wallops():
                rendered: dict[int, bytes] = {}
                for session in [who for who in self._context.hub.people() if who.wallops]:
                    self._tell(session, event, rendered)
            case _:
                self._cast([event.channel], event)

    def _publish_said(self, event: Said) -> None:
        """The sender is not in its own message's delivery: who asked for an echo gets it as an item of its own."""
        rendered: dict[int, bytes] = {}
        if isinstance(event.to, Session):
            self._tell(event.to, event, rendered)
        else:
            channel, sender = event.to, event.by
            context, verb = self._context, VERBS[event.notice]
            self._facts.append(
                (event.number, context.wall, channel.folded, sender.prefix, verb, event.text, context.utc_offset)
            )
            self._cast_one(channel, event, sender.id, rendered)
        if self._connections[event.by.id].capabilities & ECHO_MESSAGE:
            if event.id:  # which nobody else gets
                event, rendered = replace(event, tags=f"{event.tags};{event.id}".lstrip(";")), {}
            self._tell(event.by, event, rendered)

    def _publish_tags(self, event: TagsSent) -> None:
        """To whoever would hear a message, if their client knows tags."""
        rendered: dict[int, bytes] = {}
        told = [event.by] if self._connections[event.by.id].capabilities & ECHO_MESSAGE else []
        if isinstance(event.to, Session):
            told.insert(0, event.to)
        else:
            for (worker, profile), (group, _) in self._groups.get(event.to, {}).items():
                if data := self._once(event, profile, rendered):
                    self._items.append((worker, ("cast", (group,), data, event.by.id)))
        for session in told:
            to = self._connections[session.id]
            if data := self._once(event, to.profile, rendered):
                self._items.append((to.worker, ("send", to.id, data)))

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
        connection = self._connections[session.id]
        data = self._once(event, connection.profile, rendered)
        self._items.append((connection.worker, ("send", connection.id, data)))

    def _once(self, event: Event | TagsSent, profile: int, rendered: dict[int, bytes]) -> bytes:
        """An event's bytes for a wire profile: made for the first who wants them, and kept for the others."""
        data = rendered.get(profile)
        if data is None:
            data = rendered[profile] = OF_PROFILE[profile].render(self._context, event, profile)
        return data

    def _send(self, connection: Connection, lines: list[bytes]) -> None:
        data = connection.dialect.stamp(self._context, connection.profile, lines)
        self._items.append((connection.worker, ("send", connection.id, data)))

    # Groups: a channel's members on one worker who want the same bytes

    def _join(self, connection: Connection, channel: Channel) -> None:
        ports = self._groups.setdefault(channel, {})
        port = ports.get((connection.worker, connection.profile))
        if port is None:
            self._last_group += 1
            port = ports[connection.worker, connection.profile] = [self._last_group, 0]
        port[1] += 1
        self._items.append((connection.worker, ("join", port[0], connection.id)))

    def _leave(self, connection: Connection, channel: Channel) -> None:
        ports = self._groups[channel]
        port = ports[connection.worker, connection.profile]
        port[1] -= 1
        self._items.append((connection.worker, ("leave", port[0], connection.id)))
        if not port[1]:
            del ports[connection.worker, connection.profile]
            if not ports:
                del self._groups[channel]

    def _regroup(self, connection: Connection) -> None:
        """CAP REQ changed what the connection wants: it moves between groups, in the stream like everything else."""
        profile = connection.dialect.profile(connection.capabilities)
        if profile == connection.profile:
            return
        channels = list(connection.session.channels.values())
        for channel in channels:
            self._leave(connection, channel)
        connection.profile = profile
        for channel in channels:
            self._join(connection, channel)


def connection_of(record: Record) -> int:
    """Whose record it is, 0: nobody's."""
    return (
        0 if record[0] in ("clock", "start", "stop", "full") else int(record[2] if record[0] == "open" else record[1])
    )
