"""Nine channels between this process and another one: round trips and throughput, in short slices of time, in turn."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from statistics import median

from mpchat.lab.e05_which_ipc.ladder import LARGEST, End, Rung, rungs
from mpchat.lab.lab import Lab
from mpchat.monitor import measuring

SIZES = (100, 4096, LARGEST)
_ROUNDS = 5
_SLICE_SECONDS = 0.02
_WAIT_SECONDS = 0.3
_MOST_MESSAGES, _MOST_BYTES = 500, 2 << 20  # under way before an answer is waited for: an unbounded queue would grow
_ECHO, _SINK = b"e", b"s"  # the first byte of a message: is it to be answered?


class _Channel:
    """A rung, with a process at its other end that answers."""

    def __init__(self, lab: Lab, rung: Rung) -> None:
        self.rung = rung
        self.end, other = rung.make(lab.context)
        self.process = lab.process(_answer, other)
        assert self.process.pid is not None
        self.pid = self.process.pid
        self.round_trips: dict[int, list[float]] = {size: [] for size in SIZES}  # us
        self.per_second: dict[int, list[float]] = {size: [] for size in SIZES}

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Whoever waits by spinning is stopped while it is not its turn: it would take a core from the others."""
        if self.rung.spins:
            os.kill(self.pid, signal.SIGCONT)
        yield
        if self.rung.spins:
            os.kill(self.pid, signal.SIGSTOP)

    @contextlib.contextmanager
    def on_one_core(self) -> Iterator[None]:
        """Only one of the threads that take part runs at a time, so one core is enough for all, unless one spins.

        Else the scheduler chooses, for some seconds at a time, and to wake another core takes five times as long as all
        that is to be compared here.
        """
        if self.rung.spins or not hasattr(os, "sched_setaffinity"):
            yield
            return
        before = os.sched_getaffinity(0)
        self._run_on({min(before)})
        try:
            yield
        finally:
            self._run_on(before)

    def _run_on(self, cores: set[int]) -> None:
        """Every thread: a queue is fed by one of its own, and a manager has one for each of its clients."""
        for pid in (os.getpid(), self.pid, *self.rung.between_pids):
            for thread in _threads(pid):
                with contextlib.suppress(ProcessLookupError):  # it has ended since
                    os.sched_setaffinity(thread, cores)


def _threads(pid: int) -> list[int]:
    """Those of a process (sched_setaffinity(2) takes one thread at a time); without /proc the first alone."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return [pid]


def _answer(end: End) -> None:
    while True:
        message = end.recv()
        if message[:1] == _ECHO:
            end.send(message)


def run(lab: Lab) -> None:
    lab.tell("start")
    channels = list(_channels(lab))
    for channel in channels:
        _round_trips(channel.end, SIZES[0], 0.0)  # its process is there
        if channel.rung.spins:
            os.kill(channel.pid, signal.SIGSTOP)
    lab.tell("waiting")
    _wait(lab, channels)
    lab.tell("rounds")
    for _ in range(_ROUNDS):
        for size in SIZES:
            for channel in channels:
                with channel.awake():
                    with channel.on_one_core():
                        channel.round_trips[size].append(_round_trips(channel.end, size, _SLICE_SECONDS))
                    channel.per_second[size].append(_throughput(channel.end, size, _SLICE_SECONDS))
    for channel in channels:
        key = channel.rung.key
        for size in SIZES:
            lab.measured[f"{key}_us_{size}"] = median(channel.round_trips[size])
            lab.measured[f"{key}_per_second_{size}"] = median(channel.per_second[size])
        channel.process.kill()
        channel.process.join()
        channel.rung.close()
    lab.measured["costs"] = [
        [each.key, each.copies, each.system_calls, each.is_pickled, each.between] for each in rungs()
    ]
    _compare(lab)


def _channels(lab: Lab) -> Iterator[_Channel]:
    """One for each rung that this machine has."""
    for rung in rungs():
        names = [f"{rung.key}_{what}_{size}" for what in ("us", "per_second") for size in SIZES]
        if rung.spins and _cores() < 2:
            lab.skip(*names, why="one_core")  # each turn of the spinning one would last until the other's time is up
            continue
        try:
            channel = _Channel(lab, rung)
        except OSError as error:
            lab.skip(*names, why="no_rung", error=str(error))
            continue
        yield channel


def _cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _round_trips(end: End, size: int, seconds: float) -> float:
    """Microseconds of one: the median of so many seconds, which a few that another program delays do not move."""
    message = _ECHO * size
    times: list[float] = []
    now = time.perf_counter()
    deadline = now + seconds
    while True:
        began = now
        end.send(message)
        end.recv()
        now = time.perf_counter()
        times.append(now - began)
        if now >= deadline:
            return median(times) * 1e6


def _throughput(end: End, size: int, seconds: float) -> float:
    """Messages in a second, one way; an answer is waited for after many only, so that both processes work at once."""
    message, last = _SINK * size, _ECHO * size
    most = min(_MOST_MESSAGES, _MOST_BYTES // size)
    count, began = 0, time.perf_counter()
    while True:
        for sent in range(1, most):
            end.send(message)
            if sent % 16 == 0 and time.perf_counter() - began >= seconds:
                break
        end.send(last)
        end.recv()
        count += sent + 1
        took = time.perf_counter() - began
        if took >= seconds:
            return count / took


def _wait(lab: Lab, channels: list[_Channel]) -> None:
    """How much of a core a process uses that waits for a message, by spinning and in a system call."""
    for name, key in (("spinning", "memory"), ("blocked", "pipe")):
        found = [channel for channel in channels if channel.rung.key == key]
        if not found:
            lab.skip(f"{name}_cores", why="one_core")
            continue
        with found[0].awake():
            before, began = measuring.measure(found[0].pid), time.monotonic()
            time.sleep(_WAIT_SECONDS)
            after, took = measuring.measure(found[0].pid), time.monotonic() - began
        if before is None or after is None:
            lab.skip(f"{name}_cores", why="no_proc")
        else:
            lab.measured[f"{name}_cores"] = (after.cpu_seconds - before.cpu_seconds) / took


def _compare(lab: Lab) -> None:
    """Ratios, for the story; each is left out, with the reason, where one of its two values is."""
    small, large = SIZES[0], SIZES[-1]
    for name, above, below in (
        ("memory_times", f"pipe_us_{small}", f"memory_us_{small}"),
        ("connection_times", f"connection_us_{small}", f"pipe_us_{small}"),
        ("queue_times", f"queue_us_{small}", f"pipe_us_{small}"),
        ("manager_times", f"manager_us_{small}", f"queue_us_{small}"),
        ("large_times", f"pipe_us_{large}", f"seqpacket_us_{large}"),
        ("manager_slower", f"queue_per_second_{small}", f"manager_per_second_{small}"),
    ):
        missing = [each for each in (above, below) if each in lab.skipped]
        if missing:
            lab.skipped[name] = lab.skipped[missing[0]]
        else:
            lab.measured[name] = lab.measured[above] / lab.measured[below]
    # With one message under way at a time there would be as many messages in a second as round trips.
    for key in ("pipe", "queue"):
        lab.measured[f"{key}_under_way"] = (
            lab.measured[f"{key}_per_second_{small}"] * lab.measured[f"{key}_us_{small}"] / 1e6
        )
