"""settings: what the core is told travels as plain values, and holds no secret."""

import dataclasses

import pytest

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
