"""At its limits the server refuses, slows down or hangs up; those who behave do not notice."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc.control_socket import ask
from mpchat.runtime.first_minute import BEAT_SECONDS
from mpchat.settings import ChatSettings, Settings
from tests.running import IrcClient, LineClient, PlainClient, Server, command, commands, running
from tests.system.servers import needs_linux, pids, socket_file, status, until, unusual

RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: on, 0 seconds


def cpu_seconds(server: Server, role: str) -> float:
    psutil = pytest.importorskip("psutil")
    times = psutil.Process(pids(server)[role]).cpu_times()
    return float(times.user + times.system)


# File descriptors


def few_fds() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


@needs_linux
def test_with_64_descriptors_it_serves_some_and_refuses_the_others() -> None:
    """As many as fit are let in by count, long before the kernel has no number left."""
    with unusual("--unlimited", before=few_fds) as server:
        ana = server.irc("ana")
        ana.join("#lobby")
        others = [server.irc() for _ in range(50)]
        answers = [refused_or_in(client) for client in others]
        assert 10 < answers.count("in") < 50
        assert set(answers) == {"in", "ERROR :Closing link: (Server is full)"}
        assert ana.ask("PRIVMSG ana :still here?")[0].endswith(":still here?")
        refused = server.plain()
        assert refused.rest() == ["! Server is full"]
        for client in others:
            client.close()
        until(lambda: status(server)["acceptor"]["clients"] == 1)
        with server.irc("beto") as beto:  # and it recovers
            beto.join("#lobby")
        assert any(line.endswith("JOIN #lobby") for line in ana.sync())
        ana.close()


def refused_or_in(client: LineClient) -> str:
    """Registers if it may."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.send("PING hello")
    line = client.read()
    return "in" if command(line) == "PONG" else line


@needs_linux
def test_when_the_kernel_has_no_number_left_the_next_ones_are_told_and_nothing_spins() -> None:
    """Settings promise more than the kernel gives, as no option can: accept(2) says EMFILE."""
    settings = Settings(port=0, plain_port=0, unlimited=True, max_clients=1000)
    with unusual(settings=settings, before=few_fds) as server:
        ana = server.irc("ana")
        ana.join("#lobby")
        others = [server.irc() for _ in range(80)]
        answers = [refused_or_in(client) for client in others]
        assert 20 < answers.count("in") < 64
        assert set(answers) == {"in", "ERROR :Closing link: (Server is full)"}
        before = cpu_seconds(server, "acceptor")
        begin = time.monotonic()
        assert select.select([ana.sock], [], [], 0.5)[0] == []  # nothing happens for a while
        assert cpu_seconds(server, "acceptor") - before < (time.monotonic() - begin) / 4
        assert ana.ask("PRIVMSG ana :still here?")[0].endswith(":still here?")
        for client in others:
            client.close()
        until(lambda: status(server)["acceptor"]["clients"] == 1)
        with server.irc("beto") as beto:
            beto.join("#lobby")
        assert any(line.endswith("JOIN #lobby") for line in ana.sync())
        ana.close()


def test_max_clients() -> None:
    with running("--unlimited", "--max-clients", "3", "--workers", "2") as server:
        ana, beto, newcomer = server.irc("ana"), server.plain("beto"), server.irc()
        newcomer.ask("NICK carla")  # counts, though it has not registered
        for _ in range(3):
            assert server.irc().rest() == ["ERROR :Closing link: (Server is full)"]
            assert server.plain().rest() == ["! Server is full"]
        newcomer.send("QUIT")
        newcomer.rest()
        newcomer.close()
        until(lambda: status(server)["acceptor"]["clients"] == 2)
        with server.irc("dario") as dario:
            assert ana.ask("PRIVMSG dario :come in") == []
            assert dario.sync()[-1].endswith(":come in")
        beto.close()
        ana.close()


# Clients that do not read, speak or leave


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    with running("--unlimited", "--sendq", "100000", "--workers", "2") as it:
        yield it


