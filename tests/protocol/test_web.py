"""protocol/web: what a browser sends first, and what somebody who chats may send."""

from __future__ import annotations

import pytest

from mpchat.protocol.web import is_request
from mpchat.settings import ChatSettings
from tests.core.driver import Driver

REQUESTS: list[str | bytes] = [
    "GET / HTTP/1.1",
    "POST /x HTTP/1.0",
    "PUT /x?y=z HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "CONNECT example.org:443 HTTP/1.1",
    "HEAD http://localhost:6667/ HTTP/1.1",
    "PRI * HTTP/2.0",
    "BREW /pot HTTP/3",
    "USER / HTTP/1.1",  # a page may choose the method where it comes from the same address (DNS rebinding)
    "GET /a b c HTTP/1.1",
    "  GET  /  HTTP/1.1  ",
    b"GET /\xe9 HTTP/1.1",
    "GET /" + "x" * 8000 + " HTTP/1.1",
    "Host: localhost:6667",
    "host:localhost",
]


@pytest.mark.parametrize("line", REQUESTS)
def test_a_request(line: str | bytes) -> None:
    assert is_request(line.encode() if isinstance(line, str) else line)
    assert is_request((line.encode() if isinstance(line, str) else line) + b"\r")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "NICK ana",
        "USER ana 0 * :I speak HTTP/1.1",
        "PRIVMSG #a :GET / HTTP/1.1",
        "HTTP/1.1",
        "GET HTTP/1.1",
        "GET / HTTP",
        "GET / HTTP/1.1 x",
        "GET /",
        "hostess: ana",
        "hosta",
    ],
)
def test_no_request(line: str) -> None:
    assert not is_request(line.encode())


@pytest.mark.parametrize("line", REQUESTS)
@pytest.mark.parametrize("password", [False, True])
def test_a_browser_at_the_irc_port_is_sent_away(line: str | bytes, password: bool) -> None:
    """At its first line: what its body would have us do, which has come already, is not looked at."""
    driver = Driver(ChatSettings(password_needed=password))
    browser = driver.connect()

    heard = browser.send(line, "PASS x", "NICK evil", "USER evil 0 * :Evil", "JOIN #lobby", "PRIVMSG #lobby :hi")

    assert heard == ["ERROR :Closing link: 127.0.0.1 (This is not a web server)"]
    assert browser.closed
    assert driver.asked == []


def test_one_who_has_begun_to_register_is_a_newcomer_still() -> None:
    browser = Driver().connect()

    assert browser.send("NICK evil", "POST / HTTP/1.1", "USER evil 0 * :Evil")[-1].startswith("ERROR ")
    assert browser.closed


def test_who_has_registered_may_send_what_they_like() -> None:
    ana = Driver().irc("ana")
    ana.heard()

    assert ana.send("GET / HTTP/1.1", "Host: x") == [
        ":mpchat.local 421 ana GET :Unknown command",
        ":mpchat.local 421 ana HOST: :Unknown command",
    ]


def test_a_realname_may_speak_of_the_web() -> None:
    ana = Driver().connect()

    assert " 001 " in ana.send("NICK ana", "USER ana 0 * :I speak HTTP/1.1")[0]


def test_a_request_too_long_to_be_seen_is_known_by_its_next_line() -> None:
    browser = Driver().connect()
    records = browser.too_long(b"POST /" + b"x" * 9000)

    browser.driver.feed(*records, *browser.records(["Host: 127.0.0.1:6667", "NICK evil", "USER evil 0 * :Evil"]))

    assert [line.split()[1] for line in browser.heard()] == ["417", ":Closing"]
    assert browser.closed
