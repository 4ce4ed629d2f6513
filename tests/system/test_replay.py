"""A journal is all there is to know: replayed through a fresh core, under any hash seed, it says every byte again.

A real conversation is held over TCP. What each client received is compared, byte for byte, with what a follower makes
of the replayed items; and the items are the same in processes that hash text differently, and in one that goes on from
a snapshot at any moment.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from mpchat.core.machine import Core
from mpchat.messages import Fact
from mpchat.store.journal import FACTS, RECORDS, Tail, segment, segments
from tests.core.driver import Follower, Routed, routed
from tests.running import PATIENCE, IrcClient, PlainClient, Server, running
from tests.system.servers import pids

SERVER_PASSWORD, OPER_PASSWORD, WRONG_PASSWORD = "5erver-Geheimnis", "0per-Geheimnis", "fal5ches-Geheimnis"
WORKERS = 2
FIRST = (1 << 32) + 1  # the number of the first acceptor's first connection


class Irc(IrcClient):
    """Remembers every byte it has received."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.received = b""

    def read_raw(self) -> bytes | None:
        line = super().read_raw()
        self.received += line or b""
        return line


class Plain(PlainClient):
    """The same."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.received = b""

    def read_raw(self) -> bytes | None:
        line = super().read_raw()
        self.received += line or b""
        return line


def nobody_dies(server: Server) -> None:
    """All goes well."""


def the_broker_dies(server: Server) -> None:
    os.kill(pids(server)["broker"], signal.SIGKILL)


def a_worker_dies(server: Server) -> None:
    os.kill(pids(server)["worker0"], signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("interrupt", [nobody_dies, the_broker_dies, a_worker_dies])
def test_a_replayed_journal_says_every_byte_again(tmp_path: Path, interrupt: Callable[[Server], None]) -> None:
    motd = tmp_path / "motd"
    motd.write_text("Bienvenidos, ¡y saludos!\nuno\n")
    secrets = ("--password", SERVER_PASSWORD, "--oper", f"root:{OPER_PASSWORD}")
    folder = tmp_path / "data"
    with running("--unlimited", "--workers", str(WORKERS), *secrets, "--motd", str(motd), data=folder) as server:
        clients: list[Irc | Plain] = []

        def irc() -> Irc:
            clients.append(Irc(server.host, server.irc_port))
            return clients[-1]  # type: ignore[return-value]

        def plain() -> Plain:
            clients.append(Plain(server.host, server.plain_port))
            return clients[-1]  # type: ignore[return-value]

        converse(irc, plain, lambda: interrupt(server))
        server.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.rest()
            client.close()
        server.wait()
        log = server.log_text()

    assert len(clients) == 9
    assert all(client.received for client in clients)
    for secret in (SERVER_PASSWORD, OPER_PASSWORD, WRONG_PASSWORD):
        assert all(secret.encode() not in path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert secret not in log

    journal = folder / "journal"
    (items, facts), *others = replayed(journal, "", "", "with snapshots")
    assert others == [(items, facts)] * 2
    assert facts == [fact for block in blocks(journal, FACTS) for fact in block]
    output = followed(items)
    assert sorted(output) == [FIRST + number for number in range(len(clients))]
    for number, client in enumerate(clients):  # connections are numbered as they come
        assert output[FIRST + number] == client.received, f"connection {number}"


def test_the_end_that_a_crash_tore_off_is_no_batch(tmp_path: Path) -> None:
    """Up to there the replay says what was said: a journal's beginning is a journal."""
    with running("--unlimited", data=tmp_path) as server:
        ana = Irc(server.host, server.irc_port)
        ana.register("ana")
        ana.close()
    journal = tmp_path / "journal"
    assert segments(journal) == [0]
    whole = blocks(journal)
    data = segment(journal, 0).read_bytes()

    for size in range(len(data) - 30, len(data)):
        segment(journal, 0).write_bytes(data[:size])
        assert blocks(journal) == whole[:-1]


# The conversation. Whoever connects waits for an answer before the next one does.


def converse(irc: Any, plain: Any, interrupt: Callable[[], None]) -> None:
    ana: Irc = irc()
    ana.send(f"PASS {SERVER_PASSWORD}")
    ana.register("ana", caps="echo-message server-time")
    beto: Irc = irc()
    beto.send(f"@x=y :me  pass   :{SERVER_PASSWORD}")
    beto.register("beto")
    carla: Plain = plain()
    carla.expect("This server has a password")
    carla.send("carla", f"/pass {WRONG_PASSWORD}", f"/PASS  {SERVER_PASSWORD} ", "beto", "Ñandú")
    carla.expect("* in #lobby: ")
    dora: Plain = plain()
    dora.send(f"/pass {SERVER_PASSWORD}", "dora")
    dora.expect("* in #lobby: ")
    wrong: Irc = irc()
    wrong.send(f"PASS {WRONG_PASSWORD}", "NICK wrong", "USER wrong 0 * :Wrong", "JOIN #a")
    wrong.rest()
    half: Irc = irc()
    half.send("NICK half", "JOIN #a", "NONSENSE", "CAP LS 302", "CAP REQ :nonsense")
    half.until("CAP")
    leaver: Irc = irc()
    leaver.send(f"PASS {SERVER_PASSWORD}")
    leaver.register("leaver")

    interrupt()
    talk(ana, beto, carla, dora)
    interrupt()
    rule(ana, beto, carla, dora)
    interrupt()
    ask(ana, beto)

    leaver.join("#a")
    leaver.send("QUIT :me voy")
    leaver.rest()
    ana.until("QUIT")
    vanishing: Irc = irc()
    vanishing.send(f"PASS {SERVER_PASSWORD}")
    vanishing.register("vanishing")
    vanishing.join("#a")
    vanishing.sock.shutdown(socket.SHUT_WR)  # it reads to the end
    vanishing.rest()
    ana.until("QUIT")
    victim: Plain = plain()
    victim.send(f"/pass {SERVER_PASSWORD}", "victim", "/join #a")
    victim.expect("* in #a: ")
    ana.send(f"OPER root {WRONG_PASSWORD}", f"OPER root :{OPER_PASSWORD}", "PING behind", "KILL victim :basta")
    victim.rest()
    ana.send("WALLOPS :atención", "MODE ana +w", "WALLOPS :otra vez", "LUSERS")
    for one in (ana, beto):
        one.sync()
    for other in (carla, dora):
        other.ask("/who")


