"""The trip of one line of chat through a checkout of mpchat: `python scripts/trip.py [CHECKOUT]`.

A real server with one worker has three clients in one room. One of them says a line, and this lists, in their order,
the functions of mpchat that are entered on the line's way from its sender's socket to the sockets of the other two:

    worker   from its wake-up by the sender's socket until the record has been put
    broker   from its wake-up by that record until the items have been put
    worker   from its wake-up by those items until the last call that sends to another client

Counted is every entry of a function below CHECKOUT/mpchat in the main thread between these points, among them what a
loop does in each turn on its way (and a generator again when it goes on; no comprehensions). Not counted is what was
entered before a wake-up (main, the loop, the wait itself), what follows the last point of each part (checkpoint,
scoreboard, heartbeat, the facts for the recorder), and the standard library, with the threads that feed its queues.
What is due at a moment of its own may fall into one line's trip: so several lines are said, and each part is told as
it was shortest. Of a checkout this needs only that a function called put, in mpchat/ipc, passes a message on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.bench.clients import Member, registration
from scripts.bench.subject import ROOT

ROUNDS = 7
_PATIENCE = 20.0  # seconds: a server that works needs none of them
_PAUSE = 0.3  # seconds after a line: what follows it later must not fall into the next one's trip
_READY = re.compile(r"mpchat ready: irc (\S+):(\d+)")
_SERVER = ("server", "127.0.0.1", "0", "--plain-port", "none", "--unlimited", "--workers", "1", "--log-level", "error")


class Step(NamedTuple):
    """What a process did: one event of scripts/bench/trip_hook.py."""

    at: int  # monotonic ns, of one clock for all processes
    kind: str  # call, return, awake, or a socket's method
    what: Any  # FILE:FUNCTION of a call and a return; the peer's port
    caller: str


def until(what: Callable[[], bool], missing: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit(f"trip: {missing}")
        time.sleep(0.005)


def switch(folder: Path, server: int, suffix: str) -> None:
    """Switch the profiler of all its processes, but for the supervisor, on (.on) or off (.json)."""
    pids = [int(path.stem) for path in folder.glob("*.here")]
    pids = [pid for pid in pids if pid != server and Path(f"/proc/{pid}").exists()]
    for pid in pids:
        os.kill(pid, signal.SIGUSR1)
    until(lambda: all((folder / f"{pid}{suffix}").exists() for pid in pids), f"no profiler wrote its {suffix}")


def record(folder: Path, server: int, members: list[Member], number: int) -> dict[str, list[Step]]:
    """Let one line be said, and return what each role did meanwhile."""
    for path in [*folder.glob("*.on"), *folder.glob("*.json")]:
        path.unlink()
    switch(folder, server, ".on")
    members[0].send(b"PRIVMSG #trip :line %d\r\n" % number)
    Member.wait_all(members[1:], b":line %d\r\n" % number)
    time.sleep(_PAUSE)
    switch(folder, server, ".json")
    seen = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return {each["role"]: [Step(*step) for step in each["events"]] for each in seen}


def recorded(root: Path) -> tuple[list[dict[str, list[Step]]], int, set[int]]:
    """What the roles did in each round; the sender's port, and the others'."""
    with tempfile.TemporaryDirectory(prefix="mpchat-trip-") as name:
        folder = Path(name)
        shutil.copy(ROOT / "scripts" / "bench" / "trip_hook.py", folder / "sitecustomize.py")
        own = {"PYTHONPATH": f"{folder}{os.pathsep}{root}", "TRIP_ROOT": str(root), "PYTHONSAFEPATH": ""}
        kept = {"XDG_RUNTIME_DIR": name, "XDG_STATE_HOME": name}
        environment = {**os.environ, **own, **kept}
        command = [sys.executable, "-m", "mpchat", *_SERVER]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=environment)
        try:
            assert server.stdout is not None
            found = _READY.match(server.stdout.readline())
            if found is None:
                raise SystemExit(f"trip: the server of {root} did not start")
            members = [Member((found[1], int(found[2])), nick) for nick in ("ana", "beto", "carla")]
            for member in members:
                member.send(registration(member.nick))
                member.await_registration()
                member.send(b"JOIN #trip\r\n")
                member.wait_for(b" 366 ")
            Member.wait_all(members[:1], b"carla!")
            time.sleep(_PAUSE)
            rounds = [record(folder, server.pid, members, number) for number in range(ROUNDS)]
            ports = [member.sock.getsockname()[1] for member in members]
            for member in members:
                member.sock.close()
        finally:
            server.terminate()
            server.communicate()
        return rounds, ports[0], set(ports[1:])


def turns(steps: list[Step]) -> list[list[Step]]:
    """What was done in each turn of a loop, from one wake-up to the next. The profiler was switched on in a wait."""
    starts = [0, *(number for number, step in enumerate(steps) if step.kind == "awake")]
    return [steps[start:end] for start, end in zip(starts, [*starts[1:], len(steps)], strict=True) if start < end]


def up_to(steps: list[Step], is_end: Callable[[Step], bool], last: bool = False) -> list[Step]:
    """The steps up to the first that is the end, or the last; none if there is no end."""
    ends = [number for number, step in enumerate(steps) if is_end(step)]
    return steps[: ends[-1 if last else 0] + 1] if ends else []


def is_put(step: Step) -> bool:
    return step.kind == "return" and step.what.startswith("ipc/") and step.what.endswith(".put")


def trip(steps: dict[str, list[Step]], sender: int, others: set[int]) -> dict[str, list[Step]]:
    """The three parts of one line's way."""
    worker, broker = turns(steps["worker"]), turns(steps["broker"])

    def is_read(step: Step) -> bool:
        return step.kind.startswith("recv") and step.what == sender

    def is_sent(step: Step) -> bool:
        return step.kind.startswith("send") and step.what in others

    up = next((up_to(turn, is_put) for turn in worker if any(map(is_read, turn))), [])
    middle = next((some for turn in broker if up and turn[0].at > up[0].at and (some := up_to(turn, is_put))), [])
    first = next((number for number, turn in enumerate(worker) if any(map(is_sent, turn))), 0)
    down = up_to([step for turn in worker[first:] for step in turn], is_sent, last=True)
    if not (up and middle and down):
        raise SystemExit("trip: the line's way was not found: a read of its socket, a put in each process, a send")
    return {
        "worker, until the record is put": up,
        "broker, until the items are put": middle,
        "worker, until it is sent": down,
    }


