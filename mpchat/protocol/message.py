"""One IRC message: a line taken apart, and parameters put together (RFC 2812 section 2.3, IRCv3 message-tags).

Pure text in, pure text out. It never judges whether a command exists or makes sense.
"""

from dataclasses import dataclass, field

LINE_BYTES = 512  # CR LF included (RFC 2812 section 2.3)
TAG_BYTES = 4096  # what a client may spend on tags besides, "@" and the space included (message-tags)
BODY_BYTES = LINE_BYTES - 2

_ESCAPES = {":": ";", "s": " ", "r": "\r", "n": "\n"}


@dataclass(slots=True)
class Message:
    """A parsed line. `source` is the prefix without its colon, "" where there was none."""

    command: str
    params: list[str] = field(default_factory=list)
    source: str = ""
    tags: dict[str, str] = field(default_factory=dict)


def parse(line: str) -> Message:
    """Take a line (without its CR LF) apart. The command comes back in upper case, "" for a blank line."""
    tags: dict[str, str] = {}
    source = ""
    if line[:1] in " @:":  # most lines begin with their command
        if line.startswith("@"):
            packed, _, line = line[1:].partition(" ")
            tags = parse_tags(packed)
        line = line.lstrip(" ")
        if line.startswith(":"):
            source, _, line = line[1:].partition(" ")
            line = line.lstrip(" ")
    head, colon, trailing = line.partition(" :")
    params = head.split(" ")
    if "" in params:  # spaces in a row, or a blank line
        params = [word for word in params if word]
    if colon:
        params.append(trailing)
    command = params.pop(0) if params else ""
    return Message(command.upper() if command.isascii() else command, params, source, tags)  # "paß" is not PASS


def parse_tags(packed: str) -> dict[str, str]:
    """Names and values, from between the "@" and the space."""
    tags = {}
    for tag in packed.split(";"):
        name, _, value = tag.partition("=")
        if name:
            tags[name] = _unescape(value) if "\\" in value else value
    return tags


def _unescape(value: str) -> str:
    out = []
    letters = iter(value)
    for letter in letters:
        if letter == "\\":
            letter = next(letters, "")
            letter = _ESCAPES.get(letter, letter)
        out.append(letter)
    return "".join(out)


def build(source: str, command: str, *params: str) -> str:
    """A line without its CR LF. Only the last parameter may be empty, hold spaces or begin with a colon.

    The last one always gets its colon: it is never wrong, and every client is used to it.
    """
    words = [f":{source}", command] if source else [command]
    words.extend(params[:-1])
    if params:
        words.append(":" + params[-1])
    return " ".join(words)


def build_words(source: str, command: str, *words: str) -> str:
    """The same for parameters that are no text. The last one has a colon only if it needs one.

    The grammar allows it always, but clients that split at spaces exist, and read ":+nt" as a mode and ":0" as a time.
    """
    last = words[-1]
    if not last or " " in last or last.startswith(":"):
        return build(source, command, *words)
    return " ".join([f":{source}", command, *words])


def encode(line: str) -> bytes:
    """The bytes of one line for the wire: at most 512 with CR LF, cut between characters if need be."""
    data = line.encode()
    if len(data) > BODY_BYTES:
        data = cut_bytes(data, BODY_BYTES)
    return data + b"\r\n"


def cut(text: str, limit: int) -> str:
    """The longest beginning of `text` whose UTF-8 form has at most `limit` bytes."""
    if len(text) * 4 <= limit:  # no character takes more than four
        return text
    data = text.encode()
    return text if len(data) <= limit else cut_bytes(data, limit).decode()


def cut_bytes(data: bytes, limit: int) -> bytes:
    """The same for bytes that are valid UTF-8."""
    limit = max(limit, 0)
    while limit and limit < len(data) and data[limit] & 0xC0 == 0x80:  # a continuation byte: step back to the start
        limit -= 1
    return data[:limit]
