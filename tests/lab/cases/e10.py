"""e10: what its claims must refuse, and how its exercise may be done wrong."""

GOOD = {
    "lock_was_held": True,
    "flock_was_held": True,
    "flock_free": True,
    "lock_free": False,
    "waited_s": 1.0,
    "readers_kills": 2,
    "writers_kills": 5,
    "shared_kills": 3,
    "own_kills": 50,
    "own_stalls": 0,
    "own_dead": 53,
    "own_bad": 0,
    "own_noticed": 53,
    "own_messages": 20_000,
}
BAD = {
    "lock_kept": {"lock_free": True},
    "flock_freed": {"flock_free": False},
    "readers": {"readers_kills": 0},
    "writers": {"writers_kills": 0},
    "shared": {"shared_kills": 0},
    "own_goes_on": {"own_kills": 7, "own_stalls": 1},
    "own_whole": {"own_bad": 1},
    "own_noticed": {"own_noticed": 40},
}
WRONG = {
    "returns": ("os.set_blocking(reader, False)", "os.set_blocking(reader, True)"),
    "whole": ("del self.stream[:end]", "self.stream.clear()"),
    "torn": ("if not data:", "if not data and not self.stream:"),
    "refuses": ("if length > MOST:", "if length > MOST << 10:"),
    "death": ("os.close(self.down_writer)", "pass"),
    "server": ("cls(os.pipe(), os.pipe())", "cls(os.pipe(), os.pipe)"),
    # Four descriptors are left open for each pair: the server must not grow by deaths.
    "chaos": (
        "os.set_blocking(writer, False)",
        "_ = [os.dup(writer) for _ in range(4)], os.set_blocking(writer, False)",
    ),
}
