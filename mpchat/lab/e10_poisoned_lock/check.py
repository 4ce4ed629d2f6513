"""What is asked, claimed and drawn of the poisoned lock."""

from collections.abc import Iterator

from mpchat.lab.experiment import Bars, Claim, Measured, Picture, Question, Say

_KILLS = 50
_MODELS = ("readers", "writers", "shared", "own")

QUESTIONS = (
    Question("lock", lambda lock_free: "freed" if lock_free else "ever", ("freed", "error", "ever")),
    Question("flock", lambda flock_free: "freed" if flock_free else "ever", ("freed", "error", "ever")),
    Question("shared", lambda shared_kills: shared_kills),
    Question("own", lambda own_kills, own_stalls: "all" if not own_stalls and own_kills >= _KILLS else "some",
             ("first", "some", "all")),
)  # fmt: skip

EXPLAIN = ("owner", "maxsize")

CLAIMS = (
    Claim("lock_kept", lambda lock_was_held, lock_free: lock_was_held and not lock_free),
    Claim("flock_freed", lambda flock_was_held, flock_free: flock_was_held and flock_free),
    Claim("readers", lambda readers_kills: readers_kills > 0),
    Claim("writers", lambda writers_kills: writers_kills > 0),
    Claim("shared", lambda shared_kills: shared_kills > 0),
    Claim("own_goes_on", lambda own_kills, own_stalls: own_kills >= _KILLS and own_stalls == 0),
    Claim("own_whole", lambda own_bad: own_bad == 0),
    Claim("own_noticed", lambda own_noticed, own_dead: own_noticed == own_dead),
)

STEPS = ("returns", "whole", "torn", "refuses", "death", "server", "chaos")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    rows = [(say(f"model.{name}"), kills, str(kills)) for name in _MODELS if (kills := measured.get(f"{name}_kills"))]
    if rows:
        yield Bars(say("picture.kills"), rows)
