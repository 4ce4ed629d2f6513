"""Prepare .venv, then run Python with what is in it: every command of the Makefile begins with this.

    python scripts/prepare.py [--dev] [--again] [-- ARGUMENTS OF PYTHON]

What is needed to run (requirements.txt) is installed first and alone, and each package of it may be missing: the
program then runs without, and a line says what that costs. It is tried once, and again when requirements.txt has
changed or with --again. What tests and linters need (requirements-dev.txt) is installed with --dev, and must be there.

A package index may take as long as it likes, but is given up when it says nothing for a few seconds: in many a lab the
way to it is closed without a word. Where there are several, the others are asked all the same.

Only one such program writes to .venv at a time, the others wait for its lock, which the kernel lets go of when a
process ends in whatever way.

Standard library only, and no syntax newer than Python 3.6: an older Python than is needed must be able to say so.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import mpchat  # noqa: F401  an older Python than is needed ends here, and says so
from mpchat import texts
from mpchat.texts import t, translate

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "preparing.log"  # all that pip has to say about the last attempt
RESULT = VENV / ".prepared"  # JSON: which Python it is for, and of each list: its digest, and whether all of it is here
LOCK = VENV / ".lock"  # and in it, who has it: "PID what it is to run"
RUN, DEV = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
SERVER, CLIENT = ["-m", "mpchat", "server"], ["-m", "mpchat", "client"]

_OLD = 'python_version < "3.11"'  # behind what the standard library has from then on
# Seconds without a byte, and how often it is asked again then. A person waits for the first; tests can wait longer, and
# should not fail for one slow answer.
_PATIENCE, _PATIENCE_DEV = (5, 0), (15, 1)
_SERVER_SECONDS = 10.0  # for a server whose start this client's has waited for

# Runs pip. Of a name with several addresses, one of each family is enough: each would be given its time in turn. An
# index that was given up is not asked for the next package. LOG tells of each which it was: "mpchat: KIND HOST".
_PIP = """
import os, runpy, socket, sys
from urllib.parse import urlsplit
from pip._internal.network.session import PipSession
from pip._vendor.requests import ConnectionError, Timeout

every, ask, known = socket.getaddrinfo, PipSession.request, dict.fromkeys(os.environ["MPCHAT_GIVEN_UP"].split())

def request(session, method, url, *args, **named):
    host = urlsplit(url).netloc.rpartition("@")[2] or "here"
    if host in known and known[host] != "answers":
        raise ConnectionError("given up: " + host)
    kind = "answers"
    try:
        return ask(session, method, url, *args, **named)
    except (ConnectionError, Timeout) as error:
        kind = "silent" if "timed out" in str(error) else "unreachable"
        raise
    finally:
        if known.get(host) != kind:
            known[host] = kind
            print("\\nmpchat:", kind, host, file=sys.stderr, flush=True)

socket.getaddrinfo = lambda *args, **named: list({found[0]: found for found in every(*args, **named)[::-1]}.values())
PipSession.request = request
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
_FOUND = re.compile("^mpchat: (answers|silent|unreachable) (.*)$", re.MULTILINE)
_LACKING = "import importlib.util, sys; print(*(name for name in sys.argv[1:] if not importlib.util.find_spec(name)))"


class Failed(Exception):
    """Something could not be installed: its text says why."""

    def __init__(self, why: str, nobody_answers: bool = False) -> None:
        super().__init__(why)
        self.nobody_answers = nobody_answers  # no index does: nothing else is worth asking for


def main() -> int:
    texts.use(texts.wished([], os.environ))
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--dev] [--again] [-- ARGUMENTS OF PYTHON]",
        description="Prepare .venv, then run Python with what is in it; without arguments for it nothing is run.",
    )
    parser.add_argument("--dev", action="store_true", help="what tests and linters need, too; it must be there")
    parser.add_argument("--again", action="store_true", help="try again to install what could not be installed")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)  # argparse's own way with -- differs between versions
    options, arguments = parser.parse_args(words[:end]), words[end + 1 :]
    texts.use(texts.wished(arguments, os.environ))  # of what is run after this
    try:
        python = prepared(options.dev, options.again, arguments)
    except Failed as failed:
        say(str(failed))
        return 1
    except KeyboardInterrupt:
        return 130
    if arguments:
        os.execv(python, [python, *arguments])
    return 0