def calls(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step.kind == "call"]


def tell(parts: dict[str, list[Step]]) -> None:
    every = [step.what for steps in parts.values() for step in steps]
    for name, steps in parts.items():
        print(f"{name}: {summary([step.what for step in steps])}")
        counts = Counter(step.what for step in steps)
        callers = {step.what: step.caller for step in reversed(steps)}
        for number, (what, count) in enumerate(counts.items(), 1):
            times = f" x{count}" if count > 1 else ""
            print(f"  {number:3}  {what}{times}" + (f"  from {callers[what]}" if callers[what] else ""))
        print()
    print(f"in all: {summary(every)}")


def summary(entered: list[str]) -> str:
    files = {what.partition(":")[0] for what in entered}
    return f"{len(set(entered))} functions in {len(files)} files, {len(entered)} calls"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="trip.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", nargs="?", type=Path, default=ROOT, help="whose mpchat runs (default: this one)")
    root = parser.parse_args().checkout.resolve()
    if not (root / "mpchat" / "__main__.py").exists():
        parser.error(f"there is no mpchat in {root}")
    rounds, sender, others = recorded(root)
    trips = [trip(steps, sender, others) for steps in rounds]
    tell({name: min((calls(each[name]) for each in trips), key=len) for name in trips[0]})


if __name__ == "__main__":
    main()
