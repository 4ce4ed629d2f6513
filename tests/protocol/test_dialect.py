"""protocol/dialect: what holds for every dialect, whatever it speaks."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.chat.channels import Channel
from mpchat.chat.events import Said, TagsSent
from mpchat.chat.hub import Hub
from mpchat.chat.sessions import Session
from mpchat.protocol import irc
from mpchat.protocol.capabilities import CAP_NOTIFY, MESSAGE_TAGS, NAMES
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.dialect import DIALECTS, OF_PROFILE, Dialect
from mpchat.protocol.length_limit import fit
from mpchat.protocol.plain.languages import BITS
from mpchat.settings import ChatSettings
from mpchat.texts import LANGUAGES

dialects = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


@pytest.fixture
def context() -> Context:
    return Context(Hub(ChatSettings(), 0), ChatSettings(), 0, 0, 1_700_000_000_123)


def connected(context: Context, dialect: Dialect) -> Connection:
    return Connection(context.hub.connect(1, "127.0.0.1"), dialect, worker=0, mono=0)


def test_no_two_have_a_wire_profile_in_common() -> None:
    profiles = list(chain.from_iterable(dialect.profiles for dialect in DIALECTS.values()))
    assert len(profiles) == len(set(profiles))
    assert {profile: dialect.name for profile, dialect in OF_PROFILE.items()} == {
        profile: dialect.name for dialect in DIALECTS.values() for profile in dialect.profiles
    }


@dialects
def test_whatever_a_client_can_do_has_a_wire_profile(dialect: Dialect) -> None:
    """What IRC's clients switch on, and the language that people who read plain text choose: other bits."""
    switched_on = [0]
    for bit in NAMES.values():
        if irc.profile(bit):
            switched_on += [bits | bit for bits in switched_on]
    switched_on += [sum(NAMES.values()), sum(NAMES.values()) & ~irc.profile(sum(NAMES.values()))]
    assert len(set(NAMES.values())) == len(NAMES)
    assert not sum(NAMES.values()) & sum(BITS.values())
    assert {dialect.profile(bits | language) for bits in switched_on for language in BITS.values()} == set(
        dialect.profiles
    )


@dialects
def test_a_client_is_looked_after_by_a_probe_or_by_tcp(dialect: Dialect) -> None:
    assert (dialect.probe is None) == dialect.keepalive


@dialects
def test_all_that_is_said_is_whole_lines(dialect: Dialect, context: Context) -> None:
    connection = connected(context, dialect)
    said = [
        dialect.too_long(context, connection),
        dialect.notice(context, connection, "hola"),
        dialect.farewell(connection, "adiós"),
        *(dialect.turned_away("Server is full", language) for language in LANGUAGES),
        *(answer for answer in dialect.greet(context, connection) if isinstance(answer, bytes)),
    ]
    for line in [*said, dialect.stamp(context, connection.profile, said)]:
        assert line.endswith(b"\n")
    for line in said:
        assert line.count(b"\n") == 1


@pytest.mark.parametrize("profile", OF_PROFILE)
def test_a_message_is_a_line_for_each_profile_and_tags_for_those_that_know_any(profile: int, context: Context) -> None:
    ana, room = Session(1, "127.0.0.1"), Channel("#a", 0)
    ana.name("ana")
    dialect = OF_PROFILE[profile]
    said = dialect.render(context, fit(Said(ana, room, "#a", "hola", False, 1)), profile)
    tags = dialect.render(context, TagsSent(ana, room, "#a", "+a=b", 1), profile)

    assert b"hola" in said
    assert said.count(b"\n") == 1
    assert bool(tags) == (b"msgid=" in said) == (dialect.name == "irc" and bool(profile & MESSAGE_TAGS))


@dialects
def test_nothing_is_told_of_an_offer_that_is_as_it_was(dialect: Dialect, context: Context) -> None:
    connection = connected(context, dialect)
    connection.capabilities = CAP_NOTIFY
    offer = dialect.offer(context, connection)
    assert ("cap-notify" in offer) == (dialect.name == "irc")
    assert list(dialect.offer_changed(context, connection, offer)) == []


@dialects
@given(line=st.binary(max_size=40))
def test_what_stands_before_a_secret_holds_none(dialect: Dialect, line: bytes) -> None:
    for data in (line, b"/pass " + line, b"PASS " + line, b":a OPER b " + line, b"RESUME " + line):
        found = dialect.secret_in(data)
        if found is not None:
            assert dialect.secret_in(found[0]) is None
