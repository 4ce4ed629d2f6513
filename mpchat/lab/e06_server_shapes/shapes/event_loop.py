"""One process, one thread: it waits for all sockets at once, and does whatever has come, one thing after the other.

No lock, no switch, no process: a client costs a few kilobytes. But one line that takes long makes everybody wait.
"""

import selectors
import socket
from collections.abc import Iterable
from itertools import count

from mpchat.lab.e06_server_shapes.shapes.chat import Chat, Delivery
from mpchat.lab.e06_server_shapes.shapes.client_side import Lines, accept, receive, send, think


def serve(listener: socket.socket) -> None:
    chat, numbers = Chat(), count(1)
    socks: dict[int, socket.socket] = {}
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                sock = accept(listener)
                client = next(numbers)
                socks[client] = sock
                selector.register(sock, selectors.EVENT_READ, (client, Lines()))
                deliver(socks, chat.open(client))
                continue
            client, lines = key.data
            data = receive(socks[client])
            for line in lines.feed(data):
                think(line)
                deliver(socks, chat.say(client, line))
            if not data:
                sock = socks.pop(client)
                selector.unregister(sock)
                sock.close()
                deliver(socks, chat.gone(client))


def deliver(socks: dict[int, socket.socket], deliveries: Iterable[Delivery]) -> None:
    for client, data in deliveries:
        if client in socks:
            send(socks[client], data)
