"""What is asked, claimed and drawn of where the CPU time goes."""

from collections.abc import Iterator

from mpchat.lab.experiment import Bars, Claim, Measured, Picture, Question, Say, Table

_NICES = (0, 5, 10, 19)
_WEIGHT = 1.25  # a step of nice (sched(7)): the kernel's table of weights is made with it


def _is_near(times: float, nice: int) -> bool:
    """Measured: 3.1, 9.3 and 62 to 83 times, where 3.1, 9.3 and 69 are expected; also on a machine that is busy."""
    return 0.6 < times / _WEIGHT**nice < 1.6


QUESTIONS = (
    Question(
        "faster",
        lambda core_times: "one" if core_times > 1.1 else "same" if core_times > 0.9 else "two",
        ("one", "two", "same"),
    ),
    Question("switches", lambda two_ping_voluntary: round(two_ping_voluntary, 1)),
    Question("nice", lambda times_10: round(times_10, 1)),
    Question(
        "nicest",
        lambda share_19: "nothing" if share_19 == 0 else "little" if share_19 < 5 else "much",
        ("nothing", "little", "much"),
    ),
    Question(
        "loop",
        lambda spin_voluntary, spin_involuntary: "involuntary" if spin_involuntary > spin_voluntary else "voluntary",
        ("voluntary", "involuntary", "none"),
    ),
)

EXPLAIN = ("wakeup", "fair")

# Measured: two cores took from 1.6 to 12 times as long: it depends on how deep an idle core sleeps.
CLAIMS = (
    Claim(
        "waits_once",
        lambda two_ping_voluntary, two_echo_voluntary: (
            0.5 < two_ping_voluntary < 2.5 and 0.5 < two_echo_voluntary < 2.5
        ),
    ),
    Claim(
        "takes_turns",
        lambda one_ping_voluntary, one_ping_involuntary: 0.5 < one_ping_voluntary + one_ping_involuntary < 2.5,
    ),
    Claim("loop_is_interrupted", lambda spin_voluntary, spin_involuntary: spin_involuntary > 10 * spin_voluntary),
    Claim("one_core_faster", lambda core_times: core_times > 1, needs_quiet=True),
    Claim("nice_5", lambda times_5: _is_near(times_5, 5), needs_quiet=True),
    Claim("nice_10", lambda times_10: _is_near(times_10, 10), needs_quiet=True),
    Claim("nice_19", lambda times_19: _is_near(times_19, 19), needs_quiet=True),
    Claim("nobody_starves", lambda share_19: share_19 > 0),
)

STEPS = ("shares", "waits", "computes", "seconds", "name")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    yield Bars(
        say("picture.round_trip"),
        [
            (say(f"place.{place}"), measured[f"{place}_us"], f"{measured[f'{place}_us']:.1f} µs")
            for place in ("one", "two")
            if f"{place}_us" in measured
        ],
    )
    kinds = ("ping_voluntary", "ping_involuntary", "echo_voluntary", "echo_involuntary")
    yield Table(
        say("picture.switches"),
        [say("picture.place"), *(say(f"picture.{kind}") for kind in kinds)],
        [
            [say(f"place.{place}"), *(f"{measured[f'{place}_{kind}']:.2f}" for kind in kinds)]
            for place in ("one", "two")
            if f"{place}_{kinds[0]}" in measured
        ],
    )
    found = [nice for nice in _NICES if f"share_{nice}" in measured]
    yield Bars(
        say("picture.shares"),
        [(f"nice {nice}", measured[f"share_{nice}"], f"{measured[f'share_{nice}']:.1f} %") for nice in found],
    )
    yield Table(
        say("picture.times"),
        [say(f"picture.{column}") for column in ("nice", "measured", "expected")],
        [[str(nice), f"{measured[f'times_{nice}']:.1f}", f"{_WEIGHT**nice:.1f}"] for nice in found],
    )
