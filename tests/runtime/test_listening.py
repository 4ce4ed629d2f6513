"""Listening: a host that cannot be one is refused like a port that is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mpchat.runtime.listening import CannotListen, listen
from mpchat.settings import Settings
from tests.running import PATIENCE, at_home

HOSTS = ["a" * 64 + ".example", "a..b", ".", "ñ" * 64, "\udcff", "a\nb", "a\0b", "x" * 3000, "", "no-such-host.invalid"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_cannot_be(host: str) -> None:
    with pytest.raises(CannotListen, match=r"\Acannot listen on .*:0: [^\n]*\Z"):
        listen(Settings(host=host), 0)


@pytest.mark.parametrize("host", ["a..b", b"a\xffb", "a\nb"])
def test_the_command_says_so_in_one_line(tmp_path: Path, host: str | bytes) -> None:
    argv = [sys.executable, "-m", "mpchat", "server", host, "0", "--ephemeral"]
    environment = {**os.environ, **at_home(tmp_path)}
    done = subprocess.run(argv, env=environment, capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1), done.stderr
    assert done.stderr.startswith(b"mpchat server: argument host: ")
