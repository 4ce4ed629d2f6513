"""Who answers at an address where no chat server for IRC does: what it is, in words, and the command that helps. Pure.

Servers of IRC say nothing before they are spoken to, or a NOTICE; most others greet, or complain about our first line.
"""

from mpchat.client.step import harmless
from mpchat.protocol.message import parse
from mpchat.texts import LANGUAGES, t

_IRC = {"CAP", "NOTICE", "PING", "ERROR", "AUTHENTICATE", "FAIL", "WARN", "NOTE"}  # what comes first, without a source
_KNOWN = (
    ("HTTP/", "web"),
    ("<", "web"),
    ("SSH-", "ssh"),
    ("220", "files"),
    ("+OK", "mail"),
    ("* OK", "mail"),
    ("-ERR", "redis"),
    ("\x15\x03", "tls"),
)
# How mpchat greets on its other port, in each language
_PLAIN = tuple(table[key] for table in LANGUAGES.values() for key in ("plain.ask_nick", "plain.ask_password"))
_PLAIN_GREETING = tuple(table["plain.welcome"].partition("{")[0] for table in LANGUAGES.values())
_MOTD_LINES = 100  # as many as we read before the line by which the plain text port is known
_SHOWN = 60  # characters of what it says
PLAIN_ABOVE = 13  # mpchat's default port for plain text is so much above that for IRC


class Greeting:
    """What the other end says before we are in."""

    def __init__(self, host: str, port: int) -> None:
        self._where, self._host, self._port = f"{harmless(host)}:{port}", harmless(host), port
        self._lines: list[str] = []  # from the first one on that no server of IRC says

    def takes(self, lines: list[str] | None, unfinished: str) -> str:
        """The next lines, None at the end, and what came of a line without its end. Who it is, "" for a server of IRC.

        It is "" too as long as that cannot be known.
        """
        for line in [unfinished] if lines is None else lines:
            if line and (self._lines or not (line[0] in ":@" or parse(line).command in _IRC)):
                self._lines.append(line)
        if not self._lines:
            return ""
        first = self._lines[0]
        if any(line.startswith(_PLAIN) for line in self._lines):
            return t("screen.stranger.plain", where=self._where, hint=self._way_on())
        if first.startswith(_PLAIN_GREETING) and lines is not None and len(self._lines) < _MOTD_LINES:
            return ""
        what = next((what for beginning, what in _KNOWN if first.startswith(beginning)), "")
        if what:
            what = t(f"screen.stranger.{what}")
            return t("screen.stranger.known", where=self._where, what=what, hint=t("screen.hint.port"))
        said = repr(harmless(first)[:_SHOWN])
        return t("screen.stranger.unknown", where=self._where, said=said, hint=t("screen.hint.port"))

    def silent(self) -> str:
        """It takes connections, and has said nothing."""
        return t("screen.stranger.silent", where=self._where, hint=t("screen.hint.port"))

    def _way_on(self) -> str:
        irc = self._port - PLAIN_ABOVE
        if irc > 0:
            return t("screen.hint.plain_perhaps", host=self._host, port=self._port, irc=irc)
        return t("screen.hint.plain", host=self._host, port=self._port)


def nobody(host: str, port: int, is_local: bool) -> str:
    """What helps where nothing listens."""
    if is_local:
        words = [f"HOST={host}"] * (host != "127.0.0.1") + [f"PORT={port}"] * (port != 6667)  # else they are make's own
        return t("screen.hint.start", host=host, port=port, make=" ".join(["make run-server", *words]))
    return t("screen.hint.elsewhere")
