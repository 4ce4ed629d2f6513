"""protocol/capabilities: all of a request or nothing, and which of them make a wire profile."""

import pytest

from mpchat.protocol.capabilities import (
    ECHO_MESSAGE,
    NAMES,
    PROFILES,
    SERVER_TIME,
    changed,
    listed,
    profile,
)

BOTH = ECHO_MESSAGE | SERVER_TIME


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
    assert len({profile(bits) for bits in range(1 << len(NAMES))}) == 4
    assert {profile(bits) for bits in range(1 << len(NAMES))} == set(PROFILES)
