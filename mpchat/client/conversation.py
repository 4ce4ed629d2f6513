"""One user's whole visit: carries lines between the pure session, the connection and the screen, and reconnects.

It decides nothing about IRC (session.py) and paints nothing on the terminal (plain.py and terminal.py do).
It waits on the connection, or on the clock between two connections.
"""

import asyncio
import errno
import ipaddress
import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from mpchat.client.colours import paint
from mpchat.client.connection import LONGEST_DELAY, Connection, delay, reason
from mpchat.client.outbox import SLOW_SECONDS
from mpchat.client.session import Session
from mpchat.client.settings_file import SettingsFile
from mpchat.client.status import REMOVED, UNCONNECTED, WELL, graver
from mpchat.client.step import Line, Setting, Step, error, harmless, note
from mpchat.client.strangers import Greeting, nobody
from mpchat.texts import t

GOODBYE_SECONDS = 2.0  # how long the server may take to close after QUIT
GREETING_SECONDS = 30.0  # a server that says nothing for so long is none of IRC; a broker's restart takes a few


class Screen(Protocol):
    """Where lines go."""

    def write(self, text: str, line: Line) -> bool:
        """Show `text`: `line`, painted, with its time. False: the reader has gone."""

    def refresh(self) -> None:
        """What the prompt says may have changed."""

    def clear(self) -> None:
        """Empty the screen."""


