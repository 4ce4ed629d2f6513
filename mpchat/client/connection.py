"""One TCP connection to the server: lines out, lines in. It knows nothing of IRC beyond CR LF and bytes.

It waits on its own socket only. When the other end goes, receive() says None; conversation.py opens the next one.
"""

import asyncio
import contextlib
import os
import socket
import ssl

from mpchat.addresses import is_loopback
from mpchat.client.trust import refusal
from mpchat.protocol.message import encode
from mpchat.texts import t, translate

CONNECT_SECONDS = 10.0  # a host that does not answer: longer than any handshake, shorter than patience
LINE_BYTES = 16_384  # a line of IRC with its tags has 8,703 at most; what is longer is not IRC
READ_BYTES = 65_536  # one look at the socket
# Seconds between attempts to come back: a server that restarts is there in one, and one that is down is left alone.
_FIRST_DELAY, LONGEST_DELAY = 0.25, 8.0


class Connection:
    """A connection that is open, until receive() has said None or close() was called."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""  # of a line that has not ended yet

    @classmethod
    async def open(cls, host: str, port: int, tls: ssl.SSLContext | None = None) -> "Connection":
        """Connect, or raise OSError. The socket is closed by close(). With `tls` nothing is ever said in the clear."""
        try:
            streams = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=tls), CONNECT_SECONDS)
        except ssl.SSLError as error:
            raise OSError(refusal(error)) from None
        except asyncio.TimeoutError:
            raise OSError(t("screen.no_answer_in", seconds=f"{CONNECT_SECONDS:.0f}")) from None
        except (
            ValueError,
            OverflowError,
        ):  # its labels are none (IDNA), or it is no text, or holds a NUL: before any look-up
            raise OSError(t("screen.no_host")) from None
        return cls(*streams)

    @property
    def is_private(self) -> bool:
        """Can nobody on the way read what is said? Over TLS, and where there is no way: to this machine itself."""
        peer = self._writer.get_extra_info("peername")
        return self._writer.get_extra_info("ssl_object") is not None or (bool(peer) and is_loopback(peer[0]))

    def send(self, lines: list[str]) -> None:
        """Give lines to the kernel, or keep them until it takes them."""
        if lines and not self._writer.is_closing():
            self._writer.write(b"".join(map(_encode, lines)))

    async def receive(self, seconds: float) -> list[str] | None:
        """The lines that came; none when nothing came for so long; None at the end of the connection."""
        try:
            data = await asyncio.wait_for(self._reader.read(READ_BYTES), max(seconds, 0.0))
        except asyncio.TimeoutError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            return None
        return [line.rstrip(b"\r").decode("utf-8", "replace") for line in lines]

    def unfinished(self) -> str:
        """What came of a line whose end did not."""
        return self._rest.decode("utf-8", "replace")

    def close(self) -> None:
        """End it at once; what was not sent yet is dropped."""
        with contextlib.suppress(OSError):
            self._writer.transport.abort()


def _encode(line: str) -> bytes:
    """The bytes of one line; its tags are not part of what IRC cuts at 512."""
    tags, space, rest = line.partition(" ") if line.startswith("@") else ("", "", line)
    return f"{tags}{space}".encode() + encode(rest)


def reason(problem: OSError) -> str:
    """Why there is no connection, in the system's words: asyncio's speak of calls and address tuples."""
    if problem.errno and not isinstance(problem, socket.gaierror):  # getaddrinfo(3) has numbers of its own
        return translate(os.strerror(problem.errno))
    return translate(problem.strerror or str(problem))


def delay(attempt: int, chance: float) -> float:
    """Seconds to wait before attempt 0, 1, 2... to come back.

    They double, so a server that is down is left alone; `chance` (0 to 1) spreads the clients, so that all of them
    do not come back in the same instant.
    """
    return float(min(LONGEST_DELAY, _FIRST_DELAY * 2 ** min(attempt, 10)) * (0.5 + chance / 2))
