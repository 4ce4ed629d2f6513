"""Every Python that is promised, as far as the machine has it: what leans on CPython's own parts is tried on each."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")

each_python = pytest.mark.parametrize("version", VERSIONS)


@functools.cache
def python(version: str) -> str | None:
    """Where this version is: it runs this test, pyenv has it, or it is on the PATH."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [*sorted(pyenv.glob(f"{version}.*/bin/python{version}")), shutil.which(f"python{version}")]
    return next((str(place) for place in places if place is not None and _runs(str(place))), None)


def _runs(executable: str) -> bool:
    """pyenv puts a script on the PATH for each version that it knows, whether it may be used here or not."""
    return subprocess.run([executable, "-c", ""], capture_output=True, timeout=30).returncode == 0


def run_on(version: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Needs nothing but that Python; every warning is an error."""
    executable = python(version)
    if executable is None:
        pytest.skip(f"no Python {version} here")
    return subprocess.run(
        [executable, *args],
        env={**os.environ, "PYTHONPATH": str(HOUSE), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=30,
    )
