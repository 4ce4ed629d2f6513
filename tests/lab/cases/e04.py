"""e4: what its claims must refuse, and how its exercise may be done wrong."""

GOOD = {
    "unbounded_accepted": 200_000,
    "unbounded_before_mib": 18.0,
    "unbounded_after_mib": 65.0,
    "unbounded_growth_mib": 47.0,
    "bounded_accepted": 999,
    "bounded_before_mib": 18.0,
    "bounded_after_mib": 18.2,
    "bounded_growth_mib": 0.2,
    "simple_accepted": 288,
    "simple_before_mib": 18.0,
    "simple_after_mib": 18.0,
    "simple_growth_mib": 0.0,
    "heard_while_stopped": False,
    "arrived_after": 300,
    "said_while_stopped": 300,
    "caught_up_ms": 10.0,
    "deaf_said": 700,
    "deaf_others_heard": 700,
    "deaf_closed": True,
}
BAD = {
    "unbounded_accepts": {"unbounded_accepted": 288},
    "unbounded_grows": {"unbounded_growth_mib": 2.0},
    "bounded_stops": {"bounded_accepted": 1002},
    "bounded_small": {"bounded_growth_mib": 47.0},
    "simple_stops": {"simple_accepted": 200_000},
    "nothing_lost": {"arrived_after": 299},
    "deaf_is_closed": {"deaf_closed": False},
    "others_unaffected": {"deaf_others_heard": 699},
}
WRONG = {
    "order": ("item = self.items.popleft()", "item = self.items.pop()"),
    "drop": ("return False", "self.items.popleft()"),
    "refuse": ("raise Overflow", "self.items.popleft()"),
    "block": ("self.changed.wait()", "self.items.popleft()"),
    "wakes": ("self.changed.notify_all()", "self.changed.notify()"),
}
