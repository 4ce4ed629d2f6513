"""The code of the chat is edited while the server runs: a broker that is started later runs it, and says so."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import mpchat
from mpchat.ipc.control_socket import ask
from mpchat.runtime import pure_source
from tests.running import PATIENCE, IrcClient, Server, command, ended
from tests.system.servers import (
    MPCHAT,
    journal,
    kill,
    needs_linux,
    pids,
    ready,
    replaced,
    socket_file,
    start,
    status,
    until,
)
from tests.system.test_supervision import PACKAGE, Elsewhere, elsewhere

pytestmark = pytest.mark.slow

SENDS_TWICE = '.extend([("send", connection.id, data), ("send", connection.id, b"")])'
SAID = "the code of the chat was changed while the server runs"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the program, to be edited."""
    shutil.copytree(PACKAGE, tmp_path / "mpchat", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "mpchat"


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before


def table(server: Server) -> str:
    return server.run("ps", "--port", str(server.irc_port)).stdout


def spares(server: Server) -> set[int]:
    return {int(row["pid"]) for row in ask(socket_file(server))["processes"] if row["role"] == "spare"}


def kill_the_spares(server: Server) -> set[int]:
    """Those that wait have imported the code as it was; on a busy machine there are several."""
    before = spares(server)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    return before


def renew_the_spares(server: Server) -> dict[str, int]:
    before = kill_the_spares(server)
    now: dict[str, int] = until(lambda: not spares(server) & before and ready(server), within=3 * PATIENCE)
    return now


@needs_linux
def test_a_broker_with_other_code_says_so_and_replays(code: Path, tmp_path: Path) -> None:
    with elsewhere(tmp_path, tmp_path, "--motd", "/dev/null") as server:
        ana = server.irc("ana")
        ana.join("#aula")
        replaced(server, kill(server, "broker"), "broker")
        assert SAID not in server.log_text() + table(server), "nothing was changed"
        edit(code / "worker" / "worker.py", lambda text: text + "\n# what decides no chat\n")
        edit(code / "chat" / "hub.py", lambda text: text + "\n# a remark\n")
        before = renew_the_spares(server)
        assert SAID not in table(server), "this broker has the old code"
        kill(server, "broker")
        replaced(server, before, "broker")
        assert SAID in server.log_text()
        assert SAID in table(server)
        assert status(server)["broker"]["has_other_code"] is True
        assert ana.ask("TOPIC #aula :sigue") == [":ana!~ana@127.0.0.1 TOPIC #aula :sigue"]
        ana.close()


@needs_linux
def test_a_replay_that_does_not_fit_ends_it_after_telling_the_clients(code: Path, tmp_path: Path) -> None:
    server = Elsewhere(tmp_path, tmp_path, "--data", str(tmp_path / "data"))
    try:
        ana, carla = server.irc("ana"), server.plain("carla")
        for number in range(20):
            ana.ask(f"PING {number}")
        edit(
            code / "core" / "routing.py",
            lambda text: text.replace('.append(("send", connection.id, data))', ".extend([])"),
        )
        renew_the_spares(server)
        kill(server, "broker")
        assert ana.rest()[-1] == "ERROR :Closing link: (Its code was changed while it ran)"
        assert carla.rest()[-1] == "! Its code was changed while it ran"
        ana.close()
        carla.close()
        assert ended(server.process, PATIENCE) == 1
        assert "was changed while the server ran, and its replay is another one: worker" in server.log_text()
    finally:
        server.stop()


@needs_linux
def test_a_replay_that_does_not_fit_after_it_was_mended_names_the_change_too(code: Path, tmp_path: Path) -> None:
    """What was at work meanwhile has given a worker more than the code of the beginning gives."""
    server = Elsewhere(tmp_path, tmp_path, "--data", str(tmp_path / "data"))
    try:
        ana = server.irc("ana")
        routing = code / "core" / "routing.py"
        right = routing.read_text()
        edit(routing, lambda text: text.replace('.append(("send", connection.id, data))', SENDS_TWICE))
        before = renew_the_spares(server)
        kill(server, "broker")
        replaced(server, before, "broker")
        for number in range(20):
            ana.ask(f"PING {number}")
        routing.write_text(right)
        renew_the_spares(server)
        kill(server, "broker")
        assert ana.rest()[-1] == "ERROR :Closing link: (Its code was changed while it ran)"
        ana.close()
        assert ended(server.process, PATIENCE) == 1
        assert "was changed while the server ran, and its replay is another one: worker" in server.log_text()
    finally:
        server.stop()


def fails_at(kind: str) -> Callable[[str], str]:
    """A mistake in the core, which then raises at each record of this kind."""
    first = "            match record:\n"
    return lambda text: text.replace(
        first, f'{first}                case ("{kind}", *_) if 1 / 0:\n                    pass\n'
    )


def private_room(server: Server) -> IrcClient:
    """Somebody is in it."""
    ana = server.irc("ana")
    ana.ask("JOIN #k", "MODE #k +ik sek", "PRIVMSG #k :entre nosotros")
    return ana


def is_private(server: Server) -> bool:
    with server.irc("eva") as eva:
        return command(eva.ask("JOIN #k")[0]) == "475"


def start_wrong(tmp_path: Path) -> None:
    """On a mistake it ends after the third death, and names the mistake."""
    server = *MPCHAT, "server", "127.0.0.1", "0", "--data", str(tmp_path / "data")
    refused = start(*server, environment={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.count("crashed error=") == 3
    assert re.match(
        r"mpchat: the broker process .* \(ZeroDivisionError\('.*'\) at machine.py:\d+\), the third at one record "
        r"of the journal, .*: nothing of what .*/data keeps was changed; bring the code of before back, or mend it,",
        refused.stderr.splitlines()[-1],
    )


@needs_linux
@pytest.mark.parametrize("kind", ["start", "open", "line", "clock"])
def test_a_start_with_a_mistake_leaves_everything_to_the_code_that_has_none(
    code: Path, tmp_path: Path, kind: str
) -> None:
    data = tmp_path / "data"
    with elsewhere(tmp_path, tmp_path, "--data", str(data)) as server:
        ana = private_room(server)
        server.process.terminate()
        ana.rest()
        ana.close()
    before = journal(data)
    machine = code / "core" / "machine.py"
    right = machine.read_text()
    edit(machine, fails_at(kind))
    start_wrong(tmp_path)
    assert journal(data) == before
    machine.write_text(right)
    with elsewhere(tmp_path, tmp_path, "--data", str(data)) as server:
        assert is_private(server)


@needs_linux
def test_a_mistake_at_the_very_first_start(code: Path, tmp_path: Path) -> None:
    machine = code / "core" / "machine.py"
    right = machine.read_text()
    edit(machine, fails_at("start"))
    start_wrong(tmp_path)
    machine.write_text(right)
    with elsewhere(tmp_path, tmp_path, "--data", str(tmp_path / "data")) as server:
        server.irc("ana").close()


@needs_linux
@pytest.mark.parametrize("kind", ["start", "line"])
def test_a_mistake_that_is_mended_while_it_runs_costs_nobody_anything(code: Path, tmp_path: Path, kind: str) -> None:
    with elsewhere(tmp_path, tmp_path, "--data", str(tmp_path / "data")) as server:
        ana = private_room(server)
        machine = code / "core" / "machine.py"
        right = machine.read_text()
        edit(machine, fails_at(kind))
        renew_the_spares(server)
        kill(server, "broker")
        ana.send("PING espero")
        until(lambda: server.log_text().count('crashed error="ZeroDivisionError') >= 12, within=3 * PATIENCE)
        machine.write_text(right)
        ana.expect("PONG .*espero")
        assert "left out" not in server.log_text()
        assert is_private(server)
        ana.close()


@needs_linux
def test_a_mistake_is_named_by_its_line_until_it_is_mended(code: Path, tmp_path: Path) -> None:
    """No one can take a dead worker's place: its clients wait, while the start is tried again, each time later."""
    with elsewhere(tmp_path, tmp_path) as server:
        ana = server.irc("ana")
        until(lambda: ready(server), within=3 * PATIENCE)
        worker = code / "worker" / "worker.py"
        right = worker.read_text()
        worker.write_text(right + "\ndef (\n")
        kill_the_spares(server)
        until(lambda: "SyntaxError" in server.log_text())
        assert f"at='worker.py:{right.count(chr(10)) + 2}'" in server.log_text()
        kill(server, "worker0", "worker1")
        until(lambda: pids(server).keys().isdisjoint({"worker0", "worker1"}))
        ana.send("PING espero")
        until(lambda: server.log_text().count("SyntaxError") >= 4, within=3 * PATIENCE)
        worker.write_text(right)
        until(lambda: ready(server), within=6 * PATIENCE)
        ana.expect("PONG .*espero")
        ana.close()


def test_the_hash_is_of_the_pure_packages_alone(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpchat, "__file__", str(code / "__init__.py"))
    first = pure_source.digest()
    assert first == pure_source.digest()
    for path in ("worker/worker.py", "broker/broker.py", "cli.py", "runtime/log.py"):
        edit(code / path, lambda text: text + "\n")
    (code / "core" / ".#machine.py").symlink_to("nowhere")
    assert pure_source.digest() == first
    seen = {first}
    for path in (
        "chat/hub.py",
        "core/machine.py",
        "flow/outbox.py",
        "protocol/irc/help.py",
        "messages.py",
        "settings.py",
    ):
        edit(code / path, lambda text: text + "\n")
        seen.add(pure_source.digest())
    assert len(seen) == 7
