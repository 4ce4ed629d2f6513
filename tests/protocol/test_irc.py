"""protocol/irc: what each command answers, and what it makes others hear. Every line as it stands on the wire."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mpchat.chat.hub import Hub
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.dialect import DIALECTS
from mpchat.protocol.irc.channels import pack
from mpchat.protocol.irc.modes import letters
from mpchat.protocol.outcomes import PasswordAsked
from mpchat.protocol.room_modes import parse_changes
from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person

S = ":mpchat.local "
CAPABILITIES = (
    "account-notify account-tag away-notify batch cap-notify draft/chathistory draft/read-marker echo-message"
    " extended-join invite-notify labeled-response message-tags mpchat.org/resume multi-prefix server-time setname"
    " soju.im/search standard-replies userhost-in-names"
)
ANA, BETO = ":ana!~ana@127.0.0.1 ", ":beto!~beto@127.0.0.1 "


class Scene:
    """ana, an operator of #a; beto, in it with her; carla, outside, invisible and away; dani, an IRC operator."""

    def __init__(self) -> None:
        self.driver = Driver(ChatSettings(opers_exist=True))
        self.people = {nick: self.driver.irc(nick) for nick in ("ana", "beto", "carla", "dani")}
        self.people["ana"].send("JOIN #a")
        self.people["beto"].send("JOIN #a")
        self.people["carla"].send("AWAY :de viaje", "MODE carla +i")
        self.people["dani"].send("OPER root *")
        self.driver.answer(True)
        for person in self.people.values():
            person.heard()

    def __getitem__(self, nick: str) -> Person:
        return self.people[nick]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        # Channels
        ("JOIN #new,#x:y,nowhere", [
            ANA + "JOIN #new", S + "353 ana = #new :@ana", S + "366 ana #new :End of /NAMES list",
            S + "476 ana #x:y :Bad channel name", S + "403 ana nowhere :No such channel",
        ]),
        ("JOIN #a", []),
        ("JOIN ,#a,", []),
        ("JOIN 0", [ANA + "PART #a"]),
        ("PART #a,#x :adiós", [ANA + "PART #a :adiós", S + "403 ana #x :No such channel"]),
        ("TOPIC #a", [S + "331 ana #a :No topic is set"]),
        ("TOPIC #a :hola", [ANA + "TOPIC #a :hola"]),
        ("TOPIC #x", [S + "403 ana #x :No such channel"]),
        ("NAMES #A,#x", [
            S + "353 ana = #a :@ana beto", S + "366 ana #a :End of /NAMES list",
            S + "366 ana #x :End of /NAMES list",
        ]),
        ("NAMES", [S + "366 ana * :End of /NAMES list"]),
        ("LIST", [S + "322 ana #a 2 :", S + "323 ana :End of /LIST"]),
        ("LIST #A,#x", [S + "322 ana #a 2 :", S + "323 ana :End of /LIST"]),
        ("LIST #x", [S + "323 ana :End of /LIST"]),
        ("INVITE beto #a", [S + "443 ana beto #a :is already on channel"]),
        ("INVITE dani #a", [S + "341 ana dani #a"]),
        ("INVITE carla #a", [S + "341 ana carla #a", S + "301 ana carla :de viaje"]),
        ("KICK #a beto", [ANA + "KICK #a beto :ana"]),
        ("KICK #a beto,carla :fuera", [
            ANA + "KICK #a beto :fuera", S + "441 ana carla #a :They aren't on that channel",
        ]),
        ("KICK #a,#x beto,carla", [ANA + "KICK #a beto :ana", S + "403 ana #x :No such channel"]),
        ("KICK #a,#b ana,beto,carla", [S + "461 ana KICK :As many channels as nicknames, or one channel"]),
        # Modes
        ("MODE #a", [S + "324 ana #a +", S + "329 ana #a 1700000000"]),
        ("MODE #a +i-i+m", [ANA + "MODE #a +i-i+m"]),
        ("MODE #a +v-o beto ana", [ANA + "MODE #a +v-o beto ana"]),
        ("MODE #a +kl key 5", [ANA + "MODE #a +kl key 5"]),
        ("MODE #a b", [S + "368 ana #a :End of channel ban list"]),
        ("MODE #a +bb x", [S + "368 ana #a :End of channel ban list", ANA + "MODE #a +b x!*@*"]),
        ("MODE #a -t", []),
        ("MODE #a +xo nobody", [
            S + "472 ana x :is unknown mode char to me", S + "401 ana nobody :No such nick/channel",
        ]),
        ("MODE #a +l x", [S + "696 ana #a l x :Not a positive number"]),
        ("MODE #x", [S + "403 ana #x :No such channel"]),
        ("MODE #a +om-v", [S + "461 ana MODE :Not enough parameters", ANA + "MODE #a +m"]),
        ("MODE ana", [S + "221 ana +"]),
        ("MODE ana +iw-w+w", [ANA + "MODE ana +iw-w+w"]),
        ("MODE ana +o", []),
        ("MODE ana -ow", []),
        ("MODE ana +xi", [ANA + "MODE ana +i", S + "501 ana :Unknown MODE flag"]),
        ("MODE beto", [S + "502 ana :Can't change mode for other users"]),
        ("MODE nobody +i", [S + "401 ana nobody :No such nick/channel"]),
        # Speech
        ("PRIVMSG", [S + "411 ana :No recipient given (PRIVMSG)"]),
        ("PRIVMSG beto", [S + "412 ana :No text to send"]),
        ("PRIVMSG #a,nobody,carla :x", [
            S + "401 ana nobody :No such nick/channel", S + "301 ana carla :de viaje",
        ]),
        ("PRIVMSG a,b,c,d,e :x", [S + "407 ana e :Too many recipients"]),
        ("NOTICE #a,nobody,carla :x", []),
        ("NOTICE beto", []),
        ("AWAY :comiendo", [S + "306 ana :You have been marked as being away"]),
        ("AWAY", [S + "305 ana :You are no longer marked as being away"]),
        # Operators
        ("OPER root", [S + "461 ana OPER :Not enough parameters"]),
        ("KILL beto", [S + "481 ana :Permission Denied- You're not an IRC operator"]),
        ("WALLOPS :x", [S + "481 ana :Permission Denied- You're not an IRC operator"]),
        # People
        ("WHO #a", [
            S + "352 ana #a ~ana 127.0.0.1 mpchat.local ana H@ :0 Ana Realname",
            S + "352 ana #a ~beto 127.0.0.1 mpchat.local beto H :0 Beto Realname", S + "315 ana #a :End of WHO list",
        ]),
        ("WHO #x", [S + "315 ana #x :End of WHO list"]),
        ("WHO CARLA", [
            S + "352 ana * ~carla 127.0.0.1 mpchat.local carla G :0 Carla Realname",
            S + "315 ana CARLA :End of WHO list",
        ]),
        ("WHO b*", [
            S + "352 ana #a ~beto 127.0.0.1 mpchat.local beto H :0 Beto Realname", S + "315 ana b* :End of WHO list",
        ]),
        ("WHO c*", [S + "315 ana c* :End of WHO list"]),
        ("WHO 0 o", [
            S + "352 ana * ~dani 127.0.0.1 mpchat.local dani H* :0 Dani Realname", S + "315 ana 0 :End of WHO list",
        ]),
        ("WHOIS", [S + "431 ana :No nickname given"]),
        ("WHOIS mpchat.local Beto", [
            S + "311 ana beto ~beto 127.0.0.1 * :Beto Realname", S + "319 ana beto :#a",
            S + "312 ana beto mpchat.local :a chat server made of processes",
            S + "317 ana beto 0 1700000000 :seconds idle, signon time", S + "318 ana Beto :End of /WHOIS list",
        ]),
        ("WHOIS dani", [
            S + "311 ana dani ~dani 127.0.0.1 * :Dani Realname",
            S + "312 ana dani mpchat.local :a chat server made of processes", S + "313 ana dani :is an IRC operator",
            S + "317 ana dani 0 1700000000 :seconds idle, signon time", S + "318 ana dani :End of /WHOIS list",
        ]),
        ("WHOIS carla", [
            S + "311 ana carla ~carla 127.0.0.1 * :Carla Realname",
            S + "312 ana carla mpchat.local :a chat server made of processes",
            S + "317 ana carla 0 1700000000 :seconds idle, signon time", S + "301 ana carla :de viaje",
            S + "318 ana carla :End of /WHOIS list",
        ]),
        ("WHOIS other.server beto", [S + "402 ana other.server :No such server"]),
        ("WHOIS nobody", [S + "401 ana nobody :No such nick/channel", S + "318 ana nobody :End of /WHOIS list"]),
        ("WHOWAS", [S + "431 ana :No nickname given"]),
        ("WHOWAS nobody", [S + "406 ana nobody :There was no such nickname", S + "369 ana nobody :End of WHOWAS"]),
        ("USERHOST beto nobody carla dani", [
            S + "302 ana :beto=+~beto@127.0.0.1 carla=-~carla@127.0.0.1 dani*=+~dani@127.0.0.1",
        ]),
        ("ISON BETO nobody :carla dani", [S + "303 ana :beto carla dani"]),
        # The server
        ("MOTD", [S + "422 ana :MOTD File is missing"]),
        ("MOTD other.server", [S + "402 ana other.server :No such server"]),
        ("TIME mpchat.*", [S + "391 ana mpchat.local :2023-11-14 23:13:20 +0100"]),
        ("TIME beto", [S + "391 ana mpchat.local :2023-11-14 23:13:20 +0100"]),
        ("ADMIN", [
            S + "256 ana mpchat.local :Administrative info", S + "257 ana :mpchat",
            S + "258 ana :a chat server made of processes", S + "259 ana :Ask whoever runs this server",
        ]),
        ("LINKS", [
            S + "364 ana mpchat.local mpchat.local :0 a chat server made of processes",
            S + "365 ana * :End of LINKS list",
        ]),
        ("LINKS other.*", [S + "365 ana other.* :End of LINKS list"]),
        ("LINKS other.server *", [S + "402 ana other.server :No such server"]),
        ("HELP nonsense", [S + "524 ana NONSENSE :No help available on this topic"]),
        ("LUSERS", [
            S + "251 ana :There are 3 users and 1 invisible on 1 servers", S + "252 ana 1 :operator(s) online",
            S + "253 ana 0 :unknown connection(s)", S + "254 ana 1 :channels formed",
            S + "255 ana :I have 4 clients and 0 servers", S + "265 ana 4 4 :Current local users 4, max 4",
            S + "266 ana 4 4 :Current global users 4, max 4",
        ]),
        # The way in and out
        ("PASS x", [S + "462 ana :You may not reregister"]),
        ("USER a 0 * :b", [S + "462 ana :You may not reregister"]),
        ("NICK", [S + "431 ana :No nickname given"]),
        ("NICK beto", [S + "433 ana beto :Nickname is already in use"]),
        ("NICK :b c", [S + "432 ana b :Erroneous nickname"]),
        ("NICK ana", []),
        ("NICK ANA", [ANA + "NICK ANA"]),
        ("CAP LIST", [S + "CAP ana LIST :"]),
        ("CAP LS 302", [S + f"CAP ana LS :{CAPABILITIES}"]),
        ("CAP REQ :echo-message nonsense", [S + "CAP ana NAK :echo-message nonsense"]),
        ("CAP END", []),
        ("CAP nonsense", [S + "410 ana nonsense :Invalid CAP command"]),
        ("CAP", [S + "461 ana CAP :Not enough parameters"]),
        ("PING", [S + "461 ana PING :Not enough parameters"]),
        ("PING :", [S + "409 ana :No origin specified"]),
        ("PING :a b", [S + "PONG mpchat.local :a b"]),
        ("PONG", []),
        ("QUIT", ["ERROR :Closing link: 127.0.0.1 (Client quit)"]),
        # And what is none of these
        ("", []),
        ("@a=b :x", []),
        ("Nonsense x", [S + "421 ana NONSENSE :Unknown command"]),
        ("JOIN :", [S + "461 ana JOIN :Not enough parameters"]),
        ("PING " + "x" * 505, [S + "PONG mpchat.local :" + "x" * (510 - len(S + "PONG mpchat.local :"))]),
        ("PING " + "x" * 506, [S + "417 ana :Input line was too long"]),
        ("x" * 511, [S + "417 ana :Input line was too long"]),
        ("@" + "x" * 4094 + " PING x", [S + "PONG mpchat.local :x"]),
        ("@" + "x" * 4095 + " PING x", [S + "417 ana :Input line was too long"]),
        ("@a PING " + "x" * 506, [S + "417 ana :Input line was too long"]),
        ("@" + "x" * 600, [S + "417 ana :Input line was too long"]),
    ],
)  # fmt: skip
def test_the_answer(scene: Scene, line: str, answers: list[str]) -> None:
    assert scene["ana"].send(line) == answers


