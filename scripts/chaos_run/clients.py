"""The clients of a chaos run. Each keeps a log of all that it said and read; scripts/chaos_run/load.py has the loop.

    talkers    stay; speak IRC or plain text in rooms and to each other; some send lines in halves, some read slowly;
               some of those who speak IRC know tags, give some to others, and ask about the past (CHATHISTORY, SEARCH)
    observers  are talkers who see all of one room
    probes     stay; ask PING every few ms, to see how long the server is away
    visitors   come, say a line or two, and leave in one of the ways there are

Some of each come by TLS. They never ask again, never reconnect, and know nothing of what happens to the server. When
the front is killed, its clients' connections end; then somebody else comes for each talker who was among them.
"""

from __future__ import annotations

import re
import selectors
import socket
import struct
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from mpchat.chat.hub import LOBBY
from mpchat.protocol.message import BODY_BYTES
from scripts.chaos_run.lines import Asked, Log, Said
from scripts.chaos_run.wires import SecureWire, Wire

if TYPE_CHECKING:
    from scripts.chaos_run.load import Load

Script = Generator[tuple[bytes, ...], bytes, None]  # yields what it waits for, gets the line that has it

PATIENCE = 10.0  # seconds for everything to arrive: only a server that has lost something takes so long
_PROBE_SECONDS = 0.01
_REPLACE_SECONDS = 0.3  # after a talker has lost its connection with the front: then somebody else comes
_TALK_SECONDS = 0.1  # between one talker's lines, on average
_ASK_SECONDS = 0.5  # between one talker's questions about the past, on average,
_OPEN_QUESTIONS = 2  # of which so many may wait for their answers: each waits for a recorder that has been killed
_LIMITS = (1, 3, 10, 30, 100)  # messages in an answer
_TRIES = 20  # to find a message that one has read of the room one asks about
_SLOW_BYTES = 1500  # a slow reader takes so much at a time,
_SLOW_SECONDS = 0.01  # so often while it reads at all,
_NAP_SECONDS = 8.0  # and nothing at all for up to so long: more than the kernel keeps for it
_SLOW_BUFFER_BYTES = 4096
_MOVED = re.compile(r"(?:@\S+ )?:([^!]+)!\S+ (JOIN|PART|QUIT) ")
_TOLD = re.compile(rb"@time=([^; ]+);msgid=([^; ]+)\S* :\S+ PRIVMSG (#\S+) :(\d+)")  # to a room, and not as history
_ANSWERED = re.compile(rb"(?:@\S+ )?:\S+ (?:BATCH -|FAIL )")
_BOUNDS = {"LATEST": 1, "BEFORE": 1, "AFTER": 1, "AROUND": 1, "BETWEEN": 2, "SEARCH": 1}
_VALUES = ("", r"\:\s\\", "ñ")  # what else stands in a tag's value, escaped
_ALL_TIMES = ("timestamp=1970-01-01T00:00:00.000Z", "timestamp=2999-01-01T00:00:00.000Z")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time at all: close() sends RST


