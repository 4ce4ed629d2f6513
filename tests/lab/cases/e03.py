"""e3: what its claims must refuse, and how its exercise may be done wrong."""

from typing import Any


def _told(**other: Any) -> dict[str, Any]:
    told = {"pid": 4242, "successor": 4711, "said": 224, "wanted": 448, "lost": 0, "doubled": 0, "closed": 0}
    return {**told, "stall_ms": 31.0, "came_in": True, **other}


_SPANS = [[0.0, 300.0, 0], [300.0, 500.0, 1], [500.0, 1200.0, 0], [305.0, 305.0, 2]]

GOOD = {
    **{name: _told() for name in ("worker", "broker", "acceptor", "recorder", "client")},
    "supervisor": _told(closed=3, lost=84, came_in=False),
    **{f"{name}_spans": _SPANS for name in ("worker", "broker", "acceptor", "recorder", "client", "supervisor")},
    "acceptor_newcomer_ms": 19.0,
    "replaced_count": 4,
    "wanted_count": 1792,
    "lost_count": 0,
    "doubled_count": 0,
    "closed_count": 0,
    "newcomer_count": 4,
    "longest_stall_ms": 191.8,
    "quit_heard": True,
    "quit_ms": 12.6,
    "exit_status": -9,
    "process_count": 7,
    "orphans": 0,
    "ended_ms": 168.0,
}
BAD = {
    "replaced": {"replaced_count": 3},
    "connections_stay": {"closed_count": 2},
    "nothing_lost": {"lost_count": 1},
    "nothing_doubled": {"doubled_count": 1},
    "newcomers_come_in": {"newcomer_count": 3},
    "resumes": {"longest_stall_ms": 2300.0},
    "client_is_missed": {"quit_heard": False},
    "supervisor_is_the_end": {"exit_status": 0},
    "no_orphan": {"orphans": 1},
    "ends_soon": {"ended_ms": 10_000.0},
}
WRONG = {
    "starts": ("subprocess.Popen(self.argv)", 'subprocess.Popen(["true"])'),
    "restarts": ("            self.child.wait()\n", '            self.child.wait()\n            return "stopped"\n'),
    "apart": ("if now - at < self.seconds", "if now >= at"),
    "gives_up": (">= self.most", ">= self.most + 1"),
    "stops": ("child.terminate()", "child.kill()"),
    "stubborn": ("child.kill()", "pass"),
}