def test_bytes_that_are_not_text_are_refused(scene: Scene) -> None:
    assert scene["ana"].send(b"PRIVMSG #a :\xff") == [S + "NOTICE ana :Refused: not UTF-8 text"]
    assert scene["beto"].heard() == []


def test_what_a_newcomer_may_not() -> None:
    driver = Driver(ChatSettings(motd=("uno", "dos")))
    ana = driver.connect()

    assert ana.send("JOIN #a", "NONSENSE", b"\xff") == [
        S + "451 * :You have not registered",
        S + "451 * :You have not registered",
        S + "NOTICE * :Refused: not UTF-8 text",
    ]
    assert ana.send("USER ana 0 *", "USER ana 0 * :", "USER !!! 0 * :Ana", "PASS x") == [
        S + "461 * USER :Not enough parameters",
        S + "461 * USER :Not enough parameters",
        S + "468 * :Your username is not valid",
    ]
    assert ana.send("NICK ana", "PRIVMSG #a :x") == [S + "451 ana :You have not registered"]
    greeting = ana.send("USER a!b@c 0 * :Ana")
    assert greeting[0] == S + "001 ana :Welcome to the mpchat network, ana!~abc@127.0.0.1"
    assert greeting[-4:] == [
        S + "375 ana :- mpchat.local Message of the day -",
        S + "372 ana :- uno",
        S + "372 ana :- dos",
        S + "376 ana :End of /MOTD command",
    ]


