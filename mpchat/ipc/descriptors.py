"""File descriptors are numbered, and a process may have so many (RLIMIT_NOFILE, getrlimit(2)).

Clients must not get the last of them: without a free number a process cannot take the lane to a new broker or the link
to a new acceptor, and the death of one that it works with would be its own.
"""

import errno
import resource
from typing import Any

from mpchat.ipc.frame import UnknownMessage
from mpchat.ipc.handoff import Link


def is_among_the_last(fd: int, reserved: int) -> bool:
    """Whether this is one of the last `reserved` numbers that this process may use.

    The kernel gives the lowest number that is free (open(2)): then all those below it are taken.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit != resource.RLIM_INFINITY and fd >= limit - reserved


def unusable(link: Link, message: tuple[Any, ...]) -> Exception:
    """What to raise at a message of the supervisor's that is of no use: it has lost its descriptors, or is unknown."""
    if link.lacked_fds:
        return OSError(errno.EMFILE, "no file descriptor is free for what the supervisor has sent", str(message[:1]))
    return UnknownMessage(message)
