"""Bans of the whole server: what is a mask or a network, whom it meets, and how long."""

from __future__ import annotations

import pytest

from mpchat.chat import bans as module
from mpchat.chat.bans import Bans, Kind, canonical, mask_meets, network_meets
from mpchat.settings import ChatSettings

NOW = 1_700_000_000_000
MINUTE = 60_000
BY = "root!~root@127.0.0.1"
LEVEL = ChatSettings().level


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        ("K", "troll@192.0.2.7", "troll@192.0.2.7"),
        ("K", "*@192.0.2.*", "*@192.0.2.*"),
        ("K", "t?oll*@*", "t?oll*@*"),
        ("K", "*@::1", "*@0::1"),
        ("K", "*@0::1", "*@0::1"),
        ("K", "troll@2001:DB8:0:0::07", "troll@2001:db8::7"),
        ("K", "*@192.0.2.7/24", "*@192.0.2.0/24"),
        ("K", "troll@192.0.2.7/32", "troll@192.0.2.7"),
        ("K", "*@2001:DB8::7/32", "*@2001:db8::/32"),
        ("K", "*@::ffff:192.0.2.7", "*@192.0.2.7"),
        ("K", "troll@0.0.0.0/0", "troll@0.0.0.0/0"),
        ("K", "*@2001:db8:*", "*@2001:db8:*"),
        ("K", "*@0::?", "*@0::?"),
        ("K", "*@1?.*.7", "*@1?.*.7"),
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
    assert canonical(kind, typed, 160, LEVEL) == kept
    assert canonical(kind, kept, 160, LEVEL) == kept, "so it can be lifted as it is listed"


@pytest.mark.parametrize("typed", ["*@*", "?@*", "*@*.*", "*@*:*", "~*@*", "*@?.?.?.?", "*@0.0.0.0/0", "?*@::/0"])
def test_a_mask_that_meets_everybody_is_none(typed: str) -> None:
    with pytest.raises(ValueError, match="everybody"):
        canonical("K", typed, 160, LEVEL)


@pytest.mark.parametrize("typed", ["0.0.0.0/0", "::/0", "192.0.2.7/0", "::ffff:0:0/96"])
def test_a_network_of_all_addresses_is_none(typed: str) -> None:
    with pytest.raises(ValueError, match="everybody"):
        canonical("D", typed, 160, LEVEL)


@pytest.mark.parametrize(
    "typed",
    ["troll", "@192.0.2.7", "troll@", "a@b@c", "nick!user@host", ":a@b", "a b@c", "a@\x1bb", "a" * 200 + "@b", ""],
)
def test_what_is_no_mask(typed: str) -> None:
    with pytest.raises(ValueError, match="Not a mask"):
        canonical("K", typed, 160, LEVEL)


@pytest.mark.parametrize(
    "host",
    [
        *("bad.example", "*.example", "*.bad", "localhost", "b", "192.0.2", "192.0.2.256", "192.0.2.0/255.255.255.0"),
        *("192.0.2.0/33", "192.0.2.*/24", "1.2.3.4.*", "*.2.3.4.5", "192..*", "192.0.*.", "1922.*", "192.0.02.*"),
        *("fe80::1%eth0", "20011:*", "2001:0db8:*", "1:2:3:4:5:6:7:8:9:*", "g*", "2001::g/32"),
    ],
)
def test_a_host_that_no_client_can_have_is_refused_and_an_older_server_took_it(host: str) -> None:
    with pytest.raises(ValueError, match=r"USER@ADDRESS.*DLINE"):
        canonical("K", f"troll@{host}", 160, LEVEL)
    assert canonical("K", f"troll@{host}", 160, 2) == f"troll@{host}"


@pytest.mark.parametrize(
    "typed", ["", "10", "bad.example", "192.0.2.256", "192.0.2.7/33", "fe80::1%eth0", "1.2.3", "*"]
)
def test_what_is_no_network(typed: str) -> None:
    with pytest.raises(ValueError, match="Not an address"):
        canonical("D", typed, 160, LEVEL)


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
        ("troll@192.0.2.0/24", "~troll", "192.0.2.7", True),
        ("troll@192.0.2.0/24", "~troll", "192.0.3.7", False),
        ("troll@192.0.2.0/24", "~ana", "192.0.2.7", False),
        ("?na@192.0.2.0/24", "~ana", "192.0.2.7", True),
        ("*@2001:db8::/32", "~ana", "2001:db8::7", True),
        ("*@192.0.2.7", "~ana", "0::ffff:192.0.2.7", True),
        ("*@192.0.2.0/24", "~ana", "no-address", False),
        ("*@0.0.0.0/0", "~ana", "192.0.2.7", False),
        ("troll@0.0.0.0/0", "~troll", "192.0.2.7", True),
    ],
)
def test_whom_a_mask_meets(mask: str, user: str, host: str, meets: bool) -> None:
    assert mask_meets(mask, user, host, LEVEL) is meets


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
    assert bans.mask_on("~first", "192.0.2.7", LEVEL) is None
    assert bans.mask_on("~second", "192.0.2.7", LEVEL) is not None
    bans.expire(NOW + 5 * MINUTE)
    assert bans.mask_on("~second", "192.0.2.7", LEVEL) is None


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


