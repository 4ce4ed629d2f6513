"""What no record may show of a line: a password, of which nothing is shown, or resume tokens, shown by hashes. Pure.

Of OPER's words one is a name, which the log must have; but whoever swaps them, or forgets one, puts the password there.
So the first of them is shown where it is an operator's name, and is hidden where it is anything else. So is a word
that should be an account's name, where it is none.

A password may be one that can be guessed, so not even its hash is kept. A token is 128 random bits (RFC 4086): its hash
can be compared, and tells nothing else. What could be guessed is no token: of that nothing is shown either.
"""

import hashlib
import re
from collections.abc import Callable, Container
from typing import NamedTuple

from mpchat.chat.text import clean

HIDDEN = "*"
PASSWORD = "PASSWORD"  # what NickServ can SET
PLAIN = "PLAIN"
MECHANISMS = (PLAIN, "SCRAM-SHA-256")  # of SASL: their names are no piece of a message in base64
ABORT = "*"  # what a client sends that wants to end a SASL exchange
PIECE, LONG_PIECE = "+*", "++*"  # what is shown of a piece of one, and of a piece that is too long
UNFIT = "?"  # shown instead of what cannot be an account's name, or an address for mail
_PIECE_CHARACTERS = 400  # IRCv3 sasl-3.1
_TOKEN = re.compile("[0-9a-f]{32}", re.ASCII)
_OPER = re.compile("([^ ]+) +(?::|(?![: ]))(.+)")  # name and password
_TOKENS = 2  # that a command takes: what stands behind them is no token


class Secret(NamedTuple):
    """Found in a line: what stands before it, as far as that must be known; what will be asked about; what is shown.

    `name`: what stands in the place of an operator's name, `account`: in that of an account's; see among().
    """

    before: bytes
    text: str  # "": nothing will be asked
    shown: bytes = HIDDEN.encode()
    name: str = ""
    account: str = ""
    no_account: str = HIDDEN  # stands in `shown`, first, in the place of `account`

    def among(self, opers: Container[str], is_known: Callable[[str], bool]) -> "Secret":
        """The same for one who knows the operators' names: another name than these is hidden, and has no password.

        Nor is an account's name shown that is not known. A password stays one: whether there is such an account, nobody
        is told sooner than whether that is its password.
        """
        if self.account and is_known(self.account):
            return self._replace(shown=self.shown.replace(self.no_account.encode(), self.account.encode(), 1))
        if not self.name:
            return self
        return self._replace(shown=f"{self.name} {HIDDEN}".encode()) if self.name in opers else self._replace(text="")


def oper(before: bytes, read: str, written: str) -> Secret:
    """OPER's words stand there: as the command reads them, and as they were written."""
    found = _OPER.fullmatch(read)
    if found is None:  # a single word: 461 answers it
        return Secret(before, "")
    return Secret(before, clean(written[found.start(2) :]), f"{HIDDEN} {HIDDEN}".encode(), found[1])


def piece(before: bytes, word: str) -> Secret | None:
    """AUTHENTICATE's word stands there. The name of a mechanism, and that the client gives up, are no secret."""
    if word.upper() in MECHANISMS or word == ABORT:
        return None
    if len(word) > _PIECE_CHARACTERS:
        return Secret(before, "", LONG_PIECE.encode())
    return Secret(before, word, PIECE.encode())


def registration(before: bytes, words: list[str]) -> Secret:
    """REGISTER's words stand there: account, address for mail, password. Of the address only is shown if it is one.

    Who knows another REGISTER (NickServ's) puts the password where the account stands: that is shown where it is a
    name that anybody may know, as one's own nickname is. And where the next word is no address, not even then.
    """
    if len(words) < 3:
        return Secret(before, "")
    account, mail, password = words[:3]
    if mail != "*" and "@" not in mail:
        return Secret(before, password, f"{UNFIT} {UNFIT} {HIDDEN}".encode())
    if account == "*":
        return Secret(before, password, f"{HIDDEN} {HIDDEN} {HIDDEN}".encode())
    shown = f"{UNFIT} {HIDDEN} {HIDDEN}".encode()
    return Secret(before, password, shown, account=account, no_account=UNFIT)


def said_to_nickserv(before: bytes, text: str) -> Secret:
    """What somebody tells NickServ stands there: the command is shown, if it is one, and how many words it has."""
    first, _, rest = text.strip().partition(" ")
    verb, words = first.upper(), rest.split()
    match verb:
        case "HELP" | "LOGOUT":
            return Secret(before, "", verb.encode())
        case "REGISTER" | "IDENTIFY" | "GHOST" | "RELEASE" | "INFO" | "SET" | "DROP" if not words:
            return Secret(before, "", verb.encode())
        case "REGISTER" if len(words) == 1 or (len(words) == 2 and "@" in words[1]):  # the second is for mail
            return Secret(before, words[0], f"{verb} {HIDDEN}".encode())
        case "REGISTER":  # a password of several words, or an account's name before it: it is not taken by halves
            return Secret(before, "", f"{verb} {HIDDEN} {HIDDEN}".encode())
        case "IDENTIFY" if len(words) == 1:
            return Secret(before, words[0], f"{verb} {HIDDEN}".encode())
        case "SET" if len(words) > 1 and words[0].upper() == PASSWORD:  # which may have several words
            return Secret(before, rest.split(maxsplit=1)[1].strip(), f"{verb} {PASSWORD} {HIDDEN}".encode())
        case "SET":
            return Secret(before, "", f"{verb} {HIDDEN}".encode())
        case "IDENTIFY" | "GHOST" | "RELEASE" | "DROP" if len(words) > 1:
            return named(before, f"{verb} ", rest.strip())
        case "GHOST" | "RELEASE" | "INFO" | "DROP":
            return Secret(before, "", f"{verb} {HIDDEN}".encode(), account=words[0])
    return Secret(before, clean(text))


def named(before: bytes, verb: str, words: str) -> Secret:
    """An account's name stands there behind `verb`, and behind it the password, which may have several words."""
    account, _, password = words.partition(" ")
    return Secret(before, password.strip(), f"{verb}{HIDDEN} {HIDDEN}".encode(), account=account)


def tokens(before: bytes, text: str) -> Secret:
    """Resume tokens stand there, with spaces between them."""
    words = [word for word in text.split(" ") if word][:_TOKENS]
    return Secret(before, "", " ".join(map(shown_token, words)).encode() or HIDDEN.encode())


def shown_token(word: str) -> str:
    """The SHA-256 of a token, in 64 digits; a star for what is none, a hash among them."""
    return hashlib.sha256(word.encode()).hexdigest() if _TOKEN.fullmatch(word) else HIDDEN
