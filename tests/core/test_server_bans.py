"""core: bans of the whole server, from the commands of an operator to those who are closed or not let in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpchat.core.machine import Core
from mpchat.settings import ChatSettings, pack
from tests.core.driver import Driver, Person

OPERS = ChatSettings(opers_exist=True)
DAY = 24 * 3600


def comes(driver: Driver, host: str, user: str = "eva", nick: str = "eva") -> Person:
    """Somebody who connects from this address, and registers as far as they get."""
    person = driver.connect(host=host)
    if not person.closed:
        person.send(f"NICK {nick}", f"USER {user} 0 * :Eva")
    return person


def rooted(driver: Driver, nick: str = "root") -> Person:
    root = driver.irc(nick)
    root.send("OPER root *")
    driver.answer(True)
    root.heard()
    return root


@pytest.fixture
def driver() -> Driver:
    return Driver(OPERS)


@pytest.fixture
def root(driver: Driver) -> Person:
    return rooted(driver)


def notice(text: str, nick: str = "root") -> str:
    return f":mpchat.local NOTICE {nick} :{text}"


def test_a_kline_closes_whom_it_meets_and_keeps_them_out(driver: Driver, root: Person) -> None:
    troll, ana = comes(driver, "192.0.2.7", "troll", "troll"), comes(driver, "192.0.2.7", "ana", "ana")
    root.send("JOIN #club")
    for each in (troll, ana):
        each.send("JOIN #club")
    for each in (ana, root):
        each.heard()
    told = root.send("KLINE 60 troll@192.0.2.* :no more spam")
    until = "2023-11-15 00:13:20 +0100"
    assert told[0] == notice(f"KLINE: troll@192.0.2.* is banned until {until}; 1 connection closed")
    why = f"You are banned from this server until {until}: no more spam"
    assert troll.heard()[-2:] == [f":mpchat.local 465 troll :{why}", f"ERROR :Closing link: 192.0.2.7 ({why})"]
    assert troll.closed
    assert not ana.closed
    assert ana.heard() == [":troll!~troll@192.0.2.7 QUIT :Banned: no more spam"]
    again = comes(driver, "192.0.2.9", "Troll", "other")
    assert again.closed
    assert again.output.decode().splitlines()[-2:] == [
        f":mpchat.local 465 other :{why}",
        f"ERROR :Closing link: 192.0.2.9 ({why})",
    ]
    assert not comes(driver, "192.0.3.9", "troll", "troll").closed
    assert root.send("UNKLINE TROLL@192.0.2.*")[-1] == notice("UNKLINE: troll@192.0.2.* is not banned any more")
    assert not comes(driver, "192.0.2.9", "troll", "third").closed


def test_a_kline_on_a_network_meets_who_is_in_it(driver: Driver, root: Person) -> None:
    troll, ana = comes(driver, "192.0.2.7", "troll", "troll"), comes(driver, "192.0.3.7", "ana", "ana")
    told = root.send("KLINE *@192.0.2.9/24 :spam")
    assert told[0] == notice("KLINE: *@192.0.2.0/24 is banned without a time limit; 1 connection closed")
    assert (troll.closed, ana.closed) == (True, False)
    assert comes(driver, "192.0.2.200", "other", "other").closed
    assert root.send("UNKLINE *@192.0.2.77/24") == [notice("UNKLINE: *@192.0.2.0/24 is not banned any more")]
    assert not comes(driver, "192.0.2.200", "other", "other").closed
    root.send("KLINE *@2001:DB8:0::7 :spam")
    assert comes(driver, "2001:db8::7", "six", "six").closed


def test_what_an_older_server_took_is_kept_and_can_be_lifted(driver: Driver) -> None:
    """It took masks that meet nobody, and did not know networks in them."""
    driver = Driver(replace(OPERS, level=2))
    root, eva = rooted(driver), comes(driver, "192.0.2.7")
    root.send("KLINE *@bad.example :x", "KLINE *@192.0.2.9/24 :x", "KLINE *@0.0.0.0/0 :x", "DLINE 10.0.0.0/8 :x")
    assert len(driver.core.hub.bans) == 4
    assert not eva.closed
    assert not comes(driver, "192.0.2.8", nick="two").closed
    assert driver.connect(host="10.0.0.1").heard() == ["ERROR :Closing link: (You are banned from this server: x)"]
    driver.chat = OPERS
    driver.start()
    assert comes(driver, "192.0.2.7").closed, "an operator wanted to keep this network out"
    assert not comes(driver, "192.0.3.7").closed, "and did not keep everybody out"
    root = rooted(driver)
    for mask in ("*@bad.example", "*@192.0.2.9/24", "*@0.0.0.0/0"):
        assert root.send(f"UNKLINE {mask}") == [notice(f"UNKLINE: {mask} is not banned any more")]


def test_a_dline_turns_addresses_away_before_they_have_a_session(driver: Driver, root: Person) -> None:
    here, half, other = (
        comes(driver, "192.0.2.7"),
        driver.connect(host="192.0.2.8"),
        comes(driver, "192.0.3.7", "o", "o"),
    )
    sessions = driver.core.hub.arrivals
    assert root.send("DLINE 192.0.2.9/24 :abuse")[0] == notice(
        "DLINE: 192.0.2.0/24 is banned without a time limit; 2 connections closed"
    )
    assert (here.closed, half.closed, other.closed) == (True, True, False)
    why = "You are banned from this server: abuse"
    assert half.heard() == [f":mpchat.local 465 * :{why}", f"ERROR :Closing link: 192.0.2.8 ({why})"]
    in_irc = [f":mpchat.local 465 * :{why}", f"ERROR :Closing link: ({why})"]
    for plain, told in ((False, in_irc), (True, [f"! {why}"])):
        late = driver.connect(host="192.0.2.200", plain=plain)
        assert late.heard() == told
        assert late.closed
        driver.feed(("line", late.id, 6, b"hola\r"), ("gone", late.id, "Connection closed"))
    assert driver.core.hub.arrivals == sessions
    root.send("UNDLINE 192.0.2.0/24")
    assert not comes(driver, "192.0.2.7").closed


def test_a_plain_text_client_reads_it_in_its_language(driver: Driver, root: Person) -> None:
    eva = driver.connect(plain=True, host="192.0.2.7")
    eva.send("/lang es", "eva")
    luis = driver.connect(plain=True, host="192.0.2.7")
    luis.send("/lang es")
    root.send("KLINE 1d *@192.0.2.7 :basta")
    why = "Tienes prohibida la entrada a este servidor hasta 2023-11-15 23:13:20 +0100: basta"
    assert why in eva.heard()[-1]
    assert not luis.closed, "who has no name yet is met when they take one"
    assert why in luis.send("luis")[-1]
    assert luis.closed


def test_each_ban_lasts_as_long_as_it_says(driver: Driver, root: Person) -> None:
    for limit, seconds in (("2", 120), ("2m", 120), ("3h", 3 * 3600), ("2d", 2 * DAY)):
        root.send(f"DLINE {limit} 192.0.2.7 :x")
        driver.stand_still(seconds - 1)
        assert comes(driver, "192.0.2.7").closed, limit
        driver.stand_still(1)
        late = comes(driver, "192.0.2.7")
        assert not late.closed, limit
        late.send("QUIT")


def test_a_clock_that_is_set_back_makes_it_longer(driver: Driver, root: Person) -> None:
    root.send("DLINE 10 192.0.2.7 :x")
    driver.wall -= 3_600_000
    driver.stand_still(3600)
    assert comes(driver, "192.0.2.7").closed
    driver.stand_still(600)
    assert not comes(driver, "192.0.2.7").closed
    driver.wall -= 3_600_000
    assert not comes(driver, "192.0.2.7", nick="two").closed, "what is over does not come back"


NO_HOST = (
    "No client can have that host: it is an address. Give USER@ADDRESS (* and ? match), USER@192.0.2.0/24, or use DLINE"
)
REFUSED = [
    ("KLINE *@* :x", "415 root *@* :It would meet everybody"),
    ("KLINE *@*.*.* :x", "415 root *@*.*.* :It would meet everybody"),
    ("KLINE *@127.0.0.1 :x", "415 root *@127.0.0.1 :It would meet yourself"),
    ("KLINE root@* :x", "415 root root@* :It would meet yourself"),
    ("KLINE boss@* :x", "415 root boss@* :It would meet boss, a server operator"),
    ("KLINE troll :x", "415 root troll :Not a mask: USER@HOST is one, in which * and ? match"),
    ("KLINE *@127.0.0.0/8 :x", "415 root *@127.0.0.0/8 :It would meet yourself"),
    ("KLINE root@127.0.0.9/24 :x", "415 root root@127.0.0.0/24 :It would meet yourself"),
    ("KLINE *@0.0.0.0/0 :x", "415 root *@0.0.0.0/0 :It would meet everybody"),
    ("KLINE *@bad.example :x", f"415 root *@bad.example :{NO_HOST}"),
    ("KLINE *@*.example :x", f"415 root *@*.example :{NO_HOST}"),
    ("KLINE *@192.0.2.0/255.255.255.0 :x", f"415 root *@192.0.2.0/255.255.255.0 :{NO_HOST}"),
    ("DLINE 127.0.0.0/8 :x", "415 root 127.0.0.0/8 :It would meet yourself"),
    ("DLINE 0.0.0.0/0 :x", "415 root 0.0.0.0/0 :It would meet everybody"),
    ("DLINE 0::/0 :x", "415 root 0::/0 :It would meet everybody"),
    (
        "DLINE bad.example :x",
        "415 root bad.example :Not an address or a network: 192.0.2.7, 192.0.2.0/24 and 2001:db8::/32 are some",
    ),
    ("UNKLINE nobody@192.0.2.1", "415 root nobody@192.0.2.1 :There is no such ban"),
    ("UNDLINE 192.0.2.1", "415 root 192.0.2.1 :There is no such ban"),
    ("KLINE", "461 root KLINE :Not enough parameters"),
    ("KLINE a@192.0.2.1", "461 root KLINE :Not enough parameters"),
    ("KLINE 5 a@192.0.2.1", "461 root KLINE :A reason is needed: KLINE [minutes, 12h or 7d] user@host :why"),
    ("KLINE a@192.0.2.1 : ", "461 root KLINE :A reason is needed: KLINE [minutes, 12h or 7d] user@host :why"),
    ("DLINE 5 192.0.2.1", "461 root DLINE :A reason is needed: DLINE [minutes, 12h or 7d] address-or-network :why"),
]


@pytest.mark.parametrize(("line", "answer"), REFUSED)
def test_what_is_refused_is_said_and_changes_nothing(driver: Driver, root: Person, line: str, answer: str) -> None:
    driver.pass_time(1)  # one OPER a second is checked of each address
    rooted(driver, "boss")
    before = len(driver.core.hub.bans)
    assert root.send(line) == [f":mpchat.local {answer}"]
    assert len(driver.core.hub.bans) == before
    assert not root.closed


@pytest.mark.parametrize("limit", ["0", "0d", "3651d", "999999999"])
def test_a_limit_that_is_none(driver: Driver, root: Person, limit: str) -> None:
    (told,) = root.send(f"KLINE {limit} a@192.0.2.1 :x")
    assert told.startswith(notice("KLINE: A time limit is in minutes"))
    assert len(driver.core.hub.bans) == 0


def test_there_are_only_so_many() -> None:
    driver = Driver(replace(OPERS, server_bans=2))
    root = rooted(driver)
    root.send("KLINE a@192.0.2.1 :x", "DLINE 192.0.2.1 :x")
    assert "as many bans as there may be" in root.send("DLINE 192.0.2.2 :x")[0]
    assert "is banned" in root.send("DLINE 5 192.0.2.1 :anew")[0]


def test_others_may_not(driver: Driver, root: Person) -> None:
    ana = driver.irc("ana")
    root.send("KLINE troll@* :x")
    for line in (
        "KLINE a@192.0.2.1 :x",
        "UNKLINE troll@*",
        "DLINE 192.0.2.1 :x",
        "UNDLINE 192.0.2.1",
        "STATS k",
        "REHASH",
    ):
        assert ana.send(line) == [":mpchat.local 481 ana :Permission Denied- You're not an IRC operator"]
    assert len(driver.core.hub.bans) == 1


def test_the_list(driver: Driver, root: Person) -> None:
    root.send("KLINE 5 troll@192.0.2.7 :spam", "KLINE *@0::1 :x", "DLINE 192.0.2.0/24 :abuse of it")
    by = "by root!~root@127.0.0.1 at 2023-11-14 23:13:20 +0100"
    assert root.send("STATS k") == [
        f":mpchat.local 216 root K 192.0.2.7 * troll :until 2023-11-14 23:18:20 +0100, {by}: spam",
        f":mpchat.local 216 root K 0::1 * * :without a time limit, {by}: x",
        ":mpchat.local 219 root k :End of STATS report",
    ]
    assert root.send("STATS D") == [
        f":mpchat.local 225 root D 192.0.2.0/24 :without a time limit, {by}: abuse of it",
        ":mpchat.local 219 root D :End of STATS report",
    ]
    assert root.send("STATS z") == [":mpchat.local 219 root z :End of STATS report"]


def test_a_long_list_waits_for_its_reader_and_misses_none(driver: Driver, root: Person) -> None:
    for number in range(600):
        root.send(f"DLINE 198.51.{number // 256}.{number % 256} :{'x' * 200}")
    driver.everybody_reads = False
    first = root.send("STATS d")
    assert len(first) < 600
    root.send("UNDLINE 198.51.0.0")  # waits its turn
    driver.everybody_reads = True
    driver.drained(root)
    lines = first + root.heard()
    assert len([line for line in lines if " 225 " in line]) == 600
    assert "UNDLINE: 198.51.0.0 is not banned any more" in lines[-1]


def test_a_resume_token_does_not_open_for_the_banned(driver: Driver, root: Person) -> None:
    ana = driver.connect(host="192.0.2.7")
    ana.send("CAP REQ :mpchat.org/resume", f"RESUME * {'a' * 64}", "NICK ana", "USER ana 0 * :Ana", "CAP END")
    ana.send("JOIN #club")
    ana.gone("Connection lost")
    root.send("KLINE ana@192.0.2.7 :x")
    back = driver.connect(host="192.0.2.7")
    back.send("CAP REQ :mpchat.org/resume", f"RESUME {'a' * 64} {'b' * 64}", "NICK ana", "USER ana 0 * :A", "CAP END")
    assert back.closed
    assert "#club" not in driver.core.hub.channels


def test_the_log_has_each_of_them(driver: Driver, root: Person) -> None:
    comes(driver, "192.0.2.7")
    who = {"nick": "root", "address": "127.0.0.1", "connection": root.id}
    for line, wanted in (
        ("DLINE 5 192.0.2.7 :secret-words", {"did": "DLINE", "mask": "192.0.2.7", "minutes": 5, "closed": 1}),
        ("KLINE a@192.0.2.1 :secret-words", {"did": "KLINE", "mask": "a@192.0.2.1", "minutes": 0, "closed": 0}),
        ("UNKLINE a@192.0.2.1", {"did": "UNKLINE", "mask": "a@192.0.2.1", "minutes": 0, "closed": 0}),
        ("UNDLINE 192.0.2.7", {"did": "UNDLINE", "mask": "192.0.2.7", "minutes": 0, "closed": 0}),
    ):
        assert driver.core.apply(root.records([line])).audit == [("server ban", {**who, **wanted})]


def test_they_outlive_a_broker_and_a_run(driver: Driver, root: Person) -> None:
    root.send("KLINE 60 troll@* :x", "DLINE 192.0.2.7 :x")
    driver.replace_broker()
    assert comes(driver, "192.0.2.7").closed
    driver.wall += 30 * 60_000
    driver.mono = 5  # the machine was started anew
    driver.start()
    assert comes(driver, "192.0.2.7").closed
    assert comes(driver, "192.0.2.8", "troll").closed
    driver.stand_still(30 * 60)
    assert not comes(driver, "192.0.2.8", "troll").closed
    assert comes(driver, "192.0.2.7").closed


def test_a_replay_comes_to_the_same(driver: Driver, root: Person) -> None:
    comes(driver, "192.0.2.7")
    root.send("KLINE 5 troll@* :x", "DLINE 192.0.2.7 :x", "STATS k", "UNKLINE troll@*", "REHASH")
    driver.answer((True, "read again"))
    comes(driver, "192.0.2.7")
    again = Core()
    for block in driver.journal:
        again.apply(block)
    assert again.dump() == driver.core.dump()


def test_an_older_servers_records_come_to_what_they_came_to() -> None:
    driver = Driver(replace(OPERS, level=1))
    root = rooted(driver)
    for line in (
        "KLINE a@192.0.2.1 :x",
        "UNKLINE a@192.0.2.1",
        "DLINE 192.0.2.1 :x",
        "UNDLINE 192.0.2.1",
        "STATS k",
        "REHASH",
    ):
        name = line.split()[0]
        assert root.send(line) == [f":mpchat.local 421 root {name} :Unknown command"]


# REHASH


def test_rehash_waits_for_its_answer_and_tells_it(driver: Driver, root: Person) -> None:
    assert root.send("REHASH", "PING behind") == []
    assert driver.asked[-1][3:] == ("rehash", "")
    driver.feed(("reload", pack(replace(OPERS, motd=("new",)))))
    driver.answer((True, "read again: 1 lines of the day"))
    assert root.heard() == [
        ":mpchat.local 382 root mpchat.local :Rehashing: read again: 1 lines of the day",
        ":mpchat.local PONG mpchat.local :behind",
    ]
    root.send("REHASH")
    driver.answer((False, "nothing was changed: motd: No such file"))
    assert root.heard() == [notice("REHASH: nothing was changed: motd: No such file")]


def test_rehash_is_asked_again_by_the_next_broker(driver: Driver, root: Person) -> None:
    root.send("REHASH", "PING behind")
    driver.replace_broker()
    assert driver.asked[-1][3:] == ("rehash", "")
    driver.answer((True, "read again"))
    assert [line.split()[1] for line in root.heard()] == ["382", "PONG"]


def test_a_rehash_is_logged(driver: Driver, root: Person) -> None:
    who = {"nick": "root", "address": "127.0.0.1", "connection": root.id}
    for is_done, said in ((True, "yes"), (False, "no")):
        root.send("REHASH")
        assert driver.core.apply([("answer", root.id, (is_done, "x"))]).audit == [("rehash", {**who, "done": said})]


def test_who_asks_for_it_and_leaves_is_gone_at_once(driver: Driver, root: Person) -> None:
    """The files may be slow: the others do not see somebody in the room for whom nobody waits."""
    ana = driver.irc("ana")
    for each in (root, ana):
        each.send("JOIN #club")
    ana.heard()
    root.send("REHASH", "PRIVMSG #club :on my way out")
    assert ana.heard() == []
    who = {"nick": "root", "address": "127.0.0.1", "connection": root.id}
    (block,) = [("gone", root.id, "Connection closed")]
    audit = driver.core.apply([block]).audit
    assert audit == [("rehash", {**who, "done": "unknown"})]
    assert driver.core.hub.session("ana").channels
    assert "root" not in driver.core.hub.nicks
    driver.feed(("answer", root.id, (True, "read again")))
    driver.start()


def test_what_came_of_it_is_one_line_of_text_whatever_a_file_is_called(driver: Driver, root: Person) -> None:
    for is_done in (False, True):
        root.send("REHASH")
        driver.answer((is_done, "nothing was changed: /x/mo\udcff\r\nKICK #a b\x1b: No such file"))
        (told,) = root.heard()
        assert told.endswith(r"nothing was changed: /x/mo\udcff\r\nKICK #a b\x1b: No such file")
