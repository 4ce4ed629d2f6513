"""What came for rooms, and from people, where the user is not."""

import pytest

from mpchat.client.preferences import Preferences
from mpchat.client.session import Session
from mpchat.client.unread import MOST_PLACES


@pytest.fixture
def ana() -> Session:
    """Ana talks in #lobby, and is in #so and #dev."""
    session = Session("ana", "#lobby", "0123456789abcdef", preferences=Preferences())
    session.opened(0.0)
    hear(session, ":s CAP * LS :echo-message", ":s CAP * ACK :echo-message", ":s 001 ana :hi", ":ana!a@h JOIN #lobby")
    hear(session, ":ana!a@h JOIN #so", ":ana!a@h JOIN #dev", ":s PONG s mpchat-entrance")
    session.typed("/join #lobby", 0.0)
    return session


def hear(session: Session, *lines: str) -> None:
    for line in lines:
        session.heard(line, 1.0)


def label(session: Session, columns: int = 40) -> str:
    return session.unread.label(columns, len)


def test_where_the_user_is_not_is_counted_and_a_call_is_marked(ana: Session) -> None:
    assert label(ana) == ""
    hear(ana, ":beto!b@h PRIVMSG #so :uno", ":beto!b@h PRIVMSG #LOBBY :dos", ":beto!b@h PRIVMSG #So :tres")
    assert label(ana) == "#so:2"
    hear(ana, ":beto!b@h PRIVMSG #dev :\x01ACTION waves at ana\x01", ":eva!e@h PRIVMSG ana :hola")
    assert label(ana) == "#dev:1! eva:1! #so:2"


@pytest.mark.parametrize(
    "line",
    [
        ":ana!a@h PRIVMSG #so :from another client",
        ":ana!a@h PRIVMSG eva :hola",
        ":ana!a@h PRIVMSG ana :memo",
        ":beto!b@h JOIN #so",
        ":beto!b@h TOPIC #so :ana",
        ":s NOTICE ana :welcome",
        ":eva!e@h NOTICE ana :back at nine",
        ":eva!e@h PRIVMSG ana :\x01VERSION\x01",
        ":s 404 ana #so :no",
    ],
)
def test_only_what_others_say_counts(ana: Session, line: str) -> None:
    hear(ana, line)
    assert label(ana) == ""


@pytest.mark.parametrize("turn", ["/join #so", "/query #so", "/query eva", "/msg eva hola", "/msg #so hola"])
def test_who_turns_there_or_speaks_there_has_read_it(ana: Session, turn: str) -> None:
    hear(ana, ":beto!b@h PRIVMSG #so :uno", ":eva!e@h PRIVMSG ana :dos")
    ana.typed(turn, 1.0)
    assert label(ana) == ("#so:1" if "eva" in turn else "eva:1!")


def test_a_room_that_becomes_the_current_one_is_read_and_one_that_is_lost_is_not_counted(ana: Session) -> None:
    hear(ana, ":beto!b@h PRIVMSG #so :uno", ":beto!b@h PRIVMSG #dev :dos", ":beto!b@h KICK #so ana")
    assert label(ana) == "#dev:1"
    ana.typed("/part", 1.0)
    hear(ana, ":ana!a@h PART #lobby")
    assert (ana.model.current, label(ana)) == ("#dev", "")


def test_a_person_keeps_the_count_under_another_nick(ana: Session) -> None:
    hear(ana, ":eva!e@h PRIVMSG ana :hola", ":eva!e@h NICK evita", ":evita!e@h PRIVMSG ana :soy yo")
    assert label(ana) == "evita:2!"
    ana.typed("/query evita", 1.0)
    hear(ana, ":evita!e@h NICK eva", ":eva!e@h PRIVMSG ana :otra vez")
    assert label(ana) == ""


@pytest.mark.parametrize(
    "after",
    [":eva!e@h NICK evita", ":eva!e@h QUIT :bye", ":eva!e@h PART #lobby"],
)
def test_whoever_is_gone_or_is_called_otherwise_can_be_told_to_be_read(ana: Session, after: str) -> None:
    hear(ana, ":eva!e@h JOIN #lobby", ":eva!e@h PRIVMSG ana :hola", ":beto!b@h PRIVMSG #so :uno", after)
    nick = label(ana).partition(":")[0]
    ana.typed(f"/query {nick}", 1.0)
    ana.typed("/query", 1.0)
    assert (ana.model.current, label(ana)) == ("#lobby", "#so:1")


def test_who_empties_the_screen_has_read_what_was_on_it(ana: Session) -> None:
    hear(ana, ":beto!b@h PRIVMSG #so :uno", ":eva!e@h PRIVMSG ana :dos")
    assert ana.typed("/clear", 1.0).clear
    assert label(ana) == ""
    hear(ana, ":eva!e@h PRIVMSG ana :tres")
    assert label(ana) == "eva:1!"


def test_what_does_not_fit_is_a_number(ana: Session) -> None:
    hear(ana, ":beto!b@h PRIVMSG #so :uno", ":beto!b@h PRIVMSG #dev :ana", ":eva!e@h PRIVMSG ana :hola")
    assert label(ana, 20) == "#dev:1! eva:1! #so:1"
    assert label(ana, 19) == "#dev:1! eva:1! +1"
    assert label(ana, 16) == "#dev:1! +2!"
    assert label(ana, 10) == label(ana, -5) == "+3!"


def test_a_past_that_is_shown_is_not_unread_and_what_was_missed_is() -> None:
    session = Session("ana", "#lobby", "0123456789abcdef")
    known = "server-time message-tags batch draft/chathistory"

    def enters() -> None:
        session.opened(0.0)
        hear(session, f":s CAP * LS :{known}", f":s CAP * ACK :{known}", ":s 001 ana :hi", ":ana!a@h JOIN #lobby")
        hear(session, ":ana!a@h JOIN #so", ":s BATCH +x chathistory #lobby", ":s BATCH -x")

    def past(mark: int, line: str) -> None:
        hear(session, f":s PONG s mpchat-past-{mark - 1}", ":s BATCH +y chathistory #so", line, ":s BATCH -y")
        hear(session, f":s PONG s mpchat-past-{mark}")

    enters()
    past(2, "@batch=y;msgid=1 :beto!b@h PRIVMSG #so :ana, old")
    session.typed("/join #lobby", 1.0)
    assert label(session) == ""
    session.closed()
    enters()
    past(4, "@batch=y;msgid=2 :beto!b@h PRIVMSG #so :ana, new")
    assert label(session) == "#so:1!"


def test_strangers_cannot_make_it_grow_for_ever(ana: Session) -> None:
    hear(ana, *(f":n{number}!n@h PRIVMSG ana :hola" for number in range(MOST_PLACES + 5)))
    assert label(ana, 10_000).count(":1!") == MOST_PLACES
    assert "n0:" not in label(ana, 10_000)