@needs_linux
def test_a_client_that_never_reads_is_closed_and_nobody_else_notices(
    strict: Server, channel: str, nicks: Iterator[str]
) -> None:
    talker, listener = strict.irc(next(nicks)), strict.irc(next(nicks))
    talker.join(channel)
    sendq_reported = [IrcClient(strict.host, strict.irc_port) for _ in range(3)]
    for client in sendq_reported:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.register(next(nicks))
        client.join(channel)
    listener.join(channel)
    heard: list[str] = []
    said = 0
    quits: set[str] = set()
    while len(quits) < len(sendq_reported):
        assert said < 40_000, "they are not closed"
        talker.send(*(f"PRIVMSG {channel} :{number} {'x' * 400}" for number in range(said, said + 200)))
        said += 200
        talker.sync()
        lines = listener.sync()
        heard += [line.split(" ")[3][1:] for line in lines if command(line) == "PRIVMSG"]
        quits |= {line for line in lines if command(line) == "QUIT"}
    assert heard == [str(number) for number in range(said)]
    assert sorted(quits) == sorted(
        f":{client.nick}!~{client.nick}@127.0.0.1 QUIT :SendQ exceeded" for client in sendq_reported
    )
    for role, pid in pids(strict).items():
        recovery = resident(pid)
        assert recovery < 80 << 20, f"{role} has {recovery} bytes"


def resident(pid: int) -> int:
    psutil = pytest.importorskip("psutil")
    return int(psutil.Process(pid).memory_info().rss)


@needs_linux
def test_who_was_closed_for_not_reading_finds_out_why_if_they_read_after_all(
    strict: Server, channel: str, nicks: Iterator[str]
) -> None:
    talker, slow = strict.irc(next(nicks)), strict.irc(next(nicks))
    for client in (talker, slow):
        client.join(channel)
    closed = False
    while not closed:
        talker.send(*(f"PRIVMSG {channel} :{'x' * 400}" for _ in range(200)))
        closed = "QUIT" in commands(talker.sync())
    lines = slow.rest()
    assert lines[-1] == "ERROR :Closing link: 127.0.0.1 (SendQ exceeded)"
    assert set(commands(lines[:-1])) <= {"JOIN", "PRIVMSG"}  # whole lines only


TOTAL = 4 << 20
# Seconds. That a shut TCP window is open again the sender may find out only by probing, each time after twice as long
# (RFC 9293 section 3.8.6.1).
PROBED = 120


@needs_linux
@pytest.mark.timeout(180)
def test_all_that_never_read_together_have_a_limit_and_the_furthest_behind_goes_first() -> None:
    """None of them is so far behind that it would be closed if it were alone."""
    with running("--unlimited", "--sendq-total", str(TOTAL), "--workers", "1") as server:
        talker, listener = server.irc("talker"), server.irc("listener")
        talker.join("#lobby")
        sendq_reported = [IrcClient(server.host, server.irc_port) for _ in range(12)]
        for number, client in enumerate(sendq_reported):
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
            client.register(f"deaf{number}")
            client.join("#lobby")
        listener.join("#lobby")
        listener.sync()
        talker.ask(*(f"PRIVMSG deaf7 :{number} {'x' * 400}" for number in range(400)))
        heard, gone, said = 0, list[str](), 0
        while len(gone) < 4:
            assert said < 3 * TOTAL // len(sendq_reported) // 400, "they are not closed"
            talker.ask(*(f"PRIVMSG #lobby :{number} {'x' * 400}" for number in range(said, said + 50)))
            said += 50
            lines = listener.sync()
            heard += commands(lines).count("PRIVMSG")
            quits = [line for line in lines if command(line) == "QUIT"]
            assert all(line.endswith(" QUIT :SendQ exceeded") for line in quits)
            gone += [line[1:].partition("!")[0] for line in quits]
        assert heard == said
        assert gone[0] == "deaf7"
        assert len(gone) < 8, "and no more than must"
        assert said * 400 < 1 << 20, "not for its own sake was anybody closed"
        assert resident(pids(server)["worker0"]) < (40 << 20) + 3 * TOTAL
        for client in sendq_reported:  # who stays has lost nothing
            if client.nick not in gone:
                client.sock.settimeout(PROBED)
                lines = [line for line in client.sync() if command(line) == "PRIVMSG"]
                assert [line.split(" ")[3] for line in lines] == [f":{number}" for number in range(said)]
        assert listener.sync() == []


