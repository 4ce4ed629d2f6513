"""A trip as a JSON object, for programs: one wording in each language, times in ns of CLOCK_MONOTONIC. Pure.

trace           the number of the trace
connection      of the sender; place: where the line ends in its input, in bytes since the connection began
private         for one person alone, or else for a room; bytes: of the line
ipc             the transport between workers and broker
clients         how many others than the sender it was sent to
whole           nothing is missing
first_recv_ns   when a process first looked at the line; null: not known
last_send_ns    when the last send() began; null: it was sent to nobody
total_ns        the difference of the two, which the hops of `path` add up to exactly; null without both
echo_ns         from the first recv to the send() of the sender's own copy; null: there is none
path            the numbers of the points from the first one to the last send
points          a list; a point's number is its place there, from 0:
    hop         SAW, PUT_RECORDS, TOOK_RECORDS, JOURNALED, DECIDED, PUT_ITEMS, TOOK_ITEMS, APPENDED, SENT,
                SENT_BEFORE, ACKNOWLEDGED, FACTS, RECORDED (ipc/trace_ring.py), or DIED
    role, pid   the process
    at_ns       when; after: the number of the point of which it is a consequence, or null
    hop_ns      since that one
    call        the system call, or ""; through: the socket, the transport with its ends, or the file
    connection  of the socket, or 0; bytes: of what was put, taken or sent; depth: what waited there
    waited      where the message waited because a process had died: kernel, journal, outbox, or ""
    how         of DIED: how it died
    failed      nothing came of it, because a process died
missing         a list: what is not there yet; what: routed, outbox, queue, taken, sent, acknowledged, facts,
                recorded; role: of the process for which it waits; done, of: of how many
overwritten     how many hops were lost before they were read, of all messages
"""

import json

from mpchat.monitor.trip import Lack, Trip
from mpchat.monitor.words import Words


def as_json(trip: Trip, overwritten: int = 0) -> str:
    """In one line."""
    message: dict[str, object] = {
        "trace": trip.trace,
        "connection": trip.connection,
        "place": trip.place,
        "private": trip.is_private,
        "bytes": trip.size,
        "ipc": trip.server.ipc,
        "clients": trip.clients,
        "whole": trip.is_whole,
        "first_recv_ns": trip.first,
        "last_send_ns": trip.last,
        "total_ns": trip.total,
        "echo_ns": trip.echo,
        "path": trip.path,
        "points": [_point(trip, number) for number in range(len(trip.points))],
        "missing": [_lack(each) for each in trip.lacks],
        "overwritten": overwritten,
    }
    return json.dumps(message)


def _point(trip: Trip, number: int) -> dict[str, object]:
    point, words = trip.points[number], Words(trip.server.ipc, is_for_people=False)
    return {
        "hop": point.what,
        "role": point.role,
        "pid": point.pid,
        "at_ns": point.at,
        "after": point.after,
        "hop_ns": trip.took(number),
        "call": words.call(point),
        "through": words.through(point),
        "connection": point.connection,
        "bytes": point.size,
        "depth": point.depth,
        "waited": point.waited,
        "how": point.how,
        "failed": point.has_failed,
    }


def _lack(each: Lack) -> dict[str, object]:
    return {"what": each.what, "role": each.role, "done": each.done, "of": each.of}
