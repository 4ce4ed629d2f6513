"""A channel: its members and their rights, topic, modes and bans. It answers what a session may do; the hub does it."""

from __future__ import annotations

from mpchat.chat.names import fold, matches
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session

VOICE = 1
OP = 2
LENT = 4  # only with OP: a server operator gave it
RIGHTS = {"o": OP, "v": VOICE}
FEW = 100  # members that are listed in one piece: some 10 kB, or 50 kB by WHO
NOBODY = -1  # comes before every session in the order of arrival
MASKS = {"b": "bans", "e": "exceptions", "I": "invite_exceptions"}  # the modes that are lists (RFC 2811 section 4.3)
FLAGS = "imnst"  # invite only, moderated, no messages from outside, secret, topic by operators only
_PRIVATE = "iks"  # the modes that make a channel a private one

Masks = dict[str, tuple[str, int]]  # mask: nick!user@host of its setter, when
Past = tuple[int, int]  # numbers of messages: a member reads what is behind the first; as a server operator, the second
ALL: Past = (0, 0)


def granted(rights: int) -> str:
    """The letters of these rights: "ov", "o", "v" or nothing."""
    return "".join(letter for letter, right in RIGHTS.items() if rights & right)


class Channel:
    """Created by its first member. `since`: the number of the server's last message then; earlier messages belong to an
    earlier channel of this name, and not to this one's history. `creation`: its number among all channels that there
    have been, and the lobby's is 0; no two have the same. Times are wall clock seconds.

    What a server operator does to it never gives the past away. `opened` has the letters of "iks" that the word of one
    has taken from it, or for k has changed: until a member decides about them, it counts as private, and who comes in
    uninvited reads nothing from before. `past` has the members that may not read everything.
    """

    __slots__ = (
        "bans",
        "created",
        "creation",
        "exceptions",
        "flags",
        "folded",
        "invite_exceptions",
        "key",
        "limit",
        "members",
        "name",
        "opened",
        "order",
        "orphaned",
        "past",
        "since",
        "topic",
        "topic_at",
        "topic_by",
    )

    def __init__(self, name: str, created: int, since: int = 0, creation: int = 0) -> None:
        self.name = name
        self.folded = fold(name)
        self.created = created
        self.order = 0  # of creation: see Hub.arrivals
        self.since = since  # number of the last message before it was created
        self.creation = creation
        self.topic = ""
        self.topic_by = ""
        self.topic_at = 0
        self.flags = ""  # letters of FLAGS, sorted
        self.key = ""
        self.limit = 0  # 0: none
        self.bans: Masks = {}
        self.exceptions: Masks = {}  # whom no ban meets
        self.invite_exceptions: Masks = {}  # who needs no invitation
        self.members: dict[Session, int] = {}  # in order of joining, with their rights
        self.past: dict[Session, Past] = {}
        self.opened = ""
        self.orphaned = False  # private, was kept without members, and has been without an operator of its own since

    def roll(self, behind: int = NOBODY) -> list[Session]:
        """The members that arrived on the server behind `behind`, in that order.

        Up to FEW members, which are always listed in one piece, come in the order in which they joined.
        """
        if len(self.members) <= FEW and behind == NOBODY:
            return list(self.members)
        return sorted((member for member in self.members if member.order > behind), key=lambda member: member.order)

    @property
    def is_private(self) -> bool:
        return bool(self.key or self.opened or "i" in self.flags or "s" in self.flags)

    def admit(self, session: Session, key: str, said: int) -> Past:
        """What the session may read of the past if it joins now. Raises Refusal if it may not join.

        An operator's invitation overrides +i and +l, but no ban and no key; a server operator's overrides all of them,
        as they could take any away. Whom it spares the key, it gives nothing of the past. An invite exception overrides
        +i alone, and gives nothing of the past either. `said`: the number of the last message.
        """
        invitations = [each for each in session.invitations if each.channel is self]
        opens = [each for each in invitations if each.opens]
        is_sent_in = any(each.since is None for each in opens)
        lacks_key = self.key not in ("", key)
        if lacks_key and not is_sent_in:
            raise Refusal(Reason.BAD_KEY, self.name)
        # Behind the key, because a hundred masks are the most expensive check.
        if not is_sent_in and self.is_banned(session):
            raise Refusal(Reason.BANNED, self.name)
        if "i" in self.flags and not opens and not _meet(self.invite_exceptions, session):
            raise Refusal(Reason.INVITE_ONLY, self.name)
        usable = opens if "i" in self.flags else invitations
        shared = min((each.since for each in usable if each.since is not None), default=None)
        if session.operator and shared is None and self.is_private:
            raise Refusal(Reason.OPERATOR_UNINVITED, self.name)
        if self.limit and len(self.members) >= self.limit and not opens:
            raise Refusal(Reason.CHANNEL_FULL, self.name)
        if not self.is_private:
            return ALL
        begins = said if shared is None else shared
        return begins if "i" in self.flags or self.opened or lacks_key else 0, begins

    def seat(self, session: Session, rights: int, past: Past = ALL) -> None:
        """Make the session a member, with these rights."""
        self.members[session] = rights
        if past != ALL:
            self.past[session] = past
        if rights & (OP | LENT) == OP:
            self.orphaned = False

    def give_back(self, session: Session, rights: int, past: Past) -> int:
        """A member has, besides its rights, those that it had before; and reads of the past what it then could.

        Returns those of them that it lacked, OP and VOICE.
        """
        had = self.members[session]
        new = rights & ~had & (OP | VOICE)
        if OP in (had & (OP | LENT), rights & (OP | LENT)):
            had, rights = had & ~LENT, rights & ~LENT  # one of the two is no server operator's word
        begins = tuple(map(min, self.past.get(session, ALL), past))
        self.past.pop(session, None)
        self.seat(session, had | rights, (begins[0], begins[1]))
        return new

    def unseat(self, session: Session) -> None:
        del self.members[session]
        self.past.pop(session, None)

    def begins_for(self, session: Session) -> int:
        """The number of the message behind which this member may read the channel's past."""
        ordinarily, as_operator = self.past.get(session, ALL)
        return max(self.since, as_operator if session.operator and self.is_private else ordinarily)

    def is_banned(self, session: Session) -> bool:
        return _meet(self.bans, session) and not _meet(self.exceptions, session)

    def masks(self, letter: str) -> Masks:
        """The list that this letter of MASKS stands for."""
        return getattr(self, MASKS[letter])  # type: ignore[no-any-return]

    def may_read_masks(self, session: Session, letter: str) -> None:
        """Raises Refusal if the list is not for this session: bans are for all who may know that there is this channel;
        who is spared them, and who needs no invitation, is for those who decide here.
        """
        if letter != "b" and not session.operator:
            self.need_operator(session)
        elif not self.shows_itself_to(session):
            self.need_member(session)

    def may_speak(self, session: Session) -> bool:
        """Whether the session may send here, as a member or from outside (RFC 2811 sections 4.2.3 and 4.2.4)."""
        rights = self.members.get(session)
        if rights is None:
            return not ("n" in self.flags or "m" in self.flags or (self.bans and self.is_banned(session)))
        return rights > 0 or not ("m" in self.flags or (self.bans and self.is_banned(session)))

    def need_member(self, session: Session) -> None:
        if session not in self.members:
            raise Refusal(Reason.NOT_ON_CHANNEL, self.name)

    def need_operator(self, session: Session) -> None:
        self.need_member(session)
        if not self.members[session] & OP:
            raise Refusal(Reason.NOT_OPERATOR, self.name)

    def shows_itself_to(self, session: Session) -> bool:
        return "s" not in self.flags or session in self.members

    def shows_member_to(self, member: Session, session: Session) -> bool:
        """Whether the session may know that this member is here."""
        return session in self.members or not ("s" in self.flags or member.invisible)

    def set_flag(self, letter: str, on: bool, by_server: bool) -> bool:
        """Returns whether that changed anything. `by_server`: it is a server operator's word; here and below."""
        is_new = (letter in self.flags) != on
        if is_new:
            self.flags = "".join(sorted(self.flags + letter)) if on else self.flags.replace(letter, "")
        self._note(letter, by_server and not on and (is_new or letter in self.opened))
        return is_new

    def set_key(self, key: str, by_server: bool) -> str:
        """Returns the key that it had. "": none."""
        had, self.key = self.key, key
        self._note("k", by_server and ("k" in self.opened or had not in ("", key)))
        return had

    def _note(self, letter: str, is_opened: bool) -> None:
        if letter in _PRIVATE:
            self.opened = self.opened.replace(letter, "") + (letter if is_opened else "")

    def set_right(self, member: Session, right: int, on: bool, by_server: bool) -> bool:
        """Returns whether that changed anything that can be seen."""
        had = self.members[member]
        rights = had | right if on else had & ~right
        if right == OP and not (on and by_server and had & OP):
            rights = rights | LENT if on and by_server else rights & ~LENT
        self.members[member] = rights
        return bool((rights ^ had) & right)

    def modes(self, with_key: bool) -> tuple[str, list[str]]:
        """The modes as IRC shows them: "+klnt" and the values of those that have one."""
        letters, values = self.flags, []
        if self.key:
            letters += "k"
            values.append(self.key if with_key else "*")
        if self.limit:
            letters += "l"
            values.append(str(self.limit))
        return "+" + letters, values


def _meet(masks: Masks, session: Session) -> bool:
    return any(matches(mask, session.prefix) for mask in masks)
