"""A little model of a server that writes the rings of one traced message, with deaths at any point of its way.

It does what the processes do, in their order, on a clock of its own; hypothesis says how long each step takes, who dies
when, and how many clients each worker has. It knows what really happened, which a join of the rings must find.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import strategies as st

from mpchat.ipc.trace_ring import Entry, Hop
from mpchat.monitor.trip import Death, Server

TRACE, CONNECTION, PLACE = 7, 33, 1000
SERVER = Server("queue", has_history=True)


@dataclass
class Run:
    """What the processes have noted, and what is true."""

    data: st.DataObject
    rings: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    deaths: list[Death] = field(default_factory=list)
    pids: dict[str, int] = field(default_factory=dict)
    now: int = 5_000_000_000
    first: int = 0
    sent: dict[int, int] = field(default_factory=dict)  # by connection: when its send() began
    batches: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    killed: list[int] = field(default_factory=list)
    is_private: bool = False
    has_told: bool = False  # the recorder, of what was said
    routed: dict[int, int] = field(default_factory=dict)  # by worker: the number of its item

    def some(self, least: int, most: int) -> int:
        return self.data.draw(st.integers(least, most))

    def pid(self, role: str) -> int:
        return self.pids.setdefault(role, 100 + len(self.pids))

    def note(self, role: str, hop: Hop, **fields: int) -> int:
        self.now += self.some(1, 100_000)
        zero = {"connection": 0, "place": 0, "worker": -1, "size": 0, "depth": 0}
        self.rings[role].append(Entry(hop, self.pid(role), self.now, **{**zero, **fields}))
        return self.now

    def kill(self, role: str) -> None:
        """The supervisor notices a little later, and says so in whole ms."""
        dead = self.pid(role)
        self.killed.append(dead)
        self.now += self.some(1, 3_000_000)
        at = self.now // 1_000_000 * 1_000_000
        self.now += self.some(3_000_000, 40_000_000)
        self.deaths.append(Death(role, dead, at, "SIGKILL", until=self.now))
        self.pids[role] = 1000 + len(self.killed)
        self.batches.clear()  # each has a transport that counts anew

    # The way up

    def see(self, role: str) -> None:
        at = self.note(role, Hop.SAW, connection=CONNECTION, place=PLACE, worker=int(role[6:]), size=22, depth=22)
        self.first = self.first or at

    def put(self, role: str) -> None:
        self.batches[role] += 1
        self.note(role, Hop.PUT_RECORDS, place=self.batches[role], worker=int(role[6:]), size=22)

    def take(self, role: str) -> None:
        self.note("broker", Hop.TOOK_RECORDS, place=self.batches[role], worker=int(role[6:]), depth=1)

    def others_speak(self, role: str) -> None:
        """Somebody else's line goes the same way."""
        self.note(role, Hop.SAW, connection=CONNECTION + 1, place=PLACE, worker=int(role[6:]), size=9)
        self.put(role)
        self.take(role)
        self.note("broker", Hop.JOURNALED, place=self.some(1, 5))
        self.note("broker", Hop.DECIDED, place=6, depth=1)

    def up(self, role: str) -> None:
        for attempt in range(4):
            if self.some(0, 3) == 0:
                self.others_speak(role)
            death = self.some(0, 9) if attempt < 3 else 0
            self.see(role)
            if death == 1:
                self.kill(role)
                continue
            self.put(role)
            if death in (2, 3):
                self.kill(role if death == 2 else "broker")
                continue
            self.take(role)
            if death in (4, 5):  # no block has it yet
                self.kill(role if death == 4 else "broker")
                continue
            return

    # In the broker

    def decide(self) -> None:
        self.note("broker", Hop.JOURNALED, place=500, size=90)
        death = self.some(0, 8)
        if death == 1:
            self.replay()
            return
        self.note("broker", Hop.DECIDED, place=500, depth=2)
        if death in (2, 3, 4):
            if death > 2:
                self.mark(self.some(0, len(self.routed)) if death == 3 else len(self.routed))
            self.replay()
        else:
            self.mark(len(self.routed))

    def replay(self) -> None:
        """What the dead one had not told the recorder is told before all else."""
        self.kill("broker")
        self.tell()
        self.note("broker", Hop.DECIDED, place=600, depth=40)
        self.mark(len(self.routed))

    def tell(self) -> None:
        if not (self.is_private or self.has_told):
            self.note("broker", Hop.FACTS, place=700)
            self.has_told = True

    def mark(self, routed: int) -> None:
        head = {"connection": CONNECTION, "place": PLACE, "worker": TRACE, "size": int(self.is_private)}
        self.note("broker", Hop.MARKED, **head, depth=len(self.routed))
        for worker, item in list(self.routed.items())[:routed]:
            self.note("broker", Hop.ROUTED, place=item, worker=worker)

    # Down

    def down(self, worker: int, connections: list[int]) -> None:
        """Until all of these connections have it."""
        role, item = f"worker{worker}", self.routed[worker]
        left = list(connections)
        unnoted: list[int] = []  # sent by a worker that died before it noted that
        for attempt in range(4):
            last = item + self.some(0, 2)
            self.note("broker", Hop.PUT_ITEMS, place=last, worker=worker, size=50)
            death = self.some(0, 9) if attempt < 3 else 0
            if death == 1:
                self.kill(role)
                continue
            if death == 2:
                self.replay()
                continue
            self.note(role, Hop.TOOK_ITEMS, place=last, worker=worker, size=50)
            if death == 3:
                self.kill(role)
                continue
            self.note(role, Hop.APPENDED, place=item, worker=worker, depth=len(connections))
            for connection in unnoted:
                self.sent[connection] = self.note(role, Hop.SENT_BEFORE, connection=connection, place=item)
                left.remove(connection)
            unnoted = []
            stops_at = self.some(0, len(left)) if death in (4, 5) else len(left)
            for connection in left[:stops_at]:
                self.sent[connection] = self.note(role, Hop.SENT, connection=connection, place=item, size=50)
            left = left[stops_at:]
            if death not in (4, 5) or not left:
                return
            if death == 5:
                unnoted = left[:1]
            self.kill(role)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """A whole run: in the end everybody has the message, it is acknowledged, and in the history."""
    run = Run(draw(st.data()))
    run.is_private = draw(st.booleans())
    clients = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))  # of each worker
    sender = f"worker{draw(st.integers(0, len(clients) - 1))}"
    for role in ("broker", "recorder", *(f"worker{number}" for number in range(len(clients)))):
        run.pid(role)
    run.routed = {worker: draw(st.integers(1, 50)) for worker, count in enumerate(clients) if count}
    run.up(sender)
    run.decide()
    for worker, count in enumerate(clients):
        if count:
            run.down(worker, [100 * worker + number for number in range(count)])
    run.note(sender, Hop.ACKNOWLEDGED, connection=CONNECTION, place=PLACE)
    run.tell()
    if not run.is_private:
        run.note("recorder", Hop.RECORDED, place=700)
    return run
