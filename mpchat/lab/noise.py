"""How busy other programs keep the machine while something is measured."""

import os
import resource
import time

_TICKS = os.sysconf("SC_CLK_TCK")


class Noise:
    """Begins to count when it is made. Everything that this process starts meanwhile must be reaped before others()."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()

    def others(self) -> float | None:
        """How many cores were busy, on average, with anything but this process and those that it has reaped.

        What a hypervisor took away counts (steal). None where the system does not tell.
        """
        busy = _busy_seconds()
        if busy is None or self._busy is None:
            return None
        took = max(0.001, time.monotonic() - self._began)
        return max(0.0, (busy - self._busy - (_own_seconds() - self._own)) / took)


def _busy_seconds() -> float | None:
    """Of all cores, since the start of the system; None: the system does not tell.

    /proc/stat (proc(5)) has user, nice, system, idle, iowait, irq, softirq and steal.
    """
    try:
        with open("/proc/stat", "rb") as file:
            user, nice, system, _idle, _iowait, *rest = map(int, file.readline().split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + sum(rest)) / _TICKS


def _own_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
