"""What the open file descriptors of a process lead to: /proc/PID/fd, /proc/PID/fdinfo and /proc/net (proc(5)).

Raises OSError for a process that has ended, or that another user owns.
"""

import contextlib
import os
import re
from typing import NamedTuple

KINDS = ("listening", "tcp", "unix", "pipe", "memory", "epoll", "file", "other")
_INODE = re.compile(r"(pipe|socket):\[(\d+)\]")
_LISTENS = "0A"  # the state TCP_LISTEN in /proc/net/tcp


class Tcp(NamedTuple):
    """A TCP socket over IPv4 of this machine; `peer` is 0 where it listens."""

    port: int
    peer: int
    listens: bool


def links(pid: int) -> dict[int, str]:
    """Where each number leads: "pipe:[4711]", "socket:[4712]", "/dev/null" and others."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return dict(sorted(found.items()))


def inodes(pid: int, what: str) -> dict[int, int]:
    """The inode behind each number that is a "pipe", or that is a "socket"."""
    found = {}
    for number, link in links(pid).items():
        match = _INODE.fullmatch(link)
        if match and match[1] == what:
            found[number] = int(match[2])
    return found


def number_of(pid: int, socket: int) -> int | None:
    """The lowest number that this socket (its inode) has in a process."""
    return next((number for number, inode in inodes(pid, "socket").items() if inode == socket), None)


def tcp_sockets() -> dict[int, Tcp]:
    """All of this machine's over IPv4, by inode; those that no process has any more are left out."""
    found = {}
    with open("/proc/net/tcp") as file:
        for line in list(file)[1:]:
            fields = line.split()
            port, peer = (int(fields[column].rpartition(":")[2], 16) for column in (1, 2))
            found[int(fields[9])] = Tcp(port, peer, fields[3] == _LISTENS)
    found.pop(0, None)
    return found


def accepted_socket(port: int, client_port: int) -> int | None:
    """The inode of the server's socket of the connection that comes from `client_port` to its `port`.

    One port of a client's alone is no connection: the kernel gives it again for another destination.
    """
    return next((inode for inode, tcp in tcp_sockets().items() if tcp == (port, client_port, False)), None)


def kinds(pid: int) -> dict[int, str]:
    """One of KINDS for each number."""
    tcp = tcp_sockets()
    with open("/proc/net/unix") as file:
        unix = {int(line.split()[6]) for line in list(file)[1:]}

    def kind(link: str) -> str:
        match = _INODE.fullmatch(link)
        if match and match[1] == "pipe":
            return "pipe"
        if match:
            inode = int(match[2])
            if inode in tcp:
                return "listening" if tcp[inode].listens else "tcp"
            return "unix" if inode in unix else "other"
        if link == "anon_inode:[eventpoll]":
            return "epoll"
        if link.startswith("/"):
            return "memory" if link.startswith("/memfd:") else "file"
        return "other"

    return {number: kind(link) for number, link in links(pid).items()}


def access(pid: int, number: int) -> int:
    """os.O_RDONLY, os.O_WRONLY or os.O_RDWR: how this number was opened."""
    with open(f"/proc/{pid}/fdinfo/{number}") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line)
    return int(fields["flags"], 8) & os.O_ACCMODE


def pipes(pid: int, mode: int) -> set[int]:
    """The inodes of the pipes that a process can read (os.O_RDONLY), or can write (os.O_WRONLY)."""
    return {inode for number, inode in inodes(pid, "pipe").items() if access(pid, number) == mode}
