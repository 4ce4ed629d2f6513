"""An exporter in a process of its own, on a port that the kernel chose."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.running import PATIENCE, ended

Labels = frozenset[tuple[str, str]]
Values = dict[tuple[str, Labels], float]


class Answer(NamedTuple):
    status: int
    kind: str  # Content-Type
    text: str


class Exporter:
    def __init__(self, environment: dict[str, str], port: int, *args: str) -> None:
        """Started, and ready. `port`: the server's, whether there is one or not."""
        self.server_port = port
        command = [sys.executable, "-m", "mpchat", "exporter", "--port", str(port), "--listen", "127.0.0.1:0", *args]
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        found = re.fullmatch(r"mpchat exporter ready: http://(\S+):(\d+)/metrics\n", ready)
        if found is None:
            self.stop()
            raise AssertionError(f"no ready line but {ready!r}")
        self.host, self.port = found[1].strip("[]"), int(found[2])

    def ask(self, path: str = "/metrics", method: str = "GET", **headers: str) -> Answer:
        with closing(http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read().decode())

    def values(self) -> Values:
        return parsed(self.ask().text)

    def value(self, name: str, **labels: str) -> float | None:
        """None: it is not told."""
        return self.values().get((name, frozenset(labels.items())))

    def said(self) -> str:
        """The next line of standard error."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """End it, if it has not been; returns its exit status and what of standard error nobody has read."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = ended(self.process, PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                if not stream.closed:
                    self._rest = stream.read()
                    stream.close()
        return status, self._rest


def parsed(text: str) -> Values:
    """As Prometheus' own library reads it."""
    families = text_string_to_metric_families(text)
    return {(each.name, frozenset(each.labels.items())): each.value for found in families for each in found.samples}


@contextmanager
def exporting(environment: dict[str, str], port: int, *args: str) -> Iterator[Exporter]:
    """For one test. It must end in order, and have nothing to say of errors in it."""
    exporter = Exporter(environment, port, *args)
    try:
        yield exporter
    finally:
        status, rest = exporter.stop()
    assert status == 0
    assert "Traceback" not in rest, rest
