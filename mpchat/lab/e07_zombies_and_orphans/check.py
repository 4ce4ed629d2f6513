"""What is asked, claimed and drawn of zombies and orphans."""

from collections.abc import Iterator

from mpchat.lab.experiment import Claim, Measured, Picture, Question, Say, Table

_CHILDREN = 5
_HANDLERS = ("one", "every", "ignored")

QUESTIONS = (
    Question("kill", lambda zombies_after_kill: "nothing" if zombies_after_kill == _CHILDREN else "gone",
             ("gone", "nothing", "error")),
    Question("calls", lambda one_calls: one_calls),
    Question("left", lambda one_left: one_left),
    Question("orphan", lambda orphan_lives: "lives" if orphan_lives else "ends", ("ends", "zombie", "lives")),
)  # fmt: skip

EXPLAIN = ("why", "lost")

CLAIMS = (
    Claim("zombies", lambda zombies: zombies == _CHILDREN),
    Claim("kill_is_nothing", lambda zombies, zombies_after_kill: zombies_after_kill == zombies),
    Claim("adopted", lambda adopted, zombies_after_parent: adopted == _CHILDREN and zombies_after_parent == 0),
    Claim("one_bit", lambda one_pending, one_calls: one_pending == one_calls == 1),
    Claim("one_loses", lambda one_left: one_left > 0),
    Claim("every_reaps", lambda every_reaped, every_left: every_reaped == _CHILDREN and every_left == 0),
    Claim("ignored_hides", lambda ignored_reaped, ignored_left: ignored_reaped == ignored_left == 0),
    Claim(
        "orphan_lives",
        lambda orphan_lives, orphan_old_parent, orphan_new_parent: (
            orphan_lives and orphan_new_parent != orphan_old_parent
        ),
    ),
    Claim("tied_ends", lambda tied_gone, tied_signal: tied_gone and tied_signal == 9),
)

STEPS = ("one", "several", "running", "before", "noted")


def pictures(measured: Measured, say: Say) -> Iterator[Picture]:
    if "zombie_rows" in measured:
        head = [say(f"head.{name}") for name in ("pid", "parent", "state", "killed", "new_parent")]
        yield Table(say("picture.zombies"), head, measured["zombie_rows"])
    rows = [
        [say(f"handler.{name}"), *(str(measured[f"{name}_{what}"]) for what in ("calls", "reaped", "left"))]
        for name in _HANDLERS
        if f"{name}_left" in measured
    ]
    if rows:
        yield Table(
            say("picture.handlers"), [say(f"head.{name}") for name in ("handler", "calls", "reaped", "left")], rows
        )