def say(text: str) -> None:
    """On standard error: what is run after this has standard output for itself."""
    with contextlib.suppress(OSError):
        print(f"mpchat: {text}", file=sys.stderr, flush=True)


def prepared(dev: bool, again: bool, arguments: Sequence[str]) -> str:
    """Returns the Python to run with. Raises Failed where something must be there and is not."""
    try:
        if again or not is_done(dev):
            with locked(arguments) as (lock, before):
                if again or not is_done(dev):  # another has done it, for the one who has waited
                    prepare(dev, lock)
            if before == SERVER and arguments[:3] == CLIENT and len(arguments) > 4:
                await_server(arguments[3], arguments[4])
    except OSError as error:
        if dev or again:
            raise Failed(unprepared(error)) from error
        say(unprepared(error))
    found = result()
    if found.get(RUN.name, {}).get("complete"):
        return str(PYTHON)
    # The system's own may have some of it, where there was no way to install any.
    python = str(PYTHON) if is_executable(PYTHON) and lacking(str(PYTHON)) != names(RUN) else base()
    missing = [t(f"cli.make_without.{name}") for name in lacking(python) if again or is_missed(name)]
    if again:
        raise Failed(t("cli.make_missing", packages=listed(missing)))
    if missing:
        say(t("cli.make_runs_without", packages=listed(missing)))
    return python


def unprepared(error: OSError) -> str:
    return t("cli.make_unprepared", folder=VENV.name, why=translate(str(error.strerror)), path=error.filename)


# What is there


def result() -> dict[str, Any]:
    """Of the last attempt: RESULT; {} where there was none, or its Python has gone."""
    try:
        found: dict[str, Any] = json.loads(RESULT.read_text())
    except (OSError, ValueError):
        return {}
    return found if is_executable(PYTHON) or not found[RUN.name]["complete"] else {}


def is_executable(python: Path) -> bool:
    """It may be a link to one that has been removed."""
    return os.access(python, os.X_OK)


def is_done(dev: bool) -> bool:
    """Is there nothing to do, or nothing that has not been tried? What must be there for --dev is always tried."""
    found = result()
    run, more = found.get(RUN.name, {}), found.get(DEV.name, {})
    tried = found.get("python") == version() and run.get("digest") == digest(RUN)
    return tried and (not dev or (run["complete"] and more.get("digest") == digest(DEV)))


def version() -> str:
    """Of this Python. Packages are installed for a minor version."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def base() -> str:
    """This Python, or the one that the environment was made of that it runs in."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def digest(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def lines(requirements: Path) -> list[str]:
    """One for each package that this Python needs."""
    every = [line for line in requirements.read_text().splitlines() if line and not line.startswith("#")]
    return [line for line in every if sys.version_info < (3, 11) or not line.endswith(_OLD)]


def names(requirements: Path) -> list[str]:
    return [re.split(r"[^\w.-]", line)[0] for line in lines(requirements)]


def lacking(python: str) -> list[str]:
    """Which of the packages needed to run this Python cannot import."""
    done = subprocess.run([python, "-c", _LACKING, *names(RUN)], stdout=subprocess.PIPE, text=True)
    return done.stdout.split() if done.returncode == 0 else names(RUN)


def is_missed(name: str) -> bool:
    """Is anything lost without this package? What psutil tells, /proc tells as well."""
    return name != "psutil" or not Path("/proc/self/stat").exists()


def listed(words: Sequence[str]) -> str:
    return t("cli.make_and").join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


# One at a time


