"""What people read for what the server says."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpchat.client.model import Model
from mpchat.client.step import Speech
from mpchat.client.view import View, names_me, sent_at
from mpchat.protocol.message import parse

_COMMANDS = ("PRIVMSG", "NOTICE", "JOIN", "PART", "QUIT", "NICK", "KICK", "TOPIC", "MODE", "INVITE", "ERROR", "FAIL")


@pytest.fixture
def view() -> View:
    """Ana is in #lobby (her current room) and in #dev, with beto and carla in #lobby."""
    view = View(Model("ana", "#lobby"))
    for line in (
        ":ana!ana@host JOIN #lobby",
        ":s 353 ana = #lobby :@ana beto +carla",
        ":s 366 ana #lobby :End of /NAMES list.",
        ":ana!ana@host JOIN #dev",
    ):
        view.heard(parse(line))
    view.model.current = "#lobby"
    return view


def read(view: View, line: str) -> list[str]:
    return [shown.plain("14:03") for shown in view.heard(parse(line))]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (":beto!b@h PRIVMSG #lobby :hola", "14:03 <beto> hola"),
        (":beto!b@h PRIVMSG #LOBBY :hola", "14:03 <beto> hola"),
        (":beto!b@h PRIVMSG #dev :hola", "14:03 #dev <beto> hola"),
        (":beto!b@h PRIVMSG ana :hola", "14:03 <beto -> you> hola"),
        (":ana!a@h PRIVMSG beto :hola", "14:03 <you -> beto> hola"),
        (":ana!a@h PRIVMSG #lobby :hola", "14:03 <ana> hola"),
        (":beto!b@h PRIVMSG #lobby :\x01ACTION waves\x01", "14:03 <*beto> waves"),
        (":beto!b@h PRIVMSG #dev :\x01ACTION waves\x01", "14:03 #dev <*beto> waves"),
        (":beto!b@h PRIVMSG ana :\x01ACTION waves\x01", "14:03 <*beto -> you> waves"),
        (":ana!a@h PRIVMSG beto :\x01ACTION waves\x01", "14:03 <*you -> beto> waves"),
        (":beto!b@h PRIVMSG ana :\x01VERSION\x01", "14:03 * beto asks with CTCP VERSION"),
        (":beto!b@h PRIVMSG #lobby :\x02bold\x02 \x0304red\x03", "14:03 <beto> bold red"),
        (":beto!b@h PRIVMSG @#dev :ops only", "14:03 #dev <beto> ops only"),
        (":beto!b@h NOTICE #lobby :hola", "14:03 -beto- hola"),
        (":irc.local NOTICE ana :welcome", "14:03 -irc.local- welcome"),
        ("NOTICE * :looking up", "14:03 -server- looking up"),
        (":dora!d@h JOIN #lobby", "14:03 * dora joined #lobby"),
        (":beto!b@h PART #lobby", "14:03 * beto left #lobby"),
        (":beto!b@h PART #lobby :bye", "14:03 * beto left #lobby (bye)"),
        (":beto!b@h QUIT :gone", "14:03 * beto quit (gone)"),
        (":beto!b@h NICK bea", "14:03 * beto is now bea"),
        (":beto!b@h KICK #lobby carla :enough", "14:03 * beto kicked carla from #lobby (enough)"),
        (":beto!b@h TOPIC #lobby :news", "14:03 * beto set the topic of #lobby: news"),
        (":beto!b@h TOPIC #lobby :", "14:03 * beto removed the topic of #lobby"),
        (":beto!b@h MODE #lobby +o carla", "14:03 * beto changed the modes of #lobby: +o carla"),
        (":beto!b@h MODE #lobby -k *", "14:03 * beto changed the modes of #lobby: -k"),
        (
            ":beto!b@h INVITE ana #secret",
            "14:03 * beto invites ana to #secret: /join #secret, and behind it the key if it has one",
        ),
        ("ERROR :Closing link", "14:03 ! Closing link"),
        ("FAIL PRIVMSG INVALID_TARGET x :no such thing", "14:03 ! x: no such thing"),
        (":s 404 ana #dev :Cannot send to channel", "14:03 ! #dev: Cannot send to channel"),
        (":s 421 ana FOO :Unknown command", "14:03 ! FOO: Unknown command"),
        (":s 332 ana #lobby :news", "14:03 * topic of #lobby: news"),
        (":s 331 ana #lobby :No topic is set", "14:03 * #lobby has no topic"),
        (":s 352 ana #lobby u h s beto G :0 Beto B", "14:03 * beto (u@h), away, real name Beto B"),
        (":s 352 ana #lobby u h s beto H@ :0 Beto B", "14:03 * beto (u@h), here, real name Beto B"),
        (":s 322 ana #lobby 3 :news", "14:03 * #lobby (3, you are here): news"),
        (":s 322 ana #other 1 :", "14:03 * #other (1)"),
        (":s 301 ana beto :lunch", "14:03 * beto is away: lunch"),
        (":s 311 ana beto u h * :Beto B", "14:03 * beto is u@h: Beto B"),
        (":s 372 ana :- a word of the day", "14:03 * a word of the day"),
        (":s 799 ana odd :thing", "14:03 * odd: thing"),
    ],
)
def test_a_message_is_one_readable_line(view: View, line: str, shown: str) -> None:
    assert read(view, line) == [shown]


