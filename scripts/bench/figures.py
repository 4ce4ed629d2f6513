"""What was measured of one server in one scenario: a figure for each round, and their median and range."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scripts.bench.loads import Measure

_BUSY = 0.9  # of a core: a generator that takes so much may have been the limit


@dataclass
class Round:
    """Latencies in ms; memory in bytes, of all its processes, with the clients there; CPU in us for each unit."""

    rate: float = 0.0
    cpu: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    generator: float = 0.0
    memory: int = 0
    each_idle: float = 0.0  # bytes of memory for each client that says nothing

    @classmethod
    def of(cls, measure: Measure, memory: int) -> Round:
        p50, p99, p999 = (quantile(measure.latencies, share) * 1e3 for share in (0.5, 0.99, 0.999))
        return cls(measure.rate, measure.cost, p50, p99, p999, measure.generator, memory)


Rounds = list[Round]


@dataclass
class Results:
    """Rounds by scenario and server. Where a server could not do it, the reason stands there."""

    about: dict[str, str]
    servers: list[str]  # as they are named in the tables
    judges: list[str]  # those of them that mpchat is compared with
    ours: list[str]
    rounds: dict[str, dict[str, Rounds | str]]

    def of(self, scenario: str, server: str) -> Rounds | None:
        found = self.rounds.get(scenario, {}).get(server)
        return found if isinstance(found, list) and found else None

    def median(self, scenario: str, server: str, what: str) -> float | None:
        rounds = self.of(scenario, server)
        return median(rounds, what) if rounds else None

    def best(self, scenario: str, servers: Sequence[str], what: str, is_low: bool) -> float | None:
        values = [value for server in servers if (value := self.median(scenario, server, what)) is not None]
        return (min(values) if is_low else max(values)) if values else None

    def as_json(self) -> dict[str, Any]:
        rounds = {
            scenario: {
                server: found if isinstance(found, str) else [asdict(each) for each in found]
                for server, found in of.items()
            }
            for scenario, of in self.rounds.items()
        }
        return {"about": self.about, "servers": self.servers, "rounds": rounds}


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of numbers in order: the one below which this share of them lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def median(rounds: Rounds, what: str) -> float:
    return float(statistics.median([getattr(each, what) for each in rounds]))


def span(rounds: Rounds, what: str) -> tuple[float, float]:
    values = [getattr(each, what) for each in rounds]
    return min(values), max(values)


def is_limited(rounds: Rounds) -> bool:
    """Whether the generator had nothing to spare."""
    return median(rounds, "generator") >= _BUSY