class Client:
    """One connection. What it does is a script that waits for lines."""

    def __init__(self, load: Load, log: Log, slow: bool = False) -> None:
        self.load, self.log, self.slow = load, log, slow
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if slow:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BUFFER_BYTES)
        self.out = b""  # what the kernel did not take, or what is held back
        self.holding = False  # half a line is on its way, the rest waits
        self.ready = self.leaving = self.over = False
        self.wanted: tuple[bytes, ...] = ()
        self._mask = 0
        log.opened = time.monotonic()
        host, port = load.addresses[log.plain, log.secure]
        self.sock.connect_ex((host, port))
        context = load.context if log.secure else None
        self.wire = Wire(self.sock) if context is None else SecureWire(self.sock, context, host)
        self.script = self.play()
        self.watch()
        self.follow(None)

    def play(self) -> Script:
        raise NotImplementedError

    def begin(self) -> None:
        raise NotImplementedError

    def follow(self, line: bytes | None) -> None:
        """Go on with the script: it has got the line that it waited for."""
        try:
            self.wanted = self.script.send(line) if line is not None else next(self.script)
        except StopIteration:
            self.wanted = ()

    @property
    def answered(self) -> bool:
        return self.over or not self.wanted

    def ask(self) -> None:
        """Ask for something that comes back behind all that was to be told before."""
        token = f"fence{next(self.load.numbers)}"
        self.log.asked.append(token)
        self.script = self._await(token)
        self.send(f"/{token}\r\n" if self.log.plain else f"PING {token}\r\n")
        self.follow(None)

    def _await(self, token: str) -> Script:
        yield ((f"! there is no /{token}," if self.log.plain else f":{token}\r\n").encode(),)

    # Sending

    def send(self, text: str) -> None:
        self.out += text.encode()
        self.flush()

    def send_in_halves(self, text: str) -> None:
        """Torn in the middle of a line, or of a character."""
        data = text.encode()
        at = self.load.random.randrange(1, len(data))
        self.out += data[:at]
        self.flush()
        if not self.out and not self.over:
            self.holding = True
            self.load.later(self.load.random.uniform(0.01, 0.3), self._let_go)
        self.out += data[at:]

    def _let_go(self) -> None:
        self.holding = False
        self.flush()

    def flush(self) -> None:
        if self.over:
            return
        try:
            self.wire.flush()
            if self.out and not self.holding:
                self.out = self.out[self.wire.send(self.out) :]
        except BlockingIOError:
            pass
        except OSError as error:
            self.end(error.strerror or "error")
        self.watch()

    # Reading

    def watch(self) -> None:
        """Wait for what can be dealt with; a slow reader reads when it wakes up."""
        mask = 0
        if not self.over:
            has_something = self.wire.unsent or (self.out and not self.holding and self.wire.is_open)
            mask = (0 if self.slow and self.ready else selectors.EVENT_READ) | (
                selectors.EVENT_WRITE if has_something else 0
            )
        if mask and not self._mask:
            self.load.selector.register(self.sock, mask, self)
        elif self._mask and not mask:
            self.load.selector.unregister(self.sock)
        elif mask != self._mask:
            self.load.selector.modify(self.sock, mask, self)
        self._mask = mask

    def read(self) -> bool:
        """Returns whether there was anything."""
        if self.over:
            return False
        try:
            data = self.wire.receive(_SLOW_BYTES if self.slow else 1 << 16)
        except BlockingIOError:
            self.flush()  # TLS may have been agreed upon
            return False
        except OSError as error:
            self.end(error.strerror or "error")
            return False
        if not data:
            self.end("")
            return False
        *lines, self.log.piece = (self.log.piece + data).split(b"\n")
        for line in lines:
            known = self.load.lines.setdefault(line + b"\n", line + b"\n")
            self.log.lines.append(known)
            if self.wanted and any(word in known for word in self.wanted):
                self.follow(known)
        return True

    def end(self, error: str) -> None:
        """The server has closed the connection, or the kernel has ("" for a proper end of the stream)."""
        if error or not self.leaving:
            after = f", after {self.log.lines[-1][:80]!r}" if self.log.lines else ", before it heard a word"
            self.log.lost = (error or "closed by the server") + after
            self.log.sure = self.log.whole = False
        self.log.closed = time.monotonic()
        self.close()

    def close(self) -> None:
        if not self.over:
            self.over, self.out = True, b""
            self.watch()
            self.sock.close()

    def register(self, *names: str, capabilities: str = "") -> Script:
        """Enter by the first of these names that is free."""
        left = list(names)
        name = left.pop(0)
        if self.log.plain:
            self.send(f"{name}\n")
        else:
            request = f"CAP REQ :{capabilities}\r\n" if capabilities else ""
            self.send(f"{request}NICK {name}\r\nUSER {self.log.user[1:]} 0 * :A client\r\n")
            self.send("CAP END\r\n" if capabilities else "")
        taken, welcome = (b" is taken, ", b"* in #lobby: ") if self.log.plain else (b" 433 ", b" 422 ")
        while taken in (yield taken, welcome):
            name = left.pop(0)
            self.send(f"{name}\n" if self.log.plain else f"NICK {name}\r\n")
        self.log.nick = name