@pytest.mark.parametrize("line", ["", "CAP", ":s 001", ":s 376 ana :End", ":s 333 ana #lobby x 1", "AWAY", ":s 999"])
def test_small_print_is_not_shown(view: View, line: str) -> None:
    assert read(view, line) == []


@pytest.mark.parametrize("command", _COMMANDS)
@pytest.mark.parametrize("source", ["", ":ana!a@h ", ":beto "])
def test_a_message_without_parameters_breaks_nothing(view: View, command: str, source: str) -> None:
    view.heard(parse(source + command))


def test_a_numeric_without_parameters_breaks_nothing(view: View) -> None:
    for number in range(1000):
        view.heard(parse(f":s {number:03}"))
        view.heard(parse(f":s {number:03} ana"))


def test_names_are_greeted_short_and_answered_in_full(view: View) -> None:
    names = " ".join(f"n{number:02}" for number in range(30))
    read(view, ":ana!a@h JOIN #big")
    read(view, f":s 353 ana = #big :{names}")
    assert read(view, ":s 366 ana #big :End")[0].endswith("n19 and 10 more (/names)")
    read(view, f":s 353 ana = #big :{names}")
    assert read(view, ":s 366 ana #big :End") == [f"14:03 * in #big (30): {names}"]


def test_the_model_knows_who_is_where(view: View) -> None:
    assert view.model.people() == ["ana", "beto", "carla"]
    read(view, ":beto!b@h NICK bea")
    read(view, ":carla!c@h QUIT :")
    read(view, ":dora!d@h JOIN #dev")
    assert view.model.people() == ["ana", "bea", "dora"]
    read(view, ":bea!b@h KICK #lobby ana")
    assert (view.model.current, view.model.nowhere) == ("", "bea kicked you from #lobby")
    assert view.model.people() == ["ana", "dora"]


def test_a_list_of_rooms_has_an_end(view: View) -> None:
    shown = [line for number in range(150) for line in read(view, f":s 322 ana #r{number} 1 :")]
    assert len(shown) == 100
    assert read(view, ":s 323 ana :End") == ["14:03 * and 50 rooms more"]
    assert read(view, ":s 323 ana :End") == ["14:03 * no other rooms to see"]


def test_own_words_to_oneself_are_shown_as_sent_and_as_received(view: View) -> None:
    echo, delivery = (view.heard(parse(":ana!a@h PRIVMSG ana :memo"), echo) for echo in (True, False))
    assert echo[0].plain("14:03") == "14:03 <you -> ana> memo"
    assert delivery[0].plain("14:03") == "14:03 <ana -> you> memo"


