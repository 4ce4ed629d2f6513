"""One login by SASL (RFC 4422) as IRCv3 carries it: what the client says to what the server says. Pure, but for chance.

PLAIN (RFC 4616) gives the password to the server, SCRAM-SHA-256 (RFC 7677) proves that we have it, and has the server
prove that it knows us. SCRAM is the library scramp's; where that is not installed, there is PLAIN alone.
"""

import base64
import importlib.util
import re
from dataclasses import dataclass, field
from typing import Any

PLAIN, SCRAM = "PLAIN", "SCRAM-SHA-256"
PIECE = 400  # characters of base64 in a line (IRCv3 SASL 3.1); a piece that is shorter is the last one
MESSAGE_CHARACTERS = 16_384  # of base64 from a server: what is longer is no SASL
_ROUNDS = re.compile(r",i=(\d{1,15})")  # of PBKDF2, in the server's first message
MOST_ROUNDS = 5_000_000  # a few seconds: a server that asks for more would keep us busy for ever


class BadServer(Exception):
    """What the server said is no part of this exchange, or does not prove that it knows us."""


@dataclass(frozen=True)
class Credentials:
    """An account and its password, which no repr() shows."""

    account: str
    password: str = field(repr=False)


def has_scram() -> bool:
    """Is its library installed?"""
    return importlib.util.find_spec("scramp") is not None


class Exchange:
    """With one server, from AUTHENTICATE and the mechanism's name to the verdict (903, 904)."""

    def __init__(self, credentials: Credentials, mechanism: str) -> None:
        """Raises BadServer for a password that cannot be one in SCRAM (RFC 4013)."""
        self.credentials = credentials
        self._came = ""  # of a message in several pieces
        self._scram = _scram(credentials) if mechanism == SCRAM else None
        self._steps = 0
        self.is_proven = mechanism == PLAIN  # the server has proved what it can: in PLAIN nothing

    def heard(self, piece: str) -> list[str]:
        """The lines that answer AUTHENTICATE `piece`, none while more of its message is to come. Raises BadServer."""
        self._came += "" if piece == "+" else piece
        if len(self._came) > MESSAGE_CHARACTERS:
            raise BadServer
        if len(piece) == PIECE:
            return []
        try:
            challenge = base64.b64decode(self._came, validate=True).decode()
        except ValueError:
            raise BadServer from None
        self._came = ""
        self._steps += 1
        return _lines(self._answer(challenge))

    def _answer(self, challenge: str) -> str:
        if self._scram is None:
            if self._steps > 1:
                raise BadServer
            return f"\0{self.credentials.account}\0{self.credentials.password}"
        if self._steps > 1 and challenge.startswith("e="):  # RFC 5802 section 7: the verdict follows
            return ""
        from scramp import ScramException

        try:
            return self._prove(challenge, self._scram)
        except ScramException:
            raise BadServer from None  # its words may have secrets in them

    def _prove(self, challenge: str, scram: Any) -> str:
        answer = ""
        if self._steps == 1:
            answer = scram.get_client_first()
        elif self._steps == 2:
            rounds = _ROUNDS.search(challenge)
            if rounds and int(rounds[1]) > MOST_ROUNDS:
                raise BadServer
            scram.set_server_first(challenge)
            answer = scram.get_client_final()
        else:
            scram.set_server_final(challenge)
            self.is_proven = True
        return answer


def _scram(credentials: Credentials) -> Any:
    from scramp import ScramClient, ScramException

    try:
        return ScramClient([SCRAM], credentials.account, credentials.password)
    except ScramException:
        raise BadServer from None


def _lines(message: str) -> list[str]:
    """AUTHENTICATE lines that carry it; a last piece of full length is followed by an empty one."""
    text = base64.b64encode(message.encode()).decode()
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    if not pieces or len(pieces[-1]) == PIECE:
        pieces.append("+")
    return [f"AUTHENTICATE {piece}" for piece in pieces]
