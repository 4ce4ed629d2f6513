"""Supervision: what follows when a process cannot be started, crashes, or hangs. Pure; times in monotonic seconds.

    cannot be started   the spawn failed, or the child ended before it had a role, or for want of what every start needs
    crashes             it had a role, and ended with a status, or by a signal other than SIGKILL
    hangs               its loop did not turn for the hang limit, and it was killed for that
    again               within AGAIN_SECONDS of the last time; after so long without one, all is as at the beginning

A SIGKILL from outside is none of these: the next process takes the place at once, and nothing is counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

AGAIN_SECONDS = 60.0
LONGEST_HANG_SECONDS = 60.0  # to which the hang limit is doubled, and which a process has that waits for the disk
_BACKOFF_SECONDS = 0.1  # before the second start in a row; doubled from there
_DOUBLINGS = 16  # beyond any longest back-off


@dataclass(frozen=True)
class Rule:
    """Of one kind of process."""

    backoff_seconds: float  # between two starts at most: it grows with each crash
    loud_at: int = 0  # crashes in a row, of which one line tells more loudly than of the others; 0: none does
    hang_limit_grows: bool = False  # each kill for hanging that comes again doubles the limit; else it is a crash
    # Crashes in a row of processes that never got ready, at which the server ends; 0: never.
    most_failed_starts: int = 0


# What cannot be started is tried for ever, whatever it is, with START's back-off, which ends with the first start that
# succeeds. What follows ends the server, after the clients were told: damaged data, or a stream position that does not
# fit after a replay; the death of a broker that keeps no journal; no listening socket left.
START = Rule(backoff_seconds=30.0)
RULES = {
    "spare": Rule(backoff_seconds=30.0),
    "recorder": Rule(backoff_seconds=30.0),  # meanwhile questions about the past are answered "not now"
    "worker": Rule(backoff_seconds=30.0, loud_at=5, hang_limit_grows=True),  # its clients wait
    "acceptor": Rule(backoff_seconds=30.0, loud_at=5, hang_limit_grows=True),  # newcomers wait
    # All wait for the broker. A server that stays up and is of no use would be worse than one that ends.
    "broker": Rule(backoff_seconds=1.0, loud_at=5, hang_limit_grows=True, most_failed_starts=10),
}


def kind_of(role: str) -> str:
    """All workers are of one kind; of each other kind there is one process."""
    return "worker" if role.startswith("worker") else role


def rule_of(role: str) -> Rule:
    return RULES[kind_of(role)]


@dataclass
class _Streak:
    """How often something has happened again."""

    count: int = 0
    last: float = -math.inf

    def add(self, now: float, began: float) -> int:
        """Once more at `now`; it `began` earlier, perhaps, and that is what must be soon after the last one."""
        self.count = self.count + 1 if began - self.last <= AGAIN_SECONDS else 1
        self.last = now
        return self.count

    def at(self, now: float) -> int:
        return self.count if now - self.last <= AGAIN_SECONDS else 0


@dataclass
class Failures:
    """What has happened to the processes of one role, or to all starts."""

    rule: Rule
    not_before: float = -math.inf  # when the next start may be
    failed_starts: int = 0  # crashes in a row of processes that had not got ready
    _crashes: _Streak = field(default_factory=_Streak)
    _hangs: _Streak = field(default_factory=_Streak)

    def crashed(self, now: float, was_ready: bool) -> int:
        """A crash, of one that had been ready or not: the first one's successor starts at once.

        Returns which one in a row it is.
        """
        self.failed_starts = 0 if was_ready else self.failed_starts + 1
        count = self._crashes.add(now, now)
        self._wait(now, count - 1)
        return count

    def could_not_start(self, now: float) -> None:
        """The system lacks something that every start needs: it will hardly be there at once."""
        self._wait(now, self._crashes.add(now, now))

    def succeeded(self) -> None:
        """One has started: what was lacking is there again."""
        self._crashes, self.not_before = _Streak(), -math.inf

    def hung(self, now: float, seconds: float, was_ready: bool) -> int:
        """Killed for hanging for so many seconds. Returns which one in a row it is."""
        if not self.rule.hang_limit_grows:
            return self.crashed(now, was_ready)
        return self._hangs.add(now, now - seconds)

    @property
    def gives_up(self) -> bool:
        return 0 < self.rule.most_failed_starts <= self.failed_starts

    def hang_limit(self, seconds: float, now: float) -> float:
        """How long a process may hang now where it may for so many seconds at the beginning; 0: for ever."""
        doublings = min(max(0, self._hangs.at(now) - 1), _DOUBLINGS)
        return min(seconds * float(2**doublings), max(seconds, LONGEST_HANG_SECONDS))

    def _wait(self, now: float, failures: int) -> None:
        seconds = _BACKOFF_SECONDS * 2 ** min(failures - 1, _DOUBLINGS) if failures else 0.0
        self.not_before = now + min(seconds, self.rule.backoff_seconds)
