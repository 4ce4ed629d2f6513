"""What a session had that was lost: by a resume token a new connection of its client has all of it again, and by an
account its owner has the rights in channels.

A client makes a token, and the server has but its SHA-256, which is what is called a token here: redaction has replaced
the one by the other before it came (protocol/redaction.py). Each belongs to one session, or to what one has left behind
that was lost. It gives back at most what that session had, for a day, and only once.

An account has what each of its sessions had when that ended: for a day, each channel by itself, and each only once.
"""

from __future__ import annotations

from collections import Counter

from mpchat.chat.channels import LENT, OP, Past
from mpchat.chat.names import fold
from mpchat.messages import ConnectionId, Ms

KEPT_MS = 24 * 3600 * 1000  # after the connection was lost: as long as a room waits for its members after a restart

_ACCOUNT_PLACES = 50  # that an account keeps, the newest: of one session that were its channels, by default
# Of a lost session: until when it is kept (mono), its nickname, its channels, and its account, "" if it had none. Of a
# channel: folded name, which of all channels (Channel.creation), rights, and what of the past it may read.
Place = tuple[str, int, int, Past]
Places = tuple[Place, ...]
Lost = tuple[Ms, str, Places, str]
Values = tuple[list[tuple[ConnectionId, str]], list[tuple[str, Lost]]]  # plain, for a snapshot


class Resumption:
    """Of one hub. It keeps lost sessions that have `most` places in all: those lost first are forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tokens: dict[ConnectionId, str] = {}  # of the sessions that have one
        self._holders: dict[str, ConnectionId] = {}  # the inverse
        self._lost: dict[str, Lost] = {}  # by token, or _key() of an account, in the order in which they were lost
        self._places = 0  # that these have
        self._operators: Counter[int] = Counter()  # by Channel.creation: how many of these places are its operators'

    def give(self, id: ConnectionId, token: str) -> None:
        """From now on the session of this connection has this token, and nothing else has."""
        self.take(token)
        self._tokens[id] = token
        self._holders[token] = id

    def void(self, id: ConnectionId) -> str:
        """The session of this connection has no token any more; returns the one it had, "" if it had none."""
        token = self._tokens.pop(id, "")
        self._holders.pop(token, None)
        return token

    def lose(self, id: ConnectionId, nick: str, places: Places, mono: Ms, account: str) -> bool:
        """This session is lost now. Without a token and an account there is no way back to it; without a channel, no
        need of one.

        Returns whether it is kept.
        """
        token, key = self.void(id), _key(account)
        if places and token:
            self._keep(token, (mono + KEPT_MS, nick, places, account))
        if places and key:
            have = {place[1] for place in places}
            earlier = self._forget(key)[2] if key in self._lost else ()
            all_of_it = (*(place for place in earlier if place[1] not in have), *places)
            self._keep(key, (mono + KEPT_MS, nick, all_of_it[-_ACCOUNT_PLACES:], account))
        return token in self._lost or key in self._lost

    def _keep(self, key: str, lost: Lost) -> None:
        self._lost[key] = lost
        self._count(lost[2])
        while self._places > self._most:
            self._forget(next(iter(self._lost)))

    def place(self, account: str, creation: int) -> Place | None:
        """What this account has had in this channel (Channel.creation), and may have again."""
        _, _, places, _ = self._lost.get(_key(account), (0, "", (), ""))
        return next((place for place in places if place[1] == creation), None)

    def take_place(self, account: str, creation: int) -> Place | None:
        """The same; from now on it has it no more: a session has it, or it was taken from them."""
        found, key = self.place(account, creation), _key(account)
        if found is not None:
            until, nick, places, account = self._lost[key]
            left = tuple(place for place in places if place is not found)
            if left:
                self._uncount((found,))
                self._lost[key] = until, nick, left, account  # where it stood: the first is the oldest
            else:
                self._forget(key)
        return found

    def take(self, token: str) -> ConnectionId | Lost | None:
        """What this token belongs to: a session, or one that was lost. It is void from now on."""
        id = self._holders.get(token)
        if id is not None:
            self.void(id)
            return id
        return self._forget(token) if token in self._lost else None

    def _forget(self, token: str) -> Lost:
        lost = self._lost.pop(token)
        self._uncount(lost[2])
        return lost

    def _count(self, places: Places) -> None:
        self._places += len(places)
        self._operators.update(_operated(places))

    def _uncount(self, places: Places) -> None:
        self._places -= len(places)
        for creation in _operated(places):
            self._operators[creation] -= 1
            if not self._operators[creation]:
                del self._operators[creation]

    def has_operator(self, creation: int) -> bool:
        """Whether a session that was lost is an operator of its own to this channel (Channel.creation)."""
        return creation in self._operators

    def expire(self, mono: Ms) -> None:
        """Forget what has been kept for its day. The first is the oldest, so this is mostly O(1)."""
        while self._lost:
            token, (until, *_) = next(iter(self._lost.items()))
            if until > mono:
                return
            self._forget(token)

    def inherit(self, former: Resumption, shift: Ms, mono: Ms) -> None:
        """Go on with what an earlier run has lost. `shift`: as Hub.inherit() has it."""
        lost = former._lost.items()
        self._lost = {token: (until + shift, nick, places, account) for token, (until, nick, places, account) in lost}
        self._places, self._operators = former._places, former._operators
        self.expire(mono)

    def values(self) -> Values:
        return list(self._tokens.items()), list(self._lost.items())

    def load(self, values: Values) -> None:
        """The inverse of values()."""
        tokens, lost = values
        self._tokens, self._lost = dict(tokens), dict(lost)
        self._holders = {token: id for id, token in tokens}
        for _, _, places, _ in self._lost.values():
            self._count(places)


def _key(account: str) -> str:
    """The one under which an account's places are kept; it is no token, which has no space."""
    return f"account {fold(account)}" if account else ""


def _operated(places: Places) -> list[int]:
    """The channels that have an operator of their own here (Channel.creation): a server operator's word makes none."""
    return [creation for _, creation, rights, _ in places if rights & (OP | LENT) == OP]
