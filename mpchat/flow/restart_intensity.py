"""Restart intensity: when a child is started again, and when the server gives up. Pure; times in monotonic seconds.

    cannot be started   the spawn failed, or the child ended before it had a role, or for want of what every start needs
    crashes             it had a role, and ended with a status, or by a signal other than SIGKILL
    hangs               its loop did not turn for the hang limit, and it was killed for that
    in a row            each within PERIOD_SECONDS of the one before; after a period without one, the count starts again

A SIGKILL from outside is none of these: the next process takes the role at once, and nothing is counted.

Intensity and period are the words of OTP's supervisors (the maximum number of restarts within a period); other than
there, restarts are spread by a back-off, and only the broker's intensity ends the server.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

PERIOD_SECONDS = 60.0
FIRST_STARTS = 8  # that fail in a row, before the server has ever been ready: with the back-off that is 13 s
LONGEST_HANG_SECONDS = 60.0  # the hang limit is doubled up to this; a process that waits for the disk has it at once
_BACKOFF_SECONDS = 0.1  # before the second start in a row; doubled from there
_DOUBLINGS = 16  # beyond any longest back-off


@dataclass(frozen=True)
class RestartPolicy:
    """Of one kind of process."""

    max_backoff_seconds: float  # between two starts: the back-off grows to this with each crash
    alert_at: int = 0  # crashes in a row that are logged as an error of their own; 0: none
    hang_limit_grows: bool = False  # each kill for hanging in a row doubles the limit; else such a kill is a crash
    intensity: int = 0  # crashes in a row of processes that never got ready, at which the server ends; 0: never


# A start that fails is tried again for ever, with START's back-off, until one succeeds; but a server that has never
# been ready ends at FIRST_STARTS in a row: only who has started it waits, and wants to know. Apart from that and from
# the broker's intensity these end the server, after the clients were told: damaged data, or a stream position that does
# not fit after a replay; a third death at a record that is not left out (children.py); the death of a broker that keeps
# no journal; the loss of the last listening socket.
START = RestartPolicy(max_backoff_seconds=30.0)
POLICIES = {
    "spare": RestartPolicy(max_backoff_seconds=30.0),
    "recorder": RestartPolicy(max_backoff_seconds=30.0),  # meanwhile a query of the history is answered "not now"
    "authenticator": RestartPolicy(max_backoff_seconds=30.0, alert_at=5),  # meanwhile a login is told to try again
    "worker": RestartPolicy(max_backoff_seconds=30.0, alert_at=5, hang_limit_grows=True),  # its clients wait
    "acceptor": RestartPolicy(max_backoff_seconds=30.0, alert_at=5, hang_limit_grows=True),  # new clients wait
    "front": RestartPolicy(max_backoff_seconds=30.0, alert_at=5, hang_limit_grows=True),  # new clients of TLS wait
    # All clients wait for the broker. A server that runs and serves none would be worse than one that ends.
    "broker": RestartPolicy(max_backoff_seconds=1.0, alert_at=5, hang_limit_grows=True, intensity=10),
}


def kind_of(role: str) -> str:
    """All workers are of one kind; of each other kind there is one process."""
    return "worker" if role.startswith("worker") else role


def policy_of(role: str) -> RestartPolicy:
    return POLICIES[kind_of(role)]


@dataclass
class _Streak:
    """Events in a row."""

    count: int = 0
    last: float = -math.inf

    def add(self, now: float, began: float) -> int:
        """One more, over at `now`; when it `began` decides whether it is in a row with the last one."""
        self.count = self.count + 1 if began - self.last <= PERIOD_SECONDS else 1
        self.last = now
        return self.count

    def at(self, now: float) -> int:
        return self.count if now - self.last <= PERIOD_SECONDS else 0


@dataclass
class Failures:
    """The failures of the processes of one role, or of all starts."""

    policy: RestartPolicy
    not_before: float = -math.inf  # when the next start may be
    failed_starts: int = 0  # crashes in a row of processes that had not got ready
    lacking: int = 0  # starts in a row that have failed for want of what every start needs
    _crashes: _Streak = field(default_factory=_Streak)
    _hangs: _Streak = field(default_factory=_Streak)

    def crashed(self, now: float, was_ready: bool) -> int:
        """Count a crash, and set the back-off, none after the first in a row; returns how many in a row there were."""
        self.failed_starts = 0 if was_ready else self.failed_starts + 1
        self.lacking = 0 if was_ready else self.lacking
        count = self._crashes.add(now, now)
        self._wait(now, count - 1, self.policy.max_backoff_seconds)
        return count

    def could_not_start(self, now: float) -> None:
        """A start has failed for want of what every start needs: the back-off begins with the first one."""
        self.lacking += 1
        self._wait(now, self._crashes.add(now, now), START.max_backoff_seconds)

    def succeeded(self) -> None:
        """A start has succeeded: what was lacking is there again."""
        self._crashes, self.not_before, self.lacking = _Streak(), -math.inf, 0

    def hung(self, now: float, seconds: float, was_ready: bool) -> int:
        """Count a kill for hanging for so many seconds; returns how many in a row there were."""
        if not self.policy.hang_limit_grows:
            return self.crashed(now, was_ready)
        return self._hangs.add(now, now - seconds)

    @property
    def gives_up(self) -> bool:
        return 0 < self.policy.intensity <= self.failed_starts

    @property
    def gives_up_at_first(self) -> bool:
        """Whether a server ends that has never been ready."""
        return self.failed_starts + self.lacking >= FIRST_STARTS

    def hang_limit(self, seconds: float, now: float) -> float:
        """The hang limit now, where `seconds` is the configured one (--hang-limit); 0: none."""
        doublings = min(max(0, self._hangs.at(now) - 1), _DOUBLINGS)
        return min(seconds * float(2**doublings), max(seconds, LONGEST_HANG_SECONDS))

    def _wait(self, now: float, failures: int, most: float) -> None:
        seconds = _BACKOFF_SECONDS * 2 ** min(failures - 1, _DOUBLINGS) if failures else 0.0
        self.not_before = now + min(seconds, most)
