"""Who knows the server's password, and the operators': the supervisor, which was told, and the broker.

The key of TLS it is, and the front.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpchat.settings import ChatSettings, Oper, Secrets, Settings
from tests.running import Server, running
from tests.system.servers import kill, needs_linux, pids, ready, replaced, until, unusual
from tests.system.tls import Authority, Pair, irc

WORDS = ("a-password-" + "p" * 20, "an-operators-" + "o" * 20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    chat = ChatSettings(password_needed=True, opers_exist=True)
    settings = Settings(port=0, plain_port=0, unlimited=True, data=str(tmp_path / "data"), chat=chat)
    with unusual(settings=settings, secrets=Secrets(WORDS[0], (Oper("root", WORDS[1]),))) as it:
        yield it


def knows(pid: int, word: str) -> bool:
    """Whether it is anywhere in the memory that this process can write (proc_pid_maps(5), proc_pid_mem(5))."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps.read(), re.MULTILINE):
            memory.seek(int(start, 16))
            try:
                found = memory.read(int(end, 16) - int(start, 16))
            except OSError:
                continue  # mapped, and not to be read
            if word.encode() in found:
                return True
    return False


@needs_linux
def test_no_other_process_has_the_secrets(server: Server) -> None:
    there = pids(server)
    try:
        for word in WORDS:
            assert {role for role, pid in there.items() if knows(pid, word)} == {"supervisor", "broker"}
    except PermissionError:
        pytest.skip("the system does not let a user look into his own processes (ptrace_scope)")


@needs_linux
def test_no_process_but_the_front_is_given_the_key_of_tls(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    """Nor is it in any file that the server writes, in its arguments, or in its environment."""
    word = pair.key.read_text().splitlines()[1][:40]
    data = tmp_path / "data"
    with running("--unlimited", "--tls-port", "0", *pair.options, data=data) as server:
        until(lambda: ready(server))
        irc(server, authority, "ana")
        assert server.run("reload", "--port", str(server.irc_port)).returncode == 0
        for role in ("front", "broker", "worker0", "acceptor"):
            replaced(server, kill(server, role), role)
        irc(server, authority, "beto")
        there = pids(server)
        try:
            assert {role for role, pid in there.items() if knows(pid, word)} <= {"supervisor", "front"}
        except PermissionError:
            pytest.skip("the system does not let a user look into his own processes (ptrace_scope)")
        assert knows(server.pid, word), "it has read it, and gives it to the next front"
        for pid in there.values():
            for name in ("cmdline", "environ"):
                assert word.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
        written = [path for path in data.rglob("*") if path.is_file()]
        assert len(written) > 3
        assert [path for path in written if word.encode() in path.read_bytes()] == []
        assert word not in server.log_text()
