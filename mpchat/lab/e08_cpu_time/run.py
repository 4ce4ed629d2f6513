"""Two processes that wait for each other, on one core and on two; and four that never wait, on one core, each nicer
than the one before.
"""

import os
import time
from contextlib import suppress
from statistics import median
from typing import Any

from mpchat.lab.lab import Lab
from mpchat.monitor import measuring

_ROUNDS = 5
_SLICE_SECONDS = 0.12
NICES = (0, 5, 10, 19)
_SAMPLES, _SAMPLE_SECONDS = 4, 0.9
_READY_SECONDS = 10.0
_LOOK_SECONDS = 0.01
_NS = 1e9

_PING = ("us", "ping_voluntary", "ping_involuntary", "echo_voluntary", "echo_involuntary")


def run(lab: Lab) -> None:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    places = {"one": cores[:1] * 2, "two": cores[:2]}
    if not cores:
        lab.skip(*(f"{place}_{name}" for place in places for name in _PING), "core_times", why="no_affinity")
        _skip_nice(lab, "no_affinity")
        return
    if len(cores) < 2:
        lab.skip(*(f"two_{name}" for name in _PING), "core_times", why="one_core")
        del places["two"]
    lab.tell("ping_pong")
    _play(lab, places)
    lab.tell("nice")
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if not os.path.exists("/proc/self/stat"):
        _skip_nice(lab, "no_proc")
    elif nice > 0:
        _skip_nice(lab, "niced", nice=nice)
    else:
        _compete(lab, cores[-1], nice)


# Ping-pong


def _play(lab: Lab, places: dict[str, list[int]]) -> None:
    """A byte to and fro between two processes, in short slices; for each they are put on one core, or on two."""
    (ping_reads, echo_writes), (echo_reads, ping_writes) = (
        lab.context.Pipe(duplex=False),
        lab.context.Pipe(duplex=False),
    )
    mine, theirs = lab.context.Pipe()
    ping = lab.process(_ping, theirs, ping_reads, ping_writes)
    echo = lab.process(_echo, echo_reads, echo_writes)
    assert ping.pid is not None
    assert echo.pid is not None
    found: dict[str, dict[str, list[float]]] = {place: {name: [] for name in _PING} for place in places}
    for number in range(_ROUNDS):
        for place, (first, second) in places.items():
            os.sched_setaffinity(ping.pid, {first})
            os.sched_setaffinity(echo.pid, {second})
            if number == 0:
                _slice(mine, 0.0)  # both are there
            before = [measuring.measure(pid) for pid in (ping.pid, echo.pid)]
            count, took = _slice(mine, _SLICE_SECONDS)
            after = [measuring.measure(pid) for pid in (ping.pid, echo.pid)]
            found[place]["us"].append(took / count * 1e6)
            for name, was, now in zip(("ping", "echo"), before, after, strict=True):
                if was is not None and now is not None:
                    for kind in ("voluntary", "involuntary"):
                        found[place][f"{name}_{kind}"].append((getattr(now, kind) - getattr(was, kind)) / count)
    for place, values in found.items():
        for name in _PING:
            if values[name]:
                lab.measured[f"{place}_{name}"] = median(values[name])
            else:
                lab.skip(f"{place}_{name}", why="no_proc")
    if "two" in found:
        lab.measured["core_times"] = lab.measured["two_us"] / lab.measured["one_us"]
    for process in (ping, echo):
        process.kill()
        process.join()


def _slice(commands: Any, seconds: float) -> tuple[int, float]:
    commands.send(seconds)
    count, took = commands.recv()
    return count, took


def _ping(commands: Any, reads: Any, writes: Any) -> None:
    read, write = reads.fileno(), writes.fileno()
    while True:
        seconds = commands.recv()
        count, began = 0, time.perf_counter()
        while True:
            os.write(write, b".")
            os.read(read, 1)
            count += 1
            took = time.perf_counter() - began
            if took >= seconds:
                break
        commands.send((count, took))


def _echo(reads: Any, writes: Any) -> None:
    read, write = reads.fileno(), writes.fileno()
    while True:
        os.write(write, os.read(read, 1))


# Nice


def _skip_nice(lab: Lab, why: str, **values: object) -> None:
    names = [f"{kind}_{nice}" for kind in ("share", "times") for nice in NICES]
    lab.skip(*names, "spin_voluntary", "spin_involuntary", why=why, **values)


def _compete(lab: Lab, core: int, nice: int) -> None:
    """Four busy loops on one core, in one session: the scheduler shares the time between sessions first (sched(7))."""
    processes = [lab.process(spin, core, each) for each in NICES]
    pids = [process.pid for process in processes if process.pid is not None]
    deadline = time.monotonic() + _READY_SECONDS
    while [_nice(pid) for pid in pids] != [nice + each for each in NICES]:
        if time.monotonic() > deadline:
            _skip_nice(lab, "not_started")
            return
        time.sleep(_LOOK_SECONDS)
    before = measuring.measure(pids[0])
    seconds: list[list[float]] = []
    for _ in range(_SAMPLES):
        began = [cpu_seconds(pid) for pid in pids]
        time.sleep(_SAMPLE_SECONDS)
        seconds.append([cpu_seconds(pid) - at for pid, at in zip(pids, began, strict=True)])
    after = measuring.measure(pids[0])
    used = [sum(each) for each in zip(*seconds, strict=True)]
    for each, mine in zip(NICES, used, strict=True):
        lab.measured[f"share_{each}"] = 100 * mine / sum(used)
        lab.measured[f"times_{each}"] = used[0] / max(mine, 1e-6)
    if before is not None and after is not None and before.voluntary is not None and before.involuntary is not None:
        took = _SAMPLES * _SAMPLE_SECONDS
        lab.measured["spin_voluntary"] = ((after.voluntary or 0) - before.voluntary) / took
        lab.measured["spin_involuntary"] = ((after.involuntary or 0) - before.involuntary) / took
    for process in processes:
        process.kill()
        process.join()


def spin(core: int, nice: int) -> None:
    os.sched_setaffinity(0, {core})
    os.nice(nice)
    while True:
        pass


def _nice(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def cpu_seconds(pid: int) -> float:
    """To the nanosecond where the kernel keeps it (/proc/PID/schedstat), else in ticks of a hundredth."""
    with suppress(OSError, ValueError), open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / _NS
    found = measuring.measure(pid)
    return 0.0 if found is None else found.cpu_seconds
