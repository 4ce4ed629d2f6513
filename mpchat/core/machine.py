"""The broker's mind, a deterministic state machine: apply(block of records) -> items. Same records, same items.

A record is what happened, an item is what a worker must do about it: messages.py has both. All the core knows of time
is what records told it. It lets each connection's dialect make events of its lines, and delivers them: each is put into
bytes once for every wire profile, and goes to the groups that hear it (routing.py). It has never heard of sockets,
queues or processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

from mpchat.chat.channels import Channel
from mpchat.chat.events import ActsAsOperator, Decision, Event, Invited, Kicked, ModesSet, Said, TopicSet
from mpchat.chat.hub import Hub
from mpchat.chat.names import fold
from mpchat.chat.refusals import Refusal
from mpchat.chat.sessions import Session
from mpchat.chat.state import hub_of, hub_values
from mpchat.core import encoding
from mpchat.core.connections import accept
from mpchat.core.deadlines import Deadlines
from mpchat.core.routing import Routing
from mpchat.core.state import dump_connection, load_connection
from mpchat.core.tracing import Marked, Tracing, added, lengths
from mpchat.core.upgrading import UPGRADES, dialect_name, upgraded
from mpchat.flow.admission import home_of
from mpchat.flow.guessing import Guessing
from mpchat.flow.login_delay import LoginDelay
from mpchat.flow.quota import Quota
from mpchat.messages import (
    AccountAnswer,
    ConnectionId,
    Drain,
    Fact,
    GroupId,
    Input,
    Item,
    Ms,
    Record,
    Report,
    UnknownMessage,
    WorkerNumber,
)
from mpchat.protocol.accounts import GUESSED, OFTEN, dismiss
from mpchat.protocol.capabilities import BARE, ECHO_MESSAGE
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.dialect import DIALECTS, Dialect
from mpchat.protocol.labels import label_of
from mpchat.protocol.length_limit import VERBS, fit
from mpchat.protocol.outcomes import (
    AccountQuestion,
    Appointed,
    BanSet,
    Dismissed,
    DrainAsked,
    DropAsked,
    Goodbye,
    LoggedOut,
    LoginAsked,
    OperAsked,
    Outcome,
    PasswordAsked,
    PasswordChangeAsked,
    PastAsked,
    Question,
    RegistrationAsked,
    Regroup,
    RehashAsked,
    RemovalAsked,
    Resigned,
    SaslAsked,
    SearchAsked,
    TargetsAsked,
    Told,
    ToldOwner,
)
from mpchat.protocol.server_bans import why_banned
from mpchat.protocol.wrong_passwords import end_if_too_many
from mpchat.settings import ChatSettings, pack, unpack

STATE_VERSION = 9  # to be raised whenever dump() holds anything else, with an upgrade in core/upgrading.py
_HOUR = 3_600_000  # ms
_FULL = "The server's disk is full: what you send waits, and is dealt with when there is room"
_ANSWER_SECONDS = 1  # how long a deadline is put off that falls due while the server itself owes an answer
_CLOSED = "Connection closed"  # the reason of a client that has ended its input, and may still read (RFC 9293 3.6)
_ASKED_AT_ONCE = (
    *(PasswordAsked, RehashAsked, RegistrationAsked, LoginAsked, SaslAsked),
    *(PasswordChangeAsked, DropAsked, RemovalAsked),
    *(PastAsked, TargetsAsked, SearchAsked),
)
_PROVEN = (LoginAsked, SaslAsked, DropAsked)  # whose answer says whether a password was right
_DONE = {  # what the log says of answers
    "in": "logged in",
    "registered": "account registered",
    "changed": "password changed",
    "dropped": "account dropped",
}
_CROWDED = "Too many connections from your address have not entered yet"
_LATE_MS = 1000  # the server itself has stood still (a full disk, Ctrl-Z): what came meanwhile is about to be heard


class Asked(NamedTuple):
    """A question to the world outside. The line that asked it, which ends at `end`, is acknowledged with its answer."""

    connection: ConnectionId
    end: int
    question: Question


class Applied(NamedTuple):
    """What follows from a block."""

    items: list[list[Item]]  # by worker, in order
    asked: list[Asked]
    facts: list[Fact]  # what was said in channels
    closed: list[ConnectionId]
    has_begun: bool  # a run of the server has begun in it: these are the first items of new streams
    audit: list[Report]
    marked: list[Marked]  # what is traced of it


class Core:
    """All that the chat is, from one run of the server to the next."""

    def __init__(self) -> None:
        self._context = Context(Hub(ChatSettings(), 0), ChatSettings(), 0, 0)  # until the first "start"
        self._routing = Routing(self._context, 0)
        self._connections = self._routing.connections
        self._deadlines = Deadlines()
        self._guessing = _guessing(ChatSettings())
        self._login_delay = _login_delay(ChatSettings())
        self._registrations = Quota(0, _HOUR)  # of accounts, by household (admission.py)
        # By address (/64 for IPv6) that is not exempt: the connections that have not entered, and some that have since.
        self._entering: dict[str, set[ConnectionId]] = {}
        self._stopped = False
        self._acks: dict[ConnectionId, int] = {}
        self._asked: list[Asked] = []
        self._facts: list[Fact] = []
        self._closed: list[ConnectionId] = []
        self._has_begun = False
        self._audit: list[Report] = []
        self.tracing: Tracing | None = None  # set by the broker while somebody traces
        self._marked: list[Marked] = []

    def apply(self, block: Iterable[Record]) -> Applied:
        """Let these records happen, one after the other: whatever a block holds, it happens as a whole.

        Behind all of it stands one acknowledgement for each connection whose input was dealt with. Raises
        UnknownMessage at what is no record.
        """
        for record in block:
            if self._stopped and record[0] != "start":
                continue  # everybody has been told; what was still on its way comes too late
            match record:
                case ("line", id, end, data):
                    connection = self._connections.get(id)
                    if connection is not None and end > connection.accepted:
                        line_start = accept(connection, end, True, False, self._context.mono)
                        if connection.asked is None:
                            self._take_line(connection, end, data, line_start)
                        else:
                            connection.held.append(("line", end, data, line_start))
                case ("clock", wall, mono, *utc_offset):
                    self._clock(wall, mono, *utc_offset)
                case ("part" | "overlong" | "rest" as kind, id, end, what):
                    connection = self._connections.get(id)
                    if connection is not None and end > connection.accepted:
                        line_start = accept(connection, end, kind != "part", what is False, self._context.mono)
                        if connection.asked is None:
                            self._take_piece(connection, kind, end, what)
                        else:
                            connection.held.append((kind, end, what, line_start))
                case ("open", worker, id, dialect, host, *secure):
                    self._open(worker, id, dialect_name(dialect), host, any(secure))
                case ("gone", id, reason):
                    self._gone(id, reason)
                case ("silent", id):
                    self._silent(id)
                case ("answer", id, answer):
                    self._answer(id, answer)
                case ("drained", id, number):
                    self._drained(id, number)
                case ("again", id):
                    self._again(id)
                case ("skip", _, id):
                    self._skip(id)
                case ("full", ids):
                    self._full(ids)
                case ("stop", reason):
                    self._stop(reason)
                case ("reload", settings):
                    self._reload(settings)
                case ("accounts", accounts, mechanisms):
                    changes = tuple(mechanisms) != self._context.hub.accounts.mechanisms
                    offers = self._offers() if changes else []
                    self._context.hub.accounts.know(accounts, mechanisms)
                    self._report_missing_accounts()
                    if self._context.settings.level >= 4:
                        self._end_logins()
                    self._tell_offers(offers)
                case ("start", settings, workers, utc_offset, wall, mono, *rest):
                    self._start(settings, workers, utc_offset, wall, mono, *rest[:1])  # what follows is the broker's
                case _:
                    raise UnknownMessage(record)
        return self._hand_over()

    def _hand_over(self) -> Applied:
        routing = self._routing
        for id, end in self._acks.items():
            connection = self._connections.get(id)
            if connection is not None:
                routing.items[connection.worker].append(("ack", id, end))
        self._acks.clear()
        parts = routing.items, self._asked, self._facts, self._closed, self._has_begun, self._audit, self._marked
        applied = Applied(*parts)
        routing.items = [[] for _ in routing.items]
        self._asked, self._facts, self._closed, self._has_begun, self._audit = [], [], [], False, []
        self._marked = []
        return applied

    # What the broker asks the core

    def inputs(self, worker: WorkerNumber) -> list[Input]:
        """How far the input of this worker's connections has been accepted: where a worker must go on."""
        return [
            (connection.id, connection.accepted, connection.begun, connection.discarding)
            for connection in self._connections.values()
            if connection.worker == worker
        ]

    def drains(self, worker: WorkerNumber) -> list[tuple[ConnectionId, int]]:
        """This worker's connections of which it must say when their output is out, each with the question's number."""
        return [
            (connection.id, connection.drains)
            for connection in self._connections.values()
            if connection.worker == worker and connection.waits_for_client
        ]

    def parts(self) -> list[tuple[ConnectionId, str, int, bytes]]:
        """Each connection, its dialect, how far its input has been taken, and the beginning of a line that ends there.

        For a new broker, whose redaction must know them.
        """
        parts = []
        for connection in self._connections.values():
            taken, part = connection.taken, connection.part
            if connection.asked is not None:
                taken, _, part = connection.before  # the line that asked will come again
            parts.append((connection.id, connection.dialect.name, taken, part))
        return parts

    def dealt_with(self, id: ConnectionId) -> int:
        """Up to where its input has been dealt with, and every question in it answered; 0 for one that is not here."""
        connection = self._connections.get(id)
        if connection is None:
            return 0
        return connection.taken if connection.asked is None else connection.before[0]

    def questions(self) -> list[ConnectionId]:
        """The connections with an open question. If the broker has died, the answers died with it.

        What is held behind a question may lack its secrets: it is forwarded again, even where only the client has yet
        to answer.
        """
        return [connection.id for connection in self._connections.values() if connection.asked is not None]

    # For those who look on, and change nothing

    @property
    def hub(self) -> Hub:
        return self._context.hub

    @property
    def time(self) -> tuple[Ms, int]:
        """The wall clock, and the offset from UTC in minutes, as the last record told them."""
        return self._context.wall, self._context.utc_offset

    def connection(self, id: ConnectionId) -> Connection | None:
        """None if it is not here: it has not come yet, or has left."""
        return self._connections.get(id)

    def groups_of(self, connection: Connection) -> dict[GroupId, Channel]:
        """The groups that it is in, each with its channel."""
        place, groups = (connection.worker, connection.profile), self._routing.groups
        return {groups[channel][place][0]: channel for channel in connection.session.channels.values()}

    @property
    def settings(self) -> ChatSettings:
        """As the last "start" or "reload" has told them."""
        return self._context.settings

    @property
    def next_deadline(self) -> float:
        """Monotonic ms at which a clock record is due, if none comes before; infinity: none is."""
        return inf if self._stopped else min(self._deadlines.next, self._guessing.next, self._login_delay.next_due)

    # Snapshots

    def dump(self) -> bytes:
        """The whole state: a core that loads it, and applies the records that come later, gives the same items."""
        context, routing = self._context, self._routing
        values = (
            (context.started, context.utc_offset, context.wall, context.mono),
            pack(context.settings),
            hub_values(context.hub),
            [dump_connection(connection) for connection in self._connections.values()],
            {channel.folded: groups for channel, groups in routing.groups.items()},
            (
                *(len(routing.items), self._stopped, routing.last_group, self._deadlines.heap, self._acks, self._facts),
                *(self._guessing.values(), self._registrations.values(), self._login_delay.values()),
            ),
        )
        return encoding.to_bytes(STATE_VERSION, values)

    @classmethod
    def load(cls, data: bytes) -> Core:
        """The core that dump() was asked of, perhaps in an older program. Raises ValueError if that is another's."""
        core = cls()
        version, values = encoding.from_bytes((STATE_VERSION, *UPGRADES), data)
        times, settings, hub, connections, groups, rest = upgraded(version, values)
        chat = unpack(settings)
        core._context = context = Context(hub_of(chat, hub), chat, *times)
        workers, core._stopped, last_group, heap, core._acks, core._facts, guessing, registrations, delay = rest
        core._deadlines = Deadlines(heap)
        core._begin_limits(chat)
        core._guessing.load(guessing)
        core._registrations.load(registrations)
        core._login_delay.load(delay)
        core._begin_routing(workers)
        for values in connections:
            connection = load_connection(context.hub.sessions, values)
            core._connections[connection.id] = connection
        core._count_entering()
        core._routing.last_group = last_group
        core._routing.groups = {context.hub.channels[name]: of_channel for name, of_channel in groups.items()}
        return core

    def _begin_routing(self, workers: int) -> None:
        self._routing = Routing(self._context, workers)
        self._connections = self._routing.connections

    # Records

    def _start(self, settings: Any, workers: int, utc_offset: int, wall: Ms, mono: Ms, said: int = 0) -> None:
        """The connections of the former run are gone, and so are its workers, which would have to be told."""
        chat, former = unpack(settings), self._context
        hub = Hub(chat, wall // 1000)
        # Between two runs there is but the wall clock. If it has been set back meanwhile, no time has passed.
        shift = mono - former.mono - max(0, wall - former.wall)
        for session in former.hub.people():
            former.hub.lose(session, former.mono)
        hub.inherit(former.hub, former.seconds, shift, mono)
        hub.born = hub.born or wall
        hub.said = max(hub.said, said)  # the history may have messages of which a power cut has taken the records
        self._context = Context(hub, chat, wall // 1000, utc_offset, wall, mono)
        self._begin_routing(workers)
        self._deadlines = Deadlines()
        self._begin_limits(chat)
        self._entering = {}
        self._acks = {}
        self._stopped, self._has_begun = False, True

    def _begin_limits(self, chat: ChatSettings) -> None:
        self._guessing = _guessing(chat)
        self._login_delay = _login_delay(chat)
        self._registrations = Quota(chat.accounts_per_hour, _HOUR)

    def _reload(self, settings: Any) -> None:
        """Who is in stays in, and who is an operator by OPER stays one: the new settings decide who may come, and what
        they read. Who is one by an account stays one while they say so.
        """
        context, chat = self._context, unpack(settings)
        changes = (chat.sts_port, chat.sts_seconds) != (context.settings.sts_port, context.settings.sts_seconds)
        offers = self._offers() if changes else []
        context.settings = context.hub.settings = chat
        self._guessing.limit(chat.oper_wait_seconds, chat.oper_forgotten_seconds, chat.exempts)
        self._login_delay.limit(chat.wrong_logins_per_minute, chat.wrong_logins_per_account, chat.exempts)
        self._registrations.limit(chat.accounts_per_hour)
        self._count_entering()
        said = {"motd_lines": len(chat.motd), "password": "yes" if chat.password_needed else "no"}
        self._audit.append(("reloaded", {**said, "operators": "yes" if chat.opers_exist else "no"}))
        for connection in self._connections.values():
            self._run(connection, dismiss(context, connection.session))
        self._report_missing_accounts()
        self._tell_offers(offers)

    def _offers(self) -> list[tuple[Connection, dict[str, str]]]:
        """What is offered to those clients that are to be told when it changes."""
        offers = [(each, each.dialect.offer(self._context, each)) for each in self._connections.values()]
        return [(connection, offer) for connection, offer in offers if offer]

    def _tell_offers(self, before: list[tuple[Connection, dict[str, str]]]) -> None:
        for connection, offer in before:
            self._run(connection, connection.dialect.offer_changed(self._context, connection, offer))

    def _report_missing_accounts(self) -> None:
        """An operator's account that nobody has registered yet: nobody can, as long as it is an operator's."""
        hub, names = self._context.hub, self._context.settings.oper_accounts
        if hub.accounts.mechanisms:
            missing = [name for name in names if name not in hub.accounts]
            self._audit += [("operator's account is not registered", {"account": name}) for name in missing]

    def _end_logins(self) -> None:
        """To accounts that there are no more. Who owns such a name next has nothing of what it gave."""
        hub = self._context.hub
        hub.resumption.forget_accounts(hub.accounts)
        hub.read_markers.forget_accounts(hub.accounts)
        self._login_delay.revise(self._still_right)
        for connection in list(self._connections.values()):
            if connection.session.account and connection.session.account not in hub.accounts:
                self._run(connection, connection.dialect.account_gone(self._context, connection))

    def _still_right(self, answer: AccountAnswer) -> AccountAnswer:
        """An answer that a login waits for, as it must be now."""
        is_right = answer[0] != "wrong" and answer[1].partition(" ")[0] in self._context.hub.accounts
        return answer if is_right else ("wrong", "")

    def _clock(self, wall: Ms, mono: Ms, utc_offset: int | None = None) -> None:
        context = self._context
        context.wall, context.mono = wall, max(mono, context.mono)
        if utc_offset is not None:
            context.utc_offset = utc_offset
        while (due := self._deadlines.pop_due(context.mono)) is not None:
            at, id = due
            connection = self._connections.get(id)
            if connection is not None and context.mono - at > _LATE_MS:
                self._wait(connection, _ANSWER_SECONDS)
            elif connection is not None:
                self._due(connection)
        context.hub.expire(context.mono, context.wall)
        self._check_passwords()
        if self._login_delay.next_due <= context.mono:
            self._give_late_answers()

    def _give_late_answers(self) -> None:
        """To the logins that were to wait until now."""
        for id, answer in self._login_delay.take_due(self._context.mono):
            connection = self._connections.get(ConnectionId(id))
            if connection is not None:  # else another's answer has just ended it
                self._give_answer(connection, answer)

    def _open(self, worker: WorkerNumber, id: ConnectionId, dialect: str, host: str, is_secure: bool) -> None:
        """Raises UnknownMessage if this program does not know the dialect."""
        if id in self._connections:
            return  # announced twice
        if dialect not in DIALECTS:
            raise UnknownMessage(("open", worker, id, dialect, host, is_secure))
        speaks = DIALECTS[dialect]
        ban = self._context.hub.bans.network_of(host)
        if ban is not None:
            why = why_banned(self._context, ban)
            first = self._before_farewell(speaks, "", why)
            self._turn_away(worker, id, speaks, host, why, "banned", first)
            return
        if self._is_crowded(id, host):
            self._turn_away(worker, id, speaks, host, _CROWDED, _CROWDED)
            return
        session = self._context.hub.connect(id, host, is_secure)
        connection = Connection(session, speaks, worker, self._context.mono)
        self._connections[id] = connection
        self._routing.items[worker].append(("open", id))
        self._wait(connection, self._context.settings.registration_seconds)
        self._run(connection, speaks.greet(self._context, connection))

    def _turn_away(
        self,
        worker: WorkerNumber,
        id: ConnectionId,
        speaks: Dialect,
        host: str,
        why: str,
        reported: str,
        first: bytes = b"",
    ) -> None:
        """It gets no session: what it sends is nobody's. It reads `first` and `why`; the log says `reported`."""
        farewell = first + speaks.turned_away(why, self._context.settings.language)
        self._routing.items[worker] += [("open", id), ("send", id, farewell), ("close", id)]
        self._closed.append(id)
        self._audit.append(("login refused", {"why": reported, "nick": "*", "address": host, "connection": id}))

    def _before_farewell(self, speaks: Dialect, nick: str, why: str) -> bytes:
        """What whom a ban of the server meets is told first; a server of before had but one line for them."""
        return speaks.banned(self._context, nick, why) if self._context.settings.level >= 3 else b""

    def _is_crowded(self, id: ConnectionId, host: str) -> bool:
        """Whether as many others of this address as may be have not entered yet. If not, this one is counted."""
        most = self._context.settings.unregistered_per_address
        if not most or self._context.settings.exempts(host):
            return False
        address = home_of(host)
        entering = {
            other
            for other in self._entering.get(address, ())
            if other in self._connections and self._connections[other].registration is not None
        }
        if len(entering) >= most:
            return True
        self._entering[address] = entering | {id}
        return False

    def _count_entering(self) -> None:
        """Anew, from the connections that there are and the settings of now."""
        self._entering = {}
        for connection in self._connections.values():
            if connection.registration is not None and not self._context.settings.exempts(connection.session.host):
                self._entering.setdefault(home_of(connection.session.host), set()).add(connection.id)

    def _take_line(self, connection: Connection, end: int, data: bytes, line_start: int) -> None:
        """A line has ended; of one that came in parts, `data` is the last."""
        taken, part, connection.taken = connection.taken, connection.part, end
        if part:
            data, connection.part = part + data, b""
        line = data[:-1] if data.endswith(b"\r") else data  # CR LF, or LF alone
        dialect = connection.dialect
        if connection.registration is None and self._say(connection, line):
            pass
        elif dialect.is_unfinished(data):
            connection.part = data + b"\n"
        else:
            if line[:1] == b"@":
                connection.label = label_of(connection.capabilities, line)
            self._answer_line(connection, dialect.handle(self._context, connection, line))
            if connection.asked is not None and not connection.waits_for_client:  # it is acknowledged with its answer
                connection.before = taken, line_start, part
                return
        self._acks[connection.id] = end

    def _take_piece(self, connection: Connection, kind: str, end: int, what: Any) -> None:
        """Part of a line, or of one that was longer than any may be."""
        connection.taken = end
        if kind == "part":
            connection.part += what
        elif kind == "overlong":
            connection.part = b""
            self._routing.send(connection, [connection.dialect.too_long(self._context, connection)])
        self._acks[connection.id] = end

    def _gone(self, id: ConnectionId, reason: str) -> None:
        connection = self._connections.get(id)
        if connection is None:
            return
        if (
            connection.waits_for_client
        ):  # a client that leaves is not waited for: one that ends in order gets all at once
            connection.leaving = reason
            self._go_on(connection)
        if connection.asked is not None:  # lines that came before the end still wait
            connection.held.append(("gone", connection.accepted, reason, connection.line_start))
            if self._guessing.waits(id) or self._login_delay.holds(id) or self._is_moot(connection):
                self._take_held(connection)
        elif id in self._connections:
            self._quit(connection, reason, reason)

    def _silent(self, id: ConnectionId) -> None:
        connection = self._connections.get(id)
        if connection is not None and connection.pinged:  # else a line overtook the question
            seconds = (self._context.mono - connection.heard_at) // 1000
            self._gone(id, f"Ping timeout: {seconds} seconds")

    def _answer(self, id: ConnectionId, answer: Any) -> None:
        accounts = self._context.hub.accounts
        if isinstance(answer, tuple) and answer[0] == "registered":
            accounts.add(answer[1])  # also where its owner has just left
        connection = self._connections.get(id)
        if connection is None or connection.asked is None or isinstance(connection.asked, DrainAsked):
            return
        if isinstance(connection.asked, _PROVEN) and answer[0] in ("in", "proof", "wrong"):
            name = _account_of(connection.asked, answer)
            account = fold(name) if name in accounts else ""
            due = self._login_delay.due(connection.session.host, account, answer[0] != "wrong", self._context.mono)
            if due is None:
                if answer[0] == "wrong":
                    self._report_account(connection, connection.asked, answer)
                answer = "late", GUESSED
            elif due > self._context.mono:
                self._login_delay.hold(id, due, answer)
                self._take_held(connection)  # it may have left meanwhile
                return
        self._give_answer(connection, answer)

    def _give_answer(self, connection: Connection, answer: Any) -> None:
        id, question, connection.asked = connection.id, connection.asked, None
        assert question is not None
        assert not isinstance(question, DrainAsked)
        if isinstance(question, AccountQuestion):
            self._report_account(connection, question, answer)
            if answer == ("late", GUESSED):  # right or wrong, or the end of the connection would tell
                connection.wrong_logins += 1
            elif answer[0] in ("in", "wrong"):
                connection.wrong_logins = connection.wrong_logins + 1 if answer[0] == "wrong" else 0
            if isinstance(question, RegistrationAsked) and answer[0] != "registered":
                self._registrations.give_back(home_of(connection.session.host))
        elif isinstance(question, (OperAsked, PasswordAsked)):
            self._report_answer(connection, question, answer is True)
            connection.wrong = 0 if answer else connection.wrong + 1
        elif isinstance(question, RehashAsked):
            self._audit.append(("rehash", {**_who(connection.session), "done": "yes" if answer[0] else "no"}))
        if isinstance(question, OperAsked):
            self._guessing.answered(id, connection.session.host, bool(answer), self._context.mono)
            self._check_passwords()
        self._answer_line(connection, connection.dialect.answered(self._context, connection, question, answer))
        self._acks[id] = connection.taken
        self._take_held(connection)

    def _report_answer(self, connection: Connection, question: PasswordAsked | OperAsked, is_right: bool) -> None:
        who = _who(connection.session)
        if isinstance(question, OperAsked):
            if is_right:
                self._audit.append(("operator", {"name": question.name, **who}))
            else:
                self._audit.append(("wrong password", {"kind": "oper", "name": question.name, **who}))
        elif not is_right:
            self._audit.append(("wrong password", {"kind": "password", **who}))

    def _report_account(self, connection: Connection, question: AccountQuestion, answer: AccountAnswer) -> None:
        kind, text = answer
        who = _who(connection.session)
        if isinstance(question, RemovalAsked) and kind == "dropped":
            self._audit.append(("acts as a server operator", {**who, "did": "DROP", "account": text}))
        elif kind in _DONE:
            self._audit.append((_DONE[kind], {"account": text, **who}))
        elif kind == "wrong":
            name = _account_of(question, answer)
            known = name if name in self._context.hub.accounts else "unknown name"  # else it may be the password
            self._audit.append(("wrong password", {"kind": "account", "account": known, **who}))

    def _may_register(self, connection: Connection) -> bool:
        """Whether its address may have one account more; if so, it is counted. It is given back if it comes to none."""
        host, mono = connection.session.host, self._context.mono
        if self._context.settings.exempts(host):
            return True
        if self._registrations.free_at(home_of(host)) > mono:
            return False
        self._registrations.pay(home_of(host), mono)
        return True

    def _check_passwords(self) -> None:
        """Ask about the operators' passwords whose turn it is."""
        for id in self._guessing.take_due(self._context.mono):
            connection = self._connections[ConnectionId(id)]
            assert isinstance(connection.asked, OperAsked)
            self._asked.append(Asked(connection.id, connection.taken, connection.asked))

    def _take_held(self, connection: Connection) -> None:
        """What has waited for an answer, up to the next question."""
        while connection.held and connection.id in self._connections:
            if connection.held[-1][0] == "gone":
                self._give_up(connection)
            if connection.asked is not None or connection.id not in self._connections:
                break
            kind, end, what, line_start = connection.held.pop(0)
            if kind == "gone":
                self._gone(connection.id, what)
                continue
            connection.heard_at, connection.pinged = self._context.mono, False
            if kind == "line":
                self._take_line(connection, end, what, line_start)
            else:
                self._take_piece(connection, kind, end, what)
        if connection.waits_for_client and (gone := [each for each in connection.held if each[0] == "gone"]):
            connection.held.remove(gone[0])  # a client that leaves is not waited for
            self._gone(connection.id, gone[0][2])

    def _give_up(self, connection: Connection) -> None:
        """The client has left, and needs no right to anything: its question is dropped, if it can be.

        The answer to a login that is held back is not given early either: a client that has only ended its input reads
        it (RFC 9293 3.6). A wrong one counts, as if it had been told.
        """
        id, question = connection.id, connection.asked
        if self._login_delay.holds(id):
            assert isinstance(question, _PROVEN)
            answer = self._login_delay.forget(id)
            connection.asked, connection.label, self._acks[id] = None, "", connection.taken
            if answer[0] == "wrong":
                self._report_account(connection, question, answer)
                connection.wrong_logins += 1
                self._run(connection, end_if_too_many(self._context, connection))
        elif self._guessing.waits(id):
            self._guessing.forget(id)
            connection.asked, connection.label, self._acks[id] = None, "", connection.taken
        elif self._is_moot(connection):
            self._audit.append(("rehash", {**_who(connection.session), "done": "unknown"}))
            connection.asked, connection.label, self._acks[id] = None, "", connection.taken

    def _is_moot(self, connection: Connection) -> bool:
        """Whether the answer to its question changes nothing: a client that has left does not wait for it."""
        return isinstance(connection.asked, RehashAsked) and self._context.settings.level >= 3

    def _drained(self, id: ConnectionId, number: int) -> None:
        connection = self._connections.get(id)
        if connection is not None and connection.waits_for_client and connection.drains == number:
            self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        """The client has taken what it was told, or has left: now the rest of the answer, and what came behind it."""
        assert isinstance(connection.asked, DrainAsked)
        cursor, connection.asked, connection.given = connection.asked.cursor, None, 0
        rest: Iterable[Outcome] = ()
        if cursor and connection.leaving in ("", _CLOSED):
            name, *where = cursor
            rest = connection.dialect.go_on(self._context, connection, str(name), *where)
        self._answer_line(connection, rest)
        self._take_held(connection)

    def _again(self, id: ConnectionId) -> None:
        connection = self._connections.get(id)
        if connection is not None and connection.asked is not None:
            self._guessing.forget(id)
            self._login_delay.forget(id)
            if isinstance(connection.asked, RegistrationAsked):
                self._registrations.give_back(home_of(connection.session.host))
            connection.ask_again()

    def _skip(self, id: ConnectionId) -> None:
        connection = self._connections.get(id)
        if connection is not None:
            farewell = "The server failed at something you sent, and has left it out. Sorry"
            self._quit(connection, "Server error", farewell)

    def _full(self, ids: tuple[ConnectionId, ...]) -> None:
        for id in ids:
            connection = self._connections.get(id)
            if connection is not None:
                self._routing.send(connection, [connection.dialect.notice(self._context, connection, _FULL)])

    def _stop(self, reason: str) -> None:
        """Everybody is told, and is not told about the others."""
        for connection in list(self._connections.values()):
            self._hang_up(connection, reason)
        for items in self._routing.items:
            items.append(("end",))
        self._stopped = True

    # Deadlines

    def _wait(self, connection: Connection, seconds: int, since: Ms | None = None) -> None:
        start = self._context.mono if since is None else since
        self._deadlines.add(start + seconds * 1000, connection.id)

    def _due(self, connection: Connection) -> None:
        chat = self._context.settings
        if connection.registration is not None:
            if connection.asked is not None and not connection.waits_for_client:
                self._wait(connection, _ANSWER_SECONDS)
            else:
                self._gone(connection.id, "Registration timed out")
        elif connection.dialect.probe is None:
            return  # TCP itself looks after these
        elif self._context.mono - connection.heard_at < chat.ping_seconds * 1000:
            self._wait(connection, chat.ping_seconds, connection.heard_at)
        else:
            if connection.pinged:
                self._routing.items[connection.worker].append(("probe", connection.id))
            else:
                connection.pinged = True
                self._routing.send(connection, [connection.dialect.probe(self._context, connection)])
            self._wait(connection, chat.ping_grace_seconds)

    # Speech

    def _say(self, connection: Connection, line: bytes) -> bool:
        """The common line: if it is speech, and the chat takes it, it is delivered; else handle() judges it anew."""
        speech = connection.dialect.speech(connection, line)
        if speech is None:
            return False
        context, (target, text, is_notice) = self._context, speech
        try:
            said = fit(context.hub.say(connection.session, target, text, is_notice, context.mono))
        except Refusal:
            return False  # a refusal changes nothing, so to judge it twice does not either
        self._deliver(said)
        if said.text != text or (isinstance(said.to, Session) and said.to.away):
            self._run(connection, connection.dialect.after_speech(context, connection, said, text))
        return True

    def _deliver(self, said: Said) -> None:
        """The sender is not in its own message's delivery: one that asked for an echo gets it as an item of its own."""
        routing, to = self._routing, said.to
        tracing = self.tracing
        before = [] if tracing is None else lengths(routing.items)
        rendered = {BARE: said.line}
        sender = self._connections[said.by.id]
        if isinstance(to, Session):
            routing.tell(to, said, rendered)
        else:
            context, verb = self._context, VERBS[said.notice]
            prefix = sender.session.prefix
            self._facts.append((said.number, context.wall, to.folded, prefix, verb, said.text, context.utc_offset))
            routing.cast_one(to, said, sender.id, rendered)
        if sender.capabilities & ECHO_MESSAGE:
            if said.id:  # which is for the sender alone
                said, rendered = replace(said, tags=f"{said.tags};{said.id}".lstrip(";")), {BARE: said.line}
            routing.echo(said, rendered)
        if tracing is not None:
            items, is_private = added(routing.items, before), isinstance(to, Session)
            for trace in tracing.of(said, self._context.mono):
                self._marked.append(Marked(trace, sender.id, sender.taken, is_private, items))

    # Outcomes

    def _answer_line(self, connection: Connection, outcomes: Iterable[Outcome]) -> None:
        """Let a dialect answer a line, or a part of that: under the line's label, if it has one."""
        if not connection.label:
            self._run(connection, outcomes)
            return
        self._routing.labelled = connection
        self._run(connection, outcomes)
        if connection.label:  # else all of it has been released
            self._routing.release(connection, is_whole=connection.asked is None)
        self._routing.labelled = None

    def _run(self, connection: Connection, outcomes: Iterable[Outcome], whole: bool = False) -> None:
        """Let a dialect answer, and do what it yields in the order in which it yields it.

        A long answer waits now and then until the client has taken what there is of it, unless it must be `whole`: a
        client that asks for much does not lag behind.
        """
        context = self._context
        long, given, most = False, connection.given, context.settings.answer_bytes
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
                    self._routing.send(connection, lines)
                    lines = []
                if isinstance(outcome, DrainAsked):
                    if long and connection.asked is None:
                        self._drain(connection, outcome)
                        break
                elif isinstance(outcome, OperAsked):
                    connection.asked = outcome
                    self._guessing.wait(connection.id, connection.session.host)
                    self._check_passwords()
                elif isinstance(outcome, RegistrationAsked) and not self._may_register(connection):
                    refusal = connection.dialect.answered(context, connection, outcome, ("late", OFTEN))
                    self._run(connection, refusal)
                elif isinstance(outcome, _ASKED_AT_ONCE):
                    connection.asked = outcome
                    self._asked.append(Asked(connection.id, connection.taken, outcome))
                elif isinstance(outcome, Goodbye):
                    leaving = self._connections[outcome.session.id]
                    context.hub.resumption.void(outcome.session.id)  # it is not lost
                    if outcome.by is not None:
                        self._audit.append(("killed", _by_and_whom(outcome.by, outcome.session)))
                    elif outcome.is_refusal:
                        self._audit.append(("login refused", {"why": outcome.reason, **_who(outcome.session)}))
                    why, nick = outcome.farewell, outcome.session.nick
                    if outcome.is_ban and (first := self._before_farewell(leaving.dialect, nick, why)):
                        self._routing.send(leaving, [first])
                    self._quit(leaving, outcome.reason, outcome.farewell or outcome.reason)
                elif isinstance(outcome, Regroup):
                    self._routing.regroup(connection)
                elif isinstance(outcome, Told):
                    to = self._connections[outcome.session.id]
                    self._routing.send(to, [to.dialect.notice(context, to, outcome.text)])
                elif isinstance(outcome, ToldOwner):
                    for session in context.hub.owned_with(connection.session):
                        other = self._connections[session.id]
                        if other.capabilities & outcome.capability:
                            self._routing.send(other, [outcome.line])
                elif isinstance(outcome, Appointed):
                    self._audit.append(("operator", {"account": outcome.session.account, **_who(outcome.session)}))
                elif isinstance(outcome, LoggedOut):
                    self._audit.append(("logged out", {"account": outcome.account, **_who(outcome.session)}))
                elif isinstance(outcome, Resigned):
                    self._audit.append(("operator no more", _who(outcome.session)))
                elif isinstance(outcome, Dismissed):
                    self._audit.append(("operator no more", _who(outcome.session)))
                    whom = self._connections[outcome.session.id]
                    self._routing.send(whom, [whom.dialect.dismissed(context, whom)])
                elif isinstance(outcome, BanSet):
                    about = {"did": outcome.command, "mask": outcome.mask}
                    limits = {"minutes": outcome.minutes, "closed": outcome.closed}
                    self._audit.append(("server ban", {**_who(outcome.by), **about, **limits}))
                else:
                    self._publish(outcome)
        except Refusal as refusal:
            lines.append(connection.dialect.refuse(context, connection, refusal))
        if lines:
            self._routing.send(connection, lines)
        connection.given = given
        if long and connection.asked is None:
            self._drain(connection, DrainAsked())

    def _publish(self, event: Event) -> None:
        if isinstance(event, Said):
            self._deliver(event)
            return
        if isinstance(event, Decision) and event.as_operator:
            self._publish_as_operator(event)
        else:
            self._routing.publish(event)
        if isinstance(event, Kicked):
            if not event.as_operator:  # else it was reported with what a server operator does
                about = _by_and_whom(event.by, event.whom)
                self._audit.append(("kicked", {"channel": event.channel.name, **about}))
            whom = self._connections[event.whom.id]
            self._run(whom, whom.dialect.removed(self._context, whom), whole=True)  # perhaps amid a line of theirs

    def _publish_as_operator(self, event: Decision) -> None:
        """The room is told that a server operator acts, and what they do; the log is told too, but not what is said."""
        by, channel = event.by, event.channel
        self._routing.publish(ActsAsOperator(by, channel, event.whom if isinstance(event, Invited) else None))
        self._routing.publish(event)
        has_seen = by in channel.members or (isinstance(event, Kicked) and event.whom is by)
        if not has_seen and not isinstance(event, Invited):
            self._routing.echo(event, {})
        match event:
            case Kicked():
                done = f"KICK {event.whom.nick}"
            case Invited():
                done = f"INVITE {event.whom.nick}"
            case TopicSet():
                done = "TOPIC"
            case ModesSet():
                words = [f"{sign}{letter}" for sign, letter, _ in event.changes]
                done = " ".join(["MODE", *words, *[value for _, letter, value in event.changes if letter in "obveI"]])
        about = _who(by)
        self._audit.append(("acts as a server operator", {**about, "room": channel.name, "did": done}))

    def _drain(self, connection: Connection, question: DrainAsked) -> None:
        """The client must take what it was told; only then the rest of the answer follows, if `question` has one."""
        if connection.leaving or connection.id not in self._connections:
            return
        if connection is self._routing.labelled:
            self._routing.release(connection, is_whole=not question.cursor)
        connection.asked = question
        connection.before = connection.taken, connection.taken, b""
        connection.drains += 1
        item: Drain = ("drain", connection.id, connection.drains)
        self._routing.items[connection.worker].append(item)

    def _quit(self, connection: Connection, reason: str, farewell: str) -> None:
        """Others are told the reason, the one who leaves the farewell."""
        context, session = self._context, connection.session
        is_lost = context.hub.lose(session, context.mono)
        self._routing.publish(context.hub.leave(session, reason, context.seconds, context.mono, is_lost))
        self._hang_up(connection, farewell)

    def _hang_up(self, connection: Connection, reason: str) -> None:
        self._routing.send(connection, [connection.dialect.farewell(connection, reason)])
        if connection is self._routing.labelled:
            self._routing.release(connection, is_whole=True)
        self._routing.items[connection.worker].append(("close", connection.id))
        self._closed.append(connection.id)
        self._guessing.forget(connection.id)
        self._login_delay.forget(connection.id)
        address = home_of(connection.session.host) if self._entering else ""
        if address in self._entering:
            self._entering[address].discard(connection.id)
            if not self._entering[address]:
                del self._entering[address]
        del self._connections[connection.id]


def _who(session: Session) -> dict[str, str | int]:
    """As the log names somebody: what others may call themselves is not enough."""
    return {"nick": session.nick or "*", "address": session.host, "connection": session.id}


def _by_and_whom(by: Session, whom: Session) -> dict[str, str | int]:
    named: dict[str, str | int] = {"by": by.nick, "by_address": by.host, "by_connection": by.id}
    return {**named, "whom": whom.nick or "*", "address": whom.host, "connection": whom.id}


def _guessing(chat: ChatSettings) -> Guessing:
    return Guessing(chat.oper_wait_seconds, chat.oper_forgotten_seconds, chat.exempts)


def _login_delay(chat: ChatSettings) -> LoginDelay:
    return LoginDelay(chat.wrong_logins_per_minute, chat.wrong_logins_per_account, chat.exempts)


def _account_of(question: AccountQuestion, answer: AccountAnswer) -> str:
    """The account that a login was about. With SASL that is in what the client has sent: the answer has it."""
    return answer[1].partition(" ")[0] if isinstance(question, SaslAsked) else question.account


def connection_of(record: Record) -> ConnectionId:
    """Whose record it is, 0: no connection's."""
    match record:
        case ("clock" | "start" | "reload" | "accounts" | "stop" | "full", *_):
            return ConnectionId(0)
        case ("open", _, id, *_) | ("skip", _, id):
            return id
        case (_, id, *_):
            return ConnectionId(int(id))
        case _:
            raise UnknownMessage(record)
