"""`tail`: what is said in a room, a line for each message, until a signal comes or the reader goes.

It never speaks. It waits on the connection, and on standard output for the reader to go.
"""

import asyncio
import datetime
import json
import math
import os
import select
import stat
import sys
import time

from mpchat.client.conversation import Conversation
from mpchat.client.feed import entered
from mpchat.client.options import Options
from mpchat.client.plain import Paper, complain, converse
from mpchat.client.session import Session
from mpchat.client.status import REMOVED
from mpchat.client.step import CLIENT, ERROR, RULE, Line, Said, harmless
from mpchat.client.trust import wanted


class Messages(Paper):
    """The screen of `tail`: messages, and gaps among them, on stdout; what went wrong on stderr."""

    def __init__(self, as_json: bool) -> None:
        super().__init__(terminal=False)
        self._as_json = as_json

    def write(self, text: str, line: Line) -> bool:
        """Who comes and goes is no message."""
        if line.said:
            at = time.time() if line.at is None else line.at
            return self.put(_object(line.said, at) if self._as_json else _dated(line, at), sys.stdout)
        if line.head in (CLIENT, ERROR, RULE):
            complain(harmless(line.text))
        return True


def tail(options: Options, session: Session, as_json: bool) -> int:
    """Show what is said in the session's room; the exit status."""
    if as_json and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # whatever the locale (RFC 8259, section 8.1)
    screen = Messages(as_json)
    conversation = Conversation(
        session, options.host, options.port, screen, False, False, person=False, tls=wanted(options)
    )
    return converse(conversation, screen, lambda: _watch(conversation)) or conversation.outcome


async def _watch(conversation: Conversation) -> None:
    """Until we are no longer in the room."""
    model = conversation.session.model
    _leave_with_reader(conversation)
    if not await entered(conversation):
        return
    in_room = bool(model.current)
    await conversation.until(lambda: in_room and not model.current, math.inf)
    if model.expelled:  # or we came back and were refused, which has been told
        conversation.give_up(model.nowhere, REMOVED)


def _leave_with_reader(conversation: Conversation) -> None:
    """Go when the reader of a pipe does (tail | head -1), and not only when there is something more to write.

    select() calls the writing end of a pipe without a reader readable; poll() tells that apart from a FIFO that is
    open for reading too.
    """
    fd = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        return
    loop, end = asyncio.get_running_loop(), select.poll()
    end.register(fd, 0)  # errors are told unasked

    def look() -> None:
        loop.remove_reader(fd)
        if end.poll(0):
            conversation.leave()

    loop.add_reader(fd, look)


def _object(said: Said, at: float) -> str:
    """One line of JSON."""
    moment = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"time": stamp, "room": said.room, "nick": said.nick, "text": said.text, "kind": said.kind}
    return json.dumps({key: harmless(value) for key, value in told.items()}, ensure_ascii=False)


def _dated(line: Line, at: float) -> str:
    return line.plain(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)))
