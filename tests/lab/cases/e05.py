"""e5: what its claims must refuse, and how its exercise may be done wrong."""

_US = {  # as measured on two cores: 100, 4096 and 65,536 bytes
    "memory": (4.6, 7.1, 16.8),
    "pipe": (21.4, 25.2, 101.2),
    "socketpair": (29.7, 40.9, 64.4),
    "seqpacket": (25.8, 27.6, 41.2),
    "tcp": (40.2, 49.4, 81.1),
    "connection": (63.2, 76.9, 113.4),
    "simple_queue": (47.7, 61.2, 142.9),
    "queue": (112.0, 134.0, 281.7),
    "manager": (334.9, 439.1, 512.5),
}
_PER_SECOND = {
    "memory": (599_314, 401_679, 168_757),
    "pipe": (374_486, 220_678, 18_572),
    "socketpair": (182_164, 134_159, 41_553),
    "seqpacket": (265_723, 217_365, 47_448),
    "tcp": (95_948, 77_785, 32_832),
    "connection": (97_946, 70_385, 24_790),
    "simple_queue": (93_701, 63_583, 13_499),
    "queue": (71_752, 51_673, 7_590),
    "manager": (6_964, 5_623, 4_017),
}
_SIZES = (100, 4096, 65_536)

GOOD = {
    **{f"{key}_us_{size}": value for key, values in _US.items() for size, value in zip(_SIZES, values, strict=True)},
    **{
        f"{key}_per_second_{size}": float(value)
        for key, values in _PER_SECOND.items()
        for size, value in zip(_SIZES, values, strict=True)
    },
    "memory_times": 4.7,
    "connection_times": 3.0,
    "queue_times": 5.2,
    "manager_times": 3.0,
    "large_times": 2.5,
    "manager_slower": 10.3,
    "pipe_under_way": 8.0,
    "queue_under_way": 8.0,
    "spinning_cores": 0.99,
    "blocked_cores": 0.0,
    "costs": [["memory", 2, 0, False, "nothing"], ["queue", 5, 6, True, "thread"]],
}
BAD = {
    "blocked_sleeps": {"blocked_cores": 0.9},
    "spinning_burns": {"spinning_cores": 0.1},
    "memory_first": {"memory_us_100": 20.0},
    "kernel_before_library": {"connection_us_100": 15.0},
    "connection_before_queue": {"queue_us_100": 50.0},
    "queue_before_manager": {"manager_times": 1.0},
    "manager_throughput": {"manager_slower": 1.1},
    "under_way": {"queue_under_way": 1.0},
    "large_changes": {"large_times": 0.8},
}
WRONG = {
    "frame": ("LENGTH.pack(len(message))", "LENGTH.pack(len(message) + LENGTH.size)"),
    "pieces": ("while len(data) < size:", "while not data:"),
    "boundary": ("    return message\n", "    return message or None\n"),
    "interrupted": ("left = left[written:]", 'left = b""'),
    "end": ("return None\n", 'return b""\n'),
    "torn": ("if len(message) < length:", "if length and not message:"),
}
