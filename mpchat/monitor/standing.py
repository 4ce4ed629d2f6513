"""How a client's connection stands at this moment: what the journal cannot know, the running server is asked.

The supervisor says which processes turn their loops and what is under way between them; the client's worker, what waits
for the client, and what of the client's waits.
"""

import ipaddress
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mpchat.core.machine import Core
from mpchat.ipc.control_socket import ask
from mpchat.monitor.explaining import clock
from mpchat.monitor.hearing import kept_out
from mpchat.monitor.measuring import measure
from mpchat.protocol.connection import Connection
from mpchat.texts import t, translate

_SECONDS = 3.0  # for an answer; the supervisor itself gives a worker one second


class Standing(NamedTuple):
    """`snapshot` as the supervisor tells it; `socket` as the worker does, or why there is no answer.

    `unread`: bytes that lie at a client of this machine, which has not read them; None: it is not of this machine.
    """

    snapshot: dict[str, Any]
    socket: dict[str, Any]
    unread: int | None = None


def look(path: Path, connection: Connection | None) -> Standing:
    """Of the server behind this control socket. Raises OSError."""
    snapshot = ask(path, "snapshot", _SECONDS)
    if connection is None:
        return Standing(snapshot, {})
    try:
        socket = ask(path, "connection", _SECONDS, worker=int(connection.worker), id=int(connection.id))
    except TimeoutError:
        return Standing(snapshot, {})
    ends = connection.session.host, socket.get("port", 0), snapshot.get("ports", ())
    return Standing(snapshot, socket, _unread_at_client(*ends))


def _unread_at_client(host: str, port: int, servers: Sequence[int]) -> int | None:
    """What the kernel says of the client's own socket, if that is on this machine: see proc_net(5)."""
    for table, size in (("tcp", 4), ("tcp6", 16)):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:  # no Linux, or no IPv6
            continue
        for line in lines:
            _, local, remote, _, queues, *_ = line.split()
            (address, local_port), remote_port = local.split(":"), remote.split(":")[1]
            if int(local_port, 16) == port and int(remote_port, 16) in servers and _address(address, size) == host:
                return int(queues.split(":")[1], 16)
    return None


def _address(text: str, size: int) -> str:
    """Of 32-bit words in the machine's order of bytes."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, 2 * size, 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def in_words(standing: Standing, nick: str, connection: Connection | None) -> Iterator[str]:
    """Sentences: first what concerns everybody, then what concerns this nickname's connection, if there is a nickname.

    Of processes it is told what is wrong with them.
    """
    snapshot, socket, unread = standing
    rows = {row["role"]: row for row in snapshot.get("processes", ())}
    worker = "" if connection is None else f"worker{connection.worker}"
    if error := snapshot.get("disk_error"):
        yield t(
            "explain.live.disk_full", error=translate(error), folder=snapshot["data"], free=_free_mib(snapshot["data"])
        )
    for role, row in rows.items():
        if role != worker and (role == "broker" or not connection):
            yield from _process(row, role)
    if connection is None:
        if nick:
            yield t("explain.live.nobody", nick=nick)
        return
    session = connection.session
    rooms = ", ".join(channel.name for channel in session.channels.values()) or t("explain.live.no_room")
    about = {"id": connection.id, "dialect": connection.dialect.name, "host": session.host}
    yield t("explain.live.here", nick=nick, rooms=rooms, worker=worker, **about)
    wrong = list(_process(rows.get(worker), worker, nick))
    yield from wrong
    for each in snapshot.get("connections", ()):
        if (each["from"], each["to"]) == ("broker", worker) and each["messages"]:
            yield t("explain.live.under_way", messages=each["messages"], bytes=each["bytes"], worker=worker)
    if wrong:
        return  # then it does not answer either
    if not socket.get("ok"):
        yield t("explain.live.unasked", said=socket.get("said") or t("trace.no_answer"))
    elif socket["state"] == "gone":
        yield t("explain.live.gone", worker=worker, nick=nick)
    else:
        yield from _socket(socket, worker, nick, unread)


def kept_out_in_words(core: Core, nick: str, room: str) -> Iterator[str]:
    """What keeps the nickname out of the room, as the journal has it."""
    for each in kept_out(core, nick, room):
        at = clock(each.at * 1000, core.time[1])[:-4]
        key = f"explain.live.kept_out.{each.reason.name.lower()}"
        yield t(key, nick=nick, room=room, mask=each.mask, by=each.by, at=at)


def _process(row: dict[str, Any] | None, role: str, nick: str = "") -> Iterator[str]:
    """What is wrong with it, if anything is: for everybody, or for this nickname."""
    if row is None or row["pid"] is None:
        yield t("explain.live.vacant", role=role)
    elif row["state"] == "silent":
        measured = measure(row["pid"])
        key = "stopped" if measured is not None and measured.is_stopped else "silent"
        about = {"role": role, "pid": row["pid"], "seconds": f"{row['silent_ms'] / 1000:.1f}"}
        yield t(f"explain.live.{key}", **about)
        if nick:
            yield t("explain.live.stays", nick=nick, role=role)


def _free_mib(folder: str) -> str:
    try:
        return str(shutil.disk_usage(folder).free >> 20)
    except OSError:
        return "?"


def _socket(socket: dict[str, Any], worker: str, nick: str, unread: int | None) -> Iterator[str]:
    kept, waits = socket["kept"], socket["unacknowledged"]
    if unread:
        yield t("explain.live.unread_here", nick=nick, unread=unread)
    if kept or waits:
        yield t("explain.live.waits", nick=nick, kept=kept, worker=worker, waits=waits)
    elif unread == 0:
        yield t("explain.live.read", nick=nick)
    elif unread is None:
        yield t("explain.live.taken", nick=nick)
    if socket["unread"]:
        yield t("explain.live.input", nick=nick, unread=socket["unread"], forwarded=socket["forwarded"])
    if socket["state"]:
        yield t(f"explain.live.state.{socket['state'].replace(' ', '_')}", nick=nick, worker=worker)
