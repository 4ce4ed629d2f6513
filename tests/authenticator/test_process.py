"""The authenticator as a process, started as the supervisor starts it, and killed at each of its steps."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import scramp

from mpchat.protocol.outcomes import DropAsked, LoginAsked, PasswordChangeAsked, RegistrationAsked
from mpchat.roles import load
from mpchat.runtime.crash_points import STEPS
from mpchat.supervisor.child import Child, spawn
from tests.authenticator.chain import ANA, BETO, CARO, NUL, PASSWORD, Chain, encoded
from tests.authenticator.test_sasl import SCRAM, scram
from tests.running import PATIENCE
from tests.system.servers import LINUX

pytestmark = pytest.mark.skipif(not LINUX, reason="looks into /proc")


class Processes(Chain):
    """The same chain, with an authenticator that is a process of its own; one that dies has a successor at once."""

    def begin_authenticator(self) -> None:
        self.child: Child = spawn(get_context("spawn"), self.settings, self.scoreboard, load)
        self.said: list[Any] = []
        while ("here",) not in self.listened():
            select.select([self.child.link.fileno(), self.child.process.sentinel], [], [], PATIENCE)
            assert self.child.process.exitcode is None
        self.child.assign_role("authenticator", self.settings, self.data)
        self.control = self.child.link
        self.connect()

    def listened(self) -> list[Any]:
        """What it has said to the supervisor."""
        self.said += [message for message, _ in self.child.link.take()]
        return self.said

    def turn(self, timeout: float = 0.0) -> None:
        self.poller.wait(timeout)
        self.hear()
        if self.client.authenticator is None and self.child.process.exitcode is not None:
            self.child.link.close()
            self.begin_authenticator()

    def end_authenticator(self) -> None:
        self.client.leave_authenticator()
        self.child.process.kill()
        self.child.process.join()
        self.child.link.close()


@pytest.fixture
def orders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path_factory.mktemp("crash") / "orders"
    monkeypatch.setenv("MPCHAT_CRASH", str(found))
    return found


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orders: Path) -> Iterator[Processes]:
    monkeypatch.chdir(tmp_path)
    it = Processes(tmp_path)
    yield it
    it.close()


@pytest.mark.parametrize("step", [step for step in STEPS if step.startswith("authenticator: ")])
def test_whoever_asks_does_not_notice_its_death(processes: Processes, orders: Path, step: str) -> None:
    first = processes.child.process.pid
    orders.write_text(f"{step}|1")
    processes.ask(ANA, RegistrationAsked("ana"), PASSWORD)
    processes.ask(BETO, RegistrationAsked("beto"), PASSWORD)
    assert [processes.answer(id) for id in (ANA, BETO)] == [("registered", "ana"), ("registered", "beto")]
    assert not orders.exists()
    assert processes.register(CARO, "ana", "a stranger's") == ("taken", "")
    assert processes.login(CARO, "ana") == ("in", "ana")
    assert processes.login(CARO, "beto", "a wrong one") == ("wrong", "beto")
    assert processes.child.process.pid != first


@pytest.mark.parametrize("step", [step for step in STEPS if step.startswith("authenticator: ")])
def test_nor_does_whoever_wants_another_password_or_no_account(processes: Processes, orders: Path, step: str) -> None:
    for id, name in ((ANA, "ana"), (BETO, "beto")):
        processes.register(id, name)
    for question, said in ((PasswordChangeAsked("ana"), "changed"), (DropAsked("beto"), "dropped")):
        orders.write_text(f"{step}|1")
        first = processes.child.process.pid
        processes.ask(CARO, question, PASSWORD + "!" * (said == "changed"))
        assert processes.answer(CARO) == (said, question.account)
        processes.until(lambda: not orders.exists())  # it dies after the answer, if that is the step
        processes.until(lambda before=first: processes.child.process.pid != before)
    assert processes.login(CARO, "ana", PASSWORD + "!") == ("in", "ana")
    assert processes.login(CARO, "ana") == ("wrong", "ana")
    assert processes.login(CARO, "beto") == ("wrong", "")
    assert processes.accounts()[1] == ["ana"]


def test_it_is_ready_when_the_broker_has_what_it_says(processes: Processes) -> None:
    """Behind the server's ready line, a client's first line meets a broker that knows who has an account."""
    processes.until(lambda: processes.records)
    assert ("ready",) not in processes.said
    processes.until(lambda: ("ready",) in processes.listened())
    assert processes.records == [("accounts", [], ["PLAIN", SCRAM])]


def test_no_secret_is_in_a_file_a_log_or_what_ps_shows(
    processes: Processes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    passwords = ["a-password-" + letter * 20 for letter in "pqrs"]
    pieces = [encoded(f"{NUL}ana{NUL}{password}") for password in passwords]
    processes.register(ANA, "ana", passwords[0])
    processes.register(ANA, "ana", passwords[1])
    processes.login(BETO, "ana", passwords[0])
    processes.login(BETO, "nobody", passwords[2])
    processes.sasl(BETO, "PLAIN", pieces[0])
    processes.sasl(BETO, "PLAIN", pieces[3])
    scram(processes, CARO, "ana", passwords[0])
    process = Path(f"/proc/{processes.child.process.pid}")
    assert b"mpchat:auth" in (process / "cmdline").read_bytes() + (process / "comm").read_bytes()
    seen = [(process / name).read_bytes() for name in ("cmdline", "comm", "environ")]
    seen += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    seen += [str(processes.records).encode()]
    processes.end_authenticator()
    processes.begin_authenticator()
    processes.until(lambda: ("ready",) in processes.listened())
    seen += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    out, err = capfd.readouterr()
    seen += [out.encode(), err.encode()]
    for secret in [*passwords, *pieces]:
        assert not [each for each in seen if secret.encode() in each]


def test_it_ends_when_it_is_told_and_when_the_supervisor_dies(processes: Processes) -> None:
    processes.until(lambda: ("ready",) in processes.listened())
    processes.child.link.post(("stop",))
    processes.child.process.join(10)
    assert processes.child.process.exitcode == 0
    assert sorted(os.listdir()) == ["accounts.db"], "closed in order, it leaves no log behind"
    processes.client.leave_authenticator()
    processes.child.link.close()
    processes.begin_authenticator()
    processes.child.link.close()
    processes.child.process.join(10)
    assert processes.child.process.exitcode == 0


def test_what_it_was_doing_when_it_was_killed_is_done_by_the_next(processes: Processes) -> None:
    processes.register(ANA, "ana")
    for _ in range(3):
        for id in range(10, 20):
            processes.ask(id, LoginAsked("ana"), PASSWORD, address=f"198.51.100.{id}")
        processes.child.process.kill()
        processes.child.process.join()
        assert [processes.answer(id) for id in range(10, 20)] == [("in", "ana")] * 10
    client = scramp.ScramClient([SCRAM], "ana", PASSWORD)
    assert processes.sasl(ANA, SCRAM, encoded(client.get_client_first()))[0] == "challenge"
