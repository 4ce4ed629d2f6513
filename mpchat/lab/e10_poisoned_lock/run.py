"""The holder of a lock is killed; then readers and writers of one queue, at random, and the workers of two servers.

The small servers are processes of one process (`_run_model`), forked, since 50 of them must be replaced in some
seconds. It has one thread, and neither puts nor gets.
"""

import fcntl
import multiprocessing
import random
import select
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mpchat.ipc.pipe_transport import End, Pair
from mpchat.lab import processes
from mpchat.lab.lab import Lab
from mpchat.messages import BadFrame

KILLS = 50
_MOST_KILLS = 100  # until nothing moves; some are enough
_READERS, _WRITERS, _WORKERS = 3, 4, 3
_BYTES = (100, 5_000, 60_000)  # of messages: whoever writes a large one waits in the middle of it, for room
_AHEAD = 4  # messages that a writer may be ahead of the reader
_STILL_SECONDS = 1.0  # where nothing moves for so long, it will not
_PATIENCE_SECONDS = 5.0  # for what must move
_LOOK_SECONDS = 0.002
_PAUSES = (0.002, 0.025)  # seconds between two kills
_BAD, _NOTICED = -2, -1  # of the counters


def run(lab: Lab) -> None:
    lab.tell("holder")
    _kill_holder(lab)
    for name in ("readers", "writers", "shared", "own"):
        lab.tell(name)
        ours, theirs = lab.context.Pipe()
        runner = lab.process(_run_model, name, lab.random.random(), theirs)
        theirs.close()
        found: dict[str, Any] = ours.recv()
        runner.join()
        if name != "own" and not found[f"{name}_kills"]:
            lab.skip(f"{name}_kills", why="not_seen", times=_MOST_KILLS)
        else:
            lab.measured |= found


def _kill_holder(lab: Lab) -> None:
    """Somebody who holds a multiprocessing.Lock and a flock(2) is killed."""
    lock, path, held = lab.context.Lock(), lab.folder / "locked", lab.context.Event()
    path.touch()
    holder = lab.process(_hold, lock, str(path), held)
    held.wait()
    lab.measured["lock_was_held"] = not lock.acquire(block=False)
    lab.measured["flock_was_held"] = not _can_flock(path, 0.0)
    holder.kill()
    holder.join()
    lab.measured["flock_free"] = _can_flock(path, _PATIENCE_SECONDS)
    began = time.monotonic()
    lab.measured["lock_free"] = lock.acquire(timeout=_STILL_SECONDS)
    lab.measured["waited_s"] = time.monotonic() - began


def _hold(lock: Any, path: str, held: Any) -> None:
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lock.acquire()
        held.set()
        while True:
            time.sleep(_PATIENCE_SECONDS)


def _can_flock(path: Path, seconds: float) -> bool:
    """Whether the lock on a file can be had within so many seconds. It is given back."""
    deadline = time.monotonic() + seconds
    with open(path) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
            time.sleep(_LOOK_SECONDS)


def _run_model(name: str, seed: float, told: Connection) -> None:
    """Start what `name` says, kill of it at random, and tell what was found."""
    context = multiprocessing.get_context("fork")
    chance = random.Random(seed)

    def start(target: Callable[..., None], *arguments: Any) -> Any:
        process = context.Process(target=_tied, args=(target, *arguments), daemon=True)
        process.start()
        return process

    if name == "own":
        told.send(_own_pairs(context, start, chance))
    else:
        model = {"readers": _readers, "writers": _writers, "shared": _one_queue}[name]
        kills, stalled = model(context, start, chance)
        told.send({f"{name}_kills": kills if stalled else 0})


def _tied(target: Callable[..., None], *arguments: Any) -> None:
    processes.end_with_parent()
    target(*arguments)


def _kill_in_turn(
    start: Callable[[int], Any], count: int, has_moved: Callable[[], bool], most: int, chance: random.Random
) -> tuple[int, bool]:
    """Kill one of so many, chosen by chance, and start another in its place, until nothing moves, or `most` are dead.

    Returns how many kills that were, and whether nothing moves any more.
    """
    running = [start(slot) for slot in range(count)]
    moved, kills = has_moved(), 0
    while moved and kills < most:
        time.sleep(chance.uniform(*_PAUSES))
        slot = chance.randrange(count)
        running[slot].kill()
        running[slot].join()
        running[slot] = start(slot)
        kills += 1
        moved = has_moved()
    for process in running:
        process.kill()
        process.join()
    return kills, not moved


def _moves(counters: Any, slots: range, seconds: float, enough: Callable[..., bool]) -> bool:
    """Whether any (or all) of these counters go up within so many seconds."""
    before, deadline = [counters[slot] for slot in slots], time.monotonic() + seconds
    while not enough(counters[slot] > old for slot, old in zip(slots, before, strict=True)):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _message(number: int) -> tuple[int, bytes]:
    return number, bytes([number % 251]) * _BYTES[number % len(_BYTES)]


