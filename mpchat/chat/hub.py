"""The hub: all sessions, nicknames and channels. Each request either changes them and returns the event, or raises
Refusal and has changed nothing.

Pure and deterministic: the time comes in as an argument, and nothing here iterates over a set of text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from mpchat.chat.accounts import Accounts
from mpchat.chat.bans import Ban, Bans, Kind, canonical, mask_meets, network_meets, with_address_as_written
from mpchat.chat.channels import ALL, FLAGS, LENT, MASKS, OP, RIGHTS, VOICE, Channel, Past
from mpchat.chat.deduplication import Deduplication
from mpchat.chat.events import Invited, Joined, Kicked, Left, ModesSet, Parted, Renamed, Said, TagsSent, TopicSet
from mpchat.chat.names import fold, full_mask, is_servers_own, look, valid_channel, valid_nick
from mpchat.chat.read_markers import Owner, ReadMarkers
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.resumption import Places, Resumption
from mpchat.chat.sessions import Invitation, Session
from mpchat.messages import ConnectionId, Ms
from mpchat.settings import ChatSettings

LOBBY = "#lobby"
_NOT_IN_LOBBY = "iklnost"  # modes that nobody changes there: it is everybody's, and what is said in it can be read
_DORMANT_MS = 24 * 3600 * 1000  # until its members are back the next morning; after that the name is free

# nick, user, host, realname, wall clock seconds of the departure
Departed = tuple[str, str, str, str, int]


class Hub:
    """All sessions, nicknames and channels."""

    def __init__(self, settings: ChatSettings, wall: int) -> None:
        self.settings = settings
        self.sessions: dict[ConnectionId, Session] = {}
        self.nicks: dict[str, Session] = {}  # folded; a nickname is claimed before registration has ended
        self.looks: dict[str, Session] = {}  # by the look of their nicknames, those that are not ASCII
        self.channels: dict[str, Channel] = {}
        self.departed: deque[Departed] = deque(maxlen=settings.departed_names)
        # Channels without members that are kept for these, or for those of an earlier run, by folded name: until when
        # (mono ms), the channel. The one that goes first is the first.
        self.dormant: dict[str, tuple[int, Channel]] = {}
        # Who was killed, by folded nickname and address: until when (mono ms) they are not let in again, in that order.
        self.removed: dict[tuple[str, str], int] = {}
        self.bans = Bans()  # of the whole server
        self.accounts = Accounts()
        self._owned: dict[str, dict[ConnectionId, Session]] = {}  # by folded account: the sessions that have proved it
        self.born = 0  # wall ms: when the numbers of the messages began, in the very first run
        self.said = 0  # messages so far
        self.arrivals = 0  # sessions and channels so far: the `order` of the last one; both dicts are in that order
        self.departures = 0  # how many have been appended to `departed`, dropped ones included
        self.creations = 0  # channels so far, in all runs: the `creation` of the last one
        self.deduplication = Deduplication()
        self.resumption = Resumption(settings.lost_places)
        # Of accounts, for ever; and of sessions that have none, which push out nothing of an account's.
        self.read_markers, self.own_markers = _read_markers(settings), _read_markers(settings)
        self.registered = self.invisible = self.operators = self.most = 0  # what LUSERS counts
        lobby = self.channels[LOBBY] = Channel(LOBBY, wall)
        lobby.flags = "nt"

    def inherit(self, former: Hub, ended: int, shift: int, mono: int) -> None:
        """Begin where an earlier run ended (wall s): without its sessions; its channels are dormant for a day.

        Channels that were dormant in it stay so for the rest of their day. A channel keeps all its modes; of its
        members it keeps nothing. `shift`: what to add to a time of its monotonic clock for one of this run's (ms);
        `mono`: now.
        """
        self.born, self.said, self.deduplication = former.born, former.said, former.deduplication
        self.creations, self.bans, self.accounts = former.creations, former.bans, former.accounts
        self.resumption.inherit(former.resumption, shift, mono)
        self.read_markers.load(former.read_markers.values())
        for session in former.people():
            former.remember(session, ended)
        self.departed.extend(former.departed)
        self.departures = former.departures
        self.dormant = {
            name: (until + shift, channel) for name, (until, channel) in former.dormant.items() if until + shift > mono
        }
        self.removed = {who: until + shift for who, until in former.removed.items()}
        for channel in former.channels.values():
            if channel.name == LOBBY:
                lobby = self.channels[LOBBY]
                lobby.flags, lobby.bans = channel.flags, channel.bans
                lobby.exceptions, lobby.invite_exceptions = channel.exceptions, channel.invite_exceptions
                lobby.topic, lobby.topic_by, lobby.topic_at = channel.topic, channel.topic_by, channel.topic_at
                if self.settings.level >= 1 and channel.created:  # 0: no run was before this one
                    lobby.created = channel.created  # it is the same room: by this its members know it again
            elif channel.members:
                channel.members, channel.past = {}, {}
                self.dormant[channel.folded] = (mono + _DORMANT_MS, channel)

    def expire(self, mono: int, wall: Ms) -> None:
        """Forget the dormant channels and the lost sessions whose day is over (mono ms), and who was killed long ago;
        and the bans that are over (wall ms).

        The oldest is the first, so this is mostly O(1).
        """
        if wall >= self.bans.next_end:
            self.bans.expire(wall)
        self.resumption.expire(mono)
        until, _ = next(iter(self.dormant.values()), (mono + 1, None))
        if until <= mono:
            self.dormant = {name: kept for name, kept in self.dormant.items() if kept[0] > mono}
        if self.removed and next(iter(self.removed.values())) <= mono:
            self.removed = {who: until for who, until in self.removed.items() if until > mono}

    # Looking things up

    def __contains__(self, name: object) -> bool:
        """Whether this is a name that anybody may know: an account's, or a nickname that is in use."""
        return isinstance(name, str) and (name in self.accounts or fold(name) in self.nicks)

    def session(self, nick: str) -> Session:
        """The registered session of this nickname. Raises Refusal."""
        found = self.nicks.get(fold(nick))
        if found is None or not found.registered:
            raise Refusal(Reason.NO_SUCH_NICK, nick)
        return found

    def channel(self, name: str, session: Session) -> Channel:
        """The channel of this name, as far as the session may know that there is one. Raises Refusal.

        A secret one is none to those who are not in it, but to server operators, who may decide about every channel,
        and so find the dormant ones too.
        """
        found = self.channels.get(fold(name))
        if session.operator:
            found = found or self._asleep(fold(name))
        elif found is not None and not found.shows_itself_to(session):
            found = None
        if found is None:
            raise Refusal(Reason.NO_SUCH_CHANNEL, name)
        return found

    def exists(self, channel: Channel) -> bool:
        """Whether this channel still exists, perhaps dormant, and not another one of its name."""
        return self.channels.get(channel.folded) is channel or self._asleep(channel.folded) is channel

    def _asleep(self, folded: str) -> Channel | None:
        return self.dormant.get(folded, (0, None))[1]

    def people(self) -> Iterator[Session]:
        """All registered sessions, in order of arrival."""
        return (session for session in self.sessions.values() if session.registered)

    # Coming and going

    def connect(self, id: ConnectionId, host: str, secure: bool = False) -> Session:
        self.arrivals += 1
        session = self.sessions[id] = Session(id, host, self.arrivals, secure)
        return session

    def claim(self, session: Session, nick: str, wall: int) -> Renamed | None:
        """Take a nickname; None if the session is not registered yet, or has that nickname already. Raises Refusal.

        Nobody takes one that looks like another person's, not even where the other's is the double, and theirs the
        plain one: two that nobody can tell apart are never here. Nothing is won by taking a double of a nickname first,
        as who wants to keep others from it can take the nickname itself. Of an account's it is the owner who takes it:
        see usurpers().
        """
        if not nick:
            raise Refusal(Reason.NO_NICK)
        if not valid_nick(nick, self.settings.nick_bytes):
            raise Refusal(Reason.BAD_NICK, nick)
        if is_servers_own(nick):
            raise Refusal(Reason.NICK_RESERVED, nick)
        holder, owner = self.nicks.get(fold(nick)), self.accounts.owner_of(nick)
        if owner and holder is not session and fold(owner) != fold(session.account):
            raise Refusal(Reason.NICK_OWNED, nick)
        if holder is not None and holder is not session:
            raise Refusal(Reason.NICK_TAKEN, nick)
        if self.settings.level >= 1:
            shape = look(nick)
            if not nick.isascii() and is_servers_own(shape):
                raise Refusal(Reason.NICK_RESERVED, nick)
            if self.nicks.get(shape, session) is not session or self.looks.get(shape, session) is not session:
                raise Refusal(Reason.NICK_TAKEN, nick)
        if nick == session.nick:
            return None
        before = session.prefix
        if session.nick:
            self._let_go(session)
            if session.registered:
                self.remember(session, wall)
        session.name(nick)
        self.hold(session)
        return Renamed(session, before, list(session.channels.values())) if session.registered else None

    def usurpers(self, session: Session, nick: str) -> list[Session]:
        """The other sessions that have this nickname, or a double of it, if it is that of this session's account."""
        if not session.account or fold(self.accounts.owner_of(nick)) != fold(session.account):
            return []
        shape = look(nick)
        found = self.nicks.get(fold(nick)), self.nicks.get(shape), self.looks.get(shape)
        return [each for each in dict.fromkeys(found) if each is not None and each is not session]

    def spare_nick(self, session: Session) -> str:
        """A nickname that is free, for a session that has to give its own away."""
        number = session.id
        while True:
            nick = f"Guest{number}"
            is_taken = fold(nick) in self.nicks or fold(nick) in self.looks
            if not is_taken and not self.accounts.owner_of(nick):
                return nick
            number = ConnectionId(number + 1)

    def hold(self, session: Session) -> None:
        """From now on it is found by its nickname."""
        nick = session.nick
        self.nicks[fold(nick)] = session
        if not nick.isascii():
            self.looks[look(nick)] = session

    def _let_go(self, session: Session) -> None:
        nick = session.nick
        del self.nicks[fold(nick)]
        if not nick.isascii() and self.looks.get(look(nick)) is session:
            del self.looks[look(nick)]

    def enter(self, session: Session, user: str, realname: str, wall: int, mono: int) -> None:
        """Registration is complete: from now on the session can be seen."""
        session.user, session.realname = user, realname
        session.name(session.nick)
        session.registered = True
        session.signed_on, session.spoke_at = wall, mono
        self.registered += 1
        self.most = max(self.most, self.registered)

    def lose(self, session: Session, mono: int) -> bool:
        """In front of leave(), if its connection was lost (mono ms). Returns whether it can be taken up again, by a
        resume token or an account.
        """
        return self.resumption.lose(session.id, session.nick, self._places(session), mono, session.account)

    def _places(self, session: Session) -> Places:
        return tuple(
            (folded, channel.creation, channel.members[session], channel.past.get(session, ALL))
            for folded, channel in session.channels.items()
        )

    def take_up(self, session: Session, token: str, fresh: str) -> tuple[str, Places, Session | None]:
        """What a session that is about to enter gets by its resume token: a nickname, its channels, whose they are.

        If that session still exists, it must leave next; meanwhile both are on its channels, so that none of them ends.
        A token of nothing gets ("", (), None). The new session has the token `fresh` from now on. If `fresh` was given
        before, to a registration of which its client has not heard, then what belongs to it is meant. Where that had
        logged in to an account, the new one has so too, unless somebody could have read the token on its way.
        """
        found = self.resumption.take(fresh)
        other = self.resumption.take(token)
        found = found if found is not None else other
        self.resumption.give(session.id, fresh)
        if found is None:
            return "", (), None
        if isinstance(found, tuple):
            _, nick, places, account = found
            self.log_in(session, session.account or (account if session.is_private else ""))
            return nick, places, None
        former = self.sessions[found]
        self.log_in(session, session.account or (former.account if session.is_private else ""))
        for folded, channel in former.channels.items():
            channel.seat(session, channel.members[former], channel.past.get(former, ALL))
            session.channels[folded] = channel
        return former.nick, self._places(session), former

    def restore(self, session: Session, places: Places) -> list[tuple[Channel, int]]:
        """Put a session that has entered on the channels that it was on; returns them, with its rights there.

        Of an invitation, a key or a limit nothing is asked: it was in. But a channel that has ended since is over, also
        if there is another one of its name, and one that has banned it meanwhile stays closed.
        """
        restored = []
        for folded, creation, rights, past in places:
            channel = self.channels.get(folded) or self._asleep(folded)
            if channel is None or channel.creation != creation:
                continue
            if session not in channel.members:
                if channel.is_banned(session):
                    continue
                if not channel.members and channel.is_private and self.settings.level >= 1:
                    channel.orphaned = True  # unless they rule it: else they would, by leaving and coming again
                self.seat(session, channel, rights, past)
            self.resumption.take_place(session.account, creation)
            restored.append((channel, rights))
        return restored

    def regain(self, session: Session) -> list[tuple[Channel, int]]:
        """What a session that has logged in has again in the channels that it is on already: each channel in which that
        is a right that it lacks, and those rights.
        """
        regained = []
        for channel in session.channels.values():
            place = self.resumption.take_place(session.account, channel.creation)
            if place is not None:
                _, _, rights, past = place
                new = channel.give_back(session, rights, past)
                if new:
                    regained.append((channel, new))
        return regained

    def log_in(self, session: Session, account: str) -> None:
        """It has proved to be this account's owner, and no other's."""
        self._disown(session)
        session.account = account
        self.own(session)

    def log_out(self, session: Session) -> None:
        """It is nobody's any more. It keeps its nickname until the owner wants it, and its rights in channels."""
        self.log_in(session, "")

    def own(self, session: Session) -> None:
        """From now on it is found by its account, if it has one."""
        if session.account:
            self._owned.setdefault(fold(session.account), {})[session.id] = session

    def _disown(self, session: Session) -> None:
        if session.account:
            owned = self._owned[fold(session.account)]
            del owned[session.id]
            if not owned:
                del self._owned[fold(session.account)]

    def owned_with(self, session: Session) -> list[Session]:
        """The other registered sessions of its account, in order of arrival."""
        owned = self._owned.get(fold(session.account), {}).values()
        others = [other for other in owned if other.registered and other is not session]
        return sorted(others, key=lambda other: other.order)

    def remove(self, session: Session, mono: int) -> None:
        """It is about to be killed: for a while its nickname is not let in from its address.

        Nor does its account have again what it had.
        """
        self.log_out(session)
        who = (fold(session.nick), session.host)
        self.removed.pop(who, None)
        self.removed[who] = mono + self.settings.removed_seconds * 1000

    def need_not_removed(self, nick: str, host: str, mono: int) -> None:
        """Raises Refusal if who was called so was killed a moment ago, and came from this address."""
        left = self.removed.get((fold(nick), host), mono) - mono
        if left > 0:
            why = f"was removed by a server operator: try again in {-(-left // 1000)} s"
            raise Refusal(Reason.NICK_REMOVED, nick, why)

    def leave(self, session: Session, reason: str, wall: int, mono: int, is_lost: bool = False) -> Left:
        """The session is over; its nickname is free at once. `is_lost`: as lose() has said."""
        channels = list(session.channels.values())
        self.resumption.void(session.id)
        self.own_markers.forget(session.id)
        self._disown(session)
        del self.sessions[session.id]
        if session.nick:
            self._let_go(session)
        for channel in channels:
            self._remove(session, channel, mono, is_lost)
        if session.registered:
            self.remember(session, wall)
            self.registered -= 1
            self.invisible -= session.invisible
            self.operators -= session.operator
        session.registered = False
        return Left(session, channels, reason)

    def remember(self, session: Session, wall: int) -> None:
        """Keep who had this nickname, for WHOWAS."""
        self.departed.append((session.nick, session.user, session.host, session.realname, wall))
        self.departures += 1

    # Bans of the whole server

    def ban(self, by: Session, kind: Kind, mask: str, reason: str, wall: Ms, until: Ms) -> tuple[Ban, list[Session]]:
        """Set a ban, or set it anew; returns it, and whom it meets of those who are here. Raises Refusal.

        It may meet neither everybody (bans.canonical()) nor any server operator who is here, `by` among them: one slip
        would keep out those who could lift it.
        """
        try:
            mask = canonical(kind, mask, self.settings.mask_bytes, self.settings.level)
        except ValueError as error:
            raise Refusal(Reason.BAD_SERVER_BAN, mask, str(error)) from None
        met = [session for session in self.sessions.values() if _meets(kind, mask, session, self.settings.level)]
        if by in met:
            raise Refusal(Reason.BAD_SERVER_BAN, mask, "It would meet yourself")
        for session in met:
            if session.operator:
                raise Refusal(Reason.BAD_SERVER_BAN, mask, f"It would meet {session.nick}, a server operator")
        if not self.bans.has(kind, mask) and len(self.bans) >= self.settings.server_bans:
            raise Refusal(Reason.BAD_SERVER_BAN, mask, "There are as many bans as there may be: lift one")
        return self.bans.add(kind, mask, reason, by.prefix, wall, until), met

    def lift_ban(self, kind: Kind, mask: str) -> Ban:
        """Raises Refusal if there is no ban with this mask. One of an older server may be one that is refused now."""
        try:
            if not self.bans.has(kind, mask):
                mask = canonical(kind, mask, self.settings.mask_bytes, self.settings.level)
            ban = self.bans.lift(kind, mask)
        except ValueError as error:
            raise Refusal(Reason.BAD_SERVER_BAN, mask, str(error)) from None
        if ban is None:
            raise Refusal(Reason.BAD_SERVER_BAN, mask, "There is no such ban")
        return ban

    # Channels

    def join(self, session: Session, name: str, key: str, wall: int) -> Joined | None:
        """None if the session is a member already. Raises Refusal."""
        if not name.startswith("#"):
            raise Refusal(Reason.NO_SUCH_CHANNEL, name)
        if not valid_channel(name, self.settings.channel_bytes):
            raise Refusal(Reason.BAD_CHANNEL_NAME, name)
        channel = self.channels.get(fold(name))
        if channel is not None and session in channel.members:
            return None
        if len(session.channels) >= self.settings.channels_per_client:
            raise Refusal(Reason.TOO_MANY_CHANNELS, name)
        if channel is None and (channel := self._asleep(fold(name))) is None:
            shape = look(name)
            if self.settings.level >= 1 and (shape in self.channels or shape in self.dormant):
                raise Refusal(Reason.BAD_CHANNEL_NAME, name)  # another would be taken for that one
            return self.seat(session, self._create(name, wall), OP)
        place = self.resumption.place(session.account, channel.creation)
        if place is not None and not channel.is_banned(session):
            _, _, rights, past = place  # it was in, and may be again
        else:
            rights, past = 0, channel.admit(session, key, self.said)
        is_woken = not channel.members and channel.name != LOBBY
        if is_woken and channel.is_private:
            channel.orphaned = True  # who comes first may be anybody
        is_theirs = is_woken and not channel.is_private and not (channel.bans and self._has_lost_operator(channel))
        self.resumption.take_place(session.account, channel.creation)
        joined = self.seat(session, channel, (rights | OP) & ~LENT if is_theirs else rights, past)
        joined.regained = rights & (OP | VOICE)
        return joined

    def seat(self, session: Session, channel: Channel, rights: int, past: Past = ALL) -> Joined:
        """Make the session a member of a channel that is new, dormant or in use. Whether it may is not asked here."""
        if channel.folded not in self.channels:
            self.dormant.pop(channel.folded, None)
            self.arrivals += 1
            channel.order = self.arrivals
            self.channels[channel.folded] = channel
        channel.seat(session, rights, past)
        session.channels[channel.folded] = channel
        session.invitations = [each for each in session.invitations if each.channel is not channel]
        return Joined(session, channel)

    def _create(self, name: str, wall: int) -> Channel:
        self.creations += 1
        channel = Channel(name, wall, self.said, self.creations)
        channel.flags = self.settings.room_flags
        return channel

    def part(self, session: Session, name: str, reason: str, mono: int) -> Parted:
        channel = self.channel(name, session)
        channel.need_member(session)
        self._remove(session, channel, mono)
        return Parted(session, channel, reason)

    def kick(self, session: Session, name: str, nick: str, reason: str, mono: int) -> Kicked:
        channel = self.channel(name, session)
        acts = self._rules(session, channel)
        whom = self.session(nick)
        if whom not in channel.members:
            raise Refusal(Reason.NOT_THERE, nick, channel.name)
        self.resumption.take_place(whom.account, channel.creation)
        self._remove(whom, channel, mono)
        return Kicked(session, whom, channel, reason or session.nick, acts)

    def _rules(self, session: Session, channel: Channel) -> bool:
        """Whether the session must act as a server operator to decide here. Raises Refusal if it may not decide."""
        if session.operator and not channel.members.get(session, 0) & OP:
            return True
        channel.need_operator(session)
        return False

    def _remove(self, session: Session, channel: Channel, mono: int, is_lost: bool = False) -> None:
        """An empty channel ends, or is kept: else who came in first would found it anew, and rule it.

        `is_lost`: the session can come back to it. For the lost only so many are kept: to make channels and be lost is
        cheap.
        """
        channel.unseat(session)
        del session.channels[channel.folded]
        if not channel.members and channel.name != LOBBY:
            del self.channels[channel.folded]
            is_closed = channel.is_private or bool(channel.bans)  # an empty channel has room, whatever its limit
            is_kept = is_closed and ((is_lost and self.settings.level >= 1) or self._has_lost_operator(channel))
            if is_kept and len(self.dormant) >= self.settings.dormant_rooms:
                is_kept = False  # who makes many, and is lost, pushes nobody else's out
            if is_kept or (channel.orphaned and channel.is_private):
                self.dormant[channel.folded] = (mono + _DORMANT_MS, channel)

    def _has_lost_operator(self, channel: Channel) -> bool:
        """Whether an operator of its own was lost, and can come back to it."""
        return self.settings.level >= 1 and self.resumption.has_operator(channel.creation)

    def set_topic(self, session: Session, name: str, topic: str, wall: int) -> TopicSet:
        channel = self.channel(name, session)
        is_free = "t" not in channel.flags and session in channel.members
        acts = not is_free and self._rules(session, channel)
        channel.topic, channel.topic_by, channel.topic_at = topic, session.prefix, wall
        return TopicSet(session, channel, acts)

    def invite(self, session: Session, nick: str, name: str) -> Invited:
        """A server operator may invite others, not themselves, into channels that they are not in, dormant ones too."""
        whom = self.session(nick)
        channel = self.channel(name, session)
        is_member = session in channel.members
        if not is_member and (not session.operator or whom is session or channel.name == LOBBY):
            raise Refusal(Reason.NOT_ON_CHANNEL, channel.name)
        if whom in channel.members:
            raise Refusal(Reason.ALREADY_THERE, nick, channel.name)
        acts = not is_member or ("i" in channel.flags and self._rules(session, channel))
        # Only an operator's invitation overrides +i and +l; another member's would override a later +i. A server
        # operator's overrides all that could keep them out: Channel.admit().
        opens = acts or bool(channel.members[session] & OP)
        invitation = Invitation(channel, opens, None if acts else channel.begins_for(session))
        if not any(known.is_worth(invitation) for known in whom.invitations):
            kept = [known for known in whom.invitations if self.exists(known.channel)]
            whom.invitations = [*(known for known in kept if not invitation.is_worth(known)), invitation]
            del whom.invitations[: -self.settings.channels_per_client]  # the oldest go: others fill this list
        return Invited(session, whom, channel, acts)

    # Speech

    def say(self, session: Session, target: str, text: str, notice: bool, mono: int) -> Said:
        if not text:
            raise Refusal(Reason.NO_TEXT)
        session.spoke_at = mono
        if not target.startswith("#"):
            person = self.session(target)
            self.said += 1
            return Said(session, person, person.nick, text, notice, self.said)
        channel = self._heard_by(session, target)
        self.said += 1
        return Said(session, channel, channel.name, text, notice, self.said)

    def _heard_by(self, session: Session, target: str) -> Channel:
        """The channel in use of this name, in which the session may speak. Raises Refusal."""
        channel = self.channels.get(fold(target))
        if channel is None:
            raise Refusal(Reason.NO_SUCH_CHANNEL, target)
        if not channel.may_speak(session):
            raise Refusal(Reason.CANNOT_SAY, self.channel(target, session).name)  # or there is none, if it is secret
        return channel

    def send_tags(self, session: Session, target: str, tags: str) -> TagsSent:
        """A message without a text, under the same rules as one with a text. Raises Refusal."""
        to: Channel | Session = self._heard_by(session, target) if target.startswith("#") else self.session(target)
        self.said += 1
        return TagsSent(session, to, to.name if isinstance(to, Channel) else to.nick, tags, self.said)

    # Reading

    def mark_read(self, session: Session, target: str, time: Ms) -> bool:
        """The session's owner has read this channel, or what this nickname wrote to them, up to this time (wall ms).

        Returns whether that is news.
        """
        markers, owner = self._markers(session)
        return markers.move(owner, fold(target), time)

    def read_until(self, session: Session, target: str) -> Ms | None:
        """Up to where (wall ms) that has been read; None: nobody has said."""
        markers, owner = self._markers(session)
        return markers.time(owner, fold(target))

    def _markers(self, session: Session) -> tuple[ReadMarkers, Owner]:
        return (self.read_markers, fold(session.account)) if session.account else (self.own_markers, session.id)

    # Modes

    def set_modes(
        self, session: Session, name: str, changes: list[tuple[str, str, str]], wall: int
    ) -> tuple[ModesSet | None, list[Refusal]]:
        """Make the changes that can be made; returns what was changed, and what was refused, each by itself."""
        channel = self.channel(name, session)
        acts = self._rules(session, channel)
        made, refused = [], []
        for sign, letter, value in changes:
            try:
                if channel.name == LOBBY and letter in _NOT_IN_LOBBY:
                    raise Refusal(Reason.NOT_OPERATOR, channel.name)
                shown = self._set_mode(session, channel, sign == "+", letter, value, wall)
            except Refusal as refusal:
                refused.append(refusal)
            else:
                if shown is not None:
                    made.append((sign, letter, shown))
        return (ModesSet(session, channel, made, acts) if made else None), refused

    def _set_mode(self, session: Session, channel: Channel, on: bool, letter: str, value: str, wall: int) -> str | None:
        """Returns the value to show, or None where nothing changed."""
        rights = channel.members.get(session, 0)
        by_server = not rights & OP or bool(rights & LENT)
        if letter in FLAGS:
            return "" if channel.set_flag(letter, on, by_server) else None
        if letter in RIGHTS:
            member = self.session(value)
            if member not in channel.members:
                raise Refusal(Reason.NOT_THERE, value, channel.name)
            if not on:  # nor does another session of its account bring it back
                self.resumption.take_place(member.account, channel.creation)
            return member.nick if channel.set_right(member, RIGHTS[letter], on, by_server) else None
        if letter == "b" or (letter in MASKS and self.settings.level >= 4):
            return self._set_mask(session, channel, letter, on, value, wall)
        if letter == "k":
            return self._set_key(channel, on, value, by_server)
        if letter == "l":
            return self._set_limit(channel, on, value)
        raise Refusal(Reason.UNKNOWN_MODE, letter)

    def _set_mask(self, session: Session, channel: Channel, letter: str, on: bool, value: str, wall: int) -> str | None:
        masks, mask = channel.masks(letter), full_mask(value)
        if self.settings.level >= 3 and fold(mask) not in map(fold, masks):
            mask = with_address_as_written(mask)
        same = next((known for known in masks if fold(known) == fold(mask)), None)
        if not on:
            if same is not None:
                del masks[same]
            return same
        if same is not None:
            return None
        too_long = len(mask.encode()) > self.settings.mask_bytes
        if too_long or " " in mask or mask.startswith(":"):  # a space would be read as several parameters
            raise Refusal(Reason.BAD_MODE_VALUE, channel.name, letter, "*", "Not a usable mask")
        if sum(len(channel.masks(each)) for each in MASKS) >= self.settings.bans_per_channel:
            raise Refusal(Reason.BAN_LIST_FULL, channel.name, mask)
        masks[mask] = (session.prefix, wall)
        return mask

    def _set_key(self, channel: Channel, on: bool, value: str, by_server: bool) -> str | None:
        if not on:
            return "*" if channel.set_key("", by_server) else None
        bad = not value or len(value.encode()) > self.settings.key_bytes or not value.isprintable()
        if bad or any(letter in " ,:" for letter in value):
            raise Refusal(Reason.BAD_MODE_VALUE, channel.name, "k", "*", "Not a usable channel key")
        return value if channel.set_key(value, by_server) != value else None

    def _set_limit(self, channel: Channel, on: bool, value: str) -> str | None:
        limit = 0
        if on:
            if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
                raise Refusal(Reason.BAD_MODE_VALUE, channel.name, "l", value or "*", "Not a positive number")
            limit = int(value)
        changed, channel.limit = channel.limit != limit, limit
        return (str(limit) if on else "") if changed else None

    def set_invisible(self, session: Session, on: bool) -> bool:
        """Returns whether that changed anything."""
        changed = session.invisible != on
        session.invisible = on
        self.invisible += (1 if on else -1) if changed else 0
        return changed

    def set_operator(self, session: Session, on: bool, account: str = "") -> bool:
        """Returns whether that changed anything. `account`: the one that makes it a server operator, "": OPER does.

        Who is one by OPER stays one by that, whatever becomes of an account.
        """
        changed = session.operator != on
        if changed or not account:
            session.operator_by = account
        session.operator = on
        self.operators += (1 if on else -1) if changed else 0
        return changed


def _read_markers(settings: ChatSettings) -> ReadMarkers:
    return ReadMarkers(settings.read_markers_per_account, settings.read_markers)


def _meets(kind: Kind, mask: str, session: Session, level: int) -> bool:
    """Who is not registered yet has no user, and so no mask meets them: it will when they register."""
    if kind == "D":
        return network_meets(mask, session.host)
    return session.registered and mask_meets(mask, session.user, session.host, level)
