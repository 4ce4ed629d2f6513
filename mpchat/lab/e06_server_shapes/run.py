"""Four servers with the same chat, each with the same clients: what a client costs, and how fast it is served."""

import importlib
import os
import selectors
import socket
import sys
import time
from itertools import cycle
from statistics import median

from mpchat.lab.lab import Lab
from mpchat.lab.processes import descendants
from mpchat.monitor import measuring

SHAPES = ("process_per_client", "worker_pool", "thread_per_client", "event_loop")
CLIENTS = 20
_ROUNDS, _WORK_ROUNDS = 3, 5
_TALK_SECONDS = 0.15
_BURST = 3  # lines that each says at once, where throughput is measured
_WORK_LINES = 24  # each costs some milliseconds, much more than it takes to pass it on
_TURNS = 200_000  # of an empty loop for each of them
_ANSWER_SECONDS = 10.0


class Stuck(Exception):
    """Nothing came in time."""


class Client:
    """Somebody at the other end of a connection."""

    def __init__(self, address: tuple[str, int], nick: str) -> None:
        self.nick = nick.encode()
        began = time.perf_counter()
        self.sock = socket.create_connection(address, _ANSWER_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._expect(b"press Enter.\n")
        self.set_up_ms = (time.perf_counter() - began) * 1000

    def enter(self) -> None:
        self.say(self.nick)
        self._expect(b"* in #lobby")

    def say(self, line: bytes) -> None:
        self.sock.sendall(line + b"\n")

    def _expect(self, text: bytes) -> None:
        data = b""
        while text not in data:
            more = self.sock.recv(1 << 16)
            if not more:
                raise Stuck(text)
            data += more


class Server:
    """One of the shapes at work, and its clients."""

    def __init__(self, lab: Lab, shape: str) -> None:
        self.shape = shape
        listener = socket.create_server(("127.0.0.1", 0), backlog=CLIENTS)
        self.address = listener.getsockname()
        self.process = lab.process(_serve, shape, listener)
        listener.close()
        assert self.process.pid is not None
        self.pid = self.process.pid
        self.clients: list[Client] = []
        self.per_second: list[float] = []
        self.fan_out_ms: list[float] = []
        self.worked: dict[int, list[float]] = {1: [], 2: []}  # lines in a second, by how many talk
        self.worked_seconds, self.computed_seconds = 0.0, 0.0  # while two talk: that passed, and of all its processes
        self.missing = 0  # deliveries that did not come
        self._selector = selectors.DefaultSelector()

    def connect(self, nick: str) -> None:
        client = Client(self.address, nick)
        self.clients.append(client)
        self._selector.register(client.sock, selectors.EVENT_READ, client)

    def pids(self) -> list[int]:
        return [self.pid, *descendants(self.pid)]

    def hear(self, lines: int, seconds: float = _ANSWER_SECONDS) -> int:
        """Read so many lines, whoever gets them; returns how many have not come in time."""
        deadline = time.perf_counter() + seconds
        while lines > 0 and time.perf_counter() < deadline:
            for key, _ in self._selector.select(max(0.0, deadline - time.perf_counter())):
                lines -= key.data.sock.recv(1 << 18).count(b"\n")
        return lines

    def be_silent(self) -> None:
        """Read what is still under way."""
        while self._selector.select(0.05):
            self.hear(1)

    def talk(self) -> None:
        """First one line at a time, until all others have heard it; then several of everybody's at once."""
        others = len(self.clients) - 1
        speakers = cycle(self.clients)
        deadline = time.perf_counter() + _TALK_SECONDS
        while (began := time.perf_counter()) < deadline:
            next(speakers).say(b"hola")
            self.missing += self.hear(others)
            self.fan_out_ms.append((time.perf_counter() - began) * 1000)
        began, said = time.perf_counter(), 0
        while (took := time.perf_counter() - began) < _TALK_SECONDS:
            for client in self.clients:
                client.say(b"\n".join([b"hola"] * _BURST))
            said += len(self.clients) * _BURST
            self.missing += self.hear(len(self.clients) * _BURST * others)
        self.per_second.append(said / took)

    def work(self, talkers: int) -> None:
        """So many say several lines at once, each of which costs the server some milliseconds of computing.

        They do not wait for answers: a process that computes without a pause is moved to a core that is free, one that
        sleeps between two lines may be woken on the core that the other has.
        """
        lines = _WORK_LINES * talkers
        computed = self._computed()
        began = time.perf_counter()
        for client in self.clients[:talkers]:
            client.say(b"\n".join([b"work %d" % _TURNS] * _WORK_LINES))
        if self.hear(lines * (len(self.clients) - 1)):
            raise Stuck(self.shape)
        took = time.perf_counter() - began
        self.worked[talkers].append(lines / took)
        if talkers > 1:
            self.worked_seconds += took
            self.computed_seconds += self._computed() - computed

    def _computed(self) -> float:
        """The seconds of CPU that its processes have used."""
        told = [measuring.measure(pid) for pid in self.pids()]
        return sum(each.cpu_seconds for each in told if each is not None)


def _serve(shape: str, listener: socket.socket) -> None:
    importlib.import_module(f"mpchat.lab.e06_server_shapes.shapes.{shape}").serve(listener)


def run(lab: Lab) -> None:
    lab.tell("servers")
    servers = [Server(lab, shape) for shape in SHAPES]
    for server in servers:
        Client(server.address, "first").sock.close()  # all of it is imported, and at work
        server.hear(0)
    time.sleep(0.2)
    empty = {server.shape: _memory(server) for server in servers}
    lab.tell("clients")
    for number in range(CLIENTS):
        for server in servers:
            server.connect(f"ana{number}")
    for server in servers:
        for client in server.clients:
            client.enter()
        server.be_silent()
    for server in servers:
        lab.measured[f"{server.shape}_setup_ms"] = median(client.set_up_ms for client in server.clients)
        lab.measured[f"{server.shape}_processes"] = len(server.pids())
        _tell_memory(lab, server, empty[server.shape], _memory(server))
    lab.tell("talk")
    for _ in range(_ROUNDS):
        for server in servers:
            server.talk()
    lab.tell("work")
    for _ in range(_WORK_ROUNDS):
        for server in servers:
            for talkers in (1, 2):
                server.work(talkers)
    for server in servers:
        _tell_speed(lab, server)
    lab.measured["clients"] = CLIENTS
    lab.measured["missing"] = sum(server.missing for server in servers)


def _memory(server: Server) -> tuple[float, float, float] | None:
    """USS, PSS and RSS of all its processes, each added up, in MiB. None: nobody tells."""
    try:
        told = [measuring.memory(pid) for pid in server.pids()]
        resident = sum(_resident_mib(pid) for pid in server.pids())
    except OSError:
        return None
    known = [each for each in told if each is not None]
    if len(known) < len(told):
        return None
    return sum(each.uss_mib for each in known), sum(each.pss_mib for each in known), resident


def _resident_mib(pid: int) -> float:
    """Raises OSError where there is no /proc."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _tell_memory(
    lab: Lab,
    server: Server,
    empty: tuple[float, float, float] | None,
    full: tuple[float, float, float] | None,
) -> None:
    """What a client costs is what the servers' private memory has grown by."""
    names = [f"{server.shape}_{what}" for what in ("uss_mib", "pss_mib", "rss_mib", "client_kib")]
    if empty is None or full is None:
        lab.skip(*names, why="no_proc")
        return
    values = (*full, max(0.0, full[0] - empty[0]) * 1024 / CLIENTS)
    lab.measured.update(zip(names, values, strict=True))


def _tell_speed(lab: Lab, server: Server) -> None:
    shape = server.shape
    lab.measured[f"{shape}_per_second"] = median(server.per_second)
    slowest = sorted(server.fan_out_ms)
    lab.measured[f"{shape}_median_ms"] = median(slowest)
    lab.measured[f"{shape}_p99_ms"] = slowest[len(slowest) * 99 // 100]
    lab.measured[f"{shape}_one_per_second"] = max(server.worked[1])
    if shape in ("process_per_client", "worker_pool") and _cores() < 2:
        lab.skip(f"{shape}_speed_up", f"{shape}_cores", why="one_core")
        return
    if shape == "thread_per_client" and not getattr(sys, "_is_gil_enabled", lambda: True)():
        lab.skip(f"{shape}_speed_up", f"{shape}_cores", why="no_gil")
        return
    lab.measured[f"{shape}_speed_up"] = median(server.worked[2]) / median(server.worked[1])
    # Where a virtual machine gets less of its host than it knows, two processes are not twice as fast, and both still
    # have a core each: this is what is claimed.
    lab.measured[f"{shape}_cores"] = server.computed_seconds / server.worked_seconds


def _cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
