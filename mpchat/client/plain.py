"""The client without an editor: lines in are messages, lines out are messages, append only. Standard library only.

For screen readers and dumb terminals; feed.py and tail.py use it for scripts. It waits on standard input and on the
connection.
"""

import asyncio
import codecs
import errno
import os
import select
import selectors
import signal
import sys
import termios
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from mpchat.client.commands import is_command
from mpchat.client.conversation import Conversation
from mpchat.client.options import Options
from mpchat.client.session import Session
from mpchat.client.settings_file import SettingsFile
from mpchat.client.status import UNCONNECTED, WELL
from mpchat.client.step import CLIENT, ERROR, RULE, Line
from mpchat.client.trust import wanted
from mpchat.texts import t, translate

PATIENCE_SECONDS = 5.0  # for the echoes of what a person said last
READ_BYTES = 65_536
LINE_BYTES = 4096  # an input without line ends is said in pieces of this size
REST_BYTES = 65_536  # of an input that nobody will say, to be named: what a pipe holds
PASTED_LINES = 1000  # more than anybody wants to send at once


class Paper:
    """A screen that only grows. The client's own words and what was refused go to stderr when stdout is a program's."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self.problem = ""  # why nothing can be written any more, unless the reader has gone

    def write(self, text: str, line: Line) -> bool:
        """Print at once: the reader may be a program."""
        aside = line.head in (CLIENT, ERROR, RULE) and not self._terminal
        return self.put(text, sys.stderr if aside else sys.stdout)

    def put(self, text: str, stream: TextIO) -> bool:
        """Print a line. False: its reader has gone."""
        try:
            print(text, flush=True, file=stream)
        except OSError as error:  # EPIPE: the program is gone (client | head); EIO: the terminal is; ENOSPC
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # what is still buffered goes there
            if stream is sys.stderr:
                return True  # the chat can do without our own words
            if error.errno not in (errno.EPIPE, errno.EIO):
                self.problem = t("client.cannot_write", why=translate(str(error.strerror)))
            return False
        return True

    def refresh(self) -> None:
        """There is no prompt."""

    def clear(self) -> None:
        """What was printed stays."""


class Input:
    """Standard input in lines. Reading waits in the event loop, never in read()."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._rest = ""
        self.ended = False
        self.problem = ""  # why it cannot be read, unless it is a terminal that is gone

    async def lines(self, together: bool) -> list[str]:
        """The lines that are there now. `together`: all of them, for that is how a paste into a terminal comes."""
        lines: list[str] = []
        while not lines and not self.ended:
            await self._readable()
            lines = self._take()
            while together and len(lines) < PASTED_LINES and self.is_there_more():
                lines += self._take()
        return lines

    def rest(self) -> list[str]:
        """The lines that are there now, not many more than a pipe holds, and what there is of one that has no end."""
        lines: list[str] = []
        while self.is_there_more() and sum(len(line) + 1 for line in lines) < REST_BYTES:
            lines += self._take()
        return [*lines, self._rest]

    def is_there_more(self) -> bool:
        """Would a read find something now?"""
        return not self.ended and bool(select.select([self._fd], [], [], 0)[0])

    async def _readable(self) -> None:
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._fd)

    def _take(self) -> list[str]:
        try:
            data = os.read(self._fd, READ_BYTES)
        except OSError as error:  # EIO: the terminal is gone; EBADF: it is open for writing only
            data = b""
            if error.errno != errno.EIO:
                self.problem = t("client.cannot_read", why=translate(str(error.strerror)))
        self.ended = not data
        *lines, self._rest = (self._rest + self._decoder.decode(data, final=not data)).split("\n")
        if self._rest and (self.ended or len(self._rest) > LINE_BYTES):
            lines.append(self._rest)
            self._rest = ""
        return [line.rstrip("\r") for line in lines]


