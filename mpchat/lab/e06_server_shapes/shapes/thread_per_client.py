"""One process, a thread for each client: each waits for its own socket, and reads straight down.

They share one chat and one table of sockets, so a lock goes around every use of them. The GIL lets one thread at a time
run Python code: threads wait side by side, but they do not compute side by side.
"""

import socket
import threading
from collections.abc import Iterable
from itertools import count

from mpchat.lab.e06_server_shapes.shapes.chat import Chat, Delivery
from mpchat.lab.e06_server_shapes.shapes.client_side import Lines, accept, receive, send, think


class Room:
    """What the threads share. Only who holds `lock` may use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.chat = Chat()
        self.socks: dict[int, socket.socket] = {}

    def deliver(self, deliveries: Iterable[Delivery]) -> None:
        for client, data in deliveries:
            if client in self.socks:
                send(self.socks[client], data)


def serve(listener: socket.socket) -> None:
    room = Room()
    for client in count(1):
        sock = accept(listener)
        threading.Thread(target=talk, args=(room, client, sock), daemon=True).start()


def talk(room: Room, client: int, sock: socket.socket) -> None:
    """The whole life of a client."""
    lines = Lines()
    with room.lock:
        room.socks[client] = sock
        room.deliver(room.chat.open(client))
    while data := receive(sock):
        for line in lines.feed(data):
            think(line)
            with room.lock:
                room.deliver(room.chat.say(client, line))
    with room.lock:
        del room.socks[client]
        room.deliver(room.chat.gone(client))
    sock.close()
