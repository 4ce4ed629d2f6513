"""What is asked, claimed and drawn of four shapes of a server."""

from collections.abc import Iterator

from mpchat.lab.experiment import Bars, Claim, Measured, Picture, Question, Say, Table

_SHAPES = ("process_per_client", "worker_pool", "thread_per_client", "event_loop")

QUESTIONS = (
    Question("processes", lambda process_per_client_processes: process_per_client_processes),
    Question(
        "threads",
        lambda thread_per_client_cores: "same" if thread_per_client_cores < 1.3 else "twice",
        ("half", "same", "twice"),
    ),
    Question(
        "forked",
        lambda process_per_client_cores: "same" if process_per_client_cores < 1.3 else "twice",
        ("half", "same", "twice"),
    ),
    Question(
        "memory",
        lambda process_per_client_rss_mib, process_per_client_pss_mib: (
            "less" if process_per_client_pss_mib < 0.7 * process_per_client_rss_mib else "same"
        ),
        ("less", "same", "more"),
    ),
    Question(
        "dearest",
        lambda process_per_client_client_kib, thread_per_client_client_kib, event_loop_client_kib: max(
            (process_per_client_client_kib, "process"),
            (thread_per_client_client_kib, "thread"),
            (event_loop_client_kib, "loop"),
        )[1],
        ("process", "thread", "loop"),
    ),
)

EXPLAIN = ("shared", "shape")

# Measured: 1.0 for threads, 1.8 and more for processes; a client's process has 1.2 MiB of its own, in the event loop a
# client has a few KiB.
CLAIMS = (
    Claim("same_chat", lambda missing: missing == 0),
    Claim(
        "processes_count",
        lambda process_per_client_processes, worker_pool_processes, event_loop_processes, clients: (
            (process_per_client_processes, worker_pool_processes, event_loop_processes) == (clients + 1, 3, 1)
        ),
    ),
    Claim(
        "uss_below_rss",
        lambda process_per_client_uss_mib, process_per_client_rss_mib: (
            process_per_client_uss_mib < 0.7 * process_per_client_rss_mib
        ),
    ),
    Claim(
        "pool_uss_below_rss", lambda worker_pool_uss_mib, worker_pool_rss_mib: worker_pool_uss_mib < worker_pool_rss_mib
    ),
    Claim(
        "client_memory",
        lambda process_per_client_client_kib, event_loop_client_kib: (
            process_per_client_client_kib > 3 * event_loop_client_kib
        ),
    ),
    Claim("threads_do_not_help", lambda thread_per_client_cores: thread_per_client_cores < 1.2, needs_quiet=True),
    Claim("processes_help", lambda process_per_client_cores: process_per_client_cores > 1.3, needs_quiet=True),
    Claim("workers_help", lambda worker_pool_cores: worker_pool_cores > 1.3, needs_quiet=True),
    Claim(
        "set_up",
        lambda process_per_client_setup_ms, event_loop_setup_ms: process_per_client_setup_ms > 2 * event_loop_setup_ms,
        needs_quiet=True,
    ),
)

STEPS = ("echo", "halves", "slow", "kept", "closed", "idle")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    yield Bars(
        say("picture.cores"),
        [
            (say(f"shape.{shape}"), measured[f"{shape}_cores"], f"{measured[f'{shape}_cores']:.2f}")
            for shape in _SHAPES
            if f"{shape}_cores" in measured
        ],
    )
    parts: tuple[str, ...] = ("processes", "uss_mib", "pss_mib", "rss_mib", "client_kib")
    yield Table(
        say("picture.memory"),
        [say("picture.shape"), *(say(f"picture.{part}") for part in parts)],
        [
            [say(f"shape.{shape}"), *(_written(measured[f"{shape}_{part}"]) for part in parts)]
            for shape in _SHAPES
            if f"{shape}_uss_mib" in measured
        ],
    )
    parts = ("setup_ms", "median_ms", "p99_ms", "per_second")
    yield Table(
        say("picture.speed"),
        [say("picture.shape"), *(say(f"picture.{part}") for part in parts)],
        [
            [say(f"shape.{shape}"), *(_written(measured[f"{shape}_{part}"]) for part in parts)]
            for shape in _SHAPES
            if f"{shape}_per_second" in measured
        ],
    )


def _written(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"
