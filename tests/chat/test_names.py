"""chat/names: which names are valid, when two are the same, which masks match."""

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.chat import names
from mpchat.chat.names import fold, full_mask, is_servers_own, look, matches, valid_channel, valid_nick, visible
from tests.core.driver import Driver


@pytest.mark.parametrize(
    "nick",
    [
        "ana",
        "Ana_2",
        "[w]",
        "`^{}|\\",
        "a-b",
        "José",
        "Iñaki",
        "Ñandú",
        "Ωμέγα",
        "Иван",
        "田中さん",
        "カタ田",
        "한글",
        "محمد",
    ],
)
def test_a_nickname(nick: str) -> None:
    assert valid_nick(nick, 30)


@pytest.mark.parametrize(
    ("nick", "why"),
    [
        ("", "empty"),
        ("1ana", "a digit first"),
        ("-ana", "a dash first"),
        ("a b", "a space"),
        ("a!b", "a prefix's sign"),
        ("a@b", "a prefix's sign"),
        ("#ana", "a channel's sign"),
        ("@ana", "a right's sign"),
        ("ana.b", "a server's sign"),
        ("a,b", "a list's sign"),
        ("a*", "a mask's sign"),
        ("a\u0301na", "not NFC: á as two characters"),
        ("\u0430na", "two scripts: a Cyrillic а"),
        ("аnа", "two scripts"),
        ("カ한", "Japanese and Korean, which are not written together"),
        ("ana٣", "a digit of another script"),
        ("ana²", "a superscript"),
        ("an\u200ba", "an invisible space"),
        ("😀", "not a letter"),
        ("ａｎａ", "full-width doubles"),
        ("𝐚𝐧𝐚", "mathematical doubles"),
        ("\u3164\u3164", "letters that show as nothing"),
        ("ana\U00013441", "an Egyptian blank"),
        ("ana\udcff", "a byte that was no text"),
        ("ana\n", "a control character"),
    ],
)
def test_not_a_nickname(nick: str, why: str) -> None:
    assert not valid_nick(nick, 30), why


def test_a_nickname_is_measured_in_bytes() -> None:
    assert valid_nick("a" * 30, 30)
    assert not valid_nick("a" * 31, 30)
    assert valid_nick("ñ" * 15, 30)
    assert not valid_nick("ñ" * 15 + "a", 30)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ana", "aNA"), ("#SALA", "#sala"), ("Ñandú", "ñANDÚ"), ("STRASSE", "straße"), ("Σίγμας", "ΣΊΓΜΑΣ")],
)
def test_the_same_name(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("ana", "aná"), ("a[", "a{"), ("a^", "a~"), ("a\\", "a|"), ("n", "ñ")])
def test_not_the_same_name(one: str, other: str) -> None:
    """Those ASCII pairs are one under CASEMAPPING=rfc1459; ours is announced as ascii."""
    assert fold(one) != fold(other)


DOUBLES = [
    *(
        ("ana", "\u0251na"),
        ("ina", "\u0131na"),
        ("pilar", "p\u0131lar"),
        ("cyd", "\u1d04yd"),
        ("ana", "\u1d00\u0274\u1d00"),
    ),
    *(
        ("cyc", "\u0441\u0443\u0441"),
        ("Ana", "\u0410\u041d\u0410"[:1] + "\u043f\u0430"),
        ("beba", "\u0412\u0435\u0412\u0430"),
    ),
    *(("ANA", "\u0391\u039d\u0391"), ("ava", "\u03b1\u03bd\u03b1"), ("yz", "\u03a5\u0396"), ("ina", "\u0130na")),
    *(
        ("lol", "\u04cf\u043e\u04cf"),
        ("bob", "\u042c\u041e\u042c"),
        ("no", "\u0578\u0585"),
        ("dra", "\u13a0\u13a1\u13aa"),
    ),
    *(
        ("ñandú", "ñ\u0251ndú"),
        ("straße", "str\u0251ße"),
        ("\u0444\u043e", "\u03c6\u03bf"),
        ("cïd", "\u0441\u0457\u0501"),
    ),
]


@pytest.mark.parametrize(("name", "double"), DOUBLES)
def test_names_that_look_alike(name: str, double: str) -> None:
    assert fold(name) != fold(double)
    assert look(name) == look(double)
    assert valid_nick(double, 30)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ana", "aná"), ("n", "ñ"), ("pilar", "piIar"), ("o", "0"), ("Иван", "Ivan"), ("#grupo-Ω", "#grupo-w")],
)
def test_names_that_do_not(one: str, other: str) -> None:
    assert look(one) != look(other)


