"""How we introduce ourselves to a server: capabilities, password, nick; what to do when the nick is taken.

It works with servers that know nothing of capabilities: they go on to 001 by themselves. To one that knows resume
tokens we send two: the one by which it knows what we had, and the one by which it shall know us from now on. They are
kept nowhere but here, in memory, and never shown. Pure, but for the chance in them.
"""

import secrets

from mpchat.chat.names import fold
from mpchat.client.login import REGISTRATION, SASL, Login
from mpchat.client.model import Model
from mpchat.client.preferences import NICK_BYTES
from mpchat.client.status import REFUSED
from mpchat.client.step import Line, Step, note
from mpchat.client.view import nick_of
from mpchat.protocol.message import Message, build, cut
from mpchat.texts import t

RESUME, SEARCH = "mpchat.org/resume", "soju.im/search"
WANTED = (
    "server-time",
    "echo-message",
    "message-tags",
    "batch",
    "draft/chathistory",
    SEARCH,
    RESUME,
    SASL,
    REGISTRATION,
)
_TOKEN_BYTES = 16  # 128 bits: beyond guessing
CLASSIC_NICK_BYTES = 9  # tried when a server refuses the longer name
_TAKEN = ("433", "436", "437")
_ENDINGS = ("_", "__", *(f"_{number}" for number in range(2, 21)))


class Registration:
    """How we introduce ourselves, each time. `flexible`: rather be called `nick_` than stay outside.

    Who comes back is always flexible: where the server knows no resume tokens, the nick's holder may be our own lost
    connection, which it still believes in. A person (`regains`) takes the nick back when that connection ends. In
    every other case it is somebody else's, and what we are called is the nick we want from then on.

    Where there is an account to log in to, that comes before all the rest: nobody comes in without.
    """

    def __init__(self, nick: str, password: str, flexible: bool, regains: bool, login: Login) -> None:
        self._wanted = nick
        self._password = password
        self._login = login
        self._flexible = flexible
        self._may_regain = regains
        self._was_in = False
        self._is_taken = False  # the nick we want: so the server says on this connection
        self._is_kept = False  # the nick we want, for its account: it is ours when we have logged in
        self._regains = False  # our nick, when our lost connection gives it up
        self._tried = nick
        self._endings = list(_ENDINGS)
        self._limit = NICK_BYTES
        self._offered: set[str] = set()
        self.capabilities: set[str] = set()
        self._token = ""  # the server knows us by this one, "" if by none
        self._next = ""  # and, perhaps, by this one: it was sent, and we do not know yet whether it came

    def begin(self) -> list[str]:
        """The first lines."""
        self._tried, self._endings = self._wanted, list(_ENDINGS)
        self._offered, self.capabilities = set(), set()
        self._is_kept = False
        self._flexible, self._is_taken, self._regains = self._flexible or self._was_in, False, False
        password = [build("", "PASS", self._password)] if self._password else []
        who = [build("", "NICK", self._wanted), build("", "USER", _user(self._wanted), "0", "*", self._wanted)]
        return ["CAP LS 302", *password, *who]

    def heard(self, message: Message) -> Step:
        """The answer to a message that comes before 001."""
        if message.command in _TAKEN and self._login.is_due():
            self._is_kept = True
            return Step()
        if message.command in _TAKEN:
            self._is_taken = True
            return self._other_nick(message)
        if message.command == "432":
            if self._tried == self._wanted:
                return _failed(message)
            self._limit = CLASSIC_NICK_BYTES
            return self._other_nick(message)
        if message.command in ("464", "465", "ERROR"):
            return _failed(message)
        return Step()

    def waits(self, message: Message) -> bool:
        """Is it about the nick that is kept for our account? It is not shown: we ask again when we have logged in."""
        return self._is_kept and message.command in _TAKEN

    def capability(self, message: Message) -> Step:
        """The answer to a CAP message, at any time."""
        kind = message.params[1] if len(message.params) > 1 else ""
        words = message.params[-1].split() if kind else []
        names = {word.partition("=")[0] for word in words}
        if kind == "LS":
            self._offered |= names
            self._login.offered(words)
            if len(message.params) > 3:  # "*": more of the list is to come
                return Step()
            wish = [name for name in WANTED if name in self._offered]
            return Step(send=[build("", "CAP", "REQ", " ".join(wish))]) if wish else self._agreed()
        if kind == "ACK":
            self.capabilities |= names & set(WANTED)
            if RESUME in names:
                self._next = self._next or secrets.token_hex(_TOKEN_BYTES)
        elif kind == "DEL":
            self.capabilities -= names
        return self._agreed() if kind in ("ACK", "NAK") else Step()

    def _agreed(self) -> Step:
        return self._login.enter() if self._login.is_due() else Step(send=self.enter())

    def enter(self) -> list[str]:
        """Nothing keeps us from coming in any more. The old token is spent by that, so a failed login leaves it."""
        nick = [build("", "NICK", self._wanted)] if self._is_kept else []
        token = [f"RESUME {self._token or '*'} {self._next}"] if self._next and RESUME in self.capabilities else []
        self._is_kept = False
        return [*nick, *token, "CAP END"]

    def done(self, model: Model) -> list[Line]:
        """We are in. Says so when we are called otherwise than the user asked for."""
        wanted, is_first, self._was_in = self._wanted, not self._was_in, True
        knows_tokens = RESUME in self.capabilities
        if knows_tokens:
            self._token, self._next = self._next, ""
        if model.nick == wanted:
            return []
        if self._is_taken and not is_first and not knows_tokens:
            self._regains = self._may_regain
            return note(t("client.nick_still_taken", wanted=wanted, nick=model.nick)).show
        self._wanted = model.nick
        if self._is_taken:
            return note(t("client.nick_taken", wanted=wanted, nick=model.nick)).show
        return []  # the server called us so by itself, and the line before this one says how

    def regain(self, message: Message) -> list[str]:
        """Take our nick back when its holder, which may be our lost connection, is seen to give it up."""
        gone = message.command in ("QUIT", "NICK") and fold(nick_of(message)) == fold(self._wanted)
        if not (self._regains and gone):
            return []
        self._regains = False
        return [build("", "NICK", self._wanted)]

    def renamed(self, nick: str) -> None:
        """We have another nick now: that is the one to come back with."""
        self._wanted, self._regains = nick, False

    def _other_nick(self, message: Message) -> Step:
        if not self._flexible or not self._endings:
            return _failed(message)
        ending = self._endings.pop(0)
        self._tried = cut(self._wanted, self._limit - len(ending)) + ending
        return Step(send=[build("", "NICK", self._tried)])


def _user(nick: str) -> str:
    """A user name every server takes: ASCII letters and digits."""
    return "".join(letter for letter in nick if letter.isascii() and letter.isalnum())[:10].lower() or "user"


def _failed(message: Message) -> Step:
    words = message.params if message.command == "ERROR" else message.params[1:]
    return Step(failed=": ".join(words) or t("client.server_refused"), status=REFUSED)
