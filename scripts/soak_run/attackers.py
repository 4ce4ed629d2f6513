"""The strangers' process. It ends when the process that started it says so, or is gone.

They stand for people on other machines, so they must not win by taking the CPU that the server needs: the process has
a low priority, and each stranger keeps to the rate that attacks.py states.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import time
from itertools import count
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from scripts.soak_run.attacks import Attack, attacks
from scripts.soak_run.strangers import Loop, Ports, Script, Stranger, Tally

_NICE = 5  # whoever has none gets three times as much CPU
_TELL_SECONDS = 0.5
_LOOK_SECONDS = 0.05  # how often to see whether it is over
_AGAIN_SECONDS = 1.0  # before a stranger who is through begins again
_STOP_SECONDS = 5.0


def attack(pipe: Pipe, ports: Ports, seed: int) -> None:
    """The main of the process. It sends the tallies by kind, its own CPU time in s, and the loop's pace."""
    os.setsid()  # Ctrl-C is for who started it, and says when it is over
    os.nice(_NICE)
    with contextlib.suppress(OSError):
        # Where sessions share the CPU among them, nice(2) counts within one, and this file between them (sched(7)).
        Path("/proc/self/autogroup").write_text(str(_NICE))
    loop = Loop(ports)
    chance = random.Random(seed)
    numbers = count(2)
    kinds = attacks(with_tls=ports.tls is not None)
    tallies = {kind.name: Tally() for kind in kinds}
    for kind in kinds:
        # All of 127/8 is this host (RFC 1122 section 3.2.1.3).
        sources = [f"127.0.0.{next(numbers)}" for _ in range(kind.addresses)]
        for number in range(kind.people):
            name = f"{type(kind).__name__.lower()}{number}"
            stranger = Stranger(loop, name, sources[number % len(sources)], f"{seed} {name}", tallies[kind.name])
            loop.begin(_again_and_again(stranger, kind), chance.uniform(0, _AGAIN_SECONDS))
    told_at = 0.0
    with contextlib.suppress(OSError, EOFError):  # who started it is gone
        while not pipe.poll():
            if time.monotonic() >= told_at + _TELL_SECONDS:
                told_at = time.monotonic()
                pipe.send((tallies, time.process_time(), loop.pace))
            loop.turn(time.monotonic() + _LOOK_SECONDS)
        pipe.recv()
        pipe.send((tallies, time.process_time(), loop.pace))


def _again_and_again(stranger: Stranger, kind: Attack) -> Script:
    while True:
        yield from kind.play(stranger)
        stranger.leave()
        yield _AGAIN_SECONDS


class Attackers:
    """The process, for as long as a `with` block lasts."""

    def __init__(self, ports: Ports, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=attack, args=(other, ports, seed), daemon=True)
        self._process.start()
        other.close()
        self.tallies: dict[str, Tally] = {}
        self.cpu_seconds = 0.0
        self.pace = 0.0  # see Loop

    def look(self) -> bool:
        """Take what it has told. Returns whether it still attacks."""
        try:
            while self._pipe.poll():
                self.tallies, self.cpu_seconds, self.pace = self._pipe.recv()
        except EOFError:
            return False
        return True

    def __enter__(self) -> Attackers:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send("over")
        while self.look():
            if not self._pipe.poll(_STOP_SECONDS):
                self._process.kill()
                break
        self._process.join()
        self._pipe.close()
