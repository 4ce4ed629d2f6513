"""What is asked, claimed and drawn of a slow consumer."""

from collections.abc import Iterator

from mpchat.lab.experiment import Bars, Claim, Measured, Picture, Question, Say

_MAXSIZE = 1000

QUESTIONS = (
    Question("unbounded", lambda unbounded_accepted: "all" if unbounded_accepted > 10_000 else "hundreds",
             ("one", "hundreds", "all")),
    Question("bounded", lambda bounded_accepted: bounded_accepted),
    Question("simple", lambda simple_accepted: "hundreds" if 1 < simple_accepted < 10_000 else "all",
             ("one", "hundreds", "all")),
    Question("deaf", lambda deaf_closed: "closed" if deaf_closed else "memory", ("wait", "memory", "closed")),
)  # fmt: skip

EXPLAIN = ("where", "policy")

CLAIMS = (
    Claim("unbounded_accepts", lambda unbounded_accepted: unbounded_accepted >= 100_000),
    Claim("unbounded_grows", lambda unbounded_growth_mib: unbounded_growth_mib > 30),
    Claim("bounded_stops", lambda bounded_accepted: 0 < bounded_accepted <= _MAXSIZE + 1),
    Claim("bounded_small", lambda bounded_growth_mib: bounded_growth_mib < 5),
    Claim("simple_stops", lambda simple_accepted: 0 < simple_accepted < _MAXSIZE),
    Claim(
        "nothing_lost",
        lambda heard_while_stopped, arrived_after, said_while_stopped: (
            not heard_while_stopped and arrived_after == said_while_stopped
        ),
    ),
    Claim("deaf_is_closed", lambda deaf_closed: deaf_closed),
    Claim("others_unaffected", lambda deaf_others_heard, deaf_said: deaf_others_heard == deaf_said),
)

STEPS = ("order", "drop", "refuse", "block", "wakes")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    names = [name for name in ("unbounded", "bounded", "simple") if f"{name}_accepted" in measured]
    accepted = [measured[f"{name}_accepted"] for name in names]
    yield Bars(
        say("picture.accepted"),
        [(say(f"queue.{name}"), count, f"{count:,}") for name, count in zip(names, accepted, strict=True)],
        is_log=True,
    )
    grown = [name for name in names if f"{name}_growth_mib" in measured]
    if grown:
        values = [(name, measured[f"{name}_growth_mib"]) for name in grown]
        yield Bars(say("picture.memory"), [(say(f"queue.{name}"), value, f"{value:.1f} MiB") for name, value in values])
