"""What is asked, claimed and drawn of deadlock and torn messages."""

from collections.abc import Iterator

from mpchat.lab.experiment import Claim, Measured, Picture, Question, Say, Span, Table, TimeLine

QUESTIONS = (
    Question("one_more", lambda one_more_through: "ever" if one_more_through == 0 else "fine",
             ("fine", "slow", "ever")),
    Question("torn", lambda torn: torn),
    Question("torn_longer", lambda torn_longer, lines: "some" if 0 < torn_longer < lines else "all",
             ("none", "some", "all")),
    Question("join", lambda big_joined: "fine" if big_joined else "ever", ("fine", "lost", "ever")),
)  # fmt: skip

EXPLAIN = ("coffman", "lines")

CLAIMS = (
    Claim("fits", lambda fits_through: fits_through == 2),
    Claim("one_more", lambda one_more_through: one_more_through == 0),
    Claim("in_write", lambda in_write: in_write),
    Claim("freed", lambda freed_through: freed_through == 2),
    Claim("whole", lambda torn: torn == 0),
    Claim("torn", lambda torn_longer: torn_longer > 0),
    Claim("join_small", lambda small_joined: small_joined),
    Claim("join_big", lambda big_joined, big_joined_after_get: not big_joined and big_joined_after_get),
)

STEPS = ("frame", "returns", "both_ways", "whole", "gone", "server", "chaos")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    rows = [
        (f"{name}  {measured[size]:,}", [Span(0.0, measured[until])])
        for size, until in (("capacity", "fits_s"), ("one_more", "still_s"))
        if until in measured
        for name in "ab"
    ]
    if "still_s" in measured:
        yield TimeLine(say("picture.exchange"), rows, measured["still_s"])
    if "torn_longer" in measured:
        yield Table(
            say("picture.lines"),
            [say(f"head.{name}") for name in ("size", "lines", "torn")],
            [
                [f"{measured[size]:,}", f"{measured['lines']:,}", str(measured[torn])]
                for size, torn in (("pipe_buf", "torn"), ("longer", "torn_longer"))
            ],
        )