def test_own_words_without_an_echo_look_the_same(view: View) -> None:
    assert view.own(Speech("#lobby", "hola")).plain("14:03") == "14:03 <ana> hola"
    assert view.own(Speech("#dev", "hola")).plain("14:03") == "14:03 #dev <ana> hola"
    assert view.own(Speech("beto", "hola")).plain("14:03") == "14:03 <you -> beto> hola"


def test_the_time_is_the_servers_where_it_tells_it(view: View) -> None:
    line = view.heard(parse("@time=2024-03-05T14:03:07.500Z :beto!b@h PRIVMSG #lobby :hola"))[0]
    assert line.at == 1709647387.5
    assert view.heard(parse(":beto!b@h PRIVMSG #lobby :hola"))[0].at is None


@pytest.mark.parametrize("stamp", ["", "Z", "yesterday", "2024-03-05T14:03:07.500", "2024-13-45T99:00:00.000Z"])
def test_a_time_that_makes_no_sense_is_ours(stamp: str) -> None:
    assert sent_at(parse(f"@time={stamp} PING")) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ana", True),
        ("hola, Ana!", True),
        ("ana: hola", True),
        ("@ana", True),
        ("(ana)", True),
        ("anabel", False),
        ("mañana", False),
        ("ana-maria", False),
        ("la-ana", False),
        ("ana_", False),
        ("", False),
    ],
)
def test_a_mention_is_ones_nick_as_a_word(text: str, named: bool) -> None:
    assert names_me("ana", text) is named


def test_a_mention_and_a_private_message_call(view: View) -> None:
    def calls(line: str) -> bool:
        return view.heard(parse(line))[0].calls

    assert calls(":beto!b@h PRIVMSG #lobby :ana?")
    assert calls(":beto!b@h PRIVMSG ana :hola")
    assert not calls(":beto!b@h PRIVMSG #lobby :hola")
    assert not calls(":ana!a@h PRIVMSG #lobby :ana am I")
    assert not calls(":ana!a@h PRIVMSG beto :hola")


def test_a_nick_of_special_signs_is_found() -> None:
    assert names_me("[x]", "hola [X]!")
    assert not names_me("[x]", "hola x")


words = st.one_of(
    st.sampled_from(["quit (Client quit)", "joined #lobby", "* beto quit", "-- connected", "> * beto left", "! no"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=20),
)
_CLOCK_AND_ROOM = r"14:03 (#dev )?"


@given(text=words, verb=st.sampled_from(["PRIVMSG", "NOTICE"]), target=st.sampled_from(["#lobby", "#dev", "ana"]))
@example("\x01ACTION quit (Client quit)\x01", "PRIVMSG", "#lobby")
def test_nobodys_words_look_like_what_the_server_or_the_client_tells(text: str, verb: str, target: str) -> None:
    """Without colour too."""
    model = Model("ana")
    model.enter("#dev")
    model.enter("#lobby")
    view = View(model)

    for said in (text, f"\x01ACTION {text}\x01"):
        if not said.startswith("\x01") or said.startswith("\x01ACTION"):  # what a program asks is told by the client
            (line,) = read(view, f":beto!b@h {verb} {target} :{said}")
            assert re.match(_CLOCK_AND_ROOM + r"(<\*?beto( -> you)?>|-beto-)( |$)", line)
    told = ["JOIN #lobby", f"PART #lobby :{text}", f"TOPIC #lobby :{text}", "NICK carla", f"QUIT :{text}"]
    for event in told:
        (line,) = read(view, f":beto!b@h {event}")
        assert re.match(r"14:03 \* beto ", line)


def test_a_kick_whose_reason_is_the_kickers_nick_has_none() -> None:
    view = View(Model("ana", "#lobby"))
    (line,) = view.heard(parse(":beto!b@h KICK #lobby carla :beto"))
    assert line.text == "beto kicked carla from #lobby"
