"""The pure rooms' tests: no socket, no sleep, milliseconds each.

Hypothesis tries the same examples every time, so that a run is worth as much as any other. MPCHAT_EXAMPLES=50 tries
fifty times as many, and different ones every time.
"""

import os
import socket
import time

import pytest
from hypothesis import HealthCheck, settings

_TIMES = int(os.environ.get("MPCHAT_EXAMPLES", "0"))

settings.register_profile(
    "pure",
    max_examples=60 * max(1, _TIMES),
    stateful_step_count=40,
    derandomize=not _TIMES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("pure")


@pytest.fixture(autouse=True)
def _neither_sockets_nor_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a pure test reached for the world outside")

    for module, name in ((socket, "socket"), (socket, "create_connection"), (socket, "socketpair"), (time, "sleep")):
        monkeypatch.setattr(module, name, forbidden)
