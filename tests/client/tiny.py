"""A tiny chat server of one room, in the test's own event loop, and a visitor of it: the client without a screen.

It speaks over real TCP, knows lines by their ids, keeps a history, and cuts each connection after so many bytes: in the
middle of a line, of an echo, of an answer. Whenever it has cut one, beto says something.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable

from mpchat.client.colours import BELL
from mpchat.client.conversation import Conversation
from mpchat.client.preferences import Preferences
from mpchat.client.session import Session
from mpchat.client.step import RULE, Line
from mpchat.protocol.message import Message, parse

ROOM = "#r"
CAPABILITIES = "server-time echo-message message-tags batch draft/chathistory"
SECONDS = 20.0  # for a visit; a failing test waits so long, a passing one never
_TIME = "2026-01-02T03:04:05.000Z"


class Tiny:
    """`cuts`: after how many bytes the first, second... connection is cut; those after them are not.

    `page` is the most lines it gives at once. With no `capabilities` it is a server of the old kind.
    """

    def __init__(self, cuts: Iterable[int] = (), page: int = 100, capabilities: str = CAPABILITIES) -> None:
        self.said: list[tuple[str, str]] = []  # nick, text
        self.taken: list[str] = []  # nicks of others
        self.searched: list[str] = []  # what was looked for
        self.knows_before = True  # how to go back in its history
        self.visits = 0
        self.asked: asyncio.Queue[str] = asyncio.Queue()  # the questions to its history
        self.refuses_history = False
        self.has_time = asyncio.Event()  # for its history: what it has found is not sent before
        self.has_time.set()
        self._cuts = list(cuts)
        self._page = page
        self._capabilities = capabilities
        self._receipts: dict[str, int] = {}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> Tiny:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen; the second time on the same port."""
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Nobody listens any more, and every connection ends."""
        assert self._server
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Every connection ends."""
        for writer in self._writers:
            writer.close()

    def say(self, text: str, nick: str = "beto") -> None:
        """Somebody says something: whoever is here hears it."""
        self.said.append((nick, text))
        line = f"{self._message(len(self.said))}\r\n".encode()
        for writer in self._writers:
            writer.write(line)

    def whisper(self, text: str, nick: str = "beto") -> None:
        """Somebody says something to ana alone."""
        for writer in self._writers:
            writer.write(f":{nick}!u@h PRIVMSG ana :{text}\r\n".encode())

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        left = self._cuts.pop(0) if self._cuts else -1
        nick = "*"
        with contextlib.suppress(OSError):
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                message = parse(line)
                if message.command == "NICK":
                    nick = message.params[0]
                    if nick in self.taken:
                        writer.write(f":tiny 433 * {nick} :taken\r\n".encode())
                        continue
                if message.command == "QUIT":
                    break
                if message.command == "JOIN":
                    self._writers.add(writer)
                if message.command == "PART":
                    self._writers.discard(writer)
                answers = self._answers(message, nick)
                if message.command == "CHATHISTORY":
                    self.asked.put_nowait(line)
                    await self.has_time.wait()
                for answer in answers:
                    data = f"{answer}\r\n".encode()
                    if 0 <= left <= len(data):
                        writer.write(data[:left])
                        writer.close()
                        self._writers.discard(writer)
                        self.say(f"meanwhile {self.visits}")
                        return
                    left -= len(data) if left > 0 else 0
                    writer.write(data)
        self._writers.discard(writer)
        writer.close()

    def _answers(self, message: Message, nick: str) -> list[str]:
        match message.command, message.params:
            case "CAP", ["LS", *_]:
                return [f":tiny CAP * LS :{self._capabilities}"]
            case "CAP", ["REQ", names]:
                return [f":tiny CAP * ACK :{names}"]
            case "USER", _ if nick not in self.taken:
                return [f":tiny 001 {nick} :hi", f":tiny 004 {nick} tiny mpchat-tiny"] + (
                    [f":tiny 005 {nick} CHATHISTORY={self._page} :are supported"] if self._capabilities else []
                )
            case "NICK", [wanted] if nick not in self.taken and self.taken:
                return [f":tiny 001 {wanted} :hi", f":tiny 004 {wanted} tiny mpchat-tiny"]
            case "JOIN", _:
                return [f":{nick}!u@h JOIN {ROOM}"]
            case "PART", _:
                return [f":{nick}!u@h PART {ROOM}"]
            case "PING", [token]:
                return [f":tiny PONG tiny :{token}"]
            case "PRIVMSG", [_, text]:
                return self._take(nick, text, message.tags.get("+mpchat.org/id", ""))
            case "CHATHISTORY", [kind, _, where, limit]:
                return self._history(kind, where, min(int(limit), self._page))
            case "SEARCH", [asked]:
                return self._search(dict(word.split("=", 1) for word in asked.split(";")))
        return []

    def _search(self, asked: dict[str, str]) -> list[str]:
        """The lines with that text in them: at most so many, the newest."""
        words = asked["text"].replace("\\s", " ")
        self.searched.append(words)
        if words == "refuse":
            return [":tiny FAIL SEARCH INTERNAL_ERROR :not now"]
        found = [number for number, (_, text) in enumerate(self.said, 1) if words in text]
        lines = [self._message(number, "batch=s") for number in found[-int(asked["limit"]) :]]
        return [":tiny BATCH +s soju.im/search", *lines, ":tiny BATCH -s"]

    def _take(self, nick: str, text: str, line_id: str) -> list[str]:
        """Say a line once; echo it each time. beto answers what is new."""
        answers = []
        if not line_id or line_id not in self._receipts:
            self.said.append((nick, text))
            self._receipts[line_id] = len(self.said)
            self.said.append(("beto", f"re {text}"))
            answers = [self._message(len(self.said))]
        id_tag = f"+mpchat.org/id={line_id}" if line_id else ""
        return [self._message(self._receipts[line_id], id_tag), *answers]

    def _history(self, kind: str, where: str, limit: int) -> list[str]:
        if self.refuses_history:
            return [f":tiny FAIL CHATHISTORY MESSAGE_ERROR {kind} {ROOM} :not now"]
        if kind == "BEFORE" and not self.knows_before:
            return [f":tiny FAIL CHATHISTORY INVALID_PARAMS {kind} :Unknown command"]
        if kind == "BEFORE":
            end = int(where.removeprefix("msgid=m"))
            lines = [self._message(number, "batch=b") for number in range(max(1, end - limit), end)]
            return [f":tiny BATCH +b chathistory {ROOM}", *lines, ":tiny BATCH -b"]
        first = int(where.removeprefix("msgid=m")) + 1 if kind == "AFTER" else max(1, len(self.said) - limit + 1)
        numbers = range(first, min(first + limit, len(self.said) + 1))
        lines = [self._message(number, "batch=b") for number in numbers]
        return [f":tiny BATCH +b chathistory {ROOM}", *lines, ":tiny BATCH -b"]

    def _message(self, number: int, *tags: str) -> str:
        nick, text = self.said[number - 1]
        if not self._capabilities:
            return f":{nick}!u@h PRIVMSG {ROOM} :{text}"
        told = ";".join(filter(None, (f"time={_TIME}", f"msgid=m{number}", *tags)))
        return f"@{told} :{nick}!u@h PRIVMSG {ROOM} :{text}"


