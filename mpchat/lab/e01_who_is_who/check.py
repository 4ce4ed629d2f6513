"""What is asked, claimed and drawn of a server's processes and descriptors."""

from collections.abc import Iterator

from mpchat.lab.descriptors import KINDS
from mpchat.lab.experiment import Bars, Claim, Listing, Measured, Picture, Question, Say, Table

QUESTIONS = (
    Question("programs", lambda program_count: program_count),
    Question(
        "holders",
        lambda shared_clients, supervisor_clients, broker_tcp: (
            "two" if shared_clients and not supervisor_clients and not broker_tcp else "all"
        ),
        ("worker", "two", "all"),
    ),
    Question("broker", lambda broker_tcp: broker_tcp),
    Question("system_v", lambda system_v: system_v),
    Question("crossings", lambda crossing_count: crossing_count),
)

EXPLAIN = ("inherited", "broker")

CLAIMS = (
    Claim("one_program", lambda program_count, process_count: program_count == 1 and process_count >= 7),
    Claim("one_parent", lambda child_count, process_count: child_count == process_count - 1),
    Claim("two_holders", lambda shared_clients: shared_clients == 2),
    Claim("supervisor_without", lambda supervisor_clients: supervisor_clients == 0),
    Claim("broker_without", lambda broker_tcp: broker_tcp == 0),
    Claim("a_pipe_each_way", lambda pipes_down, pipes_up: pipes_down == pipes_up == 1),
    Claim(
        "semaphores_without_number",
        lambda shared_semaphores, semaphore_fds: shared_semaphores >= 2 and semaphore_fds == 0,
    ),
    Claim("nothing_of_system_v", lambda system_v: system_v == 0),
    Claim("two_crossings", lambda crossing_count: crossing_count == 2),
    Claim("hops_add_up", lambda sums_agree: sums_agree),
    Claim("waking_costs", lambda crossing_share: crossing_share >= 0.2, needs_quiet=True),
)

STEPS = ("parent", "kinds", "sockets", "shared", "direction")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    if "processes" in measured:
        yield Listing(say("picture.tree"), _tree(measured["processes"], measured["supervisor_pid"]))
        kinds = [kind for kind in KINDS if any(of[kind] for of in measured["fds"].values())]
        yield Table(
            say("picture.fds"),
            [say("picture.role"), *(say(f"kind.{kind}") for kind in kinds)],
            [[role, *(str(of[kind]) for kind in kinds)] for role, of in measured["fds"].items()],
        )
    if "hops" in measured:
        rows = [(hop["role"], say(f"hop.{hop['hop']}"), hop["us"]) for hop in measured["hops"]]
        yield Bars(
            say("picture.hops", trace_count=measured["trace_count"]),
            [(f"{role:<8} {what}", us, f"{us:,.0f} µs") for role, what, us in rows],
        )


def _tree(rows: list[dict[str, int | str]], supervisor: int) -> list[str]:
    """As pstree draws it: the supervisor, and its children below."""
    children = [row for row in rows if row["pid"] != supervisor]
    lines = [f"supervisor ({supervisor})"]
    for row in children:
        branch = "└─" if row is children[-1] else "├─"
        lines.append(f"{branch} {row['role']} ({row['pid']})")
    return lines
