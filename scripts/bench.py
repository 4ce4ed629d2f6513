"""Measure a server on this machine: `make bench`, or `make bench ARGS='fanout --rounds 5'`.

    fanout   one room of 100, 4 publishers with 8 messages in flight each: deliveries, CPU for each of them; the same
             without the journal, and of the bare shape (scripts/bare.py: processes, queues and sockets without a chat)
    pingpong two clients and one private message at a time, with the journal and without
    crowd    2,000 clients join one room of a server with its default settings, and one speaks
    idle     what 10,000 idle connections cost in memory, and an idle server in CPU

Every delivery is checked: each member must read the same stream, and each publisher's messages stand in it once and
in order. The server's CPU time is the kernel's count of all its threads. The generator runs beside it and takes its
share of the cores, so compare figures of one run, by ratio; medians of several rounds.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.generator import Member, Room, Subject, connect_many, crowd_joins, open_idle, rally

CROWD = 2_000
IDLE = 10_000
_TURNS = 4  # of each subject in a round


def fanout(rounds: int, seconds: float, workers: int) -> None:
    """The server with its journal, without, and the bare shape: all are up, and in each round loaded in turns."""
    print(f"fan-out: 1 room of 100, 4 publishers, 8 in flight, --workers {workers}; server CPU in us for each delivery")
    print(
        "  round   deliveries/s   journal on   broker  workers  recorder   journal off   on/off   rate on/off   ",
        end="",
    )
    print("bare shape   off/bare   checked")
    rows = []
    with _server(workers, _ON) as with_journal, _server(workers, _OFF) as without, Subject(bare=True) as shape:
        loads = [Load(subject) for subject in (with_journal, without, shape)]
        for number in range(1, rounds + 1):
            for turn in range(_TURNS):  # the machine's speed changes within seconds: what is compared must be close
                for load in loads if turn % 2 else reversed(loads):
                    load.run(seconds / _TURNS)
            (rate, on), (rate_off, off), (_, bare) = (load.take() for load in loads)
            price, chat, reference = sum(on.values()), sum(off.values()), sum(bare.values())
            by_worker = sum(part for role, part in on.items() if role.startswith("worker"))
            parts = on["broker"], by_worker, on["recorder"]
            rows.append((rate, price, *parts, chat, price / chat, rate / rate_off, reference, chat / reference))
            print(_FANOUT.format(number, *rows[-1]) + f"   {sum(load.room.checked for load in loads):,}")
    print(_FANOUT.format("median", *_medians(rows)) + "   none lost, doubled or reordered\n")


class Load:
    """One subject with its room, and what it has cost since the last take()."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.room = Room(subject, members=100, publishers=4, in_flight=8)
        self.begin()

    def begin(self) -> None:
        self.room.assemble()
        self.before = self.subject.cpu_seconds()
        self.deliveries, self.elapsed = 0, 0.0

    def run(self, seconds: float) -> None:
        started = time.monotonic()
        self.deliveries += self.room.run(seconds)
        self.elapsed += time.monotonic() - started
        self.subject.settle()

    def take(self) -> tuple[float, dict[str, float]]:
        """Deliveries a second, and CPU us a delivery by role."""
        after = self.subject.cpu_seconds()
        per_delivery = {role: (after[role] - self.before[role]) / self.deliveries * 1e6 for role in after}
        rate = self.deliveries / self.elapsed
        self.begin()
        return rate, per_delivery


def pingpong(rounds: int, seconds: float) -> None:
    """Two clients, one private message between them at a time."""
    print("ping-pong: one private message in flight between two clients; server CPU in us for each message")
    print("  round   messages/s   journal on   journal off   on/off")
    rows = []
    for number in range(1, rounds + 1):
        measured: list[float] = []
        for durability in (_ON, _OFF):
            with _server(1, durability) as server:
                before = server.cpu_seconds()
                count = rally(server, seconds)
                measured += [sum(server.cpu_seconds().values()) - sum(before.values()), count]
        spent, messages, spent_off, messages_off = measured
        on, off = spent / messages * 1e6, spent_off / messages_off * 1e6
        rows.append((messages / seconds, on, off, on / off))
        print(_PINGPONG.format(number, *rows[-1]))
    print(_PINGPONG.format("median", *_medians(rows)) + "\n")


_ON, _OFF = "process", "none"  # --durability
_FANOUT = (
    "  {:>6}  {:>12,.0f}   {:>10.3f}   {:>6.3f}   {:>6.3f}   {:>7.3f}"
    "   {:>11.3f}   {:>6.2f}   {:>11.2f}   {:>10.3f}   {:>8.2f}"
)
_PINGPONG = "  {:>6}   {:>9,.0f}   {:>10.1f}   {:>11.1f}   {:>6.2f}"


def _server(workers: int, durability: str) -> Subject:
    return Subject("--unlimited", "--workers", str(workers), "--plain-port", "none", "--durability", durability)


def _medians(rows: Sequence[tuple[float, ...]]) -> list[float]:
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def crowd() -> None:
    with Subject() as server:
        started = time.monotonic()
        members = connect_many(server, CROWD, prefix="c")
        registered = time.monotonic() - started
        started = time.monotonic()
        crowd_joins(members)
        joined = time.monotonic() - started
        started = time.monotonic()
        members[0].send(b"PRIVMSG #crowd :hello, everybody\r\n")
        Member.wait_all(members[1:], b"PRIVMSG #crowd :hello, everybody\r\n")
        told = time.monotonic() - started
        cpu = sum(server.cpu_seconds().values())
    print(f"crowd: {CROWD:,} clients in one room, default settings")
    print(f"  connected and registered in {registered:.1f} s, all joined in {joined:.1f} s, ", end="")
    print(f"one message to {CROWD - 1:,} members in {told * 1000:.0f} ms, {cpu:.1f} s of CPU in all\n")


def idle(seconds: float) -> None:
    with Subject("--unlimited") as server:
        empty = server.pss_bytes()
        before = sum(server.cpu_seconds().values())
        time.sleep(seconds)  # what is measured is a stretch of time in which nothing happens
        share = (sum(server.cpu_seconds().values()) - before) / seconds
        sockets = open_idle(server, IDLE)
        full = server.pss_bytes()
        before = sum(server.cpu_seconds().values())
        time.sleep(seconds)
        full_share = (sum(server.cpu_seconds().values()) - before) / seconds
        for sock in sockets:
            sock.close()
    print(f"idle: {len(sockets):,} registered connections, --unlimited")
    print(f"  empty server: {empty / 2**20:.1f} MiB (PSS, all processes), {share:.3%} of a core")
    print(f"  with them: {full / 2**20:.1f} MiB, {(full - empty) / len(sockets) / 1024:.2f} KiB each, ", end="")
    print(f"{full_share:.3%} of a core\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure a server on this machine.")
    parser.add_argument(
        "what", nargs="*", choices=[[], "fanout", "pingpong", "crowd", "idle"], help="default: all of them"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one round")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    chosen = options.what or ["fanout", "pingpong", "crowd", "idle"]
    about = {"python": platform.python_version(), "system": platform.release(), "cores": os.cpu_count()}
    print(json.dumps(about))
    if "fanout" in chosen:
        fanout(options.rounds, options.seconds, options.workers)
    if "pingpong" in chosen:
        pingpong(options.rounds, options.seconds)
    if "crowd" in chosen:
        crowd()
    if "idle" in chosen:
        idle(options.seconds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
