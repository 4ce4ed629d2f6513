"""The first `make` in a fresh copy: with an index that says nothing, beside another make, by a Python that is too old.

No test talks to a real index, or is told of one: the environment holds nothing of ours but what is written here.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from io import BytesIO
from pathlib import Path

import pytest

import mpchat
from mpchat.texts import en
from scripts import prepare
from tests.ipc.pythons import python
from tests.running import PATIENCE, at_home
from tests.system.servers import needs_linux, until

ROOT = Path(__file__).parent.parent.parent
BASE = getattr(sys, "_base_executable", None) or sys.executable
TOOLS = ("make", "sh", "env", "awk", "sort", "cut", "dirname", "rm", "find")
NEEDED = ["prompt_toolkit", "psutil", "setproctitle", *(["tomli"] if sys.version_info < (3, 11) else [])]  # to run
READY = re.compile(r"mpchat ready: irc 127\.0\.0\.1:(\d+)")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


class Copy:
    """A fresh copy of what a clone has, and a PATH with the tools of the Makefile and the Pythons a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.bin, self.home = folder / "tree", folder / "bin", folder / "home"
        for made in (self.tree, self.bin, self.home):
            made.mkdir()
        for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE", *(file.name for file in ROOT.glob("*.txt"))):
            shutil.copy(ROOT / name, self.tree / name)
        for name in ("mpchat", "scripts"):
            shutil.copytree(ROOT / name, self.tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        for tool in TOOLS:
            place = shutil.which(tool)
            if place is not None:
                (self.bin / tool).symlink_to(place)
        # What people have set for slow networks must not make them wait for a silent one.
        self.environment = {
            **at_home(self.home),
            "PATH": str(self.bin),
            "HOME": str(self.home),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DEFAULT_TIMEOUT": "180",
            "PIP_TIMEOUT": "180",
            "PIP_RETRIES": "9",
        }

    def have(self, name: str, executable: str = BASE) -> None:
        """A Python on the PATH."""
        program(self.bin / name, f'exec "{executable}" "$@"')

    def have_fake(self, name: str, text: str) -> None:
        program(self.bin / name, text)

    @property
    def lock(self) -> str:
        """What the one says that prepares .venv."""
        with contextlib.suppress(FileNotFoundError):
            return (self.tree / ".venv" / ".lock").read_text()
        return ""

    def start(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            words,
            cwd=self.tree,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, patience: float = 50) -> subprocess.CompletedProcess[str]:
        with ended(self.start(*words)) as process:
            out, err = process.communicate(timeout=patience)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def can_import(self) -> list[str]:
        """Of NEEDED, in .venv."""
        ask = f"import importlib.util as i; print(*(name for name in {NEEDED} if i.find_spec(name)))"
        done = self.run(".venv/bin/python", "-c", ask)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """At the end nothing of its session is left."""
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def line_of(process: subprocess.Popen[str], seconds: float) -> str:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], seconds)[0], "nothing was said in time"
    return process.stdout.readline()


def end(process: subprocess.Popen[str]) -> str:
    """Ctrl-C; returns what it said on standard error."""
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=PATIENCE)[1]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.fixture
def silent(copy: Copy) -> Iterator[socket.socket]:
    """An index whose kernel accepts, and that says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        listener.setblocking(False)
        copy.environment["PIP_INDEX_URL"] = f"http://127.0.0.1:{listener.getsockname()[1]}/simple"
        yield listener


def asked(index: socket.socket) -> int:
    """How often it has been connected to since the last time."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            index.accept()[0].close()
            count += 1
    return count


