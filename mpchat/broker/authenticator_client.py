"""The broker's questions about accounts, with the passwords that redaction has kept. The authenticator answers them.

The broker does not wait for it: only the line that asked does, and those behind it. What a dead authenticator was asked
its successor is asked too. Where no answer comes in time, or nothing is there that could give one, the client is told
to try again. Many who log in at once wait for each other: as long as answers come, nobody's time is up.
"""

import time
from dataclasses import dataclass

from mpchat.chat.names import fold
from mpchat.ipc.link import Link, close_all
from mpchat.ipc.scoreboard import Meter
from mpchat.ipc.validation import account_answer, are_texts
from mpchat.messages import (
    Accounts,
    BrokerToAuthenticator,
    ConnectionId,
    Offset,
    PasswordTold,
    Record,
    Removal,
    SaslPiece,
    UnknownMessage,
)
from mpchat.protocol.outcomes import (
    AccountQuestion,
    DropAsked,
    LoginAsked,
    PasswordChangeAsked,
    RegistrationAsked,
    RemovalAsked,
    SaslAsked,
)
from mpchat.runtime.log import Log
from mpchat.runtime.poller import AnyPoller
from mpchat.settings import Settings

_NO_TIME = 0.0
_LONG_SECONDS = 5.0  # a wait of which the log speaks: irssi and WeeChat give up after 15 to 20 s
_REPORT_SECONDS = 60.0  # between two such lines


@dataclass(slots=True)
class _Open:
    """A question: what the next authenticator is asked too, and since when it waits. It has the password in it."""

    message: PasswordTold | Removal | SaslPiece
    asked_at: float
    waits_long: bool = False  # it is counted among those