@given(st.text(max_size=20))
def test_a_name_looks_like_itself_however_it_is_written(name: str) -> None:
    assert look(unicodedata.normalize("NFD", name)) == look(unicodedata.normalize("NFC", name))
    assert look(look(name)) == look(name)


def test_whatever_disguises_a_word_has_the_look_of_a_latin_letter() -> None:
    assert [letter for letter in names._LATIN_SHAPES if not look(letter).isascii()] == []


def test_to_look_at_names_is_cheap() -> None:
    """An ASCII one's look is what is known of it anyway."""
    assert look("Ana") is fold("Ana")


@given(st.text(max_size=20))
def test_folding_is_done_once(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(st.text(max_size=20))
def test_forms_of_one_text_are_one_name(name: str) -> None:
    assert fold(unicodedata.normalize("NFD", name)) == fold(unicodedata.normalize("NFC", name))


@given(st.text(max_size=12))
def test_a_valid_nickname_is_one_visible_word(nick: str) -> None:
    if valid_nick(nick, 30):
        assert nick.isprintable()
        assert not set(nick) & set(" ,:!@#*?+.~&$")
        assert not nick[0].isdigit() or not nick[0].isascii()


@pytest.mark.parametrize(
    "name",
    [
        "#a",
        "##",
        "#sala-1",
        "#ñandú",
        "#😀",
        "#" + "a" * 63,
        "#1ºB",
        "#m²",
        "#50€",
        "#¿qué?",
        "#python教室",
        "#grupo-Ω",
        "#привет",
        "#नमस्ते",
        "#cafe\u0301",
        "#STRASSE",
        "#\u041a\u0430\u0444\u0435chan1",  # Кафе
        "#μC",
        "#Δt",
    ],
)
def test_a_channel_name(name: str) -> None:
    assert valid_channel(name, 64)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "#",
        "a",
        "&a",
        "#a b",
        "#a,b",
        "#a:b",
        "#a\x07",
        "#a\u200e",
        "#a\ufffd",
        "#a\u00a0b",
        "#" + "a" * 64,
        "#" + "ñ" * 32,
        "#\udcff",
    ],
)
def test_not_a_channel_name(name: str) -> None:
    assert not valid_channel(name, 64)


def code_points(*ranges: str) -> list[str]:
    """Written as Unicode's own files write them."""
    ends = [[int(end, 16) for end in ends.split("..")] for ends in ranges]
    return [chr(code) for first, *last in ends for code in range(first, (last or [first])[0] + 1)]


# DerivedCoreProperties.txt: Default_Ignorable_Code_Point. Then what has no ink though it is none of these.
IGNORABLE = code_points(
    *("00AD", "034F", "061C", "115F..1160", "17B4..17B5", "180B..180F", "200B..200F", "202A..202E", "2060..206F"),
    *("3164", "FE00..FE0F", "FEFF", "FFA0", "FFF0..FFF8", "1BCA0..1BCA3", "1D173..1D17A", "E0000..E0FFF"),
)
INKLESS = code_points("2800", "2D7F", "FFFC", "1107F", "13441..13446", "16FE4", "1D159")


@pytest.mark.parametrize("blank", [*IGNORABLE[:200], *INKLESS, "\U000e0041", "\U000e0100", "\U000e0fff"])
def test_what_shows_as_nothing_is_in_no_name(blank: str) -> None:
    for place in ("{}lobby", "lob{}by", "lobby{}", "{0}{0}"):
        assert not valid_channel("#" + place.format(blank), 64)
        assert not valid_nick(place.format(blank), 30)


def test_the_property_has_as_many_characters_as_unicode_says() -> None:
    assert len(IGNORABLE) == 4174


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("#ｌｏｂｂｙ", "full-width doubles"),
        ("#𝐥𝐨𝐛𝐛𝐲", "mathematical doubles"),
        ("#ⅼobby", "a Roman fifty"),
        ("#l\u043ebby", "a Cyrillic о"),
        ("#l\u03bfbby", "a Greek ο"),
        ("#LOBB\u0423", "a Cyrillic У"),
        ("#pas\u0455-lobby", "in one word of several"),
        ("#so\u13ac", "a Cherokee letter"),
        ("#hola…", "three dots in one"),
    ],
)
def test_no_channel_passes_for_another(name: str, why: str) -> None:
    assert not valid_channel(name, 64), why


