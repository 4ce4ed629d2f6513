"""settings: what the core is told travels as plain values, and holds no secret."""

import dataclasses

import pytest

from mpchat.settings import ChatSettings, Oper, Settings, pack, unpack


def test_wording_comes_back_as_it_was() -> None:
    wording = ChatSettings(name="irc.example", motd=("uno", "dos"), password_needed=True, nick_bytes=9)

    assert unpack(pack(wording)) == wording
    assert unpack(pack(ChatSettings())) == ChatSettings()


def test_it_travels_as_plain_values() -> None:
    def plain(value: object) -> bool:
        return isinstance(value, (str, int)) or (isinstance(value, tuple) and all(map(plain, value)))

    assert plain(pack(ChatSettings(motd=("uno",))))


def test_the_limits_that_people_were_told_of() -> None:
    wording, settings = ChatSettings(), Settings()

    assert (wording.nick_bytes, wording.channel_bytes, wording.topic_bytes, wording.channels_per_client) == (
        *(30, 64, 390, 50),
    )
    assert (wording.registration_seconds, wording.ping_seconds, wording.ping_grace_seconds) == (30, 120, 60)
    assert (settings.sendq_bytes, settings.burst_lines, settings.lines_per_second) == (1 << 20, 20, 5)


def test_no_secret_is_in_the_wording() -> None:
    settings = Settings(password="hunter2", opers=(Oper("root", "hunter3"),))

    assert "hunter" not in repr(pack(settings.wording))


@pytest.mark.parametrize("one", [Settings(), ChatSettings(), Oper("root", "secret")])
def test_nobody_changes_settings(one: object) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "other"  # type: ignore[attr-defined]