def talk(ana: Irc, beto: Irc, carla: Plain, dora: Plain) -> None:
    ana.join("#a")
    beto.join("#A")
    carla.ask("/join #a", "hola a todos", "/me saluda", "x" * 700, "/msg dora chist", "/msg nadie hola")
    for number in range(30):
        ana.send(f"PRIVMSG #a :uno {number}", "PRIVMSG ñandú :privado")
        beto.send(f"PRIVMSG #a :dos {number}", f"NOTICE #a,ana :aviso {number}")
        carla.send(f"tres {number}", "//barra")
    for one in (ana, beto):
        one.sync()
        one.ask("PRIVMSG #a :" + "ñ" * 230, "PRIVMSG #a :\x01ACTION " + "é" * 230 + "\x01", "x" * 600)
        one.send_bytes(b"PRIVMSG #a :\xff\r\nPRIVMSG #a :\x1b[31m\x00rojo\r\n" + b"y" * 20_000 + b"\r\nPING z\r\n")
        one.until("PONG")
        one.ask("NICK otra", "NICK ANA", "NICK ana" if one is ana else "NICK Beto", "NICK :", "NICK 1")
    ana.ask("AWAY :comiendo", "CAP REQ :-server-time", "PRIVMSG #a :sin hora", "CAP REQ :server-time", "CAP LIST")
    dora.ask("/msg ana hola", "/nick carla", "/nick Dora", "/rooms", "/help", "/jion", "/who #a", "/join #a")


def rule(ana: Irc, beto: Irc, carla: Plain, dora: Plain) -> None:
    ana.ask(
        "TOPIC #a :tema", "MODE #a +ntk llave", "MODE #a +lb 20 *!*@192.0.2.*", "MODE #a +v Beto", "MODE #a +xo nadie"
    )
    beto.ask("MODE #a", "MODE #a b", "TOPIC #a", "TOPIC #a :no", "MODE #a +m", "NAMES #a", "WHO #a")
    dora.ask("/part", "/join #a", "/join #a llave", "hola")
    ana.ask("MODE #a -k *", "MODE #a +i", "INVITE dora #a", "KICK #a Dora,Ñandú :fuera", "MODE #a -i")
    carla.ask("/join #a", "he vuelto")
    dora.ask("/who")
    beto.ask("JOIN #b,#c,x", "PART #b,#d :adiós", "JOIN 0", "JOIN #a")


def ask(ana: Irc, beto: Irc) -> None:
    beto.ask("WHOIS ana", "WHOIS ñandú", "WHOWAS otra", "USERHOST ana Beto", "ISON ana nadie Dora", "WHO *a*", "LIST")
    beto.ask("MOTD", "VERSION", "ADMIN", "INFO", "LINKS", "HELP", "HELP MODES", "HELP x", "MODE Beto +iw", "MODE Beto")
    ana.ask(
        "JOIN", "PART #x", "PRIVMSG", "PRIVMSG a,b,c,d,e :x", "KILL Beto", "USER a b c :d", "PASS x", "CAP x", "PING"
    )


# The replay


def blocks(journal: Path, kind: Literal[0, 1] = RECORDS) -> list[list[Any]]:
    """All blocks of this kind."""
    tail: Any = Tail(journal, 0, kind)
    with contextlib.closing(tail):
        return [block for taken in iter(tail.take, []) for _, block in taken if block]


def replay(journal: Path, with_snapshots: bool) -> tuple[list[Routed], list[Fact]]:
    """Every item of the run, and every line for the history; those are in the journal, too, but nobody applies them."""
    core = Core()
    items: list[Routed] = []
    facts: list[Fact] = []
    for block in blocks(journal):
        applied = core.apply(block)
        items += routed(applied)
        facts += applied.facts
        if with_snapshots:
            core = Core.load(core.dump())
    return items, facts


def replayed(journal: Path, *hows: str) -> Iterator[tuple[list[Routed], list[Fact]]]:
    """The same in processes of their own, which hash text each in its own way."""
    with contextlib.ExitStack() as stack:
        children = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", __name__, str(journal), *([how] if how else [])],
                    env={**os.environ, "PYTHONHASHSEED": str(seed)},
                    cwd=Path(__file__).parent.parent.parent,
                    stdout=subprocess.PIPE,
                )
            )
            for seed, how in enumerate(hows, 1)
        ]
        for child in children:
            stdout, _ = child.communicate(timeout=PATIENCE)
            assert child.returncode == 0
            yield pickle.loads(stdout)


def followed(items: list[Routed]) -> dict[int, bytes]:
    """What workers that obey these items would have sent to each connection."""
    workers = [Follower() for _ in range(WORKERS)]
    for worker, item in items:
        workers[worker].apply(item)
    assert all(worker.ended for worker in workers)
    return {connection: bytes(data) for worker in workers for connection, data in worker.output.items()}


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(replay(Path(sys.argv[1]), with_snapshots=len(sys.argv) > 2)))