class Conversation:
    """Everything between coming and going.

    `person`: it is one who talks here, can be asked for a password, and can say /reconnect after an operator has
    removed us; a script cannot, and does not come back.
    """

    def __init__(
        self,
        session: Session,
        host: str,
        port: int,
        screen: Screen,
        colour: bool,
        bell: bool,
        person: bool = True,
        settings: SettingsFile | None = None,
    ) -> None:
        self.session = session
        self.failure = ""  # why run() ended with a status other than 0, when that was not shown yet
        self.outcome = WELL  # what a script is told where run() has nothing worse to say
        self._address = (host, port)
        self._screen = screen
        self._colour = colour
        self._bell = bell
        self._person = person
        self._settings = settings  # where /set keeps what is set; None: for this run only
        self.oper = ""  # the operator's name whose password the screen shall ask for, and hand to answer()
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._changed = asyncio.Event()
        self.leaving = False
        self._returns = False  # the user wants to come back now
        self._status = UNCONNECTED
        self._day = time.localtime()[:3]

    async def run(self) -> int:
        """Connect, talk, come back when needed; the exit status."""
        attempt, told = 0, ""
        while not self.leaving:
            began = time.monotonic()
            ending = await self._visit()
            registered = self.session.registered
            removed = harmless(self.session.removed)
            if removed and not self._person:
                self.session.left("")  # what has no echo yet will have none
            self._do(self.session.closed())
            if self.leaving:
                return WELL
            if removed and not self._person:
                self.failure = removed
                return REMOVED
            if not self.session.was_in:
                self.failure = self.failure or ending
                return self._status
            if removed:
                self._do(error(removed if registered else ending))
                self.tell("/reconnect comes back, /quit leaves")
                await self._until_wanted(math.inf)
                attempt, told = 0, ""
                continue
            if registered:
                told = ""
                ending = f"connection lost ({ending}), trying again..."
            if time.monotonic() - began > LONGEST_DELAY:  # it was not lost as soon as it was there
                attempt = 0
            if ending != told:  # each reason once; the prompt shows that it goes on
                told = ending
                self.tell(ending)
            await self._until_wanted(delay(attempt, random.random()))
            attempt += 1
        self._do(self.session.closed())  # which tells what will not be said any more
        return WELL

    async def _until_wanted(self, seconds: float) -> None:
        """Wait so long at most before the next attempt: /reconnect and /quit end it."""
        self._returns = False
        await self.until(lambda: self.leaving or self._returns, seconds)

    async def _visit(self) -> str:
        """One connection, from its beginning to its end. Why it ended."""
        self._opening = asyncio.ensure_future(Connection.open(*self._address))
        try:
            self._connection = await self._opening
        except OSError as problem:
            return self._unconnected(problem)
        except asyncio.CancelledError:
            if self.leaving:
                return ""
            raise
        finally:
            self._opening = None
        try:
            return "" if self.leaving else await self._talk(self._connection)
        finally:
            self._connection.close()
            self._connection = None

    def _unconnected(self, problem: OSError) -> str:
        """Why there is no connection; the first time, with what helps."""
        host, port = harmless(self._address[0]), self._address[1]
        told = f"cannot connect to {host}:{port}: {reason(problem)}"
        if problem.errno == errno.ECONNREFUSED and not self.session.was_in:
            told += f"; {nobody(host, port, _is_local(host))}"
        return told

    async def _talk(self, connection: Connection) -> str:
        began = time.monotonic()
        greeting, silence = Greeting(*self._address), began + GREETING_SECONDS
        self._do(self.session.opened(began))
        while True:
            lines = await connection.receive(min(self.session.deadline(), silence) - time.monotonic())
            if not self.session.registered and (stranger := greeting.takes(lines, connection.unfinished())):
                return stranger
            if lines:
                silence = math.inf
            elif lines is not None and time.monotonic() >= silence:
                return greeting.silent()
            if lines is None:
                return "the server closed it" if self.session.was_in else "the server closed the connection"
            now = time.monotonic()
            step = Step() if lines else self.session.ticked(now)
            for line in lines:
                step.add(self.session.heard(line, now))
            self._do(step)
            if step.failed and not self.session.was_in:
                self.failure, self._status = harmless(step.failed), step.status
            if step.failed or step.lost:
                return step.failed or step.lost

    # What the user does.

    def type(self, text: str) -> Step:
        """One line was typed; what it led to. After the goodbye nothing is said any more."""
        step = Step() if self.leaving else self.session.typed(text, time.monotonic())
        self._do(step)
        return step

    def place(self) -> str:
        """Where words go now, "" for nowhere: what a question about pasted lines names."""
        return self.session.model.current

    def paste(self, lines: list[str], place: str) -> None:
        """Several lines were pasted, and confirmed for that place: they go there, or where it was lost nowhere."""
        if not self.leaving:
            self._do(self.session.pasted(lines, place, time.monotonic()))

    def cancel(self) -> bool:
        """Send no more of what was pasted. False: there is nothing of it left."""
        step = self.session.cancelled()
        self._do(step)
        return bool(step.show)

    def answer(self, password: str) -> None:
        """The operator's password was typed; an empty one is none."""
        name, self.oper = self.oper, ""
        if password:
            self.type(f"/oper {name} {password}")
        else:
            self.tell("no password: nothing was sent")

    def leave(self, goodbye: str = "leaving") -> None:
        """Go: say QUIT and wait a moment for the server's goodbye."""
        if self.leaving:
            return
        self.leaving = True
        connection = self._connection
        self._do(self.session.left(goodbye))
        if connection:
            asyncio.get_running_loop().call_later(GOODBYE_SECONDS, connection.close)
        elif self._opening:
            self._opening.cancel()

    def tell(self, text: str) -> None:
        """Show a word of the client's own."""
        self._do(note(text))

    def show(self, step: Step) -> None:
        """Show what became of a script's line, without the session."""
        self._do(step)

    def give_up(self, why: str, outcome: int) -> None:
        """A script cannot go on."""
        self.failure = self.failure or why
        self.outcome = graver(self.outcome, outcome)

    def status(self) -> str:
        """What the prompt should say about the connection."""
        return self.session.status(time.monotonic())

    async def settled(self, seconds: float) -> bool:
        """Wait until the server has dealt with all that was sent; False when it is silent about it for so long."""
        session = self.session
        self._do(session.mark())
        while not session.settled():
            due = session.outbox.waiting()
            if not await self.until(lambda: session.settled() or session.outbox.waiting() < due, seconds):  # noqa: B023
                return False
        return True

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for something about this conversation to become true."""
        if condition():
            return True
        late = False

        def ring() -> None:
            nonlocal late
            late = True
            self._changed.set()

        # Not wait_for(): up to Python 3.11 it swallows a cancellation that comes together with the event.
        alarm = asyncio.get_running_loop().call_later(seconds, ring)
        try:
            while not (late or condition()):
                self._changed.clear()
                await self._changed.wait()
        finally:
            alarm.cancel()
        return condition()

    # What a step asks for.

    def _do(self, step: Step) -> None:
        if self._connection:
            self._connection.send(step.send)
        self.outcome = graver(self.outcome, step.outcome)
        if step.clear:
            self._screen.clear()
        for line in step.show:
            if line.said and line.said.place:
                self.session.model.memory.add(line.said.place, replace(line, at=line.at or time.time()))
            if not self._screen.write(self._painted(line), line):
                self.leave()
        if step.save:
            self._do(self._kept(step.save))
        if step.oper and self._person:
            self.oper = step.oper
        elif step.oper:
            self._do(error("there is nobody to ask for the password: /oper NAME PASSWORD"))
        self._returns = self._returns or step.reconnect
        if step.leave is not None:
            self.leave(step.leave)
        if self.session.outbox.unechoed:
            asyncio.get_running_loop().call_later(SLOW_SECONDS, self._screen.refresh)
        self._changed.set()
        self._screen.refresh()

    def _kept(self, setting: Setting) -> Step:
        """It is set; keep it for the next run too."""
        if not (self._settings and self._settings.path):
            return note(t("client.set.this_run", told=setting.told))
        why, path = self._settings.save(setting.key, setting.value), self._settings.path
        if why:
            return error(t("client.set.not_kept", told=setting.told, path=path, why=why))
        return note(t("client.set.kept", told=setting.told, path=path))

    def _painted(self, line: Line) -> str:
        moment = time.localtime(line.at)
        if line.dated:
            return paint(line, time.strftime("%Y-%m-%d %H:%M", moment), self._colour, self._bell)
        clock = time.strftime("%H:%M", moment)
        return self._day_line(moment) + paint(line, clock, self._colour, self._bell)

    def _day_line(self, moment: time.struct_time) -> str:
        """A line of its own before the first message of another day."""
        if moment[:3] == self._day:
            return ""
        self._day = moment[:3]
        return time.strftime("--- %A %d %B %Y ---\n", moment)


def _is_local(host: str) -> bool:
    """Is it this machine's own address?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
