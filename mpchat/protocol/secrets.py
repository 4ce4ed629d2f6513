"""What no record may show of a line: a password, of which nothing is shown, or resume tokens, shown by hashes. Pure.

A password may be one that can be guessed, so not even its hash is kept. A token is 128 random bits (RFC 4086): its hash
can be compared, and tells nothing else. What could be guessed is no token: of that nothing is shown either.
"""

import hashlib
import re
from typing import NamedTuple

HIDDEN = "*"
_TOKEN = re.compile("[0-9a-f]{32}", re.ASCII)
_TOKENS = 2  # that a command takes: what stands behind them is no token


class Secret(NamedTuple):
    """Found in a line: what stands before it, as far as that must be known; what will be asked about; what is shown."""

    before: bytes
    text: str  # "": nothing will be asked
    shown: bytes = HIDDEN.encode()


def tokens(before: bytes, text: str) -> Secret:
    """Resume tokens stand there, with spaces between them."""
    words = [word for word in text.split(" ") if word][:_TOKENS]
    return Secret(before, "", " ".join(map(shown_token, words)).encode() or HIDDEN.encode())


def shown_token(word: str) -> str:
    """The SHA-256 of a token, in 64 digits; a star for what is none, a hash among them."""
    return hashlib.sha256(word.encode()).hexdigest() if _TOKEN.fullmatch(word) else HIDDEN