QUICK = Settings(
    port=0,
    plain_port=0,
    workers=1,
    chat=ChatSettings(registration_seconds=1, ping_seconds=1, ping_grace_seconds=1),
)


@pytest.fixture(scope="module")
def impatient() -> Iterator[Server]:
    """With time-outs of a second, which no flag can ask for."""
    with unusual(settings=QUICK) as it:
        yield it


def test_who_never_registers_is_closed(impatient: Server) -> None:
    silent, half, trickling, plain = impatient.irc(), impatient.irc(), impatient.irc(), impatient.plain()
    half.send("NICK half")
    trickling.send_bytes(b"NICK tri")
    assert silent.rest() == ["ERROR :Closing link: 127.0.0.1 (Registration timed out)"]
    assert half.rest() == ["ERROR :Closing link: 127.0.0.1 (Registration timed out)"]
    assert trickling.rest() == ["ERROR :Closing link: 127.0.0.1 (Registration timed out)"]
    assert plain.rest()[-1] == "* goodbye (Registration timed out)"
    with impatient.irc("half"):  # the nickname is free
        pass


@pytest.mark.slow
def test_a_peer_that_stops_answering_is_closed_and_one_that_answers_stays(impatient: Server) -> None:
    """Plain text is never asked, however long it is silent: nc would not answer."""
    silent = impatient.plain("silent")
    silent.ask("/join #silence")
    alive, gone = impatient.irc("alive"), impatient.irc("gone")
    alive.join("#lobby")
    gone.join("#lobby")
    alive.sync()
    while "QUIT" not in (line := alive.read()):
        if command(line) == "PING":
            alive.send(line.replace("PING", "PONG"))
    assert line.startswith(":gone!~gone@127.0.0.1 QUIT :Ping timeout: ")
    assert gone.rest()[-1].startswith("ERROR :Closing link: 127.0.0.1 (Ping timeout: ")
    alive.ask("NAMES #lobby")
    assert silent.ask() == []  # was here longer than gone
    silent.close()
    alive.close()


@pytest.mark.parametrize("way", [signal.SIGCONT, signal.SIGKILL])
def test_a_worker_that_stood_still_gives_its_clients_time_to_answer(way: signal.Signals) -> None:
    """The PING, and the question whether anything of the client is unread, lie one behind the other in the queue.

    So they do for the successor, if the worker is killed.
    """
    with unusual(settings=replace(QUICK, hang_limit=0.0)) as server:
        alive = server.irc("alive")
        alive.join("#lobby")
        alive.sync()
        worker = pids(server)["worker0"]
        os.kill(worker, signal.SIGSTOP)
        try:
            until(lambda: under_way(server, "broker", "worker0") >= 3)
        finally:
            os.kill(worker, way)
        pings = 0
        while pings < 2:  # asked once more, it has answered in time
            line = alive.read()
            if command(line) == "PING":
                alive.send(line.replace("PING", "PONG"))
                pings += 1
        assert "ERROR" not in commands(alive.sync())
        alive.close()


def under_way(server: Server, start: str, end: str) -> int:
    """Messages from one role to another that have been put and not been taken."""
    connections = ask(socket_file(server), "snapshot")["connections"]
    return next(int(each["messages"]) for each in connections if (each["from"], each["to"]) == (start, end))


# Flood control


@pytest.fixture(scope="module")
def limited() -> Iterator[Server]:
    """With flood control, but twice as fast as by default: nobody has to wait for long."""
    with unusual(settings=Settings(port=0, plain_port=0, lines_per_second=10.0)) as it:
        yield it


