"""What a process does with messages that no process of ours sends: it reports the sender, drops the link, and goes on.

Whoever reads it is real, and so are its links and transports; the test is all others. A supervisor ends a child of
which it hears that, and a child that says such things to it; a child does not go on with a supervisor that does.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpchat.acceptor.acceptor import Acceptor
from mpchat.authenticator.authenticator import Authenticator
from mpchat.broker.broker import Broker
from mpchat.ipc.frames import most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.queue_transport import End, Pair
from mpchat.ipc.scoreboard import FIRST_WORKER_ROW, Scoreboard
from mpchat.ipc.transport import dump_pair, load_pair
from mpchat.messages import ChildToSupervisor, ConnectionId, UnknownMessage
from mpchat.protocol.outcomes import LoginAsked, PastAsked
from mpchat.recorder.recorder import Recorder
from mpchat.runtime import first_minute
from mpchat.runtime.first_minute import SPARE
from mpchat.runtime.log import Log
from mpchat.settings import Secrets, Settings
from mpchat.store.data_directory import claim
from mpchat.supervisor import supervisor as parent
from mpchat.supervisor.child import Child, Death
from mpchat.supervisor.children import Children
from mpchat.supervisor.monitoring import Monitoring
from mpchat.supervisor.reloading import Read, Rejected, Reloading
from mpchat.worker.worker import Worker
from tests.worker.pairs import PATIENCE

FEW_ROWS = FIRST_WORKER_ROW + 1
CLIENT = 1 << 32 | 1
HOST = "192.0.2.7"


class Supervisor:
    """The other end of a process's control link; it makes what connects the process to others, as wiring.py does."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        ours, theirs = Link.pair()
        self.link, self.control = Link[Any](ours), Link[ChildToSupervisor](theirs)
        self.heard: list[tuple[Any, ...]] = []
        stack.callback(self.link.close)
        stack.callback(self.control.close)

    def connect(self, *message: Any) -> Link[Any]:
        """Give the process a link; returns the other end."""
        ours, theirs = Link.pair()
        with theirs:
            self.link.post(message, fds=(theirs.fileno(),))
        other = Link[Any](ours)
        self._stack.callback(other.close)
        return other

    def transport(self, *about: Any, to: str) -> End:
        """Give the process, a worker or a broker, a transport; returns the other end."""
        transport = Pair.make()
        data, fds = dump_pair(transport)
        self.link.post(("transport", *about, data), fds=fds)
        opened = load_pair(data, [os.dup(fd) for fd in fds])
        assert isinstance(opened, Pair)
        self._stack.callback(transport.let_go)  # not before the process has opened it too
        end = opened.at_broker() if to == "worker" else opened.at_worker()
        self._stack.callback(end.close)
        return end

    def accused(self) -> list[str]:
        """Of whom the process has said that they misbehave, since the last time."""
        self.heard += [message for message, _ in self.link.take()]
        found = [message for message in self.heard if message[0] == "misbehaves"]
        self.heard = [message for message in self.heard if message[0] != "misbehaves"]
        assert all(isinstance(why, str) and why for _, _, why in found)
        return [role for _, role, _ in found]


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as it:
        yield it


@pytest.fixture
def supervisor(stack: contextlib.ExitStack) -> Supervisor:
    return Supervisor(stack)


SETTINGS = Settings(workers=1)


def turned(scoreboard: Scoreboard) -> None:
    """All processes have turned their loops once more."""
    for row in range(FEW_ROWS):
        scoreboard.write(row, turns=scoreboard.turns(row) + 1)


# A worker


