"""SASL exchanges (RFC 4422) as IRC carries them: the mechanisms PLAIN (RFC 4616) and SCRAM-SHA-256 (RFC 5802, 7677).

A client sends a message in base64, cut into pieces of 400 characters; a shorter piece is the last, "+" if nothing is
left for it (IRCv3 sasl-3.1). SCRAM's messages are the library scramp's affair; without it that is not offered.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from mpchat.store.accounts import Keys

PLAIN, SCRAM = "PLAIN", "SCRAM-SHA-256"
PIECE = 400  # characters
_MOST = 2000  # characters of a message: PLAIN's three parts of 255 bytes each take 1024


class BadMessage(Exception):
    """What came is no message of this mechanism."""


class WrongProof(Exception):
    """The client does not know the password."""


def mechanisms() -> list[str]:
    """Those that this process can check."""
    try:
        import scramp  # noqa: F401
    except ImportError:
        return [PLAIN]
    return [PLAIN, SCRAM]


class Message:
    """One that comes in pieces."""

    def __init__(self) -> None:
        self._came = ""

    def add(self, piece: str) -> str | None:
        """Returns the whole message if this is its last piece. Raises BadMessage."""
        self._came += "" if piece == "+" else piece
        if len(piece) > PIECE or len(self._came) > _MOST:
            raise BadMessage
        if len(piece) == PIECE:
            return None
        came, self._came = self._came, ""
        try:
            return base64.b64decode(came, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BadMessage from error


def encoded(message: str) -> str:
    return base64.b64encode(message.encode()).decode()


def plain(message: str) -> tuple[str, str]:
    """The account and the password in PLAIN's only message. Raises BadMessage."""
    parts = message.split("\0")
    if len(parts) != 3:
        raise BadMessage
    wants_to_be, account, password = parts
    if wants_to_be not in ("", account) or not account or not password:  # nobody may act for another
        raise BadMessage
    return account, password


class Scram:
    """The server's side of one exchange by SCRAM-SHA-256. scramp must be there."""

    def __init__(self, keys_of: Callable[[str], Keys]) -> None:
        """`keys_of` has keys for every name, also where there is no such account."""
        from scramp import ScramException, ScramMechanism

        self.account = ""  # as the client has called it, once it has
        self.keys: Keys | None = None  # that it proves to have, from then on
        self._keys_of = keys_of
        self._error: type[Exception] = ScramException
        self._server: Any = ScramMechanism(SCRAM).make_server(self._keys)
        self._next: Callable[[str], str | None] = self._first

    def _keys(self, account: str) -> tuple[bytes, bytes, bytes, int]:
        """In scramp's order."""
        self.account = account
        self.keys = keys = self._keys_of(account)
        return keys.salt, keys.stored_key, keys.server_key, keys.iterations

    def answer(self, message: str) -> str | None:
        """What the client is to be sent in answer to its next message; None: it is who it says.

        Raises BadMessage and WrongProof: the exchange is over.
        """
        try:
            return self._next(message)
        except self._error as error:
            reason: Any = getattr(error, "server_error", None)
            raise WrongProof if reason is not None and reason.value == "invalid-proof" else BadMessage from error

    def _first(self, message: str) -> str:
        self._server.set_client_first(message)
        self._next = self._final
        return str(self._server.get_server_first())

    def _final(self, message: str) -> str:
        self._server.set_client_final(message)
        self._next = self._end
        return str(self._server.get_server_final())

    def _end(self, message: str) -> None:
        """It has read our proof, and has nothing to add (RFC 5802, section 5)."""
        if message:
            raise BadMessage