def test_who_speaks_too_fast_is_heard_more_slowly(limited: Server) -> None:
    fast, listener, other = limited.irc("fast"), limited.irc("listener"), limited.irc("other")
    for client in (fast, listener, other):
        client.join("#lobby")
    listener.sync()
    other.sync()
    begin = time.monotonic()
    fast.send(*(f"PRIVMSG #lobby :{number}" for number in range(25)))
    other.send("PRIVMSG #lobby :me too")  # is not held up
    heard = [listener.read().partition(" PRIVMSG #lobby :")[2] for _ in range(26)]
    took = time.monotonic() - begin
    assert [text for text in heard if text != "me too"] == [str(number) for number in range(25)]
    assert heard.index("me too") < 25
    assert 0.4 < took < 2.5  # 3 lines were used to come in, so 8 had to wait for 0.1 s each, less what time gave back
    assert "QUIT" not in commands(other.sync())
    for client in (fast, listener, other):
        client.close()


def test_a_slow_speaker_never_waits(server: Server) -> None:
    """--unlimited lifts it altogether: a thousand lines at once."""
    client = server.irc()
    client.send(*(f"PING {number}" for number in range(1000)))
    assert [client.read().split(":")[-1] for _ in range(1000)] == [str(number) for number in range(1000)]


# Storms and sudden ends


def test_a_storm_of_connections(server: Server, nicks: Iterator[str], channel: str) -> None:
    """300 at once, none of which waits for another."""
    with server.irc(next(nicks)) as resident_, contextlib.ExitStack() as stack:
        resident_.join(channel)
        socks = [stack.enter_context(socket.socket()) for _ in range(300)]
        for sock in socks:
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect((server.host, server.irc_port))
        clients: list[Any] = []
        for sock in socks:
            writable = select.poll()
            writable.register(sock, select.POLLOUT)
            assert writable.poll(10_000)
            sock.setblocking(True)
            sock.settimeout(10)
            nick = next(nicks)
            sock.sendall(f"NICK {nick}\r\nUSER x 0 * :x\r\nJOIN {channel}\r\n".encode())
            clients.append((nick, sock))
        for nick, sock in clients:
            seen = b""
            while b" 366 " not in seen:
                piece = sock.recv(65536)
                assert piece, f"{nick} was hung up on"
                seen += piece
        lines = resident_.sync()
        assert sorted(line.split("!")[0][1:] for line in lines) == sorted(nick for nick, _ in clients)
    until(lambda: status(server)["acceptor"]["clients"] < 100)


@pytest.mark.parametrize("how", ["close", "reset", "half", "quit and close", "piece of a line"])
def test_churn(server: Server, channel: str, nicks: Iterator[str], how: str) -> None:
    """People come, say something and go in every way; each is seen to come, speak and go once, in this order."""
    witness = server.irc(next(nicks))
    witness.join(channel)
    names = [next(nicks) for _ in range(20)]
    for nick in names:
        client = server.irc()
        client.send(f"NICK {nick}", "USER x 0 * :x", f"JOIN {channel}", f"PRIVMSG {channel} :hola")
        client.until("366")
        if how == "reset":
            client.sync()  # a reset throws away what the server has not read
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif how == "half":
            client.sock.shutdown(socket.SHUT_WR)
            assert command(client.rest()[-1]) == "ERROR"
        elif how == "quit and close":
            client.send("QUIT :bye")
        elif how == "piece of a line":
            client.send_bytes(b"PRIVMSG " + channel.encode() + b" :never finished")
        client.close()
    seen: dict[str, list[str]] = {nick: [] for nick in names}
    while any("QUIT" not in acts for acts in seen.values()):
        line = witness.read()
        seen[line.split("!")[0][1:]].append(command(line))
    assert all(acts == ["JOIN", "PRIVMSG", "QUIT"] for acts in seen.values()), seen
    assert witness.sync() == []


