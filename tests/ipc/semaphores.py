"""The names of a transport's semaphores: while they exist, a process that gets the transport can open it."""

from __future__ import annotations

from pathlib import Path

from mpchat.ipc.queue_transport import Pair


def names(transport: Pair) -> list[Path]:
    """Where Linux shows those it has now. Other processes have theirs there, too."""
    semaphores = [each for queue in (transport.up, transport.down) for each in (queue._rlock, queue._wlock, queue._sem)]
    return [Path("/dev/shm") / ("sem." + each._semlock.name.removeprefix("/")) for each in semaphores]
