"""Who knows the server's password, and the operators': the supervisor, which was told, and the broker."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpchat.settings import ChatSettings, Oper, Secrets, Settings
from tests.running import Server
from tests.system.servers import needs_linux, pids, unusual

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