class WorkerTurns:
    """A worker, a turn at a time."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.worker = Worker(supervisor.control, SETTINGS, Scoreboard.make(FEW_ROWS), 0)
        self.worker.poller.watch(supervisor.control)
        self.acceptor = supervisor.connect("acceptor")
        self.broker = supervisor.transport(1, to="worker")
        self.turn()
        assert [message for message, _ in self.acceptor.take()] == [("all",)]

    def turn(self) -> None:
        """Deal with what has come, and with what comes by that."""
        for timeout in (PATIENCE, 0, 0):
            self.worker.turn(timeout)

    def close(self) -> None:
        if self.worker.broker.transport is not None:
            self.worker.broker.leave(self.worker.broker.transport)
        if self.worker.acceptor.link is not None:
            self.worker.acceptor.leave(self.worker.acceptor.link)
        for connection in self.worker.connections.values():
            connection.sock.close()


@pytest.fixture
def worker(supervisor: Supervisor) -> Iterator[WorkerTurns]:
    it = WorkerTurns(supervisor)
    yield it
    it.close()


@pytest.mark.parametrize(
    ("message", "descriptors"),
    [
        (("nonsense",), 0),
        ((), 0),
        (("synced", 1), 0),
        (("synced",), 1),
        (("client", CLIENT, "irc", HOST, False), 0),
        (("client", CLIENT, "irc", HOST, False), 2),
        (("client", "1", "irc", HOST, False), 1),
        (("client", CLIENT, True, HOST, False), 1),
        (("client", CLIENT, "gopher", HOST, False), 1),
        (("client", CLIENT, "irc", HOST, 0), 1),
        (("client", CLIENT, "irc", HOST), 1),
    ],
)
def test_a_worker_and_an_acceptor_that_misbehaves(
    worker: WorkerTurns, stack: contextlib.ExitStack, message: tuple[Any, ...], descriptors: int
) -> None:
    sock = stack.enter_context(socket.socket())
    worker.acceptor.post(("synced",))
    worker.acceptor.post(message, fds=(sock.fileno(),) * descriptors)
    worker.turn()
    assert worker.supervisor.accused() == ["acceptor"]
    assert worker.worker.acceptor.link is None
    assert worker.worker.acceptor.synced, "what it had said before counts"
    worker.acceptor = worker.supervisor.connect("acceptor")
    worker.turn()
    worker.acceptor.post(("client", CLIENT, "irc", HOST, False), fds=(sock.fileno(),))
    worker.turn()
    assert list(worker.worker.connections) == [CLIENT]
    assert worker.supervisor.accused() == []


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_workers_socket_is_of_the_family_that_it_is_of(
    worker: WorkerTurns, stack: contextlib.ExitStack, family: int
) -> None:
    try:
        sock = stack.enter_context(socket.socket(family))
    except OSError as error:
        pytest.skip(f"this system has no such sockets: {error}")
    worker.acceptor.post(("client", CLIENT, "irc", HOST, False), fds=(sock.fileno(),))
    worker.turn()
    assert worker.worker.connections[CLIENT].sock.family == family


def test_a_dead_acceptors_link_need_not_end(worker: WorkerTurns, stack: contextlib.ExitStack) -> None:
    """Its descriptor may still be on its way to somebody: what it had said counts, and its successor is heard."""
    copy = stack.enter_context(socket.socket(fileno=os.dup(worker.acceptor.fileno())))
    worker.acceptor.post(("synced",))
    worker.acceptor.close()
    worker.acceptor = worker.supervisor.connect("acceptor")
    worker.worker.on_control()  # before it has looked at the old one
    assert worker.worker.acceptor.synced
    assert worker.worker.acceptor.link is not None
    copy.close()
    assert [message for message, _ in worker.acceptor.take()] == [("all",)]


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        ("nonsense",),
        (),
        7,
        None,
        ("items", 1, 0, 0),
        ("items", "1", 0, 0, []),
        ("items", 1, 0, 0, None),
        ("items", 2, 0, 0, []),  # a gap
        ("items", 10**5000, 0, 0, []),  # str() would refuse that number
        ("state", 10**30, [], []),
        ("items", 1, 0, 0, [("nonsense", 1)]),
        ("items", 1, 0, 0, [("end",), ("end", 1)]),
        ("items", 1, 0, 0, [7]),
        ("items", 1, 0, 0, [()]),
        ("items", 1, 0, 0, [("cast", 1, b"hola", 0)]),
        ("items", 1, 0, 0, [(["open"], 1)]),
        ("state", 0, [(CLIENT, 0, "", False)], []),
        ("state", 0, [], [(1, 2)]),
        ("state", 0, [], [(1, ("x",))]),
        ("state", 0, []),
        ("go", [(CLIENT, 0, 0)]),
        ("go", 7),
    ],
)
def test_a_worker_and_a_broker_that_misbehaves(worker: WorkerTurns, message: Any) -> None:
    """It keeps its place in the stream, and says it to the next one."""
    worker.broker.put(message)
    worker.turn()
    stream = worker.worker.broker
    assert worker.supervisor.accused() == ["broker"]
    assert stream.transport is None
    is_good_before = message == ("items", 1, 0, 0, [("end",), ("end", 1)])
    assert stream.position == is_good_before
    broker = worker.supervisor.transport(2, to="worker")
    worker.turn()
    broker.put(("items", 1 + is_good_before, 0, 0, [("open", CLIENT)]))
    worker.turn()
    assert stream.position == 1 + is_good_before
    assert worker.supervisor.accused() == []


def test_a_worker_and_frames_that_do_not_end(worker: WorkerTurns) -> None:
    """Nonsense may look like the beginning of a large frame: what comes behind it must not be swallowed for ever."""
    os.write(worker.broker._sink._writer.fileno(), b"\0\0\x40\0nonsense")
    os.write(worker.acceptor.fileno(), b"\0\0\x40\0nonsense")
    worker.turn()
    for _ in range(5):
        worker.worker.look(most=3)
    assert worker.supervisor.accused() == [], "they have not turned: they may be waiting for the disk"
    for _ in range(3):
        turned(worker.worker.scoreboard)
        worker.worker.look(most=3)
    assert worker.supervisor.accused() == ["broker", "acceptor"]
    assert (worker.worker.broker.transport, worker.worker.acceptor.link) == (None, None)


def test_what_a_worker_cannot_do_with_a_right_item_is_its_own_fault(worker: WorkerTurns) -> None:
    """Another broker would send it once more, and be called a liar too."""
    worker.broker.put(("items", 1, 0, 0, [("leave", 1, CLIENT)]))
    with pytest.raises(KeyError):
        worker.turn()
    assert worker.supervisor.accused() == []


def test_a_worker_does_not_go_on_with_a_supervisor_that_misbehaves(worker: WorkerTurns) -> None:
    worker.supervisor.link.post(("nonsense",))
    with pytest.raises(UnknownMessage, match="nonsense"):
        worker.turn()


# A broker


class BrokerTurns:
    """A broker, a turn at a time; what nobody has sent yet is not waited for."""

    def __init__(self, supervisor: Supervisor, folder: Path) -> None:
        self.supervisor = supervisor
        settings = Settings(workers=1, data=str(folder))
        log = Log("broker", "error", False)
        self.broker = Broker(supervisor.control, log, settings, Scoreboard.make(FEW_ROWS), Secrets(), False)
        self.broker.poller.watch(supervisor.control)
        self.broker.open_recovery()
        self.broker.replay_and_begin(is_first=True, skip=0)
        self.worker = supervisor.transport(0, 1, to="broker")
        self.turn()
        self.recorder = supervisor.connect("link", 0)
        self.authenticator = supervisor.connect("authenticator")
        self.turn()

    def hear_accounts(self) -> None:
        """Before that, no client is admitted."""
        self.authenticator.post(("accounts", [], []))
        self.turn()
        assert [said for said, _ in self.authenticator.take()] == [("heard",)]
        turned(self.broker.scoreboard)
        self.broker.look()  # at a link on which all has come whole

    def turn(self) -> None:
        """What came first may be a message that has descriptors with it; such a one is read alone."""
        for timeout in (PATIENCE, 0, 0):
            self.broker.listen(timeout)
            self.broker.work()

    def close(self) -> None:
        self.broker.streams.leave(0)
        self.broker.history_client.close()
        self.broker.authenticator_client.leave_authenticator()


@pytest.fixture
def broker(supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokerTurns]:
    monkeypatch.chdir(tmp_path)  # a broker works in its data directory
    it = BrokerTurns(supervisor, tmp_path)
    it.hear_accounts()
    yield it
    it.close()


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        ("nonsense",),
        (),
        7,
        None,
        ("batch", 0, 0),
        ("batch", 0, 0, None),
        ("batch", None, 0, []),
        ("batch", -1, 0, []),
        ("batch", 0, -1, []),
        ("checkpoint", 0, [], 7),
        ("checkpoint", 0, [(CLIENT, 0, b"")], []),
        ("checkpoint", 0, [(CLIENT, 0, "", 0)], []),
        ("checkpoint", 0, [], ["1"]),
        ("checkpoint", 1 << 40, [], []),
        ("checkpoint", -1, [], []),
        ("attach", 1 << 40),
        ("attach", None),
        ("attach", 10**5000),
        ("batch", 10**5000, 0, []),
        *(
            ("batch", 0, 0, [("line", CLIENT, 5, b"hola"), record])
            for record in (
                ("nonsense", CLIENT),
                ("nonsense", CLIENT, 5, b"hola"),
                ("line", CLIENT, 5, "hola"),
                ("line", CLIENT, "5", b"hola"),
                ("line", None, 5, b"hola"),
                ("line", CLIENT, True, b"hola"),
                ("line", CLIENT, 5),
                ("part", CLIENT, 5, True),
                ("overlong", CLIENT, 5, b""),
                (["line"], CLIENT, 5, b"hola"),
                {"line": 1, 2: 2, 3: 3, b"": b""},
                "line",
                7,
                (),
                ("open", 1, CLIENT, "irc", HOST, False),  # another worker's
                ("open", 0, CLIENT, "irc", None, False),
                ("open", 0, CLIENT, "irc", HOST),
                ("open", 0, CLIENT, "irc", HOST, 1),
                ("open", 0, CLIENT, False, HOST, False),
                ("open", 0, CLIENT, "gopher", HOST, False),
                ("open", 0, CLIENT, "irc", "\ud800", False),
                ("open", 0, 10**5000, "irc", HOST, False),
                ("gone", CLIENT, "\ud800"),
                ("gone", CLIENT, b"bye"),
                ("silent", CLIENT, 1),
                ("stop", "because"),  # a broker's own records
                ("start", (), 1, 0, 0, 0),
                ("clock", 0, 0),
                ("answer", CLIENT, True),
                ("again", CLIENT),
                ("skip", 1, CLIENT),
                ("full", (CLIENT,)),
            )
        ),
    ],
)
def test_a_broker_and_a_worker_that_misbehaves(broker: BrokerTurns, message: Any) -> None:
    """Nothing of the batch has happened, nor is it in the journal: the core could not have dealt with it."""
    journal = broker.broker.recovery.position
    broker.worker.put(message)
    broker.turn()
    assert broker.supervisor.accused() == ["worker0"]
    assert broker.broker.streams.ended
    assert not broker.broker.pending
    assert broker.broker.recovery.position == journal
    other = broker.supervisor.transport(0, 2, to="broker")
    broker.turn()
    other.put(("attach", -1))
    broker.turn()
    other.put(("batch", 0, 0, [("open", 0, CLIENT, "irc", HOST, False), ("line", CLIENT, 5, b"PING hola")]))
    broker.turn()
    assert broker.broker.recovery.core.dealt_with(CLIENT) == 5
    assert broker.supervisor.accused() == []


@pytest.mark.parametrize(
    "message",
    [
        ("nonsense",),
        (),
        ("idle",),
        ("idle", "0"),
        ("rows", CLIENT, 5),
        ("rows", CLIENT, 5, "too late"),
        ("rows", CLIENT, 5, [(1, 2, "#lobby", "ana", "PRIVMSG")]),
        ("rows", CLIENT, 5, [(1, 2, "#lobby", "ana", "PRIVMSG", b"hola")]),
    ],
)
def test_a_broker_and_a_recorder_that_misbehaves(broker: BrokerTurns, message: tuple[Any, ...]) -> None:
    """What had been asked is asked of the next one; an answer that came before that is one."""
    history_client = broker.broker.history_client
    history_client.ask(CLIENT, 5, PastAsked("#lobby", 0, "LATEST", (), 10))
    history_client.ask(CLIENT + 1, 5, PastAsked("#lobby", 0, "LATEST", (), 10))
    broker.recorder.post(("rows", CLIENT + 1, 5, []))
    broker.recorder.post(message)
    broker.turn()
    assert list(history_client._open) == [(CLIENT, 5)], "the other one is answered"
    assert broker.supervisor.accused() == ["recorder"]
    assert history_client.recorder is None
    other = broker.supervisor.connect("link", 0)
    broker.turn()
    assert [message[2] for message, _ in other.take() if message[0] == "history"] == [CLIENT]


def test_a_broker_and_frames_that_do_not_end(broker: BrokerTurns) -> None:
    os.write(broker.worker._sink._writer.fileno(), b"\0\0\x40\0nonsense")
    os.write(broker.recorder.fileno(), b"\0\0\x40\0nonsense")
    broker.turn()
    for _ in range(most_looks(SETTINGS.hang_limit)):
        assert broker.supervisor.accused() == []
        turned(broker.broker.scoreboard)
        broker.broker.look()
    assert broker.supervisor.accused() == ["worker0", "recorder"]
    assert (broker.broker.streams.ended, broker.broker.history_client.recorder) == (True, None)


@pytest.mark.parametrize("message", [("nonsense",), ("link", 0)])
def test_a_broker_does_not_go_on_with_a_supervisor_that_misbehaves(
    broker: BrokerTurns, message: tuple[Any, ...]
) -> None:
    broker.supervisor.link.post(message)
    with pytest.raises(UnknownMessage, match=message[0]):
        broker.turn()


# A recorder


@pytest.fixture
def recorder(supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.chdir(tmp_path)
    settings = Settings(workers=1, data=str(tmp_path))
    log, scoreboard = Log("recorder", "error", False), Scoreboard.make(FEW_ROWS)
    it = Recorder(supervisor.control, log, settings, scoreboard, claim(tmp_path))
    yield it
    if it.broker is not None:
        it.leave(it.broker)


@pytest.mark.parametrize(
    "message",
    [
        ("nonsense",),
        (),
        ("grown", 1),
        ("history", 0, CLIENT, 5, "#lobby", 0, "LATEST", ()),
        ("history", 0, CLIENT, 5, "#lobby", 0, "LATEST", (), 0),
        ("history", 0, CLIENT, 5, "#lobby", 0, "FIRST", (), 10),
        ("history", 0, CLIENT, 5, "#lobby", 0, "BETWEEN", (("time", 1),), 10),
        ("history", 0, CLIENT, 5, "#lobby", 0, "BEFORE", (("msgid", 1),), 10),
        ("history", 0, CLIENT, 5, "#lobby", 0, "BEFORE", (("time", -1),), 10),
        ("targets", 0, CLIENT, 5, (("#lobby",),), 0, 1, 10),
        ("targets", 0, CLIENT, 5, (("#lobby", 0),), 0, 1, 0),
        ("history", 0, CLIENT, 5, b"#lobby", 0, "LATEST", (), 10),
        ("search", 0, CLIENT, 5, "hola", (), "", 0, 1, 10),
        ("search", 0, CLIENT, 5, "hola", (("#lobby", 0), ("#club",)), "", 0, 1, 10),
        ("search", 0, CLIENT, 5, b"hola", (("#lobby", 0),), "", 0, 1, 10),
    ],
)
def test_a_recorder_and_a_broker_that_misbehaves(
    supervisor: Supervisor, recorder: Recorder, message: tuple[Any, ...]
) -> None:
    broker = supervisor.connect("broker")
    recorder.on_control()
    assert recorder.broker is not None
    broker.post(("history", 0, CLIENT, 5, "#lobby", 0, "LATEST", (), 10))
    broker.post(("search", 0, CLIENT, 9, "hola", (("#lobby", 0),), "", 0, 1, 10))
    recorder.on_broker(recorder.broker, writable=False)
    assert (len(recorder.queries), len(recorder.searches)) == (1, 1)
    assert supervisor.accused() == []
    broker.post(message)
    recorder.on_broker(recorder.broker, writable=False)
    assert supervisor.accused() == ["broker"]
    assert recorder.broker is None
    broker = supervisor.connect("broker")
    recorder.on_control()
    assert recorder.broker is not None
    broker.post(("grown",))
    recorder.on_broker(recorder.broker, writable=False)
    assert supervisor.accused() == []


def test_a_recorder_and_a_frame_that_does_not_end(supervisor: Supervisor, recorder: Recorder) -> None:
    broker = supervisor.connect("broker")
    recorder.on_control()
    assert recorder.broker is not None
    os.write(broker.fileno(), b"\0\0\x40\0nonsense")
    recorder.on_broker(recorder.broker, writable=False)
    for _ in range(most_looks(SETTINGS.hang_limit)):
        assert supervisor.accused() == []
        turned(recorder.scoreboard)
        recorder.look()
    assert supervisor.accused() == ["broker"]
    assert recorder.broker is None


def test_a_recorder_does_not_go_on_with_a_supervisor_that_misbehaves(
    supervisor: Supervisor, recorder: Recorder
) -> None:
    supervisor.link.post(("nonsense",))
    with pytest.raises(UnknownMessage, match="nonsense"):
        recorder.on_control()


# An authenticator


@pytest.mark.parametrize(
    "message",
    [
        ("nonsense",),
        (),
        ("accounts", ["ana"]),
        ("accounts", ["ana", 7], []),
        ("accounts", ["\ud800"], []),
        ("accounts", (), ("PLAIN",)),
        ("no accounts", "ana"),
        ("verdict", CLIENT, 5, None),
        ("verdict", CLIENT, 5, ("in",)),
        ("verdict", CLIENT, 5, ("out", "ana")),
        ("verdict", CLIENT, 5, ("in", "\ud800")),
        ("verdict", "1", 5, ("in", "ana")),
    ],
)
def test_a_broker_and_an_authenticator_that_misbehaves(broker: BrokerTurns, message: tuple[Any, ...]) -> None:
    """What it had said before counts, and its successor is asked what it has not answered."""
    client = broker.broker.authenticator_client
    client.ask(CLIENT, 5, HOST, LoginAsked("ana"), "secret")
    client.ask(CLIENT + 1, 5, HOST, LoginAsked("ana"), "secret")
    broker.authenticator.post(("verdict", CLIENT, 5, ("wrong", "")))
    broker.authenticator.post(message)
    broker.turn()
    assert broker.supervisor.accused() == ["authenticator"]
    assert client.authenticator is None
    asked = [("login", CLIENT + number, 5, HOST, "ana", "secret") for number in range(2)]
    assert [said for said, _ in broker.authenticator.take()] == asked
    broker.authenticator = broker.supervisor.connect("authenticator")
    broker.turn()
    assert [said for said, _ in broker.authenticator.take()] == asked[1:]
    assert broker.supervisor.accused() == []


def test_a_broker_and_an_authenticators_frame_that_does_not_end(broker: BrokerTurns) -> None:
    os.write(broker.authenticator.fileno(), b"\0\0\x40\0nonsense")
    broker.turn()
    for _ in range(most_looks(SETTINGS.hang_limit)):
        assert broker.supervisor.accused() == []
        turned(broker.broker.scoreboard)
        broker.broker.look()
    assert broker.supervisor.accused() == ["authenticator"]


@pytest.fixture
def authenticator(supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authenticator]:
    monkeypatch.chdir(tmp_path)
    settings = Settings(workers=1, data=str(tmp_path))
    log, scoreboard = Log("authenticator", "error", False), Scoreboard.make(FEW_ROWS)
    it = Authenticator(supervisor.control, log, settings, scoreboard, claim(tmp_path))
    it.see_to_files(0.0)
    yield it
    if it.broker is not None:
        it.leave(it.broker)
    assert it.accounts is not None
    it.accounts.close()
    it.derivation.close()


@pytest.mark.parametrize(
    "message",
    [
        ("nonsense",),
        (),
        ("heard", 1),
        ("login", CLIENT, 5, HOST, "ana"),
        ("login", CLIENT, 5, HOST, "ana", b"secret"),
        ("register", CLIENT, None, HOST, "ana", "secret"),
        ("sasl", CLIENT, 5, HOST, "PLAIN", 1, "+"),
        ("forget", "1"),
    ],
)
def test_an_authenticator_and_a_broker_that_misbehaves(
    supervisor: Supervisor, authenticator: Authenticator, message: tuple[Any, ...]
) -> None:
    broker = supervisor.connect("broker")
    authenticator.on_control()
    assert authenticator.broker is not None
    broker.post(("login", CLIENT, 5, HOST, "ana", "secret"))
    broker.post(message)
    authenticator.on_broker(authenticator.broker, writable=False)
    assert supervisor.accused() == ["broker"]
    assert authenticator.broker is None
    assert len(authenticator.queue) == 1, "what it had said before counts"
    supervisor.connect("broker")
    authenticator.on_control()
    assert authenticator.broker is not None
    assert supervisor.accused() == []


def test_an_authenticator_and_a_frame_that_does_not_end(supervisor: Supervisor, authenticator: Authenticator) -> None:
    broker = supervisor.connect("broker")
    authenticator.on_control()
    assert authenticator.broker is not None
    os.write(broker.fileno(), b"\0\0\x40\0nonsense")
    authenticator.on_broker(authenticator.broker, writable=False)
    for _ in range(most_looks(SETTINGS.hang_limit)):
        assert supervisor.accused() == []
        turned(authenticator.scoreboard)
        authenticator.look()
    assert supervisor.accused() == ["broker"]
    assert authenticator.broker is None


def test_an_authenticator_does_not_go_on_with_a_supervisor_that_misbehaves(
    supervisor: Supervisor, authenticator: Authenticator
) -> None:
    supervisor.link.post(("nonsense",))
    with pytest.raises(UnknownMessage, match="nonsense"):
        authenticator.on_control()


# An acceptor, and a process that has no role yet


@pytest.fixture
def acceptor(supervisor: Supervisor) -> Iterator[Acceptor]:
    it = Acceptor(supervisor.control, Log("acceptor", "error", False), SETTINGS, Scoreboard.make(FEW_ROWS), {}, 1)
    yield it
    for kept in list(it.fd_stores[0]._kept):
        it.fd_stores[0]._drop(kept)
    if it.front is not None:
        it.leave_front(it.front)
    assert it.reserve is not None
    os.close(it.reserve)


def test_an_acceptor_does_not_go_on_with_a_supervisor_that_misbehaves(
    supervisor: Supervisor, acceptor: Acceptor
) -> None:
    """What a worker's nonsense does to an acceptor stands in tests/acceptor/test_fd_store.py."""
    supervisor.link.post(("nonsense",))
    with pytest.raises(UnknownMessage, match="nonsense"):
        acceptor.on_control()


