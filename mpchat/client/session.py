"""Our side of the conversation with a server: introduction, rooms, answers to PING, words and their echoes. Pure.

Messages, typed lines and the time come in; what should happen goes out as a Step. Nothing here waits or prints.
Where lines missed during a loss should be asked for: _ready().
"""

from mpchat.chat.names import fold
from mpchat.client import commands
from mpchat.client.fitting import fit, room_for
from mpchat.client.model import Model
from mpchat.client.outbox import Outbox
from mpchat.client.registration import Registration
from mpchat.client.step import ERROR, Line, Speech, Step, error, note
from mpchat.client.view import View, nick_of, param
from mpchat.protocol.message import Message, build, parse

IDLE_SECONDS = 60.0  # after so much silence we ask whether the server is still there
GRACE_SECONDS = 30.0  # and after so much more the connection counts as lost
_ENTRANCE = "mpchat-entrance"  # the PING behind our JOINs: its PONG says that all were answered
_REFUSALS = frozenset(("401", "403", "404", "407", "411", "412", "415", "477", "486", "531"))  # of a PRIVMSG
_UNSAID = "not confirmed, so perhaps not delivered"


class Session:
    """One user's presence on a server, across losses of the connection."""

    def __init__(self, nick: str, room: str, password: str = "", flexible: bool = True) -> None:
        self.model = Model(nick, room)
        self.view = View(self.model)
        self.outbox = Outbox()
        self.registration = Registration(nick, password, flexible)
        self.connected = False
        self.registered = False
        self.ready = False  # registered, and every room we asked for has answered
        self._leaving = False
        self._heard_at = 0.0
        self._asked_at: float | None = None  # when we asked whether the server is there
        self._marks: set[str] = set()
        self._count = 0

    # The connection.

    def opened(self, now: float) -> Step:
        """There is a connection: introduce ourselves."""
        self.connected, self._heard_at, self._asked_at = True, now, None
        self.model.mask = ""
        return Step(send=self.registration.begin())

    def closed(self) -> Step:
        """The connection is gone. Tells which lines may have been lost with it, or will not be said any more."""
        self.connected = self.registered = self.ready = False
        self.model.lose()
        step = Step(show=[Line(f"{_UNSAID}: {speech.text}", ERROR) for speech in self.outbox.doubtful()])
        if self._leaving:
            step.show += [Line(f"not sent: {speech.text}", ERROR) for speech in self.outbox.unsent]
        return step

    def deadline(self) -> float:
        """When ticked() is due at the latest."""
        alive = self._heard_at + IDLE_SECONDS if self._asked_at is None else self._asked_at + GRACE_SECONDS
        return min(alive, self.outbox.deadline())

    def ticked(self, now: float) -> Step:
        """Time went by: is the server still there?"""
        step = Step(show=[Line(f"{_UNSAID}: {speech.text}", ERROR) for speech in self.outbox.forgotten(now)])
        if self._asked_at is not None:
            if now - self._asked_at >= GRACE_SECONDS:
                step.lost = f"the server has been silent for {now - self._heard_at:.0f} s"
        elif now - self._heard_at >= IDLE_SECONDS:
            self._asked_at = now
            step.send.append(build("", "PING", "mpchat-alive"))
        return step

    # What the server says.

    def heard(self, text: str, now: float) -> Step:
        """One line from the server."""
        message = parse(text)
        self._heard_at, self._asked_at = now, None
        match message.command:
            case "PING":
                return Step(send=[build("", "PONG", *message.params[:1])])
            case "PONG":
                return self._ponged(message, now)
            case "CAP":
                return self.registration.capability(message)
            case "001":
                return self._welcomed(message)
            case "NICK" if self.model.is_me(nick_of(message)):
                self.registration.renamed(param(message, 0))
        step = Step() if self.registered else self.registration.heard(message)
        if not step.failed and not step.send and not (message.command == "ERROR" and self._leaving):
            step.show += self.view.heard(message, echo=self._settles(message))
        return step

    def _settles(self, message: Message) -> bool:
        """Does this message answer a line of ours? True for an echo."""
        if message.command == "PRIVMSG" and self.model.is_me(nick_of(message)):
            return self.outbox.settle(param(message, 0))
        if message.command in _REFUSALS:
            self.outbox.settle(param(message, 1))
        return False

    def _welcomed(self, message: Message) -> Step:
        self.registered = True
        self.model.nick = param(message, 0) or self.model.nick
        step = note(f"connected to {nick_of(message)} as {self.model.nick} (/help lists the commands)")
        step.show += self.registration.done(self.model)
        for name in self.model.missing():
            key = self.model.keys.get(fold(name), "")
            step.send.append(build("", "JOIN", name, key) if key else build("", "JOIN", name))
        step.send.append(build("", "PING", _ENTRANCE))
        return step

    def _ponged(self, message: Message, now: float) -> Step:
        token = message.params[-1] if message.params else ""
        self._marks.discard(token)
        return self._ready(now) if token == _ENTRANCE and not self.ready else Step()

    def _ready(self, now: float) -> Step:
        """Every room has answered: forget those that did not let us in, and say what waited."""
        self.ready = True
        step = Step()
        for name in self.model.missing():
            self.model.forget(name)
            step.show.append(Line(f"you are not in {name}", ERROR))
        while self.outbox.unsent:
            step.add(self._say(self.outbox.unsent.popleft(), now))
        return step

    # What the user says.

    def typed(self, text: str, now: float) -> Step:
        """One line of input: words, or a /command."""
        if not self.registered and commands.needs_server(text):
            return error("not connected; words are kept and said later, commands are not")
        return self._carry_out(commands.obey(text, self.model), now)

    def pasted(self, lines: list[str], now: float) -> Step:
        """Several lines at once, which the user agreed to say: none of them is a /command."""
        step = Step()
        for line in lines:
            step.add(self._carry_out(commands.say(line, self.model), now))
        return step

    def left(self, goodbye: str) -> Step:
        """The user goes."""
        self._leaving = True
        return Step(send=[build("", "QUIT", goodbye)] if self.connected else [])

    def _carry_out(self, step: Step, now: float) -> Step:
        for speech in step.say:
            if self.ready:
                step.add(self._say(speech, now))
            elif not self.outbox.keep(speech):
                step.add(error(f"too many lines wait for a connection; not kept: {speech.text}"))
        step.say = []
        return step

    def _say(self, speech: Speech, now: float) -> Step:
        """Send one speech, in as many messages as it takes."""
        step = Step()
        limit = room_for(self.model.mask, self.model.nick, speech.target, speech.action)
        for piece in fit(speech.text, limit):
            part = Speech(speech.target, piece, speech.action)
            step.send.append(build("", "PRIVMSG", part.target, f"\x01ACTION {piece}\x01" if part.action else piece))
            if "echo-message" in self.registration.capabilities:
                self.outbox.sent(part, now)
            else:
                step.show.append(self.view.own(part))
        return step

    # Has the server dealt with all we sent?

    def mark(self) -> Step:
        """Send a mark behind everything; settled() tells when the server has come to it."""
        self._count += 1
        token = f"mpchat-mark-{self._count}"
        self._marks.add(token)
        return Step(send=[build("", "PING", token)])

    def settled(self) -> bool:
        """Has every mark come back?"""
        return not self._marks

    def status(self, now: float) -> str:
        """What the prompt should say about our lines and the connection, "" when all is well."""
        if not self.ready:
            kept = len(self.outbox.unsent)
            return f"not connected, {kept} waiting" if kept else "not connected"
        slow = self.outbox.slow(now)
        return f"{slow} not back yet" if slow else ""
