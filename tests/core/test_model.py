"""core, against a model: whatever people do, in both dialects and on two workers, each of them reads exactly what the
model says they read, in that order, and nothing else.

That one comparison, made after every step, shows that a room has one order for all its members, that nothing is lost,
doubled or invented, that a sender's lines keep their order and its echo comes once, and that a line reaches somebody
exactly between their joining and their leaving. NAMES is compared with what each client made of the events before it,
and no two people hold one nickname, by what they themselves have read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from mpchat.messages import Record
from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person, hashed

ACTION = "\x01ACTION "

nicks = st.sampled_from(
    ["ana", "Ana", "ANA", "beto", "Beto", "ñandú", "ÑANDÚ", "\u0251na", "straße", "STRASSE", "zoe", "1bad"]
)
rooms = st.sampled_from(["#a", "#A", "#a", "#ñ", "#Ñ", "#b", "#lobby"])
texts = st.tuples(st.text("ab :é日😀/.", min_size=1, max_size=12), st.sampled_from([1, 1, 1, 30])).map(
    lambda pair: pair[0] * pair[1]
)
keys = st.sampled_from(["", "", "", "k1", "k2"])
ruled = st.sampled_from(["#a", "#a", "#A", "#b", "#ñ", "#lobby"])
members = st.tuples(st.integers(0, 5), nicks)  # the nth of a room, or by nickname
mostly = st.sampled_from([True, True, True, False])
Event = tuple[str, ...]
Whom = tuple[int, str]


def same(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def look(name: str) -> str:
    return same(name).replace("\u0251", "a")


def words(line: str) -> Event:
    if line.startswith("@"):
        tag, _, line = line.partition(" ")
        return (tag, *words(line))
    head, colon, last = line.partition(" :")
    return (*head.split(), *([last] if colon else []))


class Room:
    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[Someone, set[str]] = {}
        self.flags: set[str] = set()
        self.key = ""
        self.opened: set[str] = set()  # of i and k: what a server operator has taken away
        self.bans: set[str] = set()
        self.topic = ""
        self.orphaned = False  # private, and since somebody woke it nobody in it rules by their own right

    def is_private(self) -> bool:
        return bool(self.key or self.opened or "i" in self.flags)

    def may_speak(self, someone: Someone) -> bool:
        rights = self.members.get(someone)
        quiet = "m" in self.flags or same(someone.nick) in self.bans
        return bool(rights) or not (quiet or (rights is None and "n" in self.flags))

    def names(self) -> set[str]:
        signs = {someone: "@" if "o" in held else "+" if "v" in held else "" for someone, held in self.members.items()}
        return {sign + someone.nick for someone, sign in signs.items()}


class Someone:
    """A connection: what the model knows of it, and what it has learned by reading."""

    def __init__(self, person: Person, mono: int) -> None:
        self.person, self.plain = person, person.plain
        self.nick = ""
        self.user = "~plain" if person.plain else ""
        self.registered = self.closed = False
        self.slow = False  # its lines come in pieces
        self.silent_waits = False
        self.echo = self.timed = self.operator = self.pinged = False
        self.wrong = 0  # passwords
        self.free_at = 0  # from then on the next one is checked at once
        self.opened_at = self.heard_at = mono
        self.rooms: list[Room] = []
        self.tokens = ("", "")  # the last one, and the one that it has, once it has entered
        self.waiting: list[Callable[[], None]] | None = None  # effects of the lines behind a question
        self.expected: list[Event] = []
        self.last: list[Any] = []  # the records of its last line
        # What it reads
        self.own = "*"
        self.tried = {"*"}
        self.views: dict[str, set[str]] = {}
        self.synced: set[str] = set()
        self.listed: set[str] = set()

    @property
    def prefix(self) -> str:
        return f":{self.nick}!{self.user}@10.0.0.{self.person.id}"


class Chat(RuleBasedStateMachine):
    people = Bundle("people")

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver(ChatSettings(opers_exist=True))
        self.everybody: list[Someone] = []
        self.guesses: dict[Someone, int] = {}
        self.rooms: dict[str, Room] = {"#lobby": Room("#lobby")}
        self.rooms["#lobby"].flags = {"n", "t"}
        self.asleep: dict[str, Room] = {}
        self.lost: dict[str, tuple[str, list[tuple[Room, set[str]]]]] = {}  # by token: nickname, rooms, rights

    # People do something: a line goes in, and its effect on the model follows, at once or behind a question

    def act(self, who: Someone, line: str, effect: Callable[[], None]) -> None:
        self.act_together([(who, line, effect)])

    def act_together(self, lines: list[tuple[Someone, str, Callable[[], None]]]) -> None:
        """All in one batch; but of those who type slowly a piece comes before it."""
        lines = [each for each in lines if each[0].waiting is None or not each[0].person.left]
        begun: list[Record] = []
        records: list[Record] = []
        for who, line, _ in lines:
            data = line.encode()
            first = all(record[1] != who.person.id for record in records)
            half = len(data) // 2 if who.slow and first else 0  # perhaps in the middle of a character
            if half:
                begun.append(who.person.piece(data[:half]))
            records += who.person.records([data[half:]])
            who.last = [*begun[-1:], records[-1]] if half else [records[-1]]
        self.driver.feed(*begun)
        self.driver.feed(*records)
        for who, line, effect in lines:
            taken = self.taking(who, line, effect)
            if who.waiting is not None:
                who.waiting.append(taken)
            else:
                taken()
        self.read_all()

    def taking(self, who: Someone, line: str, effect: Callable[[], None]) -> Callable[[], None]:
        def taken() -> None:
            if not who.closed:
                who.heard_at, who.pinged = self.driver.mono, False
                if who.plain or len(line.encode()) <= 510:
                    effect()

        return taken

    @initialize(target=people)
    def some_are_here(self) -> Any:
        here = [self.arrive(False, 0), self.arrive(False, 1), self.arrive(False, 0), self.arrive(True, 1)]
        for who in here[:2]:
            self.take_token(who, "*")
        for who, nick in zip(here, ("ana", "beto", "zoe", "carla"), strict=True):
            if not who.plain:
                self.register_user(who)
            self.take_nick(who, nick)
        self.want(here[1], "echo-message server-time")
        self.want(here[2], "echo-message")
        for who in here:
            self.join(who, "#a", "")
        self.ask_to_be_operator(here[2])
        self.answer(True)
        return multiple(*here)

    @rule(target=people, plain=st.booleans(), worker=st.integers(0, 1), nick=nicks, room=rooms)
    def newcomer(self, plain: bool, worker: int, nick: str, room: str) -> Any:
        """All at once what takes several lines; a taken nickname leaves them at the door."""
        who = self.arrive(plain, worker)
        self.register_user(who)
        if not plain:
            self.take_token(who, "*")
        self.take_nick(who, nick)
        self.join(who, room, "")
        return who

    @rule(
        target=people,
        room=ruled,
        mode=st.sampled_from(["i", "k1", "beto", ""]),
        nick=nicks,
        is_first_last=st.booleans(),
        one_leaves=st.booleans(),
        comes_back=st.booleans(),
    )
    def all_lose_their_connections(
        self, room: str, mode: str, nick: str, is_first_last: bool, one_leaves: bool, comes_back: bool
    ) -> Any:
        """All members of a room that is closed in some way, but perhaps the last, who leaves; then somebody comes."""
        there = self.rooms.get(same(room))
        for who in self.everybody:
            if there and who in there.members and "o" in there.members[who] and who.waiting is None and not who.plain:
                if mode == "i":
                    self.set_flag(who, False, room, "i", True)
                elif mode == "k1":
                    self.set_key(who, False, room, "k1", True)
                elif mode:
                    self.ban(who, False, room, "beto", True)
        here = list(there.members) if there else []
        for who in here[::-1] if is_first_last else here:
            if one_leaves and len(there.members) == 1:
                self.part(who, room, "")
            else:
                self.vanish(who, "Connection reset by peer")
        who = self.come_back(-1, 0, nick) if comes_back and self.lost else self.newcomer(False, 0, nick, room)
        self.part(who, room, "")
        self.join(who, room, "k1")
        return who

    @precondition(lambda self: self.lost)
    @rule(target=people, number=st.integers(0, 3), worker=st.integers(0, 1), nick=nicks)
    def come_back(self, number: int, worker: int, nick: str) -> Any:
        """A client of ours, whose connection was lost. Its token opens once."""
        who = self.arrive(False, worker)
        self.register_user(who)
        self.take_token(who, list(self.lost)[number % len(self.lost)])
        self.take_nick(who, nick)
        return who

    def take_token(self, who: Someone, last: str) -> None:
        who.tokens = last, f"token {who.person.id}"
        for line in ("CAP REQ :mpchat.org/resume", f"RESUME {' '.join(map(hashed, who.tokens))}", "CAP END"):
            self.act(who, line, lambda: None)

    @rule(target=people, plain=st.booleans(), worker=st.integers(0, 1))
    def connect(self, plain: bool, worker: int) -> Any:
        return self.arrive(plain, worker)

    def arrive(self, plain: bool, worker: int) -> Someone:
        host = f"10.0.0.{len(self.driver.people) + 1}"  # each has their own: nobody waits for another's password
        someone = Someone(self.driver.connect(plain=plain, worker=worker, host=host), self.driver.mono)
        self.everybody.append(someone)
        return someone

    @rule(who=people)
    def register_user(self, who: Someone) -> None:
        if not who.plain and not who.registered:
            self.act(who, "USER u 0 * :r", lambda: self._user(who))

    @rule(who=people, nick=nicks)
    def take_nick(self, who: Someone, nick: str) -> None:
        line = f"NICK {nick}" if not who.plain else f"/nick {nick}" if who.registered else nick
        who.tried.add(nick)
        self.act(who, line, lambda: self._nick(who, nick))

    @rule(who=people, room=rooms, key=keys)
    def join(self, who: Someone, room: str, key: str) -> None:
        if who.registered:
            self.act(
                who, f"{'/join' if who.plain else 'JOIN'} {room} {key}".strip(), lambda: self._join(who, room, key)
            )

    @rule(who=people, room=rooms, text=st.sampled_from(["", "me voy"]))
    def part(self, who: Someone, room: str, text: str) -> None:
        if who.plain and who.registered:
            self.act(who, "/part", lambda: self._join(who, "#lobby", ""))
        elif who.registered:
            self.act(who, f"PART {room} :{text}" if text else f"PART {room}", lambda: self._part(who, room, text))

    @rule(who=people, to=rooms, text=texts, notice=st.booleans())
    def say(self, who: Someone, to: str, text: str, notice: bool) -> None:
        if who.registered:
            self.act(*self.saying(who, to, text, notice))

    @rule(who=people, to=nicks, text=texts, notice=st.booleans())
    def say_in_private(self, who: Someone, to: str, text: str, notice: bool) -> None:
        if who.registered:
            self.act(*self.saying(who, to, text, notice))

    @rule(said=st.lists(st.tuples(people, st.sampled_from(["#a", "#b"]), texts), min_size=2, max_size=6))
    def say_all_at_once(self, said: list[tuple[Someone, str, str]]) -> None:
        self.act_together([self.saying(who, room, text, False) for who, room, text in said if who.registered])

    @rule(who=people, room=rooms, text=texts)
    def do(self, who: Someone, room: str, text: str) -> None:
        text = f"x{text}x"
        done = f"{ACTION}{text}\x01"
        if who.registered and who.plain:
            self.act(who, f"/me {text}", lambda: self._say_here(who, done))
        elif who.registered:
            self.act(who, f"PRIVMSG {room} :{done}", lambda: self._say(who, room, done, False))

    def saying(self, who: Someone, target: str, text: str, notice: bool) -> tuple[Someone, str, Callable[[], None]]:
        if who.plain:
            text = f"x{text}x"
            return who, f"/msg {target} {text}", lambda: self._say(who, target, text, False)
        verb = "NOTICE" if notice else "PRIVMSG"
        return who, f"{verb} {target} :{text}", lambda: self._say(who, target, text, notice)

    @rule(who=people, text=texts)
    def say_here(self, who: Someone, text: str) -> None:
        if who.plain and who.registered:
            self.act(who, f"x{text}x", lambda: self._say_here(who, f"x{text}x"))

    @rule(who=people, rightly=mostly, room=ruled, whom=members, text=st.sampled_from(["", "fuera"]))
    def kick(self, who: Someone, rightly: bool, room: str, whom: Whom, text: str) -> None:
        who, nick = self.ruler(who, rightly, room), self.member(room, whom)
        if who.registered and not who.plain:
            self.act(who, f"KICK {room} {nick} :{text}", lambda: self._kick(who, room, nick, text))

    @rule(who=people, rightly=mostly, room=ruled, flag=st.sampled_from("mnit"), on=st.booleans())
    def set_flag(self, who: Someone, rightly: bool, room: str, flag: str, on: bool) -> None:
        who = self.ruler(who, rightly, room)
        if who.registered and not who.plain:
            self.act(who, f"MODE {room} {'-+'[on]}{flag}", lambda: self._flag(who, room, flag, on))

    @rule(who=people, rightly=mostly, room=ruled, right=st.sampled_from("ov"), whom=members, on=st.booleans())
    def set_right(self, who: Someone, rightly: bool, room: str, right: str, whom: Whom, on: bool) -> None:
        who, nick = self.ruler(who, rightly, room), self.member(room, whom)
        if who.registered and not who.plain:
            self.act(who, f"MODE {room} {'-+'[on]}{right} {nick}", lambda: self._right(who, room, right, nick, on))

    @rule(who=people, rightly=mostly, room=ruled, key=st.sampled_from(["k1", "k2"]), on=st.booleans())
    def set_key(self, who: Someone, rightly: bool, room: str, key: str, on: bool) -> None:
        who = self.ruler(who, rightly, room)
        if who.registered and not who.plain:
            self.act(who, f"MODE {room} {'-+'[on]}k {key}", lambda: self._key(who, room, key if on else ""))

    @rule(who=people, rightly=mostly, room=ruled, nick=st.sampled_from(["ana", "beto", "ñandú"]), on=st.booleans())
    def ban(self, who: Someone, rightly: bool, room: str, nick: str, on: bool) -> None:
        who = self.ruler(who, rightly, room)
        if who.registered and not who.plain:
            self.act(who, f"MODE {room} {'-+'[on]}b {nick}", lambda: self._ban(who, room, nick, on))

    def ruler(self, who: Someone, rightly: bool, room: str) -> Someone:
        """Who may do it, if there is somebody, or whoever tries."""
        there = self.rooms.get(same(room))
        able = [one for one, held in there.members.items() if "o" in held and not one.plain] if there else []
        return able[0] if able and rightly else who

    def member(self, room: str, whom: Whom) -> str:
        number, nick = whom
        there = self.rooms.get(same(room))
        if not there or not there.members or number == 0:
            return nick
        return list(there.members)[number % len(there.members)].nick

    @rule(who=people, room=rooms, text=st.sampled_from(["", "hola a todos"]))
    def set_topic(self, who: Someone, room: str, text: str) -> None:
        if who.registered and not who.plain:
            self.act(who, f"TOPIC {room} :{text}", lambda: self._topic(who, room, text))

    @rule(who=people, wanted=st.sampled_from(["echo-message", "server-time", "-echo-message", "-server-time"]))
    def want(self, who: Someone, wanted: str) -> None:
        if who.registered and not who.plain:
            self.act(who, f"CAP REQ :{wanted}", lambda: self._want(who, wanted))

    @rule(who=people)
    def ask_to_be_operator(self, who: Someone) -> None:
        """The world outside takes its time: see answer()."""
        is_free = who.waiting is None and self.driver.mono >= who.free_at
        if who.registered and not who.plain and not who.closed and is_free:
            who.waiting = []
            who.last = who.person.records(["OPER root *"])
            self.driver.feed(*who.last)
            who.heard_at, who.pinged = self.driver.mono, False
            self.read_all()

    @precondition(lambda self: self.asking())
    @rule(right=st.booleans())
    def answer(self, right: bool) -> None:
        who = self.asking()[0]
        waiting, who.waiting = who.waiting or [], None
        self.driver.feed(("answer", who.person.id, right))
        if not who.closed:
            if right and not who.operator:
                who.operator = True
                self.hear(who, (who.prefix, "MODE", who.nick, "+o"), "")
            if not right:
                who.wrong += 1
                self.guesses[who] = self.guesses.get(who, 0) + 1  # of the address: no right one makes up for them
                who.free_at = self.driver.mono + 1000 * self.guesses[who]
            who.wrong = 0 if right else who.wrong
            if who.wrong == 5:
                self._leave(who, "Too many wrong passwords")
            for taken in waiting:
                taken()
        self.read_all()

    def asking(self) -> list[Someone]:
        return [who for who in self.everybody if who.waiting is not None]

    @rule(who=people, rightly=mostly, nick=nicks)
    def kill(self, who: Someone, rightly: bool, nick: str) -> None:
        able = [one for one in self.everybody if one.operator and not one.closed]
        who = able[0] if able and rightly else who
        if who.registered and not who.plain:
            self.act(who, f"KILL {nick} :basta", lambda: self._kill(who, nick))

    @rule(who=people, text=st.sampled_from(["", "adiós"]))
    def quit(self, who: Someone, text: str) -> None:
        line = f"/quit {text}".strip() if who.plain else f"QUIT :{text}"
        self.act(who, line, lambda: self._leave(who, f"Quit: {text}" if text else "Client quit"))

    @rule(who=people, reason=st.sampled_from(["Connection closed", "Connection reset by peer", "SendQ exceeded"]))
    def vanish(self, who: Someone, reason: str) -> None:
        self.driver.feed(("gone", who.person.id, reason))
        self._lose_in_turn(who, reason)
        self.read_all()

    def _lose_in_turn(self, who: Someone, reason: str) -> None:
        """Lines that came before the end may still wait behind a question."""
        if who.waiting is not None:
            who.waiting.append(lambda: self._leave(who, reason, True))
        else:
            self._leave(who, reason, True)

    # The world does something

    @rule(who=people)
    def slow_down(self, who: Someone) -> None:
        who.slow = not who.slow

    @rule(who=people)
    def forward_again(self, who: Someone) -> None:
        """As a worker does after a broker's death: what was accepted is not taken twice."""
        if who.last:
            self.driver.feed(*who.last)
            self.read_all()

    @precondition(lambda self: not any(who.silent_waits and not who.closed for who in self.everybody))
    @rule()
    def replace_broker(self) -> None:
        """Nobody reads anything of it. Questions are asked once more, and whoever waits goes on waiting."""
        self.driver.replace_broker()
        for who in self.asking():
            who.heard_at, who.pinged = self.driver.mono, False
        self.read_all()

    @rule(
        seconds=st.sampled_from([0.007, 0.5, 29, 31, 61, 121]),
        jump=st.sampled_from([0, 0, 0, -3600]),
        utc_offset=st.sampled_from([60, 60, 120]),
    )
    def time_passes(self, seconds: float, jump: int, utc_offset: int) -> None:
        self.driver.wall += jump * 1000
        self.driver.utc_offset = utc_offset
        self.driver.pass_time(seconds)
        for who in self.everybody:
            if not who.registered and self.driver.mono >= who.opened_at + 30_000:
                self._leave(who, "Registration timed out")
        self.read_all()

    @rule(who=people, rightly=mostly)
    def nothing_unread(self, who: Someone, rightly: bool) -> None:
        """The worker's answer to a probe, or to one that was overtaken."""
        silent = [one for one in self.everybody if one.pinged and not one.closed]
        who = silent[0] if silent and rightly else who
        self.driver.feed(("silent", who.person.id))
        if who.pinged:
            who.silent_waits = who.waiting is not None  # a new broker would have to ask once more
            self._lose_in_turn(who, f"Ping timeout: {(self.driver.mono - who.heard_at) // 1000} seconds")
        self.read_all()

    @rule(who=people, room=rooms)
    def names(self, who: Someone, room: str) -> None:
        if not who.registered or who.closed or who.waiting is not None:
            return
        there = self.rooms.get(same(room))
        if who.plain:
            self.act(who, f"/who {room}", lambda: None)
            wanted = "! there is no"
            if there is not None:
                nicks = ", ".join(one.nick for one in there.members)
                wanted = f"* in {there.name}: {nicks}" if nicks else f"* nobody to see in {there.name}"
            assert self.last_line(who).startswith(wanted)
        else:
            who.listed = set()
            self.act(who, f"NAMES {room}", lambda: None)
            assert who.listed == (there.names() if there else set())

    def last_line(self, who: Someone) -> str:
        return bytes(who.person.output).split(b"\n")[-2].decode()

    # Effects on the model

    def holder(self, nick: str) -> Someone | None:
        return next(
            (one for one in self.everybody if one.nick and not one.closed and same(one.nick) == same(nick)), None
        )

    def entered_holder(self, nick: str) -> Someone | None:
        found = self.holder(nick)
        return found if found is not None and found.registered else None

    def is_taken(self, nick: str, who: Someone) -> bool:
        """Whether somebody else has this nickname, or one that cannot be told from it."""
        others = [one for one in self.everybody if one is not who and one.nick and not one.closed]
        return any(look(one.nick) == look(nick) for one in others)

    def operated(self, who: Someone, room: str, mode: str = "") -> Room | None:
        found = self.rooms.get(same(room)) or (self.asleep.get(same(room)) if who.operator else None)
        if found is None or (found.name == "#lobby" and mode not in ("", "m", "b", "v")):
            return None
        return found if who.operator or "o" in found.members.get(who, ()) else None

    def is_servers(self, who: Someone, room: Room) -> bool:
        """Whether what they decide about the room is a server operator's word."""
        return "o" not in room.members.get(who, ()) or "lent" in room.members[who]

    def decide(self, who: Someone, room: Room, line: Event, plain: str) -> None:
        acts = "o" not in room.members.get(who, ())
        if acts:
            text = f"{who.nick} acts as a server operator"
            self.tell([room], (":mpchat.local", "NOTICE", room.name, text), f"* {text}")
        self.tell([room], line, plain)
        if acts and who not in room.members:
            self.hear(who, line, plain)

    def hear(self, who: Someone, line: Event, plain: str) -> None:
        moment = datetime(1970, 1, 1) + timedelta(milliseconds=self.driver.wall)
        if who.plain:
            who.expected.append((f"[{moment + timedelta(minutes=self.driver.utc_offset):%H:%M}] {plain}",))
        elif who.timed:
            who.expected.append((f"@time={moment.isoformat(timespec='milliseconds')}Z", *line))
        else:
            who.expected.append(line)

    def tell(self, rooms: list[Room], line: Event, plain: str, but: Someone | None = None) -> None:
        for who in dict.fromkeys(member for room in rooms for member in room.members):
            if who is not but:
                self.hear(who, line, plain)

    def _user(self, who: Someone) -> None:
        if not who.registered:
            who.user = "~u"
            if who.nick:
                self._enter(who)

    def _nick(self, who: Someone, nick: str) -> None:
        if nick == "1bad" or self.is_taken(nick, who) or nick == who.nick:
            return
        old, before, who.nick = who.prefix, who.nick, nick
        if who.registered:
            self.tell(who.rooms, (old, "NICK", nick), f"* {before} is now {nick}")
            if not who.rooms:
                self.hear(who, (old, "NICK", nick), f"* {before} is now {nick}")
        elif who.user:
            self._enter(who)

    def _enter(self, who: Someone) -> None:
        who.registered = True
        if who.plain:
            self._join(who, "#lobby", "")
        nick, places = self.lost.pop(who.tokens[0], ("", []))
        if nick and not self.is_taken(nick, who):
            who.nick = nick
            who.tried.add(nick)
        for room, rights in places:
            if self.rooms.get(same(room.name)) is not room and self.asleep.get(same(room.name)) is not room:
                continue  # it has ended
            if same(who.nick) not in room.bans:
                self._wake(room)
                room.members[who] = set(rights)
                room.orphaned = room.orphaned and not self.is_ruler(who, room)
                who.rooms.append(room)
                self.tell([room], (who.prefix, "JOIN", room.name), f"* {who.nick} joined")
                letters = "".join(letter for letter in "ov" if letter in rights)
                if letters:
                    line = (":mpchat.local", "MODE", room.name, f"+{letters}", *[who.nick] * len(letters))
                    self.tell([room], line, f"* {who.nick} has +{letters} again")

    def _wake(self, room: Room) -> bool:
        """Whether nobody was in it, though it is not the lobby."""
        is_asleep = self.asleep.pop(same(room.name), None) is not None
        self.rooms[same(room.name)] = room
        room.orphaned = room.orphaned or (is_asleep and room.is_private())
        return is_asleep

    def is_ruler(self, who: Someone, room: Room) -> bool:
        """By their own right."""
        return "o" in room.members[who] and "lent" not in room.members[who]

    def awaits_operator(self, room: Room) -> bool:
        return any(
            there is room and "o" in rights and "lent" not in rights
            for _, places in self.lost.values()
            for there, rights in places
        )

    def _join(self, who: Someone, name: str, key: str) -> None:
        room = self.rooms.get(same(name)) or self.asleep.get(same(name))
        if room is not None:
            closed = "i" in room.flags or room.key not in ("", key) or same(who.nick) in room.bans
            if who in room.members or closed or (who.operator and room.is_private()):
                return
        left = list(who.rooms) if who.plain else []
        if room is None:
            room = self.rooms[same(name)] = Room(name)
            room.members[who] = {"o"}
        else:
            is_theirs = self._wake(room) and not room.is_private() and not (room.bans and self.awaits_operator(room))
            room.members[who] = {"o"} if is_theirs else set()
            room.orphaned = room.orphaned and not is_theirs
        who.rooms.append(room)
        for old in left:
            self._part(who, old.name, "")
        self.tell([room], (who.prefix, "JOIN", room.name), f"* {who.nick} joined")

    def _part(self, who: Someone, name: str, reason: str) -> None:
        room = self.rooms.get(same(name))
        if room is not None and who in room.members:
            line = (who.prefix, "PART", room.name, *([reason] if reason else []))
            self.tell([room], line, f"* {who.nick} left" + (f" ({reason})" if reason else ""))
            self._remove(who, room)

    def _remove(self, who: Someone, room: Room, is_lost: bool = False) -> None:
        del room.members[who]
        who.rooms.remove(room)
        if not room.members and room.name != "#lobby":
            del self.rooms[same(room.name)]
            waits = (room.is_private() or room.bans) and (is_lost or self.awaits_operator(room))
            if waits or (room.orphaned and room.is_private()):
                self.asleep[same(room.name)] = room

    def _say_here(self, who: Someone, text: str) -> None:
        if who.rooms:  # else they were kicked, and are banned from the lobby
            self._say(who, who.rooms[0].name, text, False)

    def _say(self, who: Someone, target: str, text: str, notice: bool) -> None:
        room = self.rooms.get(same(target))
        person = self.entered_holder(target)
        to: Room | Someone
        if target.startswith("#"):
            if room is None or not room.may_speak(who):
                return
            to, name = room, room.name
        elif person is None:
            return
        else:
            to, name = person, person.nick
        verb = "NOTICE" if notice else "PRIVMSG"
        text = self.fitted(text, 510 - len(f"{who.prefix} {verb} {name} :".encode()))
        line = (who.prefix, verb, name, text)
        done = text.removeprefix(ACTION).removesuffix("\x01") if text.startswith(ACTION) else None
        if isinstance(to, Someone):
            self.hear(to, line, f"<{who.nick} -> you> {text}")
        elif done is not None:
            self.tell([to], line, f"<*{who.nick}> {done}", who)
        else:
            self.tell([to], line, f"-{who.nick}- {text}" if notice else f"<{who.nick}> {text}", who)
        if who.echo:
            self.hear(who, line, "")

    def fitted(self, text: str, room: int) -> str:
        """The text, or as many of its characters as there is room for."""
        if len(text.encode()) <= room:
            return text
        end = "\x01" if text.startswith(ACTION) else ""
        while len((text + end).encode()) > room:
            text = text[:-1]
        return text + end

    def _kick(self, who: Someone, name: str, nick: str, reason: str) -> None:
        room, whom = self.operated(who, name), self.entered_holder(nick)
        if room is None or whom is None or whom not in room.members:
            return
        reason = reason or who.nick
        line = (who.prefix, "KICK", room.name, whom.nick, reason)
        acts = "o" not in room.members.get(who, ())
        if acts:
            text = f"{who.nick} acts as a server operator"
            self.tell([room], (":mpchat.local", "NOTICE", room.name, text), f"* {text}")
        because = f" ({reason})" if reason != who.nick else ""
        self.tell([room], line, f"* {who.nick} kicked {whom.nick} out{because}")
        self._remove(whom, room)
        if acts and who not in room.members and who is not whom:
            self.hear(who, line, "")

    def _mode(self, who: Someone, room: Room, *change: str) -> None:
        self.decide(who, room, (who.prefix, "MODE", room.name, *change), f"* {who.nick} set {' '.join(change)}")

    def _flag(self, who: Someone, name: str, flag: str, on: bool) -> None:
        room = self.operated(who, name, flag)
        if room is None:
            return
        is_new = (flag in room.flags) != on
        if flag == "i" and not (self.is_servers(who, room) and not on and (is_new or "i" in room.opened)):
            room.opened.discard("i")
        elif flag == "i":
            room.opened.add("i")
        if is_new:
            room.flags ^= {flag}
            self._mode(who, room, "-+"[on] + flag)

    def _right(self, who: Someone, name: str, right: str, nick: str, on: bool) -> None:
        room, whom = self.operated(who, name, right), self.entered_holder(nick)
        if room is None or whom is None or whom not in room.members:
            return
        held = room.members[whom]
        is_new = (right in held) != on
        is_servers = self.is_servers(who, room)
        if is_new:  # it may be their own right
            self._mode(who, room, "-+"[on] + right, whom.nick)
            held ^= {right}
        if right == "o" and not (on and is_servers):
            held.discard("lent")
        elif right == "o" and is_new:
            held.add("lent")

    def _key(self, who: Someone, name: str, key: str) -> None:
        room = self.operated(who, name, "k")
        if room is None:
            return
        if not self.is_servers(who, room):
            room.opened.discard("k")
        elif room.key not in ("", key):
            room.opened.add("k")
        if room.key != key:
            room.key = key
            self._mode(who, room, *(("+k", key) if key else ("-k", "*")))

    def _ban(self, who: Someone, name: str, nick: str, on: bool) -> None:
        room = self.operated(who, name, "b")
        if room is not None and (same(nick) in room.bans) != on:
            room.bans ^= {same(nick)}
            self._mode(who, room, "-+"[on] + "b", f"{nick}!*@*")

    def _topic(self, who: Someone, name: str, text: str) -> None:
        room = self.rooms.get(same(name)) or (self.asleep.get(same(name)) if who.operator else None)
        if room is None:
            return
        line = (who.prefix, "TOPIC", room.name, text)
        plain = f"* {who.nick} set the topic: {text}" if text else f"* {who.nick} cleared the topic"
        if who in room.members and "t" not in room.flags:
            room.topic = text
            self.tell([room], line, plain)
        elif self.operated(who, name) is not None:
            room.topic = text
            self.decide(who, room, line, plain)

    def _want(self, who: Someone, wanted: str) -> None:
        for word in wanted.split():
            if word.endswith("echo-message"):
                who.echo = not word.startswith("-")
            else:
                who.timed = not word.startswith("-")

    def _kill(self, who: Someone, nick: str) -> None:
        whom = self.entered_holder(nick)
        if who.operator and whom is not None:
            self._leave(whom, f"Killed ({who.nick} (basta))")

    def _leave(self, who: Someone, reason: str, is_lost: bool = False) -> None:
        if not who.closed:
            who.closed = True
            is_lost = is_lost and bool(who.tokens[1] and who.rooms)
            if is_lost:
                self.lost[who.tokens[1]] = who.nick, [(room, set(room.members[who])) for room in who.rooms]
            self.tell(who.rooms, (who.prefix, "QUIT", reason), f"* {who.nick} quit ({reason})", who)
            for room in list(who.rooms):
                self._remove(who, room, is_lost)

    # What each reads

    def read_all(self) -> None:
        for who in self.everybody:
            heard = list(self.read(who))
            assert heard == who.expected, f"{who.nick} ({'plain' if who.plain else 'irc'})"
            who.expected = []

    def read(self, who: Someone) -> Iterator[Event]:
        """The events among the lines, each exactly as it came; the answers are folded into what the client knows."""
        for line in who.person.heard():
            if who.plain:
                if line.startswith("* you are ") and ";" in line:
                    who.own = line.removeprefix("* you are ").partition(";")[0]
                elif line.startswith("["):
                    self.fold_plain(who, line)
                    yield (line,)
                continue
            said = words(line)
            bare = said[1:] if said[0].startswith("@") else said
            if "!" in bare[0]:
                self.fold(who, bare)
                yield said
            elif bare[0] == "PING":
                who.pinged = True
            elif bare[0] == ":mpchat.local" and bare[1] in ("NOTICE", "MODE") and bare[2].startswith("#"):
                yield said
            elif bare[0] == ":mpchat.local" and bare[1] != "PONG":
                self.fold_answer(who, bare)

    def fold_plain(self, who: Someone, line: str) -> None:
        text = line.partition("] ")[2]
        if text.startswith(f"* {who.own} is now "):
            who.own = text.rpartition(" ")[2]

    def fold(self, who: Someone, event: Event) -> None:
        nick, verb = event[0][1:].partition("!")[0], event[1]
        if verb == "JOIN" and nick == who.own:
            who.views[event[2]] = set()
        elif verb == "JOIN":
            who.views[event[2]].add(nick)
        elif verb in ("PART", "KICK"):
            gone = event[3] if verb == "KICK" else nick
            if event[2] in who.views:  # a server operator reads what they do in rooms that they are not in
                who.views[event[2]].remove(gone)
            if gone == who.own:
                del who.views[event[2]]
                who.synced.discard(event[2])
        elif verb in ("NICK", "QUIT"):
            for view in who.views.values():
                if nick in view:
                    view.remove(nick)
                    view |= {event[2]} if verb == "NICK" else set()
            if verb == "NICK" and nick == who.own:
                who.own = event[2]

    def fold_answer(self, who: Someone, answer: Event) -> None:
        numeric, nick = answer[1], answer[2]
        if numeric == "001":
            who.own = nick
        assert nick == who.own or (who.own == "*" and nick in who.tried), f"{answer} does not name {who.own}"
        if numeric == "353":
            room = answer[4]
            if room not in who.synced:
                who.listed = set()
            who.listed |= set(answer[5].split())
            if room in who.views and room not in who.synced:
                who.views[room] |= {name.lstrip("@+") for name in who.listed}
        elif numeric == "366" and answer[3] in who.views:
            who.synced.add(answer[3])
            listed, who.listed = who.listed, who.listed
            assert not listed or {name.lstrip("@+") for name in listed} == who.views[answer[3]]

    @invariant()
    def one_holder_of_a_nickname(self) -> None:
        here = [who for who in self.everybody if who.registered and not who.closed]
        assert [who.own for who in here] == [who.nick for who in here]
        assert len({look(who.own) for who in here}) == len(here)

    @invariant()
    def the_closed_are_closed(self) -> None:
        for who in self.everybody:
            assert who.person.closed == who.closed, who.nick

    def teardown(self) -> None:
        """However it ended, nothing is left when all have gone."""
        for who in self.everybody:
            self.driver.feed(("gone", who.person.id, "Connection closed"))
            self.driver.feed(("answer", who.person.id, False))
        assert [worker.groups for worker in self.driver.workers] == [{}, {}]


TestChat = Chat.TestCase
TestChat.settings = settings(max_examples=2 * settings().max_examples)