def test_capabilities_hold_registration() -> None:
    ana = Driver().connect()
    assert ana.send("CAP LS 302", "NICK ana", "USER ana 0 * :Ana", "CAP REQ :echo-message", "CAP LIST") == [
        S + f"CAP * LS :{CAPABILITIES}",
        S + "CAP ana ACK :echo-message",
        S + "CAP ana LIST :cap-notify echo-message",
    ]
    assert ana.send("CAP END")[0].startswith(S + "001 ana ")


def test_no_operators_are_configured() -> None:
    ana = Driver().irc("ana")
    ana.heard()

    assert ana.send("OPER root *") == [S + "491 ana :No operators are configured on this server"]


def test_what_operators_may(scene: Scene) -> None:
    dani, beto = scene["dani"], scene["beto"]
    assert dani.send("MODE dani") == [S + "221 dani +o"]
    assert dani.send("KILL nobody :spam") == [S + "401 dani nobody :No such nick/channel"]

    for nothing in ("", " :"):
        assert dani.send("KILL beto" + nothing) == [S + "461 dani KILL :A comment is needed: why?"]

    dani.send("KILL beto spam")

    assert beto.heard() == ["ERROR :Closing link: 127.0.0.1 (Killed (dani (spam)))"]
    assert beto.closed
    assert scene["ana"].heard() == [BETO + "QUIT :Killed (dani (spam))"]
    luis = scene.driver.plain("luis")
    luis.heard()
    dani.send("KILL luis :\x02basta")
    assert luis.heard() == ["* goodbye (Killed (dani (basta)))"], "in their own dialect"
    dani.heard()
    assert dani.send("KILL dani :me") == ["ERROR :Closing link: 127.0.0.1 (Killed (dani (me)))"]


