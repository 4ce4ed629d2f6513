"""A transport as somebody outside of the project would write one for `--ipc FILE.py`: one Unix socket for both ways.

Tests copy this file to another place, and start a server with it.
"""

from __future__ import annotations

import socket
from typing import Any

from mpchat.ipc.frames import Progress, pack, unpack
from mpchat.messages import BadFrame


class Pair:
    def __init__(self, worker: socket.socket, broker: socket.socket) -> None:
        self._worker, self._broker = worker, broker

    @classmethod
    def make(cls) -> Pair:
        return cls(*socket.socketpair())

    def at_worker(self) -> End:
        self._broker.close()
        return End(self._worker)

    def at_broker(self) -> End:
        self._worker.close()
        return End(self._broker)

    def let_go(self) -> None:
        self._worker.close()
        self._broker.close()


class End:
    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._stream, self._unsent = bytearray(), bytearray()
        self._taken = 0
        self._progress = Progress()
        self.ended = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def write_fileno(self) -> int:
        return self._sock.fileno()

    @property
    def unsent(self) -> bool:
        return bool(self._unsent)

    def put(self, message: Any) -> None:
        self._unsent += pack(message)
        self.flush()

    def flush(self) -> None:
        try:
            del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self._unsent.clear()

    def take(self) -> list[Any]:
        try:
            data = self._sock.recv(1 << 16)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self._stream += data
        try:
            messages = unpack(self._stream)
        except BadFrame:
            self.ended = True
            raise
        self._taken += len(messages)
        return messages

    def look(self, most: int) -> None:
        self._progress.look(self._taken, bool(self._stream), most)

    def close(self) -> None:
        self._sock.close()