class Talker(Client):
    """Who is not `lasting` comes in the middle, for another one."""

    def __init__(
        self,
        load: Load,
        plain: bool,
        echo: bool,
        rooms: list[str],
        slow: bool = False,
        secure: bool = False,
        lasting: bool = True,
        tagged: bool = False,
    ) -> None:
        self.rooms = rooms
        self.looked_at = 0  # how many of its lines
        self.open_questions = 0
        self.line_end = load.random.choice(("\r\n", "\n"))
        stamped = not plain and load.random.random() < 0.25
        knows_tags = ["message-tags", "server-time", "batch", "draft/chathistory", "soju.im/search"] * tagged
        self.capabilities = " ".join(["echo-message"] * echo + (knows_tags or ["server-time"] * stamped))
        user = "~" + load.random.choice(("u", "somebody"))
        registered = [LOBBY, *rooms] if plain else list(rooms)
        log = Log("", "~plain" if plain else user, plain, echo, tagged, lasting, not lasting, secure, registered)
        super().__init__(load, log, slow)

    def play(self) -> Script:
        name = self.load.random.choice(("ana", "José", "peña", "Zoë", "Müller", "x"))
        yield from self.register(f"{name}{next(self.load.numbers)}", capabilities=self.capabilities)
        for room in self.rooms:
            self.send(f"/join {room}\n" if self.log.plain else f"JOIN {room}\r\n")
            yield (f"* in {room}: ".encode() if self.log.plain else b" 366 ",)
        self.ready = True
        if self.log.stays:
            self.begin()

    def end(self, error: str) -> None:
        super().end(error)
        if self.log.lost and self.log.secure:
            self.load.later(_REPLACE_SECONDS, lambda: self.load.replace(self))

    def begin(self) -> None:
        self.watch()
        self.load.later(self.load.random.uniform(0, _TALK_SECONDS), self.talk)
        if self.log.tagged:
            self.load.later(self.load.random.uniform(0, _ASK_SECONDS), self.wonder)
        if self.slow:
            self.nap()

    def talk(self) -> None:
        if not self.load.busy or self.over:
            return
        self.load.later(self.load.random.uniform(0, 2 * _TALK_SECONDS), self.talk)
        chance = self.load.random.random()
        if self.out:
            return  # the server does not read: talking more would only fill our own memory
        if chance < 0.15:
            self.send_in_halves("".join(self.line() for _ in range(self.load.random.randint(1, 3))))
        elif chance < 0.3:
            self.send("".join(self.line() for _ in range(self.load.random.randint(2, 6))))
        else:
            self.send(self.line())

    def line(self) -> str:
        """To a room, or to somebody; it counts as said from now on."""
        private = self.load.random.random() < 0.1
        others = [each.log.nick for each in self.load.talkers if each is not self and each.ready and not each.over]
        target = self.load.random.choice(others if private else self.rooms)
        if self.log.plain:
            # What is longer than a line the server cuts, and says so; but not of what is for somebody who has gone.
            start, limit = (f"/msg {target} ", 300) if private else ("", 4000)
        else:
            start = f"PRIVMSG {target} :"
            limit = BODY_BYTES - len(start.encode())
        text, tags = self.load.text(limit), ""
        if self.log.tagged and self.load.random.random() < 0.3:
            text = self.load.random.choice((text, ""))
            tags = f"+example.org/n={next(self.load.numbers)}{self.load.random.choice(_VALUES)}"
        said = Said(target, text, tags)
        self.log.said.append(said)
        return (start + text if self.log.plain else said.line) + self.line_end

    # The past

    def wonder(self) -> None:
        if not self.load.busy or self.over:
            return
        self.load.later(self.load.random.uniform(0, 2 * _ASK_SECONDS), self.wonder)
        if self.open_questions < _OPEN_QUESTIONS and not self.out:
            self.open_questions += 1
            asked = self.question()
            self.log.questions.append(asked)
            self.send(asked.line + self.line_end)

    def question(self) -> Asked:
        chance, lines, room = self.load.random, self.log.lines, self.load.random.choice(self.rooms)
        if chance.random() < 0.1:
            return Asked("TARGETS", "", _ALL_TIMES, max(_LIMITS), len(lines))
        read = [_TOLD.match(chance.choice(lines)) for _ in range(_TRIES)]
        told = [found for found in read if found is not None and found[3] == room.encode()]
        verb = chance.choice(list(_BOUNDS))
        wanted = _BOUNDS[verb]
        if len(told) < wanted or (verb == "LATEST" and chance.random() < 0.5):
            verb, wanted = "LATEST", 0
        if verb == "SEARCH":  # each text has a number of its own
            return Asked(verb, room, (), chance.choice(_LIMITS), len(lines), told[0][4].decode())
        by_id = chance.random() < 0.5
        bounds = [f"msgid={found[2].decode()}" if by_id else f"timestamp={found[1].decode()}" for found in told]
        return Asked(verb, room, tuple(bounds[:wanted]), chance.choice(_LIMITS), len(lines))

    def read(self) -> bool:
        read = super().read()
        for line in self.log.lines[self.looked_at :]:
            self.look_at(line)
        self.looked_at = len(self.log.lines)
        return read

    def look_at(self, line: bytes) -> None:
        if self.open_questions and _ANSWERED.match(line):
            self.open_questions -= 1

    # A slow reader

    def nap(self) -> None:
        self.load.later(self.load.random.uniform(0, _NAP_SECONDS), self.wake)

    def wake(self) -> None:
        if not self.slow or self.over:
            return
        if self.read():
            self.load.later(_SLOW_SECONDS, self.wake)
        else:
            self.nap()


