"""The authenticator: it keeps the accounts, makes new ones, and says whether a client knows an account's password.

It waits on the link to the broker, the control link to the supervisor, and the thread that derives keys. It decides
nothing about the chat: what a login gives is the broker's affair. Passwords come by the broker's link, stay in memory
until they were checked, and are written nowhere. Of the right ones a reminder stays, in memory too (keys.py): who comes
back with the same password waits for no derivation. A wrong one always costs a derivation, as does an account that
there is not.

If it dies, the broker asks its successor what was open, with the passwords that it has kept; of an exchange by SCRAM
that had begun, the client is told to begin again. An account is on the disk before anybody is told that it is
registered, with the line that made it: the same line asked again, after any death, is told the same. Another password
is on the disk before anybody is told of it, and so is that an account is dropped: asked again, the one is stored once
more, and of the other nothing is left to do.
"""

import hmac
import os
import secrets
import socket
import sqlite3
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mpchat.authenticator.derivation import Derivation
from mpchat.authenticator.keys import are_same, new_salt, of_nobody, reminder, weakness
from mpchat.authenticator.sasl import PLAIN, SCRAM, BadMessage, Message, Scram, WrongProof, encoded, mechanisms, plain
from mpchat.chat.names import fold
from mpchat.flow.fair_queue import FairQueue
from mpchat.ipc.descriptors import unusable
from mpchat.ipc.frames import LOOK_SECONDS, most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import AUTHENTICATOR_ROW, BROKER_ROW, Scoreboard, TurnWatch
from mpchat.messages import (
    AccountAnswer,
    AuthenticatorToBroker,
    BadFrame,
    ChildToSupervisor,
    ConnectionId,
    Offset,
    UnknownMessage,
)
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.first_minute import BEAT_SECONDS
from mpchat.runtime.heartbeat import Heartbeat
from mpchat.runtime.log import Log
from mpchat.runtime.poller import Poller
from mpchat.settings import Settings
from mpchat.store.accounts import FILE, Account, Accounts, Keys
from mpchat.store.data_directory import DataDirectory
from mpchat.store.journal import Damaged, full_name

_UNUSABLE = (sqlite3.Error, OSError, Damaged)  # errors of the files: a later try may succeed
_RETRY_SECONDS = 0.5
_CHECK_SECONDS = 1.0  # between two looks whether the accounts' files are those that have their names
_SECRET_BYTES = 32  # as long as SHA-256's output (RFC 2104, section 3)
_NICENESS = 5  # the chat comes first; but with more, on a busy machine, no login would be done within its seconds


def main(
    control: Link[ChildToSupervisor], log: Log, settings: Settings, scoreboard: Scoreboard, data: DataDirectory
) -> None:
    """`data`: where the accounts are, locked as long as this process has it open."""
    Authenticator(control, log, settings, scoreboard, data).run()


@dataclass(frozen=True, slots=True)
class _Job:
    """What must be derived for an answer."""

    id: ConnectionId
    end: Offset
    account: str
    password: str = field(repr=False)
    keys: Keys = field(repr=False)  # whose salt and iterations are used
    # "made": the line that asks may be the one that has made it; "change": to this password; "drop": if it is right
    kind: Literal["make", "made", "check", "change", "drop"]


@dataclass(slots=True)
class _Client:
    """A connection that has asked."""

    end: Offset = 0  # of the last line that did
    answer: AccountAnswer | None = None  # to that line; None: it waits
    message: Message | None = None  # of the exchange that has begun
    scram: Scram | None = None


