"""Every command is answered: in the client, and in the server's plain text for those who use nc."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.client.conftest import Voice
from tests.client.person import Person
from tests.client.test_session import hear, registered, texts
from tests.running import Server

Join = Callable[..., Person]
Speak = Callable[[str], Voice]


ANSWERS = [
    ("/who nadie", r"\* nobody here is called nadie$"),
    ("/who #none", r"\* nobody to see in #none$"),
    ("/names #none", r"\* there is no room #none, or nobody to see in it$"),
    ("/mode +b", r"\* nobody is banned from #\S+$"),
    ("/mode -m", r"-- /mode: nothing has changed, it was so already$"),
    ("/mode +o ana", r"-- /mode: nothing has changed, it was so already$"),
    ("/mode +k clave secreta", r"! not done: too many words behind \+k: a key,"),
    ("/mode +b a b", r"! not done: too many words behind \+b:"),
    ("/mode -i b", r"! not done: too many words behind -i:"),
    ("/mode +o-i nadie", r"! nobody here is called nadie"),
    ("/nick ana", r"-- you are ana already$"),
    ("/topic", r"\* #\S+ has no topic$"),
    ("/whois nadie", r"! nobody here is called nadie"),
    ("/away", r"you are back$"),
    ("/kick nadie", r"! nobody here is called nadie"),
    ("/invite nadie", r"! nobody here is called nadie"),
    ("/part #none", r"! (there is no room|you are not in) #none"),
    ("/part nada", r"! how to use it: /part \[#ROOM \[REASON\]\]"),
    ("/history", r"-- nothing has been said in #\S+ yet$"),
    ("/raw MOTD", r"MOTD File is missing$"),
    ("/raw LUSERS", r"There are \d+ users"),
    ("/raw ISON nadie", r"-- /raw: the server has nothing to say to that$"),
    ("/raw PING x", r"-- /raw: the server has nothing to say to that$"),
    ("/raw NONSENSE", r"! NONSENSE: Unknown command$"),
    ("/q", r"! did you mean /quit\?"),
    ("/q #room", r"! how to use it: /q "),
    ("/", r"! no such command: /"),
]


def test_a_command_to_which_there_is_nothing_to_show_is_answered(join: Join, room: str) -> None:
    ana = join("ana", "--color", "never", rows=60)
    for typed, answer in ANSWERS:
        ana.say("/clear")
        ana.until(lambda: [line for line in ana.screen.display if line.strip()] == [f"ana {room}>".ljust(80)])
        ana.type(typed)
        ana.until(lambda: ana.bottom().endswith(f"> {typed}"))  # noqa: B023
        ana.type("\r")
        ana.until(lambda: any(re.search(answer, line.rstrip()) for line in ana.screen.display))  # noqa: B023


def test_what_is_answered_is_not_said_to_have_no_answer() -> None:
    session = registered()
    (command, mark) = session.typed("/names", 1.0).send
    assert command == "NAMES :#lobby"
    assert mark == "PING :mpchat-answer-1"
    hear(session, ":s 353 ana = #lobby :ana", ":s 366 ana #lobby :End")
    assert texts(hear(session, ":s PONG s :mpchat-answer-1")) == []


def test_what_others_do_meanwhile_is_no_answer() -> None:
    session = registered()
    session.typed("/mode +m", 1.0)
    hear(session, ":beto!b@h JOIN #lobby", ":beto!b@h PRIVMSG #lobby :hola")
    assert texts(hear(session, ":s PONG s :mpchat-answer-1")) == ["-- /mode: nothing has changed, it was so already"]
    session.typed("/mode +m", 2.0)
    hear(session, ":ana!a@h MODE #lobby +m")
    assert texts(hear(session, ":s PONG s :mpchat-answer-2")) == []


def test_answers_are_told_apart_in_their_order_and_forgotten_with_the_connection() -> None:
    session = registered()
    for _ in range(3):
        session.typed("/mode +m", 1.0)
    hear(session, ":ana!a@h MODE #lobby +m")
    assert texts(hear(session, ":s PONG s :mpchat-answer-1")) == []
    assert texts(hear(session, ":s PONG s :mpchat-answer-2")) != []
    session.closed()
    assert texts(hear(session, ":s PONG s :mpchat-answer-3")) == []


@pytest.mark.parametrize("typed", ["/kill beto ya", "/raw kill beto :ya"])
def test_a_kill_that_is_not_refused_is_done(typed: str) -> None:
    name = typed.split()[0]
    session = registered()
    session.typed(typed, 1.0)
    hear(session, ":beto!b@h QUIT :Killed (ana (ya))")
    assert texts(hear(session, ":s PONG s :mpchat-answer-1")) == [f"-- {name}: done"]
    session.typed(typed, 2.0)
    hear(session, ":s 481 ana :Permission Denied")
    assert texts(hear(session, ":s PONG s :mpchat-answer-2")) == []


def test_of_a_secret_command_only_its_name_is_told() -> None:
    session = registered()
    session.typed("/oper root hunter2", 1.0)
    assert "hunter2" not in texts(hear(session, ":s PONG s :mpchat-answer-1"))[0]


def test_words_have_their_echo_and_no_mark() -> None:
    session = registered()
    for typed in ("hola", "/me waves", "/msg beto hola", "/history", "/help", "/clear"):
        assert not any("mpchat-answer" in line for line in session.typed(typed, 1.0).send)


def test_the_greetings_small_print_is_shown_to_who_asks_for_it() -> None:
    session = registered()
    lines = (":s 251 ana :There are 2 users", ":s 422 ana :No message of the day")
    assert texts(hear(session, *lines)) == []
    assert texts(hear(session, *lines)) == ["* There are 2 users", "! No message of the day"]


# In the server's plain text


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("/nick {nick}", "* you are {nick} already"),
        ("/who nadie", "! there is no room #nadie"),
        ("/who #none", "! there is no room #none"),
        ("/who", "* in #lobby: "),
        ("/join #lobby", "* you are in #lobby already"),
        ("/part", "* you are in #lobby already"),
        ("/rooms", "* #lobby ("),
        ("/history x", "! how to use it: /history [N]"),
        ("/msg", "! how to use it: /msg NICK TEXT"),
        ("/msg nadie", "! say what?"),
        ("/msg nadie hola", "! nobody here is called nadie"),
        ("/me", "! say what?"),
        ("/pass x", "! no password is needed"),
        ("/help", "* /nick NAME"),
        ("/", "! a command stands right behind its slash"),
    ],
)
def test_in_plain_text_too(server: Server, nicks: object, typed: str, answer: str) -> None:
    nick = next(nicks)  # type: ignore[call-overload]
    with server.plain(nick) as ana:
        ana.ask("hola")
        answers = [line for line in ana.ask(typed.format(nick=nick)) if line[:1] != "["]  # what others do has a time
        assert answers
        assert answers[0].startswith(answer.format(nick=nick))


def test_a_room_of_many_who_are_all_invisible_is_answered(server: Server, channel: str) -> None:
    from mpchat.chat.channels import FEW

    crowd = [server.irc(f"hid{number}") for number in range(FEW + 1)]
    for one in crowd:
        one.ask(f"MODE {one.nick} +i", f"JOIN {channel}")
    with server.plain("visitor") as ana:
        assert ana.ask(f"/who {channel}") == [f"* nobody to see in {channel}"]
