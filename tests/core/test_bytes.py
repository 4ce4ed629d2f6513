"""core, fed with whatever bytes: it never raises, and nothing hostile or torn ever comes out of it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mpchat.protocol.irc.table import COMMANDS
from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person

# What a terminal obeys, and what would tear a line. IRC's own formatting codes may pass; not to plain text, though.
_HOSTILE = re.compile("[\x00\x05-\x08\x0a-\x0e\x10\x12-\x15\x17-\x1c\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CODES = re.compile("[\x01-\x1f]")
_IRC_WORDS = "ana beto carla #a #b #lobby * 0 : +o-v +b +kl -k 5 ana,beto #a,#b LS REQ END +i -w mpchat.local"
_HOSTILE_WORDS = (
    ":x y",
    ":server-time echo-message",
    "\x1b[31m",
    "\u202e",
    "a\x00b",
    "\r",
    "\x01ACTION \x02\x0304,05x\x01",
)
_PLAIN_COMMANDS = "/nick /join /part /msg /me /who /rooms /history /help /quit /x / //"
_TAGS = b"@a=b;+c;+d=\\s\x02\\r\x1b\xc2\x9b\t;+mpchat.org/id=abcdefgh.1;" + b"+x" * 1990
_ALL_CAPS = "batch draft/chathistory draft/read-marker echo-message message-tags server-time"
# Even if the history held such a thing: it is kept in a file.
_ROWS = [(1, 0, "#a", "ana!~ana@" + "h" * 60, "PRIVMSG", "ñ" * 300), (1, 0, "", "", "GAP", "")]

words = st.one_of(
    st.sampled_from([word.encode() for word in (*_IRC_WORDS.split(), *_HOSTILE_WORDS)]),
    st.sampled_from([b"x" * 200, "ñ😀".encode() * 90, b"\xff", b""]),
)
heads = st.sampled_from(
    [
        *map(str.encode, COMMANDS),
        _TAGS + b" PRIVMSG",
        _TAGS + b" TAGMSG",
        b"nonsense",
        b"@a=b;c PRIVMSG",
        b":x PRIVMSG",
        b"\xff",
        "prıvmsg".encode(),
        b":",
        b"@",
    ]
)
sensible = st.tuples(heads, st.lists(words, max_size=4)).map(lambda parts: b" ".join([parts[0], *parts[1]]))
slashed = st.tuples(st.sampled_from(["", *_PLAIN_COMMANDS.split()]), st.lists(words, max_size=3)).map(
    lambda parts: b" ".join([parts[0].encode(), *parts[1]])
)
past = st.sampled_from([b"CHATHISTORY LATEST #a * 5", b"/history"])
lines = st.one_of(sensible, slashed, past, st.binary(max_size=60), st.binary(min_size=500, max_size=600)).map(
    lambda line: line.replace(b"\n", b"")
)


def check_irc(person: Person, output: bytes) -> None:
    for raw in output.split(b"\r\n")[:-1]:
        line = raw.decode()
        assert not _HOSTILE.search(line), repr(line)
        tags, line = line.split(" ", 1) if line.startswith("@") else ("", line)
        assert len(line.encode()) <= 510, line
        assert len(tags.encode()) < 8191, "with the space behind them"
        assert "time=" in tags or not tags
        assert "\r" not in line
        assert re.match(r":\S+ ([A-Z]+|\d{3}) |(PING|ERROR) :", line), line
    assert output.endswith(b"\r\n") or not output


def check_plain(person: Person, output: bytes) -> None:
    for raw in output.split(b"\n")[:-1]:
        assert not _HOSTILE.search(raw.decode()), raw
        assert not _CODES.search(raw.decode()), raw
    assert output.endswith(b"\n") or not output


@given(st.lists(st.tuples(st.integers(0, 5), lines), max_size=25), st.booleans())
def test_whatever_is_sent_only_whole_clean_lines_come_out(sent: list[tuple[int, bytes]], asks: bool) -> None:
    driver = Driver(ChatSettings(opers_exist=asks, motd=("uno", "dos"), topic_bytes=500))
    people = [
        driver.irc("ana", caps=_ALL_CAPS),
        driver.irc("beto", caps="server-time"),
        driver.plain("carla"),
        driver.connect(),
        driver.connect(plain=True),
        driver.irc("operator", caps="draft/chathistory"),
    ]
    for person in people[:2]:
        person.send("JOIN #a")
    people[2].send("/join #a")
    if asks:
        people[5].send("OPER root *")
        driver.answer(True)

    for number, line in sent:
        people[number].send(line)
        if driver.core.questions():
            driver.answer(_ROWS if driver.asked[-1][3] == "history" else False)
    driver.feed(("stop", "the end"))

    for person in people:
        (check_plain if person.plain else check_irc)(person, bytes(person.output))
        assert person.closed


@given(st.lists(lines, max_size=8))
def test_every_error_names_the_right_nickname(sent: list[bytes]) -> None:
    """Numerics' first parameter: "*" before one is taken, and what one is called since."""
    driver = Driver()
    ana, half = driver.irc("ana"), driver.connect()
    ana.heard()
    nick = "ana"
    for line in sent:
        for heard in ana.send(line):
            if re.match(rf":{re.escape(nick)}!\S+ NICK ", heard):
                nick = heard.rpartition(" ")[2].removeprefix(":")
            elif re.match(r":mpchat\.local \d{3} ", heard):
                assert heard.split(" ")[2] == nick, heard
        if not line.upper().lstrip(b" ").startswith((b"NICK", b"@", b":")):
            for heard in half.send(line):
                if re.match(r":mpchat\.local \d{3} ", heard):
                    assert heard.split(" ")[2] == "*", heard
