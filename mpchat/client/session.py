"""Our side of the conversation with a server: introduction, rooms, answers to PING, words and their echoes. Pure.

Messages, typed lines and the time come in; what should happen goes out as a Step. Nothing here waits or prints.
After a loss resuming.py asks for what was missed, and then what the server has not echoed is said again.
"""

import math
import re
from dataclasses import replace

from mpchat.chat.names import SERVICE, fold, is_nickserv
from mpchat.client import commands
from mpchat.client.answers import Answers
from mpchat.client.confidential import veiled
from mpchat.client.fitting import fit, room_for
from mpchat.client.lag import Lag
from mpchat.client.login import Login
from mpchat.client.model import Model, is_room
from mpchat.client.outbox import Outbox, Sent
from mpchat.client.preferences import Preferences
from mpchat.client.presence import Presence
from mpchat.client.registration import RESUME, Registration
from mpchat.client.resuming import Resuming
from mpchat.client.sasl import Credentials
from mpchat.client.searching import Searching
from mpchat.client.status import LOST, REFUSED, REMOVED, WELL
from mpchat.client.step import ERROR, Given, Line, Speech, Step, error, harmless, is_text, note
from mpchat.client.turn import Turn
from mpchat.client.unread import Unread
from mpchat.client.view import View, nick_of, param
from mpchat.protocol.message import Message, build, parse
from mpchat.texts import t

IDLE_SECONDS = 30.0  # after so much silence we ask whether the server is still there
GRACE_SECONDS = 30.0  # and after so much more the connection counts as lost
_ENTRANCE = "mpchat-entrance"  # the PING behind our JOINs: its PONG says that all were answered
_MARKS = "mpchat-rooms"  # the PING behind the questions for their modes
_DOUBT = "mpchat-doubt"  # the PING behind a line whose echo does not come
_ALIVE = "mpchat-alive"  # the PING that asks how long the server takes, or whether it is there at all
_ID = "+mpchat.org/id"  # the tag by which mpchat knows a line that it has said before
_REFUSALS = frozenset(("401", "403", "404", "407", "411", "412", "415", "477", "486", "531"))  # of a PRIVMSG
# The last word of a server whose operator removes us ends so: (Killed (nick (why))), with or without the outer marks.
_KILLED = re.compile(r"(?P<mark>[(\[])?Killed \((?P<nick>[^\s()]+) \((?P<why>.*)\)\)(?(mark)[)\]])$")
_ELSEWHERE = "(Resumed elsewhere)"  # so ends that of mpchat to a connection whose session another has taken up


