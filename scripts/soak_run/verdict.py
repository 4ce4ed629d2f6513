"""What came of a run, judged. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.bench.figures import quantile
from scripts.soak_run.strangers import Tally

MOST_SLOWED = 2.0  # how much later 99 of 100 lines may be read than at the idle server
MOST_GROWTH = 6.0  # MiB, of a process, from the second fifth of the run to the last: the backlogs of slow readers vary
MOST_LOG = 16.0  # KiB a second: an hour of it is 56 MiB
LEAST_PACE = 0.8  # of their rates: strangers who get no CPU are no attack
_FIFTHS = 5


@dataclass(frozen=True)
class Latency:
    """How late the lines of one server's pairs were read, in ms."""

    lines: int
    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        ordered = sorted(seconds)
        p50, p99 = (quantile(ordered, share) * 1000 for share in (0.5, 0.99))
        return cls(len(ordered), p50, p99, max(ordered, default=0.0) * 1000)

    def __str__(self) -> str:
        return f"p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms, max {self.most:.2f} ms of {self.lines:,} lines"


@dataclass
class Outcome:
    """Of a run of so many seconds. Memory in MiB by role, one look after the other; CPU in seconds."""

    seconds: float
    attacked: Latency
    idle: Latency
    wrong: list[str]  # lines that were lost, doubled or reordered, connections that ended
    died: list[str]
    memory: Mapping[str, Sequence[float]]
    log_bytes: int
    left: list[str]  # what had grown when the strangers were gone, or remained when the server was
    cpu: Mapping[str, float]  # of the attacked server, by role
    strangers_cpu: float
    pace: float  # how much of their rates the strangers kept, of 1
    tallies: Mapping[str, Tally]
    people: Mapping[str, int] = field(default_factory=dict)  # of each kind

    @property
    def slowed(self) -> float:
        return self.attacked.p99 / self.idle.p99 if self.idle.p99 else float("inf")

    @property
    def log_kib(self) -> float:
        """A second."""
        return self.log_bytes / 1024 / self.seconds

    def complaints(self) -> list[str]:
        """What must not be."""
        found = [*self.wrong, *(f"{what} has died" for what in self.died), *self.left]
        if not self.slowed < MOST_SLOWED:
            found.append(f"p99 is {self.slowed:.2f} times that of the idle server, and must be below {MOST_SLOWED:g}")
        if self.pace < LEAST_PACE:
            found.append(f"the strangers kept {self.pace:.0%} of their rates, and must keep {LEAST_PACE:.0%}")
        for role, samples in self.memory.items():
            early, late = growth(samples)
            if late - early > MOST_GROWTH:
                found.append(f"memory of {role} has grown from {early:.1f} to {late:.1f} MiB")
        if self.log_kib > MOST_LOG:
            found.append(f"the log has grown by {self.log_kib:.1f} KiB a second, and may by {MOST_LOG:g}")
        return found

    def rows(self) -> Iterator[tuple[str, str]]:
        """The table."""
        yield "attacked", str(self.attacked)
        yield "idle", str(self.idle)
        yield "p99", f"{self.slowed:.2f} times that of the idle server (below {MOST_SLOWED:g} is wanted)"
        yield "lost, doubled, ...", f"{len(self.wrong)}"
        yield "deaths", f"{len(self.died)}"
        yield (
            "memory",
            f"of each process, in the second fifth of the run and in the last (up to {MOST_GROWTH:g} MiB more)",
        )
        for role, samples in self.memory.items():
            yield f"  {role}", "{:.1f} -> {:.1f} MiB".format(*growth(samples))
        yield "log", f"{self.log_kib:.2f} KiB/s (up to {MOST_LOG:g})"
        by_role = ", ".join(f"{role} {self.share(spent)}" for role, spent in self.cpu.items() if spent)
        yield (
            "CPU",
            f"{self.share(sum(self.cpu.values()))} of a core: {by_role}; strangers {self.share(self.strangers_cpu)}",
        )
        yield "pace", f"{self.pace:.0%} of the strangers' rates ({LEAST_PACE:.0%} or more is wanted)"
        for kind, each in self.tallies.items():
            yield kind, self._told(each, self.people.get(kind, 0))

    def share(self, seconds: float) -> str:
        return f"{seconds / self.seconds:.1%}"

    def _told(self, tally: Tally, people: int) -> str:
        return (
            f"{people:>3} people, {tally.opened:>6,} connections, {tally.lines / self.seconds:>6,.1f} lines/s sent,"
            f" {tally.withheld / self.seconds:>5,.0f} held back, {tally.refused:>6,} refused, {tally.closed:>5,} closed"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "latency_ms": {"attacked": vars(self.attacked), "idle": vars(self.idle)},
            "slowed": self.slowed,
            "wrong": self.wrong,
            "died": self.died,
            "memory_mib": {role: list(samples) for role, samples in self.memory.items()},
            "log_bytes": self.log_bytes,
            "left": self.left,
            "complaints": self.complaints(),
            "cpu_seconds": {**self.cpu, "strangers": self.strangers_cpu},
            "pace": self.pace,
            "strangers": {
                kind: {"people": self.people.get(kind, 0), **vars(tally)} for kind, tally in self.tallies.items()
            },
        }


def growth(samples: Sequence[float]) -> tuple[float, float]:
    """The medians of the second fifth and of the last: in the first one, what takes memory once has taken it."""
    fifth = max(1, len(samples) // _FIFTHS)
    early, late = samples[fifth : 2 * fifth] or samples, samples[-fifth:]
    return (statistics.median(early), statistics.median(late)) if samples else (0.0, 0.0)
