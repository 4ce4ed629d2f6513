"""Addresses: what is IPv4, however it comes, and what is this machine's own."""

import pytest

from mpchat.addresses import address_of, is_loopback, network_of


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("0::ffff:c000:207", "192.0.2.7"),
        ("::192.0.2.7", "::c000:207"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address(written: str, address: str) -> None:
    assert str(address_of(written)) == address


@pytest.mark.parametrize("written", ["", "localhost", "192.0.2", "192.0.2.7/32", "::1::"])
def test_what_is_none(written: str) -> None:
    with pytest.raises(ValueError, match="not appear to be"):
        address_of(written)


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("::1", "::1/128"),
        ("::ffff:10.1.0.0/112", "10.1.0.0/16"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/95", "::/95"),
    ],
)
def test_a_network(written: str, network: str) -> None:
    assert str(network_of(written)) == network


def test_bits_behind_its_prefix() -> None:
    with pytest.raises(ValueError, match="host bits set"):
        network_of("10.1.0.0/8")
    assert str(network_of("10.1.0.0/8", strict=False)) == "10.0.0.0/8"


@pytest.mark.parametrize("written", ["10.0.0.0/33", "fe80::1%eth0", "fe80::%1/64", "team"])
def test_what_is_no_network(written: str) -> None:
    with pytest.raises(ValueError, match=r"not appear to be|not permitted|fe80"):
        network_of(written)


def test_this_machines_own() -> None:
    own = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"]

    assert [
        host for host in [*own, "192.0.2.1", "::2", "::ffff:192.0.2.1", "chat.example.org", ""] if is_loopback(host)
    ] == own
