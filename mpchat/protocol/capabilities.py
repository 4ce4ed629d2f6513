"""IRCv3 capabilities that a client can switch on, as bits, and the wire profiles they make.

A wire profile is all that decides the bytes of a relayed message: two clients of one profile get the same bytes, so a
worker sends them as one group. Capabilities that only change what a client itself is answered are not part of it.
"""

from collections.abc import Collection

ECHO_MESSAGE = 1
SERVER_TIME = 2
MESSAGE_TAGS = 4
BATCH = 8
CHATHISTORY = 16
RESUME = 32
SEARCH = 64
SEARCH_NAME = "soju.im/search"
SASL = 128
REGISTRATION = 256
SASL_NAME = "sasl"
REGISTRATION_NAME = "draft/account-registration"
# From here on behind 1 << 16, a language's of plain text (plain/languages.py).
CAP_NOTIFY = 1 << 17
MULTI_PREFIX = 1 << 18
USERHOST_IN_NAMES = 1 << 19
AWAY_NOTIFY = 1 << 20
EXTENDED_JOIN = 1 << 21
ACCOUNT_NOTIFY = 1 << 22
ACCOUNT_TAG = 1 << 23
SETNAME = 1 << 24
INVITE_NOTIFY = 1 << 25
VERSION_302 = 1 << 26  # the client knows what CAP LS 302 brought, and so has cap-notify for good: no name asks for this
LABELED_RESPONSE = 1 << 27
STANDARD_REPLIES = 1 << 28
READ_MARKER = 1 << 29

NAMES = {
    "account-notify": ACCOUNT_NOTIFY,
    "account-tag": ACCOUNT_TAG,
    "away-notify": AWAY_NOTIFY,
    "batch": BATCH,
    "cap-notify": CAP_NOTIFY,
    REGISTRATION_NAME: REGISTRATION,
    "draft/chathistory": CHATHISTORY,
    "draft/read-marker": READ_MARKER,
    "echo-message": ECHO_MESSAGE,
    "extended-join": EXTENDED_JOIN,
    "invite-notify": INVITE_NOTIFY,
    "labeled-response": LABELED_RESPONSE,
    "message-tags": MESSAGE_TAGS,
    "mpchat.org/resume": RESUME,
    "multi-prefix": MULTI_PREFIX,
    "server-time": SERVER_TIME,
    SASL_NAME: SASL,
    "setname": SETNAME,
    SEARCH_NAME: SEARCH,
    "standard-replies": STANDARD_REPLIES,
    "userhost-in-names": USERHOST_IN_NAMES,
}
_SINCE = {
    "account-notify": 4,
    "account-tag": 4,
    "away-notify": 4,
    "cap-notify": 4,
    REGISTRATION_NAME: 3,
    "draft/read-marker": 4,
    "extended-join": 4,
    "invite-notify": 4,
    "labeled-response": 4,
    "multi-prefix": 4,
    SASL_NAME: 3,
    "setname": 4,
    SEARCH_NAME: 1,
    "standard-replies": 4,
    "userhost-in-names": 4,
}  # the level of the server that brought it (ChatSettings), for those that are not of level 0
BARE = 0  # the wire profile of an IRC client that has asked for nothing
_RELAYED = (
    SERVER_TIME | MESSAGE_TAGS | AWAY_NOTIFY | EXTENDED_JOIN | ACCOUNT_NOTIFY | ACCOUNT_TAG | SETNAME | INVITE_NOTIFY
)


def _sets_of(bits: int) -> tuple[int, ...]:
    """All that can be made of these bits, nothing included."""
    sets = [0]
    for bit in NAMES.values():
        if bit & bits:
            sets += [each | bit for each in sets]
    return tuple(sets)


PROFILES = _sets_of(_RELAYED)


def profile(capabilities: int) -> int:
    """The wire profile of an IRC client with these capabilities."""
    return capabilities & _RELAYED


def listed(capabilities: int) -> str:
    """Their names, as CAP LIST shows them."""
    return " ".join(name for name, bit in NAMES.items() if capabilities & bit)


def offered(level: int, without: Collection[str]) -> dict[str, int]:
    """Those that a server of this level has, by name. `without`: these are not for this client, or not for now."""
    return {name: bit for name, bit in NAMES.items() if level >= _SINCE.get(name, 0) and name not in without}


def changed(capabilities: int, request: str, names: dict[str, int]) -> int | None:
    """What CAP REQ makes of a set: all of the request or, None, nothing of it (IRCv3 capability negotiation).

    Whoever has asked for version 302 keeps cap-notify.
    """
    is_302 = capabilities & VERSION_302
    for word in request.split():
        bit = names.get(word.removeprefix("-"))
        if bit is None:
            return None
        capabilities = capabilities & ~bit if word.startswith("-") else capabilities | bit
    return None if is_302 and not capabilities & CAP_NOTIFY else capabilities
