"""The client at an address where no chat server for IRC is: it says what is there, and what helps."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from mpchat.client.strangers import Greeting
from tests.client.conftest import Wire
from tests.client.person import Person, pipe
from tests.running import Server


class Stranger:
    """Says one thing to each who connects, and hangs up or stays."""

    def __init__(self, says: bytes, stays: bool) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.sendall(says)
                while stays and self.request.recv(4096):
                    pass

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


@pytest.fixture
def at(request: pytest.FixtureRequest) -> Iterator[Stranger]:
    stranger = Stranger(*request.param)
    yield stranger
    stranger.close()


KNOWN = [
    (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "a web server"),
    (b"<!DOCTYPE HTML>\n<html>", "a web server"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "an SSH server: ssh is its client"),
    (b"220 mail.example ESMTP\r\n", "a server for mail or files"),
    (b"+OK ready\r\n", "a server for mail"),
    (b"-ERR unknown command 'CAP'\r\n", "a Redis server"),
    (b"\x15\x03\x01\x00\x02\x02\x0a", "a server that speaks TLS only"),
]


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize(("says", "what"), KNOWN)
def test_a_server_of_another_kind_is_named(env: dict[str, str], says: bytes, what: str, stays: bool) -> None:
    if stays and not says.rstrip(b">").endswith(b"\n") and b"\n" not in says:
        pytest.skip("without an end of its line, nothing is known before it hangs up")
    stranger = Stranger(says, stays)
    try:
        done = pipe(["127.0.0.1", str(stranger.port), "--nick", "ana"], "", env)
    finally:
        stranger.close()
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"127.0.0.1:{stranger.port} is {what}" in done.stderr
    assert "python3 -m mpchat client HOST PORT" in done.stderr


@pytest.mark.parametrize("at", [(b"what do \x1b[31myou want?\n", True)], indirect=True)
def test_an_unknown_one_is_quoted_and_its_words_are_harmless(env: dict[str, str], at: Stranger) -> None:
    ana = Person(["127.0.0.1", str(at.port), "--nick", "ana"], env)
    assert ana.ends() == 1
    text = "".join(ana.lines())
    assert f"127.0.0.1:{at.port} is no chat server, it says 'what do [31myou want?'" in text
    assert b"\x1b[31m" not in ana.raw
    ana.close()


def test_mpchats_own_port_for_plain_text_is_told_with_the_way_on(
    server: Server, locked: Server, env: dict[str, str]
) -> None:
    for one in (server, locked):
        done = pipe([one.host, str(one.plain_port), "--nick", "ana"], "", env)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert f"{one.host}:{one.plain_port} is mpchat's port for plain text: " in done.stderr
        assert f"python3 -m mpchat client {one.host} PORT, with the port for IRC" in done.stderr
        assert f"(perhaps {one.plain_port - 13})" in done.stderr
        assert f"nc {one.host} {one.plain_port}" in done.stderr


def test_where_nobody_listens_the_command_that_starts_a_server_is_told(env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = pipe(["127.0.0.1", str(port), "--nick", "ana"], "", env)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"cannot connect to 127.0.0.1:{port}: Connection refused" in done.stderr
    assert f"python3 -m mpchat server 127.0.0.1 {port} (make run-server PORT={port}) starts one" in done.stderr


def greet(*lines: str, ended: bool = False) -> str:
    greeting = Greeting("host", 6680)
    return greeting.takes(list(lines), "") or (greeting.takes(None, "") if ended else "")


@pytest.mark.parametrize(
    "line",
    [
        "",
        ":s NOTICE * :looking up",
        "NOTICE AUTH :***",
        "PING :123",
        "ERROR :full",
        "CAP * LS :",
        "@time=x :s 001 ana :",
    ],
)
def test_a_server_of_irc_is_no_stranger(line: str) -> None:
    assert greet(line, ended=True) == ""


def test_a_long_message_of_the_day_is_waited_for() -> None:
    motd = ["Welcome to mpchat.", *["*" * 70] * 50]
    assert greet(*motd) == ""
    assert greet(*motd, "Type your nickname and press Enter.").startswith("host:6680 is mpchat's port for plain text")
    assert greet(*motd, ended=True).startswith("host:6680 is no chat server, it says 'Welcome to mpchat.'")
    assert greet(*motd, *["more"] * 100).startswith("host:6680 is no chat server")


def test_its_plain_text_port_is_known_in_every_language() -> None:
    assert greet("Te damos la bienvenida a la red uni.") == "", "more may come"
    for asked in ("Escribe tu apodo y pulsa Enter.", "Este servidor tiene contraseña: escribe /pass y la contraseña."):
        assert greet(asked).startswith("host:6680 is mpchat's port for plain text")


def test_for_a_port_below_any_other_no_port_is_guessed() -> None:
    greeting = Greeting("host", 10)
    assert greeting.takes(["Type your nickname and press Enter."], "").endswith("ready line")


def test_one_that_says_nothing_is_told_so() -> None:
    assert "host:6680 takes connections, and says nothing" in Greeting("host", 6680).silent()


_IMPATIENT = """
import sys
from mpchat.client import conversation
conversation.GREETING_SECONDS = 1.0
from mpchat.cli import main
sys.exit(main(["client", *sys.argv[1:]]))
"""


def test_one_that_has_talked_and_says_nothing_after_a_loss_is_no_stranger(
    join: Callable[..., Person], wire: Wire
) -> None:
    ana = join("ana", port=wire.port, client=[sys.executable, "-c", _IMPATIENT])
    wire.pause(True)
    wire.cut()
    ana.sees(r"-- connection lost")
    ana.sees(r"-- the server has been silent for \d s$")
    wire.pause(False)
    ana.sees("-- back on")
    assert not any("takes connections" in line for line in ana.lines())