class Index(ThreadingHTTPServer):
    """One with packages that hold nothing but an empty module. `drips`: a file comes in pieces, a second apart."""

    def __init__(self, packages: list[str], drips: int = 1) -> None:
        self.packages, self.drips = packages, drips
        self.asked_for: list[str] = []
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    server: Index

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        *_, name, file = self.path.split("/")
        name = name.replace("-", "_")
        self.server.asked_for.append(name)
        if name not in self.server.packages:
            self.send_error(404)
            return
        wheel = f"{name}-{VERSIONS[name]}-py3-none-any.whl"
        link = f'<!DOCTYPE html><a href="/simple/{name}/{wheel}">{wheel}</a>'.encode()
        self.tell(packed(name), self.server.drips) if file else self.tell(link, 1)

    def tell(self, data: bytes, pieces: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if data.startswith(b"<") else "application/zip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        step = len(data) // pieces + 1
        for start in range(0, len(data), step):
            if start:
                time.sleep(1)
            self.wfile.write(data[start : start + step])


VERSIONS = {"psutil": "6.0", "prompt_toolkit": "3.0.50", "setproctitle": "1.3.4"}


def packed(name: str) -> bytes:
    """The wheel of a package (PyPA's binary distribution format)."""
    about = f"{name}-{VERSIONS[name]}.dist-info"
    files = {
        f"{name}.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSIONS[name]}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{about}/RECORD"])
    with BytesIO() as data:
        with zipfile.ZipFile(data, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        return data.getvalue()


@contextlib.contextmanager
def serving(copy: Copy, packages: list[str], drips: int = 1) -> Iterator[Index]:
    with Index(packages, drips) as index:
        thread = threading.Thread(target=index.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        copy.environment["PIP_INDEX_URL"] = f"http://127.0.0.1:{index.server_address[1]}/simple"
        try:
            yield index
        finally:
            index.shutdown()
            thread.join()


# An index that does not answer, or not well


@needs_make
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_index_that_says_nothing_is_given_up_once(copy: Copy, silent: socket.socket) -> None:
    copy.have("python3")
    with ended(copy.start("make", "run-server", "PORT=0")) as server:
        assert READY.match(line_of(server, 60))
        said = end(server)
    assert "the package index was silent for 5 s (more in .venv/preparing.log)" in said
    assert "running without " in said
    assert "setproctitle (process titles in 'ps aux')" in said
    assert asked(silent) == 1

    with ended(copy.start("make", "run-server", "PORT=0")) as server:
        assert READY.match(line_of(server, 60))
        said = end(server)
    assert said.splitlines()[0].startswith("mpchat: running without "), said
    assert "'make install' tries again" in said
    assert asked(silent) == 0

    again = copy.run("make", "install")
    assert again.returncode != 0
    assert "still missing: " in again.stderr
    assert asked(silent) >= 1

    with (copy.tree / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    assert copy.run("make", "-s", "run-client", "ARGS=--help").returncode == 0
    assert asked(silent) >= 1


@needs_make
@pytest.mark.slow
def test_one_that_says_a_little_now_and_then_is_waited_for(copy: Copy) -> None:
    """Also where it is named by a file of pip's."""
    copy.have("python3")
    with serving(copy, NEEDED, drips=3) as index:
        config = copy.home / "pip.conf"
        url = copy.environment.pop("PIP_INDEX_URL")
        config.write_text(f"[global]\nindex-url = {url}\ntimeout = 180\nretries = 9\n")
        copy.environment["PIP_CONFIG_FILE"] = str(config)
        begun = time.monotonic()
        done = copy.run("make", "-s", "run-client", "ARGS=--help")
        assert time.monotonic() - begun > 6, "three files took two seconds each"
        assert done.returncode == 0
        assert "running without" not in done.stderr
        assert copy.can_import() == NEEDED

        index.asked_for.clear()
        assert copy.run("make", "-s", "run-client", "ARGS=--help").stderr == "", "and that was all"
        assert index.asked_for == []


@needs_make
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_silent_one_beside_one_that_answers_is_given_up_once(copy: Copy, silent: socket.socket) -> None:
    """What the other one has is installed: all of it, or what there is."""
    copy.have("python3")
    quiet = copy.environment["PIP_INDEX_URL"]
    for packages in (["prompt_toolkit", "psutil"], NEEDED):
        shutil.rmtree(copy.tree / ".venv", ignore_errors=True)
        with serving(copy, packages):
            copy.environment["PIP_EXTRA_INDEX_URL"] = copy.environment["PIP_INDEX_URL"]
            copy.environment["PIP_INDEX_URL"] = quiet
            done = copy.run("make", "-s", "run-client", "ARGS=--help")
        assert done.returncode == 0
        assert copy.can_import() == packages
        assert ("the package index was silent for 5 s" in done.stderr) == (packages != NEEDED)
        assert asked(silent) == 1


@needs_make
@pytest.mark.slow
def test_one_that_refuses_cannot_be_reached(copy: Copy) -> None:
    copy.have("python3")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
        copy.environment["PIP_INDEX_URL"] = f"http://{place}/simple"
        done = copy.run("make", "-s", "run-client", "ARGS=--help")
    assert f"could be installed: the package index cannot be reached ({place}) (more in " in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("mpchat: running without ")
    assert ("psutil" in last) == (not Path("/proc").exists()), "where there is /proc, nothing is lost"


@needs_make
@pytest.mark.slow
def test_what_can_be_had_is_installed(copy: Copy) -> None:
    copy.have("python3")
    with serving(copy, ["psutil", "prompt_toolkit"]):
        done = copy.run("make", "-s", "run-client", "ARGS=--help")
        assert done.returncode == 0
        assert "No matching distribution found for setproctitle" in done.stderr
        assert done.stderr.splitlines()[-1] == (
            "mpchat: running without setproctitle (process titles in 'ps aux'); 'make install' tries again"
        )
        assert copy.can_import() == ["prompt_toolkit", "psutil"]
    with serving(copy, NEEDED):
        assert copy.run("make", "install").returncode == 0
        assert copy.can_import() == NEEDED


@needs_make
@pytest.mark.slow
def test_what_tests_need_comes_after_what_is_needed_to_run(copy: Copy) -> None:
    copy.have("python3")
    with serving(copy, NEEDED) as index:
        done = copy.run("make", "test")
        assert done.returncode != 0
        assert "mpchat: what tests and linters need could not be installed: No matching distribution" in done.stderr
        assert "Traceback" not in done.stderr
        assert copy.can_import() == NEEDED
        assert set(index.asked_for[-1:]).isdisjoint(NEEDED), "and that was asked for first"

        index.asked_for.clear()
        assert copy.run("make", "-s", "run-client", "ARGS=--help").stderr == ""
        assert index.asked_for == [], "what is needed to run is complete"


def test_what_the_standard_library_has_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, needed in (((3, 10, 12), True), ((3, 11, 0), False)):
        monkeypatch.setattr(sys, "version_info", version)
        assert ("tomli" in prepare.names(prepare.RUN)) is needed
    assert all(f"cli.make_without.{name}" in en.TEXTS for name in prepare.names(prepare.RUN))


# Two at once


@needs_make
@pytest.mark.slow
def test_a_client_beside_the_first_server_waits_and_talks(copy: Copy, silent: socket.socket) -> None:
    copy.have("python3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = f"PORT={free.getsockname()[1]}"
    with ended(copy.start("make", "run-server", port, "ARGS=--plain-port none")) as server:
        until(lambda: "server" in copy.lock)
        words = ("make", "-s", "run-client", port, "ARGS=--nick ana")
        with ended(copy.start(*words, stdin=subprocess.PIPE)) as client:
            out, err = client.communicate("hola\n", timeout=40)
        assert client.returncode == 0, err
        assert "<ana> hola" in out
        assert re.search(r"^mpchat: \.venv is being prepared by another make \(process \d+\): waiting", err), err
        assert "could not" not in err
        end(server)
    assert asked(silent) == 1, "the second has found what the first had done"


@needs_make
@pytest.mark.slow
def test_the_lock_of_one_that_was_killed_holds_up_nobody(copy: Copy, silent: socket.socket) -> None:
    copy.have("python3")
    with ended(copy.start("make", "run-client", "ARGS=--help")) as killed:
        until(lambda: copy.lock != "")
        os.killpg(killed.pid, signal.SIGKILL)
    done = copy.run("make", "run-client", "ARGS=--help")
    assert done.returncode == 0
    assert "waiting" not in done.stderr
    assert asked(silent) >= 1


# Pythons

OLD = """
case $1 in
  -c) echo 3.8.10 ;;
  *) echo Python 3.8.10 ;;
esac"""


@needs_make
@pytest.mark.parametrize(
    ("name", "words", "found"),
    [
        ("python3", [], "python3 is Python 3.8.10"),
        ("python3.8", ["PYTHON=python3.8"], "PYTHON=python3.8 is Python 3.8.10"),
        ("python3.8", ["PYTHON=python3.9"], "PYTHON=python3.9 does not run"),
        ("python3.8", [], "python3 does not run"),
    ],
)
@pytest.mark.parametrize("target", ["run-server", "run-client", "test", "lint", "bench", "chaos", "install"])
def test_a_python_that_is_too_old_is_told_of_in_one_line(
    copy: Copy, target: str, name: str, words: list[str], found: str
) -> None:
    copy.have_fake(name, OLD)
    done = copy.run("make", target, *words)
    assert done.returncode != 0
    assert done.stdout == ""
    expected = f"mpchat needs Python 3.10 or newer, and {found}: name another one: make PYTHON=/path/to/python3.12"
    assert [line for line in done.stderr.splitlines() if not line.startswith("make: ")] == [expected]
    assert not (copy.tree / ".venv").exists()


@pytest.mark.parametrize(
    ("name", "found"), [("python3", "python3 es Python 3.8.10"), ("python3.8", "python3 no funciona")]
)
def test_it_is_told_of_in_the_language_of_the_locale(copy: Copy, name: str, found: str) -> None:
    copy.have_fake(name, OLD)
    expected = f"mpchat necesita Python 3.10 o posterior, y {found}: indica otro: make PYTHON=/path/to/python3.12\n"
    for locale in ({"LANG": "es_ES.UTF-8"}, {"LC_ALL": "es_MX", "LANG": "C"}, {"LC_MESSAGES": "es"}):
        done = copy.run(
            "env", *(f"{name}={value}" for name, value in locale.items()), "sh", "scripts/with_python.sh", "x"
        )
        assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


@pytest.mark.parametrize("old", [OLD, "echo Python 3.8.10", "echo pyenv: python3: command not found >&2; exit 127"])
def test_another_takes_the_place_of_a_python3_that_is_too_old(copy: Copy, old: str) -> None:
    """The newest that runs. One that was named is not exchanged for another."""
    copy.have_fake("python3", old)
    copy.have_fake("python3.9", OLD)
    copy.have_fake("python3.99", "exit 127")
    copy.have_fake("python3.98-config", "echo 3.98.1")
    copy.have_fake("python3.13", "echo 3.13.1; exit 1")
    copy.have("python3.12")
    ask = "import os; print('PYTHON' in os.environ)"
    done = copy.run("sh", "scripts/with_python.sh", "-c", ask)
    assert (done.stdout, done.stderr) == ("False\n", "")

    copy.environment["PYTHON"] = "python3.9"
    done = copy.run("sh", "scripts/with_python.sh", "-c", ask)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"name another one: make PYTHON={copy.bin}/python3.12\n")
    copy.environment["PYTHON"] = "python3.12"
    assert copy.run("sh", "scripts/with_python.sh", "-c", ask).returncode == 0


def test_that_of_an_environment_is_taken_first_unless_it_has_gone(copy: Copy) -> None:
    own = copy.tree / ".venv" / "bin"
    own.mkdir(parents=True)
    program(own / "python", f'[ "$1" = -c ] && exec "{BASE}" "$@"; echo own')
    copy.have_fake("python3", OLD)
    assert copy.run("sh", "scripts/with_python.sh", "x.py").stdout == "own\n"
    (own / "python").unlink()
    (own / "python").symlink_to("/nowhere/python3")
    copy.have("python3")
    assert copy.run("sh", "scripts/with_python.sh", "-c", "print(1)").stdout == "1\n"


@pytest.mark.parametrize("version", ["3.8", "3.9"])
@pytest.mark.parametrize(
    "words", [["-m", "mpchat"], ["scripts/bench"], *([f"scripts/{name}.py"] for name in ("chaos", "trip", "prepare"))]
)
def test_an_old_python_says_so_whatever_it_is_to_run(version: str, words: list[str]) -> None:
    old = python(version)
    if old is None:
        pytest.skip(f"no Python {version} here")
    done = subprocess.run([old, *words], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(rf"mpchat needs Python 3\.10 or newer, and \S+ is Python {version}\.\d+: .*\n", done.stderr)
    assert "make PYTHON=" in done.stderr


@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_an_old_python_says_so_in_the_language_of_the_locale(version: str) -> None:
    old = python(version)
    if old is None:
        pytest.skip(f"no Python {version} here")
    environment = {**os.environ, "LC_ALL": "es_CL.UTF-8"}
    done = subprocess.run(
        [old, "-m", "mpchat"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"mpchat necesita Python 3\.10 o posterior, y \S+ es Python {version}\..*\n", done.stderr)


def test_what_comes_before_that_line_is_understood_by_any_python() -> None:
    """By one of 3.6 at least, and what `-m mpchat` reads first has nothing that even Python 2 would not know."""
    for path in (ROOT / "mpchat" / "__init__.py", ROOT / "mpchat" / "__main__.py", ROOT / "scripts" / "prepare.py"):
        ast.parse(path.read_text(), feature_version=(3, 6))
    first = ast.parse((ROOT / "mpchat" / "__init__.py").read_text())
    assert not any(isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.FunctionDef) for node in ast.walk(first))


# Installed

PROJECT = (ROOT / "pyproject.toml").read_text()  # Python 3.10 cannot take it apart


def test_the_command_is_called_what_it_is(tmp_path: Path) -> None:
    entry = re.search(r'^mpchat = "(\S+):(\S+)"$', PROJECT, re.MULTILINE)
    assert entry is not None
    module, function = entry.groups()
    (tmp_path / "mpchat").write_text(f"from {module} import {function}\nraise SystemExit({function}())\n")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(tmp_path / "mpchat"), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)

    assert run("--version").stdout == f"mpchat {mpchat.__version__}\n"
    assert run("--help").stdout.startswith("usage: mpchat [-h]")
    assert run("server", "--what").stderr.endswith("(mpchat server --help shows what there is)\n")


def _can_build() -> bool:
    try:
        return int(version_of("setuptools").partition(".")[0]) >= 77
    except PackageNotFoundError:
        return False


@needs_linux
@pytest.mark.slow
@pytest.mark.skipif(not _can_build(), reason="needs setuptools 77 (requirements-dev.txt)")
def test_pip_installs_a_command_that_serves_and_replaces(copy: Copy) -> None:
    place = copy.home / "installed"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True, timeout=PATIENCE)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(copy.home), str(copy.tree)]
    subprocess.run(build, env=copy.environment, check=True, timeout=50)
    (wheel,) = copy.home.glob("*.whl")
    install = [*pip, "--python", str(place / "bin/python"), "install", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, env=copy.environment, check=True, timeout=50)
    shutil.rmtree(copy.tree)
    copy.tree.mkdir()

    installed = str(place / "bin" / "mpchat")
    assert copy.run(installed, "--version").stdout == f"mpchat {mpchat.__version__}\n"
    with ended(copy.start(installed, "server", "127.0.0.1", "0", "--plain-port", "none")) as server:
        ready = READY.match(line_of(server, PATIENCE))
        assert ready is not None

        def worker() -> str:
            table = copy.run(installed, "ps", "--port", ready[1]).stdout
            return next((line.split()[1] for line in table.splitlines() if line.startswith("worker0 ")), "-")

        first = worker()
        os.kill(int(first), signal.SIGKILL)
        until(lambda: worker() not in ("-", first))
        assert "Traceback" not in end(server)
