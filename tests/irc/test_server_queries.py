"""What a client asks the server about itself (RFC 2812 sections 3.4 and 3.7, Modern IRC): PING MOTD LUSERS VERSION TIME
ADMIN INFO LINKS HELP."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpchat.protocol.irc.table import COMMANDS
from tests.running import IrcClient, Server, command, commands, running

NAME = "irc.example.test"
MOTD = "Welcome, ¡bienvenidos!\n\n  indented: and with a colon\n" + "long " * 200 + "\na\x1b[31mb\tc\n"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with everything that the command line lets one say about it."""
    motd = tmp_path_factory.mktemp("named") / "motd"
    motd.write_text(MOTD)
    arguments = ["--name", NAME, "--network", "a=b\\c", "--description", "tests: and tea", "--motd", str(motd)]
    with running("--unlimited", "--workers", "1", *arguments) as it:
        yield it


def text(line: str) -> str:
    """The last parameter."""
    return line.split(" :", 1)[1]


# PING and PONG


@pytest.mark.parametrize("token", ["a", "a b", ":", "mpchat.local", "LAG1234567890.123456", "ñ€😃", "x" * 400])
def test_ping_is_answered_with_its_token(server: Server, nicks: Iterator[str], token: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"PING :{token}") == [f":mpchat.local PONG mpchat.local :{token}"]


def test_ping_without_a_token(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask("PING") == [f":mpchat.local 461 {ana.nick} PING :Not enough parameters"]
    assert ana.ask("PING :") == [f":mpchat.local 409 {ana.nick} :No origin specified"]


def test_a_newcomer_may_ping(server: Server) -> None:
    ana = server.irc()
    assert ana.ask("PING :a") == [":mpchat.local PONG mpchat.local :a"]
    assert ana.ask("PING") == [":mpchat.local 461 * PING :Not enough parameters"]


@pytest.mark.parametrize("line", ["PONG", "PONG :", "PONG a", "PONG a b"])
def test_pong_is_not_answered(server: Server, nicks: Iterator[str], line: str) -> None:
    assert server.irc().ask(line) == []
    assert server.irc(next(nicks)).ask(line) == []


# The server's names


def test_everything_it_says_bears_its_name(named: Server, nicks: Iterator[str]) -> None:
    nick, ana = next(nicks), named.irc()
    lines = ana.register(nick) + ana.ask(
        "NOSUCH", "MOTD", "LUSERS", "VERSION", "TIME", "ADMIN", "INFO", "LINKS", "HELP"
    )
    assert {line.split(" ")[0] for line in lines} == {f":{NAME}"}
    assert text(lines[0]).startswith("Welcome to the a=b\\c ")
    assert text(lines[1]).startswith(f"Your host is {NAME}, running ")
    assert lines[3].split(" ")[3] == NAME
    assert ana.ask("PING :a") == [f":{NAME} PONG {NAME} :a"]


def test_the_networks_name_is_one_token_of_005(named: Server, nicks: Iterator[str]) -> None:
    """What would make it two is escaped."""
    (token,) = re.findall(r" (NETWORK=\S*)", "\n".join(named.irc().register(next(nicks))))
    assert token == "NETWORK=a\\x3Db\\x5Cc"


def test_the_description_is_shown(named: Server, nicks: Iterator[str]) -> None:
    ana = named.irc(next(nicks))
    assert f":{NAME} 312 {ana.nick} {ana.nick} {NAME} :tests: and tea" in ana.ask(f"WHOIS {ana.nick}")
    assert ana.ask("LINKS")[0] == f":{NAME} 364 {ana.nick} {NAME} {NAME} :0 tests: and tea"


# MOTD


def test_no_motd(server: Server, nicks: Iterator[str]) -> None:
    nick, ana = next(nicks), server.irc()
    answer = f":mpchat.local 422 {nick} :MOTD File is missing"
    assert ana.register(nick)[-1] == answer
    assert ana.ask("MOTD") == [answer]


def test_the_motd_is_shown_in_the_greeting_and_on_request(named: Server, nicks: Iterator[str]) -> None:
    nick, ana = next(nicks), named.irc()
    greeting = ana.register(nick)
    shown = greeting[commands(greeting).index("375") :]
    assert shown[0] == f":{NAME} 375 {nick} :- {NAME} Message of the day -"
    assert shown[1] == f":{NAME} 372 {nick} :- Welcome, ¡bienvenidos!"
    assert shown[2] == f":{NAME} 372 {nick} :- "
    assert shown[3] == f":{NAME} 372 {nick} :-   indented: and with a colon"
    assert len(shown[4]) == 510
    assert shown[5] == f":{NAME} 372 {nick} :- a[31mb c"
    assert shown[6:] == [f":{NAME} 376 {nick} :End of /MOTD command"]
    assert ana.ask("MOTD") == shown


def test_an_empty_motd_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "motd").write_text("")
    with running("--motd", str(tmp_path / "motd")) as server, server.irc() as ana:
        assert command(ana.register("ana")[-1]) == "422"


