"""Accounts, seen from the client: logging in (IRCv3 SASL 3.2) on each connection, and making one (IRCv3
draft/account-registration). Pure, but for chance in SCRAM.

A password is sent only where nobody on the way can read it: over TLS, or to this machine itself. Elsewhere there is
SCRAM-SHA-256, which proves that we have it. The credentials are kept in memory, for the next connection, and nowhere
else.
"""

import re

from mpchat.client.sasl import PLAIN, SCRAM, BadServer, Credentials, Exchange, has_scram
from mpchat.client.status import REFUSED
from mpchat.client.step import Step, note
from mpchat.client.view import param
from mpchat.protocol.message import BODY_BYTES, Message, build
from mpchat.texts import t

SASL, REGISTRATION = "sasl", "draft/account-registration"
_ENDS = frozenset(("902", "903", "904", "905", "906", "907", "908"))  # of an exchange: 903 alone is a success
# SASL has no numeric for a server that cannot check passwords just now: mpchat and others say so in words.
_AGAIN = re.compile("try again", re.IGNORECASE)
_REFUSALS = {  # of REGISTER, by the draft's codes
    "ACCOUNT_EXISTS": "client.register.exists",
    "ACCOUNT_NAME_MUST_BE_NICK": "client.register.must_be_nick",
    "BAD_ACCOUNT_NAME": "client.register.bad_name",
    "ALREADY_AUTHENTICATED": "client.login.already",
}


