"""Labels (IRCv3 labeled-response): a client names a line, and finds the name at what answers it. Pure.

An answer of one line has the label itself; one of several lines is a batch that has it; and a line that nothing answers
is acknowledged. To anybody else a label is nothing.
"""

import re

from mpchat.protocol.capabilities import BATCH, LABELED_RESPONSE
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.message import encode, parse_tags
from mpchat.protocol.tags import before_line, label_tag, time_tag

LABEL_BYTES = 64  # as the specification says
_NEEDED = LABELED_RESPONSE | BATCH  # a client may ask for them in any order
_BATCH = "label"  # one name does for all: no line is dealt with before the last one's answer is whole
_IN_BATCH = f"batch={_BATCH}".encode()
_BEGINNING = re.compile(rb"(?:@[^ ]+ )?:[^ ]+ BATCH \+([^ ]+) .*\r\n")


def label_of(capabilities: int, line: bytes) -> str:
    """The label of a line that begins with "@". "": it has none that can be one, or its client knows no labels."""
    if _NEEDED & ~capabilities:
        return ""
    try:
        tags = line[1:].partition(b" ")[0].decode()
    except UnicodeDecodeError:
        return ""
    label = parse_tags(tags).get("label", "")
    return label if len(label.encode()) <= LABEL_BYTES else ""


def under_label(context: Context, connection: Connection, lines: list[bytes], is_whole: bool) -> bytes:
    """These lines, which answer a connection's labelled line, as it reads them; and the connection knows what is open.

    `is_whole`: no more of the answer follows. Only what follows itself must be in a batch already.
    """
    label, has_begun = label_tag(connection.label), connection.is_batch_open
    connection.is_batch_open = not is_whole and (has_begun or bool(lines))
    if is_whole and not has_begun:
        if not lines:
            return _line(context, connection, "ACK", label)
        if len(lines) == 1 or _is_one_batch(lines):
            return b"".join([_tagged(label.encode(), lines[0]), *lines[1:]])
    told = [line if _is_in_batch(line) else _tagged(_IN_BATCH, line) for line in lines]
    if lines and not has_begun:
        told.insert(0, _line(context, connection, f"BATCH +{_BATCH} labeled-response", label))
    if is_whole:
        told.append(_line(context, connection, f"BATCH -{_BATCH}", ""))
    return b"".join(told)


def _line(context: Context, connection: Connection, words: str, tag: str) -> bytes:
    return before_line(tag, time_tag(connection.profile, context.wall)) + encode(f":{context.settings.name} {words}")


def _tagged(tag: bytes, line: bytes) -> bytes:
    """With this tag before its others, if it has any."""
    return b"@" + tag + (b";" + line[1:] if line.startswith(b"@") else b" " + line)


def _is_in_batch(line: bytes) -> bool:
    """In another one, which is itself in ours: its beginning and its end say so (IRCv3 batch)."""
    return line.startswith(b"@") and any(tag.startswith(b"batch=") for tag in line[1:].partition(b" ")[0].split(b";"))


def _is_one_batch(lines: list[bytes]) -> bool:
    """Whether they are a batch of another type, from its beginning to its end: then that has the label."""
    found = _BEGINNING.fullmatch(lines[0])
    if found is None:
        return False
    end = b" BATCH -" + found[1] + b"\r\n"
    return [number for number, line in enumerate(lines, 1) if line.endswith(end)][:1] == [len(lines)]
