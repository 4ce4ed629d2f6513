"""Derivations of keys, each in a thread: it takes a tenth of a second or more, and meanwhile the loop beats and hears.

hashlib derives without Python's lock. There is one derivation at a time: logins take one processor at most, and the
rest of them wait where they are counted (flow/fair_queue.py).
"""

import os
import queue
import threading

from mpchat.authenticator.keys import derive
from mpchat.store.accounts import Keys


class Derivation:
    """Readable, for a poller, when a derivation is done."""

    def __init__(self) -> None:
        self.is_busy = False
        self.count = 0  # done
        self._done: queue.SimpleQueue[Keys | Exception] = queue.SimpleQueue()
        self._reader, self._writer = os.pipe()  # closed by close()

    def fileno(self) -> int:
        return self._reader

    def begin(self, password: str, salt: bytes, iterations: int) -> None:
        """To be called while it is not busy. Raises RuntimeError if the system has no thread for it."""
        self.is_busy = True
        threading.Thread(target=self._run, args=(password, salt, iterations), daemon=True).start()

    def take(self) -> Keys:
        """What was derived; to be called when it is readable. Raises what the derivation has raised."""
        os.read(self._reader, 1)
        done = self._done.get_nowait()
        self.is_busy = False
        self.count += 1
        if isinstance(done, Exception):
            raise done
        return done

    def close(self) -> None:
        """To be called while it is not busy."""
        os.close(self._reader)
        os.close(self._writer)

    def _run(self, password: str, salt: bytes, iterations: int) -> None:
        try:
            self._done.put(derive(password, salt, iterations))
        except Exception as error:  # the loop raises it, and the process ends by it
            self._done.put(error)
        os.write(self._writer, b"\0")