# LUSERS


def counted(ana: IrcClient) -> dict[str, list[int]]:
    """The numbers in each line."""
    lines = [line for line in ana.ask("LUSERS") if command(line).isdigit()]
    return {command(line): [int(word) for word in re.findall(r"\d+", line.split(" ", 3)[3])] for line in lines}


@pytest.fixture(scope="module")
def empty() -> Iterator[Server]:
    """A server where nobody is, and nobody has been."""
    with running("--unlimited", "--workers", "2", "--oper", "root:secret") as it:
        yield it


def test_lusers_counts_truthfully(empty: Server) -> None:
    ana = empty.irc("ana")
    alone = {"251": [1, 0, 1], "252": [0], "253": [0], "254": [0], "255": [1, 0]}
    assert counted(ana) == {**alone, "265": [1, 1, 1, 1], "266": [1, 1, 1, 1]}

    beto, newcomer, plain = empty.irc("beto"), empty.irc(), empty.plain("carla")
    newcomer.ask("NICK dora")
    ana.ask("OPER root secret", "JOIN #a")
    beto.ask("MODE beto +i", "JOIN #a,#b", "MODE #b +s")
    three = [3, 3, 3, 3]
    here = {"252": [1], "253": [1], "254": [3], "265": three, "266": three}  # carla is in the lobby
    assert counted(ana) == {**here, "251": [2, 1, 1], "255": [3, 0]}
    assert counted(beto) == counted(ana)

    assert command(newcomer.ask("USER dora 0 * :Dora")[0]) == "001"
    ana.ask("MODE ana -o")
    beto.ask("MODE beto -i")
    four = [4, 4, 4, 4]
    here = {"252": [0], "253": [0], "254": [3], "265": four, "266": four}
    assert counted(ana) == {**here, "251": [4, 0, 1], "255": [4, 0]}

    plain.send("/quit")
    plain.rest()
    plain.close()
    for client in (beto, newcomer):
        client.send("QUIT")
        client.rest()
        client.close()
    gone = {"252": [0], "253": [0], "254": [1], "265": [1, 4, 1, 4], "266": [1, 4, 1, 4]}  # the most there were
    assert counted(ana) == {**gone, "251": [1, 0, 1], "255": [1, 0]}
    ana.send("QUIT")
    ana.rest()


def test_who_leaves_is_no_longer_counted_as_what_they_were(empty: Server) -> None:
    ana, beto, newcomer = empty.irc("ana"), empty.irc("beto"), empty.irc()
    newcomer.ask("NICK dora")
    beto.ask("OPER root secret", "MODE beto +i", "MODE beto +i", "OPER root secret")
    assert counted(ana)["251"] == [1, 1, 1]
    assert counted(ana)["252"] == [1]
    for client in (beto, newcomer):
        client.send("QUIT")
        client.rest()
        client.close()
    alone = counted(ana)
    assert (alone["251"], alone["252"], alone["253"]) == ([1, 0, 1], [0], [0])
    ana.close()


# VERSION TIME ADMIN INFO LINKS


def test_version(named: Server, nicks: Iterator[str]) -> None:
    ana = named.irc(next(nicks))
    version, *support = ana.ask("VERSION")
    assert re.fullmatch(rf":{NAME} 351 {ana.nick} mpchat\S* {NAME} :.*", version)
    assert support
    assert set(commands(support)) == {"005"}