def test_a_reset_with_unread_data_at_both_ends(server: Server, channel: str, nicks: Iterator[str]) -> None:
    witness, client = server.irc(next(nicks)), server.irc(next(nicks))
    witness.join(channel)
    client.join(channel)
    witness.sync()
    witness.ask(*(f"PRIVMSG {channel} :{'x' * 400}" for _ in range(50)))  # lies unread at the client
    client.send(*(f"PRIVMSG {channel} :{number}" for number in range(100)))
    client.close()  # with unread data: the kernel sends a RST
    lines = []
    while command(line := witness.read()) != "QUIT":
        lines.append(line)
    assert line.startswith(f":{client.nick}!")
    # What the server had not read is gone with the RST; what it had is there from the beginning, without a gap.
    texts = [line.split(" :")[1] for line in lines]
    assert texts == [str(number) for number in range(len(texts))]
    assert witness.sync() == []


def test_an_end_while_answers_lie_unread(server: Server, nicks: Iterator[str]) -> None:
    """Everything that was asked before the FIN is answered, down to the last byte, however late it is read."""
    client = server.irc(next(nicks))
    client.send(*(f"PING {number}" for number in range(2000)))
    client.sock.shutdown(socket.SHUT_WR)
    lines = client.rest()
    assert [line.split(":")[-1] for line in lines[:-1]] == [str(number) for number in range(2000)]
    assert command(lines[-1]) == "ERROR"


def test_a_line_without_end_costs_the_server_nothing(server: Server) -> None:
    client = server.irc()
    for _ in range(50):
        client.send_bytes(b"x" * 65536)
    client.send_bytes(b"\r\nPING after\r\n")
    lines = client.until("PONG")
    assert commands(lines) == ["417", "PONG"]


# The poller that needs no epoll


