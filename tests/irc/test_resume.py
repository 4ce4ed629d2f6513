"""RESUME, by which our client takes up what it had (capability mpchat.org/resume), and what is kept of a token."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from tests.irc.people import ME
from tests.running import IrcClient, Server, commands, running
from tests.system.servers import pids

CAPS = "mpchat.org/resume"


class Killed(Server):
    """A server that ends without a word."""

    def close(self) -> None:
        self.stop(signal.SIGKILL)


def enter(server: Server, nick: str, old: str, new: str) -> tuple[IrcClient, list[str]]:
    """A client that comes with tokens, and would rather be nick_ than stay outside; what it reads of the greeting."""
    client = server.irc()
    client.send(f"CAP REQ :{CAPS}", f"NICK {nick}_", f"NICK {nick}", f"USER {nick} 0 * :{nick}")
    client.send(f"RESUME {old} {new}", "CAP END")
    told = client.until("376", "422")
    client.nick = told[-1].split(" ")[2]
    return client, told


def test_an_old_connection_is_ended_and_all_of_it_taken_up(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick, (one, two) = next(nicks), (secrets.token_hex(16), secrets.token_hex(16))
    ghost, _ = enter(server, nick, "*", one)
    ghost.join(channel)
    ghost.ask(f"MODE {channel} +ik llave")

    ana, told = enter(server, nick, one, two)

    assert ghost.rest()[-1] == "ERROR :Closing link: 127.0.0.1 (Resumed elsewhere)"
    assert ana.nick == nick
    assert f"{ME} MODE {channel} +o {nick}" in told
    assert ana.ask(f"MODE {channel}")[0] == f"{ME} 324 {nick} {channel} +ink llave"
    _, told = enter(server, next(nicks), one, secrets.token_hex(16))
    assert "JOIN" not in commands(told)
    assert not any(one in line or two in line for line in told), "the server never says one"


def test_tokens_are_in_no_file_and_in_no_log(tmp_path: Path) -> None:
    """Not those of a line that came in pieces either, with a broker's death and the server's between them."""
    data = tmp_path / "data"
    tokens = [secrets.token_hex(16) for _ in range(4)]
    log = ""

    def kept(server: Server) -> bytes:
        files = [path.read_bytes() for path in data.rglob("*") if path.is_file()]
        return b"".join(files) + (log + server.log_text()).encode()

    def shown(server: Server) -> list[str]:
        return [token for token in tokens if token[:6].encode() in kept(server)]

    with closing(Killed("--unlimited", "--log-level", "debug", data=data)) as first:
        half, begun = first.irc(), f"RESUME * {tokens[0][:10]}"
        half.send_bytes(f"CAP REQ :{CAPS}\r\nNICK half\r\nUSER half 0 * :Half\r\n{begun}".encode())
        half.until("CAP")
        ana, _ = enter(first, "ana", "*", tokens[1])
        ana.join("#g")
        ana.ask("MODE #g +k llave", "TOPIC #g :siempre")
        assert shown(first) == []
        os.kill(pids(first)["broker"], signal.SIGKILL)
        half.send(tokens[0][10:], "CAP END")
        half.until("422")
        half.join("#half")
        assert sha256(tokens[0].encode()).hexdigest().encode() in kept(first), "its hash is what a token is there"
    log = first.log_text()
    assert shown(first) == []
    with running("--unlimited", "--log-level", "debug", data=data) as second:
        ana, told = enter(second, "ana", tokens[1], tokens[2])
        assert f"{ME} MODE #g +o ana" in told
        assert f"{ME} 332 ana #g :siempre" in told
        _, told = enter(second, "half", tokens[0], tokens[3])
        assert f"{ME} MODE #half +o half" in told
        assert shown(second) == []
        ana.close()
        second.stop()
        assert shown(second) == []
