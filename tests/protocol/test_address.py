"""protocol/address: each address has one spelling."""

import pytest

from mpchat.protocol.address import written


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "0::1"),
        ("2001:db8::7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_as_its_host(address: str, host: str) -> None:
    assert written(address) == host
