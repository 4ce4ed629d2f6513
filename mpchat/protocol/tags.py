"""Message tags (IRCv3 message-tags): those we put before a line, and those a client sends for other clients.

A message's id is its number, behind when the numbers began: so the ids of a server that has forgotten everything are
not taken for those it gave before.
"""

import re
from dataclasses import dataclass

from mpchat.chat.text import clean
from mpchat.protocol.capabilities import ACCOUNT_TAG, MESSAGE_TAGS, SERVER_TIME
from mpchat.protocol.clock import timestamp

LINE_ID = "+mpchat.org/id"  # how a client numbers its lines, so that it can send them again: name.number
_FOR_OTHERS = re.compile(r"\+(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9-]+")  # a client-only tag: its vendor, and its name
_LINE_ID = re.compile(r"([A-Za-z0-9]{8,32})\.([0-9]{1,15})")
_MESSAGE_ID = re.compile(r"([0-9a-z]{1,12})-([0-9a-z]{1,12})")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ESCAPED = str.maketrans({";": r"\:", " ": r"\s", "\\": r"\\", "\r": r"\r", "\n": r"\n"})


def bot_tag(is_bot: bool) -> str:
    """Whether a program has sent it that says so of itself (IRCv3 bot mode)."""
    return "bot" if is_bot else ""


def before_line(*tags: str) -> bytes:
    """Tags as they stand before a line. "" is none, and without any nothing stands there."""
    some = ";".join([tag for tag in tags if tag])
    return f"@{some} ".encode() if some else b""


def before_message(profile: int, wall: int, born: int, number: int, *others: str, account: str) -> bytes:
    """What a client of this wire profile reads before a message. `others` are for who understands tags.

    A client's come last: they stand behind ours, so that they displace none. `account`: the sender's, "" for none.
    """
    ours = [time_tag(profile, wall), id_tag(profile, born, number)]
    if account and profile & ACCOUNT_TAG:  # IRCv3 account-tag
        ours.append(f"account={account.translate(_ESCAPED)}")
    return before_line(*ours, *others) if profile & MESSAGE_TAGS else before_line(*ours)


def time_tag(profile: int, wall: int) -> str:
    """When it was said (wall ms), if that is wanted."""
    return f"time={timestamp(wall)}" if profile & SERVER_TIME else ""


def id_tag(profile: int, born: int, number: int) -> str:
    """Which message it is, if that is wanted; 0: no number is known."""
    return f"msgid={message_id(born, number)}" if number and profile & MESSAGE_TAGS else ""


def label_tag(label: str) -> str:
    """A label as the client itself may have written it (IRCv3 labeled-response)."""
    return f"label={label.translate(_ESCAPED)}"


def message_id(born: int, number: int) -> str:
    """`born`: when the numbers began, in wall ms."""
    return f"{_base36(born)}-{_base36(number)}"


def number_of(born: int, id: str) -> int | None:
    """The inverse of message_id(); None for what is no id of ours."""
    found = _MESSAGE_ID.fullmatch(id)
    return int(found[2], 36) if found is not None and int(found[1], 36) == born else None


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


@dataclass(frozen=True)
class ClientTags:
    """What a client wants told to other clients, as it is written; and, if it numbers its lines, which line it is.

    Nobody else sees `id`, the tag that says so: who knew a client's name for its lines could send some under it.
    """

    relayed: str = ""
    id: str = ""
    run: str = ""
    line: int = 0


def client_tags(tags: dict[str, str]) -> ClientTags:
    """Those of a line's tags that are meant for others: what is not, or has no proper name, stays here."""
    relayed = ";".join([_written(*tag) for tag in tags.items() if _FOR_OTHERS.fullmatch(tag[0]) and tag[0] != LINE_ID])
    found = _LINE_ID.fullmatch(tags.get(LINE_ID, ""))
    if found is None:
        return ClientTags(relayed)
    return ClientTags(relayed, f"{LINE_ID}={found[0]}", found[1], int(found[2]))


def _written(name: str, value: str) -> str:
    value = clean(value.replace("\t", "").translate(_ESCAPED))  # a line end in it is written as it was, and harmless
    return f"{name}={value}" if value else name
