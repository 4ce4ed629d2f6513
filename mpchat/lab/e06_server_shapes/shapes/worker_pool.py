"""A few processes, each with many clients, and one more that has the chat: mpchat's own shape, without what makes it
survive a death.

The workers are forked before anybody comes. Who accepts passes each new socket to one of them, in turn (SCM_RIGHTS,
unix(7)); each is an event loop. They compute side by side, as many as there are, and a client costs a few kilobytes.

With both directions of a link full, each of its two sides would wait for the other for ever. That takes some hundred
kilobytes under way; what a real server does about it is in mpchat/flow/credit.py.
"""

import os
import selectors
import signal
import socket
from collections.abc import Iterable
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NamedTuple

from mpchat.lab.e06_server_shapes.shapes.chat import Chat, Delivery
from mpchat.lab.e06_server_shapes.shapes.client_side import Lines, accept, receive, send, think

WORKERS = 2
_NUMBER_BYTES = 4  # a client's number goes with its socket


class Worker(NamedTuple):
    passing: socket.socket  # clients' sockets go through it
    # From there come (client, "open", b""), (client, "line", line) and (client, "gone", b""); back go deliveries.
    link: Connection


def serve(listener: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the children itself (wait(2), NOTES)
    workers: list[Worker] = []
    for _ in range(WORKERS):
        (passing, their_passing), (link, their_link) = socket.socketpair(), Pipe()
        if os.fork() == 0:
            # What a child inherits and does not close, it keeps open: the end of a link would not be seen.
            for inherited in (listener, passing, link, *(end for worker in workers for end in worker)):
                inherited.close()
            work(Worker(their_passing, their_link))
        their_passing.close()
        their_link.close()
        workers.append(Worker(passing, link))
    lead(listener, workers)


def lead(listener: socket.socket, workers: list[Worker]) -> None:
    """The process with the chat."""
    chat, numbers = Chat(), count(1)
    places: dict[int, Worker] = {}
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    for worker in workers:
        selector.register(worker.link, selectors.EVENT_READ, worker)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                sock = accept(listener)
                client = next(numbers)
                places[client] = workers[client % WORKERS]
                socket.send_fds(places[client].passing, [client.to_bytes(_NUMBER_BYTES, "big")], [sock.fileno()])
                sock.close()
                continue
            match key.data.link.recv():
                case (client, "open", _):
                    deliver(places, chat.open(client))
                case (client, "line", line):
                    deliver(places, chat.say(client, line))
                case (client, "gone", _):
                    del places[client]
                    deliver(places, chat.gone(client))


def deliver(places: dict[int, Worker], deliveries: Iterable[Delivery]) -> None:
    """To each worker what its clients get, in one message."""
    batches: dict[Worker, list[Delivery]] = {}
    for client, data in deliveries:
        if client in places:
            batches.setdefault(places[client], []).append((client, data))
    for worker, batch in batches.items():
        worker.link.send(batch)


def work(leader: Worker) -> None:
    """A worker's life: it never returns."""
    socks: dict[int, socket.socket] = {}
    selector = selectors.DefaultSelector()
    selector.register(leader.passing, selectors.EVENT_READ)
    selector.register(leader.link, selectors.EVENT_READ)
    try:
        while True:
            for key, _ in selector.select():
                if key.fileobj is leader.passing:
                    number, fds, _, _ = socket.recv_fds(leader.passing, _NUMBER_BYTES, 1)
                    if not number:
                        return  # the server has ended
                    client = int.from_bytes(number, "big")
                    socks[client] = socket.socket(fileno=fds[0])
                    selector.register(socks[client], selectors.EVENT_READ, (client, Lines()))
                    leader.link.send((client, "open", b""))
                elif key.fileobj is leader.link:
                    for client, data in leader.link.recv():
                        if client in socks:
                            send(socks[client], data)
                else:
                    client, lines = key.data
                    data = receive(socks[client])
                    for line in lines.feed(data):
                        think(line)
                        leader.link.send((client, "line", line))
                    if not data:
                        sock = socks.pop(client)
                        selector.unregister(sock)
                        sock.close()
                        leader.link.send((client, "gone", b""))
    except (EOFError, ConnectionError):
        return
    finally:
        os._exit(0)  # not back into serve(), of which this process has a copy
