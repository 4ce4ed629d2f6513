"""MODE, for channels and for oneself (RFC 2812 sections 3.1.5 and 3.2.3)."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.irc.people import ME, by, together
from tests.running import IrcClient, Server, commands


def shown(client: IrcClient, channel: str) -> str:
    """The channel's modes as 324 shows them to this client."""
    lines = client.ask(f"MODE {channel}")
    assert commands(lines) == ["324", "329"]
    return lines[0].removeprefix(f"{ME} 324 {client.nick} {channel} ")


# A channel's modes, asked for


def test_a_channel_tells_its_modes_and_its_age(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    for client in (ana, beto):  # strangers may ask too
        modes, created = client.ask(f"MODE {channel}")
        assert modes == f"{ME} 324 {client.nick} {channel} +n"
        found = re.fullmatch(rf"{ME} 329 {client.nick} {channel} (\d+)", created)
        assert found is not None
        assert abs(int(found[1]) - time.time()) < 60
    ana.ask(f"MODE {channel} +t-n")
    assert shown(beto, channel) == "+t"
    ana.ask(f"MODE {channel} +sn")
    assert shown(ana, channel) == "+nst"


def test_values_are_shown_but_the_key_only_to_members(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    ana.ask(f"MODE {channel} +lnk 7 sesame")
    assert shown(ana, channel) == "+nkl sesame 7"
    assert shown(beto, channel) == "+nkl * 7"


def test_modes_of_a_channel_that_is_not_there(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    for line in (f"MODE {channel}", f"MODE {channel} +o {ana.nick}", f"MODE {channel} b"):
        assert ana.ask(line) == [f"{ME} 403 {ana.nick} {channel} :No such channel"]
    assert ana.ask("MODE") == [f"{ME} 461 {ana.nick} MODE :Not enough parameters"]


# Changed


@pytest.mark.parametrize("letter", list("imnst"))
def test_a_flag_is_set_and_unset_and_only_real_changes_are_told(
    server: Server, channel: str, nicks: Iterator[str], letter: str
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    for client in (ana, beto):
        ana.ask(f"MODE {channel} -n")
        client.sync()
    for sign, after in (("+", letter), ("-", "")):
        line = f"{by(ana)} MODE {channel} {sign}{letter}"
        assert ana.ask(f"MODE {channel} {sign}{letter}") == [line]
        assert beto.sync() == [line]
        assert shown(beto, channel) == f"+{after}"
        assert ana.ask(f"MODE {channel} {sign}{letter}") == []  # it is so already
        assert beto.sync() == []


@pytest.mark.parametrize(
    ("mode", "who", "line", "numeric"),
    [
        ("i", "stranger", "JOIN {}", "473"),
        ("k sesame", "stranger", "JOIN {}", "475"),
        ("l 2", "stranger", "JOIN {}", "471"),
        ("b *!*@*", "stranger", "JOIN {}", "474"),
        ("m", "member", "PRIVMSG {} :hi", "404"),
        ("n", "stranger", "PRIVMSG {} :hi", "404"),
        ("b *!*@*", "member", "PRIVMSG {} :hi", "404"),
        ("t", "member", "TOPIC {} :hi", "482"),
        ("s", "stranger", "TOPIC {}", "403"),
    ],
)
def test_a_mode_forbids_while_it_is_set(
    server: Server, channel: str, nicks: Iterator[str], mode: str, who: str, line: str, numeric: str
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    client = beto if who == "member" else server.irc(next(nicks))
    ana.ask(f"MODE {channel} +{mode}")
    beto.sync()
    assert commands(client.ask(line.format(channel))) == [numeric]
    ana.ask(f"MODE {channel} -{mode}")
    beto.sync()
    assert numeric not in commands(client.ask(line.format(channel)))


@pytest.mark.parametrize(("letter", "sigil"), [("o", "@"), ("v", "+")])
def test_rights_are_given_and_taken(
    server: Server, channel: str, nicks: Iterator[str], letter: str, sigil: str
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    for sign, now in (("+", sigil), ("-", "")):
        line = f"{by(ana)} MODE {channel} {sign}{letter} {beto.nick}"
        assert ana.ask(f"MODE {channel} {sign}{letter} {beto.nick.upper()}") == [line]
        assert beto.sync() == [line]
        assert ana.ask(f"NAMES {channel}")[0].endswith(f" :@{ana.nick} {now}{beto.nick}")
        assert ana.ask(f"MODE {channel} {sign}{letter} {beto.nick}") == []


def test_a_new_operator_may_and_a_former_one_may_not(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    ana.ask(f"MODE {channel} +o {beto.nick}")
    beto.sync()
    assert beto.ask(f"MODE {channel} -o {ana.nick}") == [f"{by(beto)} MODE {channel} -o {ana.nick}"]
    ana.sync()
    assert ana.ask(f"MODE {channel} +o {ana.nick}") == [f"{ME} 482 {ana.nick} {channel} :You're not channel operator"]


@pytest.mark.parametrize(
    ("who", "change", "answer"),
    [
        ("member", "+o {member}", "482 {me} {channel} :You're not channel operator"),
        ("member", "+imk sesame", "482 {me} {channel} :You're not channel operator"),
        ("member", "+b *!*@*", "482 {me} {channel} :You're not channel operator"),
        ("member", "-l", "482 {me} {channel} :You're not channel operator"),
        ("member", "+o nobody", "482 {me} {channel} :You're not channel operator"),
        ("stranger", "+o {stranger}", "442 {me} {channel} :You're not on that channel"),
        ("stranger", "-n", "442 {me} {channel} :You're not on that channel"),
        ("op", "+o {stranger}", "441 {me} {stranger} {channel} :They aren't on that channel"),
        ("op", "-v {stranger}", "441 {me} {stranger} {channel} :They aren't on that channel"),
        ("op", "+o nobody", "401 {me} nobody :No such nick/channel"),
        ("op", "-v nobody", "401 {me} nobody :No such nick/channel"),
        ("op", "+z", "472 {me} z :is unknown mode char to me"),
        ("op", "-Z", "472 {me} Z :is unknown mode char to me"),
    ],
)
def test_a_change_that_may_not_be_gets_one_answer(
    server: Server, channel: str, nicks: Iterator[str], who: str, change: str, answer: str
) -> None:
    op, member = together(server, nicks, channel, 2)
    clients = {"op": op, "member": member, "stranger": server.irc(next(nicks))}
    names = {name: client.nick for name, client in clients.items()}
    answered = clients[who].ask(f"MODE {channel} " + change.format(**names))
    assert answered == [f"{ME} " + answer.format(me=names[who], channel=channel, **names)]
    assert [client.sync() for client in clients.values()] == [[], [], []]
    assert shown(op, channel) == "+n"


@pytest.mark.parametrize("change", ["+o", "-v", "+o :", "+oi"])
def test_a_right_for_nobody_in_particular_changes_nothing(
    server: Server, channel: str, nicks: Iterator[str], change: str
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    answers = [line for line in ana.ask(f"MODE {channel} {change}") if not line.endswith("+i")]
    assert len(answers) == 1
    assert commands(answers)[0] in ("401", "461")
    assert ana.ask(f"NAMES {channel}")[0].endswith(f" :@{ana.nick} {beto.nick}")


# Several changes in one line


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("+mvl {beto} 5", "+mvl {beto} 5"),
        ("mi", "+mi"),
        ("+v-v {beto} {carla}", "+v {beto}"),  # she has no voice to lose
        ("+vo-o {beto} {beto} {beto}", "+vo-o {beto} {beto} {beto}"),
        ("-tsn+i-m+k sesame", "-n+ik sesame"),
        ("++m--i+s", "+ms"),
        ("+mmm", "+m"),
        ("+l-k 5 sesame", "+l 5"),
        ("-l+k sesame", "+k sesame"),  # only +l takes a value
        ("+bb spam *!*@bad.example", "+bb spam!*@* *!*@bad.example"),
    ],
)
def test_the_real_changes_of_a_line_are_told_in_one(
    server: Server, channel: str, nicks: Iterator[str], asked: str, told: str
) -> None:
    ana, beto, carla = together(server, nicks, channel, 3)
    names = {"beto": beto.nick, "carla": carla.nick}
    line = f"{by(ana)} MODE {channel} {told.format(**names)}"
    assert ana.ask(f"MODE {channel} {asked.format(**names)}") == [line]
    assert beto.sync() == [line]
    assert carla.sync() == [line]


def test_what_is_wrong_in_a_line_does_not_stop_the_rest(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    assert sorted(ana.ask(f"MODE {channel} +ovzm nobody {beto.nick}")) == sorted(
        [
            f"{by(ana)} MODE {channel} +vm {beto.nick}",
            f"{ME} 401 {ana.nick} nobody :No such nick/channel",
            f"{ME} 472 {ana.nick} z :is unknown mode char to me",
        ]
    )
    assert beto.sync() == [f"{by(ana)} MODE {channel} +vm {beto.nick}"]


def test_twenty_rights_fit_one_line_as_announced(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana = server.irc()
    assert "MODES=20" in " ".join(ana.register(next(nicks)))
    ana.join(channel)
    masks = " ".join(f"spam{number}" for number in range(20))
    lines = ana.ask(f"MODE {channel} +ims{'b' * 20}n {masks}", f"MODE {channel} b", f"MODE {channel}")
    assert commands(lines) == ["MODE"] + ["367"] * 20 + ["368", "324", "329"], "letters that stand alone do not count"
    assert lines[-2].endswith(" +imns")
    ana.send(f"MODE {channel} -{'b' * 20} {masks}", f"MODE {channel} +{'b' * 21} {masks} more")
    assert commands(ana.ask(f"MODE {channel} b")) == ["MODE", "MODE"] + ["367"] * 20 + ["368"]
    assert commands(ana.ask(f"MODE {channel} +{'z' * 300}")) == ["472"], "once"
    others = "".join(chr(letter) for letter in range(0xC0, 0x170))
    assert commands(ana.ask(f"MODE {channel} +{others}")) == ["472"] * 20


def test_an_echo_that_is_too_long_for_one_line_becomes_two(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    masks = [f"{letter * 66}!*@*" for letter in "abcdefg"]  # typed without their tails, they still fit 512 bytes
    typed = " ".join(mask.removesuffix("!*@*") for mask in masks)
    lines = ana.ask(f"MODE {channel} +bbbbbbb {typed}")
    assert commands(lines) == ["MODE", "MODE"]
    assert all(len(line) <= 510 for line in lines)
    assert [mask for line in lines for mask in line.split(" ")[4:]] == masks
    assert beto.sync() == lines


# Bans


@pytest.mark.parametrize(
    ("typed", "mask"),
    [
        ("spam", "spam!*@*"),
        ("spam!bot", "spam!bot@*"),
        ("bot@host.example", "*!bot@host.example"),
        ("spam!bot@host.example", "spam!bot@host.example"),
        ("*", "*!*@*"),
        ("*!*@2001:db8::1", "*!*@2001:db8::1"),
        ("*!*@2001:DB8:0:0::01", "*!*@2001:db8::1"),
        ("*!*@::1", "*!*@0::1"),
        ("*!*@::ffff:192.0.2.7", "*!*@192.0.2.7"),
        ("*!*@::*", "*!*@::*"),
    ],
)
def test_a_ban_is_completed_to_a_full_mask(
    server: Server, channel: str, nicks: Iterator[str], typed: str, mask: str
) -> None:
    ana = server.irc(next(nicks))
    ana.join(channel)
    assert ana.ask(f"MODE {channel} +b {typed}") == [f"{by(ana)} MODE {channel} +b {mask}"]
    assert ana.ask(f"MODE {channel} -b {typed}") == [f"{by(ana)} MODE {channel} -b {mask}"]


@pytest.mark.parametrize(
    ("mask", "kept_out"),
    [
        ("{nick}", True),
        ("{nick}!*@*", True),
        ("*!~{nick}@*", True),
        ("*!*@127.0.0.?", True),
        ("*!*@127.*", True),
        ("?{tail}", True),
        ("*{tail}!*@*1", True),
        ("{upper}!~{upper}@127.0.0.1", True),
        ("{nick}?", False),
        ("?{nick}", False),
        ("{tail}!*@*", False),
        ("*!{nick}@*", False),  # the user name begins with a tilde
        ("*!*@127.0.0", False),
        ("*!*@10.*", False),
    ],
)
def test_whom_a_mask_keeps_out(server: Server, channel: str, nicks: Iterator[str], mask: str, kept_out: bool) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    nick = beto.nick
    ana.ask(f"MODE {channel} +b " + mask.format(nick=nick, upper=nick.upper(), tail=nick[1:]))
    assert commands(beto.ask(f"JOIN {channel}"))[0] == ("474" if kept_out else "JOIN")


def test_masks_match_in_any_case_of_any_alphabet(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks)), server.irc("Iñaki" + next(nicks))
    ana.join(channel)
    ana.ask(f"MODE {channel} +b iÑ?KI*!*@*")
    assert commands(beto.ask(f"JOIN {channel}")) == ["474"]


def test_bans_are_listed_to_everybody_who_asks(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    carla = server.irc(next(nicks))
    ana.ask(f"MODE {channel} +b spam!*@*", f"MODE {channel} +b *!*@bad.example")
    beto.sync()
    for client in (ana, beto, carla):
        for ask in ("b", "+b", "-b"):
            lines = client.ask(f"MODE {channel} {ask}")
            assert len(lines) == 3
            for line, mask in zip(lines, ("spam!*@*", "*!*@bad.example"), strict=False):
                found = re.fullmatch(rf"{ME} 367 {client.nick} {channel} {re.escape(mask)} {by(ana)[1:]} (\d+)", line)
                assert found is not None, line
                assert abs(int(found[1]) - time.time()) < 60
            assert lines[2] == f"{ME} 368 {client.nick} {channel} :End of channel ban list"
    assert ana.ask(f"MODE {channel} -b SPAM!*@*") == [f"{by(ana)} MODE {channel} -b spam!*@*"]
    assert [line.split()[4] for line in ana.ask(f"MODE {channel} b")[:-1]] == ["*!*@bad.example"]


def test_the_same_ban_twice_and_a_ban_that_is_not_there_are_no_changes(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    ana.ask(f"MODE {channel} +b spam")
    beto.sync()
    assert ana.ask(f"MODE {channel} +b SPAM!*@*", f"MODE {channel} -b other") == []
    assert beto.sync() == []
    assert commands(ana.ask(f"MODE {channel} b")) == ["367", "368"]


@pytest.mark.parametrize("mask", [":two words", "::colon"])
def test_a_mask_that_would_break_the_line_is_refused(
    server: Server, channel: str, nicks: Iterator[str], mask: str
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    assert ana.ask(f"MODE {channel} +b {mask}") == [f"{ME} 696 {ana.nick} {channel} b * :Not a usable mask"]
    assert beto.sync() == []
    assert commands(ana.ask(f"MODE {channel} b")) == ["368"]


def test_a_list_of_bans_has_an_announced_end(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana = server.irc()
    assert "MAXLIST=beI:100" in " ".join(ana.register(next(nicks)))
    ana.join(channel)
    lines = ana.ask(*(f"MODE {channel} +b spam{number}" for number in range(101)))
    assert commands(lines) == ["MODE"] * 100 + ["478"]
    assert lines[-1] == f"{ME} 478 {ana.nick} {channel} spam100!*@* :Channel ban list is full"
    assert ana.ask(f"MODE {channel} +b spam7") == []  # known, so nothing is full
    ana.ask(f"MODE {channel} -b spam7")
    assert commands(ana.ask(f"MODE {channel} +b spam100")) == ["MODE"]


# Exceptions to bans and to +i (RFC 2811 sections 4.3.2 and 4.3.3)


def test_whom_an_exception_spares_the_ban_comes_in_and_speaks(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto, carla = server.irc(next(nicks)), server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    ana.ask(f"MODE {channel} -n+be *!*@* {beto.nick}")
    assert commands(carla.ask(f"JOIN {channel}", f"PRIVMSG {channel} :hi")) == ["474", "404"]
    assert beto.ask(f"PRIVMSG {channel} :from outside") == []
    beto.join(channel)
    ana.sync()
    beto.ask(f"PRIVMSG {channel} :from inside")
    assert ana.sync() == [f"{by(beto)} PRIVMSG {channel} :from inside"]
    ana.ask(f"MODE {channel} -e {beto.nick}")
    beto.sync()
    assert commands(beto.ask(f"PRIVMSG {channel} :not any more")) == ["404"]


def test_an_exception_spares_neither_key_nor_invitation(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    ana.ask(f"MODE {channel} +ie {beto.nick}")
    assert commands(beto.ask(f"JOIN {channel}")) == ["473"]
    ana.ask(f"MODE {channel} -i+k key")
    assert commands(beto.ask(f"JOIN {channel}")) == ["475"]


def test_an_invite_exception_needs_no_invitation_and_spares_nothing_else(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto, carla = server.irc(next(nicks)), server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    ana.ask(f"PRIVMSG {channel} :among us", f"MODE {channel} +iIb {beto.nick} {beto.nick}")
    assert commands(carla.ask(f"JOIN {channel}")) == ["473"]
    assert commands(beto.ask(f"JOIN {channel}")) == ["474"]
    ana.ask(f"MODE {channel} -b {beto.nick}")
    beto.join(channel)
    assert not [line for line in beto.ask(f"PRIVMSG history :{channel} 50") if "among us" in line]


def test_the_lists_are_for_who_decides(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    assert ana.ask(f"MODE {channel} +eI spam *!*@good.example") == [
        f"{by(ana)} MODE {channel} +eI spam!*@* *!*@good.example"
    ]
    exceptions, ended, invited, over = ana.ask(f"MODE {channel} eI")
    assert re.fullmatch(rf"{ME} 348 {ana.nick} {channel} spam!\*@\* {by(ana)[1:]} \d+", exceptions)
    assert ended == f"{ME} 349 {ana.nick} {channel} :End of channel exception list"
    assert re.fullmatch(rf"{ME} 346 {ana.nick} {channel} \*!\*@good.example {by(ana)[1:]} \d+", invited)
    assert over == f"{ME} 347 {ana.nick} {channel} :End of channel invite exception list"
    beto.sync()
    assert commands(beto.ask(f"MODE {channel} e", f"MODE {channel} I")) == ["482", "482"]
    assert commands(beto.ask(f"MODE {channel} +e beto")) == ["482"]
    assert commands(server.irc(next(nicks)).ask(f"MODE {channel} e")) == ["442"]


def test_exceptions_and_bans_have_one_limit(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.join(channel)
    lines = ana.ask(*(f"MODE {channel} +beI a{number} b{number} c{number}" for number in range(34)))
    assert commands(lines) == ["MODE"] * 34 + ["478"] * 2
    assert commands(ana.ask(f"MODE {channel} +e more")) == ["478"]
    assert ana.ask(f"MODE {channel} +I :two words") == [f"{ME} 696 {ana.nick} {channel} I * :Not a usable mask"]


# Key and limit


def test_a_key_is_set_replaced_and_removed(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    assert ana.ask(f"MODE {channel} +k first") == [f"{by(ana)} MODE {channel} +k first"]
    assert ana.ask(f"MODE {channel} +k first") == []
    assert ana.ask(f"MODE {channel} +k second") == [f"{by(ana)} MODE {channel} +k second"]
    assert commands(beto.ask(f"JOIN {channel} first")) == ["475"]
    assert ana.ask(f"MODE {channel} -k second") == [f"{by(ana)} MODE {channel} -k *"]
    assert ana.ask(f"MODE {channel} -k second") == []
    assert commands(beto.ask(f"JOIN {channel}")) == ["JOIN", "353", "366"]


@pytest.mark.parametrize("value", ["", " :", " :two words", " a,b", " " + "x" * 33])
def test_a_key_that_could_not_be_typed_is_refused(
    server: Server, channel: str, nicks: Iterator[str], value: str
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    assert ana.ask(f"MODE {channel} +k{value}") == [f"{ME} 696 {ana.nick} {channel} k * :Not a usable channel key"]
    assert shown(ana, channel) == "+n"
    assert beto.sync() == []


def test_a_limit_is_set_changed_and_removed(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, _beto = together(server, nicks, channel, 2)
    carla = server.irc(next(nicks))
    assert ana.ask(f"MODE {channel} +l 3") == [f"{by(ana)} MODE {channel} +l 3"]
    assert ana.ask(f"MODE {channel} +l 3") == []
    assert ana.ask(f"MODE {channel} +l 1") == [f"{by(ana)} MODE {channel} +l 1"]  # nobody is put out
    assert commands(ana.ask(f"NAMES {channel}")) == ["353", "366"]
    assert commands(carla.ask(f"JOIN {channel}")) == ["471"]
    assert ana.ask(f"MODE {channel} -l") == [f"{by(ana)} MODE {channel} -l"]
    assert ana.ask(f"MODE {channel} -l") == []
    assert commands(carla.ask(f"JOIN {channel}")) == ["JOIN", "353", "366"]


@pytest.mark.parametrize("value", ["", "0", "-1", "many", "1.5", "٣", "9" * 30])
def test_a_limit_that_is_no_number_is_refused(server: Server, channel: str, nicks: Iterator[str], value: str) -> None:
    ana, beto = together(server, nicks, channel, 2)
    ana.ask(f"MODE {channel} +l 5")
    beto.sync()
    assert ana.ask(f"MODE {channel} +l {value}".rstrip()) == [
        f"{ME} 696 {ana.nick} {channel} l {value or '*'} :Not a positive number"
    ]
    assert shown(ana, channel) == "+nl 5"
    assert beto.sync() == []


# One's own modes


def test_own_modes_are_set_shown_and_unset(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"MODE {ana.nick}") == [f"{ME} 221 {ana.nick} +"]
    assert ana.ask(f"MODE {ana.nick} +i") == [f"{by(ana)} MODE {ana.nick} +i"]
    assert ana.ask(f"MODE {ana.nick} +iw") == [f"{by(ana)} MODE {ana.nick} +w"]
    assert ana.ask(f"MODE {ana.nick.upper()}") == [f"{ME} 221 {ana.nick} +iw"]
    assert ana.ask(f"MODE {ana.nick} -i-w") == [f"{by(ana)} MODE {ana.nick} -iw"]
    assert ana.ask(f"MODE {ana.nick} -iw") == []
    assert ana.ask(f"MODE {ana.nick}") == [f"{ME} 221 {ana.nick} +"]


def test_nobody_makes_themselves_an_operator_but_everybody_may_resign(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"MODE {ana.nick} +o") == []
    assert ana.ask(f"MODE {ana.nick}") == [f"{ME} 221 {ana.nick} +"]
    ana.send("OPER root secret")
    ana.until("MODE")
    assert ana.ask(f"MODE {ana.nick} +o") == []
    assert ana.ask(f"MODE {ana.nick}") == [f"{ME} 221 {ana.nick} +o"]
    assert ana.ask(f"MODE {ana.nick} -o") == [f"{by(ana)} MODE {ana.nick} -o"]
    assert commands(ana.ask("WALLOPS :am I?")) == ["481"]


@pytest.mark.parametrize("letters", ["+z", "-Z", "+xyz", "+b", "+k", "-l"])
def test_an_unknown_own_mode_is_told_once(server: Server, nicks: Iterator[str], letters: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"MODE {ana.nick} {letters}") == [f"{ME} 501 {ana.nick} :Unknown MODE flag"]


def test_a_bot_says_so_and_others_can_see_it(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks), caps="message-tags echo-message"), server.irc(next(nicks), caps="message-tags")
    carla = server.irc(next(nicks))
    for client in (ana, beto, carla):
        client.join(channel)
    assert ana.ask(f"MODE {ana.nick} +B")[-1] == f"{by(ana)} MODE {ana.nick} +B"
    assert ana.ask(f"MODE {ana.nick}") == [f"{ME} 221 {ana.nick} +B"]
    assert f"{ME} 335 {beto.nick} {ana.nick} :is a bot" in beto.ask(f"WHOIS {ana.nick}")
    assert " H@B :0 " in beto.ask(f"WHO {ana.nick}")[0]
    carla.sync()
    (echo,) = ana.ask(f"@+x=y PRIVMSG {channel} :beep")
    for line in (echo, beto.sync()[-1]):
        assert re.fullmatch(rf"@msgid=[^;]+;bot;\+x=y {by(ana)} PRIVMSG {channel} :beep", line), line
    assert carla.sync() == [f"{by(ana)} PRIVMSG {channel} :beep"]
    ana.ask(f"TAGMSG {beto.nick}")
    assert re.fullmatch(rf"@msgid=[^;]+;bot {by(ana)} TAGMSG {beto.nick}", beto.sync()[-1])
    ana.ask(f"MODE {ana.nick} -B")
    assert commands(beto.ask(f"WHOIS {ana.nick}")).count("335") == 0
    (echo,) = ana.ask(f"PRIVMSG {channel} :back")
    assert ";bot" not in echo


def test_an_unknown_own_mode_does_not_stop_the_others(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert sorted(ana.ask(f"MODE {ana.nick} +zi")) == sorted(
        [f"{by(ana)} MODE {ana.nick} +i", f"{ME} 501 {ana.nick} :Unknown MODE flag"]
    )


@pytest.mark.parametrize("change", ["", " +i", " -o"])
def test_others_modes_are_neither_shown_nor_changed(server: Server, nicks: Iterator[str], change: str) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    assert ana.ask(f"MODE {beto.nick}{change}") == [f"{ME} 502 {ana.nick} :Can't change mode for other users"]
    assert ana.ask(f"MODE nobody{change}") == [f"{ME} 401 {ana.nick} nobody :No such nick/channel"]
    assert beto.ask(f"MODE {beto.nick}") == [f"{ME} 221 {beto.nick} +"]


def test_a_right_for_nobody_is_a_missing_parameter(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.join(channel)
    assert ana.ask(f"MODE {channel} +o-v") == [f"{ME} 461 {ana.nick} MODE :Not enough parameters"]
    assert ana.ask(f"MODE {channel} +m-o") == [
        f"{ME} 461 {ana.nick} MODE :Not enough parameters",
        f"{by(ana)} MODE {channel} +m",
    ]


def test_the_lobby_is_as_old_as_its_server(server: Server, nicks: Iterator[str]) -> None:
    with server.irc(next(nicks)) as ana:
        made = int(ana.ask("MODE #lobby")[-1].rpartition(" ")[2].lstrip(":"))
    assert 0 <= time.time() - made < 24 * 3600