@pytest.mark.parametrize(
    ("message", "descriptors"),
    [
        (("nonsense",), 0),
        ((), 0),
        (("client", 2, "irc", HOST, False), 0),
        (("client", 2, "irc", HOST, False), 2),
        (("client", "2", "irc", HOST, False), 1),
        (("client", 2, "gopher", HOST, False), 1),
        (("client", 2, "irc", "localhost", False), 1),
        (("client", 2, "irc", HOST, 0), 1),
        (("client", 2, "irc", HOST), 1),
    ],
)
def test_an_acceptor_and_a_front_that_misbehaves(
    supervisor: Supervisor,
    acceptor: Acceptor,
    stack: contextlib.ExitStack,
    message: tuple[Any, ...],
    descriptors: int,
) -> None:
    """What it had said before counts; its successor is heard."""
    sock = stack.enter_context(socket.socket())
    front = supervisor.connect("front")
    acceptor.on_control()
    acceptor.begin_accepting()
    (store,) = acceptor.fd_stores
    for token, (about, fds) in enumerate([(("client", 1, "irc", HOST, False), 1), (message, descriptors)]):
        front.post(about, fds=(sock.fileno(),) * fds)
        assert acceptor.front is not None
        acceptor.on_front(acceptor.front, True, False)
        assert supervisor.accused() == ["front"] * token
    assert (acceptor.front, len(store)) == (None, 1)
    assert [each for each, _ in front.take()] == [("taken", 1)]
    front = supervisor.connect("front")
    acceptor.on_control()
    front.post(("client", 1, "irc", HOST, False), fds=(sock.fileno(),))
    assert acceptor.front is not None
    acceptor.on_front(acceptor.front, True, False)
    assert (supervisor.accused(), len(store)) == ([], 2)