@contextlib.contextmanager
def locked(arguments: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Hold the lock of .venv. Gives its descriptor, and what another that was waited for was to run; [] if none was.

    pip inherits the descriptor: whatever still writes to .venv holds the lock, also when this process has been killed.
    """
    VENV.mkdir(exist_ok=True)
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)  # closed below
    before: list[str] = []
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, *before = os.pread(lock, 200, 0).decode(errors="replace").split() or ["?"]
            say(t("cli.make_waits", folder=VENV.name, process=pid))
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.ftruncate(lock, 0)
        os.pwrite(lock, " ".join([str(os.getpid()), *arguments[:3]]).encode(), 0)
        yield lock, before
    finally:
        os.close(lock)


def await_server(host: str, port: str) -> None:
    """Both start at the same moment, and a client that is faster would find nothing there."""
    say(t("cli.make_waits_for_server", host=host, port=port))
    deadline = time.monotonic() + _SERVER_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, OverflowError):
            socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
            return
        time.sleep(0.1)  # the server is no child of ours: no event tells that it listens


# Doing it


def prepare(dev: bool, lock: int) -> None:
    """Install what is missing, and write down what came of it. Raises Failed where --dev needs what cannot be had."""
    LOG.write_bytes(b"")
    patience = _PATIENCE_DEV if dev else _PATIENCE
    found = {"python": version(), DEV.name: result().get(DEV.name, {})}
    why = ""
    given_up: set[str] = set()
    try:
        make_environment(lock)
        say(t("cli.make_installs", packages=listed(names(RUN)), seconds=patience[0]))
        install_each(patience, lock, given_up)
    except Failed as failed:
        why = str(failed)
    found[RUN.name] = {"digest": digest(RUN), "complete": not why}
    record(found)
    if why:
        text = t("cli.make_incomplete", why=why, log=f"{VENV.name}/{LOG.name}")
        if dev:
            raise Failed(text)
        say(text)
    if dev:
        say(t("cli.make_installs_dev", list=DEV.name))
        try:
            install(["-r", str(DEV)], patience, lock, given_up)
        except Failed as failed:
            raise Failed(t("cli.make_incomplete_dev", why=failed, log=f"{VENV.name}/{LOG.name}")) from None
        record({**found, DEV.name: {"digest": digest(DEV)}})


def record(found: dict[str, Any]) -> None:
    """As a whole: one that reads it holds no lock."""
    part = RESULT.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.rename(RESULT)


def make_environment(lock: int) -> None:
    """Unless there is one for this Python, with pip in it."""
    if PYTHON.exists():
        ask = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
        said = subprocess.run([str(PYTHON), "-c", ask], capture_output=True, text=True)
        if said.stdout.strip() == version():
            return
    say(t("cli.make_prepares", folder=VENV.name, version=sys.version.split()[0], list=RUN.name))
    for entry in VENV.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry not in (LOCK, LOG):
            entry.unlink()
    if run([base(), "-m", "venv", str(VENV)], lock):
        raise Failed(t("cli.make_no_venv", python=base()))


def install_each(patience: tuple[int, int], lock: int, given_up: set[str]) -> None:
    """All that is needed to run; where that fails, what of it there is."""
    try:
        install(["-r", str(RUN)], patience, lock, given_up)
    except Failed as failed:
        if not failed.nobody_answers:
            for line in lines(RUN):
                with contextlib.suppress(Failed):
                    install([line], patience, lock, given_up)
        raise


def install(what: Sequence[str], patience: tuple[int, int], lock: int, given_up: set[str]) -> None:
    """Raises Failed. `given_up`: hosts of indexes that are not asked any more; more may come to be.

    On the command line, the bounds are stronger than what the environment or pip.conf say.
    """
    seconds, retries = patience
    start = LOG.stat().st_size
    command = [str(PYTHON), "-c", _PIP, "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--timeout", str(seconds), "--retries", str(retries), "--log", str(LOG)]
    status = run([*command, *what], lock, given_up)
    text = LOG.read_bytes()[start:].decode(errors="replace")
    found = {host: kind for kind, host in _FOUND.findall(text)}
    failing = [host for host, kind in found.items() if kind != "answers"]
    given_up.update(failing)
    if status:
        nobody_answers = bool(failing) and len(failing) == len(found)
        if "silent" in found.values():
            raise Failed(t("cli.make_silent", seconds=seconds), nobody_answers)
        if failing:
            raise Failed(t("cli.make_unreachable", host=failing[0]), nobody_answers)
        errors = re.findall(r"ERROR: (.*)", text)
        raise Failed(errors[-1] if errors else t("cli.make_pip_failed"))


def run(command: Sequence[str], lock: int, given_up: Iterable[str] = ()) -> int:
    """Returns the status; what is said is in LOG. Asks nothing of a user, and gives a name server 2 s."""
    # pip starts another pip where a package must be built, and that one has only the environment.
    bounds = {"PIP_DEFAULT_TIMEOUT": str(_PATIENCE[0]), "PIP_RETRIES": "0", "RES_OPTIONS": "timeout:2 attempts:1"}
    environment = {**os.environ, **bounds, "MPCHAT_GIVEN_UP": " ".join(given_up)}
    environment.pop("PIP_TIMEOUT", None)
    with LOG.open("ab") as log:
        return subprocess.call(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, pass_fds=(lock,)
        )


if __name__ == "__main__":
    raise SystemExit(main())
