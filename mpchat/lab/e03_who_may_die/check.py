"""What is asked, claimed and drawn of processes that are killed."""

from collections.abc import Iterator

from mpchat.lab.experiment import Claim, Measured, Picture, Question, Say, Span, Table, TimeLine

_ROLES = ("worker", "broker", "acceptor", "recorder", "client", "supervisor")
_REPLACED = 4  # of them

QUESTIONS = (
    Question(
        "worker",
        lambda worker: "closed" if worker["closed"] else "lost" if worker["lost"] else "nothing",
        ("closed", "lost", "nothing"),
    ),
    Question("broker", lambda broker: broker["lost"]),
    Question("acceptor", lambda acceptor: "waits" if acceptor["came_in"] else "refused", ("refused", "waits")),
    Question("client", lambda quit_heard: "once" if quit_heard else "never", ("once", "words", "never")),
    Question("supervisor", lambda supervisor: "end" if supervisor["closed"] else "on", ("on", "end")),
)

EXPLAIN = ("kept", "supervisor")

CLAIMS = (
    Claim("replaced", lambda replaced_count: replaced_count == _REPLACED),
    Claim("connections_stay", lambda closed_count: closed_count == 0),
    Claim("nothing_lost", lambda lost_count: lost_count == 0),
    Claim("nothing_doubled", lambda doubled_count: doubled_count == 0),
    Claim("newcomers_come_in", lambda newcomer_count: newcomer_count == _REPLACED),
    Claim("resumes", lambda longest_stall_ms: longest_stall_ms < 2000, needs_quiet=True),
    Claim("client_is_missed", lambda quit_heard, client: quit_heard and client["lost"] == 0),
    Claim("supervisor_is_the_end", lambda supervisor, exit_status: supervisor["closed"] == 3 and exit_status == -9),
    Claim("no_orphan", lambda orphans: orphans == 0),
    Claim("ends_soon", lambda ended_ms: ended_ms < 2000, needs_quiet=True),
)

STEPS = ("starts", "restarts", "apart", "gives_up", "stops", "stubborn")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    roles = [role for role in _ROLES if role in measured]
    if not roles:
        return
    rows = [(say(f"role.{role}"), measured[role]) for role in roles]
    yield Table(
        say("picture.table"),
        [say(f"head.{name}") for name in ("killed", "closed", "newcomer", "lost", "doubled", "stall")],
        [
            [
                name,
                str(told["closed"]),
                say("lab.yes" if told["came_in"] else "lab.no"),
                str(told["lost"]),
                str(told["doubled"]),
                "-" if told["closed"] else f"{told['stall_ms']:,.0f} ms",
            ]
            for name, told in rows
        ],
    )
    spans = [
        (say(f"role.{role}"), [Span(start / 1000, end / 1000, kind) for start, end, kind in measured[f"{role}_spans"]])
        for role in roles
    ]
    yield TimeLine(say("picture.time_line"), spans, max(span.end for _, of in spans for span in of))