class Visitor:
    """The client, with a list for a screen."""

    def __init__(self, port: int, greets: bool = True, preferences: Preferences | None = None) -> None:
        self.lines: list[str] = []
        self.rung = 0  # how often the bell was
        run = "".join(random.choices("abcdefghijklmnop", k=16))
        self.session = Session("ana", ROOM, run, greets=greets, preferences=preferences)
        self.conversation = Conversation(self.session, "127.0.0.1", port, self, False, True)
        self._talk = asyncio.ensure_future(self.conversation.run())

    def write(self, text: str, line: Line) -> bool:
        """A line of the screen, without its time."""
        self.rung += text.count(BELL)
        told = text.rpartition("\n")[2].rstrip(BELL)  # without the day above it
        self.lines.append(told if line.head == RULE else told[6:])
        return True

    def refresh(self) -> None:
        """There is no prompt."""

    def clear(self) -> None:
        """What was shown stays."""

    def heard(self) -> list[tuple[str, str]]:
        """Nick and text of what was said."""
        return [(line[1:].partition("> ")[0], line.partition("> ")[2]) for line in self.lines if line.startswith("<")]

    async def until(self, part: str) -> None:
        """Wait for a line of the screen with that in it."""
        assert await self.conversation.until(lambda: any(part in line for line in self.lines), SECONDS), self.lines

    async def ready(self) -> None:
        """Wait until it is in the room and knows what it missed."""
        assert await self.conversation.until(lambda: self.session.ready, SECONDS), self.lines

    async def settled(self) -> None:
        """Wait until all that was typed is said."""
        assert await self.conversation.settled(SECONDS), self.lines

    async def __aenter__(self) -> Visitor:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leaves()

    async def leaves(self) -> int:
        """Go; the exit status."""
        self.conversation.leave()
        return await asyncio.wait_for(self._talk, SECONDS)