class Authenticator:
    def __init__(
        self,
        control: Link[ChildToSupervisor],
        log: Log,
        settings: Settings,
        scoreboard: Scoreboard,
        data: DataDirectory,
    ) -> None:
        self.control, self.log, self.settings, self.scoreboard, self.data = control, log, settings, scoreboard, data
        self.heartbeat = Heartbeat(scoreboard, AUTHENTICATOR_ROW)
        self.poller = Poller()
        self.broker: Link[AuthenticatorToBroker] | None = None
        self.mechanisms = mechanisms()
        self.derivation = Derivation()
        self.queue: FairQueue[_Job] = FairQueue()
        self.job: _Job | None = None  # what is being derived for
        # Of so many connections at most as there may be: of those that have left, a dead broker could not tell us.
        self.clients: OrderedDict[ConnectionId, _Client] = OrderedDict()
        self.accounts: Accounts | None = None  # as long as they can be used
        self.former: Accounts | None = None  # what there was, if its files were removed
        self.secret = secrets.token_bytes(_SECRET_BYTES)  # of the reminders
        self.reminders: dict[str, bytes] = {}  # by folded name of an account: of the password that it had last
        self.has_complained = self.is_full = self.is_ready = False
        self.open_at = self.check_at = self.look_at = 0.0  # monotonic: the next try, look at files, look at frames
        self.peers = TurnWatch(scoreboard)
        self.answers = self.turns = 0

    def run(self) -> None:
        with suppress(OSError):  # a sandbox may forbid it
            os.nice(_NICENESS)
        self.poller.watch(self.control)
        self.poller.watch(self.derivation)
        while True:
            self.see_to_files(time.monotonic())
            self.turn(BEAT_SECONDS)
            self.turns += 1
            self.scoreboard.write(AUTHENTICATOR_ROW, records=self.answers, turns=self.turns)
            self.log.catch_up()

    def turn(self, timeout: float) -> None:
        """Wait for so many seconds at most, and deal with what has come."""
        for source, _, writable, _ in self.poller.wait(timeout):
            if source is self.control:
                self.on_control()
            elif source is self.derivation:
                self.on_derived()
            elif isinstance(source, Link) and source is self.broker:
                self.on_broker(source, writable)
        if time.monotonic() >= self.look_at:
            self.look_at = time.monotonic() + LOOK_SECONDS
            self.look()
        self.derive_next()

    # The accounts' files

    def see_to_files(self, now: float) -> None:
        """Open them, if they are not; if somebody has removed them, or put others there, open them again."""
        if self.accounts is not None and now >= self.check_at:
            self.check_at = now + _CHECK_SECONDS
            if not self.accounts.is_in_place:
                self.close_files(self.accounts)
        if self.accounts is None and now >= self.open_at:
            try:
                with self.heartbeat.waiting_for_the_disk:
                    self.data.enter()
                    self.accounts = Accounts(Path(FILE), self.former)
            except _UNUSABLE as error:
                self.retry_later(error)
            else:
                if self.has_complained:
                    self.log.info("accounts can be used again", count=len(self.accounts))
                self.has_complained, self.former = False, None
                self.tell_accounts()

    def close_files(self, accounts: Accounts) -> None:
        was_removed = not Path(FILE).exists()
        self.log.error(
            "somebody removed or replaced the accounts' files",
            folder=full_name(Path()),
            then="they are written again" if was_removed else "those that are there now are used",
        )
        accounts.close()
        self.reminders.clear()
        self.accounts, self.former, self.open_at = None, accounts if was_removed else None, 0.0

    def retry_later(self, error: Exception) -> None:
        """Nobody can log in meanwhile; who is in stays in."""
        self.open_at = time.monotonic() + _RETRY_SECONDS
        if not self.has_complained:
            self.has_complained = True
            self.log.error("accounts cannot be used: nobody can log in until they can", error=str(error))
            self.tell_accounts()
            self.be_ready()

    def be_ready(self) -> None:
        if not self.is_ready:
            self.is_ready = True
            self.control.post(("ready",))

    # The links

    def on_control(self) -> None:
        """The supervisor hands over a link to a new broker, or says stop. Its end of file: the supervisor is dead."""
        for message, fds in self.control.take():
            match message, fds:
                case ("stop",), []:
                    if self.accounts is not None:
                        self.accounts.close()
                    os._exit(0)
                case ("broker",), [fd]:
                    if self.broker is not None:
                        self.leave(self.broker)
                    self.broker = Link(socket.socket(fileno=fd))
                    self.broker.count_on(self.scoreboard.meter("authenticator", "broker"))
                    self.poller.watch(self.broker)
                    self.tell_accounts()
                case _:
                    raise unusable(self.control, message)
        if self.control.ended:
            os._exit(0)

    def on_broker(self, broker: Link[AuthenticatorToBroker], writable: bool) -> None:
        if writable:
            broker.flush()
        try:
            broker.take_each(self.on_message)
        except BadFrame as error:
            self.report(broker, error)
            return
        if broker.ended:
            self.leave(broker)
        else:
            self.poller.want_write(broker, broker.unsent)

    def on_message(self, message: tuple[object, ...], fds: list[int]) -> None:
        """Raises UnknownMessage."""
        match message, fds:
            case ("heard",), []:
                self.be_ready()
            case (
                "register" | "login" | "password" | "drop" as kind,
                int() as connection,
                int() as end,
                str() as address,
                str() as account,
                str() as password,
            ), []:
                id = ConnectionId(connection)
                if self.is_new(id, end):
                    self.ask(id, end, address, account, password, kind)
            case ("remove", int() as connection, int() as end, str() as account), []:
                id = ConnectionId(connection)
                if self.is_new(id, end):
                    self.drop(id, end, account)
            case (
                "sasl",
                int() as connection,
                int() as end,
                str() as address,
                str() as mechanism,
                bool() as is_first,
                str() as piece,
            ), []:
                id = ConnectionId(connection)
                if self.is_new(id, end):
                    self.take_piece(id, end, address, mechanism, is_first, piece)
            case ("forget", int() as connection), []:
                self.queue.remove(connection)
                self.clients.pop(ConnectionId(connection), None)
            case _:
                raise UnknownMessage(message)

    def report(self, broker: Link[AuthenticatorToBroker], error: BadFrame) -> None:
        """The broker has sent what is no message: the supervisor replaces it."""
        self.control.post(("misbehaves", "broker", str(error)))
        self.leave(broker)

    def look(self) -> None:
        """Report a broker that does not finish a frame, though it turns its loop."""
        if self.broker is not None and self.peers.has_turned(BROKER_ROW):
            try:
                self.broker.look(most_looks(self.settings.hang_limit))
            except BadFrame as error:
                self.report(self.broker, error)

    def leave(self, broker: Link[AuthenticatorToBroker]) -> None:
        """What it has asked stays: its successor asks the same again, and is told what came of it meanwhile."""
        self.poller.forget(broker)
        broker.close()
        self.broker = None

    def tell_accounts(self) -> None:
        if self.accounts is not None:
            self.post(("accounts", [account.name for account in self.accounts], self.mechanisms))
        elif self.has_complained:
            self.post(("no accounts",))

    def post(self, message: AuthenticatorToBroker) -> None:
        if self.broker is not None:
            self.broker.post(message)
            self.poller.want_write(self.broker, self.broker.unsent)

    # Questions

    def is_new(self, id: ConnectionId, end: Offset) -> bool:
        """Whether this line has not asked before. One that has, by a broker that died, is told again what came of it;
        or it still waits."""
        client = self.clients.setdefault(id, _Client())
        self.clients.move_to_end(id)
        if len(self.clients) > self.settings.max_clients:
            oldest, _ = self.clients.popitem(last=False)
            self.queue.remove(oldest)
        if client.end != end:
            client.end, client.answer = end, None
            crash_point("authenticator: asked")
            return True
        if client.answer is not None:
            self.post(("verdict", id, end, client.answer))
        return False

    def say(self, id: ConnectionId, end: Offset, answer: AccountAnswer) -> None:
        """The answer to a line that waits."""
        client = self.clients[id]
        client.answer = answer
        if answer[0] not in ("more", "challenge", "proof"):
            client.message = client.scram = None
        self.answers += 1
        self.post(("verdict", id, end, answer))
        crash_point("authenticator: answered")

    def ask(self, id: ConnectionId, end: Offset, address: str, account: str, password: str, kind: str) -> None:
        """Answer at once what needs no derivation, and no secret; the rest waits for its turn."""
        accounts = self.accounts
        if accounts is None:
            self.say(id, end, ("late", ""))
            return
        found = accounts.find(fold(account))
        if kind == "password":
            self.ask_for_change(id, end, address, found, password)
        elif kind == "drop" and found is not None:
            self.queue.add(id, address, _Job(id, end, account, password, found.keys, "drop"))
        elif kind == "drop":
            self.drop(id, end, account)
        elif kind == "login":
            keys = self.keys_of(accounts, account)
            if self.is_remembered(account, password, keys) and found is not None:
                self.say(id, end, ("in", found.name))
            else:
                self.queue.add(id, address, _Job(id, end, account, password, keys, "check"))
        elif found is not None and (found.connection, found.line_end) == (id, end):
            self.queue.add(id, address, _Job(id, end, account, password, found.keys, "made"))
        elif found is not None:
            self.say(id, end, ("taken", ""))
        elif (weak := weakness(self.settings, account, password)) is not None:
            self.say(id, end, ("weak", weak))
        elif not self.has_room(accounts):
            self.say(id, end, ("full", ""))
        else:
            keys = Keys(new_salt(), self.settings.key_iterations, b"", b"")
            self.queue.add(id, address, _Job(id, end, account, password, keys, "make"))

    def ask_for_change(
        self, id: ConnectionId, end: Offset, address: str, account: Account | None, password: str
    ) -> None:
        """The owner wants another password. If the account has just been dropped, they are about to be told."""
        if account is None:
            self.say(id, end, ("late", ""))
        elif (weak := weakness(self.settings, account.name, password)) is not None:
            self.say(id, end, ("weak", weak))
        else:
            keys = Keys(new_salt(), self.settings.key_iterations, b"", b"")
            self.queue.add(id, address, _Job(id, end, account.name, password, keys, "change"))

    def keys_of(self, accounts: Accounts, name: str) -> Keys:
        """Of an account that there is not, such as nobody can tell from those of one, and which no password has."""
        found = accounts.find(fold(name))
        return found.keys if found else of_nobody(accounts.secret, fold(name), self.settings.key_iterations)

    def has_room(self, accounts: Accounts) -> bool:
        """Whether there may be one account more. Of the first that may not be, the log speaks."""
        is_full = len(accounts) >= self.settings.max_accounts
        if is_full and not self.is_full:
            self.log.error("there are as many accounts as there may be", most=self.settings.max_accounts)
        self.is_full = is_full
        return not is_full

    def is_remembered(self, account: str, password: str, keys: Keys) -> bool:
        """Whether this password was found to be that of these keys before."""
        remembered = self.reminders.get(fold(account), b"")
        return hmac.compare_digest(reminder(self.secret, password, keys), remembered)

    def remember(self, account: Account, password: str) -> None:
        self.reminders[account.folded] = reminder(self.secret, password, account.keys)

    def take_piece(
        self, id: ConnectionId, end: Offset, address: str, mechanism: str, is_first: bool, piece: str
    ) -> None:
        client, accounts = self.clients[id], self.accounts
        if is_first:
            client.message, client.scram = Message(), None
        if accounts is None or client.message is None:  # its beginning died with another authenticator
            self.say(id, end, ("late", ""))
            return
        try:
            message = client.message.add(piece)
            if message is None:
                self.say(id, end, ("more", ""))
            elif mechanism == PLAIN:
                self.ask(id, end, address, *plain(message), kind="login")
            elif mechanism == SCRAM and SCRAM in self.mechanisms:
                self.go_on(id, end, client, accounts, message)
            else:
                raise BadMessage
        except BadMessage:
            self.say(id, end, ("bad", ""))

    def go_on(self, id: ConnectionId, end: Offset, client: _Client, accounts: Accounts, message: str) -> None:
        """The next step of an exchange by SCRAM: the derivation is the client's part of it. Raises BadMessage."""
        is_first = client.scram is None
        if client.scram is None:
            client.scram = Scram(lambda name: self.keys_of(accounts, name))
        try:
            answer = client.scram.answer(message)
        except WrongProof:
            self.say(id, end, _wrong(accounts.find(fold(client.scram.account))))
            return
        found = accounts.find(fold(client.scram.account))
        if answer is not None and is_first:
            self.say(id, end, ("challenge", encoded(answer)))
        elif found is None or found.keys != client.scram.keys:  # dropped meanwhile, or with another password
            self.say(id, end, _wrong(found))
        elif answer is not None:
            self.say(id, end, ("proof", f"{found.name} {encoded(answer)}"))
        else:
            self.say(id, end, ("in", found.name))

    # Derivations

    def derive_next(self) -> None:
        if self.queue and not self.derivation.is_busy:
            self.job = self.queue.take()
            self.derivation.begin(self.job.password, self.job.keys.salt, self.job.keys.iterations)

    def on_derived(self) -> None:
        keys, job, self.job = self.derivation.take(), self.job, None
        assert job is not None
        crash_point("authenticator: derived")
        client = self.clients.get(job.id)
        if client is None or client.end != job.end:
            return  # it was told that nothing has answered, or has left: no account is made for it
        if job.kind == "make":
            self.make(job, keys)
            return
        if self.accounts is None:
            self.say(job.id, job.end, ("late", ""))
            return
        found = self.accounts.find(fold(job.account))
        if job.kind == "change":
            self.change(job, keys, found)
            return
        if job.kind == "drop" and (found is None or are_same(keys, found.keys)):
            self.drop(job.id, job.end, job.account)
            return
        if found is None or not are_same(keys, found.keys):
            self.say(job.id, job.end, ("taken", "") if job.kind == "made" else _wrong(found))
            return
        self.remember(found, job.password)
        self.say(job.id, job.end, ("registered" if job.kind == "made" else "in", found.name))

    def make(self, job: _Job, keys: Keys) -> None:
        """Store a new account. Where that cannot be, the log says why, and the client is told to try again."""
        accounts, name = self.accounts, fold(job.account)
        if accounts is not None and accounts.find(name) is not None:  # another client's, which was waiting before
            self.say(job.id, job.end, ("taken", ""))
            return
        if accounts is None:
            self.say(job.id, job.end, ("late", ""))
            return
        if not self.has_room(accounts):  # others have registered while this one waited
            self.say(job.id, job.end, ("full", ""))
            return
        account = Account(name, job.account, keys, time.time_ns() // 1_000_000, job.id, job.end)
        try:
            with self.heartbeat.waiting_for_the_disk:
                accounts.add(account)
        except _UNUSABLE as error:
            self.log.error("an account could not be stored", error=str(error))
            self.say(job.id, job.end, ("late", ""))
        else:
            crash_point("authenticator: stored")
            self.remember(account, job.password)
            self.say(job.id, job.end, ("registered", account.name))

    def change(self, job: _Job, keys: Keys, account: Account | None) -> None:
        """Store another password of this account. Sessions that are logged in stay so; an exchange does not."""
        accounts = self.accounts
        if accounts is None or account is None:
            self.say(job.id, job.end, ("late", ""))
            return
        changed = account._replace(keys=keys)
        try:
            with self.heartbeat.waiting_for_the_disk:
                accounts.change(changed)
        except _UNUSABLE as error:
            self.log.error("another password could not be stored", error=str(error))
            self.say(job.id, job.end, ("late", ""))
        else:
            crash_point("authenticator: stored")
            self.remember(changed, job.password)
            self.say(job.id, job.end, ("changed", account.name))

    def drop(self, id: ConnectionId, end: Offset, name: str) -> None:
        """There is no such account any more: the broker is told so before who has asked for it.

        Where there was none, as this line had asked before, they are told the same.
        """
        accounts = self.accounts
        account = None if accounts is None else accounts.find(fold(name))
        if accounts is None:
            self.say(id, end, ("late", ""))
            return
        try:
            with self.heartbeat.waiting_for_the_disk:
                if account is not None:
                    accounts.drop(account.folded)
        except _UNUSABLE as error:
            self.log.error("an account could not be dropped", error=str(error))
            self.say(id, end, ("late", ""))
            return
        crash_point("authenticator: stored")
        self.reminders.pop(fold(name), None)
        self.tell_accounts()
        self.say(id, end, ("dropped", name if account is None else account.name))


def _wrong(found: Account | None) -> AccountAnswer:
    """The core counts by account who guesses; the name of one that there is not may be a password, and is not told."""
    return "wrong", "" if found is None else found.name
