"""Lines on the wire (RFC 2812 section 2.3, IRCv3 message-tags): how they may arrive, how long they may be, what is
refused, and what is never passed on to anybody."""

from collections.abc import Iterator
from itertools import product

import pytest

from tests.running import IrcClient, Server, command, commands

TOO_LONG = ":mpchat.local 417 {} :Input line was too long"


def greeting_of(client: IrcClient) -> list[str]:
    return commands(client.until("376", "422"))


def two_in(channel: str, server: Server, nicks: Iterator[str], *, caps: str = "") -> tuple[IrcClient, IrcClient]:
    """Two who are on the channel and have heard of each other."""
    ana, beto = server.irc(next(nicks), caps=caps), server.irc(next(nicks))
    ana.join(channel)
    beto.join(channel)
    ana.sync()
    return ana, beto


# How lines end, and in what pieces they come


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["CR LF", "LF"])
def test_a_line_ends_with_cr_lf_or_lf_and_answers_with_cr_lf(server: Server, nicks: Iterator[str], end: bytes) -> None:
    ana = server.irc(next(nicks))
    ana.send_bytes(b"PING :one" + end + b"PING :two" + end)
    assert ana.read_raw() == b":mpchat.local PONG mpchat.local :one\r\n"
    assert ana.read_raw() == b":mpchat.local PONG mpchat.local :two\r\n"


