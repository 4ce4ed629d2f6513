"""A consumer that is stopped, in front of three kinds of queue; and in the real server a stopped broker, and a client
that never reads.
"""

import os
import signal
import time
from typing import Any

from mpchat.lab.lab import Lab
from mpchat.lab.private_server import Ended, PrivateServer

MAXSIZE = 1000
_BYTES = 200  # of a message
_MOST = 200_001  # messages offered, the first one included, which is taken
_STILL_SECONDS = 1.0  # a put() that takes longer will not return: nobody takes
_LOOK_SECONDS = 0.02
_MIB = 1 << 20
_LINES = 300  # said while the broker is stopped
_STOPPED_SECONDS = 1.5
_FLOOD, _BATCH = 30_000, 100  # lines that a client does not read: 12 MB at most, since the kernel takes some MB first
_LINE_BYTES = 380
_SENDQ = 65_536


def run(lab: Lab) -> None:
    lab.tell("queues")
    for name, made in (
        ("unbounded", lab.context.Queue()),
        ("bounded", lab.context.Queue(MAXSIZE)),
        ("simple", lab.context.SimpleQueue()),
    ):
        accepted, before, after = _offered(lab, made)
        lab.measured[f"{name}_accepted"] = accepted
        if before:
            lab.measured[f"{name}_before_mib"], lab.measured[f"{name}_after_mib"] = before, after
            lab.measured[f"{name}_growth_mib"] = after - before
        else:
            lab.skip(f"{name}_before_mib", f"{name}_after_mib", f"{name}_growth_mib", why="no_proc")
    lab.end_processes()
    lab.tell("stopped_broker")
    server = lab.server("--workers", "1", "--unlimited", "--hang-limit", "0", "--sendq", str(_SENDQ))
    _stop_broker(lab, server)
    lab.tell("deaf_client")
    _do_not_read(lab, server)


def _offered(lab: Lab, made: Any) -> tuple[int, float, float]:
    """How many messages one process can put, and its memory before and after (MiB; 0 where nobody tells).

    The consumer has taken one message, so that it is known to be at work, when it is stopped.
    """
    accepted = lab.context.RawValue("L", 0)
    go = lab.context.Event()
    consumer, producer = lab.process(_consume, made), lab.process(_produce, made, accepted, go)
    while not accepted.value:
        time.sleep(_LOOK_SECONDS)
    assert consumer.pid is not None
    assert producer.pid is not None
    os.kill(consumer.pid, signal.SIGSTOP)
    before = _resident_mib(producer.pid)
    go.set()
    count, changed = 0, time.monotonic()
    while count < _MOST and time.monotonic() - changed < _STILL_SECONDS:
        if accepted.value > count:
            count, changed = accepted.value, time.monotonic()
        time.sleep(_LOOK_SECONDS)
    after = _resident_mib(producer.pid)
    for process in (producer, consumer):
        process.kill()
        process.join()
    return count - 1, before, after


def _consume(made: Any) -> None:
    while True:
        made.get()


def _produce(made: Any, accepted: Any, go: Any) -> None:
    """Puts a message to begin with, and then as many as the queue accepts; `accepted` counts them in shared memory."""
    for number in range(1, _MOST + 1):
        made.put(number.to_bytes(_BYTES, "big"))
        accepted.value = number
        if number == 1:
            go.wait()
    go.clear()
    go.wait()  # its memory is looked at


def _resident_mib(pid: int) -> float:
    """A process's resident memory; 0 where there is no /proc."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB
    except OSError:
        return 0.0


def _stop_broker(lab: Lab, server: PrivateServer) -> None:
    """Lines that are said while the broker is stopped wait in the kernel, and in the queue: credit bounds how many."""
    ana, beto = server.talker("ana"), server.talker("beto")
    broker = server.pids()["broker"]
    os.kill(broker, signal.SIGSTOP)
    ana.say(*(f"line {number}" for number in range(_LINES)))
    try:
        beto.expect("line 0", _STOPPED_SECONDS)
        heard = True
    except Ended:
        heard = False
    os.kill(broker, signal.SIGCONT)
    began = time.monotonic()
    lab.measured["heard_while_stopped"] = heard
    lab.measured["arrived_after"] = sum(f"line {number}" in beto.expect("line ") for number in range(_LINES))
    lab.measured["said_while_stopped"] = _LINES
    lab.measured["caught_up_ms"] = (time.monotonic() - began) * 1000
    ana.close()
    beto.close()


def _do_not_read(lab: Lab, server: PrivateServer) -> None:
    """A client with a small receive buffer reads nothing, while two others talk."""
    deaf = server.talker("deaf", receive_buffer=4096)
    ana, beto = server.talker("ana"), server.talker("beto")
    said = heard = 0
    closed = False
    while said < _FLOOD and not closed:
        ana.say(*(f"word {number} {'.' * _LINE_BYTES}" for number in range(said, said + _BATCH)))
        said += _BATCH
        while heard < said:
            line = beto.read()
            heard += f"word {heard} " in line
            closed = closed or "deaf quit" in line
    lab.measured["deaf_said"], lab.measured["deaf_others_heard"] = said, heard
    lab.measured["deaf_closed"] = closed
    for talker in (deaf, ana, beto):
        talker.close()
