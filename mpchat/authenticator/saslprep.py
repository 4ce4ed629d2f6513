"""SASLprep (RFC 4013): what a password is made of before a key is derived from it. Pure.

As RFC 5802 (section 2.2) has it, a password is a stored string: no character may be in it that was unassigned in
Unicode 3.2, of which the tables are (RFC 3454). That rules out emoji, which a SCRAM client could not send either.
"""

import stringprep
import unicodedata

# RFC 4013, section 2.3, by the tables of RFC 3454; and A.1: unassigned.
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def saslprep(text: str) -> str | None:
    """The prepared text, "" if nothing is left of it; None if a character may not be in it, or not beside another."""
    if text.isascii() and text.isprintable():
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in text if not stringprep.in_table_b1(letter)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(is_prohibited(letter) for letter in prepared for is_prohibited in _PROHIBITED):
        return None
    if any(map(stringprep.in_table_d1, prepared)):  # written from right to left (RFC 3454, section 6)
        is_mixed = any(map(stringprep.in_table_d2, prepared))
        if is_mixed or not (stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])):
            return None
    return prepared
