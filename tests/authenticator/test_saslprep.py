"""SASLprep: the examples of RFC 4013, section 3, and what scramp's client makes of the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramException
from scramp.utils import saslprep as theirs

from mpchat.authenticator.saslprep import saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", None),
        ("\u0627\u0031", None),
        ("\u0627\u0031\u0628", "\u0627\u0031\u0628"),
        ("a\u00a0b", "a b"),
        ("", ""),
        ("\u0221", None),  # not assigned in Unicode 3.2
        ("\u05d0a\u05d0", None),
        ("\ufeff", ""),
    ],
)
def test_the_examples(text: str, prepared: str | None) -> None:
    assert saslprep(text) == prepared


@given(st.text() | st.text("aA\u05d0\u0627\u00ad\u00a0\uff41\u0303n\u0660"))
def test_a_client_prepares_a_password_in_the_same_way(text: str) -> None:
    try:
        expected = theirs(text)
    except ScramException:
        expected = None
    assert saslprep(text) == expected
