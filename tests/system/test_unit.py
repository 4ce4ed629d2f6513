"""The unit for systemd: its commands are run as they stand there, but for where things are; systemd checks the rest."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mpchat.settings import Settings
from tests.running import OPEN, PATIENCE
from tests.system.servers import MPCHAT, Unusual, needs_linux, until

UNIT = Path(__file__).parent.parent.parent / "scripts/deploy/mpchat.service"
INSTALLED = "/opt/mpchat/bin/mpchat"

pytestmark = needs_linux


def setting(name: str) -> list[str]:
    return [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")]


def words(command: str, values: dict[str, str]) -> list[str]:
    """A command as systemd splits it: ${X} is one word, $X as many as it has, none if it is empty."""
    found = []
    for word in shlex.split(command):
        for name, value in values.items():
            word = word.replace(f"${{{name}}}", value).replace(f"%{name}", value)
        found += shlex.split(values[word[1:]]) if word.startswith("$") else [word]
    assert found[0] == INSTALLED
    return [*MPCHAT, *found[1:]]


def test_its_commands_start_a_server_reload_it_and_end_it(tmp_path: Path) -> None:
    environment = dict(pair.split("=", 1) for line in setting("Environment") for pair in line.split())
    values = {**environment, "MPCHAT_PORT": "0", "S": str(tmp_path), "MPCHAT_OPTIONS": "--workers 1 --name casa.local"}
    (begin,), (again,) = setting("ExecStart"), setting("ExecReload")
    server = Unusual(words(begin, values))
    try:
        assert server.irc().register("ana")[0].startswith(":casa.local ")
        assert (tmp_path / "mpchat" / "journal").is_dir()
        reload = words(again, {**values, "MPCHAT_PORT": str(server.irc_port)})
        done = subprocess.run(reload, env=server.environment, capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        for client in OPEN:
            client.close()
        assert server.stop() == 0


def test_a_host_stands_in_its_variable_or_in_the_file(tmp_path: Path) -> None:
    """A file's host holds where the variable has none; its port and data are the unit's, and the log says so."""
    environment = dict(pair.split("=", 1) for line in setting("Environment") for pair in line.split())
    file = tmp_path / "mpchat.toml"
    file.write_text("[server]\nhost = '127.0.0.2'\nport = 7000\nworkers = 1\n[data]\ndata = 'other'\n")
    (begin,) = setting("ExecStart")
    for host, place in (("", "127.0.0.2"), ("127.0.0.3", "127.0.0.3")):
        values = {**environment, "MPCHAT_HOST": host, "MPCHAT_PORT": "0", "S": str(tmp_path)}
        server = Unusual(words(begin, {**values, "MPCHAT_OPTIONS": f"--config {file}"}))
        try:
            until(lambda server=server: "ready" in server.log_text())
            assert f"{place}:" in server.log_text()
            told = [line for line in server.log_text().splitlines() if "arguments come before --config" in line]
            assert len(told) == 1
            assert ("[server] host" in told[0], "[server] port" in told[0]) == (bool(host), True)
            assert "[data] data" in told[0]
        finally:
            assert server.stop() == 0
    assert not (tmp_path / "other").exists()


def test_systemd_never_gives_up() -> None:
    """An address may be there later than the network is said to be."""
    assert setting("StartLimitIntervalSec") == ["0"]
    unit = UNIT.read_text()
    assert unit.index("[Unit]") < unit.index("StartLimitIntervalSec=") < unit.index("[Service]")
    assert float(setting("RestartSec")[0]) >= 5


def test_systemd_waits_longer_than_the_server_does() -> None:
    assert float(setting("TimeoutStopSec")[0]) > Settings.stop_seconds
    assert setting("KillMode") == ["mixed"]


@pytest.mark.surroundings
def test_systemd_takes_each_line(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not here")
    unit = tmp_path / "mpchat.service"
    unit.write_text(UNIT.read_text().replace(INSTALLED, sys.executable))  # it must exist
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, timeout=3 * PATIENCE)
    assert [line for line in done.stderr.splitlines() if "mpchat.service" in line] == []
    assert done.returncode == 0
