"""How a client's socket gets from the acceptor into a worker; what its copies mean for the client; and how evenly
connections spread, passed by one process or accepted by several.
"""

import re
import resource
import selectors
import shutil
import socket
import subprocess
import time
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from mpchat.lab import descriptors
from mpchat.lab.lab import HAS_PROC, Lab
from mpchat.lab.private_server import PrivateServer

_WORKERS = 4
_CONNECTIONS = 400
_ENOUGH_FDS = 1024  # for that many connections in one process
_OTHER_FDS = 200  # what a process has open besides, and what a server keeps free
_TRIES = 5  # of a shared listening socket: how it spreads is chance
_NO_FIN_SECONDS = 0.3  # on this machine a FIN takes microseconds
_FIN_SECONDS = 5.0
_SETTLE_SECONDS = 10.0
_ATTACH_SECONDS = 5.0
_TRACED_SECONDS = 5.0
_LOOK_SECONDS = 0.02
_OF_STRACE = ("calls", "accepted_number", "passed_number", "received_number")
_OF_PROC = ("client_port", "socket_inode", "acceptor_number", "worker_number", "worker", "same_socket")


def run(lab: Lab) -> None:
    lab.tell("passing")
    lab.measured["connection_count"] = count = _possible_connections(lab)
    server = lab.server("--workers", str(_WORKERS), "--unlimited")
    _pass_a_client(lab, server)
    lab.tell("copies")
    _close_copies(lab)
    lab.tell("spread")
    _spread_by_passing(lab, server, count)
    _spread_by_accepting(lab, count)


def _pass_a_client(lab: Lab, server: PrivateServer) -> None:
    """The numbers of one client's socket in two processes, as /proc shows them, and as strace sees them come."""
    pids = server.pids()
    workers = [role for role in pids if role.startswith("worker")]
    roles = {pids[role]: role for role in ("acceptor", *workers)}
    strace = _Strace(lab, list(roles)) if shutil.which("strace") and HAS_PROC else None
    ana = server.talker("ana")
    port = ana.sock.getsockname()[1]
    if HAS_PROC:
        _look(lab, pids, workers, descriptors.accepted_socket(server.plain_port, port))
        lab.measured["client_port"] = port
    else:
        lab.skip(*_OF_PROC, why="no_proc")
    ana.close()
    if strace is None or not strace.has_attached:
        lab.skip(*_OF_STRACE, why="no_strace")
        return
    calls = strace.calls(port)
    if calls is None:
        lab.skip(*_OF_STRACE, why="no_strace")
        return
    lab.measured["calls"] = [[roles.get(pid, str(pid)), call] for pid, call in calls.lines]
    lab.measured["accepted_number"] = calls.accepted
    lab.measured["passed_number"], lab.measured["received_number"] = calls.passed, calls.received


def _look(lab: Lab, pids: dict[str, int], workers: list[str], inode: int | None) -> None:
    """`inode`: of the socket that is looked for."""
    assert inode is not None
    worker = next(role for role in workers if descriptors.number_of(pids[role], inode) is not None)
    numbers = [descriptors.number_of(pids[role], inode) for role in ("acceptor", worker)]
    lab.measured["socket_inode"], lab.measured["worker"] = inode, worker
    lab.measured["acceptor_number"], lab.measured["worker_number"] = numbers
    lab.measured["same_socket"] = None not in numbers


class _Calls:
    """Of one connection: `lines` are process ids, each with a call in short."""

    def __init__(self, accepted: int) -> None:
        self.accepted = accepted
        self.passed = self.received = -1
        self.lines: list[tuple[int, str]] = []


