"""Long texts arrive whole, in pieces that fit."""

from hypothesis import given
from hypothesis import strategies as some

from mpchat.client.fitting import fit, room_for
from mpchat.protocol.message import BODY_BYTES, build


@given(some.text(), some.integers(min_value=4, max_value=80))
def test_nothing_is_lost_and_everything_fits(text: str, limit: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    pieces = fit(text, limit)
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= limit for piece in pieces)
    assert all(pieces) or text == ""


def test_words_stay_whole() -> None:
    assert fit("uno dos tres cuatro", 10) == ["uno dos ", "tres ", "cuatro"]


def test_a_word_longer_than_a_message_is_divided() -> None:
    assert fit("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]


def test_an_accent_and_a_joined_emoji_stay_with_what_they_belong_to() -> None:
    assert fit("aaae\u0301", 4) == ["aaa", "e\u0301"]
    family = "👩\u200d👩\u200d👧"
    assert fit("a" * 8 + family, 20) == ["a" * 8, family]


@given(some.sampled_from(["", "ana!~ana@a.host.example"]), some.booleans())
def test_the_line_that_others_get_fits_an_irc_line(mask: str, action: bool) -> None:
    size = room_for(mask, "ana", "#lobby", action)
    text = "x" * size
    relayed = build(mask or "ana!user@host", "PRIVMSG", "#lobby", f"\x01ACTION {text}\x01" if action else text)
    assert len(relayed.encode()) <= BODY_BYTES
