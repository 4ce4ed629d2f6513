"""Names: which are valid, when two are the same, and which masks match them. Pure.

Nicknames are IRC's ASCII set and, since people are called José and Iñaki, letters and digits of one Unicode script in
NFKC. Two names are the same when their casefolded forms are (the wire announces CASEMAPPING=ascii, the closest word).
Of two that have one look() only one is in use at a time. A channel's name may have more in it, emoji too, but no
invisible character and none that passes for another one: a name that looks like `#lobby` is #lobby.
"""

import re
import unicodedata
from functools import lru_cache

from mpchat.chat.text import REPLACEMENT

_SPECIAL = frozenset("[]\\`_^{}|")
_NOT_FIRST = frozenset("-0123456789")
# Invisible characters. First Default_Ignorable_Code_Point, which unicodedata does not have (Unicode 16.0,
# DerivedCoreProperties.txt): soft hyphen, joiners, fillers, bidirectional marks, variation selectors, tags.
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Then letters, marks and symbols without ink: Braille's empty cell, joiners and fillers of single scripts (Tifinagh,
# Brahmi, Khitan), Egyptian blanks, a musical null note head, and the place of an object that is not there.
_INKLESS = "\u2800\u2d7f\ufffc\U0001107f\U00013441-\U00013446\U00016fe4\U0001d159"
_NOTHING = re.compile(f"[{_IGNORABLE}{_INKLESS}]")
_WORDS = re.compile(r"[^\W\d_]+")
_IN_FRONT = re.compile(r"[^!%@]+")
_UNSEEN = ("Cc", "Cf", "Mn", "Me")  # control and format characters, and marks, which are easily overlooked
# Compatibility characters (UnicodeData.txt) that look like what they stand for. A superscript or a circle is seen.
_DOUBLES = ("<compat>", "<font>", "<wide>", "<narrow>", "<small>", "<square>", "<vertical>", "<initial>", "<medial>",
            "<final>", "<isolated>", "<noBreak>")  # fmt: skip
# Scripts that are written together.
_TOGETHER = (frozenset({"CJK", "HIRAGANA", "KATAKANA"}), frozenset({"CJK", "HANGUL"}))
# Letters with the shape of a Latin one (Unicode's confusables.txt, those of everyday letters).
_LATIN_SHAPES = frozenset(
    # Cyrillic, small and capital
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u04cf\u051b\u051d\u0475\u043a\u0454\u0491"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405\u050c\u04c0\u051a\u051c\u0474\u0417"
    # Greek
    "\u03b1\u03b3\u03b9\u03ba\u03bd\u03bf\u03c1\u03c5\u03f2\u03f3"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03f9\u037f"
    # Armenian
    "\u0566\u0570\u0578\u057d\u0581\u0585\u0555\u054d\u053c"
)
_ALL_SHAPES = ("CHEROKEE", "COPTIC", "LISU")  # scripts in which most letters have one