class _Strace:
    """strace(1) of some processes, attached to them by their ids, which the kernel may forbid (ptrace(2))."""

    _RESUMED = re.compile(r"<\.\.\. \w+ resumed>\s*")
    _ACCEPT = re.compile(r"accept4\((\d+),.*htons\((\d+)\).* = (\d+)$")
    _RIGHTS = re.compile(r"(sendmsg|recvmsg)\((\d+),.*SCM_RIGHTS, cmsg_data=\[(\d+)\].* = \d+$")
    _CLOSE = re.compile(r"close\((\d+)\) += 0$")

    def __init__(self, lab: Lab, pids: list[int]) -> None:
        self.has_attached = False
        self._path = lab.folder / "strace"
        options = [part for pid in pids for part in ("-p", str(pid))]
        self._process = lab.popen(
            ["strace", "-f", "-qq", "-e", "trace=accept4,sendmsg,recvmsg,close", "-o", str(self._path), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _ATTACH_SECONDS
        while not (self.has_attached or self._process.poll() is not None or time.monotonic() > deadline):
            self.has_attached = all(_is_traced(pid) for pid in pids)
            time.sleep(_LOOK_SECONDS)

    def calls(self, port: int) -> _Calls | None:
        """Those of the connection from this port, once both numbers are closed again; strace is ended then.

        None: it has not told of them.
        """
        deadline = time.monotonic() + _TRACED_SECONDS
        calls = self._found(port)
        while (calls is None or len(calls.lines) < 5) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            calls = self._found(port)
        self._process.terminate()  # it lets go of them first
        self._process.wait()
        return self._found(port)

    def _found(self, port: int) -> _Calls | None:
        calls: _Calls | None = None
        acceptor = worker = 0
        for pid, call in self._whole():
            if found := self._ACCEPT.match(call):
                if int(found[2]) == port:
                    calls, acceptor = _Calls(int(found[3])), pid
                    calls.lines.append((pid, f"accept4({found[1]}) = {found[3]}"))
            elif calls is None:
                continue
            elif found := self._RIGHTS.match(call):
                number = int(found[3])
                if found[1] == "sendmsg" and pid == acceptor and number == calls.accepted:
                    calls.passed = number
                elif found[1] == "recvmsg" and pid != acceptor and calls.received < 0:
                    calls.received, worker = number, pid
                else:
                    continue
                calls.lines.append((pid, f"{found[1]}({found[2]}, SCM_RIGHTS [{number}])"))
            elif (found := self._CLOSE.match(call)) and (pid, int(found[1])) in (
                (acceptor, calls.accepted),
                (worker, calls.received),
            ):
                calls.lines.append((pid, f"close({found[1]})"))
        return calls

    def _whole(self) -> list[tuple[int, str]]:
        """The calls with their processes; one that another has interrupted in the listing is put together again."""
        begun: dict[int, str] = {}
        found = []
        for line in self._path.read_text(errors="replace").splitlines():
            name, _, text = line.partition(" ")
            pid, text = int(name), text.strip()
            if text.endswith("<unfinished ...>"):
                begun[pid] = text.removesuffix("<unfinished ...>").rstrip()
                continue
            if resumed := self._RESUMED.match(text):
                text = begun.pop(pid, "") + text[resumed.end() :]
            found.append((pid, text))
        return found


def _is_traced(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as file:
        return any(line.startswith("TracerPid:") and int(line.split()[1]) > 0 for line in file)


# Copies of one socket


def _close_copies(lab: Lab) -> None:
    """One process accepts, and passes what it has accepted to another: when does the client see the end?"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours, theirs = socket.socketpair()
        orders = [lab.context.Pipe() for _ in range(2)]
        passer = lab.process(_pass_on, listener, ours, orders[0][1])
        receiver = lab.process(_receive, theirs, orders[1][1])
        ours.close()
        theirs.close()
        address = listener.getsockname()
        with socket.create_connection(address) as first, socket.create_connection(address) as second:
            for order in ("accept", "accept"):
                _have(orders[0][0], order)
                _have(orders[1][0], "receive")
            _have(orders[1][0], "shutdown")  # the second one's; both processes have it open
            lab.measured["fin_after_shutdown"] = _has_ended(second, _FIN_SECONDS)
            _have(orders[0][0], "close")
            lab.measured["fin_after_first_close"] = _has_ended(first, _NO_FIN_SECONDS)
            receiver.kill()
            receiver.join()
            lab.measured["fin_after_last_close"] = _has_ended(first, _FIN_SECONDS)
        passer.kill()
        passer.join()
    for one, other in orders:
        one.close()
        other.close()


def _have(orders: "Connection[str, str]", order: str) -> None:
    """Have a process do something, and wait until it has."""
    orders.send(order)
    orders.recv()


def _pass_on(listener: socket.socket, link: socket.socket, orders: "Connection[str, str]") -> None:
    accepted = []
    while True:
        match orders.recv():
            case "accept":
                accepted.append(listener.accept()[0])
                socket.send_fds(link, [b"!"], [accepted[-1].fileno()])
            case "close":
                accepted[0].close()
        orders.send("done")


def _receive(link: socket.socket, orders: "Connection[str, str]") -> None:
    received = []
    while True:
        match orders.recv():
            case "receive":
                _, fds, _, _ = socket.recv_fds(link, 1, 1)
                received.append(socket.socket(fileno=fds[0]))
            case "shutdown":
                received[1].shutdown(socket.SHUT_WR)
        orders.send("done")


def _has_ended(sock: socket.socket, seconds: float) -> bool:
    """Whether a FIN comes within so many seconds: recv() then returns nothing."""
    sock.settimeout(seconds)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False


# How connections spread


def _possible_connections(lab: Lab) -> int:
    """How many connections one process may have here; the limit (RLIMIT_NOFILE) is raised where it is low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _ENOUGH_FDS:
        return _CONNECTIONS
    raised = _ENOUGH_FDS if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FDS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    lab.at_end.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
    return min(_CONNECTIONS, max(_WORKERS, (raised - _OTHER_FDS) // _WORKERS * _WORKERS))


def _spread_by_passing(lab: Lab, server: PrivateServer, count: int) -> None:
    clients = [socket.create_connection(("127.0.0.1", server.plain_port)) for _ in range(count)]
    deadline = time.monotonic() + _SETTLE_SECONDS
    while sum(spread := _clients(server)) < count and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    for client in clients:
        client.close()
    lab.measured["passed"], lab.measured["passing_spread"] = spread, max(spread) - min(spread)


def _clients(server: PrivateServer) -> list[int]:
    return [row["clients"] for row in server.status() if row["role"].startswith("worker")]


def _spread_by_accepting(lab: Lab, count: int) -> None:
    """The same, where each process accepts for itself: again where it was as even by chance."""
    for _ in range(_TRIES):
        spread = _accepted(lab, count)
        difference = max(spread) - min(spread)
        if difference > lab.measured["passing_spread"]:
            lab.measured["accepted"], lab.measured["accepting_spread"] = spread, difference
            return
    lab.skip("accepted", "accepting_spread", why="not_seen", times=_TRIES)


def _accepted(lab: Lab, count: int) -> list[int]:
    """How many connections each of four processes gets that wait for one listening socket."""
    counts = [lab.context.Value("i", -1) for _ in range(_WORKERS)]
    with socket.create_server(("127.0.0.1", 0), backlog=count) as listener:
        started = [lab.process(_accept, listener, each) for each in counts]
        _until(lambda: all(each.value >= 0 for each in counts))
        clients = [socket.create_connection(listener.getsockname()) for _ in range(count)]
        _until(lambda: sum(each.value for each in counts) >= count)
        for process in started:
            process.kill()
            process.join()
        for client in clients:
            client.close()
    return [each.value for each in counts]


def _until(holds: Any) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not holds() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def _accept(listener: socket.socket, count: "Synchronized[int]") -> None:
    """Whoever the kernel wakes first gets the connection; another that was woken too finds nothing."""
    listener.setblocking(False)
    accepted = []
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        count.value = 0
        while True:
            selector.select()
            try:
                accepted.append(listener.accept())
            except BlockingIOError:
                continue
            count.value += 1
