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
READ_MARKER = 1 << 29  # 1 << 16 is a language's of plain text (plain/languages.py)

NAMES = {
    "batch": BATCH,
    REGISTRATION_NAME: REGISTRATION,
    "draft/chathistory": CHATHISTORY,
    "draft/read-marker": READ_MARKER,
    "echo-message": ECHO_MESSAGE,
    "message-tags": MESSAGE_TAGS,
    "mpchat.org/resume": RESUME,
    "server-time": SERVER_TIME,
    SASL_NAME: SASL,
    SEARCH_NAME: SEARCH,
}
_SINCE = {
    REGISTRATION_NAME: 3,
    "draft/read-marker": 4,
    SASL_NAME: 3,
    SEARCH_NAME: 1,
}  # the level of the server that brought it (ChatSettings), for those that are not of level 0
BARE = 0  # the wire profile of an IRC client that has asked for nothing
_RELAYED = SERVER_TIME | MESSAGE_TAGS
PROFILES: tuple[int, ...] = (0, SERVER_TIME, MESSAGE_TAGS, SERVER_TIME | MESSAGE_TAGS)


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
    """What CAP REQ makes of a set: all of the request or, None, nothing of it (IRCv3 capability negotiation)."""
    for word in request.split():
        bit = names.get(word.removeprefix("-"))
        if bit is None:
            return None
        capabilities = capabilities & ~bit if word.startswith("-") else capabilities | bit
    return capabilities
