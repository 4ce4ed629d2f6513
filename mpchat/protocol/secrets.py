"""What no record may show of a line: a password, of which nothing is shown, or resume tokens, shown by hashes. Pure.

Of OPER's words one is a name, which the log must have; but whoever swaps them, or forgets one, puts the password there.
So the first of them is shown where it is an operator's name, and is hidden where it is anything else.

A password may be one that can be guessed, so not even its hash is kept. A token is 128 random bits (RFC 4086): its hash
can be compared, and tells nothing else. What could be guessed is no token: of that nothing is shown either.
"""

import hashlib
import re
from collections.abc import Container
from typing import NamedTuple

from mpchat.chat.text import clean

HIDDEN = "*"
_TOKEN = re.compile("[0-9a-f]{32}", re.ASCII)
_OPER = re.compile("([^ ]+) +(?::|(?![: ]))(.+)")  # name and password
_TOKENS = 2  # that a command takes: what stands behind them is no token


class Secret(NamedTuple):
    """Found in a line: what stands before it, as far as that must be known; what will be asked about; what is shown.

    `name`: what stands in the place of an operator's name; see among().
    """

    before: bytes
    text: str  # "": nothing will be asked
    shown: bytes = HIDDEN.encode()
    name: str = ""

    def among(self, opers: Container[str]) -> "Secret":
        """The same for one who knows the operators' names: another name than these is hidden, and has no password."""
        if not self.name:
            return self
        return self._replace(shown=f"{self.name} {HIDDEN}".encode()) if self.name in opers else self._replace(text="")


def oper(before: bytes, read: str, written: str) -> Secret:
    """OPER's words stand there: as the command reads them, and as they were written."""
    found = _OPER.fullmatch(read)
    if found is None:  # a single word: 461 answers it
        return Secret(before, "")
    return Secret(before, clean(written[found.start(2) :]), f"{HIDDEN} {HIDDEN}".encode(), found[1])


def tokens(before: bytes, text: str) -> Secret:
    """Resume tokens stand there, with spaces between them."""
    words = [word for word in text.split(" ") if word][:_TOKENS]
    return Secret(before, "", " ".join(map(shown_token, words)).encode() or HIDDEN.encode())


def shown_token(word: str) -> str:
    """The SHA-256 of a token, in 64 digits; a star for what is none, a hash among them."""
    return hashlib.sha256(word.encode()).hexdigest() if _TOKEN.fullmatch(word) else HIDDEN