class Observer(Talker):
    """The first in a room, so it knows who is there."""

    def __init__(self, load: Load, room: str) -> None:
        self.present: set[str] = set()
        super().__init__(load, plain=False, echo=True, rooms=[room], tagged=True)

    def look_at(self, line: bytes) -> None:
        super().look_at(line)
        found = _MOVED.match(line.decode(errors="replace"))
        if found is not None and found[2] == "JOIN":
            self.present.add(found[1])
        elif found is not None:
            self.present.discard(found[1])


class Probe(Client):
    def __init__(self, load: Load, secure: bool = False) -> None:
        self.unanswered: dict[bytes, float] = {}  # the end of a PONG: when its PING was sent
        self.looked_at = 0  # how many of its lines
        super().__init__(load, Log("", lasting=True, secure=secure))

    def play(self) -> Script:
        yield from self.register(f"probe{next(self.load.numbers)}")
        self.ready = True

    def begin(self) -> None:
        if self.load.busy and not self.over:
            self.load.later(_PROBE_SECONDS, self.begin)
            token = f"p{next(self.load.numbers)}"
            self.log.asked.append(token)
            self.unanswered[f":{token}\r\n".encode()] = time.monotonic()
            self.send(f"PING {token}\r\n")

    def read(self) -> bool:
        read = super().read()
        now = time.monotonic()
        for line in self.log.lines[self.looked_at :]:
            started = self.unanswered.pop(line[line.rfind(b":") :], None)
            if started is not None:
                self.load.pings.append((started, now - started))
        self.looked_at = len(self.log.lines)
        return read


class Visitor(Client):
    """Wants `name`, and takes another where that one is taken."""

    def __init__(self, load: Load, name: str = "") -> None:
        self.name = name
        plain = load.random.random() < 0.3
        self.way_out = load.random.choices(("quit", "half", "reset", "close", "glance"), (35, 25, 15, 15, 10))[0]
        self.room = load.random.choice(load.rooms)
        registered = [LOBBY, self.room] if plain else [self.room]
        echo = not plain and load.random.random() < 0.5
        secure = load.takes_tls()
        super().__init__(load, Log("", "~plain" if plain else "~v", plain, echo, secure=secure, rooms=registered))

    def play(self) -> Script:
        if self.way_out == "glance":
            self.close()
            return
        own = f"v{next(self.load.numbers)}"
        yield from self.register(*filter(None, (self.name, own)), capabilities="echo-message" * self.log.echo)
        lines = [self.line() for _ in range(self.load.random.randint(0, 2))]
        if not self.log.plain:
            lines.insert(0, f"JOIN {self.room}\r\n")
        elif self.room != LOBBY:
            lines.insert(0, f"/join {self.room}\n")
        self.leave("".join(lines))

    def line(self) -> str:
        text = self.load.text(300)
        self.log.said.append(Said(self.room, text))
        return f"{text}\n" if self.log.plain else f"PRIVMSG {self.room} :{text}\r\n"

    def leave(self, last_words: str) -> None:
        self.leaving = True
        if self.way_out == "quit":
            last_words += "/quit\n" if self.log.plain else "QUIT :bye\r\n"
        self.send(last_words)  # far less than the kernel takes at once
        if self.way_out == "half":
            self.wire.end_output()
        elif self.way_out in ("reset", "close"):
            # close() is a reset too if something lies unread: either way the last words may be lost with it.
            self.log.sure = self.log.whole = False
            if self.way_out == "reset":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.close()

    def give_up(self) -> None:
        if not self.over:
            self.log.lost = f"no end within {PATIENCE:g} s"
            self.log.sure = self.log.whole = False
            self.close()
