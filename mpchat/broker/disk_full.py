"""A disk that takes no more: nothing is accepted, what clients send waits in the kernel, and they are told why.

The journal keeps a reserve, a file whose space it gives back to the disk when there is no other. So what must be said
meanwhile can be journaled before it is said, like everything else. Nothing but that is written before the reserve
stands again.
"""

import time
from collections.abc import Iterable
from contextlib import suppress

from mpchat.broker.recovery import Recovery
from mpchat.core.machine import Record
from mpchat.runtime.log import Log

_RETRY_SECONDS = 0.5
_INPUT = ("line", "part", "overlong")  # records of somebody who waits for an answer


class DiskFull:
    """Of one broker. True while it lasts."""

    def __init__(self, recovery: Recovery, log: Log) -> None:
        self._memory, self._log = recovery, log
        self._retry_at: float | None = None  # monotonic seconds; None: there is room
        self._told: set[int] = set()  # connections; only asked whether it contains one
        self._has_stopped = False  # as far as the core knows

    def __bool__(self) -> bool:
        return self._retry_at is not None

    @property
    def wait(self) -> float:
        """Seconds until the disk is tried again; none if there is no shortage."""
        return 0.0 if self._retry_at is None else max(0.0, self._retry_at - time.monotonic())

    def look(self) -> None:
        """Before the first block: what is free may be the reserve that our predecessor gave back."""
        if self._memory.journal is not None and not self._memory.journal.keep_reserve():
            self.begin("no room for its reserve")

    def begin(self, why: str) -> None:
        """It has refused to take a block, or the journal itself, for the first time or once more."""
        if self._retry_at is None:
            self._log.error("cannot write the journal: nothing is accepted until it can", error=why)
        self._retry_at = time.monotonic() + _RETRY_SECONDS

    def end(self) -> None:
        """It has taken one; if there is room for the reserve too, that was it."""
        if self._retry_at is not None and self._memory.journal is not None and self._memory.journal.keep_reserve():
            self._log.info("the journal can be written again")
            self._retry_at = None
            self._told.clear()

    def permits(self, is_necessary: bool) -> bool:
        """Whether a block may be tried now. During a shortage that needs room for it and for the reserve.

        Without a necessary one nothing else can happen: for that the reserve is given up.
        """
        if self._retry_at is None:
            return True
        if self.wait:
            return False
        assert self._memory.journal is not None
        if is_necessary:
            self._memory.journal.release_reserve()
            return True
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        return self._memory.journal.keep_reserve()

    def tell(self, waiting: Iterable[Record]) -> None:
        """Tell those whose lines wait that they do; and if the server stops, it stops: what waits stays unaccepted."""
        senders: dict[int, None] = {}
        strangers: set[int] = set()  # the core has not heard of them, and cannot tell them anything
        urgent: list[Record] = []
        for record in waiting:
            if record[0] == "open":
                strangers.add(record[2])
            elif record[0] in _INPUT and record[1] not in self._told and record[1] not in strangers:
                senders[record[1]] = None
            elif record[0] == "stop" and not self._has_stopped:
                urgent.append(record)
        if senders:
            urgent.insert(0, ("full", tuple(senders)))
        if urgent:
            assert self._memory.journal is not None
            self._memory.journal.release_reserve()
            with suppress(OSError):  # not even that has room: tried again
                self._memory.append(urgent)
                self._told.update(senders)
                self._has_stopped |= urgent[-1][0] == "stop"