class Login:
    """Of one user, on one connection after the other."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self.credentials = credentials  # each connection logs in with them before it enters; None: nobody is to
        self.is_refused = False  # they were, on this connection
        self._is_through = False  # they were taken
        self._was_through = False  # on this connection, or an earlier one
        self._is_private = False
        self._mechanisms: frozenset[str] | None = frozenset()  # that the server has; None: it does not say which
        self._registers = False
        self._exchange: Exchange | None = None
        self._new: Credentials | None = None  # of the account that is being made
        # With the password that was asked for last: NickServ's words do not tell a program whether it has taken it.
        self._changed: Credentials | None = None
        self._drops = False  # the account, if NickServ takes that

    def opened(self, is_private: bool) -> None:
        """There is a connection. `is_private`: nobody on the way can read it."""
        self._is_private, self._mechanisms, self._registers = is_private, frozenset(), False
        self._exchange, self._new = None, None
        self._is_through = self.is_refused = self._drops = False

    def closed(self) -> str:
        """It is gone. Returns the command that will have no answer, "" if none waits for one."""
        waiting = "/register" if self._new else "/login" if self._exchange else ""
        self._exchange, self._new = None, None
        return waiting

    def offered(self, capabilities: list[str]) -> None:
        """What the server has (CAP LS), each with its value."""
        for capability in capabilities:
            name, _, value = capability.partition("=")
            if name == SASL:
                self._mechanisms = frozenset(value.upper().split(",")) if value else None
            self._registers = self._registers or name == REGISTRATION

    def is_due(self) -> bool:
        """Must we log in before we enter?"""
        return self.credentials is not None and not self._is_through

    def is_busy(self) -> bool:
        """Is an answer to come?"""
        return self._exchange is not None or self._new is not None

    def enter(self) -> Step:
        """Log in with what we have: the step fails where that cannot be."""
        credentials = self._changed or self.credentials
        assert credentials
        return self.begin(credentials)

    def passed(self) -> Step:
        """The server has let us in without."""
        return self._refused(t("client.login.not_offered"))

    def begin(self, credentials: Credentials) -> Step:
        """Log in with these."""
        if self.is_busy():
            return _failed(t("client.login.busy"))
        mechanism, why = self._chosen(credentials.account)
        if why and self._mechanisms == frozenset() and self._was_through:  # it has just been started, most likely
            return Step(lost=why)
        if why:
            return self._refused(why)
        try:
            self._exchange = Exchange(credentials, mechanism)
        except BadServer:
            return self._refused(t("client.login.no_password_of_scram"))
        return Step(send=[f"AUTHENTICATE {mechanism}"])

    def _chosen(self, account: str) -> tuple[str, str]:
        """The mechanism, or why there is none."""
        there = frozenset((PLAIN, SCRAM)) if self._mechanisms is None else self._mechanisms
        if not there:
            return "", t("client.login.not_offered" if self._is_private else "client.login.not_offered_here")
        if SCRAM in there and has_scram():
            return SCRAM, ""
        if PLAIN in there and self._is_private:
            return PLAIN, ""
        if SCRAM in there:
            return "", t("client.login.needs_scramp")
        if PLAIN in there:
            return "", t("client.login.exposed", account=account)
        return "", t("client.login.no_mechanism", offered=", ".join(sorted(there)))

    def register(self, nick: str, password: str) -> Step:
        """Make an account of our nick."""
        line = build("", "REGISTER", "*", "*", password)
        if self.is_busy():
            return _failed(t("client.login.busy"))
        if not self._registers:
            return _failed(t("client.register.not_offered"))
        if not self._is_private:
            return _failed(t("client.register.exposed"))
        if len(line.encode()) > BODY_BYTES:
            return _failed(t("client.register.long"))
        self._new = Credentials(nick, password)
        return Step(send=[line])

    def change(self, password: str) -> Step:
        """Another password for the account that we are logged in to, by NickServ."""
        step = self._to_nickserv(f"SET PASSWORD {password}")
        if step.send and self.credentials:
            self._changed = Credentials(self.credentials.account, password)
        return step

    def drop(self, account: str, password: str) -> Step:
        """The account, by NickServ: when the server has logged us out, the next connection does not log in."""
        step = self._to_nickserv(f"DROP {account} {password}")
        self._drops = bool(step.send)
        return step

    def _to_nickserv(self, text: str) -> Step:
        """As a command, not as a message, which servers may send back with the password in it."""
        line = build("", "NICKSERV", text)
        if not self._is_private:
            return _failed(t("client.password.exposed"))
        if len(line.encode()) > BODY_BYTES:
            return _failed(t("client.password.long"))
        return Step(send=[line])

    def heard(self, message: Message) -> Step | None:
        """What a message from the server leads to; None: it is about something else."""
        if self._new and (message.command == "REGISTER" or _is_about(message, "REGISTER")):
            return self._registered(message, self._new)
        if message.command == "901" and self._drops:
            self.credentials, self._changed, self._drops = None, None, False
            return None
        exchange = self._exchange
        if exchange and message.command == "AUTHENTICATE":
            try:
                return Step(send=exchange.heard(param(message, 0)))
            except BadServer:
                self._exchange = None
                step = self._refused(t("client.login.no_proof"))
                step.send = ["AUTHENTICATE *"]
                return step
        if exchange and (message.command in _ENDS or _is_about(message, "AUTHENTICATE")):
            self._exchange = None
            return self._ended(message, exchange)
        return None

    def _ended(self, message: Message, exchange: Exchange) -> Step:
        account = exchange.credentials.account
        match message.command:
            case "903" if exchange.is_proven:
                self._succeeded(exchange.credentials)
                return Step()
            case "903":
                return self._refused(t("client.login.no_proof"))
            case "904" if _AGAIN.search(_words(message)):
                return Step(lost=t("client.login.later"))
            case "904" if exchange.credentials is self._changed and self.credentials:
                self._changed = None
                return self.begin(self.credentials)
            case "904":
                return self._refused(t("client.login.wrong", account=account))
            case "907":
                return self._refused(t("client.login.already"))
            case "908":
                return self._refused(t("client.login.no_mechanism", offered=param(message, 1)))
        return self._refused(t("client.login.refused", account=account, why=_words(message)))

    def _registered(self, message: Message, new: Credentials) -> Step:
        self._new = None
        if message.command == "REGISTER":
            account = param(message, 1)
            if param(message, 0) != "SUCCESS":  # a code comes by mail
                return note(t("client.register.verify", account=account, text=_words(message)))
            self._succeeded(Credentials(account, new.password))
            return note(t("client.register.done", account=account))
        if key := _REFUSALS.get(param(message, 1)):
            return _failed(t(key, account=new.account))
        return _failed(t("client.register.refused", why=_words(message)))

    def _succeeded(self, credentials: Credentials) -> None:
        self.credentials, self._is_through, self._was_through = credentials, True, True
        self._changed, self._drops = None, False

    def _refused(self, why: str) -> Step:
        self.is_refused = True
        return _failed(why)


def _failed(why: str) -> Step:
    return Step(failed=why, status=REFUSED)


def _words(message: Message) -> str:
    """What it says to a person."""
    return message.params[-1] if message.params else ""


def _is_about(message: Message, command: str) -> bool:
    """Is it a standard reply to that command?"""
    return message.command == "FAIL" and param(message, 0) == command
