"""Disk full: nothing is accepted, what clients send waits in the kernel, and they are told why.

The journal keeps a reserve, a file whose space it gives back to the disk when there is no other. So what must be said
meanwhile can be journaled before it is said, like everything else. Nothing but that is written before the reserve
stands again.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from mpchat.broker.recovery import Recovery
from mpchat.messages import ConnectionId, Record
from mpchat.runtime.log import Log

_RETRY_SECONDS = 0.5


class DiskFull:
    """Of one broker. `is_full` while the disk takes no more; `report` is told why, and "" when it is over."""

    def __init__(self, recovery: Recovery, log: Log, report: Callable[[str], None]) -> None:
        self._recovery, self._log, self._report = recovery, log, report
        self.is_full = False
        self._retry_at = 0.0  # monotonic seconds
        self._told: set[ConnectionId] = set()  # connections; only asked whether it contains one
        self._has_stopped = False  # as far as the core knows

    @property
    def wait(self) -> float:
        """Seconds until the disk is tried again; none if it is not full."""
        return max(0.0, self._retry_at - time.monotonic()) if self.is_full else 0.0

    def look(self) -> None:
        """Before the first block: what is free may be the reserve that our predecessor gave back."""
        if self._recovery.journal is not None and not self._recovery.journal.keep_reserve():
            self.begin("no room for its reserve")

    def begin(self, why: str) -> None:
        """It has refused to take a block, or the journal itself, for the first time or once more."""
        if not self.is_full:
            self._log.error("cannot write the journal: nothing is accepted until it can", error=why)
            self._report(why.partition("] ")[2] or why)  # without its number
        self.is_full = True
        self._retry_at = time.monotonic() + _RETRY_SECONDS

    def end(self) -> None:
        """While the disk is full: it has taken one. If there is room for the reserve too, that was it."""
        if self._recovery.journal is not None and self._recovery.journal.keep_reserve():
            self._log.info("the journal can be written again")
            self.is_full = False
            self._report("")
            self._told.clear()

    def permits(self, is_necessary: bool) -> bool:
        """While the disk is full: whether a block may be tried now. That needs room for it and for the reserve.

        Without a necessary one nothing else can happen: for that the reserve is given up.
        """
        if self.wait:
            return False
        assert self._recovery.journal is not None
        if is_necessary:
            self._recovery.journal.release_reserve()
            return True
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        return self._recovery.journal.keep_reserve()

    def tell(self, waiting: Iterable[Record]) -> None:
        """Tell those whose lines wait that they do; and if the server stops, it stops: what waits stays unaccepted."""
        senders: dict[ConnectionId, None] = {}
        strangers: set[ConnectionId] = set()  # the core has not heard of them, and cannot tell them anything
        urgent: list[Record] = []
        for record in waiting:
            match record:
                case ("open", _, connection, *_):
                    strangers.add(connection)
                case ("line" | "part" | "overlong", connection, _, _):
                    if connection not in self._told and connection not in strangers:
                        senders[connection] = None
                case ("stop", _):
                    if not self._has_stopped:
                        urgent.append(record)
                case _:
                    pass  # no answer to it is awaited
        if senders:
            urgent.insert(0, ("full", tuple(senders)))
        if urgent:
            assert self._recovery.journal is not None
            self._recovery.journal.release_reserve()
            with suppress(OSError):  # not even that has room: tried again
                self._recovery.propose(urgent)
                self._told.update(senders)
                self._has_stopped |= urgent[-1][0] == "stop"
