"""Names: which are valid, when two are the same, and which masks match them. Pure.

Nicknames are IRC's ASCII set and, since people are called José and Iñaki, letters and digits of one Unicode script in
NFC. Two names are the same when their casefolded forms are (the wire announces CASEMAPPING=ascii, the closest word).
"""

import unicodedata
from functools import lru_cache

_SPECIAL = frozenset("[]\\`_^{}|")
_NOT_FIRST = frozenset("-0123456789")
# Scripts that are written together.
_TOGETHER = (frozenset({"CJK", "HIRAGANA", "KATAKANA"}), frozenset({"CJK", "HANGUL"}))


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """The form in which names are compared."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def valid_nick(nick: str, limit: int) -> bool:
    """May somebody be called this? `limit` is in UTF-8 bytes."""
    if not nick or nick[0] in _NOT_FIRST or len(nick.encode()) > limit:
        return False
    if not all(letter in _SPECIAL or letter == "-" or letter.isalnum() for letter in nick):
        return False
    return nick.isascii() or (unicodedata.is_normalized("NFC", nick) and _one_script(nick))


def _one_script(nick: str) -> bool:
    # unicodedata has no script property; the first word of a letter's name tells it ("CYRILLIC SMALL LETTER A").
    scripts = {unicodedata.name(letter, "?").split("-")[0].split()[0] for letter in nick if letter.isalpha()}
    digits = all(letter.isascii() for letter in nick if letter.isnumeric() and not letter.isalpha())
    return digits and (len(scripts) <= 1 or any(scripts <= group for group in _TOGETHER))


def valid_channel(name: str, limit: int) -> bool:
    """May a channel be called this? RFC 2812 section 1.3, narrowed to what can be seen. `limit` is in bytes."""
    return (
        len(name) > 1
        and name[0] == "#"
        and len(name.encode()) <= limit
        and name.isprintable()
        and not any(letter in " ,\x07:" for letter in name)
    )


def full_mask(mask: str) -> str:
    """A ban as people type it, completed to nick!user@host."""
    if "!" not in mask:
        mask = f"*!{mask}" if "@" in mask else f"{mask}!*"
    return mask if "@" in mask else f"{mask}@*"


def matches(mask: str, name: str) -> bool:
    """Does `name` match `mask`, where * is any run and ? any one character? Both are compared folded.

    Greedy with one step back, so a hostile mask costs len(mask) * len(name) at most; a regular expression for
    "*a*a*a*a*b" would cost a power of it.
    """
    mask, name = fold(mask), fold(name)
    at = star = -1
    i = j = 0
    while j < len(name):
        if i < len(mask) and mask[i] == "*":
            star, at = i, j
            i += 1
        elif i < len(mask) and mask[i] in ("?", name[j]):
            i += 1
            j += 1
        elif star >= 0:
            at += 1
            i, j = star + 1, at
        else:
            return False
    return all(letter == "*" for letter in mask[i:])
