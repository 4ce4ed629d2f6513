"""How long the server takes, and what the prompt says of it and of lines that are not back."""

import math

import pytest

from mpchat.client.lag import MEASURE_SECONDS, Lag
from mpchat.client.session import GRACE_SECONDS, Session
from tests.client.test_session import hear, registered


def test_what_nobody_would_notice_is_nothing() -> None:
    lag = Lag()
    lag.began(0.0)
    lag.measured(1.0, 5.0)
    assert lag.noticed(5.0, math.inf) == 0
    lag.measured(2.9, 6.0)
    assert lag.noticed(60.0, math.inf) == 2


def test_it_grows_while_a_line_or_a_ping_waits_and_is_forgotten_with_the_connection() -> None:
    lag = Lag()
    lag.began(0.0)
    assert [lag.noticed(now, 10.0) for now in (10.0, 11.0, 11.5, 14.2)] == [0, 0, 1, 4]
    lag.asked(20.0)
    lag.asked(25.0)
    assert lag.deadline() == math.inf
    assert [lag.noticed(now, math.inf) for now in (21.0, 23.0, 29.0)] == [0, 3, 9]
    lag.answered(29.0)
    lag.answered(40.0)
    assert (lag.noticed(50.0, math.inf), lag.deadline()) == (9, 29.0 + MEASURE_SECONDS)
    lag.began(60.0)
    assert (lag.noticed(60.0, math.inf), lag.deadline()) == (0, 60.0 + MEASURE_SECONDS)


def test_the_prompt_says_it_in_seconds_before_what_is_not_back() -> None:
    session = registered()
    session.typed("hola", 1.0)
    assert session.status(1.29) == ""
    assert session.status(1.31) == "1 not back yet"
    assert session.status(3.5) == "lag 2 s, 1 not back yet"
    assert session.outbox.late(3.5) == "hola"
    hear(session, ":ana!ana@host PRIVMSG #lobby :hola", now=4.5)
    assert (session.status(5.0), session.outbox.late(5.0)) == ("lag 3 s", "")
    session.typed("otra", 6.0)
    hear(session, ":ana!ana@host PRIVMSG #lobby :otra", now=6.1)
    assert session.status(7.0) == ""


def test_a_narrow_window_has_signs_for_it() -> None:
    session = registered()
    assert session.signs(0.0) == ""
    session.typed("hola", 1.0)
    session.typed("hola", 2.9)
    assert session.signs(1.5) == "…1"
    assert session.signs(3.5) == "…2 2s"
    session.closed()
    assert session.signs(4.0) == "…"
    session.typed("hola", 1.0)
    assert session.signs(4.0) == "…1"


def test_a_reader_measures_every_thirty_seconds_while_others_talk() -> None:
    session = registered()
    for now in range(0, 30, 5):
        hear(session, ":beto!b@h PRIVMSG #lobby :hola", now=float(now))
    assert session.deadline() == MEASURE_SECONDS
    assert session.ticked(MEASURE_SECONDS).send == ["PING :mpchat-alive"]
    hear(session, ":beto!b@h PRIVMSG #lobby :hola", now=31.0)
    assert session.is_answer_due()
    assert session.status(33.0) == "lag 3 s"
    hear(session, ":s PONG s mpchat-alive", now=34.0)
    assert not session.is_answer_due()
    assert session.status(35.0) == "lag 4 s"
    assert session.deadline() == 34.0 + MEASURE_SECONDS


def test_an_echo_has_measured_it_too() -> None:
    session = registered()
    session.typed("hola", 20.0)
    hear(session, ":ana!ana@host PRIVMSG #lobby :hola", now=20.1)
    assert session.deadline() == 20.1 + MEASURE_SECONDS


@pytest.mark.parametrize("of_a_person", [True, False])
def test_who_has_no_prompt_only_asks_whether_the_server_is_there(of_a_person: bool) -> None:
    session = Session("ana", "#lobby", "0123456789abcdef", greets=of_a_person)
    session.has_prompt = False
    session.opened(0.0)
    hear(session, ":s 001 ana :hi", ":ana!a@h JOIN #lobby", ":s PONG s mpchat-entrance")
    hear(session, ":beto!b@h PRIVMSG #lobby :hola", now=20.0)
    assert session.ticked(35.0).send == []
    assert session.ticked(50.0).send == ["PING :mpchat-alive"]
    assert session.ticked(50.0 + GRACE_SECONDS).lost == "the server has been silent for 60 s"
