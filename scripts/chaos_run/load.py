"""The load of a chaos run: who comes when, one loop that serves them all, and how it ends.

The loop is the only thing that waits. What is drawn by chance comes from one seed.
"""

from __future__ import annotations

import contextlib
import random
import selectors
import ssl
import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from mpchat.chat.hub import LOBBY
from mpchat.protocol.message import cut
from scripts.chaos_run.clients import PATIENCE, Client, Observer, Probe, Talker, Visitor
from scripts.chaos_run.lines import Log
from scripts.chaos_run.logins import Logins

Address = tuple[str, int]

_PROBES = 4
_VISIT_SECONDS = 0.1  # between two visitors, on average
_LOOK_SECONDS = 0.2  # how often to look whether the server still runs
_KERNEL_SECONDS = 150  # for what the kernel has: it tries a window that was shut again after up to two minutes
_STILL_SECONDS = 2  # with nothing in the kernel: what has just come out of it takes a moment to be answered
_TELL_SECONDS = 5  # between two lines that say what is waited for
_BY_TLS = 0.4  # of those who come
_TAGGED = 0.4  # of those who speak IRC and have echoes: they know tags
_MEMBERS = 12  # talkers in a room, about
_WORDS = "¡hola! ¿qué tal? ñandú, pingüino, 日本語のテキスト; 👩‍💻 😀 procesos y colas: fork, exec, wait, kill! " * 40


