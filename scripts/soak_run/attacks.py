"""What strangers do: each kind of attack is a class with one method, which a stranger plays again and again.

`people` strangers play it, from `addresses` addresses that are theirs alone, since the limits that count by address
are each met by its own kind. The numbers that a script yields are seconds between what it does: its rate.
"""

from __future__ import annotations

import socket
import struct
from base64 import b64encode
from collections.abc import Sequence
from typing import ClassVar

from scripts.soak_run.strangers import Script, Stranger
from scripts.soak_run.talk import PAIRS, room_of

_BUSY = "#busy"  # the strangers' own room
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time at all: close() sends RST
_LONG = "¡más, más, más! " * 24  # nearly all that a line of IRC holds


class Attack:
    """One kind. What play() does ends when it returns; then the stranger's connections are closed, and it begins anew
    a second later."""

    name: ClassVar[str]
    people: ClassVar[int]
    addresses: ClassVar[int] = 1
    by_tls: ClassVar[bool] = False  # only where the server speaks it

    def play(self, me: Stranger) -> Script:
        raise NotImplementedError


class Floods(Attack):
    """Talks into the busy room as fast as the kernel takes it, up to 25 lines a second: five times what is read."""

    name = "floods"
    people, addresses = 30, 2

    def play(self, me: Stranger) -> Script:
        it = me.enter(f"JOIN {_BUSY}")
        while it.open:
            it.send(f"PRIVMSG {_BUSY} :{_LONG}\r\n".encode())
            yield 0.04


class SlowReaders(Attack):
    """Comes into the busy room, and never reads. A PING every two seconds finds out whether it has been closed."""

    name = "slow readers"
    people = 8

    def play(self, me: Stranger) -> Script:
        it = me.enter(f"JOIN {_BUSY}", reads=False)
        while it.open:
            yield 2.0
            it.send(b"PING still\r\n")


class Storms(Attack):
    """Every second ten connections at once, of which some register and some begin to; half a second later all end,
    some by a reset."""

    name = "storms"
    people, addresses = 4, 4

    def play(self, me: Stranger) -> Script:
        for _ in range(10):
            kind = me.random.choice(("nothing", "half", "all", "quit"))
            it = me.connect(plain=me.random.random() < 0.3)
            if kind == "half":
                it.send(b"NICK")
            elif kind != "nothing":
                nick = me.nick()
                it.send(f"NICK {nick}\r\nUSER {nick} 0 * :x\r\n{'QUIT :bye' if kind == 'quit' else ''}\r\n".encode())
        yield 0.5
        for it in me.connections:
            if it.open and me.random.random() < 0.5:
                it.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            it.close()


class Garbage(Attack):
    """Five times a second what is no line of any protocol; before it has registered, or after."""

    name = "garbage"
    people = 8

    def play(self, me: Stranger) -> Script:
        choose, bytes_of = me.random.choice, me.random.randbytes
        it = choose((me.connect, me.enter, me.enter_plain))()
        while it.open:
            it.send(
                choose(
                    (
                        bytes_of(me.random.randrange(1, 2000)),
                        b"x" * me.random.randrange(8000, 20_000) + b"\r\n",  # longer than any line may be
                        b"PRIVMSG \0\0 :\0\r\n",
                        b"PRIVMSG " + _BUSY.encode() + b" :\xff\xfe\xc3\x28\xed\xa0\x80\r\n",  # no UTF-8
                        b"\x1b]0;title\x07\x1b[2J\r\n",
                        b"\n" * 200,
                        b"PRIVMSG " + b"a," * 200 + b"b :x\r\n",
                        b":" * 400 + b" \r\n",
                        b"@" + b"a=b;" * 1000 + b" PING x\r\n",
                        b"JOIN " + b"#" * 500 + b"\r\n",
                        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS where none is spoken
                        b"half a line",
                    )
                )
            )
            yield 0.2


class Silence(Attack):
    """Connects, and says nothing until the server has had enough."""

    name = "silent"
    people = 32

    def play(self, me: Stranger) -> Script:
        it = me.connect(plain=me.random.random() < 0.5)
        while it.open:
            yield 1.0


class HalfOpen(Attack):
    """Begins a TLS handshake, and says nothing more, or a byte a second."""

    name = "half-open TLS"
    people, addresses = 32, 2
    by_tls = True

    def play(self, me: Stranger) -> Script:
        it = me.begin_tls(me.random.choice((0, 0.1, 0.5, 1)))
        is_slow = me.random.random() < 0.5
        while it.open:
            yield 1.0
            if is_slow:
                it.send(b"\x16")


class Handshakes(Attack):
    """Twice a second a whole handshake, which costs the server a signature, and it is gone again."""

    name = "TLS handshakes"
    people, addresses = 4, 4
    by_tls = True

    def play(self, me: Stranger) -> Script:
        while True:
            it = me.enter_by_tls()
            yield 0.5
            it.close()


