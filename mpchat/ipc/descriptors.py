"""File descriptors are numbered, and a process may have so many (RLIMIT_NOFILE, getrlimit(2)).

Clients must not get the last of them: without a free number a process cannot take the lane to a new broker or the link
to a new acceptor, and the death of one that it works with would be its own.
"""

import errno
import math
import resource
from typing import Any

from mpchat.ipc.link import Link
from mpchat.messages import UnknownMessage


def first_of_the_last(reserved: int) -> float:
    """The first of the last `reserved` numbers that this process may use, infinity where there is no limit.

    The kernel gives the lowest number that is free (open(2)): who gets this one finds all those below it taken. A limit
    can be changed from outside while we run (prlimit(2)).
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if limit == resource.RLIM_INFINITY else limit - reserved


def unusable(link: Link, message: tuple[Any, ...]) -> Exception:
    """What to raise at a message of the supervisor's that is of no use: it has lost its descriptors, or is unknown."""
    if link.lacked_fds:
        return OSError(errno.EMFILE, "no file descriptor is free for what the supervisor has sent", str(message[:1]))
    return UnknownMessage(message)
