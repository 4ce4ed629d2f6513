"""What explain shows of a client's line: no room's key, and without --private nothing that is said to one person."""

from __future__ import annotations

import pytest

from mpchat.protocol import irc, plain
from mpchat.protocol.dialect import Dialect

PRIVATE = {  # as a reader who may not see what is private reads it
    irc: {
        b"PRIVMSG beto :a word": "PRIVMSG beto *",
        b"privmsg beto :a word": "PRIVMSG beto *",
        b"PrivMsg beto word": "PRIVMSG beto *",
        b"NOTICE beto :a word": "NOTICE beto *",
        b":ana!~ana@host PRIVMSG beto :a word": "PRIVMSG beto *",
        b"@+note=word;id=1 PRIVMSG beto :a word": "PRIVMSG beto *",
        b"@+note=word :ana PRIVMSG beto :a word": "PRIVMSG beto *",
        b"@+note=word TAGMSG beto": "TAGMSG beto *",
        b"  PRIVMSG   beto    :a word": "PRIVMSG beto *",
        b"PRIVMSG beto,carla :a word": "PRIVMSG beto,carla *",
        b"PRIVMSG #a,beto :a word": "PRIVMSG #a,beto *",
        b"PRIVMSG beto,#a :a word": "PRIVMSG beto,#a *",
        b"PRIVMSG :beto a word": "PRIVMSG beto *",
        b"PRIVMSG :#a,beto a word": "PRIVMSG #a,beto *",
        b"PRIVMSG beto\t:a word": "PRIVMSG beto *",
        b"PRIVMSG be\xff :a w\xffrd": "PRIVMSG be\ufffd *",
    },
    plain: {
        b"/msg beto a word": "/msg beto *",
        b"/MSG beto a word": "/MSG beto *",
        b"/msg   beto   a word": "/msg   beto *",
        b"  /msg beto a word  ": "/msg beto *",
        b"/msg\tbeto\ta word": "/msg beto *",
        "/msg beto\u3000a word".encode(): "/msg beto *",
        b"/msg beto,#a a word": "/msg beto,#a *",
        b"/m\xff\xf1sg beto a word": "/msg beto *",
        b"/msg be\xff\xfd\x18to a word": "/msg beto *",
        b"/msg beto a w\xc3rd": "/msg beto *",
    },
}
KEYS = {  # as everybody reads it
    irc: {
        b"JOIN #a key": "JOIN #a *",
        b"join #a,#b key,other": "JOIN #a,#b *",
        b":ana JOIN #a :key": "JOIN #a *",
        b"@x=y JOIN  #a  key": "JOIN #a *",
        b"JOIN :#a key": "JOIN #a *",
        b"JOIN #a k\xffy": "JOIN #a *",
        b"MODE #a +k key": "MODE #a +k *",
        b"mode #a +k :a key": "MODE #a +k *",
        b"MODE #a +ok-v ana key beto": "MODE #a +ok-v *",
        b"MODE #a -k key": "MODE #a -k *",
        b"MODE #a k key": "MODE #a k *",
        b"MODE #a :+k key": "MODE #a +k *",
    },
    plain: {
        b"/join #a key": "/join #a *",
        b"/JOIN a  a long key": "/JOIN a *",
        "/join a\u3000key".encode(): "/join a *",
        b"/jo\xff\xf1in a key": "/join a *",
        b"/mode +k key": "/mode +k *",
        b"/mode -k key": "/mode -k *",
        b"/mode +ok ana key": "/mode +ok *",
        b"/mode k key": "/mode k *",
        b"/mode #a +k key": "/mode #a *",
    },
}
OPEN = {  # as it was written
    irc: [
        *(b"PRIVMSG #a :a word", b"PRIVMSG #a,#b :a word", b"@+note=word TAGMSG #a", b"NOTICE #a word"),
        *(b"PRIVMSG beto", b"PRIVMSG", b"PRIVMSG :", b"TAGMSG beto", b"", b"   ", b"PING word"),
        *(b"JOIN #a", b"JOIN #a,#b", b"JOIN", b"MODE #a", b"MODE #a +o ana", b"MODE #a +k", b"MODE ana +i"),
        *(b"TOPIC #a :a word", b"KICK #a beto :a word", b"QUIT :a word", b"AWAY :a word"),
    ],
    plain: [
        *(b"a word", b"//msg beto a word", b"/msg beto", b"/msg", b"/msg #a a word", b"/me waves", b"", b"/"),
        *(b"/join a", b"/join", b"/mode", b"/mode +k", b"/mode +o beto", b"/mode +b a*", b"/topic a word"),
    ],
}


def table(of: dict[Dialect, dict[bytes, str]]) -> list[object]:
    return [
        pytest.param(dialect, line, shown, id=f"{dialect.name}-{line!r}")
        for dialect, lines in of.items()
        for line, shown in lines.items()
    ]


@pytest.mark.parametrize(("dialect", "line", "shown"), table(PRIVATE))
def test_what_is_said_to_one_person(dialect: Dialect, line: bytes, shown: str) -> None:
    assert dialect.shown(line, with_private=False) == shown
    with_it = dialect.shown(line, with_private=True)
    assert "a w" in with_it or "word" in with_it


@pytest.mark.parametrize(("dialect", "line", "shown"), table(KEYS))
def test_a_rooms_key(dialect: Dialect, line: bytes, shown: str) -> None:
    assert dialect.shown(line, with_private=True) == dialect.shown(line, with_private=False) == shown


@pytest.mark.parametrize(("dialect", "line"), [(dialect, line) for dialect, lines in OPEN.items() for line in lines])
def test_what_everybody_may_read(dialect: Dialect, line: bytes) -> None:
    assert dialect.shown(line, with_private=False) == dialect.shown(line, with_private=True) == line.decode()
