"""Mailing: queues for a process that is already running, on every Python that is promised and that is here."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc import mailing
from mpchat.ipc.handoff import Link
from mpchat.ipc.lane import Lane

HOUSE = Path(__file__).parent.parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13")


def python(version: str) -> str | None:
    """Where this version is: it runs this test, pyenv has it, or the system."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
    return str(places[-1]) if places else shutil.which(f"python{version}", path="/usr/bin")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/shm and /proc show what is left on Linux only")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_lane_for_a_running_process(version: str) -> None:
    """It works to its end, and neither a descriptor nor a semaphore's name stays behind on either side."""
    executable = python(version)
    if executable is None:
        pytest.skip(f"no Python {version} here")
    done = subprocess.run(
        [executable, "-m", "tests.ipc.mailed"],
        env={**os.environ, "PYTHONPATH": str(HOUSE), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert not done.stderr, done.stderr
    assert (done.returncode, done.stdout) == (0, "all is well\n")


def test_a_letter_can_be_opened_as_often_as_its_descriptors_are_sent() -> None:
    """The sender's own stay open, so that two processes can be given one lane."""
    lane = Lane.make(get_context("spawn"))
    data, fds = mailing.letter(lane)
    left, right = map(Link, Link.pair())
    left.post(data, fds=fds)
    left.post(data, fds=fds)
    opened = []
    for _ in range(2):
        message = right.take_one()
        assert message is not None
        (letter,), received = message
        opened.append(mailing.opened(letter, received))
    one, other = opened[0].at_worker(), opened[1].at_broker()
    other.put("down")
    assert select.select([one], [], [], 5)[0]
    assert one.take() == ["down"]
    opened[1].down.close()
    opened[1].down.join_thread()
    for end in (one, other):
        end.close()
    lane.let_go()
    left.close()
    right.close()


def test_a_letter_without_queues_needs_no_descriptors() -> None:
    data, fds = mailing.letter(("worker", 3))
    assert fds == ()
    assert mailing.opened(data, []) == ("worker", 3)


def test_what_cannot_be_pickled_leaves_nothing_behind() -> None:
    """The next queue that is pickled outside of a letter is refused as ever."""
    queue: Any = get_context("spawn").Queue()
    with pytest.raises(Exception, match="pickle"):
        mailing.letter(lambda: None)
    with pytest.raises(RuntimeError, match="inheritance"):
        queue.__getstate__()
    queue._reader.close()
    queue._writer.close()
