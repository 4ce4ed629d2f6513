"""A program: it looks for every part of multiprocessing's that is used here and that no documentation promises.

test_queue_passing.py runs it on every Python there is: where one is gone, it says who needs it, and what for.
"""

from __future__ import annotations

import sys
from multiprocessing import context, get_context, reduction, resource_tracker
from typing import Any


def missing() -> list[str]:
    queue: Any = get_context("spawn").Queue()
    tracker: Any = resource_tracker._resource_tracker
    resource_tracker.ensure_running()
    needed = [
        (queue, "_reader", "queue_transport.py reads frames from it without waiting for the end of one"),
        (queue, "_writer", "queue_transport.py closes the end that a process does not use"),
        (queue, "_sem", "queue_transport.py gives back what put() has taken, as get() does"),
        (queue, "_ignore_epipe", "queue_transport.py: the feeder thread says nothing of a peer that has died"),
        *[
            (getattr(queue, lock, None), "_semlock", "queue_transport.py tells a new tracker of a semaphore's name")
            for lock in ("_rlock", "_wlock", "_sem")
        ],
        (context, "set_spawning_popen", "queue_passing.py pickles a queue as for a process that is being spawned"),
        (queue, "_start_thread", "queue_transport.py starts the feeder thread where that may fail"),
        (context, "get_spawning_popen", "scoreboard.py's and pipe_transport.py's DupFd asks who is being spawned"),
        (reduction, "ForkingPickler", "queue_passing.py"),
        (
            reduction,
            "DupFd",
            "scoreboard.py, pipe_transport.py, a pickled Connection: they ask who is being spawned",
        ),
        (tracker, "_fd", "resource_tracker.py closes it, so that the tracker ends"),
        (tracker, "_pid", "resource_tracker.py: ps names it, and the supervisor waits for it"),
    ]
    found = [
        f"{part} is no part of {whole!r} any more: {why}" for whole, part, why in needed if not hasattr(whole, part)
    ]
    if not isinstance(getattr(tracker, "_fd", 0), int) or not isinstance(getattr(tracker, "_pid", 0), int):
        found.append("the tracker's _fd and _pid are no numbers while it runs")
    if getattr(queue, "_ignore_epipe", True):
        found.append("a queue's _ignore_epipe has changed its meaning: it was off")
    for end in (queue._reader, queue._writer):
        end.close()
    return found


if __name__ == "__main__":
    if found := missing():
        sys.exit("\n".join(found))
    print("all is there")  # noqa: T201  what test_queue_passing.py waits for
