"""People in a channel, as the IRC tests need them again and again."""

import re
from collections.abc import Iterator

from tests.running import IrcClient, Server

ME = ":mpchat.local"  # the server's name, in front of everything it says itself


def people(server: Server, nicks: Iterator[str], number: int) -> list[IrcClient]:
    return [server.irc(next(nicks)) for _ in range(number)]


def together(server: Server, nicks: Iterator[str], channel: str, number: int) -> list[IrcClient]:
    """So many people in a channel, with nothing left to read. The first is its operator."""
    members = people(server, nicks, number)
    for member in members:
        member.join(channel)
    for member in members:
        member.sync()
    return members


def by(client: IrcClient) -> str:
    """The source of a message from this client."""
    return f":{client.nick}!~{client.nick}@127.0.0.1"


def member(server: Server, nick: str, channel: str, caps: str) -> IrcClient:
    """Somebody with these capabilities, who has read who else is on the channel."""
    client = server.irc(nick, caps=caps)
    client.join(channel)
    client.sync()
    return client


def msgid(line: str) -> str:
    """A line's id; it must have one."""
    found = re.match(r"@(?:[^ ]*;)?msgid=([^ ;]+)", line)
    assert found is not None, line
    return found[1]
