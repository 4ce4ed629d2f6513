"""What transport.py promises, of each transport that there is, and of one that lies outside of the project."""

from __future__ import annotations

import gc
import os
import pickle
import select
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc import pipe_transport, queue_transport
from mpchat.ipc.frames import FRAME_BYTES
from mpchat.ipc.link import Link
from mpchat.ipc.transport import NoTransport, Transport, TransportPair, dump_pair, find, load_pair
from mpchat.messages import BadFrame
from tests.ipc import own_transport
from tests.ipc.ends import PATIENCE, both_ends, close, turn, write
from tests.system.servers import needs_linux

_SPAWN = get_context("spawn")
_PAIRS: list[type[TransportPair]] = [queue_transport.Pair, pipe_transport.Pair, own_transport.Pair]  # mypy looks at it

FLOOD = [(number, os.urandom(256) * 1000) for number in range(40)]  # 10 MB: a pipe takes 64 KiB, or a few times that


@pytest.fixture(params=["queue", "pipe", "file"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> TransportPair:
    """Made by this process. Of a file that is gone again: what was read of it travels along."""
    if request.param != "file":
        return find(request.param).make()
    file = tmp_path / "own transport.py"
    shutil.copy(own_transport.__file__, file)
    made = find(str(file)).make()
    assert type(made) is not own_transport.Pair
    file.unlink()
    return made


@pytest.fixture
def ends(pair: TransportPair) -> Iterator[tuple[Transport[Any], Transport[Any]]]:
    """Both in this process."""
    ends = both_ends(pair)
    yield ends
    for end in ends:
        close(end)


def frame(value: object) -> bytes:
    body = pickle.dumps(value)
    return struct.pack("!i", len(body)) + body


def test_a_message_is_put_together_byte_by_byte(ends: tuple[Transport[Any], Transport[Any]]) -> None:
    one, other = ends
    messages = []
    for number in range(3):
        write(one, b"", frames=1)
        for byte in frame(("message", number)):
            write(one, bytes([byte]))
            messages += other.take()
    assert messages == [("message", 0), ("message", 1), ("message", 2)]


def test_many_messages_in_one_read(ends: tuple[Transport[Any], Transport[Any]]) -> None:
    write(ends[0], b"".join(frame(number) for number in range(100)), frames=100)
    assert ends[1].take() == list(range(100))


def test_nothing_there_is_no_reason_to_wait(ends: tuple[Transport[Any], Transport[Any]]) -> None:
    for end in ends:
        assert end.take() == []
        assert not end.ended
        assert not end.unsent
        end.flush()


def test_a_peer_that_has_closed_is_the_end_behind_what_it_had_put(pair: TransportPair) -> None:
    """What it had begun is lost."""
    one, other = both_ends(pair)
    write(one, frame("whole") + frame("torn")[:-1], frames=1)
    close(one)
    assert turn(other) == [["whole"]]
    assert not other.ended
    for _ in range(100):
        other.put(b"x" * 10_000)
    while not other.ended:
        assert turn(other) == [[]]
    other.put("nobody reads this")
    other.flush()
    close(other)


@pytest.mark.parametrize(
    "data",
    [
        frame(Path("/")),
        struct.pack("!i", 3) + b"???",
        struct.pack("!i", 0),
        frame("whole")[:-1] + b"x",
        struct.pack("!i", -1),
        struct.pack("!i", -(1 << 31)),
        struct.pack("!i", FRAME_BYTES + 1),
    ],
    ids=["a class", "no pickle", "nothing", "another end", "-1", "a negative length", "a length too large"],
)
def test_what_is_no_message_is_a_bad_frame_and_the_end(
    ends: tuple[Transport[Any], Transport[Any]], data: bytes
) -> None:
    write(ends[0], data, frames=1)
    with pytest.raises(BadFrame):
        ends[1].take()
    assert ends[1].ended


def test_a_message_that_does_not_end_is_found(ends: tuple[Transport[Any], Transport[Any]]) -> None:
    one, other = ends
    write(one, b"\0\0\x40\0nonsense")
    assert other.take() == []
    for _ in range(3):
        other.look(most=0)
        one.look(most=1)
    with pytest.raises(BadFrame, match="does not end"):
        other.look(most=1)


def test_both_directions_are_filled_at_once(ends: tuple[Transport[Any], Transport[Any]]) -> None:
    """Far beyond what the system takes, before anything is read: put() has not waited, and nothing is lost."""
    for end in ends:
        for message in FLOOD:
            end.put(message)
    received: list[list[Any]] = [[], []]
    while any(len(each) < len(FLOOD) for each in received):
        for all_of_it, new in zip(received, turn(*ends), strict=True):
            all_of_it += new
    assert received == [FLOOD, FLOOD]
    assert not any(end.unsent for end in ends)


@needs_linux
def test_nothing_is_left_open(pair: TransportPair) -> None:
    """But what this process had before the pair was made."""
    gc.collect()
    ours = len(os.listdir("/proc/self/fd"))
    made = type(pair).make()
    made_fds = len(os.listdir("/proc/self/fd")) - ours
    ends = both_ends(made)
    del made
    for end in ends:
        end.put("hello")
    received: list[list[Any]] = [[], []]
    while received != [["hello"], ["hello"]]:
        for all_of_it, new in zip(received, turn(*ends), strict=True):
            all_of_it += new
    for end in ends:
        close(end)
    del ends, end
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == ours
    pair.let_go()
    assert len(os.listdir("/proc/self/fd")) == ours - made_fds


# With another process at the other end


def _flood_and_echo(link: Link[Any]) -> None:
    """The other process: puts a flood of its own, and gives back what it gets."""
    select.select([link], [], [], PATIENCE)
    message = link.take_one()
    assert message is not None
    (pickled,), fds = message
    end = load_pair(pickled, fds).at_worker()
    link.post(("opened",))
    for each in FLOOD:
        end.put(each)
    while not end.ended:
        for messages in turn(end):
            for each in messages:
                end.put(each)
    os._exit(0)


class Other:
    """This process as the broker, and another as the worker, which was running before the pair was made."""

    def __init__(self, pair: TransportPair) -> None:
        ours, theirs = map(Link[Any], Link.pair())
        self.process: SpawnProcess = _SPAWN.Process(target=_run, args=(theirs._sock,), daemon=True)
        self.process.start()
        theirs.close()
        data, fds = dump_pair(pair)
        ours.post((data,), fds=fds)
        self.end = load_pair(data, [os.dup(fd) for fd in fds]).at_broker()
        assert select.select([ours], [], [], PATIENCE)[0]
        assert ours.take() == [(("opened",), [])]
        pair.let_go()
        ours.close()
        self.received: list[Any] = []

    def read(self, count: int) -> None:
        """Take until so many messages have come, or the other is gone."""
        while len(self.received) < count and not self.end.ended:
            [new] = turn(self.end)
            self.received += new


def _run(sock: Any) -> None:
    _flood_and_echo(Link(sock))


@pytest.fixture
def other(pair: TransportPair) -> Iterator[Other]:
    it = Other(pair)
    yield it
    it.process.kill()
    it.process.join()
    close(it.end)


def test_two_processes_flood_each_other(other: Other) -> None:
    for number in range(1000):
        other.end.put((number, b"x" * (number % 100)))
    for message in FLOOD:
        other.end.put(message)
    other.read(len(FLOOD) + 1000 + len(FLOOD))
    small = [(number, b"x" * (number % 100)) for number in range(1000)]
    theirs, echoes = other.received[: len(FLOOD)], other.received[len(FLOOD) :]
    assert [number for number, _ in theirs] == [number for number, _ in FLOOD], "it has random bytes of its own"
    assert echoes == [*small, *FLOOD]


def test_a_killed_peer_is_the_end_and_putting_to_it_is_harmless(other: Other) -> None:
    """In the middle of its flood: what is torn is no message."""
    other.read(1)
    os.kill(other.process.pid or 0, signal.SIGKILL)
    other.read(2 * len(FLOOD))
    assert other.end.ended
    assert [number for number, _ in other.received] == list(range(len(other.received)))
    for _ in range(100):
        other.end.put(b"x" * 10_000)
    other.end.flush()


# A file that is none


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda text: "def Pair(:", r"SyntaxError: .*"),
        (lambda text: "\nimport nothing_of_this_name\n", r", line 2: ModuleNotFoundError: .*"),
        (lambda text: "raise SystemExit(3)", r", line 1: SystemExit: 3"),
        (lambda text: "", r" defines no class with the name Pair"),
        (lambda text: "Pair = 7", r" defines no class with the name Pair"),
        (lambda text: text.replace("def at_broker", "def at_the_broker"), r": its Pair has no at_broker\(\)"),
        (lambda text: text.replace("socket.socketpair()", "{}[1]"), r", line \d+: KeyError: 1"),
        (
            lambda text: text.replace("self._worker, ", "self.x, self._worker, ").replace(
                " = worker", " = (lambda: 0), worker"
            ),
            r".*: .*pickle.*",
        ),
        (lambda text: text + "\x00", r".*: .*"),
    ],
)
def test_a_file_that_is_no_transport(tmp_path: Path, edit: Callable[[str], str], why: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(edit(Path(own_transport.__file__).read_text()))
    with pytest.raises(NoTransport, match=rf"^{file}(: )?{why}$"):
        find(str(file))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoTransport, match="No such file"):
        find(str(tmp_path / "mine.py"))
    with pytest.raises(NoTransport, match="Is a directory"):
        find(str(tmp_path))
