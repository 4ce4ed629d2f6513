"""What a session had that was lost: by a resume token a new connection of its client has all of it again, and by an
account its owner has the rights in channels.

A client makes a token, and the server has but its SHA-256, which is what is called a token here: redaction has replaced
the one by the other before it came (protocol/redaction.py). Each belongs to one session, or to what one has left behind
that was lost. It gives back at most what that session had, for a day, and only once.

An account has what each of its sessions had when that ended: for a day, each channel by itself, and each only once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

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
        # By token, or by _key() of a place that an account has; in the order in which they were lost.
        self._lost: dict[str, Lost] = {}
        self._of_account: dict[str, dict[str, None]] = {}  # by folded name: the keys of its places, the oldest first
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
        token = self.void(id)
        if not places:
            return False
        if token:
            self._keep(token, (mono + KEPT_MS, nick, places, account))
        keys = [_key(account, place[1]) for place in places if account]
        for key, place in zip(keys, places if keys else (), strict=True):  # each by itself: none prolongs another's day
            if key in self._lost:
                self._forget(key)
            self._keep(key, (mono + KEPT_MS, nick, (place,), account))
            if len(of_account := self._of_account.get(fold(account), {})) > _ACCOUNT_PLACES:
                self._forget(next(iter(of_account)))
        return token in self._lost or any(key in self._lost for key in keys)

    def _keep(self, key: str, lost: Lost) -> None:
        self._lost[key] = lost
        self._index(key, lost)
        self._count(lost[2])
        while self._places > self._most:
            self._forget(next(iter(self._lost)))

    def place(self, account: str, creation: int) -> Place | None:
        """What this account has had in this channel (Channel.creation), and may have again."""
        lost = self._lost.get(_key(account, creation)) if account else None
        return None if lost is None else lost[2][0]

    def take_place(self, account: str, creation: int) -> Place | None:
        """The same; from now on it has it no more: a session has it, or it was taken from them."""
        found = self.place(account, creation)
        if found is not None:
            self._forget(_key(account, creation))
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
        if _is_accounts(token):
            of_account = self._of_account[fold(lost[3])]
            del of_account[token]
            if not of_account:
                del self._of_account[fold(lost[3])]
        return lost

    def _index(self, key: str, lost: Lost) -> None:
        if _is_accounts(key):
            self._of_account.setdefault(fold(lost[3]), {})[key] = None

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

    def forget_accounts(self, known: Container[str]) -> None:
        """Of accounts that are not among these nothing is left: no place, and no token leads back to one."""
        for key, (until, nick, places, account) in list(self._lost.items()):
            if account and account not in known:
                if _is_accounts(key):
                    self._forget(key)
                else:
                    self._lost[key] = until, nick, places, ""

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
        self._places, self._operators, self._of_account = former._places, former._operators, former._of_account
        self.expire(mono)

    def values(self) -> Values:
        return list(self._tokens.items()), list(self._lost.items())

    def load(self, values: Values) -> None:
        """The inverse of values()."""
        tokens, lost = values
        self._tokens, self._lost = dict(tokens), dict(lost)
        self._holders = {token: id for id, token in tokens}
        for key, each in self._lost.items():
            self._index(key, each)
            self._count(each[2])


def _key(account: str, creation: int) -> str:
    """The one under which an account's place in a channel (Channel.creation) is kept."""
    return f"account {creation} {fold(account)}"


def _is_accounts(key: str) -> bool:
    """Whether it is one of those, and no token: that has no space."""
    return " " in key


def _operated(places: Places) -> list[int]:
    """The channels that have an operator of their own here (Channel.creation): a server operator's word makes none."""
    return [creation for _, creation, rights, _ in places if rights & (OP | LENT) == OP]
