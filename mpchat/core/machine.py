"""The broker's mind, a deterministic state machine: apply(record) -> items. The same records give the same items.

A record is what happened, as a tuple; an item is what a worker must do about it. All the core knows of time is what
records told it. It puts the chat's events into each dialect's words, once for every wire profile, and says which
group of connections gets them. It has never heard of sockets, queues or processes.

    record                                              from
    ("start", wording, workers, utc_offset, wall, mono[, said]) broker  the first of a run; wording as settings.pack()
                                                                gives it; messages get numbers above `said`
    ("clock", wall, mono, utc_offset)                   broker  before each batch: ms, and minutes; due deadlines fire
                                                                here (an old journal has none with an offset)
    ("open", worker, connection, is_plain, host)        worker  a connection was handed to this worker
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
from mpchat.core.connections import Attachment, attachment_of, attachment_values
from mpchat.core.upgrading import UPGRADES, upgraded
from mpchat.protocol import irc, plain
from mpchat.protocol.capabilities import ECHO_MESSAGE, MESSAGE_TAGS, PLAIN, SERVER_TIME, knows_tags
from mpchat.protocol.clock import time_tag
from mpchat.protocol.context import DRAIN, Context, Goodbye, Outcome, Peer, Question
from mpchat.protocol.length_limit import VERBS
from mpchat.protocol.tags import before_message
from mpchat.protocol.telnet import IAC, goes_on
from mpchat.settings import ChatSettings, pack, unpack

Record = tuple[Any, ...]
Item = tuple[Any, ...]
Fact = tuple[int, int, str, str, str, str, int]

BROKER = -1  # stands where a worker's number would: the item is for the broker itself
STATE_VERSION = 4  # to be raised whenever dump() holds anything else, with an upgrade in core/upgrading.py
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
        self._attached: dict[int, Attachment] = {}
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
            (self._attached[connection].worker, ("ack", connection, end))
            for connection, end in self._acks.items()
            if connection in self._attached
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
            (attachment.connection, attachment.accepted, attachment.begun, attachment.discarding)
            for attachment in self._attached.values()
            if attachment.worker == worker
        ]

    def drains(self, worker: int) -> list[tuple[int, int]]:
        """This worker's connections of which it must say when their output is out, each with the question's number."""
        return [
            (attachment.connection, attachment.drains)
            for attachment in self._attached.values()
            if attachment.worker == worker and attachment.waits_for_client
        ]

    def parts(self) -> list[tuple[int, bool, int, bytes]]:
        """Each connection, is_plain, how far its input has been taken, and the beginning of a line that ends there.

        For a new broker, which tells whoever withholds secrets.
        """
        parts = []
        for attachment in self._attached.values():
            taken, part = attachment.taken, attachment.part
            if attachment.asked is not None:
                taken, _, part = attachment.before  # the line that asked will come again
            parts.append((attachment.connection, attachment.peer.is_plain, taken, part))
        return parts

    def dealt_with(self, connection: int) -> int:
        """Up to where its input has been dealt with, and every question in it answered; 0 for one that is not here."""
        attachment = self._attached.get(connection)
        if attachment is None:
            return 0
        return attachment.taken if attachment.asked is None else attachment.before[0]

    def questions(self) -> list[int]:
        """The connections with an open question. If the broker has died, nobody is looking for the answers.

        What is held behind it may lack its secrets: it is forwarded again, even where the client still has to answer.
        """
        return [attachment.connection for attachment in self._attached.values() if attachment.asked is not None]

    def dump(self) -> bytes:
        """The whole state: whoever loads it, and applies the records that come later, gets the same items."""
        context = self._context
        values = (
            (context.started, context.utc_offset, context.wall, context.mono),
            pack(context.wording),
            hub_values(context.hub),
            [attachment_values(attachment) for attachment in self._attached.values()],
            {channel.folded: ports for channel, ports in self._groups.items()},
            (self._workers, self._stopped, self._last_group, self._deadlines, self._acks, self._facts),
        )
        return encoding.to_bytes(STATE_VERSION, values)

    @classmethod
    def load(cls, data: bytes) -> Core:
        """The core that dump() was asked of, perhaps in an older program. Raises ValueError if that is another's."""
        core = cls()
        version, values = encoding.from_bytes((STATE_VERSION, *UPGRADES), data)
        times, wording, hub, attached, groups, rest = upgraded(version, values)
        words = unpack(wording)
        core._context = Context(hub_of(words, hub), words, *times)
        attachments = [attachment_of(core._context.hub.sessions, values) for values in attached]
        core._attached = {attachment.connection: attachment for attachment in attachments}
        core._groups = {core._context.hub.channels[name]: ports for name, ports in groups.items()}
        core._workers, core._stopped, core._last_group, core._deadlines, core._acks, core._facts = rest
        return core

    @property
    def next_deadline(self) -> int | None:
        """Monotonic ms at which a clock record is due, if none comes before."""
        return self._deadlines[0][0] if self._deadlines and not self._stopped else None

    # Records

    def _start(self, wording: Any, workers: int, utc_offset: int, wall: int, mono: int, said: int = 0) -> None:
        """Whoever was here is not any more, and there is no worker left to be told."""
        words, former = unpack(wording), self._context
        hub = Hub(words, wall // 1000)
        # Between two runs there is but the wall clock. If it has been set back meanwhile, no time has passed.
        shift = mono - former.mono - max(0, wall - former.wall)
        hub.inherit(former.hub, former.seconds, shift, mono)
        hub.born = hub.born or wall
        hub.said = max(hub.said, said)  # the history may have messages of which a power cut has taken the records
        self._context = Context(hub, words, wall // 1000, utc_offset, wall, mono)
        self._attached, self._groups, self._deadlines, self._acks = {}, {}, [], {}
        self._last_group = 0
        self._workers, self._stopped = workers, False

    def _clock(self, wall: int, mono: int, utc_offset: int | None = None) -> None:
        context = self._context
        context.wall, context.mono = wall, max(mono, context.mono)
        if utc_offset is not None:
            context.utc_offset = utc_offset
        while self._deadlines and self._deadlines[0][0] <= context.mono:
            due, connection = heappop(self._deadlines)
            attachment = self._attached.get(connection)
            if attachment is not None and context.mono - due > _LATE_MS:
                self._wait(attachment, _ANSWER_SECONDS)
            elif attachment is not None:
                self._due(attachment)
        context.hub.expire(context.mono)

    def _open(self, worker: int, connection: int, is_plain: bool, host: str) -> None:
        if connection in self._attached:
            return  # announced twice
        peer = Peer(self._context.hub.connect(connection, host), is_plain)
        attachment = self._attached[connection] = Attachment(connection, worker, peer, self._context.mono)
        self._items.append((worker, ("open", connection)))
        self._wait(attachment, self._context.wording.registration_seconds)
        self._run(attachment, _dialect(peer).greet(self._context, peer))

    def _input(self, kind: str, connection: int, end: int, what: Any) -> None:
        """Accept input once: a repeat is known by its offset. While a question is open it waits.

        `what` is the bytes of a line, or of a part of one; of a line too long, whether its end has come.
        """
        attachment = self._attached.get(connection)
        if attachment is None or end <= attachment.accepted:
            return  # closed meanwhile, or forwarded twice
        line_start = attachment.line_start
        attachment.accepted = end
        if kind != "part":
            attachment.line_start = end
            attachment.discarding = what is False
        if attachment.asked is None:
            self._take(attachment, kind, end, what, line_start)
        else:
            attachment.heard_at, attachment.pinged = self._context.mono, False  # a slow reader is not silent
            attachment.held.append((kind, end, what, line_start))

    def _take(self, attachment: Attachment, kind: str, end: int, what: Any, line_start: int) -> None:
        taken, part = attachment.taken, attachment.part
        attachment.taken = end
        attachment.heard_at = self._context.mono
        attachment.pinged = False
        peer = attachment.peer
        if kind == "line":
            if part:
                what, attachment.part = part + what, b""
            line = what[:-1] if what.endswith(b"\r") else what  # CR LF, or LF alone
            if not peer.is_plain:
                self._run(attachment, irc.handle(self._context, peer, line))
            elif IAC in what and goes_on(what):
                attachment.part = what + b"\n"  # a byte of a telnet command
            else:
                self._run(attachment, plain.handle(self._context, peer, line))
            if attachment.asked is not None and attachment.asked.kind != DRAIN:  # it is acknowledged with its answer
                attachment.before = taken, line_start, part
                return
        elif kind == "part":
            attachment.part = part + what
        elif kind == "overlong":
            attachment.part = b""
            self._send(attachment, [_dialect(peer).overlong(self._context, peer)])
        self._acks[attachment.connection] = end

    def _gone(self, connection: int, reason: str) -> None:
        attachment = self._attached.get(connection)
        if attachment is None:
            return
        if attachment.waits_for_client:  # nobody waits for one who leaves: who ends in order gets all at once
            attachment.leaving = reason
            self._go_on(attachment)
        if attachment.asked is not None:  # lines that came before the end still wait
            attachment.held.append(("gone", attachment.accepted, reason, attachment.line_start))
        elif connection in self._attached:
            self._quit(attachment, reason, reason)

    def _silent(self, connection: int) -> None:
        attachment = self._attached.get(connection)
        if attachment is not None and attachment.pinged:  # else a line overtook the question
            seconds = (self._context.mono - attachment.heard_at) // 1000
            self._gone(connection, f"Ping timeout: {seconds} seconds")

    def _answer(self, connection: int, answer: Any) -> None:
        attachment = self._attached.get(connection)
        if attachment is None or attachment.asked is None or attachment.asked.kind == DRAIN:
            return
        question, attachment.asked = attachment.asked, None
        peer = attachment.peer
        self._run(attachment, _dialect(peer).answered(self._context, peer, question, answer))
        self._acks[connection] = attachment.taken
        self._take_held(attachment)

    def _take_held(self, attachment: Attachment) -> None:
        """What has waited for an answer, up to the next question."""
        while attachment.held and attachment.asked is None and attachment.connection in self._attached:
            kind, *held = attachment.held.pop(0)
            if kind == "gone":
                self._gone(attachment.connection, held[1])
            else:
                self._take(attachment, kind, *held)
        if attachment.waits_for_client and (gone := [each for each in attachment.held if each[0] == "gone"]):
            attachment.held.remove(gone[0])  # nobody waits for one who leaves
            self._gone(attachment.connection, gone[0][2])

    def _drained(self, connection: int, number: int) -> None:
        attachment = self._attached.get(connection)
        if attachment is not None and attachment.waits_for_client and attachment.drains == number:
            self._go_on(attachment)

    def _go_on(self, attachment: Attachment) -> None:
        """The client has taken what it was told, or has left: now the rest of the answer, and what came behind it."""
        assert attachment.asked is not None
        cursor, attachment.asked, attachment.given = attachment.asked.about, None, 0
        if cursor and attachment.leaving in ("", _CLOSED):
            peer = attachment.peer
            self._run(attachment, _dialect(peer).go_on(self._context, peer, *cursor))
        self._take_held(attachment)

    def _again(self, connection: int) -> None:
        attachment = self._attached.get(connection)
        if attachment is not None and attachment.asked is not None:
            attachment.ask_again()

    def _skip(self, place: int, connection: int) -> None:
        attachment = self._attached.get(connection)
        if attachment is not None:
            self._quit(
                attachment, "Server error", "The server failed at something you sent, and has left it out. Sorry"
            )

    def _full(self, connections: tuple[int, ...]) -> None:
        for connection in connections:
            attachment = self._attached.get(connection)
            if attachment is not None:
                peer = attachment.peer
                self._send(attachment, [_dialect(peer).notice(self._context, peer, _FULL)])

    def _stop(self, reason: str) -> None:
        """Everybody is told, nobody is told about the others."""
        for attachment in list(self._attached.values()):
            self._hang_up(attachment, reason)
        for worker in range(self._workers):
            self._items.append((worker, ("end",)))
        self._stopped = True

    # Deadlines

    def _wait(self, attachment: Attachment, seconds: int, since: int | None = None) -> None:
        start = self._context.mono if since is None else since
        heappush(self._deadlines, (start + seconds * 1000, attachment.connection))

    def _due(self, attachment: Attachment) -> None:
        peer, words = attachment.peer, self._context.wording
        if peer.registration is not None:
            if attachment.asked is not None and attachment.asked.kind != DRAIN:
                self._wait(attachment, _ANSWER_SECONDS)
            else:
                self._gone(attachment.connection, "Registration timed out")
        elif peer.is_plain:
            return  # nc answers no question; TCP itself looks after these
        elif self._context.mono - attachment.heard_at < words.ping_seconds * 1000:
            self._wait(attachment, words.ping_seconds, attachment.heard_at)
        else:
            if attachment.pinged:
                self._items.append((attachment.worker, ("probe", attachment.connection)))
            else:
                attachment.pinged = True
                self._send(attachment, [irc.probe(self._context, peer)])
            self._wait(attachment, words.ping_grace_seconds)

    # Outcomes

    def _run(self, attachment: Attachment, outcomes: Iterable[Outcome], whole: bool = False) -> None:
        """Let a dialect answer, and do what it yields in the order in which it yields it.

        A long answer waits now and then until the client has taken what there is of it, unless it must be `whole`: who
        asks for much does not lag behind.
        """
        long, given, most = False, attachment.given, self._context.wording.answer_bytes
        lines: list[bytes] = []  # that follow one another: they are one item
        try:
            for outcome in outcomes:
                if isinstance(outcome, bytes):
                    lines.append(outcome)
                    given += len(outcome)
                    if given >= most:
                        long = not whole and attachment.leaving != _CLOSED
                    continue
                if lines:
                    self._send(attachment, lines)
                    lines = []
                if isinstance(outcome, Question):
                    if outcome.kind == DRAIN:
                        if long and attachment.asked is None:
                            self._drain(attachment, outcome)
                            break
                        continue
                    attachment.asked = outcome
                    question = ("ask", attachment.connection, attachment.taken, outcome.kind, outcome.about)
                    self._items.append((BROKER, question))
                elif isinstance(outcome, Goodbye):
                    self._quit(self._attached[outcome.session.id], outcome.reason, outcome.reason)
                else:
                    self._publish(outcome)
        except Refusal as refusal:
            peer = attachment.peer
            lines.append(_dialect(peer).refuse(self._context, peer, refusal))
        if lines:
            self._send(attachment, lines)
        attachment.given = given
        if long and attachment.asked is None:
            self._drain(attachment, Question(DRAIN))
        if attachment.peer.capabilities != attachment.capabilities:
            self._regroup(attachment)

    def _drain(self, attachment: Attachment, question: Question) -> None:
        """The client must take what it was told; only then the rest of the answer follows, if `question` has one."""
        if attachment.leaving or attachment.connection not in self._attached:
            return
        attachment.asked = question
        attachment.before = attachment.taken, attachment.taken, b""
        attachment.drains += 1
        self._items.append((attachment.worker, (DRAIN, attachment.connection, attachment.drains)))

    def _quit(self, attachment: Attachment, reason: str, farewell: str) -> None:
        """Others are told the reason, the one who leaves the farewell."""
        self._publish(self._context.hub.leave(attachment.peer.session, reason, self._context.seconds))
        self._hang_up(attachment, farewell)

    def _hang_up(self, attachment: Attachment, reason: str) -> None:
        self._send(attachment, [_dialect(attachment.peer).farewell(attachment.peer, reason)])
        self._items.append((attachment.worker, ("close", attachment.connection)))
        del self._attached[attachment.connection]

    # Events

    def _publish(self, event: Event | TagsSent) -> None:
        """Deliver an event to its audience: each wire profile's bytes are made once."""
        match event:
            case Said():
                self._publish_said(event)
            case TagsSent():
                self._publish_tags(event)
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
                    self._run(whom, plain.kicked(self._context, whom.peer), whole=True)  # perhaps amid a line of theirs
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
        if self._attached[event.by.id].capabilities & ECHO_MESSAGE:
            if event.id:  # which nobody else gets
                event, rendered = replace(event, tags=f"{event.tags};{event.id}".lstrip(";")), {}
            self._tell(event.by, event, rendered)

    def _publish_tags(self, event: TagsSent) -> None:
        """To whoever would hear a message, if their client knows tags."""
        told = [event.by] if self._attached[event.by.id].capabilities & ECHO_MESSAGE else []
        if isinstance(event.to, Session):
            told.insert(0, event.to)
        else:
            for (worker, profile), (group, _) in self._groups.get(event.to, {}).items():
                if knows_tags(profile):
                    self._items.append((worker, ("cast", (group,), self._only_tags(event, profile), event.by.id)))
        for session in told:
            to = self._attached[session.id]
            if knows_tags(to.profile):
                self._items.append((to.worker, ("send", to.connection, self._only_tags(event, to.profile))))

    def _only_tags(self, event: TagsSent, profile: int) -> bytes:
        context = self._context
        return before_message(profile, context.wall, context.hub.born, event.number, event.tags) + irc.render_tags(
            event
        )

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
            return b"".join(plain.render(event, self._context.wall, self._context.utc_offset))
        lines = irc.render(event)
        if profile & MESSAGE_TAGS and isinstance(event, Said):
            context = self._context
            return before_message(profile, context.wall, context.hub.born, event.number, event.tags) + lines[0]
        return self._tagged(lines, profile)

    def _send(self, attachment: Attachment, lines: list[bytes]) -> None:
        data = self._tagged(lines, attachment.profile)
        self._items.append((attachment.worker, ("send", attachment.connection, data)))

    def _tagged(self, lines: list[bytes], profile: int) -> bytes:
        """A line that has tags has its time among them."""
        if profile > 0 and profile & SERVER_TIME:
            tag = time_tag(self._context.wall)
            lines = [line if line.startswith(b"@") else tag + line for line in lines]
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


def connection_of(record: Record) -> int:
    """Whose record it is, 0: nobody's."""
    return (
        0 if record[0] in ("clock", "start", "stop", "full") else int(record[2] if record[0] == "open" else record[1])
    )
