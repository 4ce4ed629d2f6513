"""What is graded is kept apart, is held within its limits, and is gone afterwards, whatever it does.

Each submission here does something wrong where its file is loaded, or in put(), and is otherwise a right solution.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpchat.lab import catalogue, processes
from mpchat.lab.cutting import in_language
from mpchat.lab.grading import grade, sandbox
from mpchat.lab.grading.sandbox import NOTHING, Isolation
from tests.lab.experiments import experiment, solution

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(60),
    pytest.mark.skipif(not processes.HAS_PRCTL, reason="needs prctl"),
]
E4 = in_language(solution("e4"), "en")
ROOT = Path(__file__).parent.parent.parent
SECONDS = 25.0
_ENDED_SECONDS = 5.0


@pytest.fixture(scope="module")
def apart() -> Isolation:
    """All that this machine permits, if that is everything."""
    found = sandbox.find()
    if not (found.pids and found.network and found.files):
        pytest.skip("this machine does not permit all namespaces")
    return found


@pytest.fixture(params=["apart", "nothing"])
def either(request: pytest.FixtureRequest) -> Isolation:
    """With namespaces, and without."""
    return request.getfixturevalue("apart") if request.param == "apart" else NOTHING


@pytest.fixture
def marker() -> Iterator[str]:
    """How long a process sleeps that must be gone: nobody else sleeps so long. None may be left behind a test."""
    seconds = f"98765.{os.getpid()}{time.monotonic_ns() % 10**6}"
    yield seconds
    deadline = time.monotonic() + _ENDED_SECONDS
    while left := sleepers(seconds):
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"processes {left} were left behind")
        time.sleep(0.05)


def sleepers(seconds: str) -> list[int]:
    found = []
    for pid in processes.parents():
        with contextlib.suppress(OSError):
            if seconds.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def tried(source: str, isolation: Isolation, folder: Path, seconds: float = SECONDS) -> tuple[int, str]:
    """The points, and why they are not all there."""
    before = set(processes.descendants(os.getpid()))
    results, wrong = grade.tried(experiment("e4"), source.encode(), isolation, folder, 1, "en", seconds)
    assert set(processes.descendants(os.getpid())) <= before
    points = sum(result.verdict == "passed" for result in results)
    return points, wrong or next((result.why for result in results if result.why), "")


def raising(statement: str) -> str:
    """A submission that does this first, and then fails by what the statement has put into `found`."""
    return f"import os, socket, sys\nfound = ''\n{statement}\nraise RuntimeError('found ' + str(found))\n"


SLEEP_APART = """
import os, subprocess
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{seconds}"])
    os._exit(0)
"""


def test_a_solution_has_all_points(either: Isolation, tmp_path: Path) -> None:
    assert tried(E4, either, tmp_path) == (5, "")


def test_what_leaves_its_group_and_session_is_gone(either: Isolation, tmp_path: Path, marker: str) -> None:
    source = SLEEP_APART.format(seconds=marker) + f"open('started', 'w').close()\n{E4}"

    assert tried(source, either, tmp_path) == (5, "")
    assert sleepers(marker) == []


def test_what_sleeps_for_ever_is_ended_with_all_that_it_started(either: Isolation, tmp_path: Path, marker: str) -> None:
    source = SLEEP_APART.format(seconds=marker) + "import time\ntime.sleep(1000)\n"

    points, why = tried(source, either, tmp_path, seconds=4)

    assert points == 0
    assert "more than 4 s" in why
    assert sleepers(marker) == []


def test_made_up_results_count_for_nothing(either: Isolation, tmp_path: Path) -> None:
    """They are written to each descriptor there is, and to those of each process that can be reached."""
    rows = [[step, "passed", "text", "", ""] for step in experiment("e4").steps] + [{"end": 5}]
    made_up = "".join(json.dumps(row) + "\n" for row in rows)
    source = f"""
import glob, os
made_up = {made_up!r}
print(made_up, flush=True)
for path in [f"/proc/{{os.getppid()}}/fd/{{number}}" for number in range(64)] + glob.glob("/proc/1/fd/*"):
    try:
        with open(path, "w") as file:
            file.write(made_up)
        raise RuntimeError("it could write to " + path)
    except OSError:
        pass
