"""The broker: the single authority. What it decides is decided, in the order in which it decides it.

It waits for the transports from the workers, the links to recorder and authenticator, and the control link to the
supervisor. A turn takes what has come by each; then, a block at a time, it writes to the journal, lets the core think,
and puts to each worker what follows for it. The core (mpchat/core/machine.py) does the chatting: it has never heard of
transports.

It never waits for a worker: what a worker is slow to take is bounded by credits, which slow those who send.
If it dies, all it knew follows again from snapshot and journal (recovery.py), and the workers forward again, from the
kernel, what it had not accepted (streams.py).
"""

import errno
import math
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mpchat.broker.authenticator_client import AuthenticatorClient
from mpchat.broker.disk_full import DiskFull
from mpchat.broker.history_client import HistoryClient
from mpchat.broker.passwords import is_oper, is_password, names
from mpchat.broker.pending import Pending
from mpchat.broker.recovery import Recovery
from mpchat.broker.rehashing import Rehashing
from mpchat.broker.streams import Streams
from mpchat.core.machine import Asked
from mpchat.core.tracing import Tracing
from mpchat.ipc.descriptors import unusable
from mpchat.ipc.frames import LOOK_SECONDS, most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import (
    AUTHENTICATOR_ROW,
    BROKER_ROW,
    BYTES_TAKEN,
    FIRST_WORKER_ROW,
    MESSAGES_TAKEN,
    RECORDER_ROW,
    Scoreboard,
    TurnWatch,
)
from mpchat.ipc.trace_ring import Hop, TraceRing
from mpchat.ipc.transport import load_pair
from mpchat.ipc.validation import MOST, check_checkpoint, check_records
from mpchat.messages import (
    BadFrame,
    ChildToSupervisor,
    ConnectionId,
    Record,
    StreamPosition,
    TraceWanted,
    UnknownMessage,
    WorkerNumber,
)
from mpchat.protocol.dialect import DIALECTS
from mpchat.protocol.outcomes import (
    DropAsked,
    LoginAsked,
    OperAsked,
    PasswordAsked,
    PasswordChangeAsked,
    PastAsked,
    RegistrationAsked,
    RehashAsked,
    RemovalAsked,
    SaslAsked,
    SearchAsked,
    TargetsAsked,
)
from mpchat.protocol.redaction import Redaction
from mpchat.runtime import pure_source
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.first_minute import BEAT_SECONDS, TEND_SECONDS
from mpchat.runtime.heartbeat import Heartbeat
from mpchat.runtime.log import Log, Sparing
from mpchat.runtime.poller import Poller
from mpchat.settings import Oper, Secrets, Settings, pack, unpack
from mpchat.store.data_directory import DataDirectory
from mpchat.store.journal import Damaged, full_name

_TURN_SECONDS = 0.05  # spent on what has come, before there is a look at what else has
_DAY_MINUTES = 24 * 60
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# With these an open() or a read() fails for the next broker too.
_LASTING = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)


def main(
    control: Link[ChildToSupervisor],
    log: Log,
    settings: Settings,
    scoreboard: Scoreboard,
    data: DataDirectory | None,
    is_first: bool,
    skip: int,
    code_has_changed: bool,
    secrets: Secrets,
    traces: tuple[TraceWanted, ...],
) -> None:
    """`data`: where to keep what is to outlive a broker. To have it is to hold its lock.

    `is_first`: no broker has been ready in this run of the server. `skip`: the place of a record to leave out, if
    that may be, 0: none. `code_has_changed`: a broker of this run has been at work with other code than the first.
    `traces`: what is to be traced, also of what is replayed.

    Raises Damaged if what the last broker knew cannot be had.
    """
    try:
        if data is not None:
            data.enter()
            if data.is_removed():
                raise Damaged(f"the data directory (at the start {data.path}) was removed while the server ran")
        broker = Broker(control, log, settings, scoreboard, secrets, code_has_changed)
        broker.take_traces(traces)
        broker.begin(is_first, skip)
    except OSError as error:
        if error.errno not in _LASTING:
            raise
        where = full_name(Path(error.filename)) if isinstance(error.filename, (str, os.PathLike)) else settings.data
        raise Damaged(f"{where}: {error.strerror}: it cannot be read or written") from error
    broker.run()


