"""A transport: how a worker and the broker send each other messages, in order, both ways. This file is the contract.

    worker  -- put() -- pair: one pipe, queue or socket for each direction, or one for both -- take() -->  broker

Which one a server has is said by `--ipc`: `queue` (queue_transport.py), `pipe` (pipe_transport.py), or the path of a
Python file. Such a file, and each of these two, defines one class with the name Pair, which does what TransportPair
says. A message is made of tuples, lists, numbers, text and bytes. It is to be read by ipc/frames.load(), which refuses
every class, so that a worker that was taken over by hostile bytes cannot take over the broker.

The supervisor makes a pair and sends it to one worker and to the broker, which are running already: a pair is pickled
as for a process that is being spawned (queue_passing.py), so sockets and what multiprocessing makes may be parts of it.
No pair is used again after a death at either end: whatever was under way is lost with it, and sent anew by the new one.
"""

import importlib
import sys
import traceback
from types import ModuleType
from typing import Any, Protocol, TypeVar, cast

from mpchat.ipc import queue_passing
from mpchat.messages import BrokerToWorker, WorkerToBroker
from mpchat.texts import t, translate

BUILT_IN = ("queue", "pipe")

Put = TypeVar("Put", contravariant=True)  # what this end puts


class Transport(Protocol[Put]):
    """One end, of one process. Its owner waits with a poller, and nothing here ever waits."""

    ended: bool  # the other side is gone, and all that it had sent has been taken; or it has sent what is no message

    def put(self, message: Put, /) -> None:
        """Send a message. Never blocks: what the system does not take at once is kept, and credits bound how much.

        Nothing in the message may change from now on: another thread may pickle it later.

        A message to a side that is gone is dropped without a word: take() tells of its end.
        """

    def take(self) -> list[Any]:
        """The messages that have arrived whole, in the order in which they were put; [] if there is none yet.

        Sets `ended` when the other side is gone and nothing is left. Raises BadFrame if what came is no message;
        `ended` is true then.
        """

    def fileno(self) -> int:
        """A descriptor that is readable when take() has something to do, the end included."""

    @property
    def unsent(self) -> bool:
        """Is something waiting for room? False always where another thread does the sending."""

    def write_fileno(self) -> int | None:
        """A descriptor that is writable when flush() has something to do; it may be fileno()'s. None: never unsent."""

    def flush(self) -> None:
        """Send what waits, as far as there is room. Does not block."""

    def look(self, most: int) -> None:
        """To be called every LOOK_SECONDS; raises BadFrame if so many looks found one message unfinished, 0: never.

        What has begun like a large message may be nonsense, of which no rest ever comes: frames.Progress counts that.
        """

    def close(self) -> None:
        """Close this end; its owner has told the poller to forget it. What is unsent is lost."""


class TransportPair(Protocol):
    """Both ends, in the supervisor and on their way from it."""

    @classmethod
    def make(cls) -> "TransportPair":
        """A new one. Raises OSError where the system has no room for it; whatever it has opened is closed then."""

    def at_worker(self) -> Transport[WorkerToBroker]:
        """The worker's end, in the worker. To be called once; the other end is closed in this process."""

    def at_broker(self) -> Transport[BrokerToWorker]:
        """The broker's end, in the broker. The same."""

    def let_go(self) -> None:
        """Close all of it in the supervisor, which calls this once both processes have loaded the pair, or one is dead.

        As long as an end is open here, neither side would notice the death of the other.
        """


_METHODS = ("make", "at_worker", "at_broker", "let_go")
_SOURCE = "__source__"  # of a module that was made from a file: the text it was made from


class NoTransport(Exception):
    """What `--ipc` names is none: says why, in one line."""


def find(ipc: str) -> type[TransportPair]:
    """The pair's class, by what `--ipc` says; a file's path is absolute. Raises NoTransport.

    Of a file, one pair is made for a trial: what is wrong with it in the supervisor is found before the server starts.
    """
    source = source_of(ipc)
    if ipc in BUILT_IN:
        module = importlib.import_module(f"mpchat.ipc.{ipc}_transport")
        return cast("type[TransportPair]", module.Pair)
    try:
        pair_class = getattr(_module_of(ipc, source), "Pair", None)
        if not isinstance(pair_class, type):
            raise NoTransport(t("cli.no_pair", path=ipc))
        if lacking := [name for name in _METHODS if not callable(getattr(pair_class, name, None))]:
            raise NoTransport(t("cli.pair_lacks", path=ipc, method=lacking[0]))
        found = cast("type[TransportPair]", pair_class)
        pair = found.make()
        try:
            dump_pair(pair)
        finally:
            pair.let_go()
    except NoTransport:
        raise
    except (Exception, SystemExit) as error:  # it is the user's code, which may fail in any way
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == ipc]
        wrong = f"{type(error).__name__}: {error}"
        why = t("cli.pair_failed", path=ipc, number=lines[-1], error=wrong) if lines else f"{ipc}: {wrong}"
        raise NoTransport(why) from error
    return found


def source_of(ipc: str) -> bytes:
    """The text of the file that `--ipc` names, b"" where it names none. Raises NoTransport if it cannot be read."""
    if ipc in BUILT_IN:
        return b""
    try:
        with open(ipc, "rb") as file:
            return file.read()
    except OSError as error:
        raise NoTransport(f"{ipc}: {translate(str(error.strerror))}") from error


def dump_pair(pair: TransportPair) -> tuple[bytes, tuple[int, ...]]:
    """The pickle of a pair, and the descriptors to send along; they stay the caller's."""
    return queue_passing.dump((_Module(sys.modules[type(pair).__module__]), pair))


def load_pair(data: bytes, fds: list[int]) -> TransportPair:
    """The inverse of dump_pair(), in another process: `fds` are the descriptors that came with it, in their order."""
    _, pair = queue_passing.load(data, fds)
    return cast("TransportPair", pair)


class _Module:
    """In front of a pair in its pickle: where it was defined in a file, loading this makes that file's module.

    The module's text travels along: all processes of a server run what it was started with, whatever has become of the
    file since.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __reduce__(self) -> tuple[object, ...]:
        source = getattr(self._module, _SOURCE, None)
        return (str, ()) if source is None else (_module_of, (self._module.__file__, source))


def _module_of(path: str, source: bytes) -> ModuleType:
    """The module of a file with this text; made once in each process, under a name that a pickle can say."""
    name = "ipc:" + path.replace(".", "_")  # a dot would stand for a package
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = path
    setattr(module, _SOURCE, source)
    sys.modules[name] = module  # before it runs: a dataclass looks itself up there
    try:
        exec(compile(source, path, "exec"), vars(module))
    except BaseException:
        del sys.modules[name]
        raise
    return module
