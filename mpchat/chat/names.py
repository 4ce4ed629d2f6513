"""Names: which are valid, when two are the same, and which masks match them. Pure.

Nicknames are IRC's ASCII set and, since people are called José and Iñaki, letters and digits of one Unicode script in
NFKC. Two names are the same when their casefolded forms are (the wire announces CASEMAPPING=ascii, the closest word).
"""

import re
import unicodedata
from functools import lru_cache

from mpchat.chat.text import REPLACEMENT

_SPECIAL = frozenset("[]\\`_^{}|")
_NOT_FIRST = frozenset("-0123456789")
_BLANK = frozenset("\u115f\u1160\u3164\uffa0")  # Hangul fillers: letters by category, spaces to the eye
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
    return nick.isascii() or (_looks_like_itself(nick) and _one_script(nick))


def _looks_like_itself(nick: str) -> bool:
    """NFKC: no full-width or mathematical double of another letter; and no letter that shows as nothing."""
    return unicodedata.is_normalized("NFKC", nick) and not any(letter in _BLANK for letter in nick)


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
        and not any(letter in " ,\x07:" + REPLACEMENT for letter in name)
    )


def full_mask(mask: str) -> str:
    """A ban as people type it, completed to nick!user@host."""
    nick, _, rest = mask.partition("!") if "!" in mask or "@" not in mask else ("", "", mask)
    user, _, host = rest.partition("@")
    return f"{nick or '*'}!{user or '*'}@{host or '*'}"


def matches(mask: str, name: str) -> bool:
    """Does `name` match `mask`, where * is any run and ? any one character? Both are compared folded.

    The pieces between the stars are looked for one after the other, each as early as it can be. So a hostile mask costs
    about len(mask) * len(name); one regular expression for "*a*a*a*a*b" would cost a power of that.
    """
    pieces, name = _pieces(fold(mask)), fold(name)
    (first, _), (last, length) = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return first.fullmatch(name) is not None
    found = first.match(name)
    for piece, _ in pieces[1:-1]:
        if found is not None:
            found = piece.search(name, found.end())
    # The last piece can only stand at one place, the end, and must not reach back into the others.
    return found is not None and len(name) - found.end() >= length and last.match(name, len(name) - length) is not None


@lru_cache(maxsize=4096)
def _pieces(mask: str) -> tuple[tuple[re.Pattern[str], int], ...]:
    """What stands between the stars, each with its length."""
    return tuple((re.compile(re.escape(piece).replace(r"\?", "."), re.DOTALL), len(piece)) for piece in mask.split("*"))
