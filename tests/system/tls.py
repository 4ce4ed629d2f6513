"""Certificates that a test makes with openssl(1), and clients that speak TLS to a running server."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.running import OPEN, PATIENCE, IrcClient, PlainClient, Server


def openssl(*args: str) -> None:
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)


@dataclass
class Pair:
    """The files of a certificate and its key."""

    cert: Path
    key: Path

    @property
    def options(self) -> list[str]:
        return ["--tls-cert", str(self.cert), "--tls-key", str(self.key)]


class Authority:
    """One that vouches for servers called localhost and 127.0.0.1, as README shows how to make one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key, self.cert = folder / "authority.key", folder / "authority.pem"
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        about = ("-subj", "/CN=test", "-days", "9", "-addext", "keyUsage=critical,keyCertSign")
        openssl("req", "-x509", *new, "-keyout", str(self.key), "-out", str(self.cert), *about)

    def sign(self, name: str, names: str = "DNS:localhost,IP:127.0.0.1", days: int = 90) -> Pair:
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", *new, "-keyout", str(pair.key), "-out", str(request), "-subj", f"/CN={name}")
        by = ("-CA", str(self.cert), "-CAkey", str(self.key), "-CAcreateserial", "-extfile", str(extensions))
        openssl("x509", "-req", "-in", str(request), *by, "-days", str(days), "-out", str(pair.cert))
        return pair

    def context(self) -> ssl.SSLContext:
        """As strict as Python 3.13 makes it, whatever Python this is."""
        context = ssl.create_default_context(cafile=str(self.cert))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context


def tls_port(server: Server, name: str = "tls") -> int:
    found = re.search(rf" {name} \S+?:(\d+)", server.ready)
    assert found is not None, server.ready
    return int(found[1])


def wrap(server: Server, authority: Authority, name: str = "tls", source: str = "127.0.0.1") -> ssl.SSLSocket:
    """A connection whose handshake is over."""
    sock = socket.create_connection((server.host, tls_port(server, name)), PATIENCE, (source, 0))
    return authority.context().wrap_socket(sock, server_hostname="127.0.0.1")


class TlsIrcClient(IrcClient):
    def __init__(self, server: Server, authority: Authority, source: str = "127.0.0.1") -> None:
        self.sock = wrap(server, authority, source=source)
        self._unread = b""
        OPEN.append(self)


class TlsPlainClient(PlainClient):
    def __init__(self, server: Server, authority: Authority) -> None:
        self.sock = wrap(server, authority, "tls-plain")
        self._unread = b""
        OPEN.append(self)


def irc(server: Server, authority: Authority, nick: str, source: str = "127.0.0.1") -> TlsIrcClient:
    client = TlsIrcClient(server, authority, source)
    client.register(nick)
    return client
