"""The servers that mpchat is compared with, each with its limits off, on loopback, on a port that the kernel chose.

ngIRCd and InspIRCd are Debian's packages; each is compared with if it is installed. Their configurations are written
from ngircd.conf(5) and from InspIRCd's documentation of version 3: no limits to connections, to lines or to what may be
queued, no look-ups of names, and no questions whether a client is still there.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scripts.bench.subject import ROOT, Subject, fail, own_environment

_START_SECONDS = 10.0
_HOST = "127.0.0.1"

_NGIRCD = """
[Global]
Name = ngircd.local
Info = bench
Listen = {host}
Ports = {port}
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 86400
[Options]
DNS = no
Ident = no
PAM = no
SyslogFacility = local1
"""

_INSPIRCD = """
<server name="inspircd.local" description="bench" network="bench" id="1AA">
<admin name="bench" nick="bench" email="bench@localhost">
<bind address="{host}" port="{port}" type="clients">
<connect allow="*" timeout="60" pingfreq="86400" fakelag="no" commandrate="1000000000" threshold="1000000"
 recvq="1048576" softsendq="1073741824" hardsendq="1073741824" localmax="1000000" globalmax="1000000"
 maxconnwarn="no" resolvehostnames="no" useident="no" limit="1000000" maxchans="100">
<performance netbuffersize="65536" somaxconn="1024" softlimit="1000000" clonesonconnect="no" timeskipwarn="0s">
<channels users="100" opers="100">
<options defaultmodes="nt">
<files motd="{folder}/motd">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="none" target="{folder}/log">
<pid file="{folder}/pid">
"""


class Installed(Subject):
    """A program that reads where it is to listen from a file, and does not say when it is ready."""

    def __init__(self, name: str, program: str, configuration: str, arguments: list[str], at_once: int) -> None:
        self.at_once = at_once
        self._folder = tempfile.TemporaryDirectory(prefix="mpchat-bench-")
        file = Path(self._folder.name) / "server.conf"
        # A socket of ours was there: the port is free, unless somebody takes it within these milliseconds.
        with socket.create_server((_HOST, 0)) as listener:
            self.address = listener.getsockname()
        file.write_text(configuration.format(host=_HOST, port=self.address[1], folder=self._folder.name))
        (file.parent / "motd").write_text("welcome\n")
        command = [program, *(argument.format(file=file) for argument in arguments)]
        super().__init__(name, command, own_environment(""), self._folder.name, ready=False)

    def await_ready(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(self.address).close()
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > until:
                    fail(f"{self.name} did not start")
                time.sleep(0.05)
            else:
                break
        self.pids = {"server": self.process.pid}
        self.note_others()

    def stop(self) -> None:
        super().stop()
        self._folder.cleanup()


def _ngircd() -> Subject:
    arguments = ["--nodaemon", "--config", "{file}"]
    return Installed("ngIRCd", _program("ngircd"), _NGIRCD, arguments, at_once=10)  # its listen(2) has a backlog of 10


def _inspircd() -> Subject:
    as_root = ["--runasroot"] if os.getuid() == 0 else []
    arguments = ["--nofork", "--nopid", "--config", "{file}", *as_root]
    return Installed("InspIRCd", _program("inspircd"), _INSPIRCD, arguments, at_once=1000)  # it greets once a second


def _small(name: str) -> Subject:
    script = {"threads": "threads", "asyncio": "coroutines"}[name]  # asyncio.py would be imported for asyncio
    return Subject(TITLES[name], [sys.executable, f"scripts/bench/small/{script}.py"], own_environment(""), ROOT)


# By the name that is said on the command line: how it is started. The first two are what mpchat is judged by.
JUDGES: dict[str, Callable[[], Subject]] = {"ngircd": _ngircd, "inspircd": _inspircd}
SMALL: dict[str, Callable[[], Subject]] = {
    "threads": lambda: _small("threads"),
    "asyncio": lambda: _small("asyncio"),
}
TITLES = {
    "ngircd": "ngIRCd",
    "inspircd": "InspIRCd",
    "threads": "threads and a dict",
    "asyncio": "asyncio and a dict",
}


def _program(name: str) -> str:
    """Its path, "": it is not installed. Debian has servers where the PATH of a user does not look."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin") or ""


def installed() -> list[str]:
    """Those of JUDGES that are."""
    return [name for name in JUDGES if _program(name)]


def version(name: str) -> str:
    """What an installed one says it is."""
    said = subprocess.run([_program(name), "--version"], capture_output=True, text=True, timeout=10)
    found = re.search(r"\d+(\.\d+)*", said.stdout + said.stderr)
    return found[0] if found else "unknown version"
