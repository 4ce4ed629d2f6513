"""The exit statuses of the client, of `send` and of `tail`, listed once. Pure data."""

WELL = 0  # all that was to be said came back
UNCONNECTED = 1  # no connection, or what was to be read or written could not be
USAGE = 2  # what was asked for makes no sense
REMOVED = 3  # an operator removed us: KILL, KLINE, DLINE; or KICK, from the room that our words went to
REFUSED = 4  # the server said no
LOST = 5  # the connection, before all that was to be said came back

_GRAVITY = (WELL, REFUSED, LOST, REMOVED, UNCONNECTED, USAGE)


def graver(one: int, other: int) -> int:
    """Which of two a script is told, where both are true."""
    return max(one, other, key=_GRAVITY.index)
