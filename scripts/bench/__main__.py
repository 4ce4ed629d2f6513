"""Measure a server on this machine: `make bench`, or `make bench ARGS='fanout --rounds 5'`.

    fanout   one room of 100, 4 publishers with 8 messages in flight each: deliveries, CPU for each of them; the same
             without the journal, and of the bare shape (scripts/bare.py: processes, queues and sockets without a chat)
    pingpong two clients and one private message at a time, with the journal and without
    crowd    2,000 clients join one room of a server with its default settings, and one speaks
    idle     what 10,000 idle connections cost in memory, and an idle server in CPU

Every delivery is checked: each member must read the same stream, and each publisher's messages stand in it once and
in order. The server's CPU time is the kernel's count of all its threads. The generator runs beside it and takes its
share of the cores, so compare figures of one run, by ratio; medians of several rounds.

With --against DIR this checkout is compared with another one: scripts/bench/against.py. With other servers it is
compared by `make bench-peers`, and how its cost grows is measured by `make bench-growth`.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from scripts.bench.against import NAMES, Side, Unusable, against
from scripts.bench.clients import Member, connect_many, crowd_joins, open_idle, rally
from scripts.bench.command_line import OneLineParser, end_like_an_interrupt, positive_seconds
from scripts.bench.loads import Meter
from scripts.bench.rooms import Rooms
from scripts.bench.subject import ROOT, Bare, Mpchat

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
    with _server(workers, _ON) as with_journal, _server(workers, _OFF) as without, Bare() as shape:
        rooms = [Rooms(subject, 1, 100, 4, 8) for subject in (with_journal, without, shape)]
        meters = [Meter(*pair) for pair in zip((with_journal, without, shape), rooms, strict=True)]
        for number in range(1, rounds + 1):
            for turn in range(_TURNS):  # the machine's speed changes within seconds: what is compared must be close
                for meter in meters if turn % 2 else reversed(meters):
                    meter.run(seconds / _TURNS)
            with_it, without_it, bare = (meter.take() for meter in meters)
            on, (price, chat, reference) = with_it.costs, (each.cost for each in (with_it, without_it, bare))
            by_worker = sum(part for role, part in on.items() if role.startswith("worker"))
            parts = on["broker"], by_worker, on["recorder"]
            rates = with_it.rate, with_it.rate / without_it.rate
            rows.append((rates[0], price, *parts, chat, price / chat, rates[1], reference, chat / reference))
            print(_FANOUT.format(number, *rows[-1]) + f"   {sum(each.checked for each in rooms):,}")
    print(_FANOUT.format("median", *_medians(rows)) + "   none lost, doubled or reordered\n")


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


def _server(workers: int, durability: str) -> Mpchat:
    return Mpchat("--unlimited", "--workers", str(workers), "--plain-port", "none", "--durability", durability)


def _medians(rows: Sequence[tuple[float, ...]]) -> list[float]:
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def crowd() -> None:
    with Mpchat() as server:
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
    with Mpchat("--unlimited") as server:
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


_HERE = ("fanout", "pingpong", "crowd", "idle")


def main() -> int:
    end_like_an_interrupt()
    parser = _parser()
    options = parser.parse_args(_with_values_joined(sys.argv[1:]))
    known = _HERE if options.against is None else NAMES
    for word in options.what:
        if word not in known:
            where = "without" if options.against is None else "with"
            parser.error(f"{where} --against there is no {word!r}, only {', '.join(known)}")
    if options.against is None and (options.ours or options.theirs or options.caps):
        parser.error("--ours, --theirs and --caps go with --against")
    chosen = options.what or known
    try:
        if options.against is None:
            _measure(chosen, options.rounds, options.seconds or 4.0, options.workers)
        else:
            ours, theirs = Side("ours", ROOT, options.ours), Side("theirs", options.against, options.theirs)
            against(ours, theirs, chosen, options.rounds, options.seconds or 2.0, options.workers, options.caps)
    except Unusable as error:
        parser.exit(2, f"bench: {error}\n")
    except ConnectionError as error:
        raise SystemExit(f"bench: a connection was lost: {error.strerror}") from error
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="bench",
        description="Measure a server on this machine, or this checkout's server against another one's.",
        epilog="without --against: fanout, pingpong, crowd, idle; with it: " + ", ".join(NAMES),
    )
    add = parser.add_argument
    add("what", nargs="*", help="what to measure (default: all that there is)")
    add("--rounds", type=_count, default=5, help="default: %(default)s")
    add("--seconds", type=positive_seconds, help="of one round (default: 4; with --against 2 for each of the two)")
    add("--workers", type=_count, default=1, help="default: %(default)s")
    add("--against", type=Path, metavar="DIR", help="another checkout of mpchat, or this one")
    add("--ours", type=_options, default=[], metavar="OPTIONS", help="for our server's command line")
    add("--theirs", type=_options, default=[], metavar="OPTIONS", help="for that of the other one's server")
    add("--caps", type=_names, default="", metavar="NAMES", help="capabilities that all clients ask for")
    return parser


def _with_values_joined(words: Sequence[str]) -> list[str]:
    """argparse takes `--ours --log-json` for two options without a value."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in ("--ours", "--theirs"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"a number above 0, not {text}")
    return int(text)


def _options(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{str(error).lower()}: {text}") from error


def _names(text: str) -> str:
    return " ".join(text.replace(",", " ").split())


def _measure(chosen: Sequence[str], rounds: int, seconds: float, workers: int) -> None:
    about = {"python": platform.python_version(), "system": platform.release(), "cores": os.cpu_count()}
    print(json.dumps(about))
    if "fanout" in chosen:
        fanout(rounds, seconds, workers)
    if "pingpong" in chosen:
        pingpong(rounds, seconds)
    if "crowd" in chosen:
        crowd()
    if "idle" in chosen:
        idle(seconds)


if __name__ == "__main__":
    raise SystemExit(main())