class Session:
    """One user's presence on a server, across losses of the connection.

    `run` is of this run of the client: 16 random letters and digits. `greets`: it is a person's, who is shown a
    little of a room's past on entering it, and whose words wait for the answer to a command that changes where they
    go; a script's lines wait in feed.py. The `preferences` may change while it goes on.
    """

    def __init__(
        self,
        nick: str,
        room: str,
        run: str,
        password: str = "",
        flexible: bool = True,
        greets: bool = True,
        preferences: Preferences | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.preferences = preferences or Preferences()
        self.model = Model(nick, room, self.preferences)
        self.unread = Unread(self.model)
        self.lag = Lag()
        self.view = View(self.model)
        self.outbox = Outbox()
        self.login = Login(credentials)
        self.registration = Registration(nick, password, flexible, greets, self.login)
        self.past = Resuming(self.view, self.registration, greets, self.preferences)
        self._presence = Presence(self.model)
        self.searching = Searching(self.view, self.registration)
        self.visits = 0  # connections so far
        self.connected = False
        self.registered = False
        self.was_in = False  # registered once, at least
        self._was_lost = False  # and has lost that connection
        self.ready = False  # every room we asked for has answered, and what we missed is shown
        self.has_prompt = True  # which shows where words go; else each change is told
        self.shows_own = True  # what we say is shown when it comes back; else it was seen as it was typed
        # Who has removed us, or taken our place, and why, or why we cannot log in any more: a script is over then; a
        # person comes back with /reconnect.
        self.removed = ""
        self.answers = Answers()
        self._turn = Turn()
        self._told = room  # where words go, as the user knows it
        self._run = run
        self._for_person = greets
        self._expelled_from: set[str] = set()  # folded rooms: KICK
        self._told_of_noise = False  # that bytes were typed which are no text
        self._knows_ids = False  # is it mpchat, which says a line with an id once?
        self._entered = False
        self._leaving = False
        self._heard_at = 0.0
        self._asked_at: float | None = None  # when we asked whether the server is there
        self._doubted_at: float | None = None  # when we asked about an echo that does not come
        self._marks: set[str] = set()
        self._count = 0

    # The connection.

    def opened(self, now: float, is_private: bool = False) -> Step:
        """There is a connection: introduce ourselves. `is_private`: nobody on the way can read what is said on it."""
        self.visits += 1
        self.connected, self._heard_at = True, now
        self._asked_at = self._doubted_at = None
        self.lag.began(now)
        self._knows_ids = self._entered = False
        self.model.mask, self.model.gives_back = "", False
        self.login.opened(is_private)
        return Step(send=self.registration.begin())

    def closed(self) -> Step:
        """The connection is gone. Tells which lines may have been lost with it, or will not be said any more."""
        unanswered = self.login.closed() if self.registered else ""
        self.connected = self.registered = self.ready = False
        self.past.lost()
        self.answers.lost()
        step = Step(show=self._presence.flush())
        if unanswered:
            step.add(error(t("client.login.unanswered", command=unanswered)))
        step.add(self._turn.lost(self.model))
        if self._for_person and self.model.current != self._told:
            self._told = self.model.current
            step.add(note(commands.talking(self.model)))
        step.add(self.searching.lost())
        self.model.lose()
        step.add(_unsaid(self.outbox.lost(numbered=self._leaving)))
        if not self._leaving:
            step.add(self._without_private_words())
        else:
            unsent = [*self.outbox.unsent, *self.outbox.pasted]
            step.show += [Line(t("screen.not_sent", text=speech.text), ERROR) for speech in unsent]
            step.outcome = LOST if any(line.head == ERROR for line in step.show) else WELL
        return step

    def _without_private_words(self) -> Step:
        """Who is called so when the connection is back may be another person: nothing for them waits for that.

        A script's next line was meant for the person too.
        """
        step = _unsaid(self.outbox.lost(concerns=_is_person))
        step.add(_not_said(self.outbox.withdraw(_is_person), "screen.may_be_another"))
        self._was_lost = self.was_in
        if self._was_lost and not self._for_person and _is_person(self.model.current):
            self.model.stop(t("screen.may_be_another", nick=self.model.current))
        return step

    def deadline(self) -> float:
        """When ticked() is due at the latest."""
        due = self._presence.deadline()
        if self._asked_at is not None:
            due = min(due, self._asked_at + GRACE_SECONDS)
        elif not self._awaits_echo():  # of a line without an echo the server is asked, when it is late
            due = min(due, self._heard_at + IDLE_SECONDS, self.lag.deadline() if self._measures() else math.inf)
        return min(due, self.outbox.deadline()) if self._awaits_echo() else due

    def _awaits_echo(self) -> bool:
        return self.ready and self._doubted_at is None and bool(self.outbox.unechoed)

    def _measures(self) -> bool:
        """Is there a prompt, which shows how long the server takes?"""
        return self.ready and self._for_person and self.has_prompt

    def ticked(self, now: float) -> Step:
        """Time went by: is the server still there? And who has come and gone?"""
        step = Step(show=self._presence.due(now))
        if self.ready and self._doubted_at is None and now >= self.outbox.deadline():
            self._asked_at = self._doubted_at = now  # silence about this, too, is a loss of the connection
            step.send.append(build("", "PING", _DOUBT))
        elif self._asked_at is not None:
            if now - self._asked_at >= GRACE_SECONDS:
                step.lost = t("screen.silent_for", seconds=f"{now - self._heard_at:.0f}")
        elif now - self._heard_at >= IDLE_SECONDS or (self._measures() and now >= self.lag.deadline()):
            self._asked_at = now
            self.lag.asked(now)
            step.send.append(build("", "PING", _ALIVE))
        return step

    # What the server says.

    def heard(self, text: str, now: float) -> Step:
        """One line from the server."""
        message = parse(text)
        step = self._heard(message, now)
        if step.failed and self.login.is_refused and self.was_in:  # to try it again would not help
            self.removed = step.failed
        if message.command in ("QUIT", "401"):
            gone = nick_of(message) if message.command == "QUIT" else param(message, 1)
            step.add(self._without_words_for(gone))
        step.add(self._turned(message, now))
        step.add(self._paced(now))
        place, told, self._told = self.model.current, self._told, self.model.current
        is_seen = self.has_prompt and place and message.command in ("JOIN", "NICK")
        if self._for_person and fold(place) != fold(told) and not is_seen:
            step.add(note(commands.talking(self.model)))
        for line in step.show:
            self.unread.came(line)
        self.unread.read(place)
        step.show = self._with_presence(step.show, now)
        return step

    def _with_presence(self, lines: list[Line], now: float) -> list[Line]:
        """The lines as the user wants to see who comes and goes.

        Without a prompt each is told as it comes: a program, or a person who listens, reads every line in its order.
        """
        wanted = self.preferences.joins if self._for_person else "all"
        if wanted == "none":
            return [line for line in lines if not line.move]
        return self._presence.take(lines, now) if wanted == "fold" and self.has_prompt else lines

    def _heard(self, message: Message, now: float) -> Step:
        self._heard_at, self._asked_at = now, None
        match message.command:
            case "PING":
                return Step(send=[build("", "PONG", *message.params[:1])])
            case "PONG":
                return self._ponged(message, now)
            case "CAP":
                return self.registration.capability(message)
            case "001" if self.login.is_due():  # it knows no capabilities
                return self.login.passed()
            case "001":
                return self._welcomed(message)
            case "004":
                self._knows_ids = param(message, 2).startswith("mpchat")
            case "005":
                self.past.promised(message.params[1:])
            case "376" | "422":  # which end the greeting: where rooms are given back, that is before
                self.model.gives_back = False
            case "KILL" if self.model.is_me(param(message, 0)):
                self.removed = removed_by(nick_of(message), param(message, 1))
                return Step()
            case "ERROR" if self.registered and (killed := _KILLED.search(param(message, 0))):
                self.removed = removed_by(killed["nick"], killed["why"])
                return Step()
            case "ERROR" if self.registered and param(message, 0).endswith(_ELSEWHERE):
                self.removed = t("screen.elsewhere")  # to come back would displace that one
                return Step()
            case "ERROR" if self.registered and self.removed:
                return Step()
            case "465" if self.was_in:  # a ban: who is not wanted does not come back by themselves
                self.removed = param(message, 1) or t("client.server_refused")
                if self.registered:
                    return Step()
            case "NICK" if self.model.is_me(nick_of(message)):
                self.registration.renamed(param(message, 0))
                self.outbox.renamed(nick_of(message), param(message, 0))
            case "NICK":
                self._renamed(nick_of(message), harmless(param(message, 0)))
            case "KICK" if self.model.is_me(param(message, 1)):
                self._expelled_from.add(fold(param(message, 0)))
        if (login := self.login.heard(message)) is not None:
            return self._logged_in(login)
        if self.searching.takes(message) or self.past.takes(message):
            return Step()
        answered = self._answers(message)
        if answered:
            self.lag.measured(now - answered.at, now)
        spoken = message.command in ("PRIVMSG", "NOTICE")
        if spoken and (self.past.holds(message) or (answered and self._was_shown(answered, message))):
            return Step()
        if message.command == "PRIVMSG" and answered and not self.shows_own:
            for line in self.view.heard(message, echo=True):
                if line.said:
                    self.model.memory.add(line.said.place, line)
            return Step()
        own = self.model.is_me(nick_of(message))  # before the message gives us another nick
        step = Step() if self.registered else self.registration.heard(message)
        is_told = step.failed or step.send or self.registration.waits(message)
        if not is_told and not (message.command == "ERROR" and self._leaving):
            shown = self.view.heard(message, echo=answered is not None)
            step.show += _refused(answered, shown) if answered and not spoken else shown
        if self.registered and _refuses(message):
            step.outcome = REMOVED if fold(param(message, 1)) in self._expelled_from else REFUSED
        if message.command == "JOIN" and self.model.is_me(nick_of(message)):
            self._expelled_from.discard(fold(param(message, 0)))
            self.model.opened(param(message, 0))
            step.send.append(build("", "MODE", param(message, 0)))
            step.add(self.past.entered(param(message, 0)))
        step.send += self.registration.regain(message)
        self.answers.heard(message, bool(step.show) and not step.failed, own)
        return step

    def _logged_in(self, step: Step) -> Step:
        """What has come of a login, or of the making of an account: outside it decides whether we come in."""
        if self.registered:
            return error(step.failed or step.lost) if step.failed or step.lost else step
        if not self.login.is_busy() and not (step.failed or step.lost):
            step.send += self.registration.enter()
        return step

    def _with_password(self, given: Given) -> Step:
        """What /login and its kind want. Without a connection, a login comes with the next one."""
        match given.command:
            case "register":
                return self._logged_in(self.login.register(given.name, given.password))
            case "password":
                return self._logged_in(self.login.change(given.password))
            case "drop":
                return self._logged_in(self.login.drop(given.name, given.password))
        credentials = Credentials(given.name, given.password)
        if self.registered:
            return self._logged_in(self.login.begin(credentials))
        self.login.credentials = credentials
        return note(t("client.login.with_next", account=given.name))

    def _renamed(self, old: str, new: str) -> None:
        """All that waits for a person goes on to them, whoever takes the old nick."""
        self.unread.renamed(old, new)
        self.outbox.renamed(old, new)
        self._turn.renamed(old, new)

    def _answers(self, message: Message) -> Sent | None:
        """The line of ours that this message echoes or refuses."""
        if "batch" in message.tags:
            return None  # it was said long ago
        if message.command == "PRIVMSG" and self.model.is_me(nick_of(message)):
            run, _, number = message.tags.get(_ID, "").rpartition(".")
            known = int(number) if run == self._run and number.isdecimal() and len(number) < 19 else 0
            return self.outbox.settle(param(message, 0), known)
        return self.outbox.settle(param(message, 1)) if message.command in _REFUSALS else None

    def _was_shown(self, sent: Sent, echo: Message) -> bool:
        """Was this line in the history we have just read? The server knows its id no more only if it is old."""
        return sent.repeated and is_room(sent.speech.target) and "msgid" not in echo.tags

    def _welcomed(self, message: Message) -> Step:
        self.registered, self.removed = True, ""
        self.model.gives_back = RESUME in self.registration.capabilities
        self.view.numerics.welcomed()
        self.model.nick = param(message, 0) or self.model.nick
        server, nick = nick_of(message), self.model.nick
        if self.was_in:
            step = note(t("screen.back", server=server, nick=nick))
        elif self._for_person:
            step = note(t("screen.connected_help", server=server, nick=nick))
        else:
            step = note(t("screen.connected", server=server, nick=nick))
        self.was_in = True
        step.show += self.registration.done(self.model)
        for name in self.model.missing():
            key = self.model.key(name)
            step.send.append(build("", "JOIN", name, key) if key else build("", "JOIN", name))
        step.send.append(build("", "PING", _ENTRANCE))
        return step

    def _ponged(self, message: Message, now: float) -> Step:
        token = message.params[-1] if message.params else ""
        self._marks.discard(token)
        step = self.past.ponged(token)
        step.add(self.searching.ponged(token))
        step.add(self.answers.ponged(token))
        if token == _ALIVE:
            self.lag.answered(now)
        if token == _ENTRANCE and not self._entered:
            self._entered = True
            step.add(self._without_refused_rooms())
            step.send += [build("", "PING", _MARKS)] * self.model.unrecognised()
        if token == _MARKS:
            step.add(self._without_strange_rooms())
        if token == _DOUBT and self._doubted_at is not None:
            step.add(_unsaid(self.outbox.lost(sent_before=self._doubted_at)))
            self._doubted_at = None
        is_complete = self._entered and not self.model.unrecognised() and not self.past.is_catching_up()
        if is_complete and not self.ready:
            step.add(self._ready(now))
        return step

    def _without_refused_rooms(self) -> Step:
        step = Step()
        for name in self.model.missing():
            self.model.miss(name, t("screen.not_in", room=name))
            step.add(error(t("screen.not_in", room=name)))
        return step

    def _without_strange_rooms(self) -> Step:
        """What waits for a room, or had no echo there, is not said in another one of its name."""
        step = Step()
        for room in self.model.recognise():
            step.add(error(room.doubt))
            folded = fold(room.name)
            step.add(_unsaid(self.outbox.lost(concerns=lambda target: fold(target) == folded)))  # noqa: B023
            for speech in self.outbox.withdraw(lambda target: fold(target) == folded):  # noqa: B023
                step.add(commands.say(speech.text, self.model, speech.target))
        return step

    def _ready(self, now: float) -> Step:
        """We are where we were, and know what we missed: say again what was not echoed, and what waited."""
        self.ready = True
        step = Step() if self._repeats() else _unsaid(self.outbox.lost())
        step.send += [self._line(sent) for sent in self.outbox.again(now)]
        while self.outbox.unsent:
            step.add(self._say(self.outbox.unsent.popleft(), now))
        if not self.outbox.pasted:
            step.send += self._mark_lines()
        return step

    def _mark_lines(self) -> list[str]:
        return [build("", "PING", token) for token in sorted(self._marks)]

    def _paced(self, now: float) -> Step:
        """Send of a paste what may be sent now, where we still have its place; behind its end come the marks."""
        step = Step()
        if self._leaving or not self.ready or not self.outbox.pasted:
            return step
        while self.outbox.pasted and self.outbox.has_room():
            speech = self.outbox.pasted.popleft()
            step.add(self._carry_out(commands.say(speech.text, self.model, speech.target), now))
        if not self.outbox.pasted:
            step.send += self._mark_lines()
        return step

    def cancelled(self) -> Step:
        """The user wants nothing more of a paste to be sent."""
        count = len(self.outbox.pasted)
        self.outbox.pasted.clear()
        step = note(t("screen.paste_cancelled", count=count)) if count else Step()
        step.send = self._mark_lines() if count and self.ready else []
        return step

    def _repeats(self) -> bool:
        """May a line be sent again, and is said once?"""
        return self._knows_ids and {"echo-message", "message-tags"} <= self.registration.capabilities

    def _without_words_for(self, nick: str) -> Step:
        """Nobody is called so any more: what waits is not for the next one of that name."""
        withdrawn = self.outbox.withdraw(lambda target: fold(target) == fold(nick))
        step = _not_said(withdrawn, "screen.no_longer_there")
        if withdrawn and self.ready and not self.outbox.pasted:
            step.send = self._mark_lines()
        return step

    def _line(self, sent: Sent) -> str:
        """A line of ours on the wire."""
        speech = sent.speech
        text = f"\x01ACTION {speech.text}\x01" if speech.action else speech.text
        line = build("", "PRIVMSG", speech.target, text)
        return f"@{_ID}={self._run}.{sent.number} {line}" if sent.number else line

    # What the user says.

    def typed(self, text: str, now: float) -> Step:
        """One line of input: words, or a /command."""
        if not self.registered and commands.needs_server(text):
            return self._unobeyed(text)
        if self._turn.asked and not commands.works_alone(text):
            self._turn.typed.append(text)
            return Step()
        return self._obey(text, now)

    def _unobeyed(self, text: str) -> Step:
        """Without a connection this /command is refused. What is typed behind it may stand on it."""
        step = error(t("screen.not_connected"))
        if commands.moves(text):
            self.model.stop(t("screen.not_connected_for", command=harmless(text).split()[0]))
            self._told = ""
            step.add(note(commands.talking(self.model)))
        return step

    def _obey(self, text: str, now: float) -> Step:
        step = self._without_noise(text)
        before = self.model.current
        obeyed = commands.execute(text, self.model)
        if self.model.current != before:  # the command has told it
            self._told = self.model.current
        if obeyed.save and not self.registered:
            obeyed.send = []  # from the next start on
        if obeyed.send:
            sent = [parse(line) for line in obeyed.send]
            token = self.answers.asked(text.split()[0], sent[0])
            turns = [message for message in sent if message.command in ("JOIN", "PART")]
            if self._for_person and not self._turn.asked:  # /set may be obeyed while a /join is not answered yet
                self._turn.begin([message for message in turns if not self.model.granted(message)], token)
            obeyed.send.append(build("", "PING", token))
        step.add(self._carry_out(obeyed, now))
        self.unread.read(self.model.current)
        if step.clear:
            self.unread.clear()
        return step

    def _turned(self, message: Message, now: float) -> Step:
        """If this answers the command that changes where words go: do what was typed behind it.

        Where it was refused, what stands on it is not done, but shown; then words go where they went before.
        """
        turn, step = self._turn, Step()
        lacking = [asked for asked in turn.asked if not self.model.granted(asked)]
        if not turn.asked or (lacking and not (message.command == "PONG" and message.params[-1:] == [turn.token])):
            return step
        turn.asked = []
        if lacking and not self.model.current:  # where words go nowhere anyway, this is why they still do
            self.model.nowhere = t("screen.refused", command=lacking[0].command, target=lacking[0].params[0])
        if lacking and turn.typed:
            turn.before = turn.before or self.model.current
            self.model.stop(t("screen.refused", command=lacking[0].command, target=lacking[0].params[0]))
        while turn.typed and not turn.asked:
            step.add(self._obey(turn.typed.popleft(), now))
        if not turn.asked:
            is_there = self.model.has(turn.before) and not self.model.doubt(turn.before)
            if is_there and not self.model.current:
                self.model.talk(turn.before)
            turn.before = ""
        return step

    def pasted(self, lines: list[str], place: str, now: float) -> Step:
        """Several lines at once, which the user agreed to say there: none of them is a /command."""
        step = self._without_noise("".join(lines))
        for line in lines:
            said = commands.say(harmless(line), self.model, place)
            for speech in said.say:
                if self._may_miss(speech):
                    step.add(_not_said([speech], "screen.may_be_another"))
                elif self.ready or self.outbox.may_keep():
                    self.outbox.pasted.append(speech)
                else:
                    step.add(error(t("screen.not_kept", text=speech.text)))
            said.say = []
            step.add(said)
        step.add(self._paced(now))
        return step

    def _without_noise(self, typed: str) -> Step:
        """Say so, once, if not all that was typed is text."""
        if self._told_of_noise or is_text(typed):
            return Step()
        self._told_of_noise = True
        return Step(show=[Line(t("screen.no_text"), ERROR)])

    def left(self, goodbye: str) -> Step:
        """The user goes."""
        self._leaving = True
        return Step(send=[build("", "QUIT", goodbye)] if self.connected else [])

    def _carry_out(self, step: Step, now: float) -> Step:
        for line in step.send:
            self.model.asked(parse(line))
        for speech in step.say:
            self.unread.read(speech.target)
            if self.ready:
                step.add(self._say(speech, now))
            elif self._may_miss(speech):
                step.add(_not_said([speech], "screen.may_be_another"))
            elif not self.outbox.keep(speech):
                step.add(error(t("screen.not_kept", text=speech.text)))
        step.say = []
        if step.given:
            given, step.given = step.given, None
            step.add(self._with_password(given))
        if step.recall:
            step.add(self.past.recall(*step.recall))
        if step.older:
            step.add(self.past.older(*step.older))
        if step.search:
            step.add(self.searching.ask(*step.search))
        if step.reconnect and self.connected:
            return error(t("screen.connected_already"))
        return step

    def _may_miss(self, speech: Speech) -> bool:
        """Is it for a person who may be another one when the connection is back? Then it does not wait for that."""
        return not self.ready and self._was_lost and _is_person(speech.target)

    def _say(self, speech: Speech, now: float) -> Step:
        """Send one speech, in as many messages as it takes."""
        step = Step()
        limit = room_for(self.model.mask, self.model.nick, speech.target, speech.action)
        for piece in fit(speech.text, limit):
            part = Speech(speech.target, piece, speech.action)
            if self._has_echo(part):
                sent = self.outbox.send(part, now, self._repeats())
            else:
                sent = Sent(0, part, now)
                shown = replace(part, text=veiled(part.text, part.target))
                step.show += [self.view.own(shown)] if self.shows_own else []
            step.send.append(self._line(sent))
        return step

    def _has_echo(self, speech: Speech) -> bool:
        """Does the server bring it back? What mpchat's history or NickServ is told reaches nobody: it is answered."""
        is_answered = self._knows_ids and (fold(speech.target) == SERVICE or is_nickserv(speech.target))
        return "echo-message" in self.registration.capabilities and not is_answered

    # Has the server dealt with all we sent?

    def settle(self) -> Step:
        """Every mark has come back, behind all that was sent: an echo that is not here will not come."""
        return _unsaid(self.outbox.lost())

    def mark(self) -> Step:
        """Send a mark behind everything, as soon as that can be; settled() tells when the server has come to it."""
        self._count += 1
        token = f"mpchat-mark-{self._count}"
        self._marks.add(token)
        return Step(send=[build("", "PING", token)] if self.ready and not self.outbox.pasted else [])

    def settled(self) -> bool:
        """Has every mark come back, and every login its answer, which takes more than one message?"""
        return not self._marks and not (self.registered and self.login.is_busy())

    def status(self, now: float) -> str:
        """What the prompt should say about our lines and the connection, "" when all is well."""
        if not self.ready:
            state = t("screen.state.catching_up" if self.registered else "screen.state.not_connected")
            if self.removed and not self.connected:
                state = t("screen.state.refused" if self.login.is_refused else "screen.state.removed")
            kept = self.outbox.waiting()
            return t("screen.state.kept", state=state, count=kept) if kept else state
        parts = []
        if lag := self.lag.noticed(now, self.outbox.since()):
            parts.append(t("screen.state.lag", seconds=lag))
        if waiting := len(self._turn.typed) + len(self.outbox.pasted):
            parts.append(t("screen.state.waiting", count=waiting))
        elif slow := self.outbox.slow(now):
            parts.append(t("screen.state.slow", count=slow))
        return ", ".join(parts)

    def signs(self, now: float) -> str:
        """The same for a window that is too narrow for it: "…2 3s", what waits and the lag."""
        if not self.ready:
            return f"…{self.outbox.waiting() or ''}"
        waiting = len(self._turn.typed) + len(self.outbox.pasted) or self.outbox.slow(now)
        lag = self.lag.noticed(now, self.outbox.since())
        return " ".join([*[f"…{waiting}"] * bool(waiting), *[f"{lag}s"] * bool(lag)])

    def is_answer_due(self) -> bool:
        """Does what status() says change while nothing comes?"""
        return self.connected and (bool(self.outbox.unechoed) or self.lag.is_waiting())


def removed_by(nick: str, why: str) -> str:
    """In the client's words."""
    return t("screen.removed_why", nick=nick, why=why) if why else t("screen.removed_by", nick=nick)


def _unsaid(speeches: list[Speech]) -> Step:
    lines = [Line(t("screen.unsaid", text=speech.text), ERROR) for speech in speeches]
    return Step(show=lines, outcome=LOST if lines else WELL)


def _not_said(speeches: list[Speech], why: str) -> Step:
    """These to persons, for the reason of that key."""
    told = [t("screen.not_said", text=each.text, why=t(why, nick=each.target)) for each in speeches]
    return Step(show=[Line(text, ERROR) for text in told], outcome=LOST if told else WELL)


def _is_person(place: str) -> bool:
    return bool(place) and not is_room(place)


def _refused(sent: Sent, shown: list[Line]) -> list[Line]:
    """The server's refusal of a line, with the line."""
    return [Line(t("screen.not_said", text=sent.speech.text, why=line.text), ERROR) for line in shown]


def _refuses(message: Message) -> bool:
    """Does the server say no to something we asked for? Its history may: resuming.py judges that."""
    if message.command == "FAIL":
        return param(message, 0) != "CHATHISTORY"
    return message.command.isdigit() and message.command[0] in "45" and message.command != "422"  # no MOTD
