"""A channel: its members and their rights, topic, modes and bans. It answers what a session may do; the hub does it."""

from __future__ import annotations

from mpchat.chat.names import fold, matches
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session

VOICE = 1
OP = 2
RIGHTS = {"o": OP, "v": VOICE}
FEW = 100  # members that are listed in one piece: some 10 kB, or 50 kB by WHO
NOBODY = -1  # comes before every session in the order of arrival
FLAGS = "imnst"  # invite only, moderated, no messages from outside, secret, topic by operators only


def granted(rights: int) -> str:
    """The letters of these rights: "ov", "o", "v" or nothing."""
    return "".join(letter for letter, right in RIGHTS.items() if rights & right)


class Channel:
    """Created by its first member. `since`: the number of the server's last message then; earlier messages belong to an
    earlier channel of this name, and not to this one's history. `creation`: its number among all channels that there
    have been, and the lobby's is 0; no two have the same. Times are wall clock seconds.
    """

    __slots__ = (
        "bans",
        "created",
        "creation",
        "flags",
        "folded",
        "key",
        "limit",
        "members",
        "name",
        "order",
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
        self.bans: dict[str, tuple[str, int]] = {}  # mask: nick!user@host of its setter, when
        self.members: dict[Session, int] = {}  # in order of joining, with their rights

    def roll(self, behind: int = NOBODY) -> list[Session]:
        """The members that arrived on the server behind `behind`, in that order.

        Up to FEW members, which are always listed in one piece, come in the order in which they joined.
        """
        if len(self.members) <= FEW and behind == NOBODY:
            return list(self.members)
        return sorted((member for member in self.members if member.order > behind), key=lambda member: member.order)

    def admit(self, session: Session, key: str) -> None:
        """Raises Refusal if the session may not join. An invitation overrides +i and +l, but no ban and no key."""
        invited = self in session.invitations
        if self.key and key != self.key:
            raise Refusal(Reason.BAD_KEY, self.name)
        if self.is_banned(session):  # behind the key, because a hundred masks are the most expensive check
            raise Refusal(Reason.BANNED, self.name)
        if "i" in self.flags and not invited:
            raise Refusal(Reason.INVITE_ONLY, self.name)
        if self.limit and len(self.members) >= self.limit and not invited:
            raise Refusal(Reason.CHANNEL_FULL, self.name)

    def is_banned(self, session: Session) -> bool:
        return any(matches(mask, session.prefix) for mask in self.bans)

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

    def set_flag(self, letter: str, on: bool) -> bool:
        """Returns whether that changed anything."""
        if (letter in self.flags) == on:
            return False
        self.flags = "".join(sorted(self.flags + letter)) if on else self.flags.replace(letter, "")
        return True

    def set_right(self, member: Session, right: int, on: bool) -> bool:
        """Returns whether that changed anything."""
        rights = self.members[member]
        self.members[member] = rights | right if on else rights & ~right
        return self.members[member] != rights

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
