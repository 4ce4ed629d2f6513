"""Bans of the whole server: what is a mask or a network, whom it meets, and how long."""

from __future__ import annotations

import pytest

from mpchat.chat.bans import Bans, Kind, canonical, mask_meets, network_meets

NOW = 1_700_000_000_000
MINUTE = 60_000
BY = "root!~root@127.0.0.1"


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        ("K", "troll@192.0.2.7", "troll@192.0.2.7"),
        ("K", "*@192.0.2.*", "*@192.0.2.*"),
        ("K", "t?oll*@*", "t?oll*@*"),
        ("K", "*@::1", "*@0::1"),
        ("D", "192.0.2.7", "192.0.2.7"),
        ("D", "192.0.2.7/32", "192.0.2.7"),
        ("D", "192.0.2.7/24", "192.0.2.0/24"),
        ("D", "2001:DB8::7", "2001:db8::7"),
        ("D", "2001:db8::7/32", "2001:db8::/32"),
        ("D", "0::1", "0::1"),
        ("D", "::1", "0::1"),
        ("D", "::ffff:192.0.2.7", "192.0.2.7"),
        ("D", "::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_what_is_kept_of_what_is_typed(kind: Kind, typed: str, kept: str) -> None:
    assert canonical(kind, typed, 160) == kept
    assert canonical(kind, kept, 160) == kept, "so it can be lifted as it is listed"


@pytest.mark.parametrize("typed", ["*@*", "?@*", "*@*.*", "*@*:*", "~*@*", "*@?.?.?.?"])
def test_a_mask_that_meets_everybody_is_none(typed: str) -> None:
    with pytest.raises(ValueError, match="everybody"):
        canonical("K", typed, 160)


@pytest.mark.parametrize("typed", ["0.0.0.0/0", "::/0", "192.0.2.7/0", "::ffff:0:0/96"])
def test_a_network_of_all_addresses_is_none(typed: str) -> None:
    with pytest.raises(ValueError, match="everybody"):
        canonical("D", typed, 160)


@pytest.mark.parametrize(
    "typed",
    ["troll", "@192.0.2.7", "troll@", "a@b@c", "nick!user@host", ":a@b", "a b@c", "a@\x1bb", "a" * 200 + "@b", ""],
)
def test_what_is_no_mask(typed: str) -> None:
    with pytest.raises(ValueError, match="Not a mask"):
        canonical("K", typed, 160)


@pytest.mark.parametrize(
    "typed", ["", "10", "bad.example", "192.0.2.256", "192.0.2.7/33", "fe80::1%eth0", "1.2.3", "*"]
)
def test_what_is_no_network(typed: str) -> None:
    with pytest.raises(ValueError, match="Not an address"):
        canonical("D", typed, 160)


@pytest.mark.parametrize(
    ("mask", "user", "host", "meets"),
    [
        ("troll@192.0.2.7", "~troll", "192.0.2.7", True),
        ("~troll@192.0.2.7", "~troll", "192.0.2.7", True),
        ("TROLL@*", "~Troll", "192.0.2.7", True),
        ("troll@192.0.2.7", "~troll2", "192.0.2.7", False),
        ("troll@192.0.2.7", "~troll", "192.0.2.77", False),
        ("*@192.0.2.?", "~ana", "192.0.2.7", True),
        ("*@192.0.2.?", "~ana", "192.0.2.77", False),
        ("*@0::1", "~ana", "0::1", True),
        ("*ñ*@*", "~español", "192.0.2.7", True),
        ("?na@*", "~ana", "192.0.2.7", True),
        ("?ana@*", "~ana", "192.0.2.7", True),
        ("?@192.0.2.7", "~ana", "192.0.2.7", False),
        ("ana@*", "ana", "192.0.2.7", True),
        ("~ana@*", "ana", "192.0.2.7", False),
    ],
)
def test_whom_a_mask_meets(mask: str, user: str, host: str, meets: bool) -> None:
    assert mask_meets(mask, user, host) is meets


@pytest.mark.parametrize(
    ("network", "host", "meets"),
    [
        ("192.0.2.0/24", "192.0.2.0", True),
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "192.0.3.0", False),
        ("192.0.2.0/24", "192.0.1.255", False),
        ("192.0.2.0/24", "::ffff:192.0.2.9", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("0::1", "0::1", True),
        ("0.0.0.0/1", "0::1", False),
        ("192.0.2.0/24", "no-address", False),
    ],
)
def test_whom_a_network_meets(network: str, host: str, meets: bool) -> None:
    assert network_meets(network, host) is meets


def test_a_ban_ends_by_the_wall_clock() -> None:
    bans = Bans()
    bans.add("K", "troll@*", "spam", BY, NOW, NOW + MINUTE)
    bans.add("D", "192.0.2.7", "spam", BY, NOW, NOW + 2 * MINUTE)
    bans.add("D", "192.0.2.8", "for ever", BY, NOW, 0)
    for wall, left in ((NOW + MINUTE - 1, 3), (NOW + MINUTE, 2), (NOW + 2 * MINUTE, 1), (NOW + 10**12, 1)):
        bans.expire(wall)
        assert len(bans) == left
    assert bans.network_of("192.0.2.8") is not None


def test_a_clock_that_is_set_back_makes_it_longer_and_brings_none_back() -> None:
    bans = Bans()
    bans.add("K", "first@*", "spam", BY, NOW, NOW + MINUTE)
    bans.add("K", "second@*", "spam", BY, NOW, NOW + 5 * MINUTE)
    bans.expire(NOW + 2 * MINUTE)
    bans.expire(NOW - 60 * MINUTE)
    assert bans.mask_on("~first", "192.0.2.7") is None
    assert bans.mask_on("~second", "192.0.2.7") is not None
    bans.expire(NOW + 5 * MINUTE)
    assert bans.mask_on("~second", "192.0.2.7") is None


def test_set_anew_it_has_the_new_reason_and_end() -> None:
    bans = Bans()
    bans.add("K", "Troll@*", "once", BY, NOW, NOW + MINUTE)
    again = bans.add("K", "troll@*", "twice", BY, NOW, 0)
    bans.expire(NOW + MINUTE)
    assert list(bans.of["K"].values()) == [again]


def test_lifted_it_is_gone() -> None:
    bans = Bans()
    ban = bans.add("D", "192.0.2.0/24", "spam", BY, NOW, 0)
    assert bans.lift("K", "192.0.2.0/24") is None, "each kind has its own"
    assert bans.lift("D", "192.0.2.0/24") == ban
    assert bans.lift("D", "192.0.2.0/24") is None
    assert bans.network_of("192.0.2.7") is None


def test_they_are_what_they_were_after_a_snapshot() -> None:
    bans, loaded = Bans(), Bans()
    bans.add("K", "Troll@*", "spam", BY, NOW, NOW + MINUTE)
    bans.add("D", "192.0.2.0/24", "spam", BY, NOW, 0)
    loaded.load(bans.values())
    assert loaded.values() == bans.values()
    loaded.expire(NOW + MINUTE)
    assert len(loaded) == 1
    assert loaded.add("K", "x@*", "", BY, NOW, 0).number == 3