def _readers(context: Any, start: Callable[..., Any], chance: random.Random) -> tuple[int, bool]:
    """Three processes get() from one queue, and one puts."""
    counters, queue = context.RawArray("L", _READERS), context.Queue()

    def read(slot: int) -> None:
        while True:
            queue.get()
            counters[slot] += 1

    def write() -> None:
        while True:
            queue.put(b"a message")
            time.sleep(_LOOK_SECONDS / 2)

    start(write)
    return _kill_in_turn(
        lambda slot: start(read, slot),
        _READERS,
        lambda: _moves(counters, range(_READERS), _STILL_SECONDS, any),
        _MOST_KILLS,
        chance,
    )


def _writers(context: Any, start: Callable[..., Any], chance: random.Random) -> tuple[int, bool]:
    """Four processes put(), and one gets."""
    counters, queue = context.RawArray("L", _WRITERS), context.Queue()

    def read() -> None:
        while True:
            slot, _ = queue.get()
            counters[slot] += 1

    def write(slot: int) -> None:
        began = counters[slot]
        for number in range(1 << 30):
            while number > counters[slot] - began + _AHEAD:
                time.sleep(_LOOK_SECONDS / 4)
            queue.put((slot, bytes(max(_BYTES))))

    start(read)
    return _kill_in_turn(
        lambda slot: start(write, slot),
        _WRITERS,
        lambda: _moves(counters, range(_WRITERS), _STILL_SECONDS, any),
        _MOST_KILLS,
        chance,
    )


def _one_queue(context: Any, start: Callable[..., Any], chance: random.Random) -> tuple[int, bool]:
    """Workers and a broker with one queue for each direction, which all workers share."""
    counters, up, down = context.RawArray("L", _WORKERS), context.Queue(), context.Queue()

    def serve() -> None:
        while True:
            up.get()
            down.put(b"taken")

    def work(slot: int) -> None:
        for number in range(1 << 30):
            up.put(_message(number))
            down.get()
            counters[slot] += 1

    start(serve)
    return _kill_in_turn(
        lambda slot: start(work, slot),
        _WORKERS,
        lambda: _moves(counters, range(_WORKERS), _STILL_SECONDS, any),
        _MOST_KILLS,
        chance,
    )


def _own_pairs(context: Any, start: Callable[..., Any], chance: random.Random) -> dict[str, int]:
    """The same with a pair of pipes for each worker, and a new pair for each that takes a dead one's place.

    The pairs are made beforehand: the broker gets its ends of all of them by fork().
    """
    counters = context.RawArray("L", _WORKERS + 2)
    pairs = [Pair.make() for _ in range(_WORKERS + KILLS)]
    start(_serve, pairs, counters)
    unused = list(pairs)

    def work(slot: int) -> Any:
        pair = unused.pop()
        process = start(_work, pair, list(unused), slot, counters)
        pair.let_go()
        return process

    kills, stalled = _kill_in_turn(
        work,
        _WORKERS,
        lambda: _moves(counters, range(_WORKERS), _PATIENCE_SECONDS, all),
        KILLS,
        chance,
    )
    dead, deadline = kills + _WORKERS, time.monotonic() + _PATIENCE_SECONDS
    while counters[_NOTICED] < dead and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return {
        "own_kills": kills,
        "own_stalls": int(stalled),
        "own_dead": dead,
        "own_bad": counters[_BAD],
        "own_noticed": counters[_NOTICED],
        "own_messages": sum(counters[:_WORKERS]),
    }


def _serve(pairs: list[Pair], counters: Any) -> None:
    """The broker of many pairs: it answers each message. What comes from a dead worker ends with its pipe."""
    poller = select.poll()
    ends: dict[int, End] = {}
    for pair in pairs:
        end = pair.at_broker()
        ends[end.fileno()] = end
        poller.register(end, select.POLLIN)
    while True:
        for fd, _ in poller.poll():
            end = ends[fd]
            try:
                messages = end.take()
            except BadFrame:
                messages = [(0, b"")]
            for message in messages:
                counters[_BAD] += message != _message(message[0])
                end.put(b"taken")  # a few bytes: there is room
            if end.ended:
                counters[_NOTICED] += 1
                poller.unregister(end)
                end.close()


def _work(pair: Pair, others: list[Pair], slot: int, counters: Any) -> None:
    """A worker. It closes what it got by fork() and is not its own, or nobody would notice another's death."""
    for other in others:
        other.let_go()
    end = pair.at_worker()
    poller = select.poll()
    poller.register(end, select.POLLIN)
    for number in range(1 << 30):
        end.put(_message(number))
        while end.unsent:
            select.select([], [end.write_fileno()], [])
            end.flush()
        while not end.take():
            poller.poll()
        counters[slot] += 1
