"""What is asked, claimed and drawn of a socket that goes from one process to another."""

from collections.abc import Iterator

from mpchat.lab.experiment import Bars, Claim, Listing, Measured, Picture, Question, Say

QUESTIONS = (
    Question("number", lambda same_socket: "free" if same_socket else "none", ("same", "free", "none")),
    Question(
        "fin",
        lambda fin_after_first_close: "end" if fin_after_first_close else "nothing",
        ("nothing", "end", "reset"),
    ),
    Question("passing", lambda passing_spread: passing_spread),
    Question("accepting", lambda accepting_spread: "even" if accepting_spread <= 1 else "uneven", ("even", "uneven")),
)

EXPLAIN = ("numbers", "shutdown")

CLAIMS = (
    Claim("same_socket", lambda same_socket: same_socket),
    Claim(
        "strace_agrees",
        lambda accepted_number, passed_number, received_number, acceptor_number, worker_number: (
            accepted_number == passed_number == acceptor_number and received_number == worker_number
        ),
    ),
    Claim("no_fin_while_open", lambda fin_after_first_close: not fin_after_first_close),
    Claim("fin_after_last", lambda fin_after_last_close: fin_after_last_close),
    Claim("shutdown_ends", lambda fin_after_shutdown: fin_after_shutdown),
    Claim("nobody_lost", lambda passed, connection_count: sum(passed) == connection_count),
    Claim("passing_is_even", lambda passing_spread: passing_spread <= 1),
    Claim("accepting_is_not", lambda accepting_spread, passing_spread: accepting_spread > passing_spread),
)

STEPS = ("passes", "several", "ended", "numbers", "elsewhere")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    if "calls" in measured:
        yield Listing(say("picture.calls"), [f"{role:<9} {call}" for role, call in measured["calls"]])
    for name in ("passed", "accepted"):
        if name in measured:
            rows = [(say("picture.process", number=number), count) for number, count in enumerate(measured[name])]
            yield Bars(say(f"picture.{name}"), [(label, count, str(count)) for label, count in rows])
