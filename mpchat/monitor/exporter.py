"""mpchat exporter: the metrics of a running server, over HTTP, for Prometheus.

The main thread waits, for requests and for signals. Each request has a thread, and REQUEST_SECONDS. All of them
together ask the server twice a second at most. The exporter changes nothing in the server, which does not notice its
end.
"""

import errno
import math
import os
import select
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from socketserver import BaseServer, TCPServer, ThreadingMixIn
from typing import Any

from prometheus_client import CollectorRegistry, Metric, MetricsHandler
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from mpchat.ipc.control_socket import Follower
from mpchat.monitor import measuring
from mpchat.monitor.following import Refused
from mpchat.monitor.metrics import Family, Seen, Storage, of_exporter, of_server
from mpchat.monitor.observer import Lost
from mpchat.runtime.signals import Signals
from mpchat.texts import t, translate

PATH = "/metrics"
ANSWER_SECONDS = 2.0  # for a snapshot, which a supervisor gives at once: Prometheus itself waits for ten
AGAIN_SECONDS = 0.5  # who asks sooner gets the same once more: the server has no work with many who ask
REQUEST_SECONDS = 5.0  # for all of a request and its answer: twice what the slowest server takes
MOST_REQUESTS = 16  # at a time: a pair of Prometheus and some people. The oldest must leave for one more
REST_SECONDS = 0.1  # where no descriptor is free for a request: until the next look whether there is one
_MOST_THREADS = 64  # those that had to leave still wait for the server, ANSWER_SECONDS: then nobody is let in

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # for one more connection (accept(2))

Follow = Callable[[float], Follower]  # the server, which may take so many seconds; raises OSError if there is none


def serve(
    listener: socket.socket, port: int, follow: Follow, ready: Callable[[], None], tell: Callable[[str], None]
) -> None:
    """Answer requests until SIGINT or SIGTERM. `port`: the server's, for what is said of it to people, by tell().

    The listener is closed here.
    """
    registry = CollectorRegistry()
    registry.register(_Source(port, follow, tell))
    signals = Signals(signal.SIGINT, signal.SIGTERM)
    with _Requests(listener, _Handler.factory(registry)) as requests, closing(signals):
        poll = select.poll()
        poll.register(signals, select.POLLIN)
        ready()
        while True:
            poll.register(listener, 0 if requests.is_resting else select.POLLIN)
            for fd, _ in poll.poll(requests.milliseconds_left()):
                if fd == signals.fileno():
                    return
                requests.handle_request()
            requests.end_late_ones()


# What is told


class _Source(Collector):
    """Asks the server, whatever thread wants to know; one at a time."""

    def __init__(self, port: int, follow: Follow, tell: Callable[[str], None]) -> None:
        self._port, self._follow, self._tell = port, follow, tell
        self._lock = threading.Lock()
        self._families: list[Family] = []
        self._again_at = 0.0
        self._said = ""

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if time.monotonic() >= self._again_at:
                self._families = self._ask()
                self._again_at = time.monotonic() + AGAIN_SECONDS
            families = self._families
        for name, kind, help, samples in families:
            labels = list(samples[0][0])
            made = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(name, help, labels=labels)
            for values, value in samples:
                made.add_metric([_encodable(values[label]) for label in labels], value)
            yield made

    def _ask(self) -> list[Family]:
        """A server that refuses, because it is an older one, is up all the same. One that nobody understands is not."""
        begun = time.monotonic()
        families: list[Family] = []
        is_up = True
        try:
            snapshot = _snapshot(self._follow, begun + ANSWER_SECONDS)
            families = _families(snapshot)
            said = t("exporter.server_answers", port=self._port)
        except Refused as refusal:
            said = t("top.refused", said=refusal)
        except Lost:
            is_up, said = False, t("top.lost", port=self._port)
        except TimeoutError:
            is_up, said = False, t("top.silent_server", port=self._port)
        except (FileNotFoundError, ConnectionError):
            is_up, said = False, t("top.waiting", port=self._port)
        except OSError as error:
            is_up, said = False, translate(error.strerror or str(error))
        except Exception:  # another version, or no server at all: what it leaves out or puts in cannot be foreseen
            is_up, said = False, t("exporter.not_understood", port=self._port)
        if said != self._said:
            self._tell(said)
            self._said = said
        return [*of_exporter(is_up, time.monotonic() - begun), *families]


def _snapshot(follow: Follow, deadline: float) -> dict[str, Any]:
    """Raises OSError, TimeoutError among them, Refused and Lost; and anything where the answer is none of a server."""
    with closing(follow(deadline - time.monotonic())) as follower:
        while not follower.ended:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([follower], [], [], left)[0]:
                raise TimeoutError
            for line in follower.take():
                if "ok" in line:
                    raise Refused(str(line.get("said", "")))
                if line.get("kind") == "snapshot":
                    return line
    raise Lost


