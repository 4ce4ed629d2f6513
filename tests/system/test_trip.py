"""scripts/trip.py: it finds the way of a line through this checkout. How many functions that takes is not asserted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.servers import needs_linux

ROOT = Path(__file__).parent.parent.parent


@needs_linux
@pytest.mark.slow
def test_the_way_of_a_line_is_found() -> None:
    done = subprocess.run([sys.executable, "scripts/trip.py"], cwd=ROOT, capture_output=True, text=True, timeout=50)

    assert done.returncode == 0, done.stderr
    up, middle, down, total = done.stdout.strip().split("\n\n")
    for part, title, steps in (
        (up, "worker, until the record is put", ["worker/connection.py:Connection.read", "ipc/queue_transport.py:"]),
        (
            middle,
            "broker, until the items are put",
            ["ipc/queue_transport.py:", "core/machine.py:Core.apply", "ipc/queue_transport"],
        ),
        (down, "worker, until it is sent", ["ipc/queue_transport.py:", "worker/connection.py:Connection.flush"]),
    ):
        assert part.startswith(f"{title}: ")
        places = [part.index(step) for step in steps[:2]]
        assert places == sorted(places)
        assert part.splitlines()[-1].split()[1].startswith(steps[-1])
    assert re.fullmatch(r"in all: \d+ functions in \d+ files, \d+ calls", total)