def test_an_older_servers_masks_are_text_as_long_as_its_records_are_replayed() -> None:
    assert not mask_meets("*@192.0.2.0/24", "~ana", "192.0.2.7", 2)
    assert not mask_meets("*@192.0.2.7", "~ana", "0::ffff:192.0.2.7", 2)
    assert mask_meets("*@192.0.2.7", "~ana", "192.0.2.7", 2)


USERS = ("~ana", "~troll7", "~Troll77", "ana", "troll", "~ñandú", "~a", "~", "t~roll")
HOSTS = ("192.0.2.7", "192.0.2.77", "10.1.2.3", "0::1", "2001:db8::7", "0::ffff:192.0.2.7", "no.address")
PATTERNS = ("*", "?", "?*", "~*", "ana", "~ana", "?ana", "troll*", "T?oll7*", "*oll*", "*7", "~troll7", "ñ*", "t~*")
PLACES = (
    *("*", "192.0.2.7", "192.0.2.*", "192.0.*", "*.7", "*2*", "1?.1.2.3", "192.0.2.0/24", "192.0.2.4/30", "10.0.0.0/8"),
    *("0::1", "0::*", "2001:db8::/32", "2001:DB8:0::7", "no.*", "no.address", "0.0.0.0/0", "::/0", "*:*"),
)


@pytest.mark.parametrize("level", [2, LEVEL])
def test_what_is_found_is_what_a_look_at_each_finds(level: int) -> None:
    """For each user at each host, with ever fewer bans."""
    bans = Bans()
    for user in PATTERNS:
        for place in PLACES:
            bans.add("K", f"{user}@{place}", "x", BY, NOW, 0)
    for place in ("192.0.2.0/24", "192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "0::1", "192.0.0.0/16"):
        bans.add("D", place, "x", BY, NOW, 0)
    found = 0
    while len(bans):
        masks, networks = list(bans.of["K"].values()), list(bans.of["D"].values())
        for host in HOSTS:
            assert bans.network_of(host) == next((it for it in networks if network_meets(it.mask, host)), None)
            for user in USERS:
                first = next((it for it in masks if mask_meets(it.mask, user, host, level)), None)
                assert bans.mask_on(user, host, level) == first, (user, host)
                found += first is not None
        for ban in masks[::3]:
            bans.lift("K", ban.mask)
        for ban in networks[::2]:
            bans.lift("D", ban.mask)
    assert found > 100


FLOODS = {
    "one network's users": "troll{0}?@192.0.2.*",
    "networks": "*@10.{1}.{2}.*",
    "nicknames": "nick{0}*@*",
    "addresses": "*@10.0.{1}.{2}",
    "users of one address": "troll{0}@192.0.2.7",
    "users of a network": "troll{0}@192.0.2.0/24",
    "ends": "*spam{0}@*",
    "ends of hosts": "*@*.{1}{2}",
}


@pytest.mark.parametrize("form", FLOODS.values(), ids=FLOODS)
def test_a_newcomer_is_compared_with_few_of_a_thousand_masks(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bans, compared = Bans(), []
    for number in range(1000):
        bans.add("K", form.format(number, number // 250, number % 250), "x", BY, NOW, 0)

    def counted(*args: object) -> bool:
        compared.append(args)
        return mask_meets(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "mask_meets", counted)
    for user, host in (("~ana", "192.0.2.7"), ("~troll", "192.0.2.8"), ("~nick", "10.9.9.9"), ("~spa", "2001:db8::7")):
        assert bans.mask_on(user, host, LEVEL) is None
    assert len(compared) <= 40
    (last,) = [ban for ban in bans.of["K"].values() if ban.number == 1000]
    user, _, host = last.mask.replace("?", "x").replace("*", "9").partition("@")
    assert bans.mask_on(user, host if "/" not in host else "192.0.2.7", LEVEL) is not None


def test_a_newcomer_is_looked_up_in_few_of_a_thousand_networks() -> None:
    bans = Bans()
    for number in range(1000):
        bans.add("D", f"10.{number // 250}.{number % 250}.0/24", "x", BY, NOW, 0)
    assert bans.network_of("10.9.9.9") is None
    assert bans._networks is not None
    assert len(list(bans._networks.around("10.1.7.7"))) == 1
    assert len(bans._networks._of) == 1, "one look for each length of a prefix"
