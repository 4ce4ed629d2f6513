"""Measure a server on this machine: `make bench`, or `make bench ARGS='fanout --rounds 5'`.

    fanout   one room of 100, 4 publishers with 8 messages in flight each: deliveries, CPU for each of them, and the
             same of the bare shape (scripts/bare.py: processes, queues and sockets without a chat) in the same round
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
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.generator import Member, Room, Subject, connect_many, crowd_joins, open_idle

CROWD = 2_000
IDLE = 10_000


def fanout(rounds: int, seconds: float, workers: int, data: bool) -> None:
    print(f"fan-out: 1 room of 100, 4 publishers, 8 in flight, --workers {workers}, journal {'on' if data else 'off'}")
    print("  round   deliveries/s   server us/delivery   broker   worker   the bare shape   ratio   checked")
    ratios = []
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            extra = ["--data", folder] if data else []
            args = ("--unlimited", "--workers", str(workers), "--plain-port", "none", *extra)
            with Subject(*args) as server:
                rate, spent, deliveries = _load(server, seconds)
        with Subject(bare=True) as shape:
            _, bare, more = _load(shape, seconds)
        cost, reference = sum(spent.values()), sum(bare.values())
        by_worker = sum(part for role, part in spent.items() if role.startswith("worker"))
        ratios.append((rate, cost, reference, cost / reference))
        print(
            f"  {number:>5}   {rate:>12,.0f}   {cost:>18.3f}   {spent['broker']:>6.3f}   {by_worker:>6.3f}"
            f"   {reference:>14.3f}   {cost / reference:>5.2f}   {deliveries + more:,} deliveries"
        )
    rate, cost, reference, ratio = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"  median  {rate:>12,.0f}   {cost:>18.3f}   {'':>15}   {reference:>14.3f}   {ratio:>5.2f}", end="")
    print("   none lost, doubled or reordered\n")


def _load(server: Subject, seconds: float) -> tuple[float, dict[str, float], int]:
    """Deliveries a second, CPU us a delivery by role, and how many deliveries were made and checked."""
    room = Room(server, members=100, publishers=4, in_flight=8)
    before = server.cpu_seconds()
    started = time.monotonic()
    deliveries = room.run(seconds)
    elapsed = time.monotonic() - started
    after = server.cpu_seconds()
    return deliveries / elapsed, {role: (after[role] - before[role]) / deliveries * 1e6 for role in after}, deliveries


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
    parser.add_argument("what", nargs="*", choices=[[], "fanout", "crowd", "idle"], help="default: all of them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one round")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--journal", action="store_true", help="fanout: with the journal")
    options = parser.parse_args()
    chosen = options.what or ["fanout", "crowd", "idle"]
    about = {"python": platform.python_version(), "system": platform.release(), "cores": os.cpu_count()}
    print(json.dumps(about))
    if "fanout" in chosen:
        fanout(options.rounds, options.seconds, options.workers, options.journal)
    if "crowd" in chosen:
        crowd()
    if "idle" in chosen:
        idle(options.seconds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
