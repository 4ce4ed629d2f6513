"""TLS by the front: clients of it are clients like all others, and notice no death but the front's."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.person import Person, environment
from tests.running import PATIENCE, IrcClient, Server, running
from tests.system.servers import MPCHAT, kill, needs_linux, ready, replaced, start, status, until, unusual
from tests.system.tls import Authority, Pair, TlsPlainClient, irc, openssl, tls_port, wrap


@pytest.fixture
def server(pair: Pair) -> Iterator[Server]:
    ports = ("--tls-port", "0", "--tls-plain-port", "0")
    with running("--unlimited", "--workers", "2", *ports, *pair.options) as it:
        yield it


def test_irc_and_plain_text_over_tls(server: Server, authority: Authority) -> None:
    ana = irc(server, authority, "ana")
    assert any(" 671 ana ana :" in line for line in ana.ask("WHOIS ana"))
    ana.join("#lobby")
    eva = TlsPlainClient(server, authority)
    eva.expect("Type your nickname")
    eva.send("eva", "hola")
    ana.until("JOIN")
    assert ana.read().endswith("PRIVMSG #lobby :hola")

    beto = server.irc("beto")
    assert not any(" 671 " in line for line in beto.ask("WHOIS beto")), "he came in the clear"
    assert status(server)["front"]["clients"] == 2


def test_tls_older_than_1_2_is_refused(server: Server, authority: Authority) -> None:
    context = authority.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with socket.create_connection((server.host, tls_port(server)), PATIENCE) as sock, pytest.raises(ssl.SSLError):
        context.wrap_socket(sock, server_hostname="127.0.0.1")
    with socket.create_connection((server.host, tls_port(server)), PATIENCE) as sock:
        sock.sendall(b"NICK ana\r\n" * 20)  # no TLS at all
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(4096):
                pass
    irc(server, authority, "ana")


def test_half_open_handshakes_do_not_keep_others_out(server: Server, authority: Authority) -> None:
    """More than may be under way at once: the oldest gives way."""
    silent = [socket.create_connection((server.host, tls_port(server)), PATIENCE) for _ in range(280)]
    try:
        ana = irc(server, authority, "ana")
        assert ana.ask("VERSION")
        silent[0].settimeout(PATIENCE)
        assert silent[0].recv(1) == b""
    finally:
        for sock in silent:
            sock.close()


def test_what_is_said_arrives_to_the_byte_though_it_is_read_slowly(server: Server, authority: Authority) -> None:
    """Some 3 MB each way: far more than all buffers between the two take."""
    ana, beto = irc(server, authority, "ana"), irc(server, authority, "beto")
    lines = [f"{number} " + "ñ" * 150 for number in range(8000)]

    def talk() -> None:
        for line in lines:
            ana.sock.sendall(f"PRIVMSG beto :{line}\r\n".encode())

    talking = threading.Thread(target=talk)
    talking.start()
    for line in lines:
        assert beto.read() == f":ana!~ana@127.0.0.1 PRIVMSG beto :{line}"
    talking.join(PATIENCE)
    assert ana.sync() == []


def test_a_client_that_does_not_read_is_closed_for_its_sendq(pair: Pair, authority: Authority) -> None:
    options = ("--unlimited", "--sendq", "100000", "--tls-port", "0", *pair.options)
    with running(*options) as server:
        deaf, ana = irc(server, authority, "deaf"), server.irc("ana")
        ana.join("#r")
        deaf.join("#r")
        ana.until("JOIN")
        until(lambda: any("SendQ exceeded" in line for line in ana.ask(*["PRIVMSG #r :" + "x" * 400] * 200)))


def test_who_ends_the_input_still_gets_the_answers(server: Server, authority: Authority) -> None:
    """A TCP end without close_notify, as some clients leave."""
    ana = irc(server, authority, "ana")
    ana.send("PING one", "PING two")
    socket.socket.shutdown(ana.sock, socket.SHUT_WR)
    assert [line.rpartition(":")[2] for line in ana.rest()[:2]] == ["one", "two"]
    until(lambda: status(server)["front"]["clients"] == 0)


def test_a_reset_ends_the_session_and_nothing_said_before_is_lost(server: Server, authority: Authority) -> None:
    beto = server.irc("beto")
    ana = irc(server, authority, "ana")
    ana.send(*[f"PRIVMSG beto :{number}" for number in range(50)])
    ana.sync()
    ana.send("PRIVMSG beto :last")
    assert beto.expect(":0$")
    until(lambda: beto.read().endswith(":last"))
    ana.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    ana.close()
    until(lambda: status(server)["front"]["clients"] == 0)
    assert "401" in beto.ask("PRIVMSG ana :?")[0]


def test_the_address_is_the_clients_own(server: Server, authority: Authority) -> None:
    ana = irc(server, authority, "ana", source="127.0.0.2")
    assert any(" 311 ana ana ~ana 127.0.0.2 " in line for line in ana.ask("WHOIS ana"))
    said = server.run("explain", "--port", str(server.irc_port), "--last", "1000").stdout
    assert "irc over TLS, from 127.0.0.2" in said


@pytest.mark.parametrize("role", ["worker0", "worker1", "broker", "acceptor", "recorder", "authenticator"])
def test_no_death_but_the_fronts_is_noticed(server: Server, authority: Authority, role: str) -> None:
    until(lambda: ready(server))
    people = [irc(server, authority, f"p{number}") for number in range(4)]
    for one in people:
        one.join("#r")
    for one in people:
        one.sync()
    before = kill(server, role)
    for number, one in enumerate(people):
        one.send(f"PRIVMSG #r :{number}")
    for number, one in enumerate(people):
        others = {f"PRIVMSG #r :{other}" for other in range(4) if other != number}
        assert {one.read().partition(" ")[2] for _ in others} == others
    replaced(server, before, role)
    newcomer = irc(server, authority, "new")
    assert any(" 671 new p0 :" in line for line in newcomer.ask("WHOIS p0")), "what the next one knows of old clients"


@pytest.mark.parametrize("step", ["acceptor: took from the front", "acceptor: passed on"])
def test_who_was_on_the_way_to_a_dead_acceptor_comes_in_once(
    pair: Pair, authority: Authority, step: str, tmp_path: Path
) -> None:
    orders = tmp_path / "orders"
    options = ("--unlimited", "--tls-port", "0", *pair.options)
    with unusual(*options, environment={"MPCHAT_CRASH": str(orders)}) as server:
        orders.with_suffix(".draft").write_text(f"{step}|1")
        orders.with_suffix(".draft").rename(orders)
        ana = irc(server, authority, "ana")
        until(lambda: not orders.exists())  # who is in may be quicker than the acceptor, on a busy machine
        (count,) = [line for line in ana.ask("LUSERS") if " 255 " in line]
        assert "I have 1 clients" in count


def test_the_fronts_death_ends_its_clients_and_the_next_serves_at_once(server: Server, authority: Authority) -> None:
    until(lambda: ready(server))
    ana, beto = irc(server, authority, "ana"), server.irc("beto")
    before = kill(server, "front")
    with contextlib.suppress(ConnectionResetError):
        assert ana.sock.recv(1) == b""
    irc(server, authority, "ana2")
    replaced(server, before, "front")
    until(lambda: "401" in beto.ask("PRIVMSG ana :?")[0])


@needs_linux
def test_a_front_that_hangs_is_killed_and_the_next_one_serves_who_waits(pair: Pair, authority: Authority) -> None:
    with running("--unlimited", "--hang-limit", "1", "--tls-port", "0", *pair.options) as server:
        until(lambda: ready(server))
        ana, beto = irc(server, authority, "ana"), server.irc("beto")
        before = kill(server, "front", by=signal.SIGSTOP)
        eva = irc(server, authority, "eva")  # its connection waits in the backlog of the listening socket
        replaced(server, before, "front")
        with contextlib.suppress(ConnectionResetError):
            assert ana.sock.recv(1) == b""
        assert eva.ask("PRIVMSG beto :hola") == []
        assert beto.expect("PRIVMSG beto :hola$")
        assert "process hangs hung='front'" in server.log_text()


@pytest.mark.parametrize("step", ["front: accepted", "front: paired"])
def test_a_front_that_dies_in_the_middle_of_a_newcomer_has_a_successor(
    pair: Pair, authority: Authority, step: str, tmp_path: Path
) -> None:
    orders = tmp_path / "orders"
    with unusual("--unlimited", "--tls-port", "0", *pair.options, environment={"MPCHAT_CRASH": str(orders)}) as server:
        until(lambda: ready(server))
        orders.with_suffix(".draft").write_text(f"{step}|1")
        orders.with_suffix(".draft").rename(orders)
        with contextlib.suppress(OSError), wrap(server, authority) as sock:
            assert sock.recv(1) == b""
        assert not orders.exists()
        assert irc(server, authority, "ana").ask("VERSION")


def test_our_client_comes_back_after_the_fronts_death_and_reads_what_it_missed(
    server: Server, authority: Authority, tmp_path: Path
) -> None:
    until(lambda: ready(server))
    beto = server.irc("beto")
    beto.join("#r")
    trusted = ("--tls", "--tls-ca", str(authority.cert))
    ana = Person([server.host, str(tls_port(server)), "--nick", "ana", "--room", "#r", *trusted], environment(tmp_path))
    try:
        ana.sees(r"in #r \(2\)")
        beto.until("JOIN")
        before = kill(server, "front")
        beto.until("QUIT")
        beto.send("PRIVMSG #r :while you were away")
        replaced(server, before, "front")
        beto.until("JOIN")
        ana.sees("while you were away")
        ana.say("here I am again")
        assert beto.until("PRIVMSG")[-1].endswith("PRIVMSG #r :here I am again")
    finally:
        ana.close()


def test_those_who_watch_know_the_front(server: Server, authority: Authority) -> None:
    until(lambda: ready(server))
    ana, beto = irc(server, authority, "ana"), server.irc("beto")
    port = ("--port", str(server.irc_port))
    trace = subprocess.Popen(
        [*MPCHAT, "trace", *port, "--from", "ana", "--private", "--count", "1", "--json"],
        env=server.environment,
        stdout=subprocess.PIPE,
        text=True,
    )

    def told() -> bool:
        ana.ask("PRIVMSG beto :hola")
        return trace.poll() is not None

    with trace:
        until(told)
        assert trace.stdout is not None
        hops = json.loads(trace.stdout.readline())
    assert "front" not in json.dumps(hops), "it understands no line, so it cannot tell of one"
    assert beto.expect("PRIVMSG beto :hola$")

    before = kill(server, "front")
    replaced(server, before, "front")
    shown = server.run("ps", *port).stdout.splitlines()
    assert [line.split()[2] for line in shown if line.startswith("front ")] == ["0"], "its clients have gone with it"
    asked = json.loads(server.run("ps", *port, "--json").stdout)
    assert asked["tls_ports"] == [tls_port(server), tls_port(server, "tls-plain")]
    assert asked["front"] != before["front"]
    snapshot = json.loads(server.run("top", *port, "--once", "--json").stdout)
    (row,) = [row for row in snapshot["processes"] if row["role"] == "front"]
    assert (row["state"], row["deaths"], row["clients"]) == ("working", 1, 0)
    assert {("front", "acceptor"), ("acceptor", "front")} <= {
        (each["from"], each["to"]) for each in snapshot["connections"]
    }
    assert snapshot["certificate_ends"] > time.time()
    events = server.run("events", *port).stdout
    assert f"front ({before['front']}) has died: SIGKILL" in events


def test_a_stop_tells_clients_of_tls(pair: Pair, authority: Authority) -> None:
    with running("--unlimited", "--tls-port", "0", *pair.options) as server:
        ana = irc(server, authority, "ana")
        os.kill(server.pid, signal.SIGTERM)
        assert ana.rest()[-1].startswith("ERROR :")


def test_a_reload_brings_a_new_certificate_and_a_bad_one_changes_nothing(authority: Authority, tmp_path: Path) -> None:
    here = Pair(tmp_path / "c.pem", tmp_path / "k.pem")
    one, two = authority.sign("one"), authority.sign("two")
    for source, to in ((one.cert, here.cert), (one.key, here.key)):
        shutil.copy(source, to)

    def subject(sock: ssl.SSLSocket) -> str:
        return str(dict(field[0] for field in sock.getpeercert()["subject"])["commonName"])  # type: ignore

    with running("--unlimited", "--tls-port", "0", *here.options) as server:
        old = irc(server, authority, "old")
        shutil.copy(two.key, here.key)
        refused = server.run("reload", "--port", str(server.irc_port))
        assert refused.returncode == 1
        assert "the key is not that of the certificate" in refused.stderr
        with wrap(server, authority) as sock:
            assert subject(sock) == "one"
        shutil.copy(two.cert, here.cert)
        assert server.run("reload", "--port", str(server.irc_port)).returncode == 0

        def is_new() -> bool:
            with wrap(server, authority) as sock:
                return subject(sock) == "two"

        until(is_new)
        assert old.ask("VERSION"), "who was in stays in"
        before = kill(server, "front")
        replaced(server, before, "front")
        assert is_new()


def test_sts_is_offered_where_its_duration_is_set_and_a_reload_may_change_it(
    authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    """In the clear it says where TLS is; by TLS, for how long (IRCv3 sts)."""
    config = tmp_path / "mpchat.toml"

    def offered(client: IrcClient, version: str = " 302") -> list[str]:
        (answer,) = client.ask(f"CAP LS{version}")
        return [word for word in answer.partition(" :")[2].split() if word.startswith("sts")]

    def write(seconds: int) -> None:
        config.write_text(f'[server]\ntls_port = 0\ntls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n')
        with config.open("a") as file:
            file.write(f"sts_duration = {seconds}\n")

    write(2_592_000)
    with running("--unlimited", "--config", str(config)) as server:
        ana, beto = server.irc("ana"), irc(server, authority, "beto")
        assert offered(ana) == [f"sts=port={tls_port(server)}"]
        assert offered(beto) == ["sts=duration=2592000"]
        assert offered(ana, "") == offered(ana, " 301") == [], "who knows no values is not told half of it"
        assert " NAK " in ana.ask("CAP REQ :sts")[0]
        assert "sts" not in ana.ask("CAP LIST")[0]
        write(60)
        assert server.run("reload", "--port", str(server.irc_port)).returncode == 0
        assert beto.until("CAP")[-1].endswith(" CAP beto NEW :sts=duration=60"), "told by itself (IRCv3 cap-notify)"
        assert offered(beto) == ["sts=duration=60"]
        assert offered(ana) == [f"sts=port={tls_port(server)}"]
        write(0)
        assert server.run("reload", "--port", str(server.irc_port)).returncode == 0
        until(lambda: offered(ana) == offered(beto) == [])


def test_tls_that_a_file_gains_or_loses_takes_the_next_start_and_all_else_is_taken_now(
    authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    motd, file = tmp_path / "motd", tmp_path / "server.toml"
    motd.write_text("one\n")
    without = f'[server]\nmotd = "{motd}"\n'
    keys = f'tls_port = 0\ntls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n'
    for at_start, later in ((without, without + keys), (without + keys, without)):
        file.write_text(at_start)
        with running("--unlimited", "--config", str(file)) as server:
            file.write_text(later)
            motd.write_text("two\n" * 2)
            told = server.run("reload", "--port", str(server.irc_port))
            assert told.returncode == 0, told.stderr
            assert "2 lines of the day" in told.stdout
            assert "only the next start can take [server] tls_port" in told.stdout
            if "tls_port" in at_start:
                replaced(server, kill(server, "front"), "front")
                assert irc(server, authority, "ana").ask("VERSION"), "the next front has the certificate, too"


def test_a_key_that_others_can_read_is_warned_of(pair: Pair, tmp_path: Path) -> None:
    here = Pair(pair.cert, tmp_path / "k.pem")
    shutil.copy(pair.key, here.key)
    here.key.chmod(0o600)
    with running("--unlimited", "--tls-port", "0", *here.options) as server:
        assert "can read the key" not in server.log_text()
        here.key.chmod(0o640)
        assert server.run("reload", "--port", str(server.irc_port)).returncode == 0
        assert "others than its owner can read the key" in server.log_text()
    with running("--unlimited", "--tls-port", "0", *here.options) as server:
        assert "others than its owner can read the key" in server.log_text()


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        ("mismatch", "the key is not that of the certificate"),
        ("another kind of key", "the key is not that of the certificate"),
        ("no key", "a TLS port needs both"),
        ("missing", "No such file"),
        ("rubbish", "has no certificate"),
        ("encrypted", "the key is encrypted"),
        ("shared key", "others than its owner may write to it"),
        ("no port", "neither is given"),
        ("sts", "--sts-duration sends clients to --tls-port, and there is none"),
        ("same port", "--tls-plain-port and --tls-port are both 6697"),
    ],
)
def test_what_cannot_be_used_is_said_at_the_start(
    authority: Authority, pair: Pair, tmp_path: Path, case: str, complaint: str
) -> None:
    other = authority.sign("other")
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    encrypted = tmp_path / "encrypted"
    key = ("pkey", "-in", str(pair.key), "-aes256", "-passout", "pass:secret", "-out", str(encrypted))
    if case == "encrypted":
        openssl(*key)
    rsa = tmp_path / "rsa"
    if case == "another kind of key":
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(rsa))
    shared = tmp_path / "shared"
    shutil.copy(pair.key, shared)
    shared.chmod(0o620)
    options = {
        "mismatch": Pair(pair.cert, other.key).options,
        "no key": pair.options[:2],
        "missing": Pair(tmp_path / "none", pair.key).options,
        "another kind of key": Pair(pair.cert, rsa).options,
        "rubbish": Pair(rubbish, pair.key).options,
        "shared key": Pair(pair.cert, shared).options,
        "encrypted": Pair(pair.cert, encrypted).options,
        "no port": pair.options,
        "sts": [*pair.options, "--tls-plain-port", "0", "--sts-duration", "60"],
        "same port": [*pair.options, "--tls-port", "6697", "--tls-plain-port", "6697"],
    }[case]
    port = () if case in ("no port", "sts") else ("--tls-port", "0")
    ended = start(*MPCHAT, "server", "127.0.0.1", "0", "--ephemeral", *port, *options, environment={})
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr


def test_a_certificate_that_soon_ends_is_warned_of(authority: Authority) -> None:
    with running("--unlimited", "--tls-port", "0", *authority.sign("short", days=3).options) as server:
        assert "the certificate ends soon" in server.log_text()


def test_our_client_verifies_and_says_why_it_refuses(server: Server, authority: Authority, tmp_path: Path) -> None:
    port, trusted = str(tls_port(server)), ("--tls-ca", str(authority.cert))
    ana = irc(server, authority, "ana")
    ana.join("#lobby")
    said = server.run("send", "--tls", *trusted, "--port", port, "--nick", "robot", "hola")
    assert said.returncode == 0, said.stderr
    ana.until("JOIN")
    assert ana.until("PRIVMSG")[-1].endswith("PRIVMSG #lobby :hola")

    refused = server.run("send", "--tls", "--port", port, "--nick", "robot", "hola")
    assert refused.returncode != 0
    assert "no authority that this machine knows" in refused.stderr
    refused = server.run("send", "--tls", *trusted, "--port", str(server.irc_port), "--nick", "robot", "hola")
    assert refused.returncode != 0
    assert "TLS" in refused.stderr, "it never goes on in the clear"

    strange = authority.sign("strange", names="DNS:other.example")
    with running("--unlimited", "--tls-port", "0", *strange.options) as other:
        refused = other.run("send", "--tls", *trusted, "--port", str(tls_port(other)), "--nick", "robot", "hola")
        assert refused.returncode != 0
        assert "its certificate is for another name" in refused.stderr


@pytest.mark.parametrize("readme", ["README.md", "README.es.md"])
def test_a_team_is_its_own_authority_by_the_commands_of_readme(tmp_path: Path, readme: str) -> None:
    """As they stand there; also for those who are strict about certificates, as Python is from 3.13 on."""
    text = (Path(__file__).parent.parent.parent / readme).read_text()
    section = text.partition("\n## TLS\n")[2].partition("\n## ")[0]
    lines = [line.removeprefix("$ ") for line in section.splitlines() if line.startswith(("$ openssl", "$ printf"))]
    assert len(lines) == 4
    done = subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    authority, made = str(tmp_path / "authority.pem"), Pair(tmp_path / "server.pem", tmp_path / "server.key")
    with running("--unlimited", "--tls-port", "0", *made.options) as server:
        server.irc("beto").join("#lobby")
        port = str(tls_port(server))
        said = server.run("send", "--tls", "--tls-ca", authority, "--port", port, "--nick", "robot", "hola")
        assert said.returncode == 0, said.stderr
        strict = ssl.create_default_context(cafile=authority)
        strict.verify_flags |= ssl.VERIFY_X509_STRICT
        for name in ("127.0.0.1", "chat.example.org"):
            with socket.create_connection((server.host, int(port)), PATIENCE) as sock:
                strict.wrap_socket(sock, server_hostname=name).close()


def test_a_file_of_authorities_that_is_none(server: Server, tmp_path: Path) -> None:
    (tmp_path / "none").write_text("hola")
    for path in (tmp_path / "none", tmp_path / "missing"):
        refused = server.run("send", "--tls", "--tls-ca", str(path), "hola")
        assert refused.returncode == 2
        assert str(path) in refused.stderr