SERVICE, NICKSERV = "history", "NickServ"  # the nicknames that the server answers to
# Those, and the service of other servers, to which people send passwords too.
_SERVERS_OWN = frozenset({NICKSERV.lower(), "chanserv", SERVICE})
# What passes for a letter of theirs, casefolded and without marks: digits and a stroke, Cyrillic, Greek, Armenian.
_PASSES_FOR = str.maketrans(
    "01|l\u0131\u0430\u0441\u0435\u043d\u0456\u043a\u043f\u043e\u0433\u0455\u0442\u0443\u0475\u04af\u04bb"
    "\u03b1\u03b7\u03b9\u03ba\u03bd\u03bf\u03c4\u03b3\u03f2\u0570\u0578\u0585",
    "oiiiiacehiknorstyvyhanikvotychno",
)
_CAPITALS = str.maketrans("\u0397\u039d\u03a5", "HNY")  # Greek ones that pass for another letter than their small ones
# Of each letter its doubles, casefolded: in Latin (without a dot, small capitals...), Cyrillic, Greek, Armenian,
# Cherokee, Lisu, Coptic. Newer than the tables above, by which is decided what the records of any server come to.
_DOUBLES_OF = {
    "a": "\u0251\u03b1\u0430\u13aa\u1d00\ua4ee",
    "b": "\u0185\u0299\u03b2\u0432\u044c\u13cf\u13f4\ua4d0",
    "c": "\u03f2\u0441\u13df\u1d04\u2ca5\ua4da",
    "d": "\u0501\u13a0\u13e7\u1d05\ua4d3",
    "e": "\u03b5\u0435\u0454\u04bd\u13ac\u1d07\ua4f0",
    "f": "\u0192\u03dd\ua4dd\ua730\uab35",
    "g": "\u0261\u0262\u050d\u0581\u13c0\u13f3\ua4d6",
    "h": "\u029c\u043d\u04bb\u0570\u13bb\u13c2\u2c8f\ua4e7",
    "i": "\u0131\u0269\u026a\u03b9\u0456\u13a5\u2c93\ua4f2\ua647",
    "j": "\u0237\u03f3\u0458\u0575\u13ab\u1d0a\ua4d9",
    "k": "\u03ba\u043a\u13e6\u1d0b\u2c95\ua4d7",
    "l": "\u01c0\u029f\u04cf\u056c\u13de\ua4e1\ua781",
    "m": "\u043c\u13b7\u1d0d\u2c99\ua4df",
    "n": "\u0274\u03b7\u03c0\u043f\u0578\u057c\u2c9b\ua4e0",
    "o": "\u03bf\u03c3\u043e\u0585\u1d0f\u1d11\u2c9f\ua4f3",
    "p": "\u01bf\u03c1\u0440\u13e2\u1d18\u2ca3\ua4d1",
    "q": "\u051b\u0566\ua7af",
    "r": "\u0280\u0433\u0491\u13a1\u13d2\ua4e3\uab47\uab48",
    "s": "\u01bd\u0455\u13d5\u13da\ua4e2\ua731",
    "t": "\u03c4\u0442\u13a2\u1d1b\u2ca7\ua4d4",
    "u": "\u028b\u03c5\u057d\u1d1c\ua4f4\uab4e\uab52",
    "v": "\u03bd\u0475\u13d9\u1d20\ua4e6",
    "w": "\u026f\u0461\u051d\u0561\u13b3\u13d4\u1d21\ua4ea",
    "x": "\u03c7\u0445\u2cad\ua4eb",
    "y": "\u0263\u028f\u03b3\u0443\u04af\u13a9\u13bd\u2ca9\ua4ec\uab5a",
    "z": "\u13c3\u1d22\ua4dc",
    "3": "\u0437",
    "4": "\u13ce",
    "6": "\u0431",
    "\u0444": "\u03c6",
}
_LOOKS = str.maketrans({double: letter for letter, doubles in _DOUBLES_OF.items() for double in doubles})
# Capitals with another shape than their small ones have: Greek Gamma (as a Cyrillic one), Zeta, Mu, Nu, Eta, Upsilon.
_CAPITAL_LOOKS = str.maketrans("\u0393\u0396\u039c\u039d\u0397\u03a5", "\u0413ZMNHY")


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """The form in which names are compared."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def look(name: str) -> str:
    """The form in which names are compared by eye: in it a letter with the shape of a Latin one is that one.

    Of an ASCII name it is the folded one: what is l, I or 1, a terminal's type tells. Marks are seen.
    """
    if name.isascii():
        return fold(name)
    shown = unicodedata.normalize("NFD", fold(name.translate(_CAPITAL_LOOKS))).translate(_LOOKS)
    return unicodedata.normalize("NFC", shown.replace("i\u0307", "i"))  # a dot on its dot: of a Turkish capital


def valid_nick(nick: str, limit: int) -> bool:
    """Whether this may be a nickname. `limit` is in UTF-8 bytes."""
    if not nick or nick[0] in _NOT_FIRST:
        return False
    if not all(letter in _SPECIAL or letter == "-" or letter.isalnum() for letter in nick):
        return False  # nor is a surrogate, which stands for a byte that was no text: from here on there are bytes
    if len(nick.encode()) > limit:
        return False
    return nick.isascii() or (_looks_like_itself(nick) and _one_script(nick))


def mixes_scripts(nick: str) -> bool:
    """Would this be a nickname, if its letters were of one script? One of them may look like another."""
    return nick.isalnum() and not nick.isascii() and not _one_script(nick)


def _looks_like_itself(nick: str) -> bool:
    """In NFKC: no full-width or mathematical double of another letter; and without invisible letters."""
    return unicodedata.is_normalized("NFKC", nick) and _NOTHING.search(nick) is None


def _one_script(nick: str) -> bool:
    # unicodedata has no script property; the first word of a letter's name tells it ("CYRILLIC SMALL LETTER A").
    scripts = {unicodedata.name(letter, "?").split("-")[0].split()[0] for letter in nick if letter.isalpha()}
    digits = all(letter.isascii() for letter in nick if letter.isnumeric() and not letter.isalpha())
    return digits and (len(scripts) <= 1 or any(scripts <= group for group in _TOGETHER))


@lru_cache(maxsize=4096)
def is_servers_own(name: str) -> bool:
    """Whether this name, or the nickname in front of its `!`, `%` or `@`, belongs to the server or passes for one.

    No client may take it. What is sent to it reaches no one, but for what the server itself answers (SERVICE,
    NICKSERV): it is likely to be a password.
    """
    if name.isascii() and name.isprintable() and name[:1] not in "CHNchn":
        return False  # most are so, and the rest takes fifty times longer
    shown = unicodedata.normalize("NFKC", name).translate(_CAPITALS)
    nick = _IN_FRONT.match(unicodedata.normalize("NFD", shown.casefold()))
    seen = [letter for letter in nick[0] if unicodedata.category(letter) not in _UNSEEN] if nick else []
    return _NOTHING.sub("", "".join(seen)).translate(_PASSES_FOR) in _SERVERS_OWN


def is_nickserv(target: str) -> bool:
    """Whether this is the service that knows accounts; clients may name the server behind it (NickServ@services)."""
    return target.partition("@")[0].lower() == NICKSERV.lower()


def valid_channel(name: str, limit: int) -> bool:
    """Whether this may be a channel's name: RFC 2812 section 1.3, narrowed to what can be seen. `limit` is in bytes."""
    return (
        len(name) > 1
        and name[0] == "#"
        and name.isprintable()  # so there is no surrogate in it, and it has bytes
        and len(name.encode()) <= limit
        and not any(letter in " ,\x07:" + REPLACEMENT for letter in name)
        and (name.isascii() or _is_no_double(name))
    )