def test_a_lone_cr_ends_no_line(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.send_bytes(b"PING :one\rQUIT\r\n")
    assert ana.read() == ":mpchat.local PONG mpchat.local :one\ufffdQUIT"
    assert ana.sync() == []


def test_a_whole_conversation_byte_by_byte(server: Server, nicks: Iterator[str], channel: str) -> None:
    nick, ana = next(nicks), server.irc()
    for byte in f"NICK {nick}\r\nUSER ana 0 * :Ana Ñandú\r\nJOIN {channel}\r\nTOPIC {channel} :¿qué?\r\n".encode():
        ana.send_bytes(bytes([byte]))
    assert "001" in greeting_of(ana)
    assert ana.read() == f":{nick}!~ana@127.0.0.1 JOIN {channel}"
    assert commands(ana.until("366")) == ["353", "366"]
    assert ana.read() == f":{nick}!~ana@127.0.0.1 TOPIC {channel} :¿qué?"


def test_many_lines_in_one_send_are_answered_one_by_one(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.send_bytes(b"".join(b"PING :%d\r\n" % number for number in range(500)))
    assert [ana.read() for _ in range(500)] == [f":mpchat.local PONG mpchat.local :{number}" for number in range(500)]


@pytest.mark.parametrize("size", [20_000, 60_000])
def test_so_are_as_many_as_somebody_may_paste(server: Server, nicks: Iterator[str], channel: str, size: int) -> None:
    ana, beto = two_in(channel, server, nicks)
    beto.sock.settimeout(2)
    lines = [f"{number} ".ljust(400, "x") for number in range(size // 400)]
    ana.send(*(f"PRIVMSG {channel} :{line}" for line in lines))
    before = f":{ana.nick}!~{ana.nick}@127.0.0.1 PRIVMSG {channel} :"
    assert [beto.read() for _ in lines] == [before + line for line in lines]


def test_more_than_any_buffer_holds_comes_in(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.sock.settimeout(2)
    ana.send(*["NOTICE nobody-here :".ljust(500, "x")] * 4000)
    assert ana.sync() == []


def test_a_line_may_come_in_two_reads(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.send_bytes(b"PING :first\r\nPING :sec")
    assert ana.read().endswith("PONG mpchat.local :first")  # so the beginning of the second has been read
    ana.send_bytes(b"ond\r")
    ana.send_bytes(b"\nPING :third\r\n")
    assert ana.read().endswith("PONG mpchat.local :second")
    assert ana.read().endswith("PONG mpchat.local :third")


@pytest.mark.parametrize("character", ["ñ", "€", "😃"])
def test_a_character_may_be_split_between_reads(
    server: Server, nicks: Iterator[str], channel: str, character: str
) -> None:
    ana, beto = two_in(channel, server, nicks)
    data = character.encode()
    for cut in range(1, len(data)):
        ana.send_bytes(b"PING :x\r\nPRIVMSG " + channel.encode() + b" :<" + data[:cut])
        ana.until("PONG")
        ana.send_bytes(data[cut:] + b">\r\n")
        assert beto.read() == f":{ana.nick}!~{ana.nick}@127.0.0.1 PRIVMSG {channel} :<{character}>"


@pytest.mark.parametrize("blank", ["", " ", "   ", ":prefix", "@tag=value", "@tag=value :prefix"])
def test_blank_lines_are_passed_over(server: Server, nicks: Iterator[str], blank: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(blank, blank) == []


def test_a_newcomers_blank_lines_are_passed_over_too(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc()
    ana.send("", "  ", f"NICK {next(nicks)}", "", "USER ana 0 * :Ana", "")
    assert ana.read().startswith(":mpchat.local 001 ")


# How a line is taken apart


@pytest.mark.parametrize("word", ["PING", "ping", "Ping", "pInG"])
def test_commands_may_be_in_any_case(server: Server, nicks: Iterator[str], word: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"{word} :here") == [":mpchat.local PONG mpchat.local :here"]


@pytest.mark.parametrize(
    ("line", "token"),
    [
        ("PING a", "a"),
        ("PING :a", "a"),
        ("PING :a b", "a b"),
        ("PING ::a", ":a"),
        ("PING a:b", "a:b"),
        ("PING   a   ", "a"),
        ("  PING a", "a"),
        ("PING  :a ", "a "),
        (":somebody PING a", "a"),
        (":somebody!user@host   PING a", "a"),
        ("@tag PING a", "a"),
        ("@tag=value;+other=\\:\\s;last   :somebody PING a", "a"),
    ],
)
def test_what_is_a_parameter(server: Server, nicks: Iterator[str], line: str, token: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(line) == [f":mpchat.local PONG mpchat.local :{token}"]


def test_the_prefix_a_client_sends_is_ignored(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = two_in(channel, server, nicks)
    eve = server.irc(next(nicks))
    eve.join(channel)
    beto.sync()
    eve.send(f":{ana.nick}!~{ana.nick}@127.0.0.1 PRIVMSG {channel} :I owe you nothing")
    assert beto.read() == f":{eve.nick}!~{eve.nick}@127.0.0.1 PRIVMSG {channel} :I owe you nothing"
    eve.send(f":{ana.nick} NICK {eve.nick}x", f":{ana.nick} QUIT")
    assert beto.read() == f":{eve.nick}!~{eve.nick}@127.0.0.1 NICK {eve.nick}x"
    assert command(beto.read()) == "QUIT"
    assert commands(ana.sync()) == ["JOIN", "PRIVMSG", "NICK", "QUIT"]  # ana has heard it and is still here


# What is refused, and that one stays


@pytest.mark.parametrize("line", ["NOSUCHTHING", "NoSuchThing with :some parameters", "123", "NOSUCHTHING :"])
def test_an_unknown_command(server: Server, nicks: Iterator[str], line: str) -> None:
    ana = server.irc(next(nicks))
    word = line.split(" ")[0].upper()
    assert ana.ask(line) == [f":mpchat.local 421 {ana.nick} {word} :Unknown command"]


@pytest.mark.parametrize(
    "line",
    [
        "CAP",
        "INVITE",
        "INVITE somebody",
        "ISON",
        "JOIN",
        "JOIN :",
        "KICK",
        "KICK #c",
        "KICK #c :",
        "MODE",
        "OPER",
        "OPER root",
        "PART",
        "PART :",
        "PASS",
        "PING",
        "TOPIC",
        "USER",
        "USER ana",
        "USER ana 0 *",
        "USERHOST",
    ],
)
def test_missing_parameters(server: Server, nicks: Iterator[str], line: str) -> None:
    ana = server.irc(next(nicks))
    word = line.split(" ")[0]
    assert ana.ask(line) == [f":mpchat.local 461 {ana.nick} {word} :Not enough parameters"]


@pytest.mark.parametrize("line", ["KILL", "WALLOPS"])
def test_missing_parameters_of_an_operator(server: Server, nicks: Iterator[str], line: str) -> None:
    ana = server.irc(next(nicks))
    ana.ask("OPER root secret")
    assert ana.ask(line) == [f":mpchat.local 461 {ana.nick} {line} :Not enough parameters"]


@pytest.mark.parametrize(
    "line",
    [
        "JOIN #c",
        "JOIN :",
        "PART #c",
        "PRIVMSG somebody :hello",
        "PRIVMSG",
        "NOTICE somebody :hello",
        "NAMES",
        "LIST",
        "WHO",
        "WHOIS somebody",
        "MODE #c",
        "TOPIC #c",
        "OPER root secret",
        "AWAY",
        "MOTD",
        "LUSERS",
        "VERSION",
    ],
)
def test_before_registration_451_and_one_stays(server: Server, nicks: Iterator[str], line: str) -> None:
    ana = server.irc()
    assert ana.ask(line) == [":mpchat.local 451 * :You have not registered"]
    nick = next(nicks)
    assert ana.ask(f"NICK {nick}", line) == [f":mpchat.local 451 {nick} :You have not registered"]
    assert "001" in commands(ana.ask("USER ana 0 * :Ana"))


@pytest.mark.parametrize(
    "junk",
    [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"caf\xe9"],
    ids=["FF", "half a letter", "two thirds", "a surrogate", "overlong", "beyond Unicode", "Latin-1"],
)
def test_bytes_that_are_not_utf_8_are_refused_once_and_reach_nobody(
    server: Server, nicks: Iterator[str], channel: str, junk: bytes
) -> None:
    ana, beto = two_in(channel, server, nicks)
    ana.send_bytes(b"PRIVMSG " + channel.encode() + b" :" + junk + b"\r\n")
    (answer,) = ana.sync()
    assert answer.startswith(":mpchat.local ")
    assert "UTF-8" in answer
    ana.send(f"PRIVMSG {channel} :café")
    assert beto.read() == f":{ana.nick}!~{ana.nick}@127.0.0.1 PRIVMSG {channel} :café"


def test_whoever_comes_or_goes_in_latin_1_comes_and_goes(server: Server, nicks: Iterator[str], channel: str) -> None:
    (beto,) = [server.irc(next(nicks))]
    beto.join(channel)
    nick, ana = next(nicks), server.irc()
    ana.send_bytes(f"NICK {nick}\r\nUSER ana 0 * :Ren\xe9\r\n".encode("latin-1"))
    assert "001" in greeting_of(ana)
    assert ":mpchat.local 311 " + f"{nick} {nick} ~ana 127.0.0.1 * :Ren\ufffd" in ana.ask(f"WHOIS {nick}")
    for goodbye in (f"PART {channel} :adi\xf3s", "QUIT :adi\xf3s"):
        ana.join(channel)
        assert beto.read().endswith(f" JOIN {channel}")
        ana.send_bytes(goodbye.encode("latin-1") + b"\r\n")
        verb = goodbye.split()[0]
        text = beto.read().partition(f" {verb} ")[2]
        assert text.endswith("adi\ufffds")


def test_a_newcomers_bytes_that_are_not_utf_8_are_refused_too(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc()
    ana.send_bytes(b"NICK jos\xe9\r\n")
    assert "UTF-8" in ana.read()
    assert "001" in commands(ana.ask(f"NICK {next(nicks)}", "USER ana 0 * :Ana"))


# How long a line may be


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["CR LF", "LF"])
@pytest.mark.parametrize(("size", "fits"), [(509, True), (510, True), (511, False), (512, False)])
def test_510_bytes_and_their_line_end(server: Server, nicks: Iterator[str], size: int, fits: bool, end: bytes) -> None:
    ana = server.irc(next(nicks))
    ana.send_bytes(b"PING :whole ".ljust(size, b"x") + end)
    (answer,) = ana.sync()
    if fits:
        assert answer.startswith(":mpchat.local PONG mpchat.local :whole xxx")
    else:
        assert answer == TOO_LONG.format(ana.nick)


def test_the_limit_counts_bytes_not_characters(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert commands(ana.ask("PING :" + "ñ" * 252)) == ["PONG"]  # 6 + 504 = 510 bytes
    assert ana.ask("PING :" + "ñ" * 253) == [TOO_LONG.format(ana.nick)]  # 259 characters


@pytest.mark.parametrize(("tags", "fits"), [(4095, True), (4096, True), (4097, False), (5000, False), (8000, False)])
@pytest.mark.parametrize(("body", "body_fits"), [(10, True), (510, True), (511, False)])
def test_tags_may_take_4096_bytes_more(
    server: Server, nicks: Iterator[str], tags: int, fits: bool, body: int, body_fits: bool
) -> None:
    """The "@" and the space behind them count as theirs."""
    ana = server.irc(next(nicks))
    line = "@+a=".ljust(tags - 1, "x") + " " + "PING :ok".ljust(body, "x")
    (answer,) = ana.ask(line)
    if fits and body_fits:
        assert answer.startswith(":mpchat.local PONG mpchat.local :okx")
    else:
        assert answer == TOO_LONG.format(ana.nick)


def test_the_tags_allowance_is_not_for_anything_else(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(":" + "x" * 600 + " PING :a") == [TOO_LONG.format(ana.nick)]
    assert ana.ask("@" + "x" * 600) == [TOO_LONG.format(ana.nick)]


@pytest.mark.parametrize("size", [8190, 8191, 8192, 8193, 16_384, 65_536, 10_000_000])
def test_an_endless_line_is_refused_once_and_the_connection_lives(
    server: Server, nicks: Iterator[str], size: int
) -> None:
    ana = server.irc(next(nicks))
    ana.send_bytes(b"PRIVMSG #c :".ljust(size, b"x") + b"\r\n")
    assert ana.sync() == [TOO_LONG.format(ana.nick)]
    assert ana.ask("PING :still here") == [":mpchat.local PONG mpchat.local :still here"]


def test_what_stands_before_and_after_an_endless_line_counts(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.send_bytes(b"PING :before\r\n" + b"x" * 9_000 + b"\nPING :between\r\n" + b"y" * 9_000 + b"\r\nPING :after\r\n")
    assert ana.sync() == [
        ":mpchat.local PONG mpchat.local :before",
        TOO_LONG.format(ana.nick),
        ":mpchat.local PONG mpchat.local :between",
        TOO_LONG.format(ana.nick),
        ":mpchat.local PONG mpchat.local :after",
    ]


def test_the_refusal_comes_before_the_endless_line_ends(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.send_bytes(b"x" * 20_000)
    assert ana.read() == TOO_LONG.format(ana.nick)
    ana.send_bytes(b"QUIT\r\n")  # still the same line
    assert ana.sync() == []


def test_a_newcomers_endless_line_is_refused_too(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc()
    ana.send_bytes(b"x" * 9_000 + b"\r\n")
    assert ana.read() == TOO_LONG.format("*")
    assert "001" in commands(ana.ask(f"NICK {next(nicks)}", "USER ana 0 * :Ana"))


# What goes out


@pytest.mark.parametrize("letter", ["x", "ñ", "€", "😃"])
@pytest.mark.parametrize("verb", ["PRIVMSG", "NOTICE"])
def test_what_is_relayed_has_512_bytes_at_most_and_whole_characters(
    server: Server, nicks: Iterator[str], letter: str, verb: str
) -> None:
    """The sender's prefix makes a line longer than it was sent: what no longer fits is cut between characters."""
    nick = next(nicks).ljust(30, "_")
    channel = f"#{nick}".ljust(64, "_")
    ana, beto = server.irc(), server.irc(next(nicks))
    ana.send(f"NICK {nick}", "USER abcdefghijk 0 * :Ana", f"JOIN {channel}")
    ana.until("366")
    beto.join(channel)
    head = f":{nick}!~abcdefghijk@127.0.0.1 {verb} {channel} :"
    for shift in range(4):  # so that the limit falls on each byte of a character
        room = 510 - len(f"{verb} {channel} :") - shift
        text = "." * shift + letter * (room // len(letter.encode()))
        ana.send(f"{verb} {channel} :{text}")
        line = beto.read_raw()
        assert line is not None
        assert len(line) <= 512
        assert len(line) > 512 - len(letter.encode())  # as much as fits was passed on
        heard = line.decode().removesuffix("\r\n")  # whole characters, or this fails
        assert heard.startswith(head)
        assert text.startswith(heard.removeprefix(head))


def test_no_line_is_longer_than_512_bytes_whatever_it_says(server: Server, nicks: Iterator[str]) -> None:
    """Everything a person can make long, from somebody whose prefix is as long as it can be."""
    nick = next(nicks).ljust(30, "_")
    channel = f"#{nick}".ljust(64, "_")
    ana, beto = server.irc(), server.irc(next(nicks))
    ana.send(f"NICK {nick}", "USER abcdefghijk 0 * :" + "ñ" * 200, f"JOIN {channel}")
    ana.until("366")
    beto.join(channel)
    long = "ñ" * 200
    for line in (
        f"TOPIC {channel} :{long}",
        f"AWAY :{long}",
        f"PRIVMSG {nick} :{long}",
        f"WHOIS {nick}",
        f"WHO {channel}",
        f"MODE {channel} +b {'ñ' * 30}!{'ñ' * 30}",
        f"MODE {channel} b",
        "X" * 500,
        f"JOIN #{long}",
        f"NICK {long}",
        f"PRIVMSG {long} :a",
        f"MOTD {long}",
        f"CAP REQ :{long}",
        f"CAP {long}",
        f"HELP {long}",
        f"PART {channel} :{long}",
        f"JOIN {channel}",
        f"QUIT :{long}",
    ):
        ana.send(line)
    heard = [line for client in (ana, beto) for line in raw_lines(client, until=b" QUIT " if client is beto else b"")]
    assert {command(line.decode()) for line in heard} > {"TOPIC", "332", "311", "352", "367", "421", "PART", "QUIT"}
    assert [line for line in heard if len(line) > 512 or not line.endswith(b"\r\n")] == []


def raw_lines(client: IrcClient, until: bytes) -> list[bytes]:
    """The lines up to one that contains `until`, or, if that is empty, up to the end."""
    lines: list[bytes] = []
    while (line := client.read_raw()) is not None:
        lines.append(line)
        if until and until in line:
            break
    return lines


def test_a_cut_action_stays_an_action(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = two_in(channel, server, nicks)
    text = "x" * (509 - len(f"PRIVMSG {channel} :\x01ACTION "))
    ana.send(f"PRIVMSG {channel} :\x01ACTION {text}\x01")
    line = beto.read_raw()
    assert line is not None
    assert len(line) == 512
    assert line.endswith(b"x\x01\r\n")


HOSTILE = {
    "NUL": "\x00",
    "BEL": "\x07",
    "backspace": "\x08",
    "vertical tab": "\x0b",
    "form feed": "\x0c",
    "CR": "\r",
    "shift out": "\x0e",
    "ESC": "\x1b",
    "DEL": "\x7f",
    "next line (C1)": "\x85",
    "CSI (C1)": "\x9b",
    "OSC (C1)": "\x9d",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "right-to-left embedding": "\u202b",
    "right-to-left override": "\u202e",
    "right-to-left isolate": "\u2067",
    "pop isolate": "\u2069",
}


@pytest.mark.parametrize("character", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_terminal_would_obey_is_never_relayed(
    server: Server, nicks: Iterator[str], channel: str, character: str
) -> None:
    ana, beto = two_in(channel, server, nicks)
    before = f":{ana.nick}!~{ana.nick}@127.0.0.1"
    evil = f"a{character}[31mb"
    ana.send(f"PRIVMSG {channel} :{evil}", f"NOTICE {beto.nick} :{evil}", f"TOPIC {channel} :{evil}")
    assert beto.read() == f"{before} PRIVMSG {channel} :a[31mb"
    assert beto.read() == f"{before} NOTICE {beto.nick} :a[31mb"
    assert beto.read() == f"{before} TOPIC {channel} :a[31mb"
    ana.send(f"AWAY :{evil}", f"KICK {channel} {beto.nick} :{evil}")
    assert beto.read() == f"{before} KICK {channel} {beto.nick} :a[31mb"
    assert f":mpchat.local 301 {beto.nick} {ana.nick} :a[31mb" in beto.ask(f"WHOIS {ana.nick}")
    beto.join(channel)
    ana.send(f"PART {channel} :{evil}", f"JOIN {channel}", f"QUIT :{evil}")
    assert beto.read() == f"{before} PART {channel} :a[31mb"
    assert beto.read() == f"{before} JOIN {channel}"
    assert beto.read() == f"{before} QUIT :Quit: a[31mb"


@pytest.mark.parametrize("character", HOSTILE.values(), ids=HOSTILE.keys())
def test_names_and_refusals_hold_none_of_it_either(server: Server, nicks: Iterator[str], character: str) -> None:
    nick, ana = next(nicks), server.irc()
    ana.send(f"NICK {nick}{character}", f"NICK {nick}", f"USER a{character}b 0 * :Ana{character}[2J")
    heard = ana.until("376", "422")
    assert "432" in commands(heard)
    assert "001" in commands(heard)
    assert commands(ana.ask(f"WHOIS {nick}"))[0] == "311"
    questions = {
        f"NO{character}SUCH": ["421"],
        f"PRIVMSG {character}who :a": ["401"],
        f"JOIN #{nick}{character}": ["476"],
        f"JOIN :#{nick}{character}b": ["476"],
        f"PART #{nick}{character}": ["403"],
        f"HELP a{character}b": ["524"],
    }
    for question, answers in questions.items():
        more = ana.ask(question)
        assert commands(more) == answers, question
        heard += more
    assert [line for line in heard if character in line] == []


def test_only_spaces_stand_between_parameters(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = two_in(channel, server, nicks)
    assert commands(ana.ask(f"PRIVMSG\t{channel} :a", f"\tPRIVMSG {channel} :a")) == ["421", "421"]
    ana.send(f"PRIVMSG {channel} a\tb")
    assert beto.read() == f":{ana.nick}!~{ana.nick}@127.0.0.1 PRIVMSG {channel} :a b"


FORMATTING = (
    "\x02bold\x02 \x0304,01red\x03 \x11mono\x11 \x16reverse\x16 \x1ditalic\x1d \x1estruck\x1e \x1funder\x1f\x0f"
)


@pytest.mark.parametrize(
    "text",
    [FORMATTING, "\x01ACTION waves\x01", "\x01VERSION\x01", "¡Hola! 日本語 👩‍💻 שלום", " leading and trailing ", ":)"],
)
def test_what_irc_clients_understand_is_relayed_as_it_is(
    server: Server, nicks: Iterator[str], channel: str, text: str
) -> None:
    ana, beto = two_in(channel, server, nicks)
    ana.send(f"PRIVMSG {channel} :{text}")
    assert beto.read() == f":{ana.nick}!~{ana.nick}@127.0.0.1 PRIVMSG {channel} :{text}"


# In what order


def test_answers_come_in_the_order_of_the_questions_and_pong_last(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    room = f"#{ana.nick}"
    ana.send(
        f"JOIN {room}", "NOSUCH", "MOTD", f"PART {room}", f"PRIVMSG {ana.nick} :a", "OPER root secret", "PING :end"
    )
    assert commands(ana.until("PONG")) == (
        ["JOIN", "353", "366", "421", "422", "PART", "PRIVMSG", "381", "MODE", "PONG"]
    )


def test_lines_sent_while_a_password_is_looked_at_wait_their_turn(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.send(*(line for pair in product(["OPER root wrong"], ["PING :1", "NOSUCH"]) for line in pair))
    assert commands(ana.sync()) == ["464", "PONG", "464", "421"]


def test_everybody_on_a_channel_hears_one_order(server: Server, nicks: Iterator[str], channel: str) -> None:
    people = [server.irc(next(nicks)) for _ in range(4)]
    listeners = [server.irc(next(nicks)) for _ in range(2)]
    for client in (*people, *listeners):
        client.join(channel)
    for client in (*people, *listeners):
        client.sync()
    for number in range(25):
        for client in people:
            client.send(f"PRIVMSG {channel} :{number}")
    first, second = ([client.read() for _ in range(100)] for client in listeners)
    assert first == second
    for client in people:
        said = [line for line in first if line.startswith(f":{client.nick}!")]
        assert [line.rsplit(":")[-1] for line in said] == [str(number) for number in range(25)]


def test_numerics_carry_the_servers_name_and_the_clients_nick(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc()
    assert ana.ask("NOSUCH") == [":mpchat.local 451 * :You have not registered"]
    nick = next(nicks)
    greeting = ana.register(nick)
    answers = greeting + ana.ask("NOSUCH", "LUSERS", f"WHOIS {nick}", f"WHO {nick}", "LIST", "VERSION", "INFO")
    assert len(answers) > 20
    assert [line for line in answers if line.split(" ")[0] != ":mpchat.local" or line.split(" ")[2] != nick] == []
