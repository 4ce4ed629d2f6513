"""What a program says: the client that reads a pipe, and `send`. It waits on standard input and on the connection.

No more is read than the server has dealt with, and the end of input waits until the last line was. A line that follows
a /command waits for the answer to it, and is not said where script.py finds that it stood on what was refused. Whatever
ends it: each line was said, or is named as not said.
"""

import math
import sys
from collections import deque

from mpchat.client.conversation import Conversation
from mpchat.client.options import Options
from mpchat.client.plain import Input, Paper, complain, converse
from mpchat.client.script import Script, doubtful
from mpchat.client.session import Session
from mpchat.client.status import LOST, REFUSED, REMOVED, UNCONNECTED, WELL
from mpchat.client.step import ERROR, Line, Step, harmless
from mpchat.client.trust import wanted
from mpchat.texts import t

# What is given to the server before it must answer a mark: mpchat's flood control takes two seconds for ten lines.
WINDOW_LINES, WINDOW_BYTES = 10, 4096
RETURN_SECONDS = 30.0  # without progress, after which a program is told that it failed: a server restarts in a few
ENTRANCE_SECONDS = 60.0  # to be let in: servers that look up names first take up to half a minute
ATTEMPTS = 5  # for a command whose answer is lost with the connection, each time


class Silence(Paper):
    """The screen of `send`: only what went wrong is told, on stderr."""

    def write(self, text: str, line: Line) -> bool:
        """What others say is for somebody else."""
        if line.head == ERROR:
            complain(harmless(line.text))
        return True


