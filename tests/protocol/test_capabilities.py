"""protocol/capabilities: all of a request or nothing, and which of them make a wire profile."""

import pytest

from mpchat.protocol.capabilities import (
    CAP_NOTIFY,
    ECHO_MESSAGE,
    NAMES,
    PROFILES,
    SERVER_TIME,
    VERSION_302,
    changed,
    listed,
    offered,
    profile,
)

BOTH = ECHO_MESSAGE | SERVER_TIME
NEWER = {
    *("account-notify", "account-tag", "away-notify", "cap-notify", "extended-join", "invite-notify"),
    *("draft/read-marker", "labeled-response", "multi-prefix", "setname", "standard-replies", "userhost-in-names"),
}


@pytest.mark.parametrize(
    ("held", "request_", "then"),
    [
        (0, "", 0),
        (0, "echo-message", ECHO_MESSAGE),
        (0, "echo-message server-time", BOTH),
        (0, " server-time ", SERVER_TIME),
        (BOTH, "-echo-message", SERVER_TIME),
        (0, "-echo-message", 0),
        (ECHO_MESSAGE, "echo-message", ECHO_MESSAGE),
        (0, "server-time -server-time", 0),
        (BOTH, "-echo-message -server-time", 0),
        (0, "nonsense", None),
        (0, "echo-message nonsense", None),
        (BOTH, "-server-time -nonsense", None),
        (0, "ECHO-MESSAGE", None),  # IRCv3: names are case-sensitive
        (0, "--echo-message", None),
        (0, "-", None),
    ],
)
def test_a_request(held: int, request_: str, then: int | None) -> None:
    assert changed(held, request_, NAMES) == then


def test_listed() -> None:
    assert listed(0) == ""
    assert listed(SERVER_TIME) == "server-time"
    assert listed(BOTH) == "echo-message server-time"


def test_only_what_changes_relayed_bytes_makes_a_profile() -> None:
    assert profile(ECHO_MESSAGE) == profile(0)
    assert profile(SERVER_TIME) == profile(BOTH) != profile(0)
    shown = {"account-notify", "account-tag", "away-notify", "extended-join", "invite-notify", "setname"}
    relayed = [NAMES[name] for name in ("message-tags", "server-time", *shown)]
    assert [bit for bit in NAMES.values() if profile(bit)] == [bit for bit in NAMES.values() if bit in relayed]
    assert len(PROFILES) == len(set(PROFILES)) == 1 << len(relayed)
    assert {profile(bits) for bits in PROFILES} == set(PROFILES)


def test_each_name_has_a_bit_of_its_own() -> None:
    bits = [*NAMES.values(), VERSION_302]
    assert sum(bits) == sum({1 << number for bit in bits for number in range(40) if bit >> number & 1})


def test_no_name_asks_for_version_302() -> None:
    assert listed(VERSION_302) == ""


def test_whoever_knows_302_keeps_cap_notify() -> None:
    held = VERSION_302 | CAP_NOTIFY
    assert changed(held, "-cap-notify", NAMES) is None
    assert changed(held, "server-time -cap-notify", NAMES) is None
    assert changed(held, "-cap-notify cap-notify", NAMES) == held
    assert changed(CAP_NOTIFY, "-cap-notify", NAMES) == 0


def test_an_older_server_offers_what_it_had() -> None:
    assert set(offered(0, ())) == set(NAMES) - {"sasl", "draft/account-registration", "soju.im/search"} - NEWER
    assert set(offered(3, ())) == set(NAMES) - NEWER
    assert offered(4, ()) == NAMES
