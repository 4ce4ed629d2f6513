"""e1: what its claims must refuse, and how its exercise may be done wrong."""

_ROLES = ("supervisor", "broker", "worker0", "worker1", "acceptor", "recorder", "spare", "resource_tracker")
_KINDS = ("listening", "tcp", "unix", "pipe", "memory", "epoll", "file", "other")

GOOD = {
    "processes": [
        {"role": role, "pid": 700 + number, "parent": 700 if number else 1} for number, role in enumerate(_ROLES)
    ],
    "process_count": 8,
    "program_count": 1,
    "child_count": 7,
    "supervisor_pid": 700,
    "fds": {role: {kind: number for number, kind in enumerate(_KINDS)} for role in _ROLES},
    "fd_count": 133,
    "listening_count": 2,
    "client_socket": 97528,
    "acceptor_number": 13,
    "worker_number": 10,
    "shared_clients": 2,
    "supervisor_clients": 0,
    "broker_tcp": 0,
    "pipes_down": 1,
    "pipes_up": 1,
    "semaphore_fds": 0,
    "shared_semaphores": 6,
    "memory_holders": 7,
    "system_v": 0,
    "hops": [
        {"role": "worker0", "hop": "SAW", "call": "recv(MSG_PEEK)", "us": 0.0},
        {"role": "broker", "hop": "TOOK_RECORDS", "call": "readv()", "us": 445.0},
        {"role": "worker1", "hop": "SENT", "call": "send()", "us": 90.0},
    ],
    "hop_count": 8,
    "total_us": 1619.4,
    "sums_agree": True,
    "crossing_count": 2,
    "crossing_us": 820.6,
    "crossing_share": 0.51,
    "trace_count": 9,
}
BAD = {
    "one_program": {"program_count": 2},
    "one_parent": {"child_count": 6},
    "two_holders": {"shared_clients": 1},
    "supervisor_without": {"supervisor_clients": 2},
    "broker_without": {"broker_tcp": 1},
    "a_pipe_each_way": {"pipes_up": 0},
    "semaphores_without_number": {"semaphore_fds": 6},
    "nothing_of_system_v": {"system_v": 1},
    "two_crossings": {"crossing_count": 1},
    "hops_add_up": {"sums_agree": False},
    "waking_costs": {"crossing_share": 0.02},
}
WRONG = {
    "parent": ('rpartition(")")', 'partition(")")'),
    "kinds": ('startswith("/memfd:")', 'startswith("memfd:")'),
    "sockets": ('"0A": "listening"', '"01": "listening"'),
    "shared": ("sorted(held[0] & held[1])", "sorted(held[0] | held[1])"),
    "direction": ('(reader, "02")', '(reader, "012")'),
}