def test_a_name_that_nobody_shares_is_told_to_oneself(scene: Scene) -> None:
    assert scene["dani"].send("NICK dora") == [":dani!~dani@127.0.0.1 NICK dora"]


def test_a_verdict_on_a_password_means_nothing_to_those_who_are_in() -> None:
    context = Context(Hub(ChatSettings(), 0), ChatSettings(), 0, 0)
    for dialect in DIALECTS.values():
        connection = Connection(context.hub.connect(1, "127.0.0.1"), dialect, worker=0, mono=0)
        connection.registration = None
        assert list(dialect.answered(context, connection, PasswordAsked(), True)) == []


def test_who_gives_it_up_is_none(scene: Scene) -> None:
    dani = scene["dani"]
    assert dani.send("MODE dani -o") == [":dani!~dani@127.0.0.1 MODE dani -o"]
    assert dani.send("KILL beto") == [S + "481 dani :Permission Denied- You're not an IRC operator"]


def test_a_topic_greets_those_who_join(scene: Scene) -> None:
    scene["ana"].send("TOPIC #a :hola")
    scene.driver.pass_time(5)

    assert scene["dani"].send("JOIN #a")[1:3] == [
        S + "332 dani #a :hola",
        S + "333 dani #a ana!~ana@127.0.0.1 1700000000",
    ]
    assert scene["dani"].send("TOPIC #a") == [S + "332 dani #a :hola", S + "333 dani #a ana!~ana@127.0.0.1 1700000000"]


