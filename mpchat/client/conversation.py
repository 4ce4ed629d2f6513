"""One user's whole visit: carries lines between the pure session, the connection and the screen, and reconnects.

It decides nothing about IRC (session.py) and paints nothing on the terminal (plain.py and terminal.py do).
It waits on the connection, or on the clock between two connections.
"""

import asyncio
import errno
import math
import random
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from mpchat.addresses import is_loopback
from mpchat.client import commands
from mpchat.client.absence import Absence
from mpchat.client.colours import paint
from mpchat.client.connection import LONGEST_DELAY, Connection, delay, reason
from mpchat.client.days import Days
from mpchat.client.outbox import SLOW_SECONDS
from mpchat.client.session import Session
from mpchat.client.settings_file import SettingsFile
from mpchat.client.status import LOST, REFUSED, REMOVED, UNCONNECTED, WELL, graver
from mpchat.client.step import ERROR, RULE, Ask, Line, Setting, Step, error, harmless, note
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
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls`: what the server must prove; None: all is said in the clear."""
        self.session = session
        self.failure = ""  # why run() ended with a status other than 0, when that was not shown yet
        self.outcome = WELL  # what a script is told where run() has nothing worse to say
        self._address = (host, port)
        self._tls = tls
        self._screen = screen
        self._colour = colour
        self._bell = bell
        self._person = person
        self._settings = settings  # where /set keeps what is set; None: for this run only
        self.ask: Ask | None = None  # a password that the screen shall ask for, and hand to answer()
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._changed = asyncio.Event()
        self.leaving = False
        self._returns = False  # the user wants to come back now
        self._status = UNCONNECTED
        self._days = Days(time.localtime())
        self._absence = Absence(time.time())
        self._look: asyncio.TimerHandle | None = None  # at what the prompt says of answers that are due

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
                return REMOVED if registered else REFUSED  # it came back, and could not log in any more
            if not self.session.was_in:
                self.failure = self.failure or ending
                return self._status
            if removed:
                self._do(error(removed if registered else ending))
                self.tell(t("screen.come_back"))
                await self._until_wanted(math.inf)
                attempt, told = 0, ""
                continue
            if registered:
                told = ""
                ending = t("screen.lost", why=ending)
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
        self._opening = asyncio.ensure_future(Connection.open(*self._address, self._tls))
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
        where, why = f"[{host}]:{port}" if ":" in host else f"{host}:{port}", reason(problem)
        if problem.errno == errno.ECONNREFUSED and not self.session.was_in:
            hint = nobody(host, port, is_loopback(host))
            return t("screen.cannot_connect_hint", where=where, why=why, hint=hint)
        return t("screen.cannot_connect", where=where, why=why)

    async def _talk(self, connection: Connection) -> str:
        began = time.monotonic()
        greeting, silence = Greeting(*self._address), began + GREETING_SECONDS
        self._do(self.session.opened(began, connection.is_private))
        while True:
            lines = await connection.receive(min(self.session.deadline(), silence) - time.monotonic())
            if not self.session.registered and (stranger := greeting.takes(lines, connection.unfinished())):
                return stranger
            if lines:
                silence = math.inf
            elif lines is not None and time.monotonic() >= silence:
                if self.session.was_in:  # it has talked here: it is the network, or a server that hangs
                    return t("screen.silent_for", seconds=f"{time.monotonic() - began:.0f}")
                return greeting.silent()
            if lines is None:
                return t("screen.closed" if self.session.was_in else "screen.closed_first")
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
        """One line was typed; what it led to. After the goodbye nothing is said any more, which is told."""
        self._absence.entered(time.time())
        if not self.leaving:
            step = self.session.typed(text, time.monotonic())
        else:
            step = Step(show=[Line(commands.undone(harmless(text)), ERROR)] if text.strip() else [], outcome=LOST)
        self._do(step)
        return step

    def touched(self) -> None:
        """The user is at the keyboard."""
        self._absence.touched(time.time())

    def place(self) -> str:
        """Where words go now, "" for nowhere: what a question about pasted lines names."""
        return self.session.model.current

    def paste(self, lines: list[str], place: str) -> None:
        """Several lines were pasted, and confirmed for that place: they go there, or where it was lost nowhere."""
        self._absence.entered(time.time())
        if not self.leaving:
            self._do(self.session.pasted(lines, place, time.monotonic()))
        else:
            unsaid = [Line(t("client.not_said", text=harmless(line)), ERROR) for line in lines]
            self._do(Step(show=unsaid, outcome=LOST))

    def cancel(self) -> bool:
        """Send no more of what was pasted. False: there is nothing of it left."""
        step = self.session.cancelled()
        self._do(step)
        return bool(step.show)

    def answer(self, password: str) -> None:
        """The password that `ask` asks for was typed; an empty one is none."""
        ask, self.ask = self.ask, None
        assert ask
        if not password:
            self.tell(t("screen.no_password"))
        elif ask.is_new and not ask.first:
            self._do(Step(ask=replace(ask, first=password)))
        elif ask.first and password != ask.first:
            self._do(error(t("screen.passwords_differ")))
        else:
            self.type(" ".join([f"/{ask.command}", *([] if ask.is_new else [ask.name]), password]))

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

    def signs(self) -> str:
        """The same for a narrow window."""
        return self.session.signs(time.monotonic())

    def pending(self) -> str:
        """What we said first of what the server is late to bring back, "" for nothing."""
        return harmless(self.session.outbox.late(time.monotonic()))

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
            for one in (*self._above(line), line):
                if not self._screen.write(self._painted(one), one):
                    self.leave()
        if step.save:
            self._do(self._kept(step.save))
        if step.ask and self._person:
            self.ask = step.ask
        elif step.ask:
            usage = re.sub(r"[][]", "", commands.usage(step.ask.command))
            self._do(error(t("screen.nobody_to_ask", command=step.ask.command, usage=usage)))
        self._returns = self._returns or step.reconnect
        if step.leave is not None:
            self.leave(step.leave)
        self._watch_answers()
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

    def _watch_answers(self) -> None:
        """While an answer is due, what the prompt says of it changes by itself."""
        if self._look is None and self.session.is_answer_due():
            self._look = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._looked)

    def _looked(self) -> None:
        self._look = None
        self._screen.refresh()
        self._watch_answers()

    def _above(self, line: Line) -> list[Line]:
        """What parts a message from those that its reader has seen."""
        if line.head == RULE:
            self._absence.told()
        is_watched = line.is_news and line.said and self.session.has_prompt  # else who reads may be a program
        since = self._absence.began(time.time()) if is_watched else None
        if since is None:
            return []
        return [Line(t("screen.new_since", clock=time.strftime("%H:%M", time.localtime(since))), RULE)]

    def _painted(self, line: Line) -> str:
        moment = time.localtime(line.at)
        bell = self._bell and self.session.preferences.bell
        if line.dated:
            return paint(line, time.strftime("%Y-%m-%d %H:%M", moment), self._colour, bell)
        clock = time.strftime("%H:%M", moment)
        day = self._days.turned(moment)
        painted = paint(line, clock, self._colour, bell)
        return f"{day}\n{painted}" if day else painted
