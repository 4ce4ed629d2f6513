"""File descriptors: a process may have so many (RLIMIT_NOFILE, getrlimit(2)), and the last ones are reserved.

Clients must not get them: without a free number a process could not take the transport to a new broker or the link to a
new acceptor, and its peer's death would be its own.
"""

import errno
import math
import resource

from mpchat.ipc.link import Link
from mpchat.messages import ChildToSupervisor, UnknownMessage


def first_of_the_last(reserved: int) -> float:
    """The first of the last `reserved` numbers that this process may use, infinity where there is no limit.

    The kernel gives the lowest free number (open(2)), so a process that gets this one has all those below it in use.
    Asked anew each time: prlimit(2) changes the limit of a running process.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if limit == resource.RLIM_INFINITY else limit - reserved


def unusable(link: Link[ChildToSupervisor], message: tuple[object, ...]) -> Exception:
    """What to raise at a message of the supervisor that has lost its descriptors, or is unknown."""
    if link.lacked_fds:
        return OSError(errno.EMFILE, "no file descriptor is free for what the supervisor has sent", str(message[:1]))
    return UnknownMessage(message)