import stat
for number in range(64):
    try:
        if stat.S_ISFIFO(os.fstat(number).st_mode):
            os.write(number, made_up.encode())
    except OSError:
        pass
raise RuntimeError("nothing to be done")
"""
    points, why = tried(source, either, tmp_path)

    assert points == 0
    assert "nothing to be done" in why


@pytest.mark.parametrize("target", ["os.getppid()", "0"])
def test_who_kills_the_judge_or_its_group_has_no_points(either: Isolation, tmp_path: Path, target: str) -> None:
    place = "        with self.changed:\n            while len"
    source = E4.replace(place, f"        import os, signal\n        os.kill({target}, signal.SIGKILL)\n{place}", 1)
    assert source != E4

    points, why = tried(source, either, tmp_path)

    assert points == 0
    assert why


def test_who_kills_everybody_kills_nobody_outside(apart: Isolation, tmp_path: Path) -> None:
    """Without a namespace that would be every process of this user."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        assert tried("import os, signal\nos.kill(-1, signal.SIGKILL)\n", apart, tmp_path)[0] == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_one_that_forks_for_ever_is_stopped(apart: Isolation, tmp_path: Path) -> None:
    points, why = tried(
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n", apart, tmp_path
    )

    assert points == 0
    assert why


@pytest.mark.skipif(os.geteuid() == 0, reason="root is free of RLIMIT_NPROC")
def test_one_that_forks_for_ever_is_stopped_without_a_namespace(tmp_path: Path) -> None:
    source = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"

    assert tried(source, NOTHING, tmp_path)[0] == 0


