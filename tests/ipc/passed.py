"""A program: it gives a transport to a process that is already running, and looks what is left of it in the end.

test_queue_passing.py runs it on every Python there is, with the transport's name. It needs Python and Linux.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mpchat.ipc import queue_transport
from mpchat.ipc.link import Link
from mpchat.ipc.transport import dump_pair, find, load_pair
from tests.ipc.ends import close, turn
from tests.ipc.semaphores import names

PATIENCE = 10
ROUNDS = 3
BATCHES = 500


def main() -> None:
    context = get_context("spawn")
    one, other = Link.pair()
    child = context.Process(target=echo, args=(other,), daemon=True)
    child.start()
    other.close()
    link = Link[Any](one)
    before = open_files()
    for number in range(ROUNDS):
        use(link, number)
        gc.collect()
        assert open_files() == before, (before, open_files())
    link.post(("end",))
    child.join(PATIENCE)
    assert child.exitcode == 0, child.exitcode
    link.close()


def use(link: Link[Any], number: int) -> None:
    """One transport from its making to its end, with the child at the other end."""
    pair = find(sys.argv[1]).make()
    semaphores: list[Path] = names(pair) if isinstance(pair, queue_transport.Pair) else []
    pickled, fds = dump_pair(pair)
    assert len(fds) == 4
    link.post((number, pickled), fds=fds)
    assert next_message(link) == ("opened", number)
    data, ours = dump_pair(pair)
    end = load_pair(data, [os.dup(fd) for fd in ours]).at_broker()
    pair.let_go()
    assert all(name.exists() for name in semaphores)
    sent = [(batch, os.urandom(batch * 10)) for batch in range(BATCHES)]
    for each in sent:
        end.put(each)
    received: list[Any] = []
    while len(received) < BATCHES:
        received += turn(end)[0]
    assert received == sent
    close(end)
    assert next_message(link) == ("closed", 0)
    del pair, end
    gc.collect()
    assert not any(name.exists() for name in semaphores)


def echo(sock: socket.socket) -> None:
    """The child: gives back what comes by each transport, and says how many descriptors more it has open afterwards."""
    link = Link[Any](sock)
    wait_for(link)
    before = open_files()
    while (message := next_message_with_fds(link))[0] != ("end",):
        (number, pickled), fds = message
        end = load_pair(pickled, fds).at_worker()
        link.post(("opened", number))
        while not end.ended:
            for batch in turn(end)[0]:
                end.put(batch)
        close(end)
        del end
        gc.collect()
        link.post(("closed", len(open_files()) - len(before)))
    link.close()


def open_files() -> list[str]:
    return os.listdir("/proc/self/fd")


def wait_for(source: Any) -> None:
    assert select.select([source], [], [], PATIENCE)[0], "nothing came"


def next_message_with_fds(link: Link[Any]) -> tuple[tuple[Any, ...], list[int]]:
    messages: list[tuple[tuple[Any, ...], list[int]]] = []
    while not messages:
        wait_for(link)
        messages = link.take()
        assert not link.ended
    [message] = messages
    return message


def next_message(link: Link[Any]) -> tuple[Any, ...]:
    return next_message_with_fds(link)[0]


if __name__ == "__main__":
    main()
    print("all is well")  # noqa: T201  what test_queue_passing.py waits for
