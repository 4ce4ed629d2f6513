"""What servers are compared in: `make bench-peers` runs each with every server in turn, round by round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from scripts.bench.loads import Load
from scripts.bench.paced import Paced
from scripts.bench.pairs import Pairs
from scripts.bench.registrations import Registrations
from scripts.bench.rooms import Rooms
from scripts.bench.subject import Subject

IDLE_CLIENTS = 10_000
_REGISTRATIONS = 5_000

Kind = Literal["rate", "latency", "memory"]  # what of it is compared


class Scenario(NamedTuple):
    title: str
    unit: str  # of which there are so many a second, and each costs so much
    kind: Kind
    clients: int
    load: Callable[[Subject], Load] | None  # None: nobody says anything
    seconds: float  # of a round, where --seconds says nothing else
    is_fixed: bool = False  # they hold whatever --seconds says: in less it would be a matter of chance
    is_compared: bool = True  # with the judges


def _rooms(rooms: int, members: int, publishers: int, in_flight: int) -> Callable[[Subject], Load]:
    return lambda server: Rooms(server, rooms, members, publishers, in_flight, echo=False)


SCENARIOS = {
    "S1": Scenario("1 room of 100, 4 publishers, 8 in flight each", "delivery", "rate", 100, _rooms(1, 100, 4, 8), 2),
    "S2": Scenario("1 room of 1,000, the same", "delivery", "rate", 1000, _rooms(1, 1000, 4, 8), 2),
    "S3": Scenario("200 rooms of 8, 2 publishers, 2 in flight each", "delivery", "rate", 1600, _rooms(200, 8, 2, 2), 2),
    "S4": Scenario(
        "200 messages/s into 1 room of 100, its members in turn",
        "delivery",
        "latency",
        100,
        lambda server: Paced(server, 100, 200),
        2,
    ),
    "S5": Scenario("50 pairs, private ping-pong", "message", "rate", 100, lambda server: Pairs(server, 50), 2),
    "S6": Scenario(
        f"up to {_REGISTRATIONS:,} connect and register, 100 at a time, in 10 s",
        "registration",
        "rate",
        _REGISTRATIONS,
        lambda server: Registrations(server, 100, most=_REGISTRATIONS),
        10,
        is_fixed=True,
        is_compared=False,  # ngIRCd has a backlog of ten, and InspIRCd greets once a second: no rate of theirs is seen
    ),
    "S7": Scenario(f"{IDLE_CLIENTS:,} say nothing", "client", "memory", IDLE_CLIENTS, None, 0, is_fixed=True),
    "S8": Scenario(
        "20 messages/s into 1 room of 10, its members in turn",
        "delivery",
        "latency",
        10,
        lambda server: Paced(server, 10, 20),
        5,
        True,
    ),
    "S9": Scenario("1 room of 100, 1 publisher, 1 in flight", "delivery", "rate", 100, _rooms(1, 100, 1, 1), 2),
}