class Feed:
    """Gives a program's lines to the conversation: each when it may be said, and not at all when it may not."""

    def __init__(
        self, conversation: Conversation, source: Input | None, given: list[str] | None = None, literally: bool = False
    ) -> None:
        """`given` comes first, then what `source` has. `literally`: no line is a /command."""
        self._conversation = conversation
        self._session = conversation.session
        self._script = Script(conversation.session.model)
        self._lines = deque(given or ())
        self._source = source
        self._literally = literally
        self._ahead = 0  # bytes given since the server answered a mark
        self._asked = ""  # the /command whose answer is not here yet

    async def run(self) -> None:
        """Give all of it. What came of it is the conversation's outcome."""
        explained = False  # by what the status tells already
        try:
            is_in = await entered(self._conversation) and not await self._talks_to_itself()
            explained = not is_in or await self._give_all()
            if self._session.outbox.waiting():  # told at the conversation's end, which ends us: then comes the rest
                self._conversation.leave()
                await self._conversation.until(lambda: False, math.inf)
        finally:  # also where a signal or the server ended it
            self._name_the_rest(WELL if explained else LOST)

    def _name_the_rest(self, outcome: int) -> None:
        """Tell what is not said of what we were given: lines that were read, and those that wait to be."""
        show, source = self._conversation.show, self._source
        if self._asked:
            show(doubtful(self._asked))
        for line in [*self._lines, *(source.rest() if source else [])]:
            if line.strip():
                unsaid = t("client.not_said", text=line) if self._literally else self._script.undone(line)
                show(Step(show=[Line(unsaid, ERROR)], outcome=outcome))
        if source and source.is_there_more():
            show(Step(show=[Line(t("client.not_read"), ERROR)], outcome=outcome))

    async def _talks_to_itself(self) -> bool:
        """Would `send` speak in a room that was not there before it came? Most likely its name was mistyped.

        A room in which something was said earlier was there: after a restart it sleeps until somebody comes.
        """
        model = self._session.model
        room = model.room(model.current)
        if not (self._literally and room and room.is_ours):
            return False
        if await self._settled() and not self._session.past.knows(room.name):
            self._conversation.give_up(t("client.nobody_there", room=room.name), REFUSED)
            return True
        return False

    async def _give_all(self) -> bool:
        """False: a signal came, or our reader went, before the end."""
        source, conversation, model = self._source, self._conversation, self._session.model
        while self._lines or (source and not source.ended):
            if not self._lines and source:
                self._lines.extend(await source.lines(together=False))
                continue
            # Without a connection no line is taken: /commands could not be kept for later.
            if not await conversation.until(lambda: self._session.ready, RETURN_SECONDS):
                self._give_up()
                return True
            # Where words go nowhere, those under way are told first: they were given first.
            if not model.current and self._session.outbox.waiting() and not await self._settled():
                return True
            if conversation.leaving:
                return False
            if not await (self._say if self._literally else self._obey)(self._lines.popleft()):
                return True
        if source and source.problem:
            conversation.give_up(source.problem, UNCONNECTED)
        if await self._settled():
            conversation.show(self._session.settle())
        return True

    async def _say(self, line: str) -> bool:
        """Say a line as it is. False: there is no use in going on."""
        self._conversation.paste([line], self._conversation.place())
        return bool(self._session.model.current) and await self._window(line)

    async def _obey(self, line: str) -> bool:
        """Say a line, or obey a /command and wait for the answer. False: there is no use in going on."""
        if refused := self._script.stops(line):
            self._conversation.show(refused)
            return True
        for _ in range(ATTEMPTS):
            visit = self._session.visits
            step = self._conversation.type(line)
            if step.leave is not None:  # what stands behind it was not to be said
                self._lines.clear()
                self._source = None
                return False
            asked = self._script.waits(line, step)
            if not asked:
                return await self._window(line)
            self._asked = line
            if not await self._settled():
                return False
            self._asked = ""
            if self._session.visits == visit:
                self._script.answered(asked)
                return True
            if not self._script.lacks(asked):
                break
        self._script.answered(asked)
        self._conversation.show(self._script.unsure(line, asked))
        return True

    async def _window(self, line: str) -> bool:
        """Now and then, wait until the server has come so far. False: it did not."""
        self._ahead += len(line) + WINDOW_BYTES // WINDOW_LINES
        return self._ahead < WINDOW_BYTES or await self._settled()

    async def _settled(self) -> bool:
        """Wait until the server has dealt with all that was given. False: it did not."""
        self._ahead = 0
        if await self._conversation.settled(RETURN_SECONDS):
            return True
        self._give_up()
        return False

    def _give_up(self) -> None:
        waiting = self._session.outbox.waiting() + len(self._lines)
        self._conversation.give_up(t("client.given_up", count=waiting), LOST)


async def entered(conversation: Conversation) -> bool:
    """Wait until we are in, and in the room that was asked for. False: we are not, and the exit status will say so."""
    session, room = conversation.session, conversation.session.model.current
    if not await conversation.until(lambda: session.ready, ENTRANCE_SECONDS):
        conversation.give_up(t("client.not_let_in"), UNCONNECTED)
        return False
    if session.model.expelled:
        conversation.give_up(session.model.nowhere, REMOVED)
    return not room or bool(session.model.current)  # a refusal has been told


def run(options: Options, session: Session, colour: bool) -> int:
    """Say and obey what standard input has, and show the chat, until the input's end or a signal; the exit status."""
    paper = Paper(terminal=False)
    conversation = Conversation(
        session, options.host, options.port, paper, colour, sys.stdout.isatty(), person=False, tls=wanted(options)
    )
    return converse(conversation, paper, Feed(conversation, Input(sys.stdin.fileno())).run) or conversation.outcome


def send(options: Options, session: Session, lines: list[str] | None) -> int:
    """Say `lines`, or where there are none what standard input has, as it is, and go; the exit status."""
    screen = Silence(terminal=False)
    conversation = Conversation(
        session, options.host, options.port, screen, False, False, person=False, tls=wanted(options)
    )
    source = Input(sys.stdin.fileno()) if lines is None else None
    return converse(conversation, screen, Feed(conversation, source, lines, literally=True).run) or conversation.outcome
