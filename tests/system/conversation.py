"""A conversation that is checked to the byte: whatever dies meanwhile, nobody in it may notice.

ana and beto speak IRC, on different workers, and see their own lines (echo-message); carla types plain text, and does
not. In each round all three talk at once, in torn pieces, while dora comes in, says something, changes her nickname and
leaves. Every line must come to each of them once, all in one order; and dora's greeting is the one she always gets.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import pairwise, zip_longest
from random import Random

from tests.running import LineClient, Server, command

LINES = 6  # that each of those who stay says in a round
_PIECES = 8  # that they come in
_HERE = "@127.0.0.1"
_COUNTS = range(251, 267)  # numerics of the greeting that say how many are here
_DORA = (
    "NICK dora\r\nUSER d 0 * :Dora\r\nCAP END\r\nJOIN #lobby\r\n"
    "PRIVMSG #lobby :holá\r\nNICK dorita\r\nPRIVMSG #lobby :adiós\r\nQUIT :bye\r\n"
).encode()
_OF_DORA = [
    f":dora!~d{_HERE} JOIN #lobby\r\n",
    f":dora!~d{_HERE} PRIVMSG #lobby :holá\r\n",
    f":dora!~d{_HERE} NICK dorita\r\n",
    f":dorita!~d{_HERE} PRIVMSG #lobby :adiós\r\n",
    f":dorita!~d{_HERE} QUIT :Quit: bye\r\n",
]


class Conversation:
    """In #lobby, which must be theirs alone. Its first round is undisturbed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.random = Random(7)
        self.rounds = 0
        self.greeting: list[str] = []  # dora's first one
        self.ana, self.beto = server.irc("ana", caps="echo-message"), server.irc("beto", caps="echo-message")
        self.ana.join("#lobby")
        self.beto.join("#lobby")
        self.carla = server.plain("carla")
        self.said: list[str] = []  # what IRC made of it, in the room's order
        self.is_over()
        self.round()

    def round(self, meanwhile: Callable[[], object] | None = None) -> None:
        """Everybody talks; `meanwhile` is called when half of it is said."""
        self.rounds += 1
        dora = self.server.irc()
        dora.send("CAP REQ :echo-message")
        said = {who: [f"{self.rounds}.{number} ¿{who}?" for number in range(LINES)] for who in ("ana", "beto", "carla")}
        turns = list(
            zip_longest(
                *(
                    [(client, piece) for piece in self.torn(data)]
                    for client, data in (
                        (self.ana, "".join(f"PRIVMSG #lobby :{text}\r\n" for text in said["ana"]).encode()),
                        (dora, _DORA),
                        (self.carla, "".join(f"{text}\n" for text in said["carla"]).encode()),
                        (self.beto, "".join(f"PRIVMSG #lobby :{text}\r\n" for text in said["beto"]).encode()),
                    )
                )
            )
        )
        for number, turn in enumerate(turns):
            if number == len(turns) // 2 and meanwhile is not None:
                dora.sock.recv(1, socket.MSG_PEEK)  # she has come in: not even an acceptor's death can harm her
                meanwhile()
            for client, piece in turn:
                client.send_bytes(piece)
        dora_heard = raw(dora)
        dora.close()
        heard = raw(self.ana, 3 * LINES + len(_OF_DORA))
        assert raw(self.beto, len(heard)) == heard
        of_carla = f":carla!~plain{_HERE} PRIVMSG #lobby :"
        plain = [as_plain(line) for line in heard if not line.startswith(of_carla)]
        assert [line[8:] for line in raw(self.carla, len(plain))] == plain
        for who, prefix in (("ana", f":ana!~ana{_HERE}"), ("beto", f":beto!~beto{_HERE}"), ("carla", of_carla)):
            texts = [line.partition(" :")[2] for line in heard if line.startswith(prefix)]
            assert texts == [f"{text}\r\n" for text in said[who]]
        assert [line for line in heard if line.startswith(":dor")] == _OF_DORA
        self.check_dora(dora_heard, heard)
        self.said += [line for line in heard if command(line) == "PRIVMSG"]
        self.is_over()

    def check_dora(self, lines: list[str], heard: list[str]) -> None:
        """All that the others heard from her JOIN to her QUIT, and what the server has to say to her."""
        begin, end = heard.index(_OF_DORA[0]), heard.index(_OF_DORA[-1])
        hers = [line for line in lines if not line.startswith((":mpchat.local ", "ERROR "))]
        assert hers == heard[begin:end]
        greeting = [line for line in lines if line.startswith((":mpchat.local ", "ERROR "))]
        greeting = [line for line in greeting if not (command(line).isdigit() and int(command(line)) in _COUNTS)]
        self.greeting = self.greeting or greeting
        assert greeting == self.greeting

    def is_over(self) -> None:
        """There is nothing left to hear."""
        if self.rounds:
            assert (self.ana.sync(), self.beto.sync(), self.carla.ask()) == ([], [], [])
        else:
            assert {command(line) for line in (*self.ana.sync(), *self.beto.sync())} <= {"JOIN"}
            self.carla.ask()

    def torn(self, data: bytes) -> list[bytes]:
        """In pieces, cut anywhere: in a line, in a character."""
        cuts = [0, *sorted(self.random.sample(range(1, len(data)), _PIECES - 1)), len(data)]
        return [data[begin:end] for begin, end in pairwise(cuts)]

    def close(self) -> None:
        for client in (self.ana, self.beto, self.carla):
            client.close()


def raw(client: LineClient, number: int | None = None) -> list[str]:
    """So many lines, or all up to the end of the stream, with their line ends."""
    lines: list[str] = []
    while number is None or len(lines) < number:
        line = client.read_raw()
        if line is None:
            assert number is None, f"the server closed the connection after {lines}"
            break
        lines.append(line.decode())
    return lines


def as_plain(line: str) -> str:
    """What plain text makes of an IRC line."""
    source, verb, *rest = line.rstrip("\r\n").split(" ", 3)
    nick = source[1:].partition("!")[0]
    match verb:
        case "JOIN":
            return f"* {nick} joined\n"
        case "NICK":
            return f"* {nick} is now {rest[0]}\n"
        case "QUIT":
            return f"* {nick} quit ({' '.join(rest)[1:]})\n"
    return f"<{nick}> {rest[1][1:]}\n"
