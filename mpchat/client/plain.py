"""The client without a terminal: lines in are messages, lines out are messages, append only. Standard library only.

For pipes, scripts, screen readers and dumb terminals. It waits on standard input and on the connection.
From a pipe, no more is read than the server has dealt with, and the end of input waits until the last line was.
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
from collections.abc import Iterator
from contextlib import contextmanager

from mpchat.client.conversation import LEFT, LOST, Conversation
from mpchat.client.options import Options
from mpchat.client.session import Session

# What is given to the server before it must answer a mark: mpchat's flood control takes two seconds for ten lines.
WINDOW_LINES, WINDOW_BYTES = 10, 4096
PATIENCE_SECONDS = 5.0  # for the echoes of what a person said last
RETURN_SECONDS = 30.0  # without progress, after which a program is told that it failed: a server restarts in a few
ENTRANCE_SECONDS = 60.0  # to be let in: servers that look up names first take up to half a minute
READ_BYTES = 65_536
LINE_BYTES = 4096  # an input without line ends is said in pieces of this size
PASTED_LINES = 1000  # more than anybody wants to send at once


class Paper:
    """A screen that only grows. The client's own words go to stderr when stdout is for a program."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self.problem = ""  # why nothing can be written any more, unless the reader has gone

    def write(self, text: str, own: bool) -> bool:
        """Print at once: the reader may be a program."""
        stream = sys.stderr if own and not self._terminal else sys.stdout
        try:
            print(text, flush=True, file=stream)
        except OSError as error:  # EPIPE: the program is gone (client | head); EIO: the terminal is; ENOSPC
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # what is still buffered goes there
            if stream is sys.stderr:
                return True  # the chat can do without our own words
            if error.errno not in (errno.EPIPE, errno.EIO):
                self.problem = f"cannot write what is said: {error.strerror}"
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
            while together and not self.ended and len(lines) < PASTED_LINES and select.select([self._fd], [], [], 0)[0]:
                lines += self._take()
        return lines

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
                self.problem = f"cannot read standard input: {error.strerror}"
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


def run(options: Options, session: Session, colour: bool, terminal: bool) -> int:
    """Talk until the end of input, Ctrl-C or /quit; the exit status. `terminal`: a person types and reads here."""
    # select() takes regular files (client < lines.txt), which epoll refuses.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        return loop.run_until_complete(_talk(options, session, colour, terminal))
    finally:
        loop.close()


async def _talk(options: Options, session: Session, colour: bool, terminal: bool) -> int:
    bell, paper = sys.stdout.isatty(), Paper(terminal)
    conversation = Conversation(session, options.host, options.port, paper, colour, bell, person=terminal)
    session.shows_own = not (terminal and _shows_what_is_typed(sys.stdin.fileno()))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, conversation.leave)
    talk = asyncio.ensure_future(conversation.run())
    feed = asyncio.ensure_future(_feed_terminal(conversation) if terminal else _feed_pipe(conversation))
    await asyncio.wait({talk, feed}, return_when=asyncio.FIRST_COMPLETED)
    problem = feed.result() if feed.done() else ""
    feed.cancel()
    conversation.leave()
    status = await talk
    await asyncio.wait({feed})
    problem = problem or paper.problem or conversation.failure
    if problem:
        complain(problem)
    return status or (LOST if problem else LEFT)


async def _feed_pipe(conversation: Conversation) -> str:
    """Say what a program writes. Why not all of it could be said, "" when it could."""
    session = conversation.session
    room = session.model.current
    if not await conversation.until(lambda: session.ready, ENTRANCE_SECONDS):
        return "the server did not let us in"
    if room and not session.model.current:
        return f"not in {room}"
    source, given = Input(sys.stdin.fileno()), 0
    while not source.ended:
        for line in await source.lines(together=False):
            # Without a connection nothing is taken from the pipe: /commands could not be kept for later.
            if not await conversation.until(lambda: session.ready or conversation.leaving, RETURN_SECONDS):
                return _unconfirmed(session, 1)
            conversation.type(line)
            if conversation.leaving:
                return ""
            given += len(line) + WINDOW_BYTES // WINDOW_LINES
            if given >= WINDOW_BYTES:
                given = 0
                if not await conversation.settled(RETURN_SECONDS):
                    return _unconfirmed(session)
    return source.problem if await conversation.settled(RETURN_SECONDS) else _unconfirmed(session)


def _unconfirmed(session: Session, more: int = 0) -> str:
    return f"given up: the server has not confirmed the last lines ({session.outbox.waiting() + more})"


async def _feed_terminal(conversation: Conversation) -> str:
    """Say what a person types, line by line; of several lines at once, ask first."""
    source = Input(sys.stdin.fileno())
    pasted: list[str] = []
    while not source.ended:
        if conversation.oper:
            conversation.tell(f"password of {conversation.oper}:")
            with _hidden(sys.stdin.fileno()):
                lines = await source.lines(together=True)
            conversation.answer(lines[0].strip() if lines else "")
            continue
        lines = [line for line in await source.lines(together=True) if line.strip()]
        if pasted:
            if lines and lines[0].strip().lower() in ("y", "yes"):
                conversation.paste(pasted)
            else:
                conversation.tell("not sent")
            pasted = []
        elif len(lines) > 1:
            pasted = lines
            conversation.tell(f"send {len(lines)} lines? [y/N]")
        elif lines:
            conversation.type(lines[0])
    await conversation.settled(PATIENCE_SECONDS)
    return ""


_LOCAL = 3  # where tcgetattr() has the flags of what the terminal does by itself


def _shows_what_is_typed(fd: int) -> bool:
    return bool(termios.tcgetattr(fd)[_LOCAL] & termios.ECHO)


@contextmanager
def _hidden(fd: int) -> Iterator[None]:
    """The terminal shows nothing of what is typed, but that the line has ended."""
    before = termios.tcgetattr(fd)
    hiding = [*before]
    hiding[_LOCAL] = before[_LOCAL] & ~termios.ECHO | termios.ECHONL
    termios.tcsetattr(fd, termios.TCSADRAIN, hiding)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
