"""What mpchat doctor makes of facts, odd ones too. The facts are given: no machine is looked at."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import pytest

from mpchat.monitor.doctor import doctor, judging
from mpchat.monitor.doctor.asked import Asked
from mpchat.monitor.doctor.judging import BAD, NOTE, OK, Finding
from mpchat.settings import Settings
from mpchat.texts import LANGUAGES, say

MIB = 1 << 20
GIB = 1 << 30


def verdicts(*cases: tuple[Finding, str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return pytest.mark.parametrize(("finding", "verdict"), cases, ids=lambda case: getattr(case, "found", None))


@verdicts(
    (judging.python("3.12.1", "CPython"), OK),
    (judging.python("3.10.16", "PyPy"), NOTE),
    (judging.sqlite("3.40.1", True), OK),
    (judging.sqlite("3.7.0", False), NOTE),
    (judging.sqlite(None, False), BAD),
    (judging.package("psutil", "7.0", None), OK),
    (judging.package("psutil", None, None), NOTE),
)
def test_python(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict


@verdicts(
    (judging.system("Linux 6.1", []), OK),
    (judging.system("Darwin 23", ["epoll", "memfd_create", "TCP_INFO"]), NOTE),
    (judging.system("Darwin 23", ["epoll", "SCM_RIGHTS"]), BAD),
    (judging.system("Plan 9", ["fork"]), BAD),
    (judging.semaphores(""), OK),
    (judging.semaphores("Function not implemented"), BAD),
    (judging.cores(8, None, 4), OK),
    (judging.cores(2, 2.0, 1), OK),
    (judging.cores(1, None, 1), NOTE),
    (judging.cores(16, 0.5, 8), NOTE),
    (judging.memory(8 * GIB, 4), OK),
    (judging.memory(8 * 15 * MIB, 1), OK),
    (judging.memory(8 * 15 * MIB - 1, 1), NOTE),
    (judging.memory(8 * 15 * MIB, 1, has_front=True), NOTE),
    (judging.memory(None, 1), NOTE),
)
def test_the_machine(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict


def test_what_is_missing_says_what_that_costs() -> None:
    found = judging.system("Darwin 23", ["TCP_INFO", "epoll"])
    assert (found.found, found.affects) == (
        "Darwin 23, without TCP_INFO, epoll",
        "when a worker dies, its clients lose their connections; each line costs more system calls",
    )


def test_the_quota_of_a_container_is_told_where_it_is_less_than_its_cores() -> None:
    assert judging.cores(16, 0.5, 8).found == "cores to use: 16, for 0.5 of their time; --workers is 8 by default"
    assert judging.cores(2, 4.0, 1).found == "cores to use: 2; --workers is 1 by default"


@verdicts(
    (judging.descriptors(1024, 1_048_576, 10_000, ""), OK),
    (judging.descriptors(256, -1, 10_000, ""), OK),
    (judging.descriptors(64, 64, 21, ""), NOTE),
    (judging.descriptors(40, 40, 0, "--workers 4 needs 64 open files, and the limit is 40"), BAD),
    (judging.processes({}, 1), OK),
    (judging.processes({"ulimit -u": 1000, "pids.max": 12}, 1), OK),
    (judging.processes({"ulimit -u": 1000, "pids.max": 11}, 1), BAD),
    (judging.processes({"ulimit -u": 1000, "pids.max": 12}, 1, has_front=True), BAD),
    (judging.processes({"ulimit -u": -3}, 1), BAD),
    (judging.file_size(-1, MIB, 0, GIB), OK),
    (judging.file_size(GIB, MIB, 0, GIB), OK),
    (judging.file_size(MIB, MIB, 0, GIB), NOTE),
    (judging.file_size(MIB - 1, MIB, 0, GIB), BAD),
    (judging.file_size(0, MIB, 0, GIB), BAD),
    (judging.file_size(2 * MIB, MIB, 2 * MIB, GIB), BAD),
    (judging.file_size(2 * MIB, MIB, 2 * MIB - 1, GIB), NOTE),
    (judging.backlog(4096, 1024), OK),
    (judging.backlog(128, 1024), NOTE),
    (judging.backlog(None, 1024), NOTE),
)
def test_limits(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict


def test_the_tightest_limit_is_named() -> None:
    assert judging.processes({"ulimit -u": 7, "pids.max": 9}, 2).found == (
        "processes and threads: 15 needed, 7 allowed (ulimit -u)"
    )
    assert judging.processes({"ulimit -u": -3}, 2).found.endswith(" 0 allowed (ulimit -u)")


def test_the_servers_own_words_stand_for_what_it_would_refuse() -> None:
    assert judging.descriptors(40, 40, 0, "too many workers").found == "too many workers"
    assert judging.port("irc", 80, "cannot listen on :80", False).found == "IRC: cannot listen on :80"
    assert judging.folder("", "permission denied: /x", False).found == (
        "the data folder cannot be used: permission denied: /x"
    )


@verdicts(
    (judging.folder("/x", "", True), OK),
    (judging.folder("/x", "", False), OK),
    (judging.folder("/x", "read-only", False), BAD),
    (judging.journal(""), OK),
    (judging.journal("byte 20 is no block's beginning"), BAD),
    (judging.room(3 * GIB, None, MIB, 2 * GIB), OK),
    (judging.room(3 * GIB, 11, MIB, 2 * GIB), OK),
    (judging.room(3 * GIB, 10, MIB, 2 * GIB), BAD),
    (judging.room(GIB, 1000, MIB, 2 * GIB), NOTE),
    (judging.room(2 * MIB - 1, 1000, MIB, 2 * GIB), BAD),
    (judging.sync(0.01), OK),
    (judging.sync(150.0), NOTE),
    (judging.file_system("ext4"), OK),
    (judging.file_system("tmpfs"), NOTE),
    (judging.file_system("nfs4"), NOTE),
    (judging.file_system(None), NOTE),
)
def test_data(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict


@verdicts(
    (judging.control("/run/user/1/mpchat", "", ""), OK),
    (judging.control("/tmp/mpchat-1", "", "/run/user/0"), NOTE),
    (judging.control("", "not private", ""), BAD),
    (judging.port("irc", 6667, "", False), OK),
    (judging.port("plain", None, "", False), OK),
    (judging.port("irc", 0, "", False), OK),
    (judging.port("irc", 80, "Permission denied", True), BAD),
    (judging.running(6667, None, "", False), OK),
    (judging.running(6667, 42, "", True), BAD),
    (judging.running(6667, 42, "/x", True), BAD),
    (judging.running(6667, 42, "", False), OK),  # another user's, that root is shown: on another address
)
def test_network(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict


@verdicts(
    (judging.certificate(3000.0, 1000.0, 1000.0, "2027-01-01"), OK),
    (judging.certificate(1500.0, 1000.0, 1000.0, "2027-01-01"), NOTE),
    (judging.certificate(1000.0, 1000.0, 1000.0, "2027-01-01"), NOTE),
    (judging.no_certificate("the key is not that of the certificate"), BAD),
    (judging.key("/k", False), OK),
    (judging.key("/k", True), NOTE),
    (judging.port("tls", 6697, "", False), OK),
)
def test_tls(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict


def test_a_port_for_root_says_so_and_one_in_use_does_not() -> None:
    assert "below 1024" in judging.port("irc", 80, "Permission denied", True).affects
    assert judging.port("irc", 80, "Address already in use", False).affects == ""


@verdicts(
    (judging.tool("strace", "/usr/bin/strace", "strace"), OK),
    (judging.tool("strace", None, "strace"), NOTE),
    (judging.clock(1000.0, None, 999.0, "now"), OK),
    (judging.clock(1000.0, 1001.0, 999.0, "now"), OK),  # coarse, or another machine's
    (judging.clock(1000.0, 1060.0, 999.0, "now"), NOTE),
    (judging.clock(0.0, None, 999.0, "1970"), NOTE),
    (judging.monotonic(5, 6), OK),
    (judging.monotonic(5, 5), BAD),
    (judging.zone("CET", "+0100"), OK),
    (judging.terminal(True, "xterm", (80, 24), True), OK),
    (judging.terminal(True, "xterm", (79, 24), True), NOTE),
    (judging.terminal(True, "xterm", (0, 0), True), NOTE),
    (judging.terminal(True, "dumb", (80, 24), True), NOTE),
    (judging.terminal(True, "", (80, 24), True), NOTE),
    (judging.terminal(False, "xterm", None, True), OK),
    (judging.letters("utf-8", ""), OK),
    (judging.letters("iso-8859-1", "█"), NOTE),
    (judging.locale("", True, "UTF-8", "en"), OK),
    (judging.locale("es_ES.UTF-8", False, "ANSI_X3.4-1968", "es"), NOTE),
)
def test_surroundings(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict


def test_a_server_that_runs_is_no_fault_and_it_is_told_how_to_look_at_it() -> None:
    found = judging.running(7000, 42, "/srv/chat", True)
    assert found.found == "a server of yours runs on port 7000: pid 42, with its data in /srv/chat"
    assert found.affects == (
        "how it is: 'mpchat events', 'mpchat explain' and 'mpchat top' (with --port 7000); "
        "a second one cannot start there: join it, stop it ('mpchat stop --port 7000'), or take another port"
    )
    assert judging.running(7000, 42, "", True).found == "a server of yours runs on port 7000: pid 42"


def test_how_far_the_clock_is_behind_is_told() -> None:
    assert judging.clock(1000.0, 1060.4, 999.0, "now").affects.startswith("the data was written 60 s later")
    assert judging.clock(0.0, None, 86_400.0, "1970").affects.startswith("this program was installed 86400 s later")


# The run of checks

ASKED = Asked(Settings(), "", (64, 64), 21, "", None, "", "", 1, "", {"PATH": ""}, "en", str)


def with_checks(monkeypatch: pytest.MonkeyPatch, *looks: Callable[[Asked], list[Finding]]) -> tuple[int, list[str]]:
    """The status of a doctor that has these checks only, and its lines. The trial tells whether it was made."""
    names = ("cores", "memory")
    monkeypatch.setattr(doctor, "CHECKS", {"machine": dict(zip(names, looks, strict=False))})
    monkeypatch.setattr("mpchat.monitor.doctor.trial.run", lambda asked: [Finding("trial", OK, "tried")])
    monkeypatch.setattr("mpchat.monitor.doctor.stops.noted", contextlib.nullcontext)
    lines: list[str] = []
    return doctor.run(ASKED, False, lines.append), lines


def test_a_check_that_fails_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(asked: Asked) -> list[Finding]:
        raise PermissionError(13, "Permission denied")

    def err(asked: Asked) -> list[Finding]:
        return [judging.cores(1 // len(asked.runtime), None, 1)]

    status, lines = with_checks(monkeypatch, fail, err)
    assert status == 0
    assert lines[1:3] == [
        "  note  cannot be told: how many cores there are ([Errno 13] Permission denied)",
        "  note  cannot be told: how much memory is free (ZeroDivisionError('integer division or modulo by zero'))",
    ]
    assert "  ok    tried" in lines


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_each_check_it_can_be_said_that_it_could_not_look(language: str) -> None:
    names = [name for looks in doctor.CHECKS.values() for name in looks]
    assert len(names) > 15
    for name in (*names, "sync", "file-system", "trial"):
        assert say(language, f"doctor.what.{name}")


def test_what_is_bad_is_the_end_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    status, lines = with_checks(monkeypatch, lambda asked: [Finding("a", BAD, "no ground"), Finding("b", OK, "sky")])
    assert status == 1
    assert lines == [
        "machine",
        "  bad   no ground",
        "  ok    sky",
        "trial",
        "  note  not tried, because of what is bad above",
        "\nA server will not run here with these arguments; checks that fail: 1.",
    ]


def test_all_that_is_missing_is_one_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [judging.tool("strace", None, "strace"), judging.tool("pstree", None, "psmisc")]
    monkeypatch.setattr("shutil.which", lambda name, path: "/usr/bin/apt-get" if path == "/usr/bin" else None)
    _, lines = with_checks(monkeypatch, lambda asked: tools)
    assert lines[-3:-1] == ["\nTo install what is missing:", "sudo apt-get install psmisc strace"]


def test_where_there_is_no_apt_the_names_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, path: None)
    _, lines = with_checks(monkeypatch, lambda asked: [judging.tool("strace", None, "strace")])
    assert lines[-3:-1] == ["\nTo install what is missing:", "strace"]


def test_a_finding_is_one_line_whatever_the_system_calls_its_folders() -> None:
    assert doctor.as_line(Finding("a", OK, "/tmp/\x1b[2J\n", "it\rgoes")) == "  ok    /tmp/?[2J?; it?goes"


def test_json_has_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"tools": {"tools": lambda asked: [judging.tool("ss", None, "iproute2")]}})
    monkeypatch.setattr("mpchat.monitor.doctor.trial.run", lambda asked: [judging.failed_trial("it ended")])
    monkeypatch.setattr("mpchat.monitor.doctor.stops.noted", contextlib.nullcontext)
    monkeypatch.setattr("shutil.which", lambda name, path: None)
    lines: list[str] = []
    assert doctor.run(ASKED, True, lines.append) == 1
    assert json.loads("\n".join(lines)) == {
        "will_run": False,
        "checks": [
            {
                "name": "ss",
                "group": "tools",
                "verdict": "note",
                "found": "no ss here",
                "affects": "affects labs e1 and e2 by hand",
            },
            {
                "name": "trial",
                "group": "trial",
                "verdict": "bad",
                "found": "a server was started, and failed: it ended",
                "affects": "",
            },
        ],
        "apt": "iproute2",
    }
