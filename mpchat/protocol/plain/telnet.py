"""Telnet's commands in a line of input (RFC 854, RFC 855): they are left out, and no option is ever agreed to. Pure.

PuTTY sends a dozen of them before anything is typed; its user's first line begins with them. A command may hold the
byte that ends a line (a window of ten rows): then the line goes on behind it.
"""

IAC = b"\xff"  # "interpret as command"; no UTF-8 text has this byte
_SE, _SB, _WILL, _DONT, _IAC = 240, 250, 251, 254, 255
_FIRST = 236  # EOF, SUSP, ABORT and EOR (RFC 1184, RFC 885) stand before RFC 854's own, SE to IAC
_LONGEST = 4608  # bytes: no more waits for a command's end than for that of a line with a password (redaction.py)


def without_commands(line: bytes) -> bytes:
    """What is left of a line that was said."""
    return line if IAC not in line else _read(line)[0]


def is_unfinished(line: bytes) -> bool:
    """Is the line end behind this a byte of a command that has not ended?"""
    return IAC in line and len(line) <= _LONGEST and not _read(line)[1]


def _read(line: bytes) -> tuple[bytes, bool]:
    """The text of a line, and whether its last command is whole. An IAC before what is no command is left as it is."""
    text, at = [], 0
    while (found := line.find(IAC, at)) >= 0:
        text.append(line[at:found])
        command = line[found + 1] if found + 1 < len(line) else 0
        if command == _SB:
            at = _behind_subnegotiation(line, found + 2)
        elif _WILL <= command <= _DONT:  # each names an option
            at = found + 3
        elif command == _IAC or command < _FIRST:
            text.append(IAC)
            at = found + 1 + (command == _IAC)
        else:
            at = found + 2
        if at > len(line):
            return b"".join(text), False
    text.append(line[at:])
    return b"".join(text), True


def _behind_subnegotiation(line: bytes, at: int) -> int:
    """Where IAC SE has ended it; past the line's end if nowhere. Inside, IAC stands doubled."""
    while (found := line.find(IAC, at)) >= 0:
        at = found + 2
        if line[found + 1 : at] == bytes([_SE]):
            return at
    return len(line) + 1
