"""mpchat and other servers, in turn on one machine: `make bench-peers`, or `make bench-peers ARGS='S1 S4 --rounds 5'`.

    S1  one room of 100, 4 publishers with 8 messages in flight each      S6  100 at a time connect and register
    S2  one room of 1,000, the same                                      S7  10,000 say nothing: memory
    S3  200 rooms of 8, 2 publishers with 2 in flight each               S8  20 messages a second into a room of 10
    S4  200 messages a second into a room of 100                         S9  one room of 100, 1 publisher, 1 in flight
    S5  50 pairs, in each one private message in flight

A message is in flight until all members who do not publish have read it, and every delivery is checked. In S4 and S8 a
latency counts from when the message was due; in S6 from the connection to the greeting; else from when it was sent to
when one and the same member of the room read it. CPU is that of all of a server's processes, as the kernel counts it.

Compared are those of ngIRCd and InspIRCd that are installed (Debian's packages), two small servers in Python
(scripts/bench/small), and this one with either transport, its journal on, and its limits off as theirs are. All are up
at once, and loaded in turn. Written are a table (also printed), all figures as JSON, and a picture.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from scripts.bench import peers, pictures, tables
from scripts.bench.clients import connect_many
from scripts.bench.command_line import (
    OneLineParser,
    add_rounds_and_folder,
    end_like_an_interrupt,
    list_of,
    one_of,
    positive_seconds,
    tell,
)
from scripts.bench.figures import Results, Round
from scripts.bench.loads import Meter
from scripts.bench.scenarios import IDLE_CLIENTS, SCENARIOS, Scenario
from scripts.bench.subject import Mpchat, Subject

_TRANSPORTS = ("queue", "pipe")
_FAILURES = (SystemExit, OSError)  # what a load raises where the server has failed
_OTHER_FILES = 200  # that the generator has open besides its clients

Start = Callable[[], Subject]


def main() -> int:
    options = _parser().parse_args()
    end_like_an_interrupt()
    servers, judges, ours = _servers(options.servers, options.python)
    chosen = options.scenarios or list(SCENARIOS)
    _check_open_files(chosen, len(servers))
    if not peers.installed():
        print(
            "bench-peers: neither ngircd nor inspircd is installed: compared with the two small ones", file=sys.stderr
        )
    results = Results(_about(), list(servers), judges, ours, {})
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        for name in chosen:
            measure(name, servers, results, options.rounds, options.seconds)
            keep(results, options.out)
    except KeyboardInterrupt:
        return 130
    finally:
        tell("")
    print(tables.markdown(results))
    if not pictures.can_draw():
        print("bench-peers: no picture: pygal is not installed (requirements-dev.txt)", file=sys.stderr)
    print(f"bench-peers: kept in {options.out}", file=sys.stderr)
    return 0


def keep(results: Results, folder: Path) -> None:
    """After each scenario: a run takes a quarter of an hour."""
    (folder / "peers.md").write_text(tables.markdown(results))
    (folder / "peers.json").write_text(json.dumps(results.as_json(), indent=1) + "\n")
    if pictures.can_draw():
        pictures.draw_peers(results, folder / "peers.svg")


def _servers(wanted: Sequence[str], pythons: Sequence[str]) -> tuple[dict[str, Start], list[str], list[str]]:
    """How each is started, by its name in the tables; which of them judge, and which are ours."""
    servers: dict[str, Start] = {}
    judges, ours = [], []
    for name in peers.installed():
        if not wanted or name in wanted:
            judges.append(f"{peers.TITLES[name]} {peers.version(name)}")
            servers[judges[-1]] = peers.JUDGES[name]
    for name, start in peers.SMALL.items():
        if not wanted or name in wanted:
            servers[peers.TITLES[name]] = start
    for python in pythons or [sys.executable]:
        title = _python(python)
        for transport in _TRANSPORTS:
            if not wanted or transport in wanted:
                ours.append(f"mpchat --ipc {transport}, {title}")
                if ours[-1] in servers:
                    raise SystemExit(f"bench-peers: two Pythons are {title}: no table could tell them apart")
                servers[ours[-1]] = _mpchat(transport, python)
    return servers, judges, ours


def _mpchat(transport: str, python: str) -> Start:
    # Five thousand threads of another server may keep a process waiting for longer than a hang may last.
    options = ("--unlimited", "--hang-limit", "0", "--workers", "1", "--plain-port", "none", "--ipc", transport)
    return lambda: Mpchat(*options, name=f"mpchat --ipc {transport}", python=python)


def _python(python: str) -> str:
    """Which it is."""
    code = "import platform; print(platform.python_implementation(), platform.python_version())"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"bench-peers: --python {python}: {error}") from None


def _about() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0))
    about = {"system": platform.release(), "cores": str(cores), "load generator": f"Python {platform.python_version()}"}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return {"processor": line.partition(":")[2].strip(), **about}
    return about


def _check_open_files(chosen: Sequence[str], servers: int) -> None:
    """All servers have their clients at once, but for the idle ones."""
    most = max(SCENARIOS[name].clients * (servers if SCENARIOS[name].clients < 5000 else 1) for name in chosen)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < most + _OTHER_FILES:
        raise SystemExit(f"bench-peers: {most:,} connections are needed, and {hard:,} open files allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measure(name: str, servers: dict[str, Start], results: Results, rounds: int, seconds: float) -> None:
    """One scenario: all servers are started, and each is loaded in each round. What one of them cannot do is noted."""
    scenario = SCENARIOS[name]
    found = results.rounds[name] = {}
    with ExitStack() as stack:
        meters: dict[str, Meter] = {}
        for server, start in servers.items():
            tell(f"{name}: {server} is started, and {scenario.clients:,} clients come")
            try:
                subject = stack.enter_context(start())
                if scenario.load is None:
                    found[server] = [_idle(subject)]
                    subject.stop()  # ten thousand threads that end would be in the others' way
                else:
                    meters[server] = Meter(subject, stack.enter_context(closing(scenario.load(subject))))
                    found[server] = []
            except _FAILURES as error:
                found[server] = str(error)
        for number in range(rounds):
            for server, meter in list(meters.items()):
                tell(f"{name}: round {number + 1} of {rounds}, {server}")
                try:
                    meter.run(_seconds(scenario, seconds))
                except _FAILURES as error:
                    found[server] = str(error)
                    del meters[server]
                    continue
                done = found[server]
                assert isinstance(done, list)
                done.append(Round.of(meter.take(), meter.subject.pss_bytes()))
        for server, meter in meters.items():
            try:
                meter.load.assemble()  # nothing may come behind the last round
            except _FAILURES as error:
                found[server] = str(error)


def _seconds(scenario: Scenario, wished: float) -> float:
    return wished if wished and not scenario.is_fixed else scenario.seconds


def _idle(subject: Subject) -> Round:
    subject.settle()
    empty = subject.pss_bytes()
    clients = connect_many(subject, IDLE_CLIENTS, "i")
    subject.settle()
    full = subject.pss_bytes()
    for client in clients:
        client.sock.close()
    return Round(memory=full, each_idle=(full - empty) / IDLE_CLIENTS)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="bench-peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("scenarios", nargs="*", type=one_of(SCENARIOS), metavar="SCENARIO", help="default: S1 to S9")
    add("--seconds", type=positive_seconds, default=0.0, help="of a round (default: 2); S6 and S8 have theirs")
    names = (*peers.JUDGES, *peers.SMALL, *_TRANSPORTS)
    add("--servers", type=list_of(names), default=[], metavar="NAMES", help=f"of {','.join(names)} (default: all)")
    add("--python", action="append", default=[], help="that mpchat runs with, can be repeated (default: this one)")
    add_rounds_and_folder(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
