"""Derivations of keys, in a thread: each takes a tenth of a second or more, and meanwhile the loop beats and hears.

hashlib derives without Python's lock. There is one thread, and one derivation at a time: logins take one processor at
most, and the rest of them wait where they are counted (flow/fair_queue.py).
"""

import queue
import socket
import threading

from mpchat.authenticator.keys import derive
from mpchat.store.accounts import Keys


class Derivation:
    """Readable, for a poller, when a derivation is done. The thread lives as long as its process."""

    def __init__(self) -> None:
        self.is_busy = False
        self.count = 0  # done
        self._asked: queue.SimpleQueue[tuple[str, bytes, int]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Keys | Exception] = queue.SimpleQueue()
        self._reader, self._writer = socket.socketpair()  # never closed: until the process ends
        threading.Thread(target=self._run, daemon=True).start()

    def fileno(self) -> int:
        return self._reader.fileno()

    def begin(self, password: str, salt: bytes, iterations: int) -> None:
        """To be called while it is not busy."""
        self.is_busy = True
        self._asked.put((password, salt, iterations))

    def take(self) -> Keys:
        """What was derived; to be called when it is readable. Raises what the derivation has raised."""
        self._reader.recv(1)
        done = self._done.get_nowait()
        self.is_busy = False
        self.count += 1
        if isinstance(done, Exception):
            raise done
        return done

    def _run(self) -> None:
        while True:
            asked = self._asked.get()
            try:
                self._done.put(derive(*asked))
            except Exception as error:  # the loop raises it, and the process ends by it
                self._done.put(error)
            self._writer.send(b"\0")
