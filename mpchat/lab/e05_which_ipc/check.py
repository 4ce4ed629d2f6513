"""What is asked, claimed and drawn of nine channels between two processes."""

from collections.abc import Iterator

from mpchat.lab.experiment import Bars, Claim, Measured, Picture, Question, Say, Table

_SIZES = (100, 4096, 65_536)
_RUNGS = ("memory", "pipe", "socketpair", "seqpacket", "tcp", "connection", "simple_queue", "queue", "manager")

QUESTIONS = (
    Question(
        "fastest",
        lambda memory_us_100, pipe_us_100, tcp_us_100, queue_us_100: min(
            (memory_us_100, "memory"), (pipe_us_100, "pipe"), (tcp_us_100, "tcp"), (queue_us_100, "queue")
        )[1],
        ("memory", "pipe", "tcp", "queue"),
    ),
    Question("queue_times", lambda queue_times: round(queue_times, 1)),
    Question(
        "waiting",
        lambda spinning_cores: "none" if spinning_cores < 0.2 else "half" if spinning_cores < 0.8 else "all",
        ("none", "half", "all"),
    ),
    Question(
        "large",
        lambda pipe_us_65536, seqpacket_us_65536, queue_us_65536: min(
            (pipe_us_65536, "pipe"), (seqpacket_us_65536, "seqpacket"), (queue_us_65536, "queue")
        )[1],
        ("pipe", "seqpacket", "queue"),
    ),
    Question("manager", lambda manager_slower: round(manager_slower, 1)),
)

EXPLAIN = ("wakeups", "choice")

# What was measured with room for another machine: a pipe takes 4 to 6 times as long as the shared memory, mp.Pipe 2.5
# times as long as a pipe, Queue twice as long as mp.Pipe, the manager 3 times as long as Queue.
CLAIMS = (
    Claim("blocked_sleeps", lambda blocked_cores: blocked_cores < 0.2),
    Claim("spinning_burns", lambda spinning_cores: spinning_cores > 0.8, needs_quiet=True),
    Claim(
        "memory_first",
        lambda memory_us_100, pipe_us_100, socketpair_us_100, tcp_us_100: (
            1.5 * memory_us_100 < min(pipe_us_100, socketpair_us_100, tcp_us_100)
        ),
        needs_quiet=True,
    ),
    Claim(
        "kernel_before_library",
        lambda pipe_us_100, socketpair_us_100, connection_us_100: (
            min(pipe_us_100, socketpair_us_100) < connection_us_100
        ),
        needs_quiet=True,
    ),
    Claim(
        "connection_before_queue",
        lambda connection_us_100, queue_us_100: connection_us_100 < queue_us_100,
        needs_quiet=True,
    ),
    Claim("queue_before_manager", lambda manager_times: manager_times > 1.2, needs_quiet=True),
    Claim("manager_throughput", lambda manager_slower: manager_slower > 3, needs_quiet=True),
    Claim("under_way", lambda queue_under_way: queue_under_way > 2, needs_quiet=True),
    Claim("large_changes", lambda large_times: large_times > 1.1, needs_quiet=True),
)

STEPS = ("frame", "pieces", "boundary", "interrupted", "end", "torn")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    found = [key for key in _RUNGS if f"{key}_us_{_SIZES[0]}" in measured]
    for size in (_SIZES[0], _SIZES[-1]):
        rows = [(say(f"rung.{key}"), measured[f"{key}_us_{size}"]) for key in found]
        yield Bars(
            say("picture.round_trips", size=size), [(name, us, f"{us:,.1f} µs") for name, us in rows], is_log=True
        )
    yield Table(
        say("picture.throughput"),
        [say("picture.rung"), *(say("picture.size", size=size) for size in _SIZES)],
        [[say(f"rung.{key}"), *(f"{measured[f'{key}_per_second_{size}']:,.0f}" for size in _SIZES)] for key in found],
    )
    yield Table(
        say("picture.costs"),
        [say(f"picture.{name}") for name in ("rung", "copies", "system_calls", "pickled", "between")],
        [
            [
                say(f"rung.{key}"),
                str(copies),
                str(calls),
                say("lab.yes" if pickled else "lab.no"),
                say(f"between.{who}"),
            ]
            for key, copies, calls, pickled, who in measured.get("costs", [])
        ],
    )
