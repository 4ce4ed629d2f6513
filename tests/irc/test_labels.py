"""IRCv3 over TCP: labeled-response, standard-replies and UTF8ONLY (see also tests/core/test_labels.py)."""

from collections.abc import Iterator

from tests.irc.people import ME, by, member
from tests.running import Server, command

CAPS = "labeled-response batch echo-message message-tags server-time standard-replies"


def bare(line: str) -> str:
    """Without its tags."""
    return line.partition(" ")[2] if line.startswith("@") else line


def test_they_are_offered(server: Server, nicks: Iterator[str]) -> None:
    client = server.irc()
    (offered,) = client.ask("CAP LS 302")
    assert {"labeled-response", "standard-replies"} <= set(offered.rpartition(" :")[2].split())
    client.send("CAP END")
    assert any(" UTF8ONLY " in line for line in client.register(next(nicks)) if command(line) == "005")


def test_what_one_does_and_what_others_read(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = member(server, next(nicks), channel, CAPS), member(server, next(nicks), channel, CAPS)
    ana.sync()
    for number, (line, told) in enumerate(
        [
            (f"PRIVMSG {channel} :hola", f"PRIVMSG {channel} :hola"),
            (f"@+a=b TAGMSG {channel}", f"TAGMSG {channel}"),
            (f"TOPIC {channel} :x", f"TOPIC {channel} :x"),
            (f"MODE {channel} +m", f"MODE {channel} +m"),
            (f"KICK {channel} {beto.nick}", f"KICK {channel} {beto.nick} :{ana.nick}"),
        ]
    ):
        (answer,) = ana.ask(f"@label={number};{line.removeprefix('@')}" if "@" in line else f"@label={number} {line}")
        assert answer.startswith(f"@label={number};time=")
        assert bare(answer) == f"{by(ana)} {told}"
        (read,) = beto.sync()
        assert bare(read) == bare(answer)
        assert "label" not in read


def test_a_batch_an_acknowledgement_and_a_message_to_oneself(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks), caps="labeled-response batch echo-message")
    first, *inside, last = ana.ask(f"@label=a\\sb WHOIS {ana.nick}")
    assert first == f"@label=a\\sb {ME} BATCH +label labeled-response"
    assert [command(line) for line in inside] == ["311", "312", "317", "318"]
    assert all(line.startswith("@batch=label ") for line in inside)
    assert last == f"{ME} BATCH -label"

    assert ana.ask("@label=c PONG x") == [f"@label=c {ME} ACK"]
    said = f"{by(ana)} PRIVMSG {ana.nick} :yo"
    assert ana.ask(f"@label=d PRIVMSG {ana.nick} :yo") == [said, f"@label=d {said}"]


def test_what_is_not_utf_8_is_refused_in_the_words_that_its_client_knows(server: Server, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks), caps=CAPS), server.irc(next(nicks))
    for client in (ana, beto):
        client.send_bytes(b"@label=x PRIVMSG #a :\xff\r\n")
    (told,), (noticed,) = ana.sync(), beto.sync()
    assert told.startswith("@label=x;time=")
    assert bare(told) == f"{ME} FAIL PRIVMSG INVALID_UTF8 :Refused: not UTF-8 text"
    assert noticed == f"{ME} NOTICE {beto.nick} :Refused: not UTF-8 text"
