"""This checkout's server against another one's: `make bench ARGS='--against DIR'`.

    fanout        one room of 100, 4 publishers with 8 messages in flight each
    smallrooms    200 rooms of 8, 2 publishers in each with 2 messages in flight each
    pingpong      50 pairs of clients, in each pair one private message in flight
    registration  100 clients at once connect, register and leave, again and again
    idle          what 2,000 clients that say nothing cost in memory: fresh servers in each of five rounds at most

Both servers are up at once and are loaded in turns of a second, each after the other in an order that alternates:
a machine's speed changes within seconds, and must change for both. What one round is worth is the ratio of what one
delivery, message or registration has cost in it, ours to theirs, in CPU time of all processes of the server; a change
is judged by the median of the rounds' ratios, and by how far its quartiles lie apart.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from scripts.bench.clients import connect_many, probe
from scripts.bench.command_line import tell
from scripts.bench.loads import Load, Meter
from scripts.bench.pairs import Pairs
from scripts.bench.registrations import Registrations
from scripts.bench.rooms import Rooms
from scripts.bench.subject import Mpchat, Subject

_TURN_SECONDS = 1.0  # the first some ten ms after a rest cost more, in every server
_IDLE_CLIENTS, _FIRST_CLIENTS, _FEW, _IDLE_ROUNDS = 2_000, 200, 20, 5
_OTHER_FILES = 100  # that the generator has open besides its clients


class Unusable(Exception):
    """What was asked for cannot be: its text says why."""


class Side(NamedTuple):
    """One of the two: where its code is, and what its server is told besides what both are."""

    name: str
    root: Path
    options: Sequence[str]


class Scenario(NamedTuple):
    unit: str
    clients: int  # of each server
    load: Callable[[Subject, str], Load]


SCENARIOS = {
    "fanout": Scenario("delivery", 100, lambda server, caps: Rooms(server, 1, 100, 4, 8, caps)),
    "smallrooms": Scenario("delivery", 1_600, lambda server, caps: Rooms(server, 200, 8, 2, 2, caps)),
    "pingpong": Scenario("private message", 100, lambda server, caps: Pairs(server, 50, caps)),
    "registration": Scenario("registration", 100, lambda server, caps: Registrations(server, 100, caps)),
}
_IDLE = "idle"
NAMES = (*SCENARIOS, _IDLE)

_HEAD = (
    "                                    server CPU for one (median us)                          a second (median)\n"
    "scenario      one is a            ours   theirs   ours/theirs (quartiles)           ours      theirs"
    "   ours/theirs (quartiles)"
)
_ROW = "{:<12}  {:<15}  {:>7.3f}  {:>7.3f}   {:>11}   {:<16}  {:>10,.0f}  {:>10,.0f}   {:>11}   {}"


class Round(NamedTuple):
    """CPU us for one, and how many a second."""

    ours: float
    theirs: float
    our_rate: float
    their_rate: float

    @property
    def cost(self) -> float:
        return self.ours / self.theirs

    @property
    def speed(self) -> float:
        return self.our_rate / self.their_rate


def against(
    ours: Side, theirs: Side, chosen: Sequence[str], rounds: int, seconds: float, workers: int, capabilities: str
) -> None:
    """Compare, and print a table. Raises Unusable."""
    for side in (ours, theirs):
        _check(side.root)
    _check_open_files(chosen)
    about = {"python": platform.python_version(), "system": platform.release(), "cores": os.cpu_count()}
    print(json.dumps(about))
    asked = f", CAP REQ :{capabilities}" if capabilities else ""
    head = f"rounds: {rounds}, of {seconds:g} s for each; --workers {workers}{asked}\n\n{_HEAD}"
    for name in chosen:
        idle: list[tuple[float, float]] = []
        starts = min(rounds, _IDLE_ROUNDS) if name == _IDLE else 1
        for number in range(starts):
            with ExitStack() as stack:
                stack.callback(tell, "")
                subjects = _start((ours, theirs), workers, stack)
                versions = [probe(subject, capabilities) for subject in subjects]
                if head:
                    for side, version in zip((ours, theirs), versions, strict=True):
                        print(f"{side.name + ':':<7} {version} in {side.root.resolve()}", *side.options)
                    print(head, flush=True)
                    head = ""
                if name == _IDLE:
                    tell(f"{_IDLE}: round {number + 1} of {starts}, {_IDLE_CLIENTS:,} clients come to each")
                    idle.append(_memory(subjects, capabilities))
                    line = _idle_row(idle)
                else:
                    scenario = SCENARIOS[name]
                    loads = [stack.enter_context(closing(scenario.load(subject, capabilities))) for subject in subjects]
                    meters = [Meter(*pair) for pair in zip(subjects, loads, strict=True)]
                    line = _row(name, scenario.unit, _rounds(name, meters, rounds, seconds))
        print(line, flush=True)
    print(
        "\nEvery delivery was checked: none lost, doubled or reordered. The us and the rates are absolute, and those of"
    )
    print("this machine at this hour; each ratio is of turns that lie close together, and what to judge by.")


def _check(root: Path) -> None:
    if not root.is_dir():
        raise Unusable(f"{root} is not a folder")
    if not (root / "mpchat" / "__main__.py").is_file():
        raise Unusable(f"{root} is no checkout of mpchat: there is no mpchat/__main__.py in it")


def _check_open_files(chosen: Sequence[str]) -> None:
    clients = max(_IDLE_CLIENTS if name == _IDLE else SCENARIOS[name].clients for name in chosen)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 2 * clients + _OTHER_FILES:
        raise Unusable(f"{2 * clients:,} connections are needed, and {most:,} open files are allowed (ulimit -Hn)")


def _start(sides: Sequence[Side], workers: int, stack: ExitStack) -> list[Subject]:
    """All at once; each is stopped by the stack."""
    subjects: list[Subject] = []
    for side in sides:
        arguments = ["--unlimited", "--workers", str(workers), "--plain-port", "none", *side.options]
        subject: Subject = Mpchat(*arguments, root=side.root, name=f"{side.name} (the server of {side.root})")
        stack.callback(subject.stop)
        subjects.append(subject)
    for subject in subjects:
        subject.await_ready()
    return subjects


def _rounds(name: str, meters: Sequence[Meter], rounds: int, seconds: float) -> list[Round]:
    """Meters of ours and of theirs. A round has as many turns as go into it, one at least."""
    turns = max(1, round(seconds / _TURN_SECONDS))
    done: list[Round] = []
    tell(f"{name}: round 1 of {rounds}")
    for number in range(rounds):
        for turn in range(number * turns, (number + 1) * turns):
            for meter in meters if turn % 2 else reversed(meters):
                meter.run(seconds / turns)
        ours, theirs = (meter.take() for meter in meters)
        done.append(Round(ours.cost, theirs.cost, ours.rate, theirs.rate))
        tell(_PROGRESS.format(name, number + 1, rounds, *done[-1], cost=done[-1].cost, speed=done[-1].speed))
    return done


_PROGRESS = (
    "{} {}/{}: CPU us ours {:.3f}, theirs {:.3f}, ours/theirs {cost:.3f}; "
    "a second {:,.0f}, {:,.0f}, ours/theirs {speed:.3f}"
)


def _row(name: str, unit: str, rounds: Sequence[Round]) -> str:
    cost, costs = _spread([each.cost for each in rounds])
    speed, speeds = _spread([each.speed for each in rounds])
    ours, theirs, our_rate, their_rate = (statistics.median(column) for column in zip(*rounds, strict=True))
    return _ROW.format(name, unit, ours, theirs, cost, costs, our_rate, their_rate, speed, speeds)


def _spread(ratios: Sequence[float]) -> tuple[str, str]:
    """Median and quartiles."""
    if len(ratios) == 1:
        return f"{ratios[0]:.3f}", "(one round)"
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.3f}", f"({low:.3f} .. {high:.3f})"


def _memory(subjects: Sequence[Subject], capabilities: str) -> tuple[float, float]:
    """KiB of PSS for each idle client, ours and theirs.

    Clients come a few at a time: what a crowd leaves behind in a heap is a matter of chance, and no client's. (In one
    run after another of one server 3.8 to 6.4 KiB each with 200 at a time, 2.9 to 3.6 with 20.)"""
    for subject in subjects:  # buffers grow with the first of them, for all
        for client in connect_many(subject, _FIRST_CLIENTS, "f", capabilities, at_once=_FEW):
            client.sock.close()
        subject.settle()
    empty = [subject.pss_bytes() for subject in subjects]
    clients = []
    for subject in subjects:
        clients += connect_many(subject, _IDLE_CLIENTS, "i", capabilities, at_once=_FEW)
        subject.settle()
    full = [subject.pss_bytes() for subject in subjects]
    for client in clients:
        client.sock.close()
    ours, theirs = ((after - before) / _IDLE_CLIENTS / 1024 for before, after in zip(empty, full, strict=True))
    return ours, theirs


def _idle_row(rounds: Sequence[tuple[float, float]]) -> str:
    ratio, ratios = _spread([ours / theirs for ours, theirs in rounds])
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    return (
        f"{_IDLE:<12}  memory (PSS, all processes) for each of {_IDLE_CLIENTS:,} idle clients: "
        f"ours {ours:.2f} KiB, theirs {theirs:.2f} KiB, ours/theirs {ratio} {ratios}, {len(rounds)} round(s)"
    )