@pytest.fixture(scope="module")
def without_epoll(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As on macOS: Python finds no epoll in the select module, from its first moment on."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text("import select\ndel select.epoll\n")
    with unusual("--unlimited", "--workers", "2", environment={"PYTHONPATH": str(folder)}) as it:
        yield it


@needs_linux
def test_a_conversation_without_epoll(without_epoll: Server) -> None:
    ana, beto = without_epoll.irc("ana"), without_epoll.plain("beto")
    ana.join("#lobby")
    beto.expect("* ana joined")
    for byte in b"PRIVMSG #lobby :byte by byte\r\n":
        ana.send_bytes(bytes([byte]))
    beto.expect("<ana> byte by byte")
    ana.send(*(f"PRIVMSG #lobby :{number}" for number in range(2000)))
    for number in range(2000):
        beto.expect(f"<ana> {number}")
    beto.send("/quit")
    assert beto.rest()[-1] == "* goodbye (Client quit)"
    assert "QUIT" in commands(ana.sync())
    ana.send_bytes(b"a piece")
    ana.sock.shutdown(socket.SHUT_WR)
    assert command(ana.rest()[-1]) == "ERROR"


@needs_linux
def test_large_answers_without_epoll(without_epoll: Server) -> None:
    slow = without_epoll.irc("slow")
    slow.send(*(f"PING {number} {'x' * 100}" for number in range(3000)))
    slow.send("QUIT")
    assert len(slow.rest()) == 3001


@needs_linux
def test_it_is_really_another_poller(without_epoll: Server) -> None:
    for role in ("acceptor", "broker", "worker0", "worker1"):
        folder = Path(f"/proc/{pids(without_epoll)[role]}/fd")
        assert not [fd for fd in folder.iterdir() if "eventpoll" in str(fd.readlink())]


# Economy


@pytest.fixture(scope="module")
def unlimited() -> Iterator[Server]:
    """One worker, so that all its numbers are in one row."""
    with running("--unlimited", "--workers", "1") as it:
        yield it


def rows(server: Server) -> dict[str, dict[str, Any]]:
    return {role: row for role, row in status(server).items() if role.startswith(("worker", "broker"))}


def test_a_burst_of_messages_costs_few_sends(unlimited: Server) -> None:
    """All output of one turn goes to a client in one send()."""
    people = [unlimited.irc(f"nick{number}") for number in range(10)]
    for client in people:
        client.join("#lobby")
    for client in people:
        client.sync()
    before = rows(unlimited)["worker0"]
    people[0].send(*(f"PRIVMSG #lobby :{number}" for number in range(20)))  # one segment
    people[0].sync()
    for client in people[1:]:
        assert len(client.until("PRIVMSG")) == 1
    # The counters are shown at the end of a turn: the messages may be here sooner.
    until(lambda: rows(unlimited)["worker0"]["deliveries"] - before["deliveries"] == 20 * 9)
    after = rows(unlimited)["worker0"]
    assert after["sends"] - before["sends"] <= 4 * 10 + 5  # not 180
    for client in people:
        client.close()


@needs_linux
@pytest.mark.slow
def test_an_idle_server_sleeps() -> None:
    """Nothing polls: while nothing happens, a process wakes up for its heartbeat only."""
    psutil = pytest.importorskip("psutil")
    with running("--workers", "2") as server:
        clients: list[IrcClient | PlainClient] = [server.irc("ana"), server.plain("beto")]
        until(lambda: "spare" in pids(server))
        quiet = {role: pid for role, pid in pids(server).items() if role != "supervisor"}  # it answers our question

        def wakeups() -> dict[str, int]:
            return {role: psutil.Process(pid).num_ctx_switches().voluntary for role, pid in quiet.items()}

        def sleeps() -> bool:
            """Whether a second goes by so. The first ones may not: a server that has just started has things to do."""
            before, begin = wakeups(), time.monotonic()
            assert select.select([client.sock for client in clients], [], [], 1.0)[0] == []
            after, beats = wakeups(), (time.monotonic() - begin) / BEAT_SECONDS + 1
            return all(after[role] - before[role] <= beats for role in quiet)

        until(sleeps)
        for client in clients:
            client.close()


# Small questions with large answers


def test_a_thousand_large_answers_wait_for_who_asked(unlimited: Server) -> None:
    """A few kilobytes of LIST ask for tens of megabytes: nobody else notices, and memory stays. Read, they all come."""
    glutton, other = unlimited.irc("glutton"), unlimited.irc("other")
    for number in range(50):
        glutton.send(f"JOIN #{'x' * 60}{number}", f"TOPIC #{'x' * 60}{number} :{'t' * 390}")
    glutton.sync()
    other.join("#lobby")
    glutton.send_bytes(b"LIST\n" * 1600)
    other.send("PRIVMSG other :still here")
    other.until("PRIVMSG")
    psutil = pytest.importorskip("psutil")
    for role in ("broker", "worker0"):
        assert psutil.Process(pids(unlimited)[role]).memory_info().rss < 100 << 20
    assert commands(other.ask("WHOIS glutton"))[0] == "311"
    for _ in range(50):
        assert sum(" 322 " in line for line in glutton.until("323")) >= 50
    glutton.close()


def test_who_has_hung_up_is_heard_out_and_leaves_soon(limited: Server, channel: str) -> None:
    """Blank lines cost as much as one: they cannot keep a nickname for an hour."""
    witness, ghost = limited.irc("witness"), limited.irc("ghost")
    for client in (witness, ghost):
        client.join(channel)
    ghost.send_bytes(b"\n" * 14_000 + f"PRIVMSG {channel} :the last word\n".encode())
    ghost.close()
    assert witness.until("QUIT")[-2:][0].endswith(":the last word")
    witness.close()


def test_who_comes_in_during_a_stop_disturbs_nobody() -> None:
    """Records that are on their way when the last word has been said come too late, and no process trips over them."""
    settings = Settings(port=0, plain_port=0, workers=2, drain_seconds=0.2)  # nobody of them hangs up
    with unusual(settings=settings) as server, contextlib.ExitStack() as stack:
        old = server.irc("old")
        for number in range(60):
            with contextlib.suppress(OSError):  # at some time nobody listens any more
                sock = stack.enter_context(socket.create_connection((server.host, server.irc_port)))
                sock.sendall(f"NICK n{number}\r\nUSER n 0 * :n\r\nJOIN #lobby\r\nPRIVMSG old :x\r\n".encode())
            if number == 30:
                server.process.send_signal(signal.SIGTERM)
        assert old.rest()[-1] == "ERROR :Closing link: 127.0.0.1 (Server shutting down)"
        assert server.wait() == 0
        assert "crashed" not in server.log_text()