def _families(snapshot: dict[str, Any]) -> list[Family]:
    """Raises anything where it is no snapshot of this version."""
    pids = {row["pid"] for row in snapshot["processes"]} - {None}
    return of_server(snapshot, {pid: _look(pid) for pid in pids}, _measure_storage(snapshot["data"]))


def _encodable(label: object) -> str:
    """JSON can have what UTF-8 has not: half of a surrogate pair."""
    return str(label).encode(errors="replace").decode()


def _look(pid: int) -> Seen:
    measured = measuring.measure(pid)
    started_at = None if measured is None else measuring.started_at(measured)
    return Seen(measured, measuring.memory(pid), started_at, measuring.most_fds(pid))


def _measure_storage(data: str) -> Storage:
    """`data`: the folder; "" if nothing is kept."""
    if not data:
        return Storage(None, None, None, None)
    folder = Path(data)
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        free = None
    sizes = _size(folder / "journal", "*.journal"), _size(folder / "kept", "*"), _size(folder, "history.db*")
    return Storage(free, *sizes)


def _size(folder: Path, names: str) -> int | None:
    """Of all files so called; None if we may not look, or there is no such folder."""
    sizes = []
    try:
        for path in [folder / name for name in os.listdir(folder) if fnmatchcase(name, names)]:
            with suppress(FileNotFoundError):  # removed meanwhile: the journal gets shorter
                sizes.append(path.stat().st_size)
    except OSError:
        return None
    return sum(sizes)


# HTTP


class _Handler(MetricsHandler):
    """One request, GET or HEAD of PATH: what else there may be is refused, by a status of HTTP."""

    def do_GET(self) -> None:
        if not self._is_found():
            return
        try:
            super().do_GET()
        except (TypeError, ValueError):
            # The library compares the version that Accept names with numbers, whatever it is, before anything is sent.
            del self.headers["Accept"]
            super().do_GET()

    def do_HEAD(self) -> None:
        """For health checks: nobody is asked for an answer without a body."""
        if self._is_found():
            self.send_response(200)
            self.end_headers()

    def _is_found(self) -> bool:
        is_it = self.path.partition("?")[0] == PATH
        if not is_it:
            self.send_error(404, explain=f"The metrics are at {PATH}.")
        return is_it


class _Requests(ThreadingMixIn, TCPServer):
    """Those that are being answered, each in a thread.

    A time-out of the socket would begin anew with each byte. So who is late, or is the oldest of too many, is cut: its
    thread then finds the connection closed, and ends.
    """

    daemon_threads = True  # none of them is waited for at the end

    def __init__(self, listener: socket.socket, handler: type[MetricsHandler]) -> None:
        """`listener`: close() closes it. It never blocks, so handle_request() does not either."""
        BaseServer.__init__(self, listener.getsockname(), handler)
        self.socket = listener
        self._until: dict[socket.socket, float] = {}  # the oldest first; endless once it is cut
        self._rests_until = 0.0
        self._lock = threading.Lock()  # a descriptor must not become another's while it is cut

    def get_request(self) -> tuple[Any, Any]:
        """Where no descriptor is free the oldest must leave. The newcomer stays readable: to ask at once would spin."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _NO_ROOM:
                self._rests_until = time.monotonic() + REST_SECONDS
                with self._lock:
                    for each in [each for each, until in self._until.items() if until < math.inf][:1]:
                        self._cut(each)
            raise

    @property
    def is_resting(self) -> bool:
        """Whether it takes no request at the moment."""
        return time.monotonic() < self._rests_until

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for it."""
        with self._lock:
            if len(self._until) >= _MOST_THREADS:
                return False
            served = [each for each, until in self._until.items() if until < math.inf]
            if len(served) >= MOST_REQUESTS:
                self._cut(served[0])
            self._until[request] = time.monotonic() + REQUEST_SECONDS
        return True

    def milliseconds_left(self) -> float | None:
        """Until the next one is late, or the rest is over. None: neither will be."""
        with self._lock:
            first = min(self._until.values(), default=math.inf)
        if self.is_resting:
            first = min(first, self._rests_until)
        return None if first == math.inf else max(0.0, first - time.monotonic()) * 1000

    def end_late_ones(self) -> None:
        with self._lock:
            for each, until in self._until.items():
                if until <= time.monotonic():
                    self._cut(each)

    def _cut(self, request: socket.socket) -> None:
        with suppress(OSError):  # the client has left
            request.shutdown(socket.SHUT_RDWR)
        self._until[request] = math.inf

    def shutdown_request(self, request: Any) -> None:
        """Close it. Its thread calls this at its end."""
        with self._lock:
            self._until.pop(request, None)
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """That somebody leaves before he has read it all is no error of ours; all else is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
