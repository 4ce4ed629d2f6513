"""What mpchat doctor looks at: other programs, packages, the clock, and the terminal."""

import importlib.metadata
import importlib.util
import locale
import os
import shutil
import sys
import time
from pathlib import Path

import mpchat
from mpchat.monitor.doctor import judging
from mpchat.monitor.doctor.asked import Asked
from mpchat.monitor.doctor.judging import Finding
from mpchat.monitor.picture import BLOCKS

# Those that README or the labs have a use for, and Debian's package of each.
_TOOLS = {
    "make": "make",
    "nc": "netcat-openbsd",
    "irssi": "irssi",
    "pstree": "psmisc",
    "pgrep": "procps",
    "ss": "iproute2",
    "strace": "strace",
    "unshare": "util-linux",
}
# Those that the program imports if they are there (requirements.txt), and Debian's package of each.
_PACKAGES = {
    "psutil": "python3-psutil",
    "prompt_toolkit": "python3-prompt-toolkit",
    "setproctitle": "python3-setproctitle",
    "tomli": "python3-tomli",
    "prometheus_client": "python3-prometheus-client",
    "scramp": "python3-scramp",
}
_LETTERS = "ñáéíóú¿¡" + BLOCKS  # what is shown in Spanish, and by the screens
_TURNS = 1000  # of a loop, in which a clock that goes has gone on


def tools(asked: Asked) -> list[Finding]:
    path = asked.environment.get("PATH", os.defpath)
    return [judging.tool(name, shutil.which(name, path=path), debian) for name, debian in _TOOLS.items()]


def packages(asked: Asked) -> list[Finding]:
    """Debian's packages help Debian's own Python only, and none that runs in a .venv."""
    helps = sys.prefix == "/usr"
    needed = {name: debian for name, debian in _PACKAGES.items() if name != "tomli" or sys.version_info < (3, 11)}
    return [judging.package(name, _version(name), debian if helps else None) for name, debian in needed.items()]


def _version(name: str) -> str | None:
    if importlib.util.find_spec(name) is None:
        return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # a copy of its folder
        return "?"


def clock(asked: Asked) -> list[Finding]:
    now = time.time()
    installed = Path(mpchat.__file__).stat().st_mtime
    shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    return [judging.clock(now, _newest(asked.settings.data), installed, shown)]


def _newest(data: str) -> float | None:
    """When the data directory was last written to."""
    if not data:
        return None
    folder = Path(data)
    files = [folder / "history.db", folder / "snapshot", *folder.glob("journal/*.journal")]
    times = []
    for file in files:
        try:
            times.append(file.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def monotonic(asked: Asked) -> list[Finding]:
    before = time.monotonic_ns()
    for _ in range(_TURNS):
        pass
    return [judging.monotonic(before, time.monotonic_ns())]


def zone(asked: Asked) -> list[Finding]:
    return [judging.zone(time.strftime("%Z"), time.strftime("%z"))]


def terminal(asked: Asked) -> list[Finding]:
    kind = asked.environment.get("TERM", "")
    is_one = os.isatty(0) and os.isatty(1)
    size = os.get_terminal_size(1) if is_one else None
    has_colours = not asked.environment.get("NO_COLOR")
    return [judging.terminal(is_one, kind, size and (size.columns, size.lines), has_colours)]


def letters(asked: Asked) -> list[Finding]:
    encoding = sys.stdout.encoding
    lacking = "".join(letter for letter in _LETTERS if not _has(encoding, letter))
    return [judging.letters(encoding, lacking)]


def _has(encoding: str, letter: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def speech(asked: Asked) -> list[Finding]:
    names = (asked.environment.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    name = next((each for each in names if each), "")
    encoding = locale.nl_langinfo(locale.CODESET)
    try:
        locale.setlocale(locale.LC_CTYPE, "")  # as Python does when it starts, where it says nothing of a failure
        is_installed = True
    except locale.Error:
        is_installed = False
    return [judging.locale(name, is_installed, encoding, asked.language)]