def test_a_secret_room_is_not_there_for_strangers(scene: Scene) -> None:
    scene["ana"].send("MODE #a +s", "MODE #a +k key", "MODE #a +b x")

    assert scene["dani"].send("NAMES #a", "LIST", "WHO #a", "TOPIC #a", "MODE #a b", "WHOIS ana") == [
        S + "366 dani #a :End of /NAMES list",
        S + "323 dani :End of /LIST",
        S + "315 dani #a :End of WHO list",
        S + "442 dani #a :You're not on that channel",
        S + "442 dani #a :You're not on that channel",
        S + "311 dani ana ~ana 127.0.0.1 * :Ana Realname",
        S + "312 dani ana mpchat.local :a chat server made of processes",
        S + "317 dani ana 0 1700000000 :seconds idle, signon time",
        S + "318 dani ana :End of /WHOIS list",
    ]
    assert scene["beto"].send("NAMES #a", "MODE #a", "MODE #a b")[-1:] == [S + "368 beto #a :End of channel ban list"]


def test_a_room_shows_its_members(scene: Scene) -> None:
    scene["ana"].send("MODE #a +sv beto", "MODE #a +b x")
    scene["beto"].heard()

    assert scene["beto"].send("NAMES #a", "MODE #a b") == [
        S + "353 beto @ #a :@ana +beto",
        S + "366 beto #a :End of /NAMES list",
        S + "367 beto #a x!*@* ana!~ana@127.0.0.1 1700000000",
        S + "368 beto #a :End of channel ban list",
    ]


def test_the_invisible_are_seen_from_inside_only(scene: Scene) -> None:
    scene["carla"].send("JOIN #a")
    scene["ana"].heard()
    scene["dani"].heard()

    assert scene["dani"].send("NAMES #a")[0] == S + "353 dani = #a :@ana beto"
    assert scene["ana"].send("NAMES #a")[0] == S + "353 ana = #a :@ana beto carla"
    assert len(scene["dani"].send("WHO #a")) == 3
    assert len(scene["ana"].send("WHO #a")) == 4
    assert len(scene["ana"].send("WHO c*")) == 2, "we share a room"


def test_the_departed(scene: Scene) -> None:
    scene["beto"].send("NICK berta")
    scene.driver.pass_time(5)
    scene["beto"].send("NICK beto", "QUIT")
    scene["ana"].heard()
    newest = [
        S + "314 ana beto ~beto 127.0.0.1 * :Beto Realname",
        S + "312 ana beto mpchat.local :2023-11-14 22:13:25 +0000",
    ]
    oldest = [newest[0], S + "312 ana beto mpchat.local :2023-11-14 22:13:20 +0000"]
    end = [S + "369 ana beto :End of WHOWAS"]

    assert scene["ana"].send("WHOWAS beto") == newest + oldest + end
    assert scene["ana"].send("WHOWAS beto 1") == newest + end
    assert scene["ana"].send("WHOWAS beto -1") == newest + oldest + end
    assert scene["ana"].send("WHOWAS beto ٣") == newest + oldest + end


def test_help_and_information(scene: Scene) -> None:
    ana = scene["ana"]
    start, *lines, end = ana.send("HELP")
    assert (start, end) == (S + "704 ana * :Help", S + "706 ana * :End of help")
    assert all(line.startswith(S + "705 ana * :") for line in lines)
    assert ana.send("HELP modes")[-1] == S + "706 ana MODES :End of help"
    assert ana.send("INFO")[-2:] == [
        S + "371 ana :Running since 2023-11-14 22:13:20 +0000",
        S + "374 ana :End of INFO list",
    ]
    assert ana.send("VERSION")[0] == S + "351 ana mpchat. mpchat.local :a chat server made of processes"
    for line in ana.send("VERSION")[1:]:
        assert line.startswith(S + "005 ana ")
        assert len(line.partition(" :")[0].split(" ")) <= 3 + 13