class AuthenticatorClient:
    """Of one broker, with the authenticator of the moment. Times in monotonic seconds."""

    def __init__(self, settings: Settings, poller: AnyPoller, meter: Meter, log: Log) -> None:
        self.authenticator: Link[BrokerToAuthenticator] | None = None
        self._log = log
        self.has_spoken = False  # the authenticator has said which accounts there are, or that it cannot
        self._poller = poller
        self._meter = meter  # of our end of the link
        # Without a data directory nothing is kept, no account either: there is no authenticator.
        self._seconds = settings.account_seconds if settings.data else _NO_TIME
        self._most_seconds = settings.account_most_seconds
        self._open: dict[tuple[ConnectionId, Offset], _Open] = {}  # by connection and end of the line
        self._answered_at = 0.0  # the last answer of any authenticator
        # Since the last line of the log: so many have begun to wait long, have got no answer; the longest wait.
        self._long, self._late, self._longest = 0, 0, 0.0
        self._report_at = 0.0  # the next line is due
        self._asked_by: set[ConnectionId] = set()  # connections of which the authenticator knows
        self._names: list[str] = []  # of all accounts
        self._mechanisms: list[str] = []

    def take_authenticator(self, link: Link[BrokerToAuthenticator]) -> None:
        self.leave_authenticator()
        self.authenticator = link
        link.count_on(self._meter)
        self._poller.watch(link)
        for each in self._open.values():
            self._post(each.message)

    def leave_authenticator(self) -> None:
        """It is dead, or misbehaves. What it was asked, the next one is asked too."""
        if self.authenticator is not None:
            self._poller.forget(self.authenticator)
            self.authenticator.close()
        self.authenticator = None

    def ask(
        self, connection: ConnectionId, end: Offset, address: str, question: AccountQuestion, secret: str
    ) -> list[Record]:
        """Ask, for the line of this connection that ends there. Returns the answer if there can be no other.

        `secret`: what redaction has taken out of the line; without one nothing can be asked but what needs none.
        """
        if not secret and not isinstance(question, RemovalAsked):
            return [_late(connection)]
        message = _message(connection, end, address, question, secret)
        self._open[connection, end] = _Open(message, time.monotonic())
        self._asked_by.add(connection)
        self._post(message)
        return self.overdue() if self._seconds == _NO_TIME else []

    def _post(self, message: BrokerToAuthenticator) -> None:
        if self.authenticator is not None:
            self.authenticator.post(message)
            self._poller.want_write(self.authenticator, self.authenticator.unsent)

    def on_messages(self, answers: list[Record]) -> None:
        """Take what the authenticator says, and put its answers behind these. Raises BadFrame at what none says."""
        assert self.authenticator is not None
        self.authenticator.flush()
        for message, fds in self.authenticator.take():
            match message, fds:
                case ("accounts", list() as names, list() as mechanisms), [] if are_texts(names + mechanisms):
                    self.has_spoken, self._names, self._mechanisms = True, names, mechanisms
                    answers += [self._accounts, *self._void_changes()]
                    self._post(("heard",))
                case ("no accounts",), []:
                    self.has_spoken = True
                case ("verdict", int() as connection, int() as end, verdict), []:
                    answer, self._answered_at = account_answer(verdict), time.monotonic()
                    if answer[0] == "registered" and answer[1] not in self._names:
                        self._names.append(answer[1])
                    if self._open.pop((ConnectionId(connection), end), None) is not None:
                        answers.append(("answer", ConnectionId(connection), answer))
                    elif answer[0] == "registered":  # there is an account, though whoever asked for it cannot be told
                        answers.append(self._accounts)
                case _:
                    close_all([(message, fds)])
                    raise UnknownMessage(message)
        if self.authenticator.ended:
            self.leave_authenticator()
        else:
            self._poller.want_write(self.authenticator, self.authenticator.unsent)

    def _void_changes(self) -> list[Record]:
        """Whoever wants another password for an account that there is no more is told that nothing comes of it.

        A stranger may register the name next: what is asked of the next authenticator must not be about their account.
        """
        known = {None, *map(fold, self._names)}
        void = [place for place, each in self._open.items() if _changes(each.message) not in known]
        for place in void:
            del self._open[place]
            self._forget(place[0])
        return [_late(connection) for connection, _ in void]

    @property
    def _accounts(self) -> Accounts:
        """A record, which does not change any more."""
        return "accounts", sorted(self._names), list(self._mechanisms)

    def overdue(self) -> list[Record]:
        """No answer has come in time: the client is told so, and nothing comes of it any more.

        The time begins anew with each answer, as then the authenticator turns to the next who waits; but nobody waits
        for longer than account_most_seconds.
        """
        now = time.monotonic()
        late = []
        for place, each in self._open.items():
            waited = now - each.asked_at
            if waited >= _LONG_SECONDS:
                self._long += not each.waits_long
                self._longest, each.waits_long = max(self._longest, waited), True
            if waited >= self._most_seconds or now - max(each.asked_at, self._answered_at) >= self._seconds:
                late.append(place)
        for place in late:
            del self._open[place]
            self._forget(place[0])
        if self._seconds != _NO_TIME:
            self._late += len(late)
            self._report(now)
        return [_late(connection) for connection, _ in late]

    def _report(self, now: float) -> None:
        """A line a minute while logins wait long, or get no answer."""
        if now >= self._report_at and (self._long or self._late):
            facts = {"wait_long": self._long, "unanswered": self._late, "longest_seconds": round(self._longest, 1)}
            self._log.warning("logins and registrations wait for the authenticator", **facts)
            self._long, self._late, self._longest = 0, 0, 0.0
            self._report_at = now + _REPORT_SECONDS

    def closed(self, connection: ConnectionId) -> None:
        """It has left: no account is made for it, and an exchange that it had begun is over."""
        if connection in self._asked_by:
            for place in [place for place in self._open if place[0] == connection]:
                del self._open[place]
            self._forget(connection)

    def _forget(self, connection: ConnectionId) -> None:
        self._asked_by.discard(connection)
        self._post(("forget", connection))


def _changes(message: PasswordTold | Removal | SaslPiece) -> str | None:
    """The account, folded, whose password this message is to change; None: of none."""
    return fold(message[4]) if message[0] == "password" else None


def _late(connection: ConnectionId) -> Record:
    return "answer", connection, ("late", "")


def _message(
    connection: ConnectionId, end: Offset, address: str, question: AccountQuestion, secret: str
) -> PasswordTold | Removal | SaslPiece:
    """A question as the authenticator reads it."""
    match question:
        case RegistrationAsked(account):
            return "register", connection, end, address, account, secret
        case LoginAsked(account):
            return "login", connection, end, address, account, secret
        case PasswordChangeAsked(account):
            return "password", connection, end, address, account, secret
        case DropAsked(account):
            return "drop", connection, end, address, account, secret
        case RemovalAsked(account):
            return "remove", connection, end, account
        case SaslAsked(mechanism, is_first):
            return "sasl", connection, end, address, mechanism, is_first, secret
