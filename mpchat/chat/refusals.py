"""Refusals: why a request was not granted. Each dialect renders them (numerics in IRC, sentences in plain text)."""

from enum import Enum, auto


class Reason(Enum):
    """Behind each reason: the values of Refusal.about."""

    NO_SUCH_NICK = auto()  # the nickname
    NO_SUCH_CHANNEL = auto()  # the name
    BAD_CHANNEL_NAME = auto()  # the name
    TOO_MANY_CHANNELS = auto()  # the channel
    CANNOT_SAY = auto()  # the channel
    NOT_ON_CHANNEL = auto()  # the channel, of which the requesting session is no member
    NOT_THERE = auto()  # nickname, channel: that session is no member
    ALREADY_THERE = auto()  # nickname, channel
    NOT_OPERATOR = auto()  # the channel
    CHANNEL_FULL = auto()  # the channel
    INVITE_ONLY = auto()  # the channel
    BANNED = auto()  # the channel
    BAD_KEY = auto()  # the channel
    OPERATOR_UNINVITED = auto()  # the channel, which a server operator enters only when a member invites them
    BAN_LIST_FULL = auto()  # channel, mask
    BAD_MODE_VALUE = auto()  # channel, letter, value, what is wrong
    UNKNOWN_MODE = auto()  # the letter
    NO_NICK = auto()  # nothing
    BAD_NICK = auto()  # the nickname
    NICK_TAKEN = auto()  # the nickname
    NICK_OWNED = auto()  # the nickname, which is that of an account, or a double of it
    NICK_RESERVED = auto()  # the nickname, which belongs to the server
    NICK_REMOVED = auto()  # the nickname, why and for how long
    NICK_TOO_FAST = auto()  # the nickname, for how long none is taken
    BAD_SERVER_BAN = auto()  # the mask, what is wrong
    NO_TEXT = auto()  # nothing


class Refusal(Exception):
    """Raised before anything was changed: a refused request leaves the chat as it was."""

    def __init__(self, reason: Reason, *about: str) -> None:
        super().__init__(reason.name, *about)
        self.reason = reason
        self.about = about