def complain(problem: str) -> None:
    """One line on stderr. Where it cannot be written, the exit status has to do."""
    try:
        print(f"mpchat: {problem}", file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # Python flushes once more when it ends


def answered(text: str) -> bool | None:
    """Is this a yes, or as Enter alone a no, in any of our languages? None: it is no answer."""
    word = text.strip().lower()
    return True if word in ("y", "yes", "s", "sí", "si") else False if word in ("", "n", "no") else None


def run(options: Options, session: Session, colour: bool) -> int:
    """A person types and reads here, until Ctrl-C, Ctrl-D or /quit; the exit status."""
    paper = Paper(terminal=True)
    session.has_prompt = False
    session.shows_own = not _shows_what_is_typed(sys.stdin.fileno())
    conversation = Conversation(
        session,
        options.host,
        options.port,
        paper,
        colour,
        sys.stdout.isatty(),
        settings=SettingsFile(options.settings_file),
        tls=wanted(options),
    )
    status = converse(conversation, paper, lambda: _feed_terminal(conversation))
    return status or (UNCONNECTED if conversation.failure else WELL)


def converse(conversation: Conversation, paper: Paper, feed: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Talk until `feed` or the conversation comes to its end, or a signal ends both; the conversation's exit status."""
    # select() takes regular files (client < lines.txt), which epoll refuses.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        return loop.run_until_complete(_talk(conversation, paper, feed))
    finally:
        loop.close()


async def _talk(conversation: Conversation, paper: Paper, feed: Callable[[], Coroutine[Any, Any, None]]) -> int:
    def interrupted() -> None:
        if sys.stderr.isatty():
            paper.put("", sys.stderr)  # the terminal shows ^C: what comes next begins a line
        conversation.leave()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupted)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, conversation.leave)
    talk, feeding = asyncio.ensure_future(conversation.run()), asyncio.ensure_future(feed())
    await asyncio.wait({talk, feeding}, return_when=asyncio.FIRST_COMPLETED)
    feeding.cancel()
    conversation.leave()
    status = await talk
    await asyncio.wait({feeding})
    if not feeding.cancelled():
        feeding.result()  # raises what went wrong in it
    if paper.problem:
        conversation.give_up(paper.problem, UNCONNECTED)
    if conversation.failure:
        complain(conversation.failure)
    return status


async def _feed_terminal(conversation: Conversation) -> None:
    """Say what a person types, line by line; of several lines at once, ask first.

    They are a paste, or were typed while we had no time to read them: yes obeys the /commands among them. What comes
    behind the question and is no answer is one more line that it asks about.
    """
    source = Input(sys.stdin.fileno())
    pasted: list[str] = []  # while it asks whether to send them
    behind: list[str] = []  # came together with an answer, or with a password
    model = conversation.session.model
    obeys = False
    while behind or not source.ended:
        if conversation.ask:
            conversation.tell(conversation.ask.question(conversation.ask.name))
            with hidden(sys.stdin.fileno()):
                lines = behind or await source.lines(together=True)
            behind = lines[1:]
            conversation.answer(lines[0].strip() if lines else "")
            continue
        lines = behind or await source.lines(together=True)
        behind = []
        if pasted:
            answer = answered(lines[0]) if lines else False
            if answer is None:
                lines = [*pasted, *lines]
            elif answer and obeys:
                for line in pasted:
                    _type(conversation, line)
            elif answer:
                conversation.paste(pasted, model.question)
            else:
                conversation.tell(t("client.not_sent"))
            pasted = []
            if answer is not None:
                behind = lines[1:]
                continue
        lines = [line for line in lines if line.strip()]
        if len(lines) > 1 and any(map(is_command, lines)):
            pasted, obeys = lines, True
            conversation.tell(t("client.obey_lines", count=len(lines)))
        elif len(lines) > 1 and not conversation.place():
            conversation.paste(lines, "")
        elif len(lines) > 1:
            pasted, model.question, obeys = lines, conversation.place(), False
            conversation.tell(t("client.send_lines", count=len(lines), place=model.question))
        elif lines:
            conversation.type(lines[0])
    await conversation.settled(PATIENCE_SECONDS)


def _type(conversation: Conversation, line: str) -> None:
    """One line was typed; behind a command that asks for a password it is that."""
    if conversation.ask:
        conversation.answer(line.strip())
    else:
        conversation.type(line)


_LOCAL = 3  # where tcgetattr() has the flags of what the terminal does by itself


def _shows_what_is_typed(fd: int) -> bool:
    return bool(termios.tcgetattr(fd)[_LOCAL] & termios.ECHO)


@contextmanager
def hidden(fd: int) -> Iterator[None]:
    """The terminal shows nothing of what is typed, but that the line has ended."""
    before = termios.tcgetattr(fd)
    hiding = [*before]
    hiding[_LOCAL] = before[_LOCAL] & ~termios.ECHO | termios.ECHONL
    termios.tcsetattr(fd, termios.TCSADRAIN, hiding)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