class Stalled(Attack):
    """Comes into the busy room by TLS, and no longer reads."""

    name = "stalled TLS"
    people = 8
    by_tls = True

    def play(self, me: Stranger) -> Script:
        it = me.enter_by_tls(f"JOIN {_BUSY}")
        yield 1.0
        it.stop_reading()
        while it.open:
            yield 2.0
            it.send(b"PING still\r\n")


class Guesses(Attack):
    """Tries two passwords of a server operator a second, on one connection after the other."""

    name = "guesses OPER"
    people, addresses = 4, 2

    def play(self, me: Stranger) -> Script:
        it = me.enter()
        while it.open:
            it.send(f"OPER root {me.random.randrange(1 << 32):x}\r\n".encode())
            yield 0.5


class Logins(Attack):
    """Tries two passwords of accounts a second, by SASL and by NickServ, over TLS, where these may be tried at all."""

    name = "wrong logins"
    people, addresses = 4, 2
    by_tls = True

    def play(self, me: Stranger) -> Script:
        it = me.enter_by_tls("CAP REQ :sasl")
        while it.open:
            account, password = me.random.choice(("ana0", "beto0", me.nick())), f"{me.random.randrange(1 << 32):x}"
            plain = b64encode(f"\0{account}\0{password}".encode()).decode()
            it.send(
                me.random.choice(
                    (
                        f"AUTHENTICATE PLAIN\r\nAUTHENTICATE {plain}\r\n",
                        f"PRIVMSG NickServ :IDENTIFY {account} {password}\r\n",
                    )
                ).encode()
            )
            yield 0.5


class Nicknames(Attack):
    """Changes its nickname four times a second, or wants that of somebody who behaves."""

    name = "nicknames"
    people = 6

    def play(self, me: Stranger) -> Script:
        it = me.enter(f"JOIN {_BUSY}")
        while it.open:
            nick = "ana0" if me.random.random() < 0.3 else me.nick()
            it.send(f"NICK {nick}\r\n".encode())
            yield 0.25


class Joins(Attack):
    """Into rooms and out of them again, four times a second: new ones, the busy one, those of who behaves."""

    name = "joins, parts"
    people = 8

    def play(self, me: Stranger) -> Script:
        it = me.enter()
        while it.open:
            pair = room_of(me.random.randrange(PAIRS))
            room = me.random.choice((_BUSY, pair, f"#new{me.random.randrange(1000)}"))
            it.send(f"JOIN {room}\r\nTOPIC {room} :{_LONG}\r\nPART {room} :{_LONG}\r\n".encode())
            yield 0.75


class Targets(Attack):
    """Speaks to as many as there are in one line, three times a second."""

    name = "many targets"
    people = 4

    def play(self, me: Stranger) -> Script:
        it = me.enter(f"JOIN {_BUSY}")
        everybody = [_BUSY, *(f"{who}{pair}" for pair in range(PAIRS) for who in ("ana", "beto"))]
        while it.open:
            # Four are allowed; those of the pairs read it, and go on.
            targets = me.random.sample(everybody, me.random.choice((3, 4, 8)))
            it.send(f"PRIVMSG {','.join(targets)} :{_LONG}\r\n".encode())
            yield 0.33


class Queries(Attack):
    """Asks for what has a long answer, four times a second."""

    name = "WHO, LIST, ..."
    people = 8

    def play(self, me: Stranger) -> Script:
        it = me.enter(f"JOIN {_BUSY}")
        while it.open:
            it.send(
                me.random.choice(
                    (
                        f"WHO {_BUSY}\r\n",
                        "WHO *\r\n",
                        "LIST\r\n",
                        "LIST >0,*new*\r\n",
                        f"NAMES {_BUSY}\r\n",
                        "WHOIS ana0\r\nWHOIS beto0\r\n",
                        "WHOWAS ana0\r\n",
                        "VERSION\r\nLUSERS\r\nMOTD\r\nHELP\r\n",
                        "ISON " + "ana0 " * 60 + "\r\n",
                        "USERHOST " + "ana0 " * 60 + "\r\n",
                    )
                ).encode()
            )
            yield 0.25


class Past(Attack):
    """In plain text: asks for the past, and searches in it, twice a second."""

    name = "/history"
    people = 4

    def play(self, me: Stranger) -> Script:
        it = me.enter_plain()
        it.send(f"/join {_BUSY}\n".encode())
        while it.open:
            it.send(me.random.choice(("/history 100\n", "/history\n", "/search más\n", "/search nada\n")).encode())
            yield 0.5


_ALL: Sequence[Attack] = (
    Floods(),
    SlowReaders(),
    Storms(),
    Garbage(),
    Silence(),
    HalfOpen(),
    Handshakes(),
    Stalled(),
    Guesses(),
    Logins(),
    Nicknames(),
    Joins(),
    Targets(),
    Queries(),
    Past(),
)


def attacks(with_tls: bool) -> list[Attack]:
    """Those there are for such a server."""
    return [each for each in _ALL if with_tls or not each.by_tls]