def test_one_that_takes_memory_is_stopped(either: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_MOST_MEMORY", 300 << 20)
    source = "kept = []\nwhile True:\n    kept.append(bytearray(b'x' * (10 << 20)))\n"

    assert tried(source, either, tmp_path) == (0, "no verdict: it used too much memory, and was killed")


def test_a_process_cannot_reserve_more_than_its_limit(either: Isolation, tmp_path: Path) -> None:
    assert "MemoryError" in tried("bytearray(8 << 30)\n", either, tmp_path)[1]


def test_a_file_cannot_be_larger_than_its_limit(either: Isolation, tmp_path: Path) -> None:
    source = raising(
        "try:\n    with open('large', 'wb') as file:\n        while True:\n            file.write(b'x' * (1 << 20))\n"
        "except OSError as error:\n    found = error.strerror + ' ' + str(os.stat('large').st_size >> 20)"
    )
    found = re.search(r"found (.*) (\d+)", tried(source, either, tmp_path)[1])

    assert found is not None
    assert int(found[2]) <= 64


def test_all_files_together_cannot_be_larger_than_their_folder(apart: Isolation, tmp_path: Path) -> None:
    source = raising(
        "try:\n    for number in range(10):\n        with open(str(number), 'wb') as file:\n"
        "            file.write(b'x' * (60 << 20))\nexcept OSError as error:\n    found = error.strerror"
    )
    assert "No space left" in tried(source, apart, tmp_path)[1]


def test_there_is_no_network_but_loopback(apart: Isolation, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        source = raising(
            f"try:\n    socket.create_connection(('127.0.0.1', {port}), 2)\n    found = 'reached'\n"
            "except OSError as error:\n    found = error.strerror\n"
            "own = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(own.getsockname(), 2)\n"
            "try:\n    socket.create_connection(('192.0.2.1', 80), 2)\n    found += ' and more'\n"
            "except OSError as error:\n    found += ', ' + error.strerror"
        )
        assert "Connection refused, Network is unreachable" in tried(source, apart, tmp_path)[1]


def test_others_submissions_solutions_and_home_are_not_there(apart: Isolation, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "e4.py").write_text(E4)
    of_e4 = catalogue.folder("e4") / "solution.py"
    source = raising(
        f"found = [os.path.exists({str(tmp_path / 'other')!r}), open({str(of_e4)!r}).read(), "
        f"os.path.exists({str(ROOT / '.git' / 'HEAD')!r}), os.path.exists({str(Path(__file__))!r}), "
        f"os.listdir(os.environ['HOME']), sorted(os.listdir('/run'))]"
    )
    assert "[False, '', False, False, [], []]" in tried(source, apart, tmp_path)[1]


def test_nothing_outside_its_folders_can_be_written(apart: Isolation, tmp_path: Path) -> None:
    paths = (str(ROOT / "mpchat" / "planted.py"), "/usr/planted", "/planted", "/proc/sys/kernel/pid_max")
    source = raising(
        f"for path in {paths}:\n"
        "    try:\n        open(path, 'w')\n    except OSError as error:\n        found += error.strerror[:9] + ' '\n"
        "open('/tmp/here', 'w'), open('here', 'w'), open('/dev/shm/here', 'w')"
    )
    assert "found Read-only Read-only Read-only Read-only" in tried(source, apart, tmp_path)[1]
    assert not Path("/tmp/here").exists()


def test_the_environment_is_empty_and_nobody_has_a_capability(
    either: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "told")
    source = raising(
        "found = [sorted(set(os.environ) - {'LD_LIBRARY_PATH', 'LC_CTYPE'}), "
        "[line for line in open('/proc/self/status') if line.startswith('CapEff')]]"
    )
    why = tried(source, either, tmp_path)[1]

    assert "['HOME', 'LANG', 'PATH', 'PYTHONNOUSERSITE', 'PYTHONPATH', 'PYTHONSAFEPATH', 'TMPDIR']" in why
    assert "0000000000000000" in why


def test_a_module_that_is_planted_is_not_imported(either: Isolation, tmp_path: Path) -> None:
    source = raising(
        "import subprocess\nopen('json.py', 'w').write('print(\"planted\")')\n"
        "found = subprocess.run([sys.executable, '-m', 'mpchat', '--version'], capture_output=True, text=True).stdout"
    )
    assert "found mpchat" in tried(source, either, tmp_path)[1]


SERVER = """
from mpchat.lab.lab import Lab
with Lab(1, print) as lab:
    server = lab.server()
    ana, bob = server.talker("ana"), server.talker("bob")
    ana.say("hello")
    bob.expect("hello", 5)
    assert "broker" in server.pids()
print("heard")
"""


def test_a_server_runs_in_there(either: Isolation) -> None:
    ran = sandbox.run(either, lambda folder: ([sys.executable, "-c", SERVER], b""), (), 40)

    assert ran.output == b"heard\n"


def test_where_grade_itself_is_killed_nothing_is_left(apart: Isolation, tmp_path: Path, marker: str) -> None:
    (tmp_path / "ana").mkdir()
    (tmp_path / "ana" / "e4.py").write_text(SLEEP_APART.format(seconds=marker) + "import time\ntime.sleep(1000)\n")
    command = [sys.executable, "-m", "mpchat", "grade", str(tmp_path)]
    grading = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not sleepers(marker):
            assert time.monotonic() < deadline, "it has not begun"
            time.sleep(0.05)
    finally:
        grading.kill()
        grading.wait()


def test_what_the_judge_says_counts_as_a_whole_or_not_at_all() -> None:
    steps = experiment("e4").steps
    rows = [[step, "passed", "text", "", ""] for step in steps]

    def read(*lines: object) -> tuple[int, str]:
        results, wrong = grade.read_results(
            experiment("e4"), "".join(json.dumps(line) + "\n" for line in lines).encode()
        )
        return len(results), wrong

    assert read(*rows, {"end": 5}) == (5, "")
    assert read({"wrong": "KeyError: 'x'"}) == (0, "KeyError: 'x'")
    assert read() == read(*rows) == read(*rows[:4], {"end": 4}) == (0, "")
    assert read(*reversed(rows), {"end": 5}) == read(*rows, rows[0], {"end": 6}) == (0, "")
    assert read(*rows[:4], [steps[4], "perfect", "", "", ""], {"end": 5}) == read(*rows[:4], "x", {"end": 5}) == (0, "")
    assert grade.read_results(experiment("e4"), b"\xff\x00") == ([], "")
