"""Inspections: who asks at the control socket how a client's socket stands is answered by its worker.

The supervisor never waits for a worker: one that keeps silent is told of when ANSWER_SECONDS are over, and that it
keeps silent is worth as much as an answer.
"""

import math
import time
from collections.abc import Iterable
from typing import NamedTuple

from mpchat.ipc.control_socket import Asker

ANSWER_SECONDS = 1.0


class _Asked(NamedTuple):
    asker: Asker
    role: str
    id: int
    until: float  # monotonic


class Inspections:
    """Of one supervisor."""

    def __init__(self) -> None:
        self._all: list[_Asked] = []

    def __len__(self) -> int:
        return len(self._all)

    @property
    def next_deadline(self) -> float:
        """Monotonic seconds; infinity: nobody waits."""
        return min((asked.until for asked in self._all), default=math.inf)

    def begin(self, asker: Asker, role: str, id: int) -> None:
        """The process of this role has been asked; `asker` is closed here when it has answered, or has not."""
        self._all.append(_Asked(asker, role, id, time.monotonic() + ANSWER_SECONDS))

    def answered(self, role: str, id: int, counts: tuple[int, int, int, int], port: int, state: str) -> None:
        """See Inspected in messages.py. What nobody waits for any more is dropped."""
        facts = dict(zip(("kept", "unacknowledged", "unread", "forwarded"), counts, strict=True))
        for asked in self._take(asked for asked in self._all if (asked.role, asked.id) == (role, id)):
            asked.asker.answer({"ok": True, "state": state, "port": port, **facts})

    def expire(self, now: float) -> None:
        for asked in self._take(asked for asked in self._all if now >= asked.until):
            asked.asker.answer({"ok": False, "said": f"{asked.role} does not answer"})

    def close(self) -> None:
        for asked in self._take(self._all):
            asked.asker.close()

    def _take(self, some: Iterable[_Asked]) -> list[_Asked]:
        taken = list(some)
        self._all = [asked for asked in self._all if asked not in taken]
        return taken