def test_what_others_hear(scene: Scene) -> None:
    ana, beto, dani = scene["ana"], scene["beto"], scene["dani"]
    ana.send("NOTICE #a :aviso", "PRIVMSG beto :hola", "INVITE dani #a", "TOPIC #a :tema", "MODE #a +o beto")
    ana.send("AWAY :lejos", "PART #a")

    assert beto.heard() == [
        ANA + "NOTICE #a :aviso",
        ANA + "PRIVMSG beto :hola",
        ANA + "TOPIC #a :tema",
        ANA + "MODE #a +o beto",
        ANA + "PART #a",
    ]
    assert dani.heard() == [ANA + "INVITE dani #a"]
    assert beto.send("WHO #a")[0].endswith("beto H@ :0 Beto Realname")


def test_many_names_take_many_lines() -> None:
    driver = Driver()
    ana = driver.irc("ana")
    ana.send("JOIN #a")
    nicks = [f"ñandú{'x' * 20}{number}" for number in range(40)]
    for nick in nicks:
        driver.irc(nick).send("JOIN #a")
    ana.heard()

    *names, end = ana.send("NAMES #a")

    assert end == S + "366 ana #a :End of /NAMES list"
    for line, following in pairwise(names):
        first = following.rpartition(":")[2].split(" ")[0]
        assert len(f"{line} {first}".encode()) > 510, "it could have held one more"
    assert all(len(line.encode()) <= 510 for line in names)
    assert [nick for line in names for nick in line.rpartition(":")[2].split(" ")] == ["@ana", *nicks]


@pytest.mark.parametrize(
    ("words", "room", "lines"),
    [
        ([], 9, []),
        (["aa", "bb", "cc"], 8, ["aa bb cc"]),
        (["aa", "bb", "cc"], 7, ["aa bb", "cc"]),
        (["aa", "bb"], 4, ["aa", "bb"]),
        (["ñ", "b"], 4, ["ñ b"]),
        (["ñ", "b"], 3, ["ñ", "b"]),
        (["toolong", "a"], 3, ["toolong", "a"]),
    ],
)
def test_packing(words: list[str], room: int, lines: list[str]) -> None:
    assert pack(words, room) == lines


def test_many_changes_take_many_lines(scene: Scene) -> None:
    scene["ana"].send("MODE #a " + "+bbb " + " ".join(letter * 120 for letter in "xyz"))

    heard = scene["beto"].heard()
    assert heard == [ANA + "MODE #a +bbb " + " ".join(letter * 120 + "!*@*" for letter in "xyz")], "they fit one line"
    name = "#" + "c" * 60
    scene["ana"].send(f"JOIN {name}")
    answers = scene["ana"].send(f"MODE {name} +bbb " + " ".join(letter * 135 for letter in "xyz"))
    assert answers == [
        ANA + f"MODE {name} +bb " + " ".join(letter * 135 + "!*@*" for letter in "xy"),
        ANA + f"MODE {name} +b " + "z" * 135 + "!*@*",
    ]


@pytest.mark.parametrize(
    ("params", "changes", "asks"),
    [
        (["+o-v", "ana", "beto"], [("+", "o", "ana"), ("-", "v", "beto")], ""),
        (["ov", "ana"], [("+", "o", "ana"), ("+", "v", "")], ""),
        (["+k-k", "a", "b"], [("+", "k", "a"), ("-", "k", "b")], ""),
        (["+l-l", "5", "x"], [("+", "l", "5"), ("-", "l", "")], ""),
        (["b"], [], "b"),
        (["+b-i", ""], [("-", "i", "")], "b"),
        (["-b+m", "x"], [("-", "b", "x"), ("+", "m", "")], ""),
        (["+-"], [], ""),
        ([""], [], ""),
        (["+beIe"], [], "beI"),
        (["+eI", "x"], [("+", "e", "x")], "I"),
    ],
)
def test_changes_as_they_are_written(params: list[str], changes: list[tuple[str, str, str]], asks: str) -> None:
    assert parse_changes(params, 4) == (changes, asks)


def test_to_a_server_of_before_the_letters_of_exceptions_take_no_value() -> None:
    assert parse_changes(["+eb", "x"], 3) == ([("+", "e", ""), ("+", "b", "x")], "")


def test_letters_share_their_signs() -> None:
    assert letters([("+", "i"), ("+", "m"), ("-", "o"), ("+", "v")]) == "+im-o+v"
    assert letters([]) == ""
