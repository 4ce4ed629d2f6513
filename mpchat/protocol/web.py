"""A browser at the wrong door. A web page can make it send a request to any port of its user's machine or network, and
what a request carries in its body is the page's choice: lines that a server like this one would obey. Pure.
"""

import re

REFUSED = "This is not a web server"  # why such a connection ends, before its next line is looked at

_VERSION = re.compile(rb"HTTP/[0-9](?:\.[0-9]+)?")
_METHODS = frozenset(b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH".split())  # RFC 9110 section 9, RFC 5789
_HOST = b"host:"


def is_request(line: bytes) -> bool:
    """Does a web request begin so? A newcomer's line: who has a name may speak of such things.

    A request line is METHOD TARGET HTTP/1.1 (RFC 9112 section 3); browsers leave no space in a target, others may. One
    that is longer than any line here is never seen, but then the Host header is: each request has it, before its body.
    """
    if b"HTTP/" not in line and b"ost:" not in line.lower():
        return False  # nearly all of them
    line = line.strip()
    if line[: len(_HOST)].lower() == _HOST:
        return True
    head, _, version = line.rpartition(b" ")
    if _VERSION.fullmatch(version) is None:
        return False
    words = head.split()
    return len(words) == 2 or (len(words) > 2 and words[0].upper() in _METHODS)
