"""A chat server with two clients: its processes, what each of them holds, and the way of some messages through them."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

from mpchat.lab import descriptors, processes
from mpchat.lab.lab import HAS_PROC, Lab
from mpchat.lab.private_server import PrivateServer

_MESSAGES = 9  # traced, one after the other: the median of each hop is shown
_PAUSE_SECONDS = 0.06  # between two of them: each goes its way alone
_TRACE_SECONDS = 15.0
_STILL_SECONDS = 0.4  # without a change: nobody is starting any more
_START_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_SEMAPHORE = re.compile(r" (\d+) +/dev/shm/sem\.\S+")  # in /proc/PID/maps: its inode
_OF_PROC = (
    "processes", "process_count", "program_count", "child_count", "supervisor_pid", "fds", "fd_count",
    "listening_count", "client_socket", "acceptor_number", "worker_number", "shared_clients", "supervisor_clients",
    "broker_tcp", "pipes_down", "pipes_up", "semaphore_fds", "shared_semaphores", "memory_holders", "system_v",
)  # fmt: skip
_OF_TRACE = (
    "hops", "hop_count", "total_us", "sums_agree", "crossing_count", "crossing_us", "crossing_share", "trace_count",
)  # fmt: skip


def run(lab: Lab) -> None:
    lab.tell("server")
    before = _system_v() if HAS_PROC else set()
    server = lab.server("--workers", "2", "--unlimited")
    ana, beto = server.talker("ana"), server.talker("beto")
    pids = _all_started(server)
    if HAS_PROC:
        _look_at_processes(lab, pids)
        _look_at_descriptors(lab, pids, server.plain_port, [talker.sock.getsockname()[1] for talker in (ana, beto)])
        lab.measured["system_v"] = len(_system_v() - before)
    else:
        lab.skip(*_OF_PROC, why="no_proc")
    lab.tell("trace")
    _trace(lab, server, ana)
    ana.close()
    beto.close()


def _all_started(server: PrivateServer) -> dict[str, int]:
    """The process of each role, once there is a spare, and that opens and closes nothing any more: it has started."""
    pids: dict[str, int] = {}
    seen: Any = None
    changed = time.monotonic()
    deadline = changed + _START_SECONDS
    while (now := time.monotonic()) < deadline and (seen is None or now < changed + _STILL_SECONDS):
        pids = server.pids()
        spare = pids.get("spare")
        looks = None if spare is None else (pids, descriptors.links(spare) if HAS_PROC else {})
        if looks != seen:
            seen, changed = looks, now
        time.sleep(_LOOK_SECONDS)
    return pids


def _look_at_processes(lab: Lab, pids: dict[str, int]) -> None:
    parents = processes.parents()
    supervisor = pids["supervisor"]
    rows = [{"role": role, "pid": pid, "parent": parents[pid]} for role, pid in pids.items()]
    lab.measured["processes"] = rows
    lab.measured["process_count"] = len(rows)
    lab.measured["supervisor_pid"] = supervisor
    lab.measured["child_count"] = sum(parent == supervisor for parent in (parents[pid] for pid in pids.values()))
    programs = [os.stat(f"/proc/{pid}/exe") for pid in pids.values()]
    lab.measured["program_count"] = len({(program.st_dev, program.st_ino) for program in programs})


def _look_at_descriptors(lab: Lab, pids: dict[str, int], port: int, client_ports: list[int]) -> None:
    """`port` is the server's, the others are of the clients' own ends."""
    kinds = {role: list(descriptors.kinds(pid).values()) for role, pid in pids.items()}
    lab.measured["fds"] = {role: {kind: of.count(kind) for kind in descriptors.KINDS} for role, of in kinds.items()}
    lab.measured["fd_count"] = sum(map(len, kinds.values()))
    lab.measured["listening_count"] = kinds["acceptor"].count("listening")
    lab.measured["broker_tcp"] = kinds["broker"].count("tcp") + kinds["broker"].count("listening")
    lab.measured["supervisor_clients"] = kinds["supervisor"].count("tcp")
    lab.measured["memory_holders"] = sum("memory" in of for of in kinds.values())

    sockets = [each for client in client_ports if (each := descriptors.accepted_socket(port, client)) is not None]
    held = {role: set(descriptors.inodes(pid, "socket").values()) for role, pid in pids.items()}
    holders = [sorted(role.rstrip("0123456789") for role in pids if socket in held[role]) for socket in sockets]
    lab.measured["shared_clients"] = holders.count(["acceptor", "worker"])
    lab.measured["client_socket"] = sockets[0]
    lab.measured["acceptor_number"] = descriptors.number_of(pids["acceptor"], sockets[0])
    lab.measured["worker_number"] = descriptors.number_of(pids["worker0"], sockets[0])

    broker, worker = pids["broker"], pids["worker0"]
    for name, writer, reader in (("pipes_down", broker, worker), ("pipes_up", worker, broker)):
        through = descriptors.pipes(writer, os.O_WRONLY) & descriptors.pipes(reader, os.O_RDONLY)
        lab.measured[name] = len(through)
    lab.measured["shared_semaphores"] = len(_semaphores(broker) & _semaphores(worker))
    links = [link for pid in (broker, worker) for link in descriptors.links(pid).values()]
    lab.measured["semaphore_fds"] = sum("sem." in link for link in links)


def _semaphores(pid: int) -> set[int]:
    """A named semaphore is a file in /dev/shm that is mapped, and closed and removed afterwards (sem_overview(7))."""
    with open(f"/proc/{pid}/maps") as file:
        return {int(found[1]) for found in map(_SEMAPHORE.search, file) if found}


def _system_v() -> set[tuple[str, str]]:
    """Message queues, semaphores and shared memory of System V, which `ipcs` lists: the kind and the id of each."""
    found = set()
    for kind in ("msg", "sem", "shm"):
        try:
            with open(f"/proc/sysvipc/{kind}") as file:
                found |= {(kind, line.split()[1]) for line in list(file)[1:]}
        except FileNotFoundError:
            pass  # this kernel has none at all
    return found


def _trace(lab: Lab, server: PrivateServer, ana: Any) -> None:
    """The hops of some lines that ana says, as `mpchat trace` tells them."""
    command = ["trace", "--json", "--from", "ana", "--count", str(_MESSAGES), "--port", str(server.irc_port)]
    tracing = lab.popen(
        [sys.executable, "-m", "mpchat", *command],
        env=server.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert tracing.stderr is not None
    tracing.stderr.readline()  # it says that it waits
    for number in range(_MESSAGES):
        ana.say(f"line {number}")
        time.sleep(_PAUSE_SECONDS)
    try:
        said, _ = tracing.communicate(timeout=_TRACE_SECONDS)
    except subprocess.TimeoutExpired:
        tracing.kill()
        said, _ = tracing.communicate()
    trips = [json.loads(line) for line in said.splitlines()]
    ways = [[trip["points"][number] for number in trip["path"]] for trip in trips if trip["total_ns"] is not None]
    common = [(point["hop"], point["role"]) for point in ways[0]] if ways else []
    ways = [way for way in ways if [(point["hop"], point["role"]) for point in way] == common]
    if not ways:
        lab.skip(*_OF_TRACE, why="not_seen", times=_MESSAGES)
        return
    hops = [
        {
            "role": points[0]["role"],
            "hop": points[0]["hop"],
            "call": points[0]["call"],
            "us": statistics.median(point["hop_ns"] for point in points) / 1000,
        }
        for points in zip(*ways, strict=True)
    ]
    totals = [trip["total_ns"] for trip in trips if trip["total_ns"] is not None]
    sums = [sum(trip["points"][number]["hop_ns"] for number in trip["path"]) for trip in trips if trip["path"]]
    crossings = [hop["us"] for before, hop in pairwise(hops) if before["role"] != hop["role"]]
    whole = sum(hop["us"] for hop in hops)
    lab.measured["hops"] = hops
    lab.measured["hop_count"] = len(hops) - 1
    lab.measured["trace_count"] = len(ways)
    lab.measured["total_us"] = whole
    lab.measured["sums_agree"] = sums == totals
    lab.measured["crossing_count"] = len(crossings)
    lab.measured["crossing_us"] = sum(crossings)
    lab.measured["crossing_share"] = sum(crossings) / whole