class Load:
    """All clients of one run. `seed` decides what they do; when things happen, the machine decides too.

    `addresses`: of each dialect (is it plain text?), without and with TLS. `context`: what TLS trusts; None: nobody
    uses it.
    """

    def __init__(
        self, addresses: dict[tuple[bool, bool], Address], context: ssl.SSLContext | None, talkers: int, seed: int
    ) -> None:
        self.addresses, self.context = addresses, context
        self.random = random.Random(seed)
        self.selector = selectors.DefaultSelector()
        self.numbers = count(1)
        self.rooms = [LOBBY, *(f"#room{number}" for number in range(max(2, talkers // _MEMBERS)))]
        self.lines: dict[bytes, bytes] = {}  # every line once, however many read it
        self.pings: list[tuple[float, float]] = []  # (when, how long until the answer), seconds
        self.visitors: list[Visitor] = []
        self.observers: list[Observer] = []  # the first in each room
        self.talkers: list[Talker] = []  # they are among these
        self.probes: list[Probe] = []
        self.logins = Logins(self)
        self.busy = False  # is anybody to say more?
        self.waited = 0  # seconds that the end took longer, because the kernel still had bytes on their way
        self._still = 0  # seconds, at the end, since it last had any
        self._wanted_talkers = talkers
        self._timers: list[tuple[float, int, Callable[[], None]]] = []

    @property
    def logs(self) -> list[Log]:
        return [client.log for client in (*self.talkers, *self.probes, *self.visitors)]

    def enter(self) -> bool:
        """Everybody who stays comes in: first, in each room, one who sees all of it. Returns whether all could."""
        for room in self.rooms:
            self.observers.append(Observer(self, room))
        self.run_until(lambda: all(client.ready for client in self.observers))
        self.talkers += self.observers
        for _ in range(self._wanted_talkers - len(self.rooms)):
            plain = self.random.random() < 0.3
            rooms = self.random.sample(self.rooms[1:], 1 if plain or self.random.random() < 0.7 else 2)
            slow = self.random.random() < 0.15
            echo = not plain and self.random.random() < 0.8
            tagged = echo and self.random.random() < _TAGGED
            self.talkers.append(Talker(self, plain, echo, rooms, slow, self.takes_tls(), tagged=tagged))
        self.probes = [Probe(self, self.context is not None and number % 2 == 1) for number in range(_PROBES)]
        everybody: list[Client] = [*self.talkers, *self.probes]
        self.logins.register()
        return self.run_until(lambda: all(client.ready for client in everybody) and self.logins.are_over)

    def takes_tls(self) -> bool:
        """Whether the next one comes by it."""
        return self.context is not None and self.random.random() < _BY_TLS

    def replace(self, gone: Talker) -> None:
        """Somebody else comes to talk where that one did."""
        if self.busy:
            log = gone.log
            rooms = gone.rooms[:1]  # of one who has come into one of two, nobody knew at his end where he was
            self.talkers.append(
                Talker(self, log.plain, log.echo, rooms, gone.slow, secure=True, lasting=False, tagged=log.tagged)
            )

    def begin(self) -> None:
        self.busy = True
        for client in (*self.talkers, *self.probes):
            client.begin()
        self.visit()
        self.logins.begin()

    def go_on(self, seconds: float, while_true: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end and while_true():
            self.turn(min(end, now + _LOOK_SECONDS))

    def drain(self, tell: Callable[[str], None]) -> bool:
        """Wait until all that was said has been read: whether it has. `tell` is called where that takes longer.

        The first answer says that what everybody had said before is in the server's order. The second, asked when all
        have the first, comes behind every delivery of it.
        """
        self.busy = False
        self._deadline = time.monotonic() + PATIENCE
        staying: list[Client] = [*self.talkers, *self.probes]
        self._settle(lambda: all(client.ready or client.over for client in staying), tell)  # who has just come
        for client in staying:
            client.slow = False
            client.watch()
        settled = self._settle(
            lambda: not any(each.out and not each.over for each in staying) and self._nobody_comes(), tell
        )
        for _ in range(2):
            for client in staying:
                client.ask()
            settled &= self._settle(lambda: all(each.answered for each in staying), tell)
        for visitor in self.visitors:
            visitor.give_up()
        return settled

    def _settle(self, done: Callable[[], bool], tell: Callable[[str], None]) -> bool:
        """By the deadline; later where it is the kernel that waits: a window that was shut is tried again seldom."""
        while not self.run_until(done, self._deadline):
            bytes_left = on_their_way({port for _, port in self.addresses.values()})
            self._still = 0 if bytes_left else self._still + 1
            if self._still > _STILL_SECONDS or self.waited >= _KERNEL_SECONDS:
                return False
            if bytes_left and self.waited % _TELL_SECONDS == 0:
                tell(
                    f"the kernel still has {bytes_left:,} bytes on their way: waiting for them, {self.waited} s so far"
                )
            self.waited += 1
            self._deadline = time.monotonic() + 1
        return True

    def _nobody_comes(self) -> bool:
        staying = {talker.log.nick for talker in self.talkers}
        left = all(observer.present <= staying for observer in self.observers if not observer.over)
        return left and all(visitor.over for visitor in self.visitors) and self.logins.are_over

    def await_farewell(self) -> bool:
        """The server is stopping: read what it still says, until it has closed every connection: whether it has."""
        staying: list[Client] = [*self.talkers, *self.probes]
        for client in staying:
            client.leaving = True
        return self.run_until(lambda: all(client.over for client in staying))

    def close(self) -> None:
        for client in (*self.talkers, *self.probes, *self.visitors, *self.logins.clients):
            client.close()
        self.selector.close()

    def visit(self) -> None:
        if self.busy:
            self._welcome_visitors()
            self.later(self.random.uniform(0, 2 * _VISIT_SECONDS), self.visit)

    def _welcome_visitors(self) -> None:
        """Mostly one. Sometimes two who want the same nickname, or one who wants somebody else's."""
        chance = self.random.random()
        if chance < 0.1:
            name = f"duel{next(self.numbers)}"
            self.visitors += [Visitor(self, name), Visitor(self, name.upper())]
        elif chance < 0.2:
            # Of those whose nickname is never free: who comes by TLS may have gone with the front.
            taken = [talker.log.nick for talker in self.talkers if not talker.log.secure]
            self.visitors.append(Visitor(self, self.random.choice(taken).upper()))
        else:
            self.visitors.append(Visitor(self))

    def text(self, limit: int) -> str:
        """Something nobody has said, of at most so many bytes."""
        most = self.random.choice((20, 20, 60, 60, 200, 500))
        at = self.random.randrange(len(_WORDS) - most)
        return cut(f"{next(self.numbers)} {_WORDS[at : at + self.random.randrange(most)]}", limit).strip()

    # The loop

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        heappush(self._timers, (time.monotonic() + seconds, next(self.numbers), what))

    def turn(self, until: float) -> None:
        """Wait for what happens next, at most until then, and deal with it."""
        due = min(until, self._timers[0][0]) if self._timers else until
        for key, mask in self.selector.select(max(0.0, due - time.monotonic())):
            client: Client = key.data
            if mask & selectors.EVENT_WRITE:
                client.flush()
            if mask & selectors.EVENT_READ:
                client.read()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heappop(self._timers)[2]()

    def run_until(self, done: Callable[[], bool], deadline: float | None = None) -> bool:
        """Returns whether it was done in time."""
        deadline = time.monotonic() + PATIENCE if deadline is None else deadline
        while not done():
            if time.monotonic() >= deadline:
                return False
            self.turn(deadline)
        return True


def on_their_way(ports: set[int]) -> int:
    """How many bytes the kernel holds of connections to a server at these ports, in /proc/net/tcp (proc_net(5)): sent
    by the server and unread by a client, and sent by a client and not taken by the kernel at the server's end. What
    lies unread there is not on its way: the server takes it when it has dealt with it. 0 where the kernel does not
    say."""
    found = 0
    with contextlib.suppress(OSError), open("/proc/net/tcp") as table:
        for row in list(table)[1:]:
            _, local, remote, _, queues = row.split()[:5]
            unsent, unread = (int(queue, 16) for queue in queues.split(":"))
            if int(local.partition(":")[2], 16) in ports:
                found += unsent
            elif int(remote.partition(":")[2], 16) in ports:
                found += unsent + unread
    return found
