"""flow/admission: which connections are accepted."""

import pytest

from mpchat.flow.admission import Admission, household
from mpchat.settings import ChatSettings

loopback = ChatSettings().exempts


@pytest.mark.parametrize(
    ("host", "home"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_a_household(host: str, home: str) -> None:
    assert household(host) == home


def test_the_server_is_full() -> None:
    admission = Admission(most=2, most_each=9, new_each_minute=9, exempts=loopback)
    assert admission.refusal("192.0.2.1", 0.0) == ""
    assert admission.refusal("127.0.0.1", 0.0) == ""
    assert admission.refusal("127.0.0.1", 0.0) == "Server is full"

    admission.left("192.0.2.1")

    assert admission.refusal("127.0.0.1", 0.0) == ""


def test_one_address_has_so_many_connections() -> None:
    admission = Admission(most=99, most_each=2, new_each_minute=99, exempts=loopback)
    assert admission.refusal("2001:db8::1", 0.0) == ""
    assert admission.refusal("2001:db8::2", 0.0) == ""
    assert admission.refusal("2001:db8::3", 0.0) == "Too many connections from your address"
    assert admission.refusal("2001:db8:0:1::3", 0.0) == "", "the neighbours"

    admission.left("2001:db8::2")

    assert admission.refusal("2001:db8::3", 0.0) == ""


def test_one_address_may_come_so_often() -> None:
    admission = Admission(most=99, most_each=99, new_each_minute=2, exempts=loopback)
    assert admission.refusal("192.0.2.1", 0.0) == ""
    admission.left("192.0.2.1")
    assert admission.refusal("192.0.2.1", 30.0) == ""
    assert admission.refusal("192.0.2.1", 59.9).startswith("Too many new connections from your address")
    assert admission.refusal("192.0.2.2", 59.9) == ""
    assert admission.refusal("192.0.2.1", 60.0) == ""
    assert admission.refusal("192.0.2.1", 61.0).startswith("Too many new connections from your address")


def test_exempt_ones_may_always() -> None:
    admission = Admission(most=99, most_each=1, new_each_minute=1, exempts=loopback)

    assert [admission.refusal("127.0.0.1", 0.0) for _ in range(99)] == [""] * 99
    assert admission.refusal("::1", 0.0) == "Server is full", "it counts all the same"
    admission.left("127.0.0.1")
    assert admission.refusal("::1", 0.0) == ""


def test_other_limits_hold_for_those_who_come_and_count_those_who_are_in() -> None:
    admission = Admission(most=99, most_each=1, new_each_minute=9, exempts=loopback)
    for host in ("127.0.0.2", "127.0.0.2", "192.0.2.1"):
        assert admission.refusal(host, 0.0) == ""

    admission.limit(2, 2, ChatSettings(exempt=("192.0.2.0/24",)).exempts)

    assert admission.refusal("127.0.0.2", 0.0) == "Too many connections from your address"
    assert [admission.refusal("192.0.2.1", 0.0) for _ in range(9)] == [""] * 9
    for _ in range(2):
        admission.left("127.0.0.2")
    assert [admission.refusal("127.0.0.2", 0.0) for _ in range(3)][:2] == ["", ""]
    assert admission.refusal("127.0.0.2", 0.0) == "Too many connections from your address"
    admission.left("127.0.0.2")
    assert admission.refusal("127.0.0.2", 0.0).startswith("Too many new connections from your address")


def test_refused_ones_do_not_count() -> None:
    admission = Admission(most=99, most_each=1, new_each_minute=3, exempts=loopback)
    assert admission.refusal("192.0.2.1", 0.0) == ""
    for _ in range(9):
        assert admission.refusal("192.0.2.1", 0.0) == "Too many connections from your address"
    admission.left("192.0.2.1")

    assert admission.refusal("192.0.2.1", 0.0) == ""


def test_whom_an_acceptor_before_has_let_in_counts_but_is_not_new() -> None:
    admission = Admission(most=3, most_each=2, new_each_minute=1, exempts=loopback)
    admission.registered("192.0.2.1")
    admission.registered("127.0.0.1")
    assert admission.refusal("192.0.2.1", 0.0) == "", "the first in this minute"
    assert admission.refusal("192.0.2.2", 0.0) == "Server is full"
    admission.left("127.0.0.1")
    assert admission.refusal("192.0.2.1", 0.0) == "Too many connections from your address"
    admission.left("192.0.2.1")
    admission.left("192.0.2.1")
    assert admission.refusal("192.0.2.1", 60.0) == ""


def test_addresses_that_came_once_are_forgotten() -> None:
    admission = Admission(most=9999, most_each=9, new_each_minute=1, exempts=loopback)
    for number in range(1001):
        host = f"10.0.{number // 256}.{number % 256}"
        assert admission.refusal(host, number / 10) == ""
        admission.left(host)

    assert len(admission._recent) == 600, "those of the last minute"
    assert admission.refusal("10.0.3.232", 101.0).startswith("Too many new connections"), "the last one is known"


class Address(str):
    """An address that counts how often anybody looks it up: in no test a clock, and no machine is too slow."""

    looks = 0

    def __hash__(self) -> int:
        Address.looks += 1
        return super().__hash__()


@pytest.mark.parametrize("stay", [True, False])
def test_a_departure_costs_the_same_however_many_have_come(stay: bool) -> None:
    costs = []
    for count in (2_000, 4_000):
        admission = Admission(most=99_999, most_each=9, new_each_minute=9, exempts=loopback)
        addresses = [Address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}") for number in range(count)]
        Address.looks = 0
        for number, address in enumerate(addresses):
            assert admission.refusal(address, number / 1000) == ""
            if not stay:
                admission.left(address)
        for address in addresses if stay else ():
            admission.left(address)
        costs.append(Address.looks / count)

    assert costs[1] <= costs[0] < 20
