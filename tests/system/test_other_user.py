"""Whose servers `mpchat ps`, `reload` and `stop` reach: a user's own, and as root every user's."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ipc.pythons import HOUSE, VERSIONS
from tests.running import PATIENCE, ended
from tests.system.servers import Unusual

NOBODY, ANOTHER = 65534, 65533

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A folder of another user's."""
    folder = Path(tempfile.mkdtemp(prefix="mpchat-test-"))
    os.chown(folder, NOBODY, -1)
    yield folder
    shutil.rmtree(folder)


def as_user(uid: int, python: str, args: list[str], places: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **places, "PYTHONPATH": str(HOUSE)}
    command = [python, "-m", "mpchat", *args]
    return subprocess.run(command, env=environment, user=uid, capture_output=True, text=True, timeout=PATIENCE)


def python_for_all() -> str:
    """One that another user can run: root's own may lie where only root can enter."""
    for python in (sys.executable, *(shutil.which(f"python{version}", path="/usr/bin") for version in VERSIONS)):
        with contextlib.suppress(PermissionError):
            if python and as_user(NOBODY, python, ["--version"], {}).returncode == 0:
                return python
    pytest.skip("another user cannot run any Python here, or not read this program")


@pytest.mark.parametrize("variable", ["XDG_RUNTIME_DIR", "TMPDIR"])
def test_root_may_ask_another_users_server(theirs: Path, variable: str) -> None:
    """Both folders in which a control socket can lie: that of the session, and one in /tmp."""
    python = python_for_all()
    places = {"XDG_RUNTIME_DIR": "", "XDG_STATE_HOME": str(theirs), variable: str(theirs), "PYTHONPATH": str(HOUSE)}
    command = [python, "-m", "mpchat", "server", "127.0.0.1", "0", "--ephemeral"]
    server = Unusual(command, environment=places, before=lambda: os.setuid(NOBODY))
    try:
        port = ["--port", str(server.irc_port)]
        shown = as_user(0, python, ["ps", *port], places)
        assert shown.returncode == 0, shown.stderr
        assert str(server.pid) in shown.stdout
        assert as_user(NOBODY, python, ["ps", *port], places).returncode == 0
        assert as_user(ANOTHER, python, ["ps", *port], places).returncode == 1
        assert as_user(ANOTHER, python, ["stop", *port], places).returncode == 1
        assert as_user(0, python, ["reload", *port], places).stdout.startswith("read again: ")
        assert as_user(0, python, ["stop", *port], places).stdout == "stopped\n"
        assert ended(server.process, PATIENCE) == 0
    finally:
        server.stop()


def test_the_session_of_another_user_keeps_no_server_from_starting(theirs: Path) -> None:
    """As after su: XDG_RUNTIME_DIR names a folder that this user cannot enter."""
    python = python_for_all()
    closed = theirs / "roots"
    closed.mkdir(mode=0o700)
    places = {"XDG_RUNTIME_DIR": str(closed), "TMPDIR": str(theirs), "XDG_STATE_HOME": str(theirs)}
    environment = {**places, "PYTHONPATH": str(HOUSE)}
    command = [python, "-m", "mpchat", "server", "127.0.0.1", "0", "--ephemeral"]
    server = Unusual(command, environment=environment, before=lambda: os.setuid(NOBODY))
    try:
        assert f"XDG_RUNTIME_DIR is no folder of this user's folder='{closed}' instead='{theirs}" in server.log_text()
        port = ["--port", str(server.irc_port)]
        for session in (closed, ""):
            shown = as_user(NOBODY, python, ["ps", *port], {**places, "XDG_RUNTIME_DIR": str(session)})
            assert str(server.pid) in shown.stdout, shown.stderr
    finally:
        assert server.stop() == 0


def test_root_does_not_choose_between_two_users(theirs: Path) -> None:
    places = {"XDG_RUNTIME_DIR": "", "TMPDIR": str(theirs)}
    os.chown(theirs, 0, -1)
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        for uid, sock in ((NOBODY, one), (ANOTHER, other)):
            folder = theirs / f"mpchat-{uid}"
            folder.mkdir(mode=0o700)
            sock.bind(str(folder / "6667.sock"))
            sock.listen()
            os.chown(folder, uid, -1)
            os.chown(folder / "6667.sock", uid, -1)
        shown = as_user(0, sys.executable, ["stop"], places)
    assert shown.returncode == 1
    assert f"several users have a server on port 6667: {ANOTHER}, {NOBODY}" in shown.stderr


def test_another_users_journal_is_not_read(theirs: Path) -> None:
    """One line, and status 1: the data directory is its user's alone."""
    python = python_for_all()
    data = theirs / "data"
    shutil.copytree(HOUSE / "tests" / "data" / "state-4" / "stopped", data)
    for path in (data, *data.rglob("*")):
        os.chown(path, NOBODY, -1)
    data.chmod(0o700)
    theirs.chmod(0o755)
    places = {"XDG_RUNTIME_DIR": str(theirs), "XDG_STATE_HOME": str(theirs)}
    refused = as_user(ANOTHER, python, ["explain", "--data", str(data)], places)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("mpchat: ")
    assert refused.stderr.count("\n") == 1
    assert "Permission denied" in refused.stderr
    for uid in (NOBODY, 0):
        shown = as_user(uid, python, ["explain", "--data", str(data), "--last", "1"], places)
        assert "the server stops: " in shown.stdout, shown.stderr
