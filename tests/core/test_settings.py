"""settings: what the core is told travels as plain values, and holds no secret."""

import contextlib
import dataclasses
from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.addresses import address_of
from mpchat.settings import ChatSettings, Oper, Secrets, Settings, pack, unpack


def test_chat_settings_come_back_as_they_were() -> None:
    chat = ChatSettings(name="irc.example", motd=("uno", "dos"), password_needed=True, nick_bytes=9)

    assert unpack(pack(chat)) == chat
    assert unpack(pack(ChatSettings())) == ChatSettings()


def test_it_travels_as_plain_values() -> None:
    def plain(value: object) -> bool:
        return isinstance(value, (str, int)) or (isinstance(value, tuple) and all(map(plain, value)))

    assert plain(pack(ChatSettings(motd=("uno",))))


def test_the_limits_that_people_were_told_of() -> None:
    chat, settings = ChatSettings(), Settings()

    assert (chat.nick_bytes, chat.channel_bytes, chat.topic_bytes, chat.channels_per_client) == (*(30, 64, 390, 50),)
    assert (chat.registration_seconds, chat.ping_seconds, chat.ping_grace_seconds) == (30, 120, 60)
    assert (settings.sendq_bytes, settings.burst_lines, settings.lines_per_second) == (1 << 20, 20, 5)


ADDRESSES = ["127.0.0.1", "128.0.0.1", "10.3.2.1", "::1", "::2", "::ffff:10.3.2.1", "2001:db8::7%eth0", "fe80::", "ana"]
NETWORKS = ["127.0.0.0/8", "::1/128", "10.3.2.0/31", "10.3.2.1/32", "2001:db8::/32", "0.0.0.0/0", "::/0", "fe80::/10"]


@given(st.lists(st.sampled_from(NETWORKS), unique=True), st.sampled_from(ADDRESSES))
def test_an_exempt_address_is_in_one_of_the_networks(networks: list[str], host: str) -> None:
    with contextlib.suppress(ValueError):  # what is no address is in none
        expected = any(address_of(host) in ip_network(network) for network in networks)
        assert ChatSettings(exempt=tuple(networks)).exempts(host) == expected
    assert not ChatSettings(exempt=tuple(networks)).exempts("ana")


def test_however_many_networks_a_record_has_a_look_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file could name thousands once: with as many connections a reload took longer than a hang."""
    many = ChatSettings(exempt=tuple(f"10.{a}.{b}.0/24" for a in range(20) for b in range(200)))
    assert many.exempts("10.19.199.7")
    looked = []
    monkeypatch.setattr(IPv4Network, "__contains__", lambda self, other: looked.append(other))
    assert not many.exempts("192.0.2.1")
    assert looked == []


def test_no_secret_is_in_the_settings() -> None:
    """They go to every process, and those of the chat to the journal; secrets have a way of their own."""
    names = {field.name for each in (Settings, ChatSettings) for field in dataclasses.fields(each)}

    assert not names & {field.name for field in dataclasses.fields(Secrets)}


def test_no_secret_is_shown() -> None:
    secrets = Secrets(password="hunter2", opers=(Oper("root", "hunter3"),))

    assert "root" in repr(secrets)
    assert "hunter" not in repr(secrets)


@pytest.mark.parametrize("one", [Settings(), ChatSettings(), Secrets(), Oper("root", "secret")])
def test_nobody_changes_settings(one: object) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "other"  # type: ignore[attr-defined]
