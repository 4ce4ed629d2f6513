"""IRCv3 over TCP: message-tags, msgid, TAGMSG, lines that are sent again (see also tests/core/test_tags.py)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.irc.people import by, member, msgid
from tests.running import Server, running

CAPS = "message-tags echo-message"
ID = "+mpchat.org/id=abcdefghABCDEFGH"


def test_an_echo_and_what_others_read_have_the_same_id(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto, carla = [member(server, next(nicks), channel, caps) for caps in (CAPS, "message-tags", "server-time")]
    for client in (ana, beto):
        client.sync()
    (echo,) = ana.ask(f"@+draft/react=:) PRIVMSG {channel} :hola")
    (read,) = beto.sync()
    assert echo == read == f"@msgid={msgid(echo)};+draft/react=:) {by(ana)} PRIVMSG {channel} :hola"
    (untagged,) = carla.sync()
    assert re.fullmatch(rf"@time=[^; ]+ {by(ana)} PRIVMSG {channel} :hola", untagged)


def test_no_two_messages_have_the_same_id(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = member(server, next(nicks), channel, CAPS)
    ids = [msgid(line) for line in ana.ask(*[f"PRIVMSG {channel} :{number}" for number in range(50)])]
    assert len(set(ids)) == 50


def test_tagmsg_is_for_those_who_know_tags(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto, carla = [member(server, next(nicks), channel, caps) for caps in (CAPS, "message-tags", "")]
    for client in (ana, beto):
        client.sync()
    (echo,) = ana.ask(f"@+typing=active;ours=1 TAGMSG {channel}")
    assert beto.sync() == [echo] == [f"@msgid={msgid(echo)};+typing=active {by(ana)} TAGMSG {channel}"]
    assert carla.sync() == []


@pytest.mark.parametrize("length", [4094, 4095])
def test_so_much_may_be_in_tags(server: Server, nicks: Iterator[str], channel: str, length: int) -> None:
    ana, beto = [member(server, next(nicks), channel, caps) for caps in (CAPS, "message-tags")]
    ana.sync()
    text = "x" * 400
    tags = "+a=" + "ñ" * 2045 + "x" * (length - 4093)
    assert len(tags.encode()) == length
    (answer,) = ana.ask(f"@{tags} PRIVMSG {channel} :{text}")
    if length > 4094:
        assert answer == f":mpchat.local 417 {ana.nick} :Input line was too long"
        assert beto.sync() == []
    else:
        assert beto.sync() == [answer]
        assert answer.endswith(f";{tags} {by(ana)} PRIVMSG {channel} :{text}")


def test_a_line_that_is_sent_again_is_said_once(server: Server, nicks: Iterator[str], channel: str) -> None:
    nick = next(nicks)
    ana, beto = member(server, nick, channel, CAPS), member(server, next(nicks), channel, "message-tags")
    ana.sync()
    lines = [f"@{ID}.{number} PRIVMSG {channel} :{number}" for number in range(5)]
    first = ana.ask(*lines[:3])
    ana.close()
    beto.until("QUIT")

    again = member(server, nick, channel, CAPS)
    assert again.ask(*lines)[:3] == first, "she cannot know which of them had arrived"
    assert all(f";{ID}.{number} " in line for number, line in enumerate(first))

    read = [line for line in beto.sync() if "PRIVMSG" in line]
    assert [line.rpartition(" :")[2] for line in read] == ["3", "4"]
    assert all("mpchat.org" not in line for line in read)


def test_even_when_the_server_was_started_again(nicks: Iterator[str], channel: str, tmp_path: Path) -> None:
    nick, line = next(nicks), f"@{ID}.1 PRIVMSG {channel} :hola"
    with running("--unlimited", data=tmp_path) as server:
        first = member(server, nick, channel, CAPS).ask(line)
    with running("--unlimited", data=tmp_path) as server:
        ana = member(server, nick, channel, CAPS)
        beto = member(server, next(nicks), channel, "")
        assert [said for said in ana.ask(line) if "JOIN" not in said] == first
        assert beto.sync() == []
        assert msgid(ana.ask(f"PRIVMSG {channel} :otra")[0]) != msgid(first[0])