def test_time(named: Server, nicks: Iterator[str]) -> None:
    ana = named.irc(next(nicks))
    (answer,) = ana.ask("TIME")
    assert re.fullmatch(rf":{NAME} 391 {ana.nick} {NAME} (\S+ )*:.*\d\d:\d\d:\d\d.*", answer)


def test_admin(named: Server, nicks: Iterator[str]) -> None:
    ana = named.irc(next(nicks))
    lines = ana.ask("ADMIN")
    assert commands(lines) == ["256", "257", "258", "259"]
    assert lines[0] == f":{NAME} 256 {ana.nick} {NAME} :Administrative info"
    assert all(text(line) for line in lines)


def test_info(named: Server, nicks: Iterator[str]) -> None:
    ana = named.irc(next(nicks))
    *lines, end = ana.ask("INFO")
    assert lines
    assert set(commands(lines)) == {"371"}
    assert end == f":{NAME} 374 {ana.nick} :End of INFO list"


@pytest.mark.parametrize(
    ("line", "shown", "mask"),
    [
        ("LINKS", True, "*"),
        ("LINKS *", True, "*"),
        ("LINKS *.TEST", True, "*.TEST"),
        (f"LINKS {NAME}", True, NAME),
        (f"LINKS {NAME} irc.*", True, "irc.*"),
        ("LINKS *.elsewhere", False, "*.elsewhere"),
        (f"LINKS {NAME} *.elsewhere", False, "*.elsewhere"),
    ],
)
def test_links_lists_the_servers_that_a_mask_fits(
    named: Server, nicks: Iterator[str], line: str, shown: bool, mask: str
) -> None:
    ana = named.irc(next(nicks))
    *servers, end = ana.ask(line)
    assert servers == ([f":{NAME} 364 {ana.nick} {NAME} {NAME} :0 tests: and tea"] if shown else [])
    assert end == f":{NAME} 365 {ana.nick} {mask} :End of LINKS list"


@pytest.mark.parametrize(
    ("word", "first"), [("MOTD", "375"), ("VERSION", "351"), ("TIME", "391"), ("ADMIN", "256"), ("INFO", "371")]
)
def test_one_may_ask_another_server(named: Server, nicks: Iterator[str], word: str, first: str) -> None:
    """There is none but this one; by its name, a mask that fits it, or somebody who is on it."""
    ana, beto, newcomer = named.irc(next(nicks)), named.irc(next(nicks)), named.irc()
    for target in (NAME, NAME.upper(), "*", "irc.*", "irc.example.tes?", beto.nick, ana.nick.upper()):
        assert command(ana.ask(f"{word} {target}")[0]) == first
    newcomer.ask(f"NICK {(nobody := next(nicks))}")
    for target in ("elsewhere.example.test", "irc.example", "*elsewhere*", nobody):
        assert ana.ask(f"{word} {target}") == [f":{NAME} 402 {ana.nick} {target} :No such server"]


def test_links_of_another_server(named: Server, nicks: Iterator[str]) -> None:
    ana = named.irc(next(nicks))
    assert ana.ask("LINKS elsewhere.test *") == [f":{NAME} 402 {ana.nick} elsewhere.test :No such server"]


# HELP


@pytest.mark.parametrize(("line", "subject"), [("HELP", "*"), ("HELP MODES", "MODES"), ("help modes", "MODES")])
def test_help(server: Server, nicks: Iterator[str], line: str, subject: str) -> None:
    ana = server.irc(next(nicks))
    start, *lines, end = ana.ask(line)
    assert command(start) == "704"
    assert lines
    assert set(commands(lines)) == {"705"}
    assert command(end) == "706"
    assert {line.split(" ")[3] for line in (start, *lines, end)} == {subject}


def test_help_about_nothing_known(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask("HELP nosuch") == [f":mpchat.local 524 {ana.nick} NOSUCH :No help available on this topic"]


def test_help_knows_every_command(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    for name in sorted(COMMANDS):
        answers = ana.ask(f"HELP {name.lower()}")
        assert commands(answers)[0] == "704", name
        assert commands(answers)[-1] == "706", name
