"""Reloading: the files of the settings are read again while the server runs, and the broker is told what they say.

A thread reads them: a file may be a pipe whose writer is slow, or lie on a disk that does not answer, and the
supervisor's loop waits for neither. One reload is dealt with at a time; what is asked for meanwhile is dealt with
afterwards, because the files may have changed since they were read.
"""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from mpchat.settings import Secrets, Settings

_PATIENCE_SECONDS = 4.0  # for the broker to take it, before who has asked is told that it has not yet
_MOST_SAID = 300  # letters of what nobody has foreseen


class Read(NamedTuple):
    """What the files say."""

    settings: Settings
    secrets: Secrets
    fixed: tuple[str, ...] = ()  # what else they say, by table and key, that only the next start can take: for people
    shared_key: str = ""  # the file of the certificate's key, if others than its owner may read it


Answer = Callable[[bool, str], None]  # is all well; what has happened, in one line


class Rejected(Exception):
    """What the files say cannot be: the text says why, in one line."""


class Reloading:
    """Of one supervisor. Its descriptor is readable when the files have been read: then take() has what they say.

    `read` reads them, or raises Rejected.
    """

    def __init__(self, read: Callable[[], Read]) -> None:
        self._read = read
        self._readable, self._writable = socket.socketpair()  # closed by close()
        self._readable.setblocking(False)
        self._outcome: Read | Rejected = Rejected("nothing was read")
        self._asking: list[Answer] = []  # for the reload that is being dealt with
        self._waiting: list[Answer] = []  # for the next one
        self._is_busy = False
        self.answer_at = math.inf  # monotonic: who has asked is told so late at the latest

    def fileno(self) -> int:
        return self._readable.fileno()

    def begin(self, answer: Answer) -> None:
        """Read the files, now or when the reload that is under way is over; `answer` is called with what came of it."""
        self._waiting.append(answer)
        if not self._is_busy:
            self._begin()

    def _begin(self) -> None:
        self._is_busy = True
        self._asking, self._waiting = self._waiting, []
        try:
            threading.Thread(target=self._work, name="reload", daemon=True).start()
        except RuntimeError as error:  # the system has no thread for it
            self.over(False, f"nothing was changed: {error}")

    def _work(self) -> None:
        """The thread."""
        try:
            self._outcome = self._read()
        except Rejected as error:
            self._outcome = error
        except Exception as error:  # a mistake of ours: whoever asked is told, and the server goes on as it was
            self._outcome = Rejected(f"the files could not be read: {type(error).__name__}: {error}"[:_MOST_SAID])
        finally:
            with contextlib.suppress(OSError):  # closed: the server has ended meanwhile
                self._writable.send(b"\0")

    def take(self) -> Read:
        """What the files say; from now on the broker has _PATIENCE_SECONDS. Raises Rejected."""
        self._readable.recv(1)
        if isinstance(self._outcome, Rejected):
            raise self._outcome
        self.answer_at = time.monotonic() + _PATIENCE_SECONDS
        return self._outcome

    def over(self, is_well: bool, said: str) -> None:
        """Tell who has asked, and begin the next one if there is one."""
        asking, self._asking = self._asking, []
        self._is_busy, self.answer_at = False, math.inf
        for answer in asking:
            answer(is_well, said)
        if self._waiting:
            self._begin()

    def close(self) -> None:
        """The server ends."""
        for answer in [*self._asking, *self._waiting]:
            answer(False, "the server stopped before that")
        self._readable.close()
        self._writable.close()
