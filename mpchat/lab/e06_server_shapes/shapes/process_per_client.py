"""A process for each client, made by fork(), and one more that has the chat: the oldest shape of a Unix server.

Processes share nothing, so a client's process sends each line to the one with the chat, through a link of their own,
and gets back what its client is to read. They compute side by side, and one that dies takes one client with it. A
forked process shares its parent's pages until one of both writes to them (copy-on-write); Python writes a lot: each use
of an object changes its reference count.

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

from mpchat.lab.e06_server_shapes.shapes.chat import Chat, Delivery
from mpchat.lab.e06_server_shapes.shapes.client_side import Lines, accept, receive, send, think


def serve(listener: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the children itself (wait(2), NOTES)
    chat, numbers = Chat(), count(1)
    links: dict[int, Connection] = {}
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                sock = accept(listener)
                client = next(numbers)
                mine, theirs = Pipe()
                if os.fork() == 0:
                    # What a child inherits and does not close, it keeps open: the end of a link would not be seen.
                    listener.close()
                    selector.close()
                    for link in (mine, *links.values()):
                        link.close()
                    talk(sock, theirs)
                sock.close()
                theirs.close()
                links[client] = mine
                selector.register(mine, selectors.EVENT_READ, client)
                deliver(links, chat.open(client))
                continue
            client = key.data
            try:
                line = links[client].recv_bytes()
            except (EOFError, ConnectionError):
                link = links.pop(client)
                selector.unregister(link)
                link.close()
                deliver(links, chat.gone(client))
            else:
                deliver(links, chat.say(client, line))


def deliver(links: dict[int, Connection], deliveries: Iterable[Delivery]) -> None:
    for client, data in deliveries:
        if client in links:
            try:
                links[client].send_bytes(data)
            except ConnectionError:
                continue  # it has left: the end of its link will be read


def talk(sock: socket.socket, link: Connection) -> None:
    """The whole life of a client's process: it never returns."""
    lines = Lines()
    selector = selectors.DefaultSelector()
    selector.register(sock, selectors.EVENT_READ)
    selector.register(link, selectors.EVENT_READ)
    try:
        while True:
            for key, _ in selector.select():
                if key.fileobj is link:
                    send(sock, link.recv_bytes())
                elif data := receive(sock):
                    for line in lines.feed(data):
                        think(line)
                        link.send_bytes(line)
                else:
                    return
    except (EOFError, ConnectionError):
        return  # the server has ended
    finally:
        os._exit(0)  # not back into the loop of the parent, of which this process has a copy