@given(st.text(st.sampled_from("lobyLOBYſ\u0130ﬀ\u212a\u0301" + "".join(INKLESS + IGNORABLE[:40])), max_size=7))
def test_a_valid_channel_shows_all_of_itself(text: str) -> None:
    if valid_channel("#" + text, 64):
        assert fold(text) == fold("".join(letter for letter in text if letter not in IGNORABLE + INKLESS))


def test_a_name_that_is_not_refused_is_cleaned() -> None:
    assert visible("ro\u3164ot") == "root"
    assert visible("ｒoot\ufe0f") == "root"
    assert visible("José") == "José"


@pytest.mark.parametrize(
    ("typed", "mask"),
    [
        ("ana", "ana!*@*"),
        ("*.example", "*.example!*@*"),
        ("ana!u", "ana!u@*"),
        ("u@host", "*!u@host"),
        ("ana!u@host", "ana!u@host"),
        ("!u", "*!u@*"),
        ("!@host", "*!*@host"),
        ("ana!@", "ana!*@*"),
        ("@", "*!*@*"),
    ],
)
def test_a_ban_is_completed(typed: str, mask: str) -> None:
    assert full_mask(typed) == mask


@pytest.mark.parametrize(
    ("mask", "name", "does"),
    [
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("a*", "", False),
        ("ana", "ANA", True),
        ("ana", "anab", False),
        ("a?a", "aña", True),
        ("a?a", "aa", False),
        ("a*c", "abbbc", True),
        ("a*c", "abbb", False),
        ("*ana*", "xanay", True),
        ("*a*b*c", "aXbYbZc", True),
        ("*aab", "aaab", True),
        ("**?", "a", True),
        ("[ab]", "a", False),
        ("ana!*@127.0.0.*", "Ana!~u@127.0.0.1", True),
        ("ÑANDÚ!*@*", "ñandú!u@h", True),
    ],
)
def test_masks(mask: str, name: str, does: bool) -> None:
    assert matches(mask, name) is does


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_masks_match_as_a_regular_expression_would(mask: str, name: str) -> None:
    pattern = "".join({"*": ".*", "?": "."}.get(letter, letter) for letter in mask)

    assert matches(mask, name) == bool(re.fullmatch(pattern, name))


def test_a_hostile_mask_is_soon_done_with() -> None:
    began = time.process_time()

    assert not matches("*a" * 100 + "*b", "a" * 200)

    assert time.process_time() - began < 1  # 100,000 steps; by backtracking it would be more than there are atoms


def test_a_user_name_shows_all_of_itself_too() -> None:
    ana, beto = Driver().connect(), Driver().connect()

    assert ana.send("NICK ana", "USER ｒo\u3164ot\u2800 0 * :Ana")[0].endswith(" ana!~root@127.0.0.1")
    assert beto.send("NICK beto", "USER \u3164 0 * :Beto")[0].split()[1] == "468"


@pytest.mark.parametrize(
    "name",
    [
        *("NickServ", "nickserv", "CHANSERV", "History"),
        *("NickServ@services.example", "NickServ!x@y", "history%host"),
        *("N1ckServ", "NlckServ", "N|ckServ", "Hist0ry"),
        *("n\u0131ckserv", "h\u00edstory", "Chan\u0161erv", "hi\u0301story"),
        *("\uff2eickserv", "N\u0456ckServ", "\u039dickServ", "\u0397istory", "ch\u03b1nserv", "Nick\u0405erv"),
        *("Nick\u200bServ", "Nick\x00Serv", "Nick\u00adServ"),
    ],
)
def test_what_belongs_to_the_server(name: str) -> None:
    assert is_servers_own(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "@",
        "@NickServ",
        "nick",
        "serv",
        "nickserver",
        "historia",
        "#history",
        "ana",
        "histori",
        "nickserv_",
        "x!NickServ",
    ],
)
def test_what_does_not(name: str) -> None:
    assert not is_servers_own(name)


@given(name=st.text(st.characters(codec="utf-8"), max_size=12))
def test_whoever_has_such_a_name_in_other_letters_has_it(name: str) -> None:
    assert is_servers_own(name) == is_servers_own(name.swapcase() if name.isascii() else name)
