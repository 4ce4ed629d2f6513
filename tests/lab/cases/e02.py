"""e2: what its claims must refuse, and how its exercise may be done wrong."""

GOOD = {
    "client_port": 45852,
    "socket_inode": 170479,
    "worker": "worker0",
    "acceptor_number": 13,
    "worker_number": 10,
    "same_socket": True,
    "calls": [["acceptor", "accept4(7) = 13"], ["worker0", "close(10)"]],
    "accepted_number": 13,
    "passed_number": 13,
    "received_number": 10,
    "fin_after_shutdown": True,
    "fin_after_first_close": False,
    "fin_after_last_close": True,
    "connection_count": 400,
    "passed": [100, 100, 100, 100],
    "passing_spread": 0,
    "accepted": [156, 9, 107, 128],
    "accepting_spread": 147,
}
BAD = {
    "same_socket": {"same_socket": False},
    "strace_agrees": {"received_number": 13},
    "no_fin_while_open": {"fin_after_first_close": True},
    "fin_after_last": {"fin_after_last_close": False},
    "shutdown_ends": {"fin_after_shutdown": False},
    "nobody_lost": {"passed": [100, 100, 100, 99]},
    "passing_is_even": {"passing_spread": 2},
    "accepting_is_not": {"accepting_spread": 0},
}
WRONG = {
    "passes": ("[sock_fd]", "[link_fd]"),
    "several": ("link.detach()", "pass"),
    "ended": ("raise EOFError", "return None"),
    "numbers": ("[port, client_port]", "[client_port, port]"),
    "elsewhere": ("number = None", "number = -1"),
}
