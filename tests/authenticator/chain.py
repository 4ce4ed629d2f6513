"""A real broker's client and a real authenticator with its database, joined by a real link, a turn at a time."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

from mpchat.authenticator.authenticator import Authenticator
from mpchat.broker.authenticator_client import AuthenticatorClient
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import FIRST_WORKER_ROW, Scoreboard
from mpchat.messages import ConnectionId
from mpchat.protocol.outcomes import AccountQuestion, LoginAsked, RegistrationAsked, SaslAsked
from mpchat.runtime.log import Log
from mpchat.runtime.poller import Poller
from mpchat.settings import Settings
from mpchat.store.data_directory import claim
from tests.running import PATIENCE

FEW = 4096  # iterations: as few as scramp takes
STRANGER = "192.0.2.7"
PASSWORD = "correct horse"
ANA, BETO, CARO = 1, 2, 3
NUL = "\0"


def settings_of(folder: Path, **values: Any) -> Settings:
    return Settings(**{"workers": 1, "data": str(folder), "key_iterations": FEW, **values})


def encoded(message: str) -> str:
    return base64.b64encode(message.encode()).decode()


class Chain:
    """`records`: what the broker would journal, in order."""

    def __init__(self, folder: Path, **values: Any) -> None:
        """The working directory must be the folder, as it is a broker's."""
        self.settings = settings_of(folder, **values)
        self.data = claim(folder)
        self.scoreboard = Scoreboard.make(FIRST_WORKER_ROW + 1)
        self.records: list[Any] = []
        self.ends: dict[int, int] = {}  # of each connection's last line
        self.begin_broker()
        self.begin_authenticator()

    def begin_broker(self) -> None:
        self.poller = Poller()
        meter = self.scoreboard.meter("broker", "authenticator")
        self.client = AuthenticatorClient(self.settings, self.poller, meter, Log("broker", "info", False))

    def begin_authenticator(self) -> None:
        ours, theirs = Link.pair()
        self.control = Link[Any](ours)
        log = Log("authenticator", "info", False)
        self.authenticator = Authenticator(Link(theirs), log, self.settings, self.scoreboard, self.data)
        self.authenticator.poller.watch(self.authenticator.control)
        self.authenticator.poller.watch(self.authenticator.derivation)
        self.authenticator.see_to_files(time.monotonic())
        self.connect()

    def connect(self) -> None:
        ours, theirs = Link.pair()
        with theirs:
            self.control.post(("broker",), fds=(theirs.fileno(),))
        self.client.take_authenticator(Link(ours))

    def end_broker(self) -> None:
        self.client.leave_authenticator()

    def end_authenticator(self) -> None:
        """As by SIGKILL: what it was about to say is not said."""
        self.client.leave_authenticator()
        self.authenticator.control.close()
        self.control.close()
        while self.authenticator.derivation.is_busy:
            self.authenticator.derivation.take()
        self.authenticator.derivation.close()
        if self.authenticator.broker is not None:
            self.authenticator.leave(self.authenticator.broker)
        if self.authenticator.accounts is not None:
            self.authenticator.accounts._db.close()

    def close(self) -> None:
        self.end_authenticator()
        self.data.release()

    def turn(self, timeout: float = 0.0) -> None:
        self.authenticator.turn(timeout)
        self.hear()

    def hear(self) -> None:
        """What the authenticator has said."""
        if self.client.authenticator is not None:
            self.client.on_messages(self.records)

    def until(self, what: Any) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (found := what()):
            assert time.monotonic() < deadline, "it never became true"
            self.turn(0.01)
        return found

    def ask(self, id: int, question: AccountQuestion, secret: str, address: str = STRANGER) -> int:
        """By a new line; returns where that ends."""
        end = self.ends[id] = self.ends.get(id, 0) + 100
        self.ask_again(id, end, question, secret, address)
        return end

    def ask_again(self, id: int, end: int, question: AccountQuestion, secret: str, address: str = STRANGER) -> None:
        self.records += self.client.ask(ConnectionId(id), end, address, question, secret)

    def answer(self, id: int) -> Any:
        """The next to this connection."""

        def found() -> Any:
            return next((record for record in self.records if record[:2] == ("answer", id)), None)

        record = self.until(found)
        self.records.remove(record)
        return record[2]

    def accounts(self) -> Any:
        """The last record of which there are, which must have come."""

        def found() -> Any:
            return [record for record in self.records if record[0] == "accounts"]

        return self.until(found)[-1]

    def register(self, id: int, account: str, password: str = PASSWORD, address: str = STRANGER) -> Any:
        self.ask(id, RegistrationAsked(account), password, address)
        return self.answer(id)

    def login(self, id: int, account: str, password: str = PASSWORD, address: str = STRANGER) -> Any:
        self.ask(id, LoginAsked(account), password, address)
        return self.answer(id)

    def sasl(self, id: int, mechanism: str, piece: str, is_first: bool = True) -> Any:
        self.ask(id, SaslAsked(mechanism, is_first), piece)
        return self.answer(id)

    def forget_passwords(self) -> None:
        """As an authenticator that has just begun: a login costs a derivation."""
        self.authenticator.reminders.clear()

    @property
    def derivations(self) -> int:
        return self.authenticator.derivation.count
