"""Listening sockets, and how an accepted one is prepared (tcp(7), socket(7))."""

import contextlib
import errno
import ipaddress
import os
import socket

from mpchat.settings import Settings
from mpchat.texts import t, translate

BACKLOG = 1024  # a class of 30 or a storm of a thousand; the kernel caps it at somaxconn
_KEEPALIVE = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 180_000}


class CannotListen(Exception):
    """The text names address and port, and the reason."""


def listen(settings: Settings, port: int) -> socket.socket:
    """A listening socket on the settings' host; port 0 is any free one. Raises CannotListen."""
    host = bracketed(settings.host if settings.host.isprintable() else repr(settings.host))
    try:
        return _listen(settings, port)
    except OSError as error:
        why = translate(error.strerror or str(error))
        raise CannotListen(t("cli.cannot_listen", host=host, port=port, why=why)) from error
    except (ValueError, OverflowError) as error:  # undecodable, a NUL, labels that IDNA refuses: before any look-up
        raise CannotListen(t("cli.cannot_listen", host=host, port=port, why=t("cli.no_host_name"))) from error


def bracketed(host: str) -> str:
    """A host as it stands before a port: an IPv6 address is in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def _listen(settings: Settings, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    if _is_of_many(str(address[0])):  # Linux would take it, and nobody could connect
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Before listen(): the accepted sockets inherit it, and the window is offered in the handshake.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, settings.receive_buffer_bytes)
        # Inherited too: an urgent byte (telnet's Synch) is one of the stream, or recv() and the kernel's counts differ.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except (OSError, OverflowError):
        sock.close()
        raise
    return sock


def _is_of_many(address: str) -> bool:
    """Is it an address of a group of machines, or of all of them?"""
    ip = ipaddress.ip_address(address)
    return ip.is_multicast or ip == ipaddress.IPv4Address("255.255.255.255")


def prepare(sock: socket.socket, keepalive: bool, settings: Settings) -> None:
    """Set up an accepted socket. O_NONBLOCK belongs to the open file description: a passed descriptor keeps it.

    `keepalive`: TCP itself must find out that the client is unreachable, because nothing else will.
    """
    sock.setblocking(False)
    # Nagle would hold a line back until the one before is acknowledged: eight times slower under load.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
    if keepalive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            with contextlib.suppress(AttributeError, OSError):  # not every system has each of them
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def turn_away(sock: socket.socket, words: bytes) -> None:
    """Send `words` to a client that is refused, as far as one send takes them, and close the socket."""
    sock.setblocking(False)
    try:
        sock.send(words)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the client has left already
    sock.close()