def _is_no_double(name: str) -> bool:
    """Whether it has no invisible character, and none that is taken for another one.

    In nicknames scripts are not mixed; here they may be (#python教室), but a word of Latin letters has no letter of
    another script just for its Latin shape.
    """
    if _NOTHING.search(name) is not None:
        return False
    # Of the folded name: what folding makes one letter of is one name, as it should be.
    if any(unicodedata.decomposition(letter).startswith(_DOUBLES) for letter in fold(name)):
        return False
    return not any(_is_disguised(word) for word in _WORDS.findall(name))


def _is_disguised(word: str) -> bool:
    """Whether it has Latin letters, and among them others, each of which could be taken for a Latin one."""
    others = [letter for letter in word if not unicodedata.name(letter, "").startswith("LATIN")]
    return 0 < len(others) < len(word) and all(
        letter in _LATIN_SHAPES or unicodedata.name(letter, "").startswith(_ALL_SHAPES) for letter in others
    )


def visible(name: str) -> str:
    """A self-chosen name that need not be refused (a real name): in NFKC, without invisible characters."""
    return name if name.isascii() else _NOTHING.sub("", unicodedata.normalize("NFKC", name))


def full_mask(mask: str) -> str:
    """A ban as people type it, completed to nick!user@host."""
    nick, _, rest = mask.partition("!") if "!" in mask or "@" not in mask else ("", "", mask)
    user, _, host = rest.partition("@")
    return f"{nick or '*'}!{user or '*'}@{host or '*'}"


def matches(mask: str, name: str) -> bool:
    """Whether `name` matches `mask`, in which * is any run and ? any one character; both folded.

    The pieces between the stars are searched for one after the other, each as early as possible: a hostile mask costs
    O(len(mask) * len(name)), where the backtracking of one regular expression for "*a*a*a*a*b" would be exponential.
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
    """The pieces between the stars, each with its length."""
    return tuple((re.compile(re.escape(piece).replace(r"\?", "."), re.DOTALL), len(piece)) for piece in mask.split("*"))
