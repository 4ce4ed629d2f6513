"""REHASH: the broker asks the supervisor, who has the settings' files read again, and says what came of it.

A file may be a pipe whose writer is slow. Only the line that asked waits for that, and not for ever.
"""

import time
from collections.abc import Callable

from mpchat.chat.text import in_one_line
from mpchat.messages import ConnectionId, Offset, Record, Rehash

_PATIENCE_SECONDS = 10.0  # longer than the supervisor has patience with a broker (supervisor/reloading.py)


class Rehashing:
    """Of one broker. What a dead one had asked is asked again, as the line comes again; its answer is nobody's."""

    def __init__(self, post: Callable[[Rehash], None]) -> None:
        """`post` sends it to the supervisor."""
        self._post = post
        self._open: dict[tuple[ConnectionId, Offset], float] = {}  # whose line asks, where it ends: monotonic deadline

    def ask(self, connection: ConnectionId, end: Offset) -> None:
        self._open[connection, end] = time.monotonic() + _PATIENCE_SECONDS
        self._post(("rehash", connection, end))

    def answered(self, connection: ConnectionId, end: Offset, is_done: bool, said: str) -> list[Record]:
        """The supervisor's answer, if it is one to an open question. A file's name in it may be no text."""
        if self._open.pop((connection, end), None) is None:
            return []
        return [("answer", connection, (is_done, in_one_line(said)))]

    def overdue(self) -> list[Record]:
        """No answer has come in time: that is the answer."""
        now = time.monotonic()
        late = [place for place, deadline in self._open.items() if deadline <= now]
        for place in late:
            del self._open[place]
        return [
            ("answer", connection, (False, "the files are not read yet: the log will say so")) for connection, _ in late
        ]
