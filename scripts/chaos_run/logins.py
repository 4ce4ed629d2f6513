"""Logins in a chaos run: accounts, made before the first kill, and clients who prove by SASL that they are theirs.

Whatever is killed meanwhile, a right password is answered by 903 and the account's nickname, a wrong one by 904, or
either, in words, that it cannot be checked now: then the next one tries again.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from scripts.chaos_run.clients import Client, Script
from scripts.chaos_run.lines import Log

if TYPE_CHECKING:
    from scripts.chaos_run.load import Load

_ACCOUNTS = 4
_LOGIN_SECONDS = 0.7  # between two, on average
_WRONG = 0.2  # of them, with a password that is none
_LATER = b"try again"


class Logins:
    """All of one run. `complaints`: what an account's owner must not read."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.free = [f"owner{number}" for number in range(_ACCOUNTS)]  # those with which nobody is logging in
        self.right = self.wrong = self.later = 0  # answers
        self.complaints: list[str] = []
        self.clients: list[Client] = []

    def register(self) -> list[Client]:
        """Somebody registers each account, and leaves. They are `over` when it is done."""
        self.clients += [Registrant(self, account) for account in self.free]
        return self.clients

    def begin(self) -> None:
        load = self.load
        if not load.busy:
            return
        load.later(load.random.uniform(0, 2 * _LOGIN_SECONDS), self.begin)
        if self.free:
            account = self.free.pop(load.random.randrange(len(self.free)))
            self.clients.append(Owner(self, account, knows=load.random.random() >= _WRONG))

    @property
    def are_over(self) -> bool:
        return all(client.over for client in self.clients)

    def __str__(self) -> str:
        return f"{self.right} right, {self.wrong} wrong, {self.later} told to try again"


def _password(account: str) -> str:
    return f"the-password-of-{account}"


class Registrant(Client):
    def __init__(self, logins: Logins, account: str) -> None:
        self.logins, self.account = logins, account
        super().__init__(logins.load, Log(""))

    def play(self) -> Script:
        yield from self.register(self.account)
        self.send(f"REGISTER * * {_password(self.account)}\r\n")
        answer = yield b" FAIL ", b"FAIL REGISTER", b"REGISTER SUCCESS"
        if b"SUCCESS" not in answer:
            self.logins.complaints.append(f"{self.account} could not be registered: {answer!r}")
        self.leaving = True
        self.send("QUIT\r\n")


class Owner(Client):
    """Who knows the password, or does not."""

    def __init__(self, logins: Logins, account: str, knows: bool) -> None:
        self.logins, self.account, self.knows = logins, account, knows
        super().__init__(logins.load, Log("", secure=logins.load.takes_tls()))

    def play(self) -> Script:
        logins, password = self.logins, _password(self.account) if self.knows else "something-else"
        nick = self.account if self.knows else f"guest{next(self.load.numbers)}"
        self.send(f"CAP REQ :sasl\r\nNICK {nick}\r\nUSER o 0 * :An owner\r\nAUTHENTICATE PLAIN\r\n")
        yield (b"AUTHENTICATE +",)
        self.send(f"AUTHENTICATE {b64encode(f'{chr(0)}{self.account}{chr(0)}{password}'.encode()).decode()}\r\n")
        answer = yield b" 903 ", b" 904 "
        if b" 904 " in answer and _LATER in answer:
            logins.later += 1
        elif (b" 903 " in answer) != self.knows:
            logins.complaints.append(
                f"{self.account}, whose password was {'right' if self.knows else 'wrong'}: {answer!r}"
            )
        elif self.knows:
            logins.right += 1
            self.send("CAP END\r\n")
            yield (f" 001 {self.account} ".encode(),)
        else:
            logins.wrong += 1
        self.leaving = True
        self.send("QUIT\r\n")

    def end(self, error: str) -> None:
        super().end(error)
        self.logins.free.append(self.account)
        # Who has not heard a word came while the acceptor died, perhaps; who came by TLS goes with the front.
        if self.log.lost and self.log.lines and not self.log.secure:
            self.logins.complaints.append(f"{self.account} lost the connection while logging in: {self.log.lost}")