def test_a_client_that_the_front_hands_over_again_is_not_taken_twice(
    supervisor: Supervisor, acceptor: Acceptor, stack: contextlib.ExitStack
) -> None:
    """The workers have told a new acceptor of those whom the dead one had passed on."""
    passed_on, lost = stack.enter_context(socket.socket()), stack.enter_context(socket.socket())
    (store,) = acceptor.fd_stores
    store._keep(ConnectionId(7), os.dup(passed_on.fileno()), "irc", HOST, True)
    front = supervisor.connect("front")
    acceptor.on_control()
    acceptor.begin_accepting()
    for token, sock in enumerate((passed_on, lost), 1):
        front.post(("client", token, "irc", HOST, True), fds=(sock.fileno(),))
        assert acceptor.front is not None
        acceptor.on_front(acceptor.front, True, False)
    assert [each for each, _ in front.take()] == [("taken", 1), ("taken", 2)]
    assert [secure for _, _, _, secure in store._kept.values()] == [True, True]


def test_a_spare_does_not_go_on_with_a_supervisor_that_misbehaves(supervisor: Supervisor) -> None:
    supervisor.link.post(("nonsense",))
    with pytest.raises(UnknownMessage, match="nonsense"):
        first_minute._wait_for_work(supervisor.control, Scoreboard.make(FEW_ROWS))