class Broker:
    def __init__(
        self,
        control: Link[ChildToSupervisor],
        log: Log,
        settings: Settings,
        scoreboard: Scoreboard,
        secrets: Secrets,
        code_has_changed: bool,
    ) -> None:
        self.secrets = secrets
        self.control, self.log, self.settings, self.scoreboard = control, log, settings, scoreboard
        self.poller = Poller()
        self.heartbeat = Heartbeat(scoreboard, BROKER_ROW)
        # Its files are looked up in the working directory, which is the data directory by now: DataDirectory.enter().
        folder = Path() if settings.data else None
        self.recovery = Recovery(
            folder, settings.workers, settings.power, self.heartbeat, log, self.tell_place, settings.keep_journal
        )
        self.redaction = Redaction(names(secrets), lambda name: name in self.recovery.core.hub)
        meter = scoreboard.meter("broker", "recorder")
        self.rehashing = Rehashing(control.post)
        self.history_client = HistoryClient(settings, self.poller, self.recovery, meter)
        meter = scoreboard.meter("broker", "authenticator")
        self.authenticator_client = AuthenticatorClient(settings, self.poller, meter, log)
        self.streams = Streams(self.poller, self.recovery, scoreboard, settings.workers, settings.lag_bytes)
        self.ledger = self.streams.ledger
        self.pending = Pending(self.ledger)
        self.refusals = Sparing(log)
        self.disk_full = DiskFull(self.recovery, log, lambda why: control.post(("disk full", why)))
        self.has_begun = self.stopping = False
        self.admit_at = 0.0  # monotonic: clients are admitted from then on, even without a word of the authenticator's
        self.code_has_changed = code_has_changed  # in this run: a replay may be another one
        self.records = self.turns = 0
        self.tracing: Tracing | None = None  # what somebody traces
        self.trace: TraceRing | None = None  # and where its hops are noted
        self.peers = TurnWatch(scoreboard)
        self.tend_at = self.look_at = 0.0  # monotonic: the next tend(), and look()

    def begin(self, is_first: bool, skip: int) -> None:
        """Be where the last broker was, and deal with what must happen first, or wait for room on the disk to do so."""
        self.poller.watch(self.control)
        self.open_recovery()
        self.replay_and_begin(is_first, skip)

    def run(self) -> None:
        # After a stop each worker applies its last item, closes its last client, and ends; so does its transport.
        while not (self.stopping and self.streams.ended):
            self.listen(self.timeout())
            self.work()
            self.streams.deliver()  # credit, if nothing else
            self.turns += 1
            seconds = time.monotonic()
            if seconds >= self.tend_at:
                self.tend(seconds)
            items = sum([outbox.last for outbox in self.recovery.outboxes])
            self.scoreboard.write(BROKER_ROW, records=self.records, items=items, turns=self.turns)
        self.history_client.close()
        self.authenticator_client.leave_authenticator()

    def tend(self, seconds: float) -> None:
        """What may wait for TEND_SECONDS."""
        self.tend_at = seconds + TEND_SECONDS
        late = self.history_client.overdue() + self.authenticator_client.overdue() + self.rehashing.overdue()
        self.pending.add(late)
        self.history_client.look(seconds)
        if seconds >= self.look_at:
            self.look_at = seconds + LOOK_SECONDS
            self.look()
        if self.recovery.is_due(seconds):
            self.recovery.tend(self.scoreboard.read(RECORDER_ROW)["position"], self.settings.journal_bytes)
        self.refusals.catch_up()
        if self.log.dropped:
            self.log.catch_up()

    def listen(self, timeout: float) -> None:
        """Wait for a while, and take what has come."""
        events = self.poller.wait(timeout)
        if self.scoreboard.tracing[0] != (self.trace is not None):
            self.switch_tracing()
        for source, readable, writable, _ in events:
            if source is self.control:
                self.on_control()
            elif source is self.history_client.recorder:
                self.hear_recorder()
            elif source is self.authenticator_client.authenticator:
                self.hear_authenticator()
            elif (worker := self.streams.worker_of(source)) is not None:  # else it was replaced in this very turn
                if writable:
                    self.streams.flush(worker)
                if readable:
                    self.take_messages(worker)

    def open_recovery(self) -> None:
        """Even the journal's folder and its first file take room on the disk; without any we wait for it."""
        self.insist(self.recovery.open)
        self.disk_full.look()

    def insist(self, step: Callable[[], None]) -> None:
        """Take a step without which nothing can begin, as soon as the disk has room for it."""
        while True:
            try:
                step()
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self.disk_full.begin(str(error))
            else:
                return
            while self.disk_full.wait:
                self.listen(min(self.disk_full.wait, BEAT_SECONDS))
                self.heartbeat.beat()

    def replay_and_begin(self, is_first: bool, skip: int) -> None:
        """Replay; then let happen what must come first: "start" in a new run of the server, else "again"."""
        if self.settings.data:
            self.replay(is_first, skip)
        if is_first:
            # Until the first record is journaled the core is the last run's still, of which no worker is left.
            self.recovery.begin_streams(self.settings.workers)
            self.streams.begin()
            self.insist(self.recovery.begin_run)
            wall, mono = now()
            chat = pack(self.settings.chat)
            said = wall if self.recovery.has_a_past else 0  # no more than 1,000 messages a second, all day long
            offset = utc_offset(wall // 60_000)
            code = pure_source.as_imported()
            if self.settings.data:
                self.admit_at = time.monotonic() + self.settings.account_seconds
            self.pending.add_first([("start", chat, self.settings.workers, offset, wall, mono, said, code)])
        elif len(self.recovery.outboxes) != self.settings.workers:
            there = f"the journal of a server with {len(self.recovery.outboxes)} workers, not {self.settings.workers}"
            raise Damaged(f"{full_name(Path())}: somebody has put something else in its place, {there}")
        else:
            for part in self.recovery.core.parts():
                self.redaction.resume(*part)
            # The answers died with the broker, and passwords too: the lines that asked come again from the kernel.
            first: list[Record] = [("again", connection) for connection in self.recovery.core.questions()]
            if self.recovery.core.settings != self.settings.chat:  # its predecessor did not live to journal them
                first.append(("reload", pack(self.settings.chat)))
            self.pending.add_first(first)
        self.work()
        self.streams.deliver()

    def replay(self, is_first: bool, skip: int) -> None:
        kept = self.recovery.read()
        # Other code may be able to replay what kills this one: a record is left out by the code of its own run alone.
        is_of_run = self.recovery.code == pure_source.as_imported() if is_first else not self.has_other_code()
        # A former run's items are nobody's; and its clock may have been that of another boot of the machine.
        count = self.recovery.replay(kept, skip if is_of_run else 0, None if is_first else self.tracing)
        if self.trace is not None and self.recovery.marked:
            self.trace.note(Hop.DECIDED, place=self.recovery.position, depth=count)
        self.mark()
        self.recovery.core.tracing = self.tracing
        if count:
            self.log.info("replayed", records=count)
        if not is_first and not self.recovery.position:
            raise Damaged(f"{full_name(Path())}: what the last broker had written is gone: somebody removed it")

    def tell_place(self, place: int) -> None:
        """Of the record that is replayed, for whoever comes after us if that kills us."""
        self.scoreboard.write(BROKER_ROW, position=place)

    def has_other_code(self) -> bool:
        """Whether our code is not that with which this run began: what a replay gives is then not certain.

        The supervisor is told before the replay: a death in it may be the code's fault, and not that of a record.
        """
        was, now = self.recovery.code, pure_source.as_imported()
        is_other = was not in ("", now)
        if is_other:
            self.code_has_changed = True
            self.log.warning(
                "the code of the chat was changed while the server runs: replayed with it", was=was, now=now
            )
            self.control.post(("changed",))
        return is_other

    def work(self) -> None:
        """Deal with what waits, a block at a time. While a worker lags, it stays pending: credit bounds how much.

        One short line can ask for a hundred kilobytes (LIST), so what comes out must be able to stop what goes in.
        And what is expensive is left in the middle, to hear the supervisor, the workers and the recorder.
        """
        listen_at = time.monotonic() + _TURN_SECONDS
        is_due = self.due_in() <= 0
        while (self.pending or is_due or self.disk_full.is_full) and not self.ledger.lagging:
            if self.disk_full.is_full and not self.disk_full.permits(self.pending.begins_alone):
                break
            wall, mono = now()
            if not self.commit(self.pending.block(("clock", wall, mono, utc_offset(wall // 60_000)))):
                break
            if self.disk_full.is_full:
                self.disk_full.end()
            is_due = False
            self.streams.deliver()
            if time.monotonic() >= listen_at:
                break
        if self.disk_full.is_full and self.has_begun:
            self.disk_full.tell(self.pending)
        if not self.has_begun and not self.pending.begins_alone:
            self.has_begun = True
            self.control.post(("ready",))
        while self.streams.asking_to_attach and self.has_begun and self.admits:
            worker, position = self.streams.asking_to_attach.popitem()
            self.pending.discard_from(worker)
            try:
                self.streams.attach(worker, position)
            except BadFrame as error:
                self.distrust(worker, error)
            except Damaged as error:
                if not self.code_has_changed:
                    raise
                why = "the code of the chat was changed while the server ran, and its replay is another one"
                raise Damaged(f"{why}: {error}") from error

    @property
    def admits(self) -> bool:
        """Whether workers are attached, and clients come in: at a start, when it is known whose the nicknames are.

        Accounts may be newer than the journal: of a folder that somebody has moved, or where the journal was lost. An
        authenticator that cannot open them says so; for one that does not live to say anything nobody waits for long.
        """
        return self.authenticator_client.has_spoken or self.stopping or time.monotonic() >= self.admit_at

    def due_in(self) -> float:
        """Seconds until the core wants to know the time."""
        return (self.recovery.core.next_deadline - now()[1]) / 1000

    def timeout(self) -> float:
        """Seconds until there is something to do that no file descriptor tells of."""
        due = self.disk_full.wait if self.disk_full.is_full else 0.0 if self.pending else self.due_in()
        if self.ledger.lagging:
            due = math.inf  # a lagging worker will say that it does no more
        tend_at = max(self.tend_at, self.history_client.next_deadline)
        return max(0.0, min(BEAT_SECONDS, due, tend_at - time.monotonic()))

    def on_control(self) -> None:
        """The supervisor hands over transports, links and new settings, or says stop, and why. Its end: it is dead."""
        for message, fds in self.control.take():
            match message, fds:
                case ("stop", str() as reason), []:
                    self.stopping = True
                    self.pending.add([("stop", reason)])
                case ("reload", tuple() as chat, str() as password, tuple() as opers), []:
                    self.secrets = Secrets(password, tuple(Oper(*oper) for oper in opers))
                    self.redaction.opers = names(self.secrets)
                    self.settings = replace(self.settings, chat=unpack(chat))
                    self.pending.add([("reload", chat)])
                case ("rehashed", int() as connection, int() as end, bool() as is_done, str() as said), []:
                    self.pending.add(self.rehashing.answered(ConnectionId(connection), end, is_done, said))
                case ("trace", tuple() as traces), []:
                    self.take_traces(traces)
                case ("transport", int() as worker, int() as serial, bytes() as pickled), [_, *_]:
                    self.streams.take_transport(WorkerNumber(worker), load_pair(pickled, fds).at_broker())
                    self.control.post(("opened", serial))
                case ("link", int()), [fd]:
                    self.history_client.take_recorder(Link(socket.socket(fileno=fd)))
                case ("authenticator",), [fd]:
                    self.authenticator_client.take_authenticator(Link(socket.socket(fileno=fd)))
                case _:
                    raise unusable(self.control, message)
        if self.control.ended:
            os._exit(0)

    def take_traces(self, wanted: tuple[TraceWanted, ...]) -> None:
        """What somebody traces has changed."""
        former, self.tracing = self.tracing, Tracing(wanted) if wanted else None
        if self.tracing is not None and former is not None:
            self.tracing.go_on(former)
        self.recovery.core.tracing = self.tracing
        self.switch_tracing()

    def switch_tracing(self) -> None:
        """Hops are noted as long as the scoreboard says so."""
        is_on = self.scoreboard.tracing[0] != 0
        self.trace = self.scoreboard.ring(BROKER_ROW) if is_on else None
        self.recovery.trace = self.streams.trace = self.trace

    def mark(self) -> None:
        """Of what the last blocks have decided, the workers are told which items are traced."""
        for trace, connection, end, is_private, items in self.recovery.marked:
            if self.trace is not None:
                self.trace.note(Hop.MARKED, connection, end, worker=trace, size=int(is_private), depth=len(items))
                for worker, number in items:
                    self.trace.note(Hop.ROUTED, place=number, worker=worker)
            for worker, number in items:
                self.streams.mark(worker, number)
        self.recovery.marked.clear()

    def take_messages(self, worker: WorkerNumber) -> None:
        transport, meter = self.streams.transport(worker), self.streams.meters[worker]
        try:
            for message in transport.take():
                meter[MESSAGES_TAKEN] += 1
                match message:
                    case ("batch", int() as applied, int() as cost, list() as records) if (
                        0 <= applied <= MOST and 0 <= cost <= MOST
                    ):
                        check_records(worker, DIALECTS, records)
                        self.ledger.applied(worker, applied)
                        self.pending.add_batch(worker, cost, records)
                        self.records += len(records)
                        meter[BYTES_TAKEN] += cost
                        if self.trace is not None:
                            place, waiting = meter[MESSAGES_TAKEN], len(self.pending)
                            self.trace.note(Hop.TOOK_RECORDS, place=place, worker=worker, size=cost, depth=waiting)
                    case ("checkpoint", int() as position, list() as entries, (list() | None) as forgotten):
                        outbox = self.recovery.outboxes[worker]
                        check_checkpoint(outbox.last, position, entries, forgotten)
                        outbox.checkpoint(StreamPosition(position), entries, forgotten)
                    case ("attach", int() as position) if position <= MOST:
                        self.streams.asking_to_attach[worker] = position
                    case _:
                        raise UnknownMessage(message)
        except BadFrame as error:
            self.distrust(worker, error)
            return
        crash_point("broker: received")
        if transport.ended:
            self.streams.leave(worker)

    def distrust(self, worker: WorkerNumber, error: BadFrame) -> None:
        """What this worker has sent is no message: another takes its place. What was well-formed before that stands."""
        self.control.post(("misbehaves", f"worker{worker}", str(error)))
        self.streams.leave(worker)

    def distrust_recorder(self, error: BadFrame) -> None:
        """What the recorder has sent is no message: there will be another."""
        self.control.post(("misbehaves", "recorder", str(error)))
        self.history_client.leave_recorder()

    def distrust_authenticator(self, error: BadFrame) -> None:
        """The same of the authenticator."""
        self.control.post(("misbehaves", "authenticator", str(error)))
        self.authenticator_client.leave_authenticator()

    def look(self) -> None:
        """A message of a peer that does not go on, though its process turns, is reported."""
        most = most_looks(self.settings.hang_limit)
        for worker, transport in self.streams.transports():
            if not self.peers.has_turned(FIRST_WORKER_ROW + worker):
                continue
            try:
                transport.look(most)
            except BadFrame as error:
                self.distrust(worker, error)
        if self.history_client.recorder is not None and self.peers.has_turned(RECORDER_ROW):
            try:
                self.history_client.recorder.look(most)
            except BadFrame as error:
                self.distrust_recorder(error)
        authenticator = self.authenticator_client.authenticator
        if authenticator is not None and self.peers.has_turned(AUTHENTICATOR_ROW):
            try:
                authenticator.look(most)
            except BadFrame as error:
                self.distrust_authenticator(error)

    def hear_recorder(self) -> None:
        answers: list[Record] = []
        try:
            self.history_client.on_messages(answers)
        except BadFrame as error:
            self.distrust_recorder(error)
        self.pending.add(answers)

    def hear_authenticator(self) -> None:
        answers: list[Record] = []
        try:
            self.authenticator_client.on_messages(answers)
        except BadFrame as error:
            self.distrust_authenticator(error)
        self.pending.add(answers)

    def commit(self, block: list[Record]) -> bool:
        """Let a block happen: returns whether the disk has taken it; if not, nothing has happened.

        Passwords are taken out first, so neither journal nor core sees one. When the core must know whether one was
        right it asks, and the answer is a record too, in a block of its own behind the one that asked.
        """
        try:
            asked = self.recovery.propose(self.redaction.take_block(block))
        except OSError as error:
            self.redaction.undo()
            self.disk_full.begin(str(error))
            return False
        self.pending.commit(self.recovery.applied_in)
        self.report()
        if self.recovery.marked:
            self.mark()
        if asked:
            self.pending.add_first([answer for each in asked for answer in self.answer(each)])
        self.redaction.commit(self.recovery.core.dealt_with)
        for connection in self.recovery.closed:
            self.redaction.closed(connection)
            self.authenticator_client.closed(connection)
        self.recovery.closed.clear()
        return True

    def report(self) -> None:
        """Log what the core has reported, but no name that is none of an operator's: it may be a password."""
        for event, facts in self.recovery.audit:
            if event == "reloaded":
                self.control.post(("reloaded",))  # whoever has asked for it waits for that
            if event == "wrong password" and facts["kind"] == "oper":  # its address must wait: these cannot be many
                if facts["name"] not in names(self.secrets):
                    facts["name"] = "unknown name"
                self.log.warning(event, **facts)
            elif event in ("wrong password", "login refused"):
                self.refusals.warning(event, **facts)
            elif event == "operator's account is not registered":
                self.log.warning(event, **facts)
            else:
                self.log.info(event, **facts)
        self.recovery.audit.clear()

    def answer(self, asked: Asked) -> list[Record]:
        """The answer to a question of the core's, if it is known; else whoever knows it is asked."""
        connection, end, question = asked
        match question:
            case PastAsked() | TargetsAsked() | SearchAsked():
                self.history_client.ask(connection, end, question)
                return []
            case RehashAsked():
                self.rehashing.ask(connection, end)
                return []
            case (
                RegistrationAsked() | LoginAsked() | SaslAsked() | PasswordChangeAsked() | DropAsked() | RemovalAsked()
            ):
                known = self.recovery.core.connection(connection)
                address = known.session.host if known is not None else ""
                secret = self.redaction.secret(connection, end)
                return self.authenticator_client.ask(connection, end, address, question, secret)
            case PasswordAsked():
                is_right = is_password(self.secrets, self.redaction.secret(connection, end))
            case OperAsked(name):
                is_right = is_oper(self.secrets, name, self.redaction.secret(connection, end))
        return [("answer", connection, is_right)]


@lru_cache(maxsize=1)
def utc_offset(minute: int) -> int:
    """By how many minutes local time is ahead of UTC in this minute since the epoch: summer time begins at one.

    0 if that is a day or more, as in no time zone: TZ may say so all the same.
    """
    offset = time.localtime(minute * 60).tm_gmtoff // 60
    return offset if abs(offset) < _DAY_MINUTES else 0


def now() -> tuple[int, int]:
    """Wall clock and monotonic ms."""
    return time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000