# The supervisor


def unread() -> Read:
    raise Rejected("no one has asked for it")


class Family:
    """A supervisor whose children do nothing; what they say to it, the test says."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        settings = Settings(workers=1, data="/nowhere")
        self.supervisor = parent.Supervisor(settings, Secrets(), Path("/nowhere"), dict, unread)
        self.supervisor.reloading = Reloading(unread)
        stack.callback(self.supervisor.reloading.close)
        self.supervisor.log = log = Log("supervisor", "error", False)
        self.supervisor.selector = selector = stack.enter_context(selectors.DefaultSelector())
        self.supervisor.monitoring = Monitoring(lambda event: None)
        self.supervisor.children = Children(
            settings, Secrets(), log, selector, None, [], [], dict, self.supervisor.on_message, None, None
        )
        self.by_role: dict[str, Child] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.controls: dict[str, Link[Any]] = {}  # the children's ends
        for role in (*self.supervisor.children.vacant, SPARE):
            self._bear(role, stack)
        self.supervisor.children.vacant.clear()

    def _bear(self, role: str, stack: contextlib.ExitStack) -> None:
        ours, theirs = Link.pair()
        process = self.processes[role] = subprocess.Popen(["sleep", "60"])
        child = self.by_role[role] = Child(process, Link(ours), role)
        self.controls[role] = Link[Any](theirs)
        self.supervisor.selector.register(child.link, selectors.EVENT_READ)
        if role == SPARE:
            self.supervisor.children.unassigned.append(child)
        else:
            self.supervisor.children.by_role[role] = child
        for undo in (process.wait, process.kill, child.link.close, self.controls[role].close):
            stack.callback(undo)

    def hear(self, role: str) -> None:
        self.supervisor.on_message(self.by_role[role])

    def ended(self) -> list[str]:
        """Who has been killed, as one that crashed."""
        ended = [role for role, child in self.by_role.items() if child.condemned is Death.CRASHED]
        assert all(self.processes[role].wait(PATIENCE) == -signal.SIGKILL for role in ended)
        return ended


@pytest.fixture
def family(stack: contextlib.ExitStack) -> Family:
    return Family(stack)


ROLES = ["broker", "worker0", "acceptor", "recorder", "authenticator", SPARE]


@pytest.mark.parametrize(
    ("role", "message"),
    [
        *((role, ("nonsense",)) for role in ROLES),
        *((role, ()) for role in ROLES),
        ("worker0", ("ready", 1)),
        ("broker", ("opened", "1")),
        ("worker0", ("damaged", "all of it")),  # it has no data
        ("worker0", ("misbehaves", "recorder", "it never answers")),  # nor does it work with a recorder
        ("worker0", ("misbehaves", "broker")),
        ("recorder", ("misbehaves", "worker0", "it never asks")),
        ("authenticator", ("misbehaves", "recorder", "it never asks")),
        (SPARE, ("misbehaves", "broker", "it gives me nothing to do")),
    ],
)
def test_a_supervisor_and_a_child_that_misbehaves(family: Family, role: str, message: tuple[Any, ...]) -> None:
    """It is killed; what it had said before counts, and what it says later is not heard."""
    child = family.by_role[role]
    for each in (("here",), message, ("ready",)):
        family.controls[role].post(each)
    family.hear(role)
    assert family.ended() == [role]
    assert (child.here, child.ready) == (True, False)
    family.hear(role)
    assert not child.ready
    assert child.link not in family.supervisor.selector.get_map()


@pytest.mark.parametrize(
    ("role", "peer"),
    [
        ("worker0", "broker"),
        ("broker", "worker0"),
        ("worker0", "acceptor"),
        ("acceptor", "worker0"),
        ("broker", "recorder"),
        ("recorder", "broker"),
        ("broker", "authenticator"),
        ("authenticator", "broker"),
    ],
)
def test_a_supervisor_and_a_child_that_accuses_another(family: Family, role: str, peer: str) -> None:
    family.controls[role].post(("misbehaves", peer, "an unknown message"))
    family.hear(role)
    assert family.ended() == [peer]
